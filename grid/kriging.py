"""Kriging with an external drift in moving neighbourhoods (numba kernels on arrays).

Wackernagel, Multivariate Geostatistics (3rd ed., 2003), ch. 37; for rain gauges with radar
as drift: Haberlandt 2007, J. Hydrol. 332, 144-157.
"""

import numba
import numpy as np
from numpy.typing import NDArray

_FLAT_DRIFT = 1e-6


@numba.njit(cache=True)
def krige(
    targets: NDArray[np.float64],
    target_drift: NDArray[np.float64],
    points: NDArray[np.float64],
    drift: NDArray[np.float64],
    values: NDArray[np.float64],
    neighbours: NDArray[np.int64],
    length_m: float,
    nugget: float,
) -> NDArray[np.float64]:
    """Estimate at the targets from their neighbours.

    Exponential correlation ``exp(-d / length_m)`` plus ``nugget`` (in parts of the sill) on the
    diagonal. Where the drift of the neighbours is flat, missing, or its fitted slope is
    negative (radar and gauges disagree in sign), the estimate is ordinary kriging.

    Parameters
    ----------
    targets, target_drift
        (n, 2) m and (n,).
    points, drift, values
        (m, 2) m, (m,), (m,) of the stations; NaN drift = not seen by radar.
    neighbours
        (n, k) indices into the points, -1 = none.
    length_m, nugget
        Parameters of the correlation.

    Returns
    -------
    (n,) estimates, NaN where a target has no neighbour.
    """
    n, k_max = neighbours.shape
    out = np.full(n, np.nan)
    for t in range(n):
        k = 0
        while k < k_max and neighbours[t, k] >= 0:
            k += 1
        if k == 0:
            continue
        index = neighbours[t, :k]
        use_drift = np.isfinite(target_drift[t]) and _usable(drift, index)
        estimate, slope = _solve(
            targets[t], target_drift[t], points, drift, values, index, length_m, nugget, use_drift
        )
        if use_drift and slope < 0.0:
            estimate, slope = _solve(
                targets[t], 0.0, points, drift, values, index, length_m, nugget, False
            )
        out[t] = estimate
    return out


@numba.njit(cache=True)
def _usable(drift: NDArray[np.float64], index: NDArray[np.int64]) -> bool:
    """Whether the drift of these stations is known and varies."""
    low, high = np.inf, -np.inf
    for i in index:
        if not np.isfinite(drift[i]):
            return False
        low, high = min(low, drift[i]), max(high, drift[i])
    return bool(high - low > _FLAT_DRIFT) and len(index) > 4


@numba.njit(cache=True)
def _solve(
    target: NDArray[np.float64],
    target_drift: float,
    points: NDArray[np.float64],
    drift: NDArray[np.float64],
    values: NDArray[np.float64],
    index: NDArray[np.int64],
    length_m: float,
    nugget: float,
    use_drift: bool,
) -> tuple[float, float]:
    """Dual form of universal kriging: returns the estimate and the slope of the drift."""
    k = len(index)
    m = 2 if use_drift else 1
    left = np.zeros((k + m, k + m))
    right = np.zeros(k + m)
    for a in range(k):
        i = index[a]
        for b in range(k):
            j = index[b]
            distance = np.hypot(points[i, 0] - points[j, 0], points[i, 1] - points[j, 1])
            left[a, b] = np.exp(-distance / length_m)
        left[a, a] += nugget
        left[a, k] = left[k, a] = 1.0
        if use_drift:
            left[a, k + 1] = left[k + 1, a] = drift[i]
        right[a] = values[i]
    dual = np.linalg.solve(left, right)
    slope = dual[k + 1] if use_drift else 0.0
    estimate = dual[k] + (slope * target_drift if use_drift else 0.0)
    for a in range(k):
        i = index[a]
        distance = np.hypot(points[i, 0] - target[0], points[i, 1] - target[1])
        estimate += dual[a] * np.exp(-distance / length_m)
    return estimate, slope
