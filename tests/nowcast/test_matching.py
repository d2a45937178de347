import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from jinghu.nowcast.matching import _masked_correlation, _vertex, match_blocks


def correlation_by_hand(block, window, i, j):
    """Pearson correlation over the cells that are known in both, at one shift."""
    part = window[i : i + block.shape[0], j : j + block.shape[1]]
    known = np.isfinite(block) & np.isfinite(part)
    if known.mean() < 0.5:
        return np.nan
    return np.corrcoef(block[known], part[known])[0, 1]


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 10_000), st.floats(0, 0.3))
def test_masked_correlation_is_that_of_the_known_pairs(seed, missing):
    rng = np.random.default_rng(seed)
    block = rng.normal(0, 3, (10, 10)).astype(np.float32)
    window = rng.normal(0, 3, (16, 16)).astype(np.float32)
    block[rng.random(block.shape) < missing] = np.nan
    window[rng.random(window.shape) < missing] = np.nan
    surface = np.empty(49, np.float32)
    _masked_correlation(block, window, surface)
    found = surface.reshape(7, 7)
    for i in range(7):
        for j in range(7):
            wanted = correlation_by_hand(block, window, i, j)
            if np.isfinite(found[i, j]):
                assert found[i, j] == pytest.approx(wanted, abs=2e-3)
            else:
                known = np.isfinite(window[i : i + 10, j : j + 10]) & np.isfinite(block)
                assert known.mean() < 0.51


def test_every_block_finds_the_shift():
    field = np.maximum(gaussian_filter(np.random.default_rng(0).normal(size=(80, 90)), 3), 0) * 90
    field = field.astype(np.float32)
    found = match_blocks(field, np.roll(field, (3, -4), (0, 1)), 24, 8, 0.3)
    assert len(found.row) > 20
    for displacement, wanted in ((found.d_row, 3), (found.d_col, -4)):
        np.testing.assert_allclose(displacement, wanted, atol=0.5)  # at the edges less is seen
        assert np.median(displacement) == pytest.approx(wanted, abs=0.1)
    assert (found.correlation > 0.6).all()


def test_dry_and_flat_blocks_give_none():
    for field in (np.zeros((40, 40)), np.full((40, 40), 7.0), np.full((40, 40), np.nan)):
        assert len(match_blocks(field.astype("f4"), field.astype("f4"), 16, 4, 0.3).row) == 0


@pytest.mark.parametrize("at", [-0.4, 0.0, 0.3])
def test_the_vertex_of_a_parabola(at):
    y = [np.float32(2.0 - (x - at) ** 2) for x in (-1, 0, 1)]
    assert float(_vertex(*(np.array(v) for v in y))) == pytest.approx(at, abs=1e-6)
    assert float(_vertex(*(np.array(np.float32(1)) for _ in y))) == 0.0
