"""Filling the motion: what is measured stays, what is not is the best of what else is known."""

from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.fields import attrs
from jinghu.nowcast.background import (
    BackgroundParams,
    filled_motion,
    no_motion,
    rests_on,
)

T = np.datetime64("2026-06-20T06:00", "ns")
SHAPE = (6, 8)
P = BackgroundParams()


def field(u, v, quality, minutes=0):
    named = {"motion_x": u, "motion_y": v, "quality": quality}
    return xr.Dataset(
        {
            name: (("y", "x"), np.broadcast_to(np.float32(value), SHAPE).copy(), attrs(name))
            for name, value in named.items()
        },
        coords={"time": T - np.timedelta64(minutes, "m")},
    )


def wind(u, v, quality, spread=0.0):
    found = field(u, v, quality)
    return found.assign(spread=(("y", "x"), np.full(SHAPE, np.float32(spread))))


def nothing():
    like = field(0, 0, 0).assign_coords(x=np.arange(8.0), y=np.arange(6.0))
    return no_motion(like, T)


def values(motion):
    return motion["motion_x"].values, motion["motion_y"].values


def test_where_it_is_measured_it_stays_to_the_bit():
    measured = field(7.3, -1.1, 1.0)
    found = filled_motion(measured, field(0, 9, 1.0, 6), wind(-9, 0, 1.0))
    np.testing.assert_array_equal(found["motion_x"], measured["motion_x"])
    np.testing.assert_array_equal(found["motion_y"], measured["motion_y"])
    np.testing.assert_array_equal(found["quality"], 1.0)
    assert rests_on(found) == {"measured": 1.0, "previous": 0.0, "profiles": 0.0}


def test_with_nothing_it_is_zero_and_says_so():
    found = filled_motion(nothing(), None, None)
    assert not np.any(values(found))
    assert not found["quality"].values.any()
    assert set(rests_on(found).values()) == {0.0}
    assert found["time"].values == T


def test_the_first_echo_of_a_dry_day_moves_with_the_steering_wind():
    found = filled_motion(nothing(), None, wind(8, 3, 0.7))
    np.testing.assert_allclose(values(found), [np.full(SHAPE, 8), np.full(SHAPE, 3)], rtol=1e-6)
    assert rests_on(found)["profiles"] == 1.0
    # An earlier zero motion of which nothing was known does not hold it back.
    again = filled_motion(nothing(), filled_motion(nothing(), None, None), wind(8, 3, 0.7))
    np.testing.assert_array_equal(again["motion_x"], found["motion_x"])


def test_echo_and_wind_weigh_by_their_precision():
    found = filled_motion(nothing(), field(10, 0, 0.5), wind(20, 0, 0.75, spread=3), P)
    variance = [
        P.near_m_s**2 + (0.5 * P.far_m_s) ** 2,
        P.steering_m_s**2 + (0.25 * P.far_m_s) ** 2 + 3**2,
    ]
    weight = 1 / np.array(variance)
    expected = (weight * [10, 20]).sum() / weight.sum()
    assert found["motion_x"].values[3, 3] == pytest.approx(expected, rel=1e-5)
    share = weight / weight.sum()
    assert rests_on(found) == pytest.approx(
        {"measured": 0.0, "previous": share[0], "profiles": share[1]}, abs=1e-3
    )


def test_between_echo_and_none_it_goes_over():
    measured = field(4, 0, np.linspace(0, 1, SHAPE[1]))
    found = filled_motion(measured, None, wind(20, 0, 1.0))["motion_x"].values[0]
    assert (np.diff(found) < 0).all()
    assert found[-1] == 4
    far = 1 / (P.near_m_s**2 + P.far_m_s**2)
    close = 1 / P.steering_m_s**2
    assert found[0] == pytest.approx((4 * far + 20 * close) / (far + close), rel=1e-5)


def test_what_echo_told_there_last_goes_before_what_it_tells_from_afar():
    measured = field(4, 0, 0.0)
    measured["quality"][0, 0] = 1.0
    found = filled_motion(measured, field(10, 0, 0.5), None)["motion_x"].values
    assert found[0, 0] == 4
    np.testing.assert_allclose(found.ravel()[1:], 10, rtol=0.02)
    afar = filled_motion(measured, None, None)
    np.testing.assert_array_equal(afar["motion_x"], 4)
    assert rests_on(afar) == {"measured": 1.0, "previous": 0.0, "profiles": 0.0}


def test_a_field_is_forgotten():
    def moved(minutes):
        return values(filled_motion(nothing(), field(6, 0, 1.0, minutes), None))[0][0, 0]

    assert moved(6) == pytest.approx(6, rel=1e-6)
    assert moved(5 * 60) == pytest.approx(6, rel=1e-6)
    assert moved(6 * 60) == 0.0  # exp(-4) < 0.02

    def against_wind(minutes):
        found = filled_motion(nothing(), field(6, 0, 1.0, minutes), wind(0, 0, 1.0))
        return values(found)[0][0, 0]

    fading = [against_wind(m) for m in (6, 60, 180, 330)]
    assert all(a > b for a, b in pairwise(fading))
    assert fading[0] > 4.5
    assert fading[-1] < 1.5


def test_cycle_after_cycle_the_wind_counts_once():
    """In steps of six minutes or in one step of an hour: what is left of the echo is the same."""
    motion = field(-10, 0, 1.0)
    for k in range(1, 11):
        time = T + np.timedelta64(6 * k, "m")
        motion = filled_motion(
            nothing().assign_coords(time=time), motion, wind(10, 0, 1.0).assign_coords(time=time)
        )
    once = filled_motion(nothing(), field(-10, 0, 1.0, 60), wind(10, 0, 1.0))
    np.testing.assert_allclose(motion["motion_x"], once["motion_x"], rtol=1e-5)
    np.testing.assert_allclose(motion["echo_motion_x"], -10, rtol=1e-6)
    np.testing.assert_allclose(motion["quality"], np.exp(-60 * 60 / P.forget_s), rtol=1e-5)


def test_wind_alone_is_no_earlier_motion():
    first = filled_motion(nothing(), None, wind(10, 0, 1.0))
    then = filled_motion(nothing(), first, None)
    assert not np.any(values(then))
    assert set(rests_on(then).values()) == {0.0}


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_the_result_lies_between_its_sources(data):
    speed = st.floats(-40, 40, width=32)
    quality = st.floats(0, 1, width=32)
    sources = [field(data.draw(speed), 0, data.draw(quality), m) for m in (0, 6, 0)]
    sources[2] = sources[2].assign(spread=sources[2]["quality"] * data.draw(quality))
    used = [one if data.draw(st.booleans()) else None for one in sources[1:]]
    found = filled_motion(sources[0], *used)
    speeds = [0.0] + [float(s["motion_x"][0, 0]) for s in [sources[0], *used] if s is not None]
    got = found["motion_x"].values
    assert np.isfinite(got).all()
    assert min(speeds) - 1e-3 <= got.min() <= got.max() <= max(speeds) + 1e-3
    assert (found["quality"].values >= sources[0]["quality"].values - 1e-6).all()
    assert found["quality"].values.max() <= 1 + 1e-6
