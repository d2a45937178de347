import numpy as np
import pytest
import xarray as xr

from jinghu.configs.settings import CONFIGS, GridSettings
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.hydro.gauges import place_gauges, read_gauges
from jinghu.hydro.model import Basin, ModelParams, depth_m, simulate
from jinghu.hydro.runoff import RunoffParams

STEP_S = 360.0
SPEC = GridSettings().product()


def rain_of(amounts, start="2019-08-09T00:00"):
    times = np.datetime64(start, "ns") + np.arange(1, len(amounts) + 1) * np.timedelta64(6, "m")
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
        coords={"time": times},
    )


def storm(n, mm_h=20.0, hours=(1, 4)):
    amounts = np.zeros((n, *SPEC.shape), np.float32)
    amounts[hours[0] * 10 : hours[1] * 10] = mm_h / 10
    return amounts


@pytest.fixture(scope="module")
def basin(shaoxing):
    return Basin.of(shaoxing, SPEC)


@pytest.fixture(scope="module")
def gauges(shaoxing):
    return place_gauges(read_gauges(CONFIGS / "shaoxing" / "gauges.csv"), shaoxing)[0]


def test_storm_over_shaoxing(basin, gauges):
    flows, _ = simulate(basin, rain_of(storm(480)), STEP_S, gauges, ModelParams())
    assert abs(flows.attrs["water_balance_error"]) < 1e-12
    assert flows.attrs["terrain_source"] == "generated from river lines; not a survey"
    names = list(flows["gauge_name_zh"].values)
    flow = flows["gauge_discharge"].values
    peak = {name: int(flow[:, i].argmax()) for i, name in enumerate(names)}
    size = {name: float(flow[:, i].max()) for i, name in enumerate(names)}
    assert 10 < peak["新昌"] < peak["上浦"] < peak["上虞"]  # the wave goes down the river
    assert peak["诸暨(太平桥)"] < peak["湄池"]
    assert size["嵊州"] > size["新昌"]
    # 60 mm on wet soil: 1 to 5 m3/s/km2 in headwaters of 500 km2
    assert 0.5 < size["新昌"] / 519 < 5.0
    assert (np.diff(flow[:10], axis=0) < 0.02 * flow[0]).all()  # before the rain
    assert np.isfinite(flows["water_level"]).all()


def test_level_is_the_bed_and_the_depth_of_uniform_flow(basin, gauges):
    flows, _ = simulate(basin, rain_of(storm(60)), STEP_S, gauges, ModelParams())
    at, network = gauges[0].reach, basin.network
    depth = float(flows["water_level"][30, 0]) - network.bed_m[at]
    area, radius = network.width_m[at] * depth, depth
    manning = area * radius ** (2 / 3) * np.sqrt(network.slope[at]) / network.manning_n[at]
    assert manning == pytest.approx(float(flows["gauge_discharge"][30, 0]), rel=1e-3)
    assert depth_m(network, np.array([at]), np.array([0.0]))[0] == 0.0


def test_a_run_in_two_parts_is_the_whole_run(basin, gauges):
    rain, params = rain_of(storm(120)), ModelParams()
    whole, end = simulate(basin, rain, STEP_S, gauges, params)
    first, state = simulate(basin, rain.isel(time=slice(0, 49)), STEP_S, gauges, params)
    one, state = simulate(basin, rain.isel(time=[49]), STEP_S, gauges, params, state)
    rest, state = simulate(basin, rain.isel(time=slice(50, None)), STEP_S, gauges, params, state)
    parts = np.concatenate([d["river_discharge"].values for d in (first, one, rest)])
    np.testing.assert_array_equal(parts, whole["river_discharge"].values)
    np.testing.assert_array_equal(state.soil["free"], end.soil["free"])


def test_wet_soil_gives_more_water(basin, gauges):
    rain = rain_of(storm(240))
    wet, dry = (
        simulate(basin, rain, STEP_S, gauges, ModelParams(initial_wetness=w))[0]
        for w in (0.95, 0.3)
    )
    assert float(wet["gauge_discharge"].sum()) > 2 * float(dry["gauge_discharge"].sum())


def test_what_does_not_fit_is_refused(basin, shaoxing):
    amounts = storm(12)
    amounts[:, ::2] = np.nan
    with pytest.raises(DataError, match="rain: unit"):
        simulate(basin, rain_of(amounts), STEP_S, (), ModelParams())
    with pytest.raises(ConfigError, match="rainfall_amount is missing"):
        simulate(basin, xr.Dataset(), STEP_S, (), ModelParams())
    with pytest.raises(ConfigError, match="do not overlap"):
        Basin.of(shaoxing, GridSpec("EPSG:4549", 0.0, 0.0, 2500.0, 4, 4))


def test_evaporation_dries(basin):
    params = ModelParams(runoff=RunoffParams(evaporation_mm_day=8.0))
    rain = rain_of(np.zeros((240, *SPEC.shape), np.float32))
    _, state = simulate(basin, rain, STEP_S, (), params)
    assert float(state.soil["upper"].max()) < 0.8 * 20.0 - 5.0
