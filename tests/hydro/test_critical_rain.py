"""Critical rain against the model that it is to foretell, and floods of known rarity."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.configs.settings import CONFIGS, GridSettings
from jinghu.hydro import runoff
from jinghu.hydro.critical_rain import CriticalRainParams, critical_rain, worst_ratio
from jinghu.hydro.design_rain import read_design_rain
from jinghu.hydro.flood_quantiles import FloodQuantiles, flood_quantiles, return_period
from jinghu.hydro.land import Land, catchment_rain, peaks
from jinghu.hydro.model import Basin
from jinghu.hydro.routing import RoutingMethod
from jinghu.hydro.runoff import RunoffParams

STEP_S = 720.0
PARAMS = CriticalRainParams()


@pytest.fixture(scope="module")
def basin(shaoxing):
    return Basin.of(shaoxing, GridSettings().product())


def land_of(basin, wetness):
    params = RunoffParams()
    stores = runoff.initial_stores(len(basin.cell_id), wetness, 0.01, params)
    return Land(basin, stores, params, RoutingMethod.MUSKINGUM_CUNGE)


@pytest.fixture(scope="module")
def quantiles(basin):
    table = read_design_rain(CONFIGS / "shaoxing" / "design_rain.yaml")
    return flood_quantiles(land_of(basin, 0.8), table, STEP_S)


@pytest.fixture(scope="module")
def critical(basin, quantiles):
    return {
        wetness: critical_rain(land_of(basin, wetness), quantiles.of(5.0), PARAMS, STEP_S)
        for wetness in (0.4, 0.8, 1.0)
    }


def test_critical_rain_brings_the_critical_discharge(basin, quantiles, critical):
    """Twenty catchments, each under its own critical rain: the peak is that discharge but for
    what lies between two depths that were tried.
    """
    known = np.flatnonzero(np.isfinite(critical[0.8][0]))
    for reach in known[:: len(known) // 20]:
        for k, hours in enumerate(PARAMS.hours):
            falling = round(hours * 3600 / STEP_S)
            rain = np.zeros((falling + 20, 1))
            rain[:falling] = critical[0.8][k, reach] / falling
            peak = peaks(land_of(basin, 0.8), rain, STEP_S)[reach, 0]
            assert peak == pytest.approx(quantiles.of(5.0)[reach], rel=0.06)


def test_wet_land_needs_less_rain_and_even_rain_more_in_more_hours(critical):
    known = np.isfinite(critical[0.8][0])
    assert (critical[0.4][:, known] > critical[0.8][:, known]).all()
    assert (critical[0.8][:, known] > critical[1.0][:, known]).all()
    assert (np.diff(critical[0.8][:, known], axis=0) > 0).mean() > 0.99


def test_what_has_no_critical_rain(basin, quantiles):
    wanted = quantiles.of(5.0)
    wanted[:3] = 1e-9, 1e9, np.nan
    found = critical_rain(land_of(basin, 0.8), wanted, PARAMS, STEP_S)
    assert (found[:, 0] == 0.0).all()
    assert (found[:, 1] == 400.0).all()
    assert np.isnan(found[:, 2]).all()
    large = basin.network.upstream_area_km2 > PARAMS.largest_km2
    assert np.isnan(found[:, large]).all()
    assert not np.isnan(found[:, 3:][:, ~large[3:]]).any()


def test_floods_grow_with_rarity_and_size(basin, quantiles):
    assert (np.diff(quantiles.discharge_m3_s, axis=0) > 0).all()
    area = basin.network.upstream_area_km2
    specific = quantiles.discharge_m3_s[3] / area
    assert np.median(specific[area < 20]) > np.median(specific[(area > 200) & (area < 1000)])
    # Ten to fifteen m3/s/km2 once in twenty years: small catchments of Zhejiang's hills.
    assert 5 < np.median(specific[area < 50]) < 20


def test_return_periods_are_those_of_the_quantiles():
    known = FloodQuantiles(np.array([2.0, 5, 100]), np.array([[10.0], [20], [50]]), "test")
    for peak, years in ((9.9, 0), (10, 2), (20, 5), (50, 100), (80, 100)):
        assert return_period(known, np.array([peak]))[0] == pytest.approx(years)
    assert return_period(known, np.array([35.0]))[0] == pytest.approx(np.sqrt(500))
    assert known.of(5.0)[0] == 20.0
    assert known.of(np.sqrt(10.0))[0] == pytest.approx(15.0)


def test_rain_of_a_catchment_is_the_mean_of_what_drains_through_it(basin):
    rain = np.random.default_rng(0).gamma(0.3, 5.0, (4, len(basin.cell_id)))
    found = catchment_rain(basin, rain)
    assert np.allclose(catchment_rain(basin, np.ones_like(rain)), 1.0)
    weights = basin.weights.toarray()
    for reach in (0, 400, basin.network.n_reaches - 1):
        above = np.zeros(basin.network.n_reaches, bool)
        above[reach] = True
        for k in range(reach, -1, -1):
            above[k] |= basin.network.downstream[k] >= 0 and above[basin.network.downstream[k]]
        share = weights[above].sum(axis=0)
        np.testing.assert_allclose(found[:, reach], rain @ share / share.sum(), rtol=1e-10)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_worst_window_is_found(seed):
    random = np.random.default_rng(seed)
    rain = random.gamma(0.3, 4.0, (random.integers(2, 30), 3)) * (random.random(3) < 0.8)
    first = np.sort(random.choice(len(rain), random.integers(1, len(rain) + 1), replace=False))
    starts = random.uniform(0, 30, (len(first), 3))
    starts[random.random(starts.shape) < 0.2] = np.nan
    steps = int(random.integers(1, 12))
    found = worst_ratio(starts, rain, steps, first)
    for reach in range(3):
        ratios = [
            rain[a : a + steps, reach].sum() / starts[k, reach]
            for k, a in enumerate(first)
            if not np.isnan(starts[k, reach])
        ]
        wanted = max(ratios) if ratios else np.nan
        np.testing.assert_allclose(found[reach], wanted, rtol=1e-9, atol=1e-9)


def test_rain_on_what_floods_already_is_beyond_all_measure():
    rain = np.array([[0.0, 1.0]])
    found = worst_ratio(np.zeros((1, 2)), rain, 1, np.array([0]))
    assert found[0] == 0.0
    assert np.isinf(found[1])
