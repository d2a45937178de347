"""Kernels of a whole network: segments from the heads to the outlets, step by step, float64.

All take the same description of the segments (`jinghu.hydro.routing.Segments`), lateral inflow
(time, reach) in m3/s, and update the state in place. They return the discharge (time, reach) at
the end of each step and the sum of what left through the outlets, in m3/s times substeps.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.channel import cunge_step, kinematic_step, muskingum_step

Array = NDArray[np.float64]


@numba.njit(cache=True)
def sweep_cunge(
    downstream: NDArray[np.int64],
    reach: NDArray[np.int64],
    last: NDArray[np.int64],
    share: Array,
    kc: Array,
    kd: Array,
    lateral: Array,
    substeps: int,
    storage: Array,
    outflow: Array,
) -> tuple[Array, float]:
    """Muskingum-Cunge from the heads to the outlets, step by step; updates storage and outflow."""
    n = len(reach)
    discharge = np.empty((len(lateral), len(last)))
    before, now, mean = np.zeros(n), np.zeros(n), np.zeros(n)
    left = 0.0
    for i in range(n):
        if downstream[i] >= 0:
            before[downstream[i]] += outflow[i]
    for t in range(len(lateral)):
        for _ in range(substeps):
            now[:] = 0.0
            mean[:] = 0.0
            for i in range(n):
                storage[i], end, passed = cunge_step(
                    kc[i],
                    kd[i],
                    storage[i],
                    outflow[i],
                    now[i],
                    mean[i],
                    lateral[t, reach[i]] * share[i],
                    (before[i] + now[i] + outflow[i]) / 3.0,
                )
                outflow[i] = end
                if downstream[i] >= 0:
                    now[downstream[i]] += end
                    mean[downstream[i]] += passed
                else:
                    left += passed
            before[:] = now
        for r in range(len(last)):
            discharge[t, r] = outflow[last[r]]
    return discharge, left


@numba.njit(cache=True)
def sweep_kinematic(
    downstream: NDArray[np.int64],
    reach: NDArray[np.int64],
    last: NDArray[np.int64],
    share: Array,
    kc: Array,
    lateral: Array,
    substeps: int,
    storage: Array,
    outflow: Array,
) -> tuple[Array, float]:
    """Implicit kinematic wave; updates storage and outflow."""
    n = len(reach)
    discharge = np.empty((len(lateral), len(last)))
    now = np.zeros(n)
    left = 0.0
    for t in range(len(lateral)):
        for _ in range(substeps):
            now[:] = 0.0
            for i in range(n):
                added = lateral[t, reach[i]] * share[i]
                end = kinematic_step(kc[i], storage[i], now[i], added)
                storage[i] = max(storage[i] + now[i] + added - end, 0.0)
                outflow[i] = end
                if downstream[i] >= 0:
                    now[downstream[i]] += end
                else:
                    left += end
        for r in range(len(last)):
            discharge[t, r] = outflow[last[r]]
    return discharge, left


@numba.njit(cache=True)
def sweep_muskingum(
    downstream: NDArray[np.int64],
    reach: NDArray[np.int64],
    last: NDArray[np.int64],
    share: Array,
    travel: Array,
    weight: Array,
    lateral: Array,
    substeps: int,
    outflow: Array,
) -> tuple[Array, float]:
    """Linear Muskingum; updates outflow."""
    n = len(reach)
    discharge = np.empty((len(lateral), len(last)))
    before, now = np.zeros(n), np.zeros(n)
    left = 0.0
    for i in range(n):
        if downstream[i] >= 0:
            before[downstream[i]] += outflow[i]
    for t in range(len(lateral)):
        for _ in range(substeps):
            now[:] = 0.0
            for i in range(n):
                start = outflow[i]
                added = lateral[t, reach[i]] * share[i]
                end = muskingum_step(travel[i], weight[i], start, before[i], now[i], added)
                outflow[i] = end
                if downstream[i] >= 0:
                    now[downstream[i]] += end
                else:
                    left += 0.5 * (start + end)
            before[:] = now
        for r in range(len(last)):
            discharge[t, r] = outflow[last[r]]
    return discharge, left
