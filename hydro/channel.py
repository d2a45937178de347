"""Routing of a block of members through all segments of a network, from the heads to the outlets.

What one step of one segment is, `jinghu.hydro.channel_rows` knows; here is the order of segments
and steps, and what flows from one to the next. The compiler's cache sees a change of this file
alone: after one of `channel_rows` or `powers`, touch this one too.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.channel_rows import (
    BEFORE,
    FAST,
    INFLOW,
    LANES,
    LATERAL,
    MEAN,
    OUTFLOW,
    ROOT,
    ROWS,
    STORAGE,
    cunge_rows,
    kinematic_rows,
    muskingum_rows,
)

Array = NDArray[np.float64]

CUNGE, MUSKINGUM, KINEMATIC = 0, 1, 2
_STEPS_AT_ONCE = 24

# Each is compiled on its own, for a whole row and for a few members: in one function the
# compiler would take minutes.


@numba.njit(nogil=True, error_model="numpy", fastmath=FAST)
def _cunge_full(w: Array, kc: float, kd: float) -> None:
    cunge_rows(w, LANES, kc, kd)


@numba.njit(nogil=True, error_model="numpy", fastmath=FAST)
def _cunge_few(w: Array, lanes: int, kc: float, kd: float) -> None:
    cunge_rows(w, lanes, kc, kd)


@numba.njit(nogil=True, error_model="numpy", fastmath=FAST)
def _kinematic_full(w: Array, kc: float) -> None:
    kinematic_rows(w, LANES, kc)


@numba.njit(nogil=True, error_model="numpy", fastmath=FAST)
def _kinematic_few(w: Array, lanes: int, kc: float) -> None:
    kinematic_rows(w, lanes, kc)


@numba.njit(nogil=True, error_model="numpy", fastmath=FAST)
def _muskingum_full(
    w: Array, flow: Array, first: int, steps: int, travel: float, weight: float
) -> None:
    muskingum_rows(w, LANES, flow, first, steps, travel, weight)


@numba.njit(nogil=True, error_model="numpy", fastmath=FAST)
def _muskingum_few(
    w: Array, lanes: int, flow: Array, first: int, steps: int, travel: float, weight: float
) -> None:
    muskingum_rows(w, lanes, flow, first, steps, travel, weight)


@numba.njit(nogil=True, error_model="numpy")
def _substeps_full(
    scheme: int, w: Array, ends: Array, means: Array, first: int, steps: int, a: float, b: float
) -> None:
    """Take a segment through steps of the kernel, a whole row; hydrographs in, hydrographs out."""
    if scheme == MUSKINGUM:
        _muskingum_full(w, ends, first, steps, a, b)
        return
    for step in range(first, first + steps):
        for k in range(LANES):
            w[INFLOW + k] = ends[step + 1, k]
        if scheme == CUNGE:
            for k in range(LANES):
                w[MEAN + k] = means[step, k]
            _cunge_full(w, a, b)
            for k in range(LANES):
                means[step, k] = w[MEAN + k]
        else:
            _kinematic_full(w, a)
        for k in range(LANES):
            ends[step + 1, k] = w[OUTFLOW + k]


@numba.njit(nogil=True, error_model="numpy")
def _substeps_few(
    scheme: int,
    lanes: int,
    w: Array,
    ends: Array,
    means: Array,
    first: int,
    steps: int,
    a: float,
    b: float,
) -> None:
    """As `_substeps_full`, for a few members."""
    if scheme == MUSKINGUM:
        _muskingum_few(w, lanes, ends, first, steps, a, b)
        return
    for step in range(first, first + steps):
        for k in range(lanes):
            w[INFLOW + k], w[MEAN + k] = ends[step + 1, k], means[step, k]
        if scheme == CUNGE:
            _cunge_few(w, lanes, a, b)
        else:
            _kinematic_few(w, lanes, a)
        for k in range(lanes):
            means[step, k] = w[MEAN + k]
            ends[step + 1, k] = w[OUTFLOW + k]


@numba.njit(nogil=True, error_model="numpy")
def _join(into: Array, other: Array) -> None:
    """Add the rows of a hydrograph to those of another."""
    for step in range(len(into)):
        for k in range(LANES):
            into[step, k] += other[step, k]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def sweep(
    scheme: int,
    tree: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int],
    channel: tuple[Array, Array],
    source: tuple[NDArray[np.int64], Array, Array, int],
    substeps: int,
    storage: Array,
    outflow: Array,
    discharge: Array,
) -> Array:
    """Route a block of members from the heads to the outlets; updates the state and ``discharge``.

    A segment runs through many steps before the next one has its turn: its state stays in the
    processor, and the hydrographs between segments in the cache.

    Parameters
    ----------
    scheme
        `CUNGE`, `MUSKINGUM` or `KINEMATIC`.
    tree
        Of segments in the order of `stack_order`: number of branches that flow in, next segment
        (-1 outlet), column of ``discharge`` or -1, and how many hydrographs wait at most.
    channel
        (segment,) kc and kd, or travel and weight of `jinghu.hydro.channel_rows.muskingum_rows`.
    source
        (segment,) reach and share of its lateral inflow; inflow (time, reach, member or 1) in
        m3/s; first member of the block.
    substeps
        Steps of the kernel in one of the inflow.
    storage, outflow
        (segment, lane) state.
    discharge
        (time, column, member) m3/s, at the end of each step of the inflow.

    Returns
    -------
    (time, lane) what left through the outlets, m3/s: means over the steps of the inflow.
    """
    branches, downstream, column, depth = tree
    reach, part, lateral, member = source
    n, lanes = storage.shape
    used = min(lanes, discharge.shape[2] - member)
    same = lateral.shape[2] == 1
    together = max(1, _STEPS_AT_ONCE // substeps)
    ends = np.zeros((depth, together * substeps + 1, LANES))
    means = np.zeros((depth, together * substeps, LANES))
    w, left = np.zeros(ROWS * LANES), np.zeros((len(lateral), lanes))
    for start in range(0, len(lateral), together):
        times = min(together, len(lateral) - start)
        top = -1
        for i in range(n):
            if branches[i] == 0:
                top += 1
                ends[top] = 0.0
                if scheme == CUNGE:
                    means[top] = 0.0
            for _ in range(branches[i] - 1):
                _join(ends[top - 1], ends[top])
                if scheme == CUNGE:
                    _join(means[top - 1], means[top])
                top -= 1
            end, mean = ends[top], means[top]
            for k in range(lanes):
                w[STORAGE + k] = storage[i, k]
                w[OUTFLOW + k] = outflow[i, k]
                w[BEFORE + k] = end[0, k]
                w[ROOT + k] = 0.0
                end[0, k] = outflow[i, k]
            step, a, b = 0, channel[0][i], channel[1][i]
            for t in range(start, start + times):
                if same:
                    added = lateral[t, reach[i], 0] * part[i]
                    for k in range(lanes):
                        w[LATERAL + k] = added
                else:
                    row = lateral[t, reach[i], member : member + used]
                    if used == LANES:
                        for k in range(LANES):
                            w[LATERAL + k] = row[k] * part[i]
                    else:
                        for k in range(used):
                            w[LATERAL + k] = row[k] * part[i]
                if lanes == LANES:
                    _substeps_full(scheme, w, end, mean, step, substeps, a, b)
                else:
                    _substeps_few(scheme, lanes, w, end, mean, step, substeps, a, b)
                step += substeps
                if column[i] >= 0:
                    out = discharge[t, column[i], member : member + used]
                    for k in range(used):
                        out[k] = w[OUTFLOW + k]
            if downstream[i] < 0:
                for s in range(step):
                    gone = left[start + s // substeps]
                    for k in range(lanes):
                        if scheme == CUNGE:
                            gone[k] += means[top, s, k] / substeps
                        elif scheme == KINEMATIC:
                            gone[k] += ends[top, s + 1, k] / substeps
                        else:
                            gone[k] += 0.5 * (ends[top, s, k] + ends[top, s + 1, k]) / substeps
                top -= 1
            for k in range(lanes):
                storage[i, k] = w[STORAGE + k]
                outflow[i, k] = w[OUTFLOW + k]
    return left
