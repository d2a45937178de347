import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.cascade import (
    bandpass,
    decompose,
    level_count,
    level_covariances,
    multiplicity,
    pack,
)

SHAPES = [(64, 64), (60, 81), (45, 32), (75, 75)]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("levels", [6, 8])
def test_weights_are_the_peers(shape, levels, quiet):
    from pysteps.cascade.bandpass_filters import filter_gaussian

    theirs = filter_gaussian(shape, levels)["weights_2d"]
    np.testing.assert_allclose(bandpass(shape, levels), theirs, atol=2e-7)


@pytest.mark.parametrize("shape", SHAPES)
def test_levels_and_their_deviations_are_the_peers(shape, quiet):
    from pysteps.cascade.bandpass_filters import filter_gaussian
    from pysteps.cascade.decomposition import decomposition_fft

    field = np.random.default_rng(1).gamma(0.3, 10.0, shape).astype(np.float32)
    theirs = decomposition_fft(field.astype(float), filter_gaussian(shape, 6), compute_stats=True)
    weights = bandpass(shape, 6)
    np.testing.assert_allclose(
        decompose(field, weights), theirs["cascade_levels"], atol=2e-5 * np.ptp(field)
    )
    spectrum = np.asarray(fft.rfft2(field))
    variance = level_covariances(spectrum, spectrum, weights, shape)
    np.testing.assert_allclose(np.sqrt(variance), theirs["stds"], rtol=1e-5)


@settings(deadline=None, max_examples=25)
@given(st.integers(8, 70), st.integers(8, 70), st.integers(3, 9), st.integers(0, 99))
def test_levels_add_up_to_the_field(ny, nx, levels, seed):
    field = np.random.default_rng(seed).normal(5, 3, (ny, nx)).astype(np.float32)
    total = decompose(field, bandpass((ny, nx), levels)).sum(axis=0)
    np.testing.assert_allclose(total, field, atol=1e-4)


@pytest.mark.parametrize("shape", SHAPES)
def test_covariance_in_the_spectrum_is_that_of_the_fields(shape):
    rng = np.random.default_rng(3)
    first, second = rng.normal(size=(2, *shape)).astype(np.float32)
    weights = bandpass(shape, 5)
    found = level_covariances(fft.rfft2(first), fft.rfft2(second), weights, shape)
    a, b = decompose(first, weights), decompose(second, weights)
    direct = [np.cov(x.ravel(), y.ravel(), bias=True)[0, 1] for x, y in zip(a, b, strict=True)]
    np.testing.assert_allclose(found, direct, atol=1e-6)


@settings(deadline=None, max_examples=25)
@given(st.integers(8, 60), st.integers(8, 60), st.integers(3, 9))
def test_packed_runs_hold_every_level(ny, nx, levels):
    """Runs hold what the dense weights hold, but for what is negligible; and all wavenumbers."""
    weights = bandpass((ny, nx), levels)
    packed = pack(weights, (ny, nx))
    np.testing.assert_array_equal(np.sort(packed.order), np.arange(1, ny * (nx // 2 + 1)))
    for k in range(levels):
        dense = np.zeros(ny * (nx // 2 + 1), np.float32)
        run = packed.weights[packed.offsets[k] : packed.offsets[k + 1]]
        places = packed.order[packed.starts[k] : packed.starts[k] + len(run)]
        dense[places] = run
        dense[0] = weights[k, 0, 0]
        np.testing.assert_allclose(dense, weights[k].ravel(), atol=1e-4)
    assert packed.multiplicity.sum() == ny * nx - 1


@pytest.mark.parametrize("shape", [*SHAPES, (9, 8), (8, 9)])
def test_symmetry_is_that_of_a_real_field(shape):
    spectrum = np.asarray(fft.rfft2(np.random.default_rng(0).normal(size=shape))).ravel()
    packed = pack(bandpass(shape, 4), shape)
    values = spectrum[packed.order]
    lower, upper = packed.mirrored.T
    np.testing.assert_allclose(values[lower], values[upper].conj(), atol=1e-9)
    np.testing.assert_allclose(values[packed.real].imag, 0, atol=1e-9)
    edge = multiplicity(shape).ravel()[packed.order] == 1
    assert edge.sum() == 2 * len(lower) + len(packed.real)


def test_small_grids_have_fewer_levels():
    assert [level_count((n, n), 8) for n in (8, 64, 512)] == [3, 6, 8]


def test_too_few_levels_are_refused():
    with pytest.raises(ConfigError, match="at least 3 levels, not 2"):
        bandpass((64, 64), 2)
