import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from jinghu.grid.advection import advect
from jinghu.nowcast.local_motion import _between, _filtered, _spread, local_motion
from jinghu.nowcast.matching import Matches, match_blocks
from jinghu.nowcast.nodes import Nodes, moved, node_shape

SHAPE = (90, 130)


def vectors(n, motion, seed=0):
    """Vectors at random places; the motion is that in the middle of the path."""
    middle = np.random.default_rng(seed).uniform((0, 0), SHAPE, (n, 2)).T
    d_col, d_row = motion(*middle)
    return Matches(middle[0] - d_row / 2, middle[1] - d_col / 2, d_row, d_col, np.full(n, 0.9))


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000), st.floats(8.0, 25.0))
def test_a_linear_motion_is_found_again(seed, width):
    """Shear, rotation and convergence at once; the ridge costs some of the slope."""

    def motion(row, col):
        return 3 + 0.02 * row - 0.01 * col, 1 - 0.02 * col + 0.005 * row

    found, quality = local_motion(vectors(400, motion, seed), SHAPE, width).on_cells(SHAPE)
    rows, cols = np.indices(SHAPE)
    inner = (slice(10, -10), slice(10, -10))
    off = np.abs(found - np.stack(motion(rows, cols)))[:, *inner]
    assert off.max() < 0.35
    assert (quality[inner] > 0.9).all()


def test_far_from_the_vectors_it_is_theirs_without_quality():
    one = Matches(*(np.array([v]) for v in (5.0, 5.0, 2.0, -3.0, 0.8)))
    found, quality = local_motion(one, SHAPE, 4.0).on_cells(SHAPE)
    np.testing.assert_allclose(found[0], -3.0, atol=1e-4)
    np.testing.assert_allclose(found[1], 2.0, atol=1e-4)
    assert quality[6, 4] > 0.5
    assert quality[60, 100] == 0.0


def test_the_filter_is_a_gaussian_on_every_column():
    planes = np.random.default_rng(0).random((30, 41, 3))
    sigma = 2.5
    taps = np.exp(-0.5 * (np.arange(-10, 11) / sigma) ** 2)
    found = _filtered(planes.reshape(30, -1), taps / taps.sum(), 3).reshape(planes.shape)
    wanted = gaussian_filter(planes, (sigma, sigma, 0), mode="constant")
    np.testing.assert_allclose(found, wanted, atol=1e-12)


def test_spreading_keeps_sums_and_places():
    random = np.random.default_rng(0)
    row, col, values = random.uniform(0, 8, 50), random.uniform(0, 11, 50), random.random((50, 2))
    planes = _spread(row, col, values, 10, 13).reshape(10, 13, 2)
    np.testing.assert_allclose(planes.sum((0, 1)), values.sum(0))
    first_moment = (planes[..., 0] * np.arange(10)[:, None]).sum()
    assert first_moment == pytest.approx((row * values[:, 0]).sum())


@pytest.mark.parametrize("shape", [(9, 12), (2, 3), (10, 7)])
def test_between_coarse_nodes(shape):
    coarse = np.random.default_rng(0).random((shape[0] // 2 + 1, shape[1] // 2 + 1))
    at = np.indices(shape) / 2
    wanted = map_coordinates(coarse, at, order=1, mode="nearest")
    np.testing.assert_allclose(_between(coarse, 1, *shape), wanted)


@pytest.mark.parametrize("holes", [False, True])
def test_it_moves_as_the_advection_on_cells_does(holes):
    """Between nodes 7 cells apart the rotation is linear, so only the paths are interpolated."""
    field = gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), 3).astype(np.float32) * 50
    if holes:
        field[20:30, 40:60] = np.nan
    step = 7
    ny, nx = node_shape(SHAPE, step)
    rows, cols = np.indices((ny, nx)) * float(step)
    nodes = Nodes(step, np.stack([(45 - rows), (cols - 65)]) * 0.15, np.ones((ny, nx)))
    dense, _ = nodes.on_cells(SHAPE)
    wanted, found = advect(field, dense, [1.0], substeps=8)[0], moved(field, nodes)
    away = np.isfinite(wanted) != np.isfinite(found)
    assert away.mean() < 0.003
    both = np.isfinite(wanted) & np.isfinite(found)
    assert both.mean() > 0.7
    off = np.abs(wanted - found)[both] / field[np.isfinite(field)].std()
    assert off.max() < 0.1


def test_values_on_cells_are_bilinear_between_nodes():
    step = 4
    shape = node_shape((21, 30), step)
    random = np.random.default_rng(0)
    nodes = Nodes(step, random.random((2, *shape)), random.random(shape))
    found, quality = nodes.on_cells((21, 30))
    at = np.indices((21, 30)) / step
    for plane, got in zip((*nodes.displacement, nodes.quality), (*found, quality), strict=True):
        np.testing.assert_allclose(got, map_coordinates(plane, at, order=1), atol=1e-6)


def test_the_bits_do_not_depend_on_the_number_of_threads(kernel_threads):
    smooth = gaussian_filter(np.random.default_rng(0).normal(size=(150, 170)), 3)
    field: NDArray[np.float32] = (np.maximum(smooth, 0) * 90).astype(np.float32)
    field[40:50, 60:70] = np.nan
    later = np.roll(field, (3, -4), (0, 1))
    threads = numba.get_num_threads()
    found = []
    for count in (1, kernel_threads):
        numba.set_num_threads(count)
        matches = match_blocks(field, later, 24, 8, 0.3)
        nodes = local_motion(matches, field.shape, 25.0)
        found.append((matches.d_row, matches.d_col, *nodes.on_cells(field.shape),
                      moved(field, nodes)))  # fmt: skip
    numba.set_num_threads(threads)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
