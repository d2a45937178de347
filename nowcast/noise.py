"""Noise with the spatial correlation of rain, drawn in the spectrum.

The filter is that of ``pysteps.noise.fftgenerators.initialize_nonparam_2d_fft_filter`` (Seed et
al. 2013, Water Resour. Res. 49, 6624-6641). Numbers come from a counter (Philox4x32-10, Salmon
et al. 2011, SC'11): any of them can be made without the others, so that members, leads and
workers may come in any order.
"""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy import fft

_BYTE_SUM_MEAN = 510.0  # of four bytes
_BYTE_SUM_VARIANCE = 21845.0
_TAPER = 0.2  # share of the half width over which the window falls to zero


def noise_filter(fields: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Amplitude of the noise at each wavenumber.

    Parameters
    ----------
    fields
        (time, y, x) transformed rates, dry at the lowest value, no missing values.
    shape
        (y, x) of the transform.

    Returns
    -------
    (y, x // 2 + 1); zero at the mean, and everywhere where all is dry or at the corners.
    """
    dry = fields.min()
    wet = fields > dry
    risen = fields - dry
    if wet.any():
        risen = np.where(wet, risen - risen[wet].min(), 0.0)
    risen = risen - risen.min(axis=(1, 2), keepdims=True)
    mean = (risen * window(fields.shape[1:])).mean(axis=0)
    found = np.abs(np.asarray(fft.rfft2(mean.astype(np.float32), shape)))
    found[0, 0] = 0.0
    return np.asarray(found)


def window(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Round Tukey window (y, x): one in the middle, zero at the edge."""
    ny, nx = shape
    radius = np.hypot(np.arange(ny)[:, None] / ny - 0.5, np.arange(nx)[None, :] / nx - 0.5)
    inner = 0.5 * (1 - _TAPER)
    slope = 0.5 * (1 + np.cos(np.pi * np.clip((radius - inner) / (0.5 - inner), 0.0, 1.0)))
    return slope.astype(np.float32)


@numba.njit(inline="always")
def philox(
    c0: np.uint64, c1: np.uint64, c2: np.uint64, c3: np.uint64, k0: np.uint64, k1: np.uint64
) -> tuple[np.uint64, np.uint64, np.uint64, np.uint64]:
    """Philox4x32-10: four random numbers of 32 bits for a counter and a key of such numbers."""
    low = np.uint64(0xFFFFFFFF)
    shift = np.uint64(32)
    for _ in range(10):
        p0 = np.uint64(0xD2511F53) * c0
        p1 = np.uint64(0xCD9E8D57) * c2
        c0, c1 = (p1 >> shift) ^ c1 ^ k0, p1 & low
        c2, c3 = (p0 >> shift) ^ c3 ^ k1, p0 & low
        k0 = (k0 + np.uint64(0x9E3779B9)) & low
        k1 = (k1 + np.uint64(0xBB67AE85)) & low
    return c0, c1, c2, c3


@numba.njit(inline="always")
def _bell(bits: np.uint64) -> np.float32:
    """Sum of the four bytes of a number, with mean 0 and variance 1/2.

    Its kurtosis is 2.7. Each value of a noise field is the sum of thousands of them.
    """
    pairs = (bits & np.uint64(0x00FF00FF)) + ((bits >> np.uint64(8)) & np.uint64(0x00FF00FF))
    total = (pairs + (pairs >> np.uint64(16))) & np.uint64(0xFFFF)
    scale = np.float32(1.0 / np.sqrt(2.0 * _BYTE_SUM_VARIANCE))
    return np.float32((np.float32(np.int32(total)) - np.float32(_BYTE_SUM_MEAN)) * scale)


@numba.njit(cache=True, nogil=True)
def draw(
    seed: int,
    member: int,
    lead: int,
    mirrored: NDArray[np.int64],
    real: NDArray[np.int64],
    re: NDArray[np.float32],
    im: NDArray[np.float32],
) -> None:
    """Fill (n,) real and imaginary parts with the half spectrum of white noise, in place.

    Parameters
    ----------
    seed, member, lead
        What the numbers belong to; nothing else decides them.
    mirrored, real
        Wavenumbers with conjugates among the others, and with real values (``cascade.Packed``).
    re, im
        Parts of the spectrum; its mean square is 1.
    """
    low = np.uint64(0xFFFFFFFF)
    k0 = np.uint64(seed) & low
    k1 = (np.uint64(seed) >> np.uint64(32)) & low
    n = len(re)
    half = n // 2
    lower_re, lower_im, upper_re, upper_im = re[:half], im[:half], re[half:], im[half:]
    c1, c2 = np.uint64(member), np.uint64(lead)
    for i in range(half):
        b0, b1, b2, b3 = philox(np.uint64(np.uint32(i)), c1, c2, np.uint64(0), k0, k1)
        lower_re[i], lower_im[i] = _bell(b0), _bell(b1)
        upper_re[i], upper_im[i] = _bell(b2), _bell(b3)
    if n % 2:
        b0, b1, b2, b3 = philox(np.uint64(half), c1, c2, np.uint64(0), k0, k1)
        re[n - 1], im[n - 1] = _bell(b0), _bell(b1)
    for j in range(len(mirrored)):
        a, b = mirrored[j, 0], mirrored[j, 1]
        re[a] = re[b]
        im[a] = -im[b]
    for j in range(len(real)):
        re[real[j]] *= np.float32(np.sqrt(2.0))
        im[real[j]] = np.float32(0)


def uniforms(seed: int, member: int, count: int) -> NDArray[np.float64]:
    """(count,) random numbers in (0, 1) that belong to a member and no lead."""
    blocks = [_block(seed, member, k) for k in range(-(-count // 4))]
    return (np.concatenate(blocks)[:count] + 0.5) / 2.0**32


@numba.njit(cache=True)
def _block(seed: int, member: int, block: int) -> NDArray[np.float64]:
    low = np.uint64(0xFFFFFFFF)
    k0 = np.uint64(seed) & low
    k1 = (np.uint64(seed) >> np.uint64(32)) & low
    bits = philox(np.uint64(block), np.uint64(member), np.uint64(0), np.uint64(1), k0, k1)
    return np.array([np.float64(b) for b in bits])
