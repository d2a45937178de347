"""Block matching by masked normalised cross-correlation.

Masked correlation: Padfield 2012, IEEE Trans. Image Process. 21, 2706-2718. Averaging the
correlation surfaces of neighbouring blocks before taking their peaks makes the vectors agree
where one block alone is ambiguous (as ensemble correlation in particle image velocimetry does).

Searches are short beside the blocks, so sums of products in vector code take less time than
Fourier transforms, and what the transforms would need of memory is spared.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

_MIN_SHARE = 0.5  # of a block that must be known in both fields
_WET_SHARE = 0.05  # of a block
_NEIGHBOURS = 0.8  # standard deviation of the averaging between neighbours, in blocks


@dataclass(frozen=True, slots=True)
class Matches:
    """Displacements of blocks.

    Parameters
    ----------
    row, col
        (n,) centres of the blocks in the first field, in cells.
    d_row, d_col
        (n,) displacements to the second field, in cells.
    correlation
        (n,) correlation at the peak.
    """

    row: NDArray[np.float64]
    col: NDArray[np.float64]
    d_row: NDArray[np.float64]
    d_col: NDArray[np.float64]
    correlation: NDArray[np.float64]


def match_blocks(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    block: int,
    search: int,
    min_correlation: float,
) -> Matches:
    """Find where the blocks of the first field went in the second.

    Parameters
    ----------
    first, second
        (y, x) fields of one kind, 0 = dry, NaN = missing.
    block
        Size of the square blocks in cells; they overlap by half.
    search
        Largest displacement looked for, in cells.
    min_correlation
        Peaks below it are not given.
    """
    rows = _starts(first.shape[0], block)
    cols = _starts(first.shape[1], block)
    # Wet blocks lie together: spread them evenly over the threads.
    order = np.argsort(np.arange(len(rows) * len(cols)) * 0.6180339887 % 1.0, kind="stable")
    surfaces = np.empty((len(rows), len(cols), (2 * search + 1) ** 2), np.float32)
    matched = np.empty((len(rows), len(cols)), np.bool_)
    a, b = np.ascontiguousarray(first, np.float32), np.ascontiguousarray(second, np.float32)
    _correlate_blocks(a, b, rows, cols, order, block, search, surfaces, matched)
    peaks = np.empty((len(rows), len(cols), 7), np.float32)
    _find_peaks(surfaces, matched, _taps(_NEIGHBOURS), 2 * search + 1, peaks)
    return _matches(peaks, rows, cols, block, search, min_correlation)


def _starts(size: int, block: int) -> NDArray[np.int64]:
    """First cells of blocks that overlap by half and cover the axis."""
    if size <= block:
        return np.array([0], np.int64)
    n = int(np.ceil((size - block) / (block / 2))) + 1
    return np.rint(np.linspace(0, size - block, n)).astype(np.int64)


def _taps(sigma: float) -> NDArray[np.float32]:
    """Gaussian weights out to four standard deviations."""
    radius = int(4 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum(), np.float32)


@numba.njit(cache=True, parallel=True, nogil=True)
def _correlate_blocks(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    order: NDArray[np.int64],
    block: int,
    search: int,
    out: NDArray[np.float32],
    matched: NDArray[np.bool_],
) -> None:
    """Correlation surfaces (block row, block column, shift), NaN where unknown.

    Blocks that tell nothing have none: ``matched`` is false there.
    """
    for at in numba.prange(len(order)):
        i, j = order[at] // len(cols), order[at] % len(cols)
        patch = first[rows[i] : rows[i] + block, cols[j] : cols[j] + block]
        matched[i, j] = _is_usable(patch)
        if matched[i, j]:
            _correlate_block(patch, second, rows[i] - search, cols[j] - search, out[i, j])


@numba.njit(cache=True, nogil=True)
def _correlate_block(
    patch: NDArray[np.float32],
    second: NDArray[np.float32],
    top: int,
    left: int,
    out: NDArray[np.float32],
) -> None:
    """Surface of a block in the window of the second field that begins at a cell."""
    width = patch.shape[0] + int(np.sqrt(len(out))) - 1
    window = np.empty((width, width), np.float32)
    window[:] = np.nan
    for y in range(max(top, 0), min(top + width, second.shape[0])):
        for x in range(max(left, 0), min(left + width, second.shape[1])):
            window[y - top, x - left] = second[y, x]
    _masked_correlation(patch, window, out)


@numba.njit(cache=True, nogil=True)
def _is_usable(patch: NDArray[np.float32]) -> bool:
    """Whether a block is known, wet and not flat."""
    known, wet = 0, 0
    low, high = np.float32(np.inf), np.float32(-np.inf)
    for r in range(patch.shape[0]):
        for c in range(patch.shape[1]):
            value = patch[r, c]
            if np.isfinite(value):
                known += 1
                wet += value > 0
                low, high = min(low, value), max(high, value)
    enough = known >= _MIN_SHARE * patch.size and wet >= _WET_SHARE * patch.size
    return bool(enough and high > low)


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _masked_correlation(
    block: NDArray[np.float32], window: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Correlate a block with its window at every shift, over the pairs that are known.

    Sums over a block without holes need no products: they are running sums of the window.
    """
    size, shifts = block.shape[0], window.shape[0] - block.shape[0] + 1
    b, total_b = _parts(block)
    w, total_w = _parts(window)
    whole_b, whole_w = total_b[0] == block.size, total_w[0] == window.size
    sums = np.empty((3, 3, shifts, shifts), np.float32)  # of products of a part and a part
    lanes = np.empty((window.shape[0], size), np.float32)
    for k in range(3):
        for m in range(3):
            if k + m > 2:
                continue
            if m == 0 and whole_w:
                for shift in range(shifts):
                    sums[k, m, shift, :] = total_b[k]
            elif k == 0 and whole_b:
                _box_sums(w[m], size, sums[k, m])
            else:
                _cross_sums(b[k], w[m], lanes, sums[k, m])
    cells = np.float32(size * size)
    floor = np.float32(1e-3) * cells
    for i in range(shifts):
        for j in range(shifts):
            n = max(sums[0, 0, i, j], np.float32(1))
            sum_b, sum_w = sums[1, 0, i, j], sums[0, 1, i, j]
            var_b, var_w = sums[2, 0, i, j] - sum_b**2 / n, sums[0, 2, i, j] - sum_w**2 / n
            found = (sums[1, 1, i, j] - sum_b * sum_w / n) / np.sqrt(max(var_b * var_w, floor**2))
            usable = n >= _MIN_SHARE * cells and var_b > floor and var_w > floor
            out[i * shifts + j] = min(max(found, -1), 1) if usable else np.nan


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def _parts(field: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """(3, y, x): 1 where known, values, their squares, 0 where missing; and the sums of each."""
    parts, sums = np.empty((3, *field.shape), np.float32), np.zeros(3)
    for r in range(field.shape[0]):
        for c in range(field.shape[1]):
            known = np.isfinite(field[r, c])
            value = field[r, c] if known else np.float32(0)
            parts[0, r, c], parts[1, r, c], parts[2, r, c] = known, value, value * value
        for k in range(3):
            for c in range(field.shape[1]):
                sums[k] += parts[k, r, c]
    return parts, sums


@numba.njit(cache=True, nogil=True)
def _box_sums(window: NDArray[np.float32], size: int, out: NDArray[np.float32]) -> None:
    """Sums over the squares of ``size`` cells at every shift."""
    column = np.zeros(window.shape[1])
    for r in range(size):
        for c in range(len(column)):
            column[c] += window[r, c]
    for i in range(out.shape[0]):
        total = 0.0
        for c in range(size):
            total += column[c]
        out[i, 0] = total
        for j in range(1, out.shape[1]):
            total += column[size + j - 1] - column[j - 1]
            out[i, j] = total
        if i + 1 < out.shape[0]:
            for c in range(len(column)):
                column[c] += window[i + size, c] - window[i, c]


@numba.njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})
def _cross_sums(
    block: NDArray[np.float32],
    window: NDArray[np.float32],
    lanes: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Sums of products of a block and what lies under it at every shift.

    For each shift along a row the window is laid out as wide as the block, so that what lies
    under the block at any shift across is one run of memory.
    """
    size, shifts = block.shape[0], out.shape[0]
    b, w = block.reshape(block.size), lanes.reshape(lanes.size)
    low, high = 0, len(b)
    while high > low and b[high - 1] == 0:
        high -= 1
    while low < high and b[low] == 0:
        low += 1
    low = low // 16 * 16  # aligned in memory
    b = b[low:high]
    for j in range(shifts):
        for r in range(lanes.shape[0]):
            for c in range(size):
                lanes[r, c] = window[r, j + c]
        for i in range(0, shifts, 4):  # past the end the last shift is done again
            i1, i2, i3 = min(i + 1, shifts - 1), min(i + 2, shifts - 1), min(i + 3, shifts - 1)
            w0, w1 = w[i * size + low : i * size + high], w[i1 * size + low : i1 * size + high]
            w2, w3 = w[i2 * size + low : i2 * size + high], w[i3 * size + low : i3 * size + high]
            s0, s1, s2, s3 = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
            for k in range(len(b)):
                s0 += b[k] * w0[k]
                s1 += b[k] * w1[k]
                s2 += b[k] * w2[k]
                s3 += b[k] * w3[k]
            out[i, j], out[i1, j], out[i2, j], out[i3, j] = s0, s1, s2, s3


@numba.njit(cache=True, parallel=True, nogil=True)
def _find_peaks(
    surfaces: NDArray[np.float32],
    matched: NDArray[np.bool_],
    taps: NDArray[np.float32],
    shifts: int,
    out: NDArray[np.float32],
) -> None:
    """Average surfaces with those of their neighbours and find the highest shift.

    ``out`` (block row, block column, 7): shift down and along, the value there, below, above,
    left and right of it; NaN where the peak is at an edge or nothing is known.
    """
    for i in numba.prange(surfaces.shape[0]):
        _find_peaks_of_row(surfaces, matched, taps, shifts, i, out[i])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _find_peaks_of_row(
    surfaces: NDArray[np.float32],
    matched: NDArray[np.bool_],
    taps: NDArray[np.float32],
    shifts: int,
    i: int,
    out: NDArray[np.float32],
) -> None:
    n_rows, n_cols, n = surfaces.shape
    radius = len(taps) // 2
    total, weight = np.zeros((n_cols, n), np.float32), np.zeros((n_cols, n), np.float32)
    for row in range(max(i - radius, 0), min(i + radius + 1, n_rows)):
        tap = taps[row - i + radius]
        for j in range(n_cols):
            for k in range(n if matched[row, j] else 0):
                value = surfaces[row, j, k]
                known = not np.isnan(value)
                total[j, k] += tap * value if known else np.float32(0)
                weight[j, k] += tap if known else np.float32(0)
    value, share = np.empty(n, np.float32), np.empty(n, np.float32)
    for j in range(n_cols):
        out[j] = np.nan
        if not matched[i, j]:
            continue
        value[:], share[:] = 0, 0
        for col in range(max(j - radius, 0), min(j + radius + 1, n_cols)):
            tap, sums, weights = taps[col - j + radius], total[col], weight[col]
            for k in range(n):
                value[k] += tap * sums[k]
                share[k] += tap * weights[k]
        best = 0
        for k in range(n):
            value[k] = np.float32(-1) if np.isnan(surfaces[i, j, k]) else value[k] / share[k]
            best = k if value[k] > value[best] else best
        down, along = best // shifts, best % shifts
        if 0 < down < shifts - 1 and 0 < along < shifts - 1:
            out[j, 0], out[j, 1], out[j, 2] = down, along, value[best]
            out[j, 3], out[j, 4] = value[best - shifts], value[best + shifts]
            out[j, 5], out[j, 6] = value[best - 1], value[best + 1]


def _matches(
    peaks: NDArray[np.float32],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    block: int,
    search: int,
    min_correlation: float,
) -> Matches:
    """Peaks to a fraction of a cell, by parabolas through their neighbours."""
    i, j = np.nonzero(peaks[..., 2] >= min_correlation)
    down, along, peak, below, above, left, right = peaks[i, j].T
    return Matches(
        (rows[i] + (block - 1) / 2).astype(np.float64),
        (cols[j] + (block - 1) / 2).astype(np.float64),
        down - search + _vertex(below, peak, above),
        along - search + _vertex(left, peak, right),
        peak.astype(np.float64),
    )


def _vertex(
    below: NDArray[np.float32], at: NDArray[np.float32], above: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Place of the vertex of the parabola through three equidistant values, in -0.5..0.5."""
    curve = below.astype(np.float64) - 2.0 * at + above
    with np.errstate(divide="ignore", invalid="ignore"):
        place = np.where(curve < 0, 0.5 * (below - above) / curve, 0.0)
    return np.clip(place, -0.5, 0.5)
