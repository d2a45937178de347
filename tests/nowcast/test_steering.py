"""Steering wind: means with known answers."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from jinghu.grid.profiles import Levels, Product, WindProfile
from jinghu.grid.spec import GridSpec
from jinghu.nowcast.steering import SteeringParams, SteeringWind, steering_motion, steering_wind

TIME = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
PARAMS = SteeringParams()
# Around the central meridian, where the rows of the grid run from west to east.
SPEC = GridSpec("EPSG:4549", 400e3, 3220e3, 5000.0, 40, 40)
BOTTOM, TOP = PARAMS.bottom_m, PARAMS.top_m


def profile(height, u, v, confidence=90.0, altitude=0.0):
    u, v = np.broadcast_to(u, height.shape), np.broadcast_to(v, height.shape)
    missing = np.full(height.shape, np.nan)
    levels = Levels(
        height,
        np.degrees(np.arctan2(-u, -v)) % 360,
        np.hypot(u, v),
        missing,
        np.broadcast_to(np.asarray(confidence, float), height.shape),
        missing,
        missing,
    )
    return WindProfile(
        "", "A", "PA", 120.0, 30.0, altitude, Product.HOUR, "01.20", TIME, levels
    )  # fmt: skip


def test_the_mean_of_a_linear_profile_is_the_wind_in_the_middle_of_the_layer():
    height = np.arange(50.0, 9000, 100)
    wind = steering_wind(profile(height, 2 + height / 1000, -3 + 2 * height / 1000), PARAMS)
    middle = (BOTTOM + TOP) / 2000
    assert wind is not None
    assert (wind.u_m_s, wind.v_m_s) == pytest.approx((2 + middle, -3 + 2 * middle), abs=0.03)
    assert wind.trust == pytest.approx(0.9)


def test_levels_weigh_by_the_depth_that_they_stand_for():
    # Dense below 3 km with wind 10, sparse above with wind 20: depth counts, not number.
    height = np.concatenate([np.arange(1500.0, 3000, 50), np.arange(3000.0, 5700, 400)])
    u = np.where(height < 2990, 10.0, 20.0)
    wind = steering_wind(profile(height, u, 0.0), PARAMS)
    assert wind is not None
    low = (2975.0 - BOTTOM) / (TOP - BOTTOM)
    assert wind.u_m_s == pytest.approx(10 * low + 20 * (1 - low), abs=0.15)


def test_heights_are_above_the_station():
    height = np.arange(50.0, 9000, 100)
    high = steering_wind(profile(height, height / 1000, 0.0, altitude=1000.0), PARAMS)
    low = steering_wind(profile(height, height / 1000, 0.0), PARAMS)
    assert high is not None
    assert low is not None
    assert low.u_m_s - high.u_m_s == pytest.approx(1.0, abs=0.01)


def test_confidence_weighs():
    height = np.array([2000.0, 2400, 2800, 3200, 3600, 4000, 4400, 4800, 5200])
    sure = np.where(height < 3500, 100.0, 0.0)
    wind = steering_wind(profile(height, np.where(height < 3500, 5.0, 50.0), 0.0, sure), PARAMS)
    assert wind is not None
    assert wind.u_m_s == pytest.approx(5.0)
    unsure = steering_wind(profile(height, 5.0, 0.0, np.nan), PARAMS)
    assert unsure is not None
    assert unsure.trust < 0.5
    assert steering_wind(profile(height, 5.0, 0.0, 0.0), PARAMS) is None


@pytest.mark.parametrize("top", [0.0, 1500.0, 2600.0])
def test_too_little_of_the_layer_gives_none(top):
    assert steering_wind(profile(np.arange(100.0, top, 100), 5.0, 5.0), PARAMS) is None


def test_levels_without_wind_do_not_count():
    height = np.arange(100.0, 6000, 100)
    u = np.where(height < 4000, 5.0, np.nan)
    wind = steering_wind(profile(height, u, 1.0), PARAMS)
    assert wind is not None
    assert (wind.u_m_s, wind.v_m_s) == pytest.approx((5.0, 1.0))
    assert wind.trust == pytest.approx(0.9 * (4150 - 1500) / 4100, rel=0.03)
    assert steering_wind(profile(height, np.full(height.shape, np.nan), 1.0), PARAMS) is None


def at(x, y, u, v, station="A", minutes=0.0, trust=1.0):
    lon, lat = SPEC.to_lonlat(x, y)
    time = TIME - timedelta(minutes=minutes)
    return SteeringWind(station, float(lon), float(lat), time, u, v, trust)


def test_one_station_speaks_for_the_whole_grid_with_less_quality_far_away():
    found = steering_motion([at(420e3, 3240e3, 8.0, -2.0)], SPEC, TIME, PARAMS)
    assert found is not None
    # Less than 1 degree from the central meridian rows turn by less than 0.5 degrees.
    np.testing.assert_allclose(found["motion_x"], 8.0, atol=0.1)
    np.testing.assert_allclose(found["motion_y"], -2.0, atol=0.1)
    quality = found["quality"].values
    assert quality[3, 3] > 0.99
    far = np.hypot(SPEC.x[39] - 420e3, SPEC.y[39] - 3240e3)
    assert quality[39, 39] == pytest.approx(np.exp(-(far**2) / 2 / PARAMS.reach_m**2), rel=1e-4)
    assert found.attrs["stations"] == "A"


def test_between_two_stations_lies_their_mean_and_at_each_its_own():
    winds = [at(300e3, 3320e3, 10, 0), at(700e3, 3320e3, 0, 4, "B")]
    found = steering_motion(winds, SPEC, TIME, PARAMS)
    assert found is not None
    middle = found["motion_x"].values[20, 19:21].mean()
    assert middle == pytest.approx(5.0, abs=0.2)
    # 102.5 km from A, 297.5 km from B, at the same y within 2.5 km.
    share = 1 / (1 + np.exp(-(297.5**2 - 102.5**2) / (2 * (PARAMS.apart_m / 1000) ** 2)))
    assert found["motion_x"].values[20, 0] == pytest.approx(10 * share, abs=0.1)
    # In the middle each is as far from their mean as they are from one another, halved.
    spread = found["spread"].values
    assert spread[20, 19:21].mean() == pytest.approx(np.hypot(5, 2) / np.sqrt(2), rel=0.05)
    assert spread[20, 0] < 0.2
    # Far outside all reach it is still a number.
    away = GridSpec("EPSG:4549", 9e6, 3220e3, 5000.0, 4, 4)
    beyond = steering_motion(winds, away, TIME, PARAMS)
    assert beyond is not None
    assert np.isfinite(beyond["motion_x"].values).all()
    assert beyond["quality"].values.max() < 1e-6


def test_younger_winds_weigh_more_and_old_or_later_ones_nothing():
    winds = [at(500e3, 3320e3, 10, 0), at(500e3, 3320e3, 0, 0, minutes=30)]
    found = steering_motion(winds, SPEC, TIME, PARAMS)
    assert found is not None
    share = 1 / (1 + np.exp(-1))
    np.testing.assert_allclose(found["motion_x"], 10 * share, atol=0.02)
    assert steering_motion([at(500e3, 3320e3, 9, 9, minutes=61)], SPEC, TIME, PARAMS) is None
    assert steering_motion([at(500e3, 3320e3, 9, 9, minutes=-1)], SPEC, TIME, PARAMS) is None
    assert steering_motion([], SPEC, TIME, PARAMS) is None


def test_true_north_is_turned_to_the_rows_of_the_grid():
    # Two degrees east of the central meridian at 30 N north lies 1 degree to the left of y ...
    spec = GridSpec("EPSG:4549", 690e3, 3320e3, 1000.0, 4, 4)
    lon, lat = spec.to_lonlat(692e3, 3322e3)
    wind = SteeringWind("A", float(lon), float(lat), TIME, 0.0, 20.0, 1.0)
    found = steering_motion([wind], spec, TIME, PARAMS)
    assert found is not None
    turn = np.radians(float(lon) - 120) * np.sin(np.radians(float(lat)))
    np.testing.assert_allclose(found["motion_x"], 20 * np.sin(-turn), atol=0.02)
    np.testing.assert_allclose(found["motion_y"], 20 * np.cos(turn), atol=0.02)
