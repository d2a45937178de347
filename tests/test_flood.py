from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pytest
import rasterio
import xarray as xr
from rich.console import Console

from jinghu.configs.settings import CitySettings, InputSettings, Settings
from jinghu.flood import flood, network_of
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.grid.states import save_state
from jinghu.grid.store import Store, write_zarr
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.hydro.network import read_network
from jinghu.stages import StageLog

TIME = datetime(2019, 8, 9, 16, 30, tzinfo=UTC)
STEP = timedelta(minutes=6)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    root = tmp_path_factory.mktemp("flood")
    return Settings(
        name="test",
        city=CitySettings(
            name_zh="绍兴市", name_en="Shaoxing", code="330600", boundaries=root / "none.geojson"
        ),
        store=root / "store",
        inputs=InputSettings(radar=root),
    )


@pytest.fixture(scope="module")
def store(settings):
    found = Store(settings.store).create()
    (found.root / "static").mkdir()
    return found


@pytest.fixture
def own_store(store, tmp_path):
    """Store of the test's own; the river network is built once for all."""
    found = Store(tmp_path / "own").create()
    (found.root / "static").symlink_to(store.root / "static")
    return found


def with_hydro(settings, **changes):
    return settings.model_copy(update={"hydro": settings.hydro.model_copy(update=changes)})


def rain(settings, first, n, mm=0.0, wet=()):
    """Step amounts on the product grid from the step that ends at ``first`` on."""
    spec = settings.grid.product()
    amounts = np.full((n, *spec.shape), 0.0, np.float32)
    amounts[list(wet)] = mm
    times = np.array([to_numpy(first + k * STEP) for k in range(n)])
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
        coords={"time": times, **spec.coords()},
    )


def record(settings, time=TIME, mm=2.0):
    """A day with rain in the last two hours."""
    return rain(settings, time - 239 * STEP, 240, mm, range(220, 240))


def run(settings, store, best, forecast, time=TIME):
    log = StageLog(Console(file=StringIO()))
    return flood(best, forecast, time, store, settings, log), log.degradations


def test_cold_start_gives_hydrographs_at_named_gauges(settings, store, tmp_path):
    forecast = rain(settings, TIME + STEP, 30, 3.0, range(10))
    outcome, degraded = run(settings, store, record(settings), forecast)
    flows = outcome.dataset
    assert flows is not None
    assert flows.sizes["time"] == 121  # 24 h at 12 min, and the analysis time
    assert flows["time"].values[0] == to_numpy(TIME)
    assert flows["time"].values[-1] == to_numpy(TIME + timedelta(hours=24))
    assert abs(flows.attrs["water_balance_error"]) < 1e-12
    assert outcome.summary["terrain"] == "generated from river lines; not a survey"
    gauges = {row["name_en"]: row for row in outcome.summary["gauges"]}
    shengzhou = gauges["Shengzhou"]
    assert shengzhou["peak_m3s"] > 2 * shengzhou["now_m3s"]
    assert "2019-08-09T17:00Z" < shengzhou["peak_time"] < "2019-08-10T16:30Z"
    assert "warning_level_m" not in shengzhou  # none has a source
    assert outcome.summary["reaches"] == flows.sizes["reach"]
    assert any("starts cold" in line for line in degraded)
    assert any("generated from river lines" in line for line in degraded)
    write_zarr(tmp_path / "hydro.zarr", flows)
    with xr.open_zarr(tmp_path / "hydro.zarr", consolidated=False) as again:
        assert "嵊州" in again["gauge_name_zh"].values
        assert again["water_level"].attrs["vertical_datum"].startswith("heights of the terrain")


@pytest.mark.parametrize(("steps", "works"), [(1, False), (2, False), (10, False), (10, True)])
def test_the_next_cycle_goes_on_where_this_one_was(settings, own_store, steps, works):
    """Where it rains as forecast, the next cycle's flows are the same as this one's forecast.

    Below reservoirs much the same: what downstream rules look ahead at holds what has been let out
    already, and of that the first cycle had not seen the last.
    """
    hours = 24 if works else 6  # their rules look a day ahead
    settings = with_hydro(settings, step_min=6, horizon_h=float(hours))
    if not works:
        settings = with_hydro(settings, reservoirs=None, tidal_gate=None)
    best = record(settings)
    forecast = rain(settings, TIME + STEP, 30, 3.0, range(20))
    first, _ = run(settings, own_store, best, forecast)
    save_state(own_store, cycle_name(TIME), first.state)
    later = TIME + steps * STEP
    whole = np.concatenate([best["rainfall_amount"].values, forecast["rainfall_amount"].values])
    record_later = record(settings, later)
    record_later["rainfall_amount"].values[:] = whole[steps : 240 + steps]
    rest = forecast.isel(time=slice(steps, None))
    second, degraded = run(settings, own_store, record_later, rest, later)
    assert not any("cold" in line for line in degraded)
    common = np.intersect1d(first.dataset["time"].values, second.dataset["time"].values)
    assert len(common) == 10 * hours + 1 - steps
    np.testing.assert_allclose(
        second.dataset["river_discharge"].sel(time=common).values,
        first.dataset["river_discharge"].sel(time=common).values,
        rtol=0.05 if works else 0.0,
        atol=0.05 if works else 0.0,
    )


