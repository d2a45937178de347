"""Texture of rain: Gaussian fields of six sizes that live as long as their size lets them.

Each level of the cascade is a periodic field in the frame of the moving rain, that changes by an
AR(1) process: small patterns live for minutes, large ones for hours (Seed 2003, "A dynamic and
spatial scaling approach to advection forecasting", J. Appl. Meteor. 42; life grows with size by
a power of 0.9, within the range of Germann et al. 2006, J. Atmos. Sci. 63). Between the knots of
the process a level is the mean of its neighbours in time, scaled back to unit variance.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numba
import numpy as np
import scipy.fft
from numpy.typing import NDArray

LEVELS_M = (3_000.0, 6_000.0, 12_000.0, 24_000.0, 48_000.0, 96_000.0)
_SIZE = 256  # cells of a level, a power of two
_PER_WAVE = 6.0  # cells to a wavelength
_OCTAVES = 0.35  # width of a level's band, standard deviation in octaves
_LIFE_S = 240.0  # of the smallest level
_LIFE_POWER = 0.9
_KNOTS_PER_LIFE = 2.0
_THREADS = 2


@dataclass(frozen=True, slots=True)
class Cascade:
    """Texture of unit variance.

    Parameters
    ----------
    fields
        (knot, 256, 256) of all levels, one level after the other.
    first
        (level + 1,) where each level's knots begin.
    step_s, spacing_m, weight
        (level,) time between knots, cell size, and share of the standard deviation.
    correlation
        Of one knot with the next, the same for all levels.
    """

    fields: NDArray[np.float32]
    first: NDArray[np.int64]
    step_s: NDArray[np.float64]
    spacing_m: NDArray[np.float64]
    weight: NDArray[np.float64]
    correlation: float


def life_s(size_m: float) -> float:
    """Time after which patterns of a size have lost all but 1/e of their likeness.

    >>> round(life_s(3_000.0)), round(life_s(96_000.0) / 60)
    (240, 91)
    """
    return float(_LIFE_S * (size_m / LEVELS_M[0]) ** _LIFE_POWER)


def make_cascade(duration_s: float, slope: float, seed: int) -> Cascade:
    """Draw a texture.

    Parameters
    ----------
    duration_s
        Seconds, from 0, for which it is needed.
    slope
        Of the radial power spectrum of the texture, e.g. 2.6: power falls as k^-slope.
    seed
        The same seed gives the same texture.
    """
    streams = np.random.SeedSequence(seed).spawn(len(LEVELS_M))
    steps = [life_s(size) / _KNOTS_PER_LIFE for size in LEVELS_M]
    correlation = float(np.exp(-1.0 / _KNOTS_PER_LIFE))
    band = _band()

    def level(stream: np.random.SeedSequence, step: float) -> NDArray[np.float32]:
        knots = int(np.ceil(duration_s / step)) + 2
        return _process(np.random.default_rng(stream), knots, correlation, band)

    with ThreadPoolExecutor(_THREADS) as pool:  # each level has a generator of its own
        levels = list(pool.map(level, streams, steps))
    # Power per octave of a two-dimensional field whose spectrum falls as k^-slope.
    variance = np.array(LEVELS_M) ** (slope - 2.0)
    return Cascade(
        np.concatenate(levels),
        np.concatenate([[0], np.cumsum([len(level) for level in levels])]),
        np.array(steps),
        np.array(LEVELS_M) / _PER_WAVE,
        np.sqrt(variance / variance.sum()),
        correlation,
    )


def _band() -> NDArray[np.float32]:
    """Amplitudes of one level in the half plane of wavenumbers."""
    ky = np.fft.fftfreq(_SIZE)[:, None]
    kx = np.fft.rfftfreq(_SIZE)[None, :]
    k = np.hypot(ky, kx)
    k[0, 0] = 1.0
    amplitude = np.exp(-0.5 * (np.log2(k * _PER_WAVE) / _OCTAVES) ** 2)
    amplitude[0, 0] = 0.0
    return np.asarray(amplitude, np.float32)


def _process(
    random: np.random.Generator, knots: int, correlation: float, band: NDArray[np.float32]
) -> NDArray[np.float32]:
    """AR(1) process of fields of zero mean and unit variance: (knot, y, x)."""
    fields = np.empty((knots, _SIZE, _SIZE), np.float32)
    fresh = np.float32(np.sqrt(1.0 - correlation**2))
    for k in range(knots):
        white = random.standard_normal((_SIZE, _SIZE), np.float32)
        field = scipy.fft.irfft2(scipy.fft.rfft2(white, workers=1) * band, workers=1)
        field /= field.std(dtype=np.float64)
        fields[k] = field if k == 0 else np.float32(correlation) * fields[k - 1] + fresh * field
    return fields


@numba.njit(cache=True, nogil=True)
def at_time(
    first: NDArray[np.int64],
    step_s: NDArray[np.float64],
    weight: NDArray[np.float64],
    correlation: float,
    clock: float,
    knots: NDArray[np.int64],
    shares: NDArray[np.float64],
) -> None:
    """Set ``knots[level]`` and ``shares[level, 2]``: what each level takes of which knots."""
    for level in range(len(weight)):
        at = max(clock / step_s[level], 0.0)
        knot = min(int(at), first[level + 1] - first[level] - 2)
        later = min(at - knot, 1.0)
        earlier = 1.0 - later
        spread = earlier * earlier + later * later + 2.0 * correlation * earlier * later
        knots[level] = first[level] + knot
        shares[level, 0] = weight[level] * earlier / np.sqrt(spread)
        shares[level, 1] = weight[level] * later / np.sqrt(spread)


@numba.njit(cache=True, nogil=True)
def blend(
    fields: NDArray[np.float32],
    knots: NDArray[np.int64],
    shares: NDArray[np.float64],
    blended: NDArray[np.float32],
) -> None:
    """Set every level (level, y, x) as it is at the time of `at_time`: worth it for many places."""
    for level in range(len(knots)):
        earlier, later = fields[knots[level]], fields[knots[level] + 1]
        a, b = np.float32(shares[level, 0]), np.float32(shares[level, 1])
        for row in range(earlier.shape[0]):
            for column in range(earlier.shape[1]):
                blended[level, row, column] = a * earlier[row, column] + b * later[row, column]


@numba.njit(cache=True, nogil=True)
def blended_texture(
    blended: NDArray[np.float32], spacing_m: NDArray[np.float64], x: float, y: float
) -> float:
    """Texture at a place of the moving frame in m, at the time of `blend`."""
    mask = blended.shape[1] - 1
    total = 0.0
    for level in range(len(spacing_m)):
        column, row = x / spacing_m[level], y / spacing_m[level]
        i, j = int(np.floor(column)), int(np.floor(row))
        fx, fy = column - i, row - j
        west, east, south, north = i & mask, (i + 1) & mask, j & mask, (j + 1) & mask
        southwest, northwest = blended[level, south, west], blended[level, north, west]
        below = southwest + fx * (blended[level, south, east] - southwest)
        above = northwest + fx * (blended[level, north, east] - northwest)
        total += below + fy * (above - below)
    return total


@numba.njit(cache=True, nogil=True)
def texture(
    fields: NDArray[np.float32],
    spacing_m: NDArray[np.float64],
    knots: NDArray[np.int64],
    shares: NDArray[np.float64],
    x: float,
    y: float,
) -> float:
    """Texture at a place of the moving frame in m, at the time of `at_time`."""
    mask = fields.shape[1] - 1
    total = 0.0
    for level in range(len(spacing_m)):
        column, row = x / spacing_m[level], y / spacing_m[level]
        i, j = int(np.floor(column)), int(np.floor(row))
        fx, fy = column - i, row - j
        west, east, south, north = i & mask, (i + 1) & mask, j & mask, (j + 1) & mask
        k = knots[level]
        a, b = shares[level, 0], shares[level, 1]
        southwest = a * fields[k, south, west] + b * fields[k + 1, south, west]
        southeast = a * fields[k, south, east] + b * fields[k + 1, south, east]
        northwest = a * fields[k, north, west] + b * fields[k + 1, north, west]
        northeast = a * fields[k, north, east] + b * fields[k + 1, north, east]
        below = southwest + fx * (southeast - southwest)
        above = northwest + fx * (northeast - northwest)
        total += below + fy * (above - below)
    return total
