"""Cascade of spatial scales: Gaussian band-pass filters in the half spectrum of a field.

Pulkkinen et al. 2019, Geosci. Model Dev. 12, 4185-4219, section 2.2; the filters are those of
``pysteps.cascade.bandpass_filters.filter_gaussian``. Levels go from the largest scale to the
smallest. Statistics of levels are taken in the spectrum, by Parseval's theorem.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from jinghu.grid.errors import ConfigError

_GAUSS_SCALE = 0.5  # width of a band, in parts of the distance between two
_NEGLIGIBLE = 1e-4  # weights below it are left out of the packed levels


def level_count(shape: tuple[int, int], wanted: int) -> int:
    """Levels that a grid has room for: as many as wanted, at least three."""
    return int(np.clip(np.log2(max(shape)), 3, max(wanted, 3)))


def radii(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Wavenumbers (y, x // 2 + 1) of the half spectrum of a field, in waves per domain.

    >>> float(radii((4, 4))[1, 0])
    1.0
    """
    ny, nx = shape
    rows = np.rint(fft.fftfreq(ny) * ny)
    return np.asarray(np.hypot(rows[:, None], np.arange(nx // 2 + 1)[None, :]))


def bandpass(shape: tuple[int, int], levels: int) -> NDArray[np.float32]:
    """Weights of the levels in the half spectrum; they add up to one at every wavenumber.

    Parameters
    ----------
    shape
        (y, x) of the field.
    levels
        Number of levels, at least 3.

    Returns
    -------
    (levels, y, x // 2 + 1). The mean of the field belongs to the first level.
    """
    if levels < 3:
        raise ConfigError(f"a cascade needs at least 3 levels, not {levels}")
    half = 0.5 * max(shape)
    ratio = half ** (1.0 / levels)
    edges = ratio ** np.arange(levels + 1)
    centres = np.log(0.5 * (edges[:-1] + edges[1:])) / np.log(ratio)
    radius = radii(shape)
    place = np.log(np.where(radius > 0, radius, 1.0)) / np.log(ratio)
    off = place[None] - centres[:, None, None]
    weights = np.exp(-(off**2) / (2.0 * _GAUSS_SCALE**2))
    weights /= weights.sum(axis=0)
    weights[:, 0, 0] = 0.0
    weights[0, 0, 0] = 1.0
    return np.asarray(weights, np.float32)


def wavelengths(shape: tuple[int, int], levels: int, cell_km: float) -> NDArray[np.float64]:
    """Wavelengths (levels,) in km in the middle of the levels."""
    ratio = (0.5 * max(shape)) ** (1.0 / levels)
    edges = ratio ** np.arange(levels + 1)
    return np.asarray(max(shape) * cell_km / (0.5 * (edges[:-1] + edges[1:])))


def decompose(field: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels (levels, y, x) of a field (y, x); their sum is the field."""
    spectrum = np.asarray(fft.rfft2(field.astype(np.float32)))
    return np.asarray(fft.irfft2(spectrum * weights, field.shape))


def multiplicity(shape: tuple[int, int]) -> NDArray[np.float32]:
    """How often each wavenumber of the half spectrum stands in the whole, the mean not at all."""
    count = np.full((shape[0], shape[1] // 2 + 1), 2.0, np.float32)
    count[:, 0] = 1.0
    if shape[1] % 2 == 0:
        count[:, -1] = 1.0
    count[0, 0] = 0.0
    return count


def level_covariances(
    first: NDArray[np.complex64],
    second: NDArray[np.complex64],
    weights: NDArray[np.float32],
    shape: tuple[int, int],
) -> NDArray[np.float64]:
    """Covariance by level of two fields that are given by their half spectra.

    Parameters
    ----------
    first, second
        (y, x // 2 + 1), from an unscaled forward transform.
    weights
        (levels, y, x // 2 + 1).
    shape
        (y, x) of the fields.

    Returns
    -------
    (levels,) in squared units of the fields.
    """
    product = (first * second.conj()).real.astype(np.float64) * multiplicity(shape)
    squared = weights.astype(np.float64) ** 2
    total = np.einsum("kyx,yx->k", squared, product)
    return np.asarray(total / float(shape[0] * shape[1]) ** 2)


@dataclass(frozen=True, slots=True)
class Packed:
    """Wavenumbers in ascending order, in which every level is one contiguous run.

    Parameters
    ----------
    order
        (n,) flat place in the half spectrum of each wavenumber; the mean is left out.
    places
        (n + 1,) the reverse: where in this order each wavenumber of the half spectrum stands.
    starts
        (levels,) first wavenumber of each level's run.
    offsets
        (levels + 1,) where each level's run lies in ``weights``.
    weights
        Weights of all runs, one after the other.
    multiplicity
        (n,) how often each wavenumber stands in the whole spectrum.
    mirrored
        (m, 2) wavenumbers of the half spectrum whose value is the conjugate of another in it.
    real
        (r,) wavenumbers whose value is real.
    """

    order: NDArray[np.int32]
    places: NDArray[np.int32]
    starts: NDArray[np.int64]
    offsets: NDArray[np.int64]
    weights: NDArray[np.float32]
    multiplicity: NDArray[np.float32]
    mirrored: NDArray[np.int64]
    real: NDArray[np.int64]


def pack(weights: NDArray[np.float32], shape: tuple[int, int]) -> Packed:
    """Order the wavenumbers so that levels become runs, which vector code can go along."""
    order = np.argsort(radii(shape).ravel(), kind="stable")[1:]
    flat = weights.reshape(len(weights), -1)[:, order]
    held = flat > _NEGLIGIBLE
    starts = held.argmax(axis=1)
    stops = held.shape[1] - held[:, ::-1].argmax(axis=1)
    stops = np.where(held.any(axis=1), stops, starts)
    runs = [flat[k, a:b] for k, (a, b) in enumerate(zip(starts, stops, strict=True))]
    mirrored, real = _symmetry(order, shape)
    places = np.zeros(len(order) + 1, np.int32)
    places[order] = np.arange(len(order))
    return Packed(
        order.astype(np.int32),
        places,
        starts.astype(np.int64),
        np.concatenate([[0], np.cumsum(stops - starts)]).astype(np.int64),
        np.concatenate(runs).astype(np.float32),
        multiplicity(shape).ravel()[order],
        mirrored,
        real,
    )


def _symmetry(
    order: NDArray[np.int64], shape: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of conjugates and real values in the first and (for even widths) last column."""
    ny, half = shape[0], shape[1] // 2 + 1
    columns = [0] + ([half - 1] if shape[1] % 2 == 0 and half > 1 else [])
    row, column = np.divmod(order, half)
    place = np.empty(ny * half, np.int64)
    place[order] = np.arange(len(order))
    other = (-row % ny) * half + column
    edge = np.isin(column, columns)
    real = np.flatnonzero(edge & (other == order))
    lower = np.flatnonzero(edge & (row > -row % ny))
    return np.stack([lower, place[other[lower]]], axis=1), real
