import os
import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jinghu.grid.advection import advect, motion_array
from jinghu.grid.errors import ConfigError


def uniform(shape, along_x, along_y):
    motion = np.empty((2, *shape), np.float32)
    motion[0], motion[1] = along_x, along_y
    return motion


def blob(shape, x, y, width):
    rows, cols = np.indices(shape)
    return np.exp(-((rows - y) ** 2 + (cols - x) ** 2) / (2 * width**2)).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(np.float32, (9, 11), elements=st.floats(0, 100, width=32)),
    st.integers(-4, 4),
    st.integers(-4, 4),
    st.sampled_from([1, 2, 4]),
)
def test_motion_by_whole_cells_is_an_exact_shift(field, dx, dy, substeps):
    moved = advect(field, uniform(field.shape, dx, dy), [1, 2], substeps=substeps)
    for k in (1, 2):
        rows, cols = np.indices(field.shape)
        i, j = rows - k * dy, cols - k * dx
        inside = (i >= 0) & (i < 9) & (j >= 0) & (j < 11)
        np.testing.assert_allclose(
            moved[k - 1][inside], field[i[inside], j[inside]], rtol=1e-5, atol=1e-4
        )
        assert np.isnan(moved[k - 1][~inside]).all()


@settings(deadline=None, max_examples=40)
@given(
    hnp.arrays(np.float32, (6, 7), elements=st.one_of(st.just(np.nan), st.floats(0, 50, width=32))),
    hnp.arrays(np.float32, (2, 6, 7), elements=st.floats(-2.5, 2.5, width=32)),
)
def test_nothing_is_made_up(field, motion):
    """Values stay within those of the field; a field all missing stays so."""
    moved = advect(field, motion, [1, 2, 3], outside=-1.0)
    known = moved[~np.isnan(moved) & (moved != -1.0)]
    if np.isfinite(field).any():
        assert (known >= np.nanmin(field) - 1e-3).all()
        assert (known <= np.nanmax(field) * (1 + 1e-5) + 1e-3).all()
    else:
        assert known.size == 0


def test_a_turning_blob_comes_round():
    """Solid rotation by 90 degrees in nine steps: the analytic place, to a tenth of a cell."""
    shape, angle = (81, 81), np.pi / 18
    rows, cols = np.indices(shape) - 40.0
    motion = np.stack([-rows, cols]).astype(np.float32) * np.float32(angle)
    moved = advect(blob(shape, 60, 40, 5), motion, np.arange(1, 10), substeps=4, outside=0.0)
    for k in range(9):
        x, y = 40 + 20 * np.cos(angle * (k + 1)), 40 + 20 * np.sin(angle * (k + 1))
        weight = moved[k] / moved[k].sum()
        assert (weight * (cols + 40)).sum() == pytest.approx(x, abs=0.1)
        assert (weight * (rows + 40)).sum() == pytest.approx(y, abs=0.1)
    np.testing.assert_allclose(moved[8], blob(shape, 40, 60, 5), atol=0.02)


def test_rain_that_stays_inside_is_conserved():
    """Divergence-free motion: the sum changes by less than a thousandth."""
    shape = (120, 120)
    rows, cols = np.indices(shape) - 60.0
    motion = np.stack([-rows, cols]).astype(np.float32) * np.float32(0.03) + np.float32(0.3)
    field = blob(shape, 70, 50, 8)
    moved = advect(field, motion, np.arange(1, 13), outside=0.0)
    np.testing.assert_allclose(moved.sum((1, 2)), field.sum(), rtol=1e-3)


def test_missing_stays_missing_and_is_not_dry():
    field = np.full((20, 20), 5.0, np.float32)
    field[8:12, 8:12] = np.nan
    moved = advect(field, uniform(field.shape, 2.0, 0.0), [1])[0]
    assert np.isnan(moved[8:12, 10:14]).all()
    assert np.isnan(moved[:, :2]).all()
    known = np.ones(field.shape, bool)
    known[8:12, 10:14], known[:, :2] = False, False
    np.testing.assert_array_equal(moved[known], 5.0)


def test_missing_does_not_bleed_into_its_neighbours():
    """Half a cell on: a point needs half of its weight in known cells."""
    field = np.array([[np.nan, 4.0, 8.0, 8.0]] * 3, np.float32)
    moved = advect(field, uniform(field.shape, -0.4, 0.0), [1])[0]
    np.testing.assert_allclose(moved[1, :3], [np.nan, 5.6, 8.0], rtol=1e-6)
    moved = advect(field, uniform(field.shape, -0.6, 0.0), [1])[0]
    np.testing.assert_allclose(moved[1, :3], [4.0, 6.4, 8.0], rtol=1e-6)


