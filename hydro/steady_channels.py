"""Water that channels hold in steady flow, by the storage relation of Muskingum-Cunge."""

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.channel_rows import DRY_STORAGE, FAST, MAX_SHARE, minus_third_power

Array = NDArray[np.float64]


@numba.njit(inline="always", error_model="numpy", fastmath=FAST)
def _steady_power(x: float, kc: float, kd: float, into: float, end: float) -> float:
    """Weighted discharge to the power 0.6 where X is that of x = Q^0.6, as in `cunge_rows`."""
    r = minus_third_power(x)
    courant, inverse = 5.0 / 3.0 * kc * (x * r), 0.6 / kc * (r * r)
    e = min(kd * inverse * (into - end), 3.0)
    factor = 1.875 / -e if e < -0.75 else (12.0 + e) / (12.0 + 10.0 * e)
    share = 0.5 + 0.3 * kd / kc * x * factor
    theta = max(1.0 - share * inverse, 0.5)
    share = min(share - courant * (theta - 0.5), MAX_SHARE)
    share = max(share, 0.5, 1.0 - theta * courant)
    return max((1.0 - share) * into + share * end, 0.0) ** 0.6  # type: ignore[no-any-return]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def steady_storage(kc: Array, kd: Array, inflow: Array, outflow: Array) -> Array:
    """Storage (segment, member) of steady flow in Muskingum-Cunge, m3/s.

    Solves ``w = X(w) I + (1 - X(w)) O`` by the secant method.
    """
    out = np.empty_like(outflow)
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            into, end = inflow[i, k], outflow[i, k]
            before = max((0.5 * (into + end)) ** 0.6, DRY_STORAGE)
            error = _steady_power(before, kc[i], kd[i], into, end) - before
            x = max(before + error, DRY_STORAGE)
            for step in range(100):
                change = _steady_power(x, kc[i], kd[i], into, end) - x
                if abs(change) <= 1e-14 * x or x == before:
                    break
                slope = (change - error) / (x - before)
                move = -change / slope if slope < -0.2 and step < 30 else 0.5 * change
                before, error = x, change
                x = max(x + move, 0.1 * x, DRY_STORAGE)
            out[i, k] = x / kc[i] if x > DRY_STORAGE else 0.0
    return out
