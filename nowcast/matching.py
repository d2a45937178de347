"""Block matching by masked normalised cross-correlation, computed with FFTs.

Masked correlation: Padfield 2012, IEEE Trans. Image Process. 21, 2706-2718. Averaging the
correlation surfaces of neighbouring blocks before taking their peaks makes the vectors agree
where one block alone is ambiguous (as ensemble correlation in particle image velocimetry does).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.ndimage import gaussian_filter

_MIN_SHARE = 0.5  # of a block that must be known in both fields
_CHUNK = 64  # blocks transformed at once: bounds memory


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
    surfaces = np.stack(
        [_surfaces(first, second, row, cols, block, search) for row in rows]
    )  # (block row, block column, shift row, shift column)
    known = np.isfinite(surfaces)
    weight = gaussian_filter(known.astype(np.float32), (0.8, 0.8, 0, 0), mode="constant")
    total = gaussian_filter(np.where(known, surfaces, 0), (0.8, 0.8, 0, 0), mode="constant")
    with np.errstate(invalid="ignore", divide="ignore"):
        smooth = np.where(known & (weight > 0), total / weight, -1.0)
    return _peaks(smooth, rows, cols, block, search, min_correlation)


def _starts(size: int, block: int) -> NDArray[np.int64]:
    """First cells of blocks that overlap by half and cover the axis."""
    if size <= block:
        return np.array([0], np.int64)
    n = int(np.ceil((size - block) / (block / 2))) + 1
    return np.rint(np.linspace(0, size - block, n)).astype(np.int64)


def _surfaces(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    row: int,
    cols: NDArray[np.int64],
    block: int,
    search: int,
) -> NDArray[np.float32]:
    """Correlation surfaces of one row of blocks: (block column, 2 search + 1, 2 search + 1)."""
    size = fft.next_fast_len(block + 2 * search, real=True)
    padded = np.pad(second, search, constant_values=np.nan)
    out = np.full((len(cols), 2 * search + 1, 2 * search + 1), np.nan, np.float32)
    blocks, windows, where = [], [], []
    for k, col in enumerate(cols):
        patch = first[row : row + block, col : col + block]
        known = np.isfinite(patch)
        wet = known & (patch > 0)
        if known.mean() < _MIN_SHARE or wet.mean() < 0.05 or np.ptp(patch[known]) == 0:
            continue
        blocks.append(patch)
        windows.append(padded[row : row + block + 2 * search, col : col + block + 2 * search])
        where.append(k)
    for at in range(0, len(where), _CHUNK):
        part = slice(at, at + _CHUNK)
        out[where[part]] = _masked_correlation(
            np.stack(blocks[part]), np.stack(windows[part]), size, 2 * search + 1
        )
    return out


def _masked_correlation(
    blocks: NDArray[np.float32], windows: NDArray[np.float32], size: int, shifts: int
) -> NDArray[np.float32]:
    """Correlate each block with its window at every shift."""

    def transform(field: NDArray[np.float32]) -> NDArray[np.complex64]:
        return np.asarray(fft.rfft2(field, (size, size)))

    def back(product: NDArray[np.complex64]) -> NDArray[np.float32]:
        return np.asarray(fft.irfft2(product, (size, size)))[:, :shifts, :shifts]

    known_b, known_w = np.isfinite(blocks), np.isfinite(windows)
    b = np.where(known_b, blocks, 0).astype(np.float32)
    w = np.where(known_w, windows, 0).astype(np.float32)
    mb, mw = transform(known_b.astype(np.float32)).conj(), transform(known_w.astype(np.float32))
    fb, fw = transform(b).conj(), transform(w)
    n = np.maximum(back(mb * mw), 1.0)
    sum_b, sum_w = back(fb * mw), back(mb * fw)
    var_b = back(transform(b * b).conj() * mw) - sum_b**2 / n
    var_w = back(mb * transform(w * w)) - sum_w**2 / n
    cov = back(fb * fw) - sum_b * sum_w / n
    cells = blocks.shape[1] * blocks.shape[2]
    floor = 1e-3 * cells
    usable = (n >= _MIN_SHARE * cells) & (var_b > floor) & (var_w > floor)
    scale = np.sqrt(np.maximum(var_b, floor) * np.maximum(var_w, floor))
    return np.where(usable, np.clip(cov / scale, -1, 1), np.nan).astype(np.float32)


def _peaks(
    surfaces: NDArray[np.float32],
    rows: NDArray[np.int64],
    cols: NDArray[np.int64],
    block: int,
    search: int,
    min_correlation: float,
) -> Matches:
    """Peaks to a fraction of a cell, by parabolas through their neighbours."""
    n_rows, n_cols, shifts, _ = surfaces.shape
    flat = surfaces.reshape(n_rows * n_cols, shifts, shifts)
    best = flat.reshape(len(flat), -1).argmax(axis=1)
    i, j = np.divmod(best, shifts)
    k = np.arange(len(flat))
    peak = flat[k, i, j]
    inside = (i > 0) & (i < shifts - 1) & (j > 0) & (j < shifts - 1)
    keep = inside & (peak >= min_correlation)
    k, i, j, peak = k[keep], i[keep], j[keep], peak[keep]
    row = np.repeat(rows, n_cols)[k] + (block - 1) / 2
    col = np.tile(cols, n_rows)[k] + (block - 1) / 2
    return Matches(
        row,
        col,
        i - search + _vertex(flat[k, i - 1, j], peak, flat[k, i + 1, j]),
        j - search + _vertex(flat[k, i, j - 1], peak, flat[k, i, j + 1]),
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