def test_the_edge_itself_is_inside():
    field = np.arange(12, dtype=np.float32).reshape(3, 4)
    moved = advect(field, uniform(field.shape, 1.0, 1.0), [1], outside=-7.0)[0]
    np.testing.assert_array_equal(moved, [[-7, -7, -7, -7], [-7, 0, 1, 2], [-7, 4, 5, 6]])
    np.testing.assert_array_equal(advect(field, uniform(field.shape, 0, 0), [0, 1])[1], field)


def test_backward_undoes_forward():
    shape = (60, 60)
    rows, cols = np.indices(shape) - 30.0
    motion = np.stack([1.0 - 0.02 * rows, 0.5 + 0.02 * cols]).astype(np.float32)
    field = blob(shape, 30, 30, 6)
    there = advect(field, motion, [4], substeps=4, outside=0.0)[0]
    back = advect(there, motion, [-4], substeps=4, outside=0.0)[0]
    np.testing.assert_allclose(back, field, atol=0.02)


def test_one_long_step_in_parts_is_many_steps():
    shape = (50, 50)
    rows, cols = np.indices(shape) - 25.0
    motion = np.stack([-rows, cols]).astype(np.float32) * np.float32(0.1)
    field = blob(shape, 35, 25, 4)
    parts = advect(field, motion, [5], substeps=5)[0]
    steps = advect(field, motion, np.arange(1, 6))[-1]
    np.testing.assert_allclose(parts, steps, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_result_does_not_depend_on_the_number_of_threads(threads, tmp_path):
    """Both processes write the same bytes."""
    code = (
        "import sys, numpy as np; from jinghu.grid.advection import advect;"
        "r = np.random.default_rng(1); f = r.random((64, 70), np.float32); f[5:9] = np.nan;"
        "m = r.normal(0, 2, (2, 64, 70)).astype(np.float32);"
        "sys.stdout.buffer.write(advect(f, m, [1, 2, 3]).tobytes())"
    )
    env = os.environ | {"NUMBA_NUM_THREADS": str(threads)}
    done = subprocess.run([sys.executable, "-c", code], env=env, check=True, capture_output=True)
    r = np.random.default_rng(1)
    field = r.random((64, 70), np.float32)
    field[5:9] = np.nan
    motion = r.normal(0, 2, (2, 64, 70)).astype(np.float32)
    assert done.stdout == advect(field, motion, [1, 2, 3]).tobytes()


@pytest.mark.parametrize(
    ("field", "motion", "steps", "cause"),
    [
        (np.zeros((4, 4)), np.zeros((2, 4, 5)), [1], r"shape \(2, 4, 5\) does not fit"),
        (np.zeros((4, 4)), np.zeros((4, 4)), [1], "does not fit"),
        (np.zeros((1, 4)), np.zeros((2, 1, 4)), [1], "2 x 2 at least"),
        (np.zeros((4, 4)), np.zeros((2, 4, 4)), [2, 1], "must grow in one direction"),
        (np.zeros((4, 4)), np.zeros((2, 4, 4)), [-1, 1], "must grow in one direction"),
        (np.zeros((4, 4)), np.zeros((2, 4, 4)), [np.nan], "must grow in one direction"),
        (np.zeros((4, 4)), np.full((2, 4, 4), np.nan), [1], "motion has missing values"),
        (np.zeros((4, 4)), np.full((2, 4, 4), np.inf), [1], "motion has missing values"),
    ],
)
def test_what_does_not_fit_is_refused(field, motion, steps, cause):
    with pytest.raises(ConfigError, match=cause):
        advect(field.astype(np.float32), motion.astype(np.float32), steps)


def test_absurd_motion_leaves_the_field():
    field = np.ones((5, 5), np.float32)
    assert np.isnan(advect(field, uniform((5, 5), 1e30, -1e30), [1, 2])).all()


def test_motion_in_cells_of_a_dataset():
    """10 m/s over 6 min are 3.6 km: 7.2 cells of 500 m, 3.6 of 1 km."""
    motion = xr.Dataset(
        {
            "motion_x": (("y", "x"), np.full((3, 4), 10.0)),
            "motion_y": (("y", "x"), np.full((3, 4), -10.0)),
        },
        coords={"x": np.arange(4) * 500.0, "y": np.arange(3) * 1000.0},
    )
    cells = motion_array(motion, 360.0)
    np.testing.assert_allclose(cells[0], 7.2)
    np.testing.assert_allclose(cells[1], -3.6)
    assert cells.dtype == np.float32
    south = motion_array(motion.isel(y=slice(None, None, -1)), 360.0)
    np.testing.assert_allclose(south[1], 3.6)
