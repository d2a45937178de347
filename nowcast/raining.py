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


@numba.njit(cache=True, nogil=True)
def distances(rate_mm_h: NDArray[np.float32], wet_mm_h: float, out: NDArray[np.uint8]) -> None:
    """Distance of each cell (y, x) from rain in steps along rows and columns, in place.

    It is exact to 31 cells, and larger beyond.
    """
    ny, nx = rate_mm_h.shape
    limit = np.float32(wet_mm_h)
    other = np.empty(nx, np.uint8)
    for j in range(ny):
        row, rain = out[j], rate_mm_h[j]
        for i in range(nx):
            row[i] = np.uint8(0) if rain[i] >= limit else np.uint8(_FAR)
        if j > 0:
            _nearer(row, out[j - 1], 1)
    for j in range(ny - 1, -1, -1):
        row = out[j]
        if j < ny - 1:
            _nearer(row, out[j + 1], 1)
        for power in range(5):
            shift = 1 << power
            if shift < nx:
                other[:] = row
                _nearer(row[: nx - shift], other[shift:], shift)
                _nearer(row[shift:], other[: nx - shift], shift)


@numba.njit(cache=True, nogil=True)
def _nearer(row: NDArray[np.uint8], other: NDArray[np.uint8], steps: int) -> None:
    """Take the way over a neighbour where it is shorter; written so that it becomes vector code."""
    step = np.uint8(steps)
    for i in range(len(row)):
        over, straight = np.uint8(other[i] + step), row[i]
        row[i] = over if over < straight else straight


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
    flat, away = field.ravel(), distance.ravel()
    lowest, highest = np.float32(np.inf), np.float32(-np.inf)
    for i in range(len(flat)):
        lowest = min(lowest, flat[i])
        highest = max(highest, flat[i])
    counts, rates = workspace
    counts[:] = 0
    share = np.float32(1.0 / (rim + 1))
    reach = np.float32(inner + rim + 1)
    scale = np.float32(BINS) / max(highest - lowest, np.float32(1e-6))
    for i in range(len(flat)):
        height = min((reach - np.float32(away[i])) * share, np.float32(1))
        flat[i] = (flat[i] - lowest) * scale * max(height, np.float32(0))
    for i in range(len(flat)):
        counts[min(np.int32(flat[i]), np.int32(BINS - 1))] += 1
    _rates_at_edges(counts, target, rates)
    least = target[-1] if len(target) else np.float32(np.inf)
    for i in range(len(flat)):
        k = min(np.uint32(np.int32(flat[i])), np.uint32(BINS - 1))
        low, high = rates[k], rates[k + np.uint32(1)]
        rate = low + (flat[i] - np.float32(k)) * (high - low)
        flat[i] = rate if rate >= least else np.float32(0)


@numba.njit(error_model="numpy")
def _rates_at_edges(
    counts: NDArray[np.int32], target: NDArray[np.float32], rates: NDArray[np.float32]
) -> None:
    """Rate that belongs to each edge of the histogram: that of the rank of a value there."""
    above, wet = 0, len(target)
    rates[BINS] = target[0] if wet else np.float32(0)
    for k in range(BINS - 1, -1, -1):
        above += counts[k]
        if above == 0:
            rates[k] = rates[BINS]
        elif above < wet and k > 0:  # an edge lies halfway between two ranks
            rates[k] = np.float32(0.5) * (target[above - 1] + target[above])
        else:
            rates[k] = np.float32(0)
