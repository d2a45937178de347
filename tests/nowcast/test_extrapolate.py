import contextlib
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.extrapolate import extrapolate

SHAPE = (70, 90)


def inputs(seed):
    rng = np.random.default_rng(seed)
    rain = np.maximum(gaussian_filter(rng.standard_normal(SHAPE), 3) * 60, 0).astype(np.float32)
    motion = gaussian_filter(rng.standard_normal((2, *SHAPE)), (0, 15, 15)) * 60 + 1.5
    return rain, motion.astype(np.float32)


def by_scipy(rain, motion, steps):
    """The scheme of pysteps (n_iter=1, interp_order=1) in float64, written out again."""
    here = np.indices(SHAPE)[::-1].astype(np.float64)
    gone, out = np.zeros((2, *SHAPE)), []

    def at(field, place, mode):
        return map_coordinates(field, (place[1], place[0]), order=1, mode=mode, cval=np.nan)

    u, v = motion.astype(np.float64)
    along = np.stack([u, v])
    for _ in range(steps):
        half = here + gone - along / 2
        gone = gone - np.stack([at(u, half, "nearest"), at(v, half, "nearest")])
        along = np.stack([at(u, here + gone, "nearest"), at(v, here + gone, "nearest")])
        out.append(at(rain.astype(np.float64), here + gone, "constant"))
    return np.stack(out)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000))
def test_it_is_the_scheme_written_out_in_float64(seed):
    rain, motion = inputs(seed)
    ours, wanted = extrapolate(rain, motion, 6), by_scipy(rain, motion, 6)
    assert (np.isnan(ours) != np.isnan(wanted)).mean() < 1e-4
    np.testing.assert_allclose(np.nan_to_num(ours - wanted), 0.0, atol=1e-3)


@pytest.mark.parametrize("steps", [6, [0.5, 1.0, 1.5, 2.0]])
def test_it_is_that_of_pysteps(steps):
    with contextlib.redirect_stdout(io.StringIO()):
        module = pytest.importorskip("pysteps.extrapolation.semilagrangian")
    rain, motion = inputs(1)
    theirs = module.extrapolate(rain, motion.astype(np.float64), steps, interp_order=1, n_iter=1)
    ours = extrapolate(rain, motion, steps)
    assert ours.shape == theirs.shape
    assert (np.isnan(ours) != np.isnan(theirs)).mean() < 1e-4
    np.testing.assert_allclose(np.nan_to_num(ours - theirs), 0.0, atol=1e-3)


def test_missing_cells_cost_less_than_with_pysteps():
    """Where both give a value it is the same; ours keeps points mostly among known cells."""
    with contextlib.redirect_stdout(io.StringIO()):
        module = pytest.importorskip("pysteps.extrapolation.semilagrangian")
    rain, motion = inputs(2)
    rain[20:40, 30:50] = np.nan
    theirs = module.extrapolate(
        rain, motion.astype(np.float64), 3, interp_order=1, n_iter=1, allow_nonfinite_values=True
    )
    ours = extrapolate(rain, motion, 3)
    both = np.isfinite(ours) & np.isfinite(theirs)
    np.testing.assert_allclose(ours[both], theirs[both], atol=1e-3)
    assert 0 < (np.isnan(theirs) & np.isfinite(ours)).mean() < 0.03
    assert (np.isnan(ours) & np.isfinite(theirs)).mean() < 1e-4


@pytest.mark.parametrize("steps", [3, np.int64(3), [1, 2, 3], (1.0, 2.0, 3.0), np.arange(1, 4)])
def test_steps_in_any_notation(steps):
    rain, motion = inputs(3)
    np.testing.assert_array_equal(extrapolate(rain, motion, steps), extrapolate(rain, motion, 3))


def test_masked_cells_are_missing():
    rain, motion = inputs(3)
    mask = np.zeros(SHAPE, bool)
    mask[20:40, 30:50] = True
    moved = extrapolate(np.ma.masked_array(rain, mask), motion, 2)
    np.testing.assert_array_equal(moved, extrapolate(np.where(mask, np.nan, rain), motion, 2))


def test_what_comes_in_is_as_told():
    rain, motion = inputs(3)
    assert np.isnan(extrapolate(rain, motion, 2)).any()
    moved = extrapolate(rain, motion, 2, outside=0.0)
    assert np.isfinite(moved).all()
    assert moved.dtype == np.float32


@pytest.mark.parametrize("steps", [0, -1, []])
def test_no_steps_are_refused(steps):
    rain, motion = inputs(3)
    with pytest.raises(ConfigError, match="at least one time step"):
        extrapolate(rain, motion, steps)


def test_steps_out_of_order_are_refused():
    rain, motion = inputs(3)
    with pytest.raises(ConfigError, match="must grow in one direction"):
        extrapolate(rain, motion, [2, 1])
