"""From a Gaussian field to rain: where a member may rain, and how much.

The incremental mask and the matching of distributions of ``pysteps.nowcasts.steps``: rain may
spread from where it was by some cells a step, and the field is given the distribution of the
observed rain by rank. Ranks come from a histogram instead of a sort; inside its bins, which hold
a few cells each, the ranks are interpolated.
"""

import numba
import numpy as np
from numpy.typing import NDArray

BINS = 4096
_FAR = 200  # cells: stands for all larger distances, and can be added to without overflow


def distribution(rate_mm_h: NDArray[np.float32], wet_mm_h: float) -> NDArray[np.float32]:
    """Wet rates of a field in mm/h, the largest first; missing cells count as dry."""
    wet = rate_mm_h[rate_mm_h >= wet_mm_h]
    return np.sort(wet)[::-1].astype(np.float32)


_PAD = 32  # cells on both sides of a row that is looked along, far from all rain


@numba.njit(cache=True, nogil=True)
def distances(rate_mm_h: NDArray[np.float32], wet_mm_h: float, out: NDArray[np.uint8]) -> None:
    """Distance of each cell (y, x) from rain in steps along rows and columns, in place.

    It is exact to 31 cells, and larger beyond.
    """
    ny, nx = rate_mm_h.shape
    limit = np.float32(wet_mm_h)
    one, other = np.full((2, nx + 2 * _PAD), np.uint8(_FAR))
    inside = slice(_PAD, _PAD + nx)
    for j in range(ny):
        _mark(rate_mm_h[j], limit, out[j])
        if j > 0:
            _over(out[j], out[j - 1], out[j])
    for j in range(ny - 1, -1, -1):
        _over(out[j], out[min(j + 1, ny - 1)], one[inside])
        _along(one, other, 1)
        _along(other, one, 2)
        _along(one, other, 4)
        _along(other, one, 8)
        _along(one, other, 16)
        out[j, :] = other[inside]


@numba.njit(nogil=True)
def _mark(rain: NDArray[np.float32], limit: np.float32, row: NDArray[np.uint8]) -> None:
    for i in range(len(row)):
        row[i] = np.uint8(0) if rain[i] >= limit else np.uint8(_FAR)


# Each value is written by a choice between two: vector code is made of that, and not of `min`.
@numba.njit(nogil=True)
def _over(row: NDArray[np.uint8], beside: NDArray[np.uint8], out: NDArray[np.uint8]) -> None:
    """Take the way over the row beside where it is shorter."""
    for i in range(len(row)):
        around, straight = np.uint8(beside[i] + np.uint8(1)), row[i]
        out[i] = around if around < straight else straight


@numba.njit(nogil=True)
def _along(row: NDArray[np.uint8], out: NDArray[np.uint8], steps: int) -> None:
    """Take the way over the cells so many steps along a padded row where it is shorter."""
    n = len(row) - 2 * _PAD
    left, right = row[_PAD - steps : _PAD - steps + n], row[_PAD + steps : _PAD + steps + n]
    straight, found = row[_PAD : _PAD + n], out[_PAD : _PAD + n]
    for i in range(n):
        over_left = np.uint8(left[i] + np.uint8(steps))
        over_right = np.uint8(right[i] + np.uint8(steps))
        nearer = over_left if over_left < over_right else over_right
        found[i] = nearer if nearer < straight[i] else straight[i]


@numba.njit(cache=True, nogil=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def rain_by_rank(
    field: NDArray[np.float32],
    distance: NDArray[np.uint8],
    inner: int,
    rim: int,
    target: NDArray[np.float32],
    workspace: tuple[NDArray[np.int32], NDArray[np.float32]],
) -> None:
    """Turn a field (y, x) into rain in mm/h, in place.

    Parameters
    ----------
    field
        Any units; only its order counts, and its lowest value.
    distance
        (y, x) cells from rain of the step before.
    inner, rim
        Rain keeps its full height to ``inner`` cells away, and falls off over ``rim`` more.
    target
        Wet rates in mm/h, the largest first.
    workspace
        (bins,) counts and (bins + 1,) rates.
    """
    counts, rates = workspace
    counts[:] = 0
    share = np.float32(1.0 / (rim + 1))
    reach = np.float32(inner + rim + 1)
    lowest, highest = _extremes(field)
    scale = np.float32(BINS) / max(highest - lowest, np.float32(1e-6))
    for j in range(len(field)):
        _raise(field[j], distance[j], lowest, scale, share, reach)
        _count(field[j], counts)
    _rates_at_edges(counts, target, rates)
    least = target[-1] if len(target) else np.float32(np.inf)
    for j in range(len(field)):
        _look_up(field[j], rates, least)


@numba.njit(nogil=True)
def _extremes(field: NDArray[np.float32]) -> tuple[np.float32, np.float32]:
    """Lowest and highest value (y, x), column by column first: that becomes vector code."""
    low, high = field[0].copy(), field[0].copy()
    for j in range(1, len(field)):
        row = field[j]
        for i in range(len(row)):
            low[i] = row[i] if row[i] < low[i] else low[i]
            high[i] = row[i] if row[i] > high[i] else high[i]
    return low.min(), high.max()


@numba.njit(fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _raise(
    row: NDArray[np.float32],
    distance: NDArray[np.uint8],
    lowest: np.float32,
    scale: np.float32,
    share: np.float32,
    reach: np.float32,
) -> None:
    """Heights above the lowest in bins of the histogram, falling off over the rim."""
    one, zero = np.float32(1), np.float32(0)
    for i in range(len(row)):
        height = (reach - np.float32(distance[i])) * share
        height = height if height < one else one
        height = height if height > zero else zero
        row[i] = (row[i] - lowest) * scale * height


@numba.njit(nogil=True)
def _count(row: NDArray[np.float32], counts: NDArray[np.int32]) -> None:
    """Add the heights to the histogram. The many of the lowest bin rain nowhere and stay out."""
    last = np.int32(BINS - 1)
    for i in range(len(row)):
        at = np.int32(row[i])
        if at > 0:
            counts[at if at < last else last] += 1


@numba.njit(fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _look_up(row: NDArray[np.float32], rates: NDArray[np.float32], least: np.float32) -> None:
    """Rates of heights, between those at the edges of their bins."""
    last = np.uint32(BINS - 1)
    for i in range(len(row)):
        at = np.uint32(np.int32(row[i]))
        k = at if at < last else last
        low, high = rates[k], rates[k + np.uint32(1)]
        rate = low + (row[i] - np.float32(k)) * (high - low)
        row[i] = rate if rate >= least else np.float32(0)


@numba.njit(error_model="numpy")
def _rates_at_edges(
    counts: NDArray[np.int32], target: NDArray[np.float32], rates: NDArray[np.float32]
) -> None:
    """Rate that belongs to each edge of the histogram: that of the rank of a value there."""
    above, wet = 0, len(target)
    rates[BINS] = target[0] if wet else np.float32(0)
    for k in range(BINS - 1, 0, -1):
        above += counts[k]
        if above == 0:
            rates[k] = rates[BINS]
        elif above < wet:  # an edge lies halfway between two ranks
            rates[k] = np.float32(0.5) * (target[above - 1] + target[above])
        else:
            rates[k] = np.float32(0)
    rates[0] = np.float32(0)
