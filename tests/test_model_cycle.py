"""A cycle with a numerical model's rain: which run it takes, what comes of it, what it refuses."""

import io
import json
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from tests.conftest import STEP, TIME, alone

from jinghu.cycle import CycleInputs, run_cycle
from jinghu.dispatch import situation
from jinghu.doctor import examine
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.model_blend import STATE
from jinghu.model_inputs import read_model_inputs
from jinghu.nowcast.model_grid import at_times
from jinghu.report import cycle_report, print_report
from jinghu.stages import StageLog

HOUR = timedelta(hours=1)
COARSE = GridSpec("EPSG:4549", 505_000.0, 3_210_000.0, 5_000.0, 32, 32)
AFAR = GridSpec("EPSG:4549", 1_505_000.0, 3_210_000.0, 5_000.0, 32, 32)


def model_rain(reference, hours, *, spec=COARSE, rate=None):
    """Hourly rain of a run: bands of up to 12 mm/h that move north by 20 km/h."""
    lead = np.arange(hours + 1)
    phase = (spec.y[None, :, None] / 1e3 - 20.0 * lead[:, None, None]) / 25.0
    bands = np.broadcast_to(6.0 + 6.0 * np.sin(phase), (hours + 1, *spec.shape))
    values = bands if rate is None else np.full_like(bands, rate)
    rates = (("time", "y", "x"), values.astype(np.float32), attrs("rainfall_rate"))
    found = xr.Dataset(
        {"rainfall_rate": rates},
        coords={
            "time": to_numpy(reference) + lead * np.timedelta64(1, "h").astype("timedelta64[ns]"),
            **spec.coords(),
        },
    )
    return found.assign(forecast_reference_time=to_numpy(reference))


def name(reference):
    return f"model_{reference:%Y%m%d%H}.nc"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with two good runs, and five files of no use."""
    folder = tmp_path_factory.mktemp("model")
    base = TIME.replace(minute=0)
    model_rain(base - 12 * HOUR, 30).to_netcdf(folder / name(base - 12 * HOUR))
    model_rain(base - 3 * HOUR, 12).to_netcdf(folder / name(base - 3 * HOUR))
    whole = (folder / name(base - 3 * HOUR)).read_bytes()
    (folder / "cut.nc").write_bytes(whole[: len(whole) // 2])
    model_rain(base - 2 * HOUR, 12, rate=9.9e3).to_netcdf(folder / "fill.nc")
    model_rain(base - 1 * HOUR, 12, spec=AFAR).to_netcdf(folder / "afar.nc")
    model_rain(base + 2 * HOUR, 12).to_netcdf(folder / "future.nc")
    model_rain(base - 90 * HOUR, 12).to_netcdf(folder / name(base - 90 * HOUR))
    return folder


USED = name(TIME.replace(minute=0) - 3 * HOUR)


@pytest.fixture(scope="module")
def both(event, runs, tmp_path_factory):
    """Settings after two cycles with a model, the second with members, and its result."""
    settings = alone(event.settings, tmp_path_factory.mktemp("ran") / "store")
    for time, members in ((TIME - STEP, 0), (TIME, 4)):
        of = {"leads": 12, "members": members}
        mine = settings.model_copy(update={"nowcast": settings.nowcast.model_copy(update=of)})
        at = CycleInputs(time, TIME + STEP, [settings.inputs.radar], [], model=[runs])
        result = run_cycle(mine, at, Console(quiet=True))
    return mine, result


@pytest.fixture(scope="module")
def ran(both):
    return both[0]


@pytest.fixture(scope="module")
def full(ran):
    return Store(ran.store).latest()


def test_the_manifest_names_the_run_its_age_and_its_share(full):
    told = full.manifest()["model"]
    assert told["file"] == USED
    assert told["age_h"] == pytest.approx(3.2)
    assert told["until"] == "2026-06-20T15:00Z"
    shares = told["share_by_lead_min"]
    assert list(map(float, shares)) == [30.0 * k for k in range(1, 18)]
    assert 0.0 <= shares["30"] < shares["60"] < 1.0
    assert shares["90"] == shares["510"] == 1.0


def test_the_report_tells_the_run_its_age_and_its_share(both):
    settings, result = both
    report = cycle_report(result, settings)
    assert report["model"]["file"] == USED
    lines = io.StringIO()
    print_report(report, Console(file=lines, width=400))
    said = next(line for line in lines.getvalue().splitlines() if "model run" in line)
    assert f"{USED} of " in said
    assert "3.2 h old, to 2026-06-20T15:00Z; its share +60 min " in said
    for unused, words in ((None, "not asked for"), ({}, "none of use: the nowcast alone")):
        lines = io.StringIO()
        print_report(report | {"model": unused}, Console(file=lines, width=400))
        assert f"model run: {words}" in lines.getvalue()


def test_what_is_of_no_use_is_refused_and_quarantined_by_name(ran, full):
    manifest = full.manifest()
    causes = {r["file"]: r["cause"] for r in manifest["inputs"]["refused"]}
    assert set(causes) == {"cut.nc", "fill.nc", "afar.nc", "future.nc"}
    assert "cannot be opened" in causes["cut.nc"]
    assert "no rain rates" in causes["fill.nc"]
    assert causes["afar.nc"] == "does not overlap the nowcast's grid"
    assert "yet to come" in causes["future.nc"]
    kept = [json.loads(f.read_text()) for f in (ran.store / "quarantine").glob("*.reason.json")]
    assert {one["file"].rsplit("/", 1)[1] for one in kept} == set(causes)
    for file in causes:
        assert any(text.startswith("refused: ") and file in text
                   for text in manifest["degradations"])  # fmt: skip


def test_rivers_get_the_model_after_the_nowcast(ran, full, runs):
    """Each step after the nowcast's end brings what the model says."""
    outlook = full.open("outlook.zarr").load()["rainfall_amount"]
    times = outlook["time"].values
    assert times[0] == to_numpy(TIME + 13 * STEP)
    assert times[-1] == to_numpy(TIME + 88 * STEP)  # 15:00, where the run ends
    assert np.isfinite(outlook.values).all()
    run = read_model_inputs([runs / USED], ran, (TIME, TIME), StageLog(Console(quiet=True))).run
    assert run is not None
    said = at_times(run.product, times - np.timedelta64(3, "m"))
    np.testing.assert_allclose(outlook.values, said / 10.0, rtol=1e-5)
    here = situation_of(ran, full)
    for rain in here.rain:  # the forecast's and the members'
        known = rain.sel(time=slice(times[0], None))["rainfall_amount"].values
        reach = min(len(known), len(times))
        np.testing.assert_array_equal(known[:reach], outlook.values[:reach])


