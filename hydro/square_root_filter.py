"""Ensemble square root filter, one observation after the other, localised, with a run beside it.

Whitaker & Hamill 2002, Mon. Wea. Rev. 130, 1913-1924. The observed rows go first, for they decide
by themselves how members and innovations change; every other row then follows at one pass.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def assimilate(
    rows: Array,
    at: NDArray[np.int64],
    value: Array,
    noise: Array,
    weight: Array,
    patience: Array,
    doubt: float,
) -> Array:
    """Take in observations.

    Parameters
    ----------
    rows
        (row, member + 1), the run last.
    at, value, noise
        (observation,) row that is observed, what was, and its error variance.
    weight
        (observation, row) share of the gain that a row takes, 0 to 1.
    patience
        (row,) factor of the error variance for a row that all errors alike would mislead.
    doubt
        An innovation beyond so many standard deviations counts as that many.

    Returns
    -------
    Rows after it.
    """
    found = np.ascontiguousarray(rows, np.float64).copy()
    seen = found[at]
    off, change = np.empty((len(at), found.shape[1] - 1)), np.empty((len(at), found.shape[1]))
    n = found.shape[1] - 1
    for j in range(len(at)):
        mean = seen[j, :n].mean()
        off[j] = seen[j, :n] - mean
        most = doubt * np.sqrt(off[j] @ off[j] / (n - 1) + noise[j])
        change[j, :n] = np.clip(value[j] - mean, -most, most)
        change[j, n] = np.clip(value[j] - seen[j, n], -most, most)
        _follow(seen, off[j : j + 1], change[j : j + 1], noise[j : j + 1],
                np.ascontiguousarray(weight[j : j + 1, at]), np.ones(len(at)))  # fmt: skip
    _follow(found, off, change, noise, weight, patience)
    return found


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _follow(
    rows: Array, off: Array, change: Array, noise: Array, weight: Array, patience: Array
) -> None:
    n = off.shape[1]
    spread = np.empty(len(off))
    for j in range(len(off)):
        spread[j] = (off[j] ** 2).sum() / (n - 1)
    for k in range(len(rows)):
        row = rows[k]
        for j in range(len(off)):
            if weight[j, k] == 0.0:
                continue
            mean, together = 0.0, 0.0
            for m in range(n):
                mean += row[m]
            mean /= n
            for m in range(n):
                together += (row[m] - mean) * off[j, m]
            error = noise[j] * patience[k]
            total = spread[j] + error
            gain = weight[j, k] * together / ((n - 1) * total)
            shrink = 1.0 / (1.0 + np.sqrt(error / total))
            for m in range(n):
                row[m] += gain * (change[j, m] - shrink * off[j, m])
            row[n] += gain * change[j, n]
