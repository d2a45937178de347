"""Rows of bytes out of a buffer: seen where they stand, copied only where they stand unevenly."""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


def row_view(
    buffer: NDArray[np.uint8], at: NDArray[np.int64], n_bytes: int
) -> NDArray[np.uint8] | None:
    """Rows of equal length as a read-only view; None where their steps differ.

    The rays of an undamaged volume have one size, cut by cut, so that a moment needs no copy.

    Parameters
    ----------
    buffer
        (byte,) content of the file; the view keeps it alive.
    at
        (row,) where each begins, rising.
    n_bytes
        Length of every row.
    """
    if len(at) == 0:
        return None
    step = int(at[1] - at[0]) if len(at) > 1 else n_bytes
    if step < n_bytes or not (np.diff(at) == step).all() or int(at[-1]) + n_bytes > len(buffer):
        return None
    return np.lib.stride_tricks.as_strided(
        buffer[int(at[0]) :], (len(at), n_bytes), (step, 1), writeable=False
    )


def rows(buffer: NDArray[np.uint8], at: NDArray[np.int64], n_bytes: int) -> NDArray[np.uint8]:
    """Rows of equal length, viewed or, where they stand unevenly, copied."""
    seen = row_view(buffer, at, n_bytes)
    return copied(buffer, at, n_bytes) if seen is None else seen


def copied(buffer: NDArray[np.uint8], at: NDArray[np.int64], n_bytes: int) -> NDArray[np.uint8]:
    """Rows of equal length, copied."""
    out = np.empty((len(at), n_bytes), np.uint8)
    copy_rows(buffer, np.arange(len(at)), at, np.full(len(at), n_bytes), out)
    return out


def records(buffer: NDArray[np.uint8], at: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Gather equally typed records from scattered offsets."""
    return copied(buffer, at, dtype.itemsize).view(dtype)[:, 0]


@numba.njit(cache=True)
def copy_rows(
    buffer: NDArray[np.uint8],
    row: NDArray[np.int64],
    at: NDArray[np.int64],
    length: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    """Copy ``length[i]`` bytes from ``at[i]`` on into row ``row[i]`` of (row, byte)."""
    for i in range(len(row)):
        out[row[i], : length[i]] = buffer[at[i] : at[i] + length[i]]
