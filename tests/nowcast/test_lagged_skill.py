"""Skill of extrapolation over the last hour, where it is known: steady rain, rain that turns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from jinghu.nowcast.blend_fields import BlendParams, levels_of
from jinghu.nowcast.lagged_skill import extended, lagged_skill
from jinghu.nowcast.scales import ScaleParams, scales_of

SHAPE = (64, 80)
STEP_MIN = 6.0


def showers(seed):
    white = np.random.default_rng(seed).standard_normal(SHAPE)
    field = np.sum([gaussian_filter(white, s, mode="wrap") * s for s in (2, 4, 8)], axis=0)
    return np.maximum(20.0 * field / field.max(), 0).astype(np.float32)


def east(cells):
    motion = np.zeros((2, *SHAPE), np.float32)
    motion[0] = cells
    return motion


def of(frames, motion):
    """Ages in steps and correlations by level."""
    params = BlendParams()
    of_scales = ScaleParams(params.levels, params.wet_mm_h, 2.0, STEP_MIN, params.exponent)
    levels = levels_of(scales_of(frames[-3:], motion, of_scales))
    ages = np.arange(len(frames))[::-1].astype(np.float64)
    return lagged_skill(frames, ages, motion, STEP_MIN, levels, params)


def test_rain_that_only_moves_is_foretold():
    frames = np.stack([np.roll(showers(1), 2 * k, axis=1) for k in range(11)])
    ages, found = of(frames, east(2.0))
    assert ages[0] == 10
    assert 2 <= ages[-1] <= 3
    assert len(ages) == 5
    assert found.shape[0] == 5
    assert found.min() > 0.6  # what came from beyond the edge is not known
    _, wrong = of(frames, east(-2.0))
    assert wrong[0, 2:].max() < 0.5
    assert (wrong[0] <= found[0] + 1e-6).all()


def test_rain_that_becomes_other_rain_is_forgotten():
    part = (np.arange(11) / 10).astype(np.float32)[:, None, None]
    frames = (1 - part) * showers(1) + part * showers(2)
    ages, found = of(frames, east(0.0))
    oldest, newest = found[0], found[-1]
    assert (newest[2:] > oldest[2:]).all()
    ahead = extended(np.ones((31, found.shape[1])), ages, found)
    assert (ahead[30, 2:] < 0.05).all()


def test_a_short_record_tells_nothing():
    frames = np.stack([showers(1)] * 2)
    ages, found = of(frames, east(0.0))
    assert len(ages) == 0
    by_autoregression = np.linspace(1, 0.5, 4)[:, None] * np.ones(found.shape[1])
    np.testing.assert_array_equal(extended(by_autoregression, ages, found), by_autoregression)


def test_dry_rain_is_worth_nothing_and_breaks_nothing():
    ages, found = of(np.zeros((11, *SHAPE), np.float32), east(1.0))
    assert (found == 0).all()
    ahead = extended(np.ones((5, found.shape[1])), ages, found)
    assert np.isfinite(ahead).all()
    missing = np.full((11, *SHAPE), np.nan, np.float32)
    assert (of(missing, east(1.0))[1] == 0).all()


@given(
    st.lists(st.floats(0.0, 1.0), min_size=1, max_size=5),
    st.floats(0.5, 1.0),
)
def test_skill_starts_at_one_never_rises_nor_leaves_the_autoregression(measured, per_step):
    ages = np.array([2.0 * k for k in range(len(measured), 0, -1)], np.float64)
    limit = np.array([per_step**k for k in range(30)], np.float64)[:, None]
    found = extended(limit, ages, np.array(measured)[:, None])
    assert found[0, 0] == pytest.approx(1.0)
    assert (np.diff(found[:, 0]) <= 1e-12).all()
    assert (found <= limit).all()
