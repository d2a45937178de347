from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jinghu.grid.accumulation import block_amounts, coarsen_mean, window_amounts
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs

NAN = float("nan")
RAIN = st.floats(0, 200, width=32)
RAIN_OR_MISSING = st.one_of(RAIN, st.just(NAN))


def test_trapezoids_of_rates():
    """0, 10, 20 mm/h every 6 min: 0.5 and 1.5 mm; a missing end takes the value of the other."""
    rates = np.array([[0, NAN, NAN], [10, 10, NAN], [20, NAN, NAN]], np.float32)[:, None]
    amounts = block_amounts(rates, timedelta(minutes=6), 1)
    np.testing.assert_allclose(amounts[:, 0], [[0.5, 1.0, NAN], [1.5, 1.0, NAN]])
    assert amounts.dtype == np.float32
    whole = block_amounts(rates, timedelta(minutes=6), 1, parts=2)
    np.testing.assert_allclose(whole[:, 0], [[2.0, 2.0, NAN]])


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(np.float32, (5, 4, 6), elements=RAIN_OR_MISSING))
def test_amounts_of_blocks_are_means_of_those_of_cells(rates):
    """A step is missing where one of its parts is."""
    cells = block_amounts(rates, timedelta(minutes=3), 1)
    wanted = coarsen_mean(cells, 2).reshape(2, 2, 2, 3).sum(axis=1)
    found = block_amounts(rates, timedelta(minutes=3), 2, parts=2)
    np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_parts_must_be_whole_steps():
    with pytest.raises(ConfigError, match="5 rates are not the ends of steps of 3 parts"):
        block_amounts(np.zeros((5, 2, 2), np.float32), timedelta(minutes=2), 1, parts=3)


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(np.float32, (2, 6, 4), elements=RAIN), st.sampled_from([1, 2]))
def test_coarsening_conserves_water(field, factor):
    coarse = coarsen_mean(field, factor)
    np.testing.assert_allclose(coarse.sum() * factor**2, field.sum(dtype=np.float64), rtol=1e-5)


@settings(deadline=None, max_examples=50)
@given(hnp.arrays(np.float32, (4, 6), elements=RAIN_OR_MISSING))
def test_coarse_cells_are_means_of_what_is_known(field):
    blocks = field.reshape(2, 2, 3, 2).swapaxes(1, 2).reshape(6, 4)
    wanted = [np.nan if np.isnan(b).all() else np.nanmean(b, dtype=np.float64) for b in blocks]
    np.testing.assert_allclose(coarsen_mean(field, 2).ravel(), wanted, rtol=1e-6)


def test_blocks_must_cover_the_field():
    with pytest.raises(ConfigError, match="5 x 4 cells cannot be coarsened by 2"):
        coarsen_mean(np.zeros((5, 4), np.float32), 2)


def amounts(values, start, step_min=6):
    """Step amounts whose first step ends at ``start`` minutes past midnight."""
    minutes = start + step_min * np.arange(len(values))
    times = np.datetime64("2019-08-09", "ns") + minutes * np.timedelta64(1, "m")
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), values, attrs("rainfall_amount"))},
        coords={"time": times},
    )


@settings(deadline=None, max_examples=25)
@given(
    hnp.arrays(np.float32, (23, 2, 1), elements=RAIN_OR_MISSING),
    hnp.arrays(np.float32, (11, 2, 1), elements=RAIN_OR_MISSING),
)
def test_windows_are_sums_of_the_steps_in_them(past, future):
    windows = (1, 2, 3)
    found = window_amounts(amounts(past, 6), amounts(future, 6 + 6 * 23), windows)
    steps = np.concatenate([past, future])
    for w, hours in enumerate(windows):
        for lead in range(12):
            inside = steps[max(0, 23 + lead - 10 * hours) : 23 + lead]
            np.testing.assert_allclose(
                found["rainfall_amount"].values[w, lead], np.nansum(inside, 0), rtol=1e-5, atol=1e-4
            )
            known = np.isfinite(inside).mean((1, 2)).sum() / (10 * hours)
            np.testing.assert_allclose(found["observed_fraction"].values[w, lead], known, rtol=1e-5)
    assert (found["rainfall_amount"].values >= 0).all()


def test_window_coordinates():
    found = window_amounts(
        amounts(np.ones((10, 1, 1), "f4"), 6), amounts(np.ones((3, 1, 1), "f4"), 66), (1, 24)
    )
    assert found["time"].values == np.datetime64("2019-08-09T01:00", "ns")
    minutes = found["lead_time"].values / np.timedelta64(1, "m")
    np.testing.assert_array_equal(minutes, [0, 6, 12, 18])
    np.testing.assert_array_equal(found["window"].values, [1, 24])
    np.testing.assert_allclose(found["rainfall_amount"].values[0, :, 0, 0], 10)
    np.testing.assert_allclose(found["rainfall_amount"].values[1, :, 0, 0], [10, 11, 12, 13])
    np.testing.assert_allclose(found["observed_fraction"].values[1], [10 / 240, 11 / 240, 0.05,
                                                                     13 / 240])  # fmt: skip


@pytest.mark.parametrize(
    ("start", "step", "cause"),
    [(72, 6, "do not follow"), (66, 12, "do not follow"), (60, 6, "do not follow")],
)
def test_a_forecast_that_does_not_follow_is_refused(start, step, cause):
    history = amounts(np.ones((10, 1, 1), "f4"), 6)
    with pytest.raises(ConfigError, match=cause):
        window_amounts(history, amounts(np.ones((2, 1, 1), "f4"), start, step), (1,))


def test_steps_that_do_not_divide_an_hour_are_refused():
    one = np.ones((3, 1, 1), "f4")
    with pytest.raises(ConfigError, match="does not divide an hour"):
        window_amounts(amounts(one, 7, 7), amounts(one, 28, 7), (1,))
