"""Regions of storm cells: connected heavy rain, taken apart where it has several peaks.

The field is flooded from its peaks downward. Where the waters of two peaks meet, the lower one is
drowned if it does not stand out from the pass between them, and stays a region of its own
otherwise (watershed by persistence, as in Edelsbrunner et al. 2002, Discrete Comput. Geom. 28,
511-533). Enhanced TITAN (Han et al. 2009, J. Atmos. Ocean. Technol. 26, 719-732) splits merged
storms for the same reason.
"""

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter


def cell_regions(
    rate_mm_h: NDArray[np.float32],
    outer_mm_h: float,
    core_mm_h: float,
    least_cells: int,
    prominence: float,
    smooth_cells: float,
) -> NDArray[np.int32]:
    """Label the regions of storm cells.

    Parameters
    ----------
    rate_mm_h
        (y, x), NaN = missing, which belongs to no region.
    outer_mm_h, core_mm_h
        A region is connected (over edges and corners) at the outer rate, and reaches the core's
        somewhere.
    least_cells
        Smaller regions are none.
    prominence
        A peak that is so many times the pass to a higher one has a region of its own.
    smooth_cells
        Standard deviation of the Gaussian that the field is smoothed with to find its peaks.

    Returns
    -------
    (y, x): 0 = none, regions from 1 in the order of their highest rate.
    """
    inside = np.nan_to_num(rate_mm_h) >= outer_mm_h
    at = np.flatnonzero(inside)
    labels = np.zeros(rate_mm_h.shape, np.int32)
    if at.size == 0:
        return labels
    known = np.nan_to_num(rate_mm_h)
    smooth = gaussian_filter(known, smooth_cells) if smooth_cells > 0 else known
    # Among equal values the place decides, so that the result is the same on every machine.
    order = at[np.argsort(-smooth.ravel()[at], kind="stable")]
    roots = _flood(
        order, smooth.ravel(), known.ravel(), rate_mm_h.shape[1], prominence, least_cells, core_mm_h
    )
    found, index = np.unique(roots, return_inverse=True)
    highest = np.zeros(found.size, np.float32)
    np.maximum.at(highest, index, known.ravel()[order])
    sizes = np.bincount(index)
    kept = (sizes >= least_cells) & (highest >= core_mm_h)
    number = np.zeros(found.size, np.int32)
    ranked = np.flatnonzero(kept)[np.argsort(-highest[kept], kind="stable")]
    number[ranked] = np.arange(1, ranked.size + 1)
    labels.ravel()[order] = number[index]
    return labels


@numba.njit(inline="always")
def _root(parent: NDArray[np.int64], node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@numba.njit(cache=True)
def _flood(
    order: NDArray[np.int64],
    smooth: NDArray[np.float32],
    rate: NDArray[np.float32],
    nx: int,
    prominence: float,
    least_cells: int,
    core: float,
) -> NDArray[np.int64]:
    """Region of each place of ``order``, as a number that all of its places share.

    Every region is a tree whose root is the place of its peak, so that its height is there.
    """
    n = len(order)
    place = np.full(len(smooth), -1, np.int64)
    parent = np.arange(n)
    size = np.zeros(n, np.int64)
    highest = np.zeros(n, np.float32)
    around = np.empty(8, np.int64)
    for k in range(n):
        at = order[k]
        row, column = at // nx, at % nx
        met, best = 0, -1
        for j in range(max(row - 1, 0), row + 2):
            for i in range(max(column - 1, 0), min(column + 2, nx)):
                other = j * nx + i
                if other >= len(place) or place[other] < 0:
                    continue
                around[met] = place[other]
                met += 1
                if best < 0 or smooth[other] > smooth[order[best]]:
                    best = place[other]
        place[at] = k
        size[k], highest[k] = 1, rate[at]
        if best < 0:
            continue
        home = _root(parent, best)
        _join(parent, size, highest, home, k)
        for m in range(met):
            other = _root(parent, around[m])
            home = _root(parent, k)
            if other == home:
                continue
            high, low = (home, other) if home < other else (other, home)  # in order of height
            if smooth[order[low]] < prominence * smooth[at]:
                _join(parent, size, highest, high, low)
    _give_up(order, place, nx, (parent, size, highest), least_cells, core)
    out = np.empty(n, np.int64)
    for k in range(n):
        out[k] = _root(parent, k)
    return out


@numba.njit(cache=True)
def _give_up(
    order: NDArray[np.int64],
    place: NDArray[np.int64],
    nx: int,
    regions: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]],
    least_cells: int,
    core: float,
) -> None:
    """Join regions that are too small or have no core to what they meet over their highest pass.

    Passes are taken from the highest down, so that two that are joined and are still too small
    go on to the next.
    """
    parent, size, highest = regions
    for k in range(len(order)):
        row, column = order[k] // nx, order[k] % nx
        for j in range(max(row - 1, 0), row + 2):
            for i in range(max(column - 1, 0), min(column + 2, nx)):
                other = j * nx + i
                if other >= len(place) or place[other] < 0 or place[other] >= k:
                    continue
                one, two = _root(parent, k), _root(parent, place[other])
                if one == two:
                    continue
                if size[one] < least_cells or highest[one] < core:
                    _join(parent, size, highest, two, one)
                elif size[two] < least_cells or highest[two] < core:
                    _join(parent, size, highest, one, two)


@numba.njit(inline="always")
def _join(
    parent: NDArray[np.int64],
    size: NDArray[np.int64],
    highest: NDArray[np.float32],
    to: int,
    what: int,
) -> None:
    parent[what] = to
    size[to] += size[what]
    highest[to] = max(highest[to], highest[what])
