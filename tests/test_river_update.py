"""River reports in the flood stage, cycle by cycle, from the files that stations write."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from jinghu.configs.settings import CitySettings, InputSettings, Settings
from jinghu.flood import flood
from jinghu.grid.fields import attrs
from jinghu.grid.river_reports import COLUMNS
from jinghu.grid.states import save_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.river_reports import read_rivers
from jinghu.stages import StageLog

TIME = datetime(2026, 6, 20, 6, tzinfo=UTC)
STEP = timedelta(minutes=6)
CITY = {"name_zh": "绍兴市", "name_en": "Shaoxing", "code": "330600"}
DATUM = "heights of the terrain: generated from river lines; not a survey"
POOL_DATUM = "generated levels, meant as heights above the 1985 national height datum"
SHENGZHOU = ("嵊州", 29.604, 120.834)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("rivers")


def settings_of(root, folder, **hydro):
    found = Settings(
        name="test",
        city=CitySettings(**CITY, boundaries=root / "none.geojson"),
        store=root / "store",
        inputs=InputSettings(radar=root, rivers=(folder,), river_frame="WGS-84"),
    )
    changes = {"step_min": 6, "horizon_h": 3.0, "update_members": 8, **hydro}
    return found.model_copy(update={"hydro": found.hydro.model_copy(update=changes)})


def rain(settings, first, n, mm):
    spec = settings.grid.product()
    values = np.full((n, *spec.shape), mm, np.float32)
    times = np.array([to_numpy(first + k * STEP) for k in range(n)])
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), values, attrs("rainfall_amount"))},
        coords={"time": times, **spec.coords()},
    )


def row(time, flow="", level="", place=SHENGZHOU, kind="river", datum=DATUM, station="S1"):
    name, lat, lon = place
    stamp = f"{time:%Y-%m-%dT%H:%M:%SZ}"
    return f'{station},{kind},{name},{lat},{lon},{stamp},{level},"{datum}",{flow}'


def write(folder, time, *rows):
    folder.mkdir(exist_ok=True)
    path = folder / f"levels_{time:%Y%m%d%H%M}.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", "utf-8")


def cycle(settings, store, time, read=True):
    """One flood stage; returns its outcome, its degradations and the reports it read."""
    log = StageLog(Console(file=StringIO()))
    clocks = (time, time + timedelta(minutes=1))
    paths = settings.inputs.rivers if read else ()
    reports = read_rivers(paths, settings.inputs, clocks, store, log)
    best, coming = rain(settings, time - 239 * STEP, 240, 0.2), rain(settings, time + STEP, 30, 0.2)
    outcome = flood(best, coming, time, store, settings, log, reports)
    save_state(store, cycle_name(time), outcome.state)
    return outcome, log.degradations, reports


def cycles(root, folder, name, n, read=True, **hydro):
    """Some cycles in a store of their own; the network is built once."""
    settings = settings_of(root, folder, **hydro).with_store(root / name)
    store = Store(settings.store).create()
    if not (settings.store / "static").exists():
        (settings.store / "static").symlink_to(root / "static")
    (root / "static").mkdir(exist_ok=True)
    return [cycle(settings, store, TIME + k * STEP, read) for k in range(n)]


def at(flows, variable, name="嵊州", time=0):
    return float(flows[variable].values[time, list(flows["gauge_name_zh"].values).index(name)])


@pytest.fixture(scope="module")
def silent(root):
    """Three cycles whose folder of reports stays empty."""
    (root / "empty").mkdir()
    return cycles(root, root / "empty", "silent", 3)


def test_without_reports_every_bit_is_as_before(root, silent):
    plain = cycles(root, root / "empty", "plain", 3, read=False)
    for (with_none, *_), (without, *_) in zip(silent, plain, strict=True):
        xr.testing.assert_identical(with_none.dataset, without.dataset)


def test_a_gauge_corrects_the_water_and_the_forecast(root, silent):
    folder = root / "more"
    computed = at(silent[0][0].dataset, "gauge_discharge")
    for k in range(3):
        time = TIME + k * STEP
        write(folder, time, row(time, flow=2.0 * computed))
    found = cycles(root, folder, "more", 3)
    flows, summary = found[2][0].dataset, found[2][0].summary["reports"]
    before = silent[2][0].dataset
    now = at(flows, "gauge_discharge")
    assert 1.5 * computed < now < 2.3 * computed
    assert at(flows, "gauge_discharge_computed") > 1.1 * computed  # the water itself
    assert at(flows, "gauge_discharge", time=20) > 1.1 * at(before, "gauge_discharge", time=20)
    assert at(flows, "gauge_discharge_lower") < now < at(flows, "gauge_discharge_upper")
    assert at(flows, "water_level") > at(before, "water_level")
    assert summary["gauges"] == ["嵊州"]
    assert summary["added_channels_m3"] > 0
    assert abs(flows.attrs["water_balance_error"]) < 1e-10
    k = list(flows["gauge_name_zh"].values).index("嵊州")
    assert flows["observed_discharge"].sizes["observation_time"] == 3
    np.testing.assert_allclose(flows["observed_discharge"].values[:, k], 2.0 * computed, rtol=1e-5)
    # Of another river nothing is said but what is alike everywhere: it hardly moves.
    assert at(flows, "gauge_discharge", "诸暨(太平桥)") == pytest.approx(
        at(before, "gauge_discharge", "诸暨(太平桥)"), rel=0.01
    )


def test_a_stage_alone_tells_a_flow_by_the_section(root, silent):
    folder = root / "stage"
    level = at(silent[0][0].dataset, "water_level")
    for k in range(3):
        time = TIME + k * STEP
        write(folder, time, row(time, level=f"{level + 0.8:.2f}"))
    flows = cycles(root, folder, "stage", 3)[2][0].dataset
    assert at(flows, "gauge_discharge") > 1.2 * at(silent[2][0].dataset, "gauge_discharge")
    assert np.isfinite(flows["observed_water_level"].values).sum() == 3


def test_a_reservoir_takes_its_level_and_the_water_is_told(root, silent):
    folder = root / "pool"
    first = silent[0][0].dataset
    k = list(first["reservoir_id"].values).index("qincun")
    level = float(first["reservoir_level"].values[0, k]) + 1.0
    place = ("钦寸水库", float(first["reservoir_lat"][k]), float(first["reservoir_lon"][k]))
    write(folder, TIME, row(TIME, level=f"{level:.2f}", place=place, kind="reservoir",
                            station="qincun", datum=POOL_DATUM))  # fmt: skip
    outcome, _, _ = cycles(root, folder, "pool", 1)[0]
    assert outcome.summary["reports"]["reservoirs"] == ["qincun"]
    added = outcome.summary["reports"]["added_reservoirs_m3"]
    assert added > 1e5
    assert float(outcome.dataset["reservoir_level"].values[1, k]) == pytest.approx(level, abs=0.05)


def test_bad_reports_are_named_and_never_stop_a_cycle(root):
    folder = root / "bad"
    hour = timedelta(hours=1)
    write(
        folder, TIME,
        row(TIME, flow=50.0),
        row(TIME, flow=60.0),  # again: it replaces
        row(TIME - 2 * hour, flow=1.0),  # too late
        row(TIME + hour, flow=1.0, station="S9"),  # a clock ahead
        row(TIME, flow="nan", level="nan", station="S8"),
        row(TIME, flow=3.0, place=("无名", 29.6, 120.8), station="S7"),
        row(TIME, flow=3.0, place=("诸暨(太平桥)", 29.0, 121.2), station="S6"),  # far away
        row(TIME, level=-80.0, place=("黄泽", 29.58, 120.94), station="S5"),
        "S4,river",
    )  # fmt: skip
    (folder / "broken.csv").write_bytes(b"\0\1\2\xff")
    settings = settings_of(root, folder).with_store(root / "bad-store")
    store = Store(settings.store).create()
    (settings.store / "static").symlink_to(root / "static")
    outcome, degraded, reports = cycle(settings, store, TIME)
    summary = outcome.summary["reports"]
    assert outcome.dataset is not None
    assert summary["gauges"] == ["嵊州"]
    assert (summary["duplicates"], summary["late"], summary["refused_rows"]) == (1, 1, 3)
    assert summary["unknown"] == ["S7"]
    assert {r.file.name for r in reports.refused} == {"broken.csv", "levels_202606200600.csv"}
    text = "\n".join(degraded)
    assert "river stations that no table knows: S7" in text
    assert "S6 (诸暨(太平桥)): reports from" in text
    assert "below its bed: datum wrong" in text
    # The next hour: nothing is used twice, nobody new, and who fell silent is named.
    _, _, again = cycle(settings, store, TIME + STEP)
    assert again.fresh == []
    assert again.rows_refused == 0
    _, degraded, _ = cycle(settings, store, TIME + 11 * STEP)
    assert any("river stations silent for an hour: S1" in line for line in degraded)


def test_a_late_report_meets_what_was_computed_for_its_time(root, silent):
    """Out of order and half an hour late, they still correct."""
    folder = root / "late"
    computed = at(silent[0][0].dataset, "gauge_discharge")
    write(folder, TIME, row(TIME, flow=computed))
    write(folder, TIME + 4 * STEP, *(row(TIME + k * STEP, flow=2 * computed) for k in (3, 1, 2)))
    found = cycles(root, folder, "late", 5)
    assert len(found[4][2].fresh) == 3
    assert at(found[4][0].dataset, "gauge_discharge") > 1.3 * computed


def test_linear_muskingum_is_corrected_at_the_gauge_alone(root, silent):
    folder = root / "more"
    found = cycles(root, folder, "linear", 3, method="muskingum")
    summary = found[2][0].summary["reports"]
    assert summary["corrects"] == "forecast at gauges"
    assert summary["added_channels_m3"] == 0.0
    flows = found[2][0].dataset
    assert at(flows, "gauge_discharge") > 1.3 * at(flows, "gauge_discharge_computed")


def test_the_same_reports_give_the_same_bits(root, silent):
    once = cycles(root, root / "more", "once", 2)[1][0].dataset
    again = cycles(root, root / "more", "again", 2)[1][0].dataset
    xr.testing.assert_identical(once, again)


def test_a_stage_that_the_pond_holds_is_no_datum_that_differs(root, silent):
    """Above the tidal gate the river stands on the pond, well over uniform flow."""
    first = silent[0][0].dataset
    k = list(first["gauge_name_zh"].values).index("曹娥江大闸")
    place = ("曹娥江大闸", float(first["gauge_lat"][k]), float(first["gauge_lon"][k]))
    level = at(first, "water_level", "曹娥江大闸")
    for name, off in (("held", 0.0), ("shifted", 9.0)):
        folder = root / name
        times = [TIME + STEP - n * STEP for n in range(11)]
        rows = [row(time, level=f"{level + off:.2f}", place=place) for time in times]
        write(folder, TIME, *rows[1:])
        write(folder, TIME + STEP, rows[0])
        outcome, degradations, _ = cycles(root, folder, name, 2)[1]
        told = outcome.summary["reports"]["datum_offset_m"]
        assert told == ({} if not off else {"曹娥江大闸": pytest.approx(off, abs=0.3)})
        assert any("datum differs" in line for line in degradations) is bool(off)
        assert outcome.summary["reports"]["gauges"] == []  # it tells nothing of the flow
