import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from jinghu.nowcast.cascade import bandpass, multiplicity, pack
from jinghu.nowcast.noise import draw, noise_filter, philox, uniforms, window

# Random123, kat_vectors: philox4x32 with 10 rounds.
KNOWN = [
    ([0] * 4, [0] * 2, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([2**32 - 1] * 4, [2**32 - 1] * 2, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        [0xA4093822, 0x299F31D0],
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@numba.njit
def _four(c, k):
    return philox(c[0], c[1], c[2], c[3], k[0], k[1])


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_philox_gives_the_published_numbers(counter, key, expected):
    found = _four(np.array(counter, np.uint64), np.array(key, np.uint64))
    assert [int(v) for v in found] == expected


def white(shape, seed=1, member=0, lead=1):
    packed = pack(bandpass(shape, 3), shape)
    parts = np.empty((2, len(packed.order)), np.float32)
    draw(seed, member, lead, packed.mirrored, packed.real, parts[0], parts[1])
    spectrum = np.zeros(shape[0] * (shape[1] // 2 + 1), np.complex64)
    spectrum[packed.order] = parts[0] + 1j * parts[1]
    return spectrum.reshape(shape[0], -1)


@pytest.mark.parametrize("shape", [(64, 64), (63, 50), (50, 63)])
def test_white_noise_is_white_real_and_normal(shape):
    fields = []
    for member in range(40):
        spectrum = white(shape, member=member) * np.sqrt(shape[0] * shape[1])
        field = fft.irfft2(spectrum, shape)
        np.testing.assert_allclose(fft.rfft2(field), spectrum, atol=1e-3)
        fields.append(field)
    values = np.stack(fields)
    n = values.size
    assert abs(values.mean()) < 5 / np.sqrt(n)
    assert abs(values.var() - 1) < 5 * np.sqrt(2 / n) + 1 / (shape[0] * shape[1])
    assert abs((values**4).mean() - 3) < 5 * np.sqrt(96 / n) + 0.01
    for axis in (1, 2):
        assert abs((values * np.roll(values, 1, axis)).mean()) < 5 / np.sqrt(n) + 1e-3
    assert abs((values[1:] * values[:-1]).mean()) < 5 / np.sqrt(n)


def test_power_is_even_over_the_spectrum():
    shape = (32, 32)
    power = np.mean([np.abs(white(shape, member=m)) ** 2 for m in range(400)], axis=0)
    power[0, 0] = 1.0
    assert abs(power[multiplicity(shape) == 1].mean() - 1) < 0.05
    assert abs(power.mean() - 1) < 0.01
    assert power.max() < 1.6
    assert power.min() > 0.5


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**63 - 2), st.integers(0, 1000), st.integers(1, 1000))
def test_numbers_depend_on_seed_member_and_lead(seed, member, lead):
    shape = (8, 8)
    first = white(shape, seed, member, lead)
    np.testing.assert_array_equal(first, white(shape, seed, member, lead))
    others = [(seed + 1, member, lead), (seed, member + 1, lead), (seed, member, lead + 1)]
    for other in others:
        assert not np.array_equal(first, white(shape, *other))


def test_uniform_numbers_are_uniform():
    found = np.array([uniforms(7, m, 2) for m in range(2000)])
    assert found.min() > 0
    assert found.max() < 1
    np.testing.assert_allclose(found.mean(axis=0), 0.5, atol=0.04)
    np.testing.assert_allclose(found.var(axis=0), 1 / 12, atol=0.01)


@pytest.mark.parametrize("shape", [(64, 64), (60, 81)])
def test_filter_is_the_peers(shape, frames_of, quiet):
    from pysteps.noise.fftgenerators import initialize_nonparam_2d_fft_filter
    from pysteps.utils.tapering import compute_window_function

    rain = frames_of(shape)
    db = np.where(rain >= 0.1, 10 * np.log10(np.maximum(rain, 0.1)), -15.0).astype(np.float32)
    theirs = initialize_nonparam_2d_fft_filter(db.astype(float))["field"]
    ours = noise_filter(db, shape)
    np.testing.assert_allclose(ours.ravel()[1:], theirs.ravel()[1:], atol=2e-5 * theirs.max())
    assert ours[0, 0] == 0  # the peer takes the mean out after the noise was made
    np.testing.assert_allclose(window(shape), compute_window_function(*shape, "tukey"), atol=1e-6)


@pytest.mark.parametrize("value", [-15.0, 10.0])
def test_a_constant_field_has_no_noise(value):
    assert not noise_filter(np.full((3, 16, 16), value, np.float32), (16, 16)).any()