def situation_of(settings, part):
    from jinghu.api.dispatch_schemas import DispatchRequest

    return situation(DispatchRequest(cycle=part.cycle), settings)


def test_members_keep_their_differences(full):
    members = full.open("members.zarr").load()["rainfall_rate"].values
    assert np.isfinite(members).all()
    assert members[:, -1].std(axis=0).mean() > 0.1
    # What came from beyond the edge is the model's.
    assert members.min() >= 0.0


def test_the_skill_is_carried_on(ran):
    store = Store(ran.store)
    after = load_state(store, cycle_name(TIME + STEP), STATE)
    before = load_state(store, cycle_name(TIME), STATE)
    assert after is not None
    assert before is not None
    assert (before[0], after[0]) == (cycle_name(TIME - STEP), cycle_name(TIME))
    assert not np.array_equal(before[1]["skill"], after[1]["skill"])


def choose(event, paths, time=TIME, **of):
    nowcast = event.settings.nowcast.model_copy(update=of)
    settings = event.settings.model_copy(update={"nowcast": nowcast})
    log = StageLog(Console(quiet=True))
    return read_model_inputs(paths, settings, (time, time + HOUR), log), log.degradations


def test_an_older_run_that_covers_the_nowcast_goes_first(event, tmp_path):
    model_rain(TIME - 6 * HOUR, 20).to_netcdf(tmp_path / "long.nc")
    model_rain(TIME - 1 * HOUR, 2).to_netcdf(tmp_path / "short.nc")
    found, named = choose(event, [tmp_path])
    assert found.run is not None
    assert found.run.file == "long.nc"
    assert named == []
    found, named = choose(event, [tmp_path / "short.nc"])
    assert found.run.file == "short.nc"
    assert named == ["model short.nc ends at 2026-06-20T07:12Z, before the nowcast"]