def test_a_state_that_does_not_fit_is_named(settings, own_store):
    settings = with_hydro(settings, horizon_h=3.0)
    best, forecast = record(settings), rain(settings, TIME + STEP, 30)
    first, _ = run(settings, own_store, best, forecast)
    old = TIME - timedelta(days=3)
    save_state(own_store, cycle_name(old), first.state)
    _, degraded = run(settings, own_store, best, forecast)
    assert f"flood state of {cycle_name(old)} does not join the rain record: cold start" in degraded
    other = TIME - 5 * STEP
    channel = first.state["channel"].assign_attrs(network="another")
    save_state(own_store, cycle_name(other), first.state | {"channel": channel})
    _, degraded = run(settings, own_store, best, forecast)
    assert f"flood state of {cycle_name(other)} is of another network: cold start" in degraded
    kinematic = with_hydro(settings, method="kinematic")
    save_state(own_store, cycle_name(TIME - STEP), first.state)
    outcome, degraded = run(kinematic, own_store, best, forecast)
    assert outcome.dataset.attrs["routing_method"] == "kinematic"
    assert any("is of another method, time step or version" in line for line in degraded)


def test_rain_that_was_not_observed_is_none_and_named(settings, store):
    settings = with_hydro(settings, horizon_h=3.0)
    best = record(settings)
    values = best["rainfall_amount"].values
    values[:120] = np.nan
    outcome, degraded = run(settings, store, best, rain(settings, TIME + STEP, 30))
    dry = best.copy(deep=True)
    dry["rainfall_amount"].values[:120] = 0.0
    zero, _ = run(settings, store, dry, rain(settings, TIME + STEP, 30))
    assert any("50 % of the rain since 2019-08-08T16:36Z was not observed" in d for d in degraded)
    xr.testing.assert_identical(outcome.dataset, zero.dataset)


def test_network_is_built_once_and_again_where_it_is_damaged(settings, store):
    network = network_of(settings, store)
    (path,) = (store.root / "static").glob("network-*.nc")
    written = path.stat().st_mtime_ns
    assert network_of(settings, store).fingerprint() == network.fingerprint()
    assert path.stat().st_mtime_ns == written
    path.write_bytes(path.read_bytes()[:1000])
    assert network_of(settings, store).fingerprint() == network.fingerprint()
    assert read_network(path).n_reaches == network.n_reaches
    assert [p.name for p in (store.root / "static").glob("*network*")] == [path.name]


def test_a_dem_takes_the_place_of_the_generated_terrain(settings, store, tmp_path):
    spec = settings.grid.product()
    row, col = np.mgrid[:60, :60]
    heights = 20.0 + 2.0 * (59 - row) + 10.0 * np.abs(col - 30)
    with rasterio.open(
        tmp_path / "dem.tif", "w", driver="GTiff", width=60, height=60, count=1,
        dtype="float32", crs=spec.crs,
        transform=rasterio.Affine(5000.0, 0.0, spec.x0_m, 0.0, -5000.0, spec.y0_m + 300_000.0),
    ) as file:  # fmt: skip
        file.write(heights.astype(np.float32), 1)
    own = with_hydro(settings, dem=tmp_path / "dem.tif", burn_rivers=False)
    outcome, degraded = run(own, store, record(own), rain(own, TIME + STEP, 30))
    assert outcome.summary["terrain"] == "DEM dem.tif"
    assert not any("generated" in line for line in degraded)
    assert outcome.summary["reaches"] > 100


def test_without_a_network_the_cycle_goes_on(settings, store, tmp_path):
    for broken in ({"dem": tmp_path / "none.tif"}, {"gauges": tmp_path / "none.csv"}):
        own = with_hydro(settings, **broken)
        outcome, degraded = run(own, store, record(own), rain(own, TIME + STEP, 30))
        assert outcome.dataset is None
        assert outcome.summary["reaches"] == 0
        assert not outcome.state
        assert any(line.startswith("no flood forecast: ") for line in degraded)
    with pytest.raises(DataError, match=r"none.geojson: No such file"):
        network_of(with_hydro(settings, rivers=tmp_path / "none.geojson"), store)


def test_a_level_above_its_table_is_named(settings, store):
    flood_of_floods = rain(settings, TIME + STEP, 30, 60.0, range(30))
    outcome, degraded = run(settings, store, record(settings), flood_of_floods)
    rows = {row["id"]: row for row in outcome.summary["reservoirs"]}
    assert rows["changzhao"]["highest_m"] > 138.0
    assert any("长诏水库: level" in d and "ends at 138 m" in d for d in degraded)
