from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jinghu.grid.errors import ConfigError
from jinghu.grid.history import empty_history, fitted_to_hour, recorded, rolled
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy

SPEC = GridSpec("EPSG:4549", 500e3, 3300e3, 2500.0, 2, 1)
TIME = datetime(2019, 8, 9, 17, 0, tzinfo=UTC)
STEP = timedelta(minutes=6)
NAN = float("nan")


def empty(time=TIME, spec=SPEC, step=STEP, hours=2):
    return empty_history(spec, time, step, timedelta(hours=hours))


def with_amounts(history, first, amounts):
    """Record ``amounts`` in consecutive steps, the first of them ending at ``first``."""
    times = np.array([to_numpy(first + k * STEP) for k in range(len(amounts))])
    return recorded(history, times, np.asarray(amounts, np.float32))


def values(history):
    return history["rainfall_amount"].values[:, 0, :]


def test_an_empty_record_knows_nothing():
    history = empty()
    assert history.sizes == {"time": 20, "y": 1, "x": 2}
    assert history["time"].values[-1] == to_numpy(TIME)
    assert history["time"].values[0] == to_numpy(TIME - 19 * STEP)
    assert np.isnan(values(history)).all()


def test_recording_fills_steps_and_keeps_what_missing_would_erase():
    history = with_amounts(empty(), TIME - STEP, [[[1.0, 2.0]], [[3.0, NAN]]])
    again = with_amounts(history, TIME - STEP, [[[NAN, 5.0]], [[NAN, NAN]]])
    np.testing.assert_array_equal(values(again)[-2:], [[1.0, 5.0], [3.0, NAN]])
    np.testing.assert_array_equal(values(history)[-2:], [[1.0, 2.0], [3.0, NAN]])


def test_steps_outside_the_record_are_left_out():
    history = with_amounts(empty(), TIME + STEP, [[[9.0, 9.0]]])
    assert np.isnan(values(history)).all()


def test_rolling_takes_over_the_steps_that_are_still_inside():
    before = with_amounts(empty(TIME - 2 * STEP), TIME - 3 * STEP, [[[1.0, 1.0]], [[2.0, 2.0]]])
    now = with_amounts(empty(), TIME - 2 * STEP, [[[7.0, NAN]], [[3.0, 3.0]]])
    rolling = rolled(now, before)
    np.testing.assert_array_equal(
        values(rolling)[-4:], [[1.0, 1.0], [7.0, 2.0], [3.0, 3.0], [NAN, NAN]]
    )
    assert rolling["time"].values[-1] == to_numpy(TIME)
    assert rolled(now, None) is now


def test_records_a_day_apart_have_nothing_in_common():
    before = with_amounts(empty(TIME - timedelta(days=1)), TIME - timedelta(days=1), [[[1.0, 1.0]]])
    assert np.isnan(values(rolled(empty(), before))).all()


@pytest.mark.parametrize(
    "other",
    [
        empty(spec=replace(SPEC, x0_m=501e3)),
        empty(spec=replace(SPEC, nx=3)),
        empty(step=timedelta(minutes=12)),
    ],
)
def test_another_grid_or_step_is_refused(other):
    with pytest.raises(ConfigError, match="another grid or has another time step"):
        rolled(empty(), other)


RAIN_OR_MISSING = st.one_of(st.just(NAN), st.floats(0, 60, width=32))


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(np.float32, (10, 1, 2), elements=RAIN_OR_MISSING),
    hnp.arrays(np.float32, (1, 2), elements=st.floats(0, 200, width=32)),
)
def test_the_steps_of_the_hour_add_up_to_its_amount(steps, amount):
    hour_end = TIME - timedelta(minutes=30)
    before = with_amounts(empty(), hour_end - 9 * STEP, steps)
    fitted = fitted_to_hour(before, hour_end, amount)
    times = before["time"].values
    inside = (times > to_numpy(hour_end - timedelta(hours=1))) & (times <= to_numpy(hour_end))
    np.testing.assert_allclose(values(fitted)[inside].sum(0), amount[0], rtol=1e-3, atol=1e-4)
    assert (values(fitted)[inside] >= 0).all()
    np.testing.assert_array_equal(values(fitted)[~inside], values(before)[~inside])


def test_steps_keep_their_share_of_the_hour():
    """4 mm in one step and 1 in another become 8 and 2; without a record it is spread evenly."""
    steps = np.zeros((10, 1, 2), np.float32)
    steps[3, 0, 0], steps[7, 0, 0] = 4.0, 1.0
    steps[:, 0, 1] = NAN
    before = with_amounts(empty(), TIME - 9 * STEP, steps)
    fitted = values(fitted_to_hour(before, TIME, np.array([[10.0, 5.0]], np.float32)))[-10:]
    np.testing.assert_allclose(fitted[[3, 7], 0], [8.0, 2.0], rtol=1e-6)
    np.testing.assert_allclose(fitted[:, 1], 0.5)


def test_cells_without_an_amount_keep_what_they_hold():
    before = with_amounts(empty(), TIME - 9 * STEP, np.ones((10, 1, 2)))
    fitted = fitted_to_hour(before, TIME, np.array([[NAN, 20.0]], np.float32))
    np.testing.assert_allclose(values(fitted)[-10:].sum(0), [10.0, 20.0])


@pytest.mark.parametrize("hour_end", [TIME + STEP, TIME - timedelta(hours=2)])
def test_an_hour_that_is_not_whole_in_the_record_is_left_alone(hour_end):
    before = with_amounts(empty(), TIME - 9 * STEP, np.ones((10, 1, 2)))
    after = fitted_to_hour(before, hour_end, np.full((1, 2), 99.0, np.float32))
    np.testing.assert_array_equal(values(after), values(before))