def test_a_run_of_one_netcdf_file_a_lead(event, tmp_path):
    whole = model_rain(TIME - 2 * HOUR, 10)
    for k, time in enumerate(whole["time"].values):
        part = whole.sel(time=[time]) if k % 2 else whole.sel(time=time)  # with and without axis
        part.assign_coords(forecast_reference_time=whole["time"].values[0]).to_netcdf(
            tmp_path / f"lead_{k:03d}.nc"
        )
    whole.to_netcdf(tmp_path / "whole.nc")
    one, _ = choose(event, [tmp_path / "whole.nc"])
    (tmp_path / "whole.nc").unlink()
    found, named = choose(event, [tmp_path])
    assert found.refused == []
    assert named == []
    assert found.run.file == f"lead_000.nc … lead_{k:03d}.nc ({k + 1} files)"
    np.testing.assert_array_equal(
        found.run.product["rainfall_rate"], one.run.product["rainfall_rate"]
    )


def test_runs_of_later_cycles_and_old_ones_are_passed_over(event, tmp_path):
    model_rain(TIME + HOUR / 2, 20).to_netcdf(tmp_path / "later.nc")
    model_rain(TIME - 9 * HOUR, 20).to_netcdf(tmp_path / "old.nc")
    found, named = choose(event, [tmp_path], oldest_model_h=8.0)
    assert found.run is None
    assert found.refused == []
    assert named == ["no usable model run of the last 8 h: the nowcast alone"]


def unseen(event, tmp_path, store, model):
    """Products and manifest of a cycle without any radar."""
    (tmp_path / "radar").mkdir(exist_ok=True)
    settings = alone(event.settings, tmp_path / store)
    run_cycle(
        settings,
        CycleInputs(TIME, TIME, [tmp_path / "radar"], [], model=model),
        Console(quiet=True),
    )
    part = Store(settings.store).latest()
    assert part is not None
    return part, part.open("products.zarr").load()


def test_a_cycle_without_a_usable_run_is_the_nowcast_alone(event, tmp_path):
    (one, without), (two, found) = (
        unseen(event, tmp_path, store, model)
        for store, model in (("a", []), ("b", [tmp_path / "none"]))
    )
    xr.testing.assert_identical(without, found)
    assert not (two.folder / "outlook.zarr").exists()
    assert "model" not in one.manifest()
    assert two.manifest()["model"] == {}
    named = two.manifest()["degradations"]
    assert f"model input {tmp_path / 'none'} does not exist" in named
    assert "no usable model run of the last 36 h: the nowcast alone" in named


def test_where_nothing_was_seen_stands_the_model(event, runs, tmp_path):
    part, products = unseen(event, tmp_path, "a", [runs / USED])
    of, _ = choose(event, [runs / USED])
    assert of.run is not None
    said = at_times(of.run.product, products["time"].values + products["lead_time"].values)
    np.testing.assert_allclose(products["rainfall_rate"].values[1:], said[1:], atol=0.1)
    assert np.isnan(products["rainfall_rate"].values[0]).all()
    assert set(part.manifest()["model"]["share_by_lead_min"].values()) == {1.0}


@pytest.mark.parametrize("seed", range(12))
def test_files_with_wrong_bytes_never_stop_a_cycle(event, tmp_path, seed):
    random = np.random.default_rng(seed)
    path = tmp_path / "model.nc"
    model_rain(TIME - HOUR, 12).to_netcdf(path, encoding={"rainfall_rate": {"zlib": True}})
    content = bytearray(path.read_bytes())
    for at in random.integers(0, len(content), 1 + 20 * (seed % 3)):
        content[at] = random.integers(256)
    path.write_bytes(content[: len(content) - (seed % 4 == 3) * 2000])
    found, named = choose(event, [path])
    assert (found.run is None) == any("no usable model run" in text for text in named)


def test_the_doctor_looks_for_them(event, tmp_path):
    inputs = event.settings.inputs.model_copy(update={"model": (tmp_path / "none",)})
    settings = event.settings.model_copy(update={"inputs": inputs}).with_store(tmp_path / "s")
    bad = {f.what: f.text for f in examine(settings, TIME) if not f.good}
    assert "none is missing: set inputs.model" in bad["model none"]
