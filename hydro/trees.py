"""Orders and sums over a tree of segments."""

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def stack_order(downstream: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """Order in which hydrographs wait for one another least, and how many wait at most.

    Upstream before downstream; at a confluence the branch that needs most hydrographs at once
    comes first (Strahler's order is how many that are), so few stay in the cache.

    Parameters
    ----------
    downstream
        (segment,) next segment, larger than the own, -1 at outlets.
    """
    n = len(downstream)
    need, busy = np.ones(n, np.int64), np.zeros(n, np.int64)
    for i in range(n):  # two branches that need as much as each other need one more
        below = downstream[i]
        if below >= 0:
            if busy[below] == 0:
                need[below] = need[i]
            else:
                least, most = min(need[i], need[below]), max(need[i], need[below])
                need[below] = max(most, least + busy[below])
            busy[below] += 1
    first, following = np.full(n + 1, -1), np.full(n, -1)
    for k in np.argsort(need, kind="mergesort"):  # heads of the lists: the branch that needs most
        below = downstream[k] if downstream[k] >= 0 else n
        following[k] = first[below]
        first[below] = k
    order, waiting = np.empty(n, np.int64), np.empty(n, np.int64)
    top, place = 0, n
    i = int(first[n])
    while i >= 0:
        waiting[top] = i
        top += 1
        i = int(following[i])
    while top > 0:  # from the outlets up, the branch that needs least first; then turned round
        top -= 1
        here = waiting[top]
        place -= 1
        order[place] = here
        i = int(first[here])
        while i >= 0:
            waiting[top] = i
            top += 1
            i = int(following[i])
    depth, most = 0, 0
    branches = np.bincount(downstream[downstream >= 0], minlength=n)
    for k in order:
        depth += 1 - branches[k]
        most = max(most, depth)
        if downstream[k] < 0:
            depth -= 1
    return order, most


@numba.njit(cache=True, nogil=True, error_model="numpy")
def entering(downstream: NDArray[np.int64], outflow: Array) -> Array:
    """Sum of the outflows (segment, member) that enter each segment."""
    out = np.zeros_like(outflow)
    for i in range(len(downstream)):
        if downstream[i] >= 0:
            out[downstream[i]] += outflow[i]
    return out


@numba.njit(cache=True, nogil=True, error_model="numpy")
def accumulate_rows(downstream: NDArray[np.int64], local: Array) -> Array:
    """Sum of a quantity (segment, member) over each segment and all above it."""
    out = local.copy()
    for i in range(len(downstream)):
        if downstream[i] >= 0:
            out[downstream[i]] += out[i]
    return out
