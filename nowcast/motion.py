"""Motion of the rain between two fields, also when it moved far between them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.advection import advect
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs, check
from jinghu.nowcast.matching import Matches, match_blocks


@dataclass(frozen=True, slots=True)
class MotionParams:
    """Parameters of the estimate.

    Two passes: large blocks on a coarse grid find displacements up to ``max_speed_m_s``; smaller
    blocks on a finer grid refine them after the first field was moved.
    """

    max_speed_m_s: float = 45.0
    coarse_m: float = 2500.0
    coarse_block_m: float = 75_000.0
    fine_m: float = 1000.0
    fine_block_m: float = 32_000.0
    fine_search_m: float = 8_000.0
    min_correlation: float = 0.3
    smooth_m: float = 25_000.0  # e-folding distance of the interpolation between vectors
    wet_mm_h: float = 0.2


def estimate_motion(
    earlier: xr.Dataset, later: xr.Dataset, params: MotionParams | None = None
) -> xr.Dataset:
    """Estimate the motion between two rain fields.

    Parameters
    ----------
    earlier, later
        ``rainfall_rate(y, x)`` with scalar ``time`` and ``x``, ``y`` in m, on one grid.
    params
        Parameters.

    Returns
    -------
    ``motion_x``, ``motion_y`` (m s-1) and ``quality`` (0 where no vector is near) on (y, x), with
    the time of the later field. Without rain, or without time between them, it is zero.

    Raises
    ------
    DataError
        Where the fields are not on one grid.
    """
    params = params or MotionParams()
    for dataset in (earlier, later):
        check(dataset, "rainfall_rate", dims=("y", "x"))
    if earlier["rainfall_rate"].shape != later["rainfall_rate"].shape:
        raise DataError("motion", "the two fields are not on one grid")
    seconds = float((later["time"].values - earlier["time"].values) / np.timedelta64(1, "s"))
    cell_m = float(later["x"][1] - later["x"][0]) if later.sizes["x"] > 1 else 1.0
    first = to_db(earlier["rainfall_rate"].values, params.wet_mm_h)
    second = to_db(later["rainfall_rate"].values, params.wet_mm_h)
    if seconds > 0:
        cells, quality = displacement(first, second, cell_m, seconds, params)
        velocity = cells * np.float32(cell_m / seconds)
    else:
        velocity = np.zeros((2, *first.shape), np.float32)
        quality = np.zeros(first.shape, np.float32)
    dims = ("y", "x")
    return xr.Dataset(
        {
            "motion_x": (dims, velocity[0], attrs("motion_x")),
            "motion_y": (dims, velocity[1], attrs("motion_y")),
            "quality": (dims, quality, attrs("quality")),
        },
        coords={n: later[n] for n in ("time", "x", "y", "lat", "lon", "crs") if n in later.coords},
    )


def dense_motion(
    frames: NDArray[np.float32], cell_m: float = 1000.0, step_s: float = 300.0
) -> NDArray[np.float32]:
    """Mean motion over a sequence of rain rates, with pysteps' conventions.

    Parameters
    ----------
    frames
        (time, y, x) mm/h, NaN = missing.
    cell_m, step_s
        Cell size and time step: they bound the displacements that are looked for.

    Returns
    -------
    (2, y, x) cells per step, [0] along x, [1] along y.
    """
    params = MotionParams()
    db = [to_db(frame, params.wet_mm_h) for frame in frames]
    pairs = [displacement(a, b, cell_m, step_s, params) for a, b in pairwise(db)]
    if not pairs:
        return np.zeros((2, *frames.shape[1:]), np.float32)
    weight = np.stack([q for _, q in pairs])[:, None] + 1e-3
    vectors = np.stack([v for v, _ in pairs])
    return np.asarray((vectors * weight).sum(0) / weight.sum(0), np.float32)


def to_db(rate_mm_h: NDArray[np.float32], wet_mm_h: float) -> NDArray[np.float32]:
    """Rain rate in dB above the wet threshold, 0 where dry, NaN where missing."""
    with np.errstate(invalid="ignore"):
        return (10.0 * np.log10(np.maximum(rate_mm_h, wet_mm_h) / wet_mm_h)).astype(np.float32)


def displacement(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    cell_m: float,
    seconds: float,
    params: MotionParams,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Displacement (2, y, x) in cells between two dB fields, and its quality (y, x)."""
    zero = np.zeros((2, *first.shape), np.float32), np.zeros(first.shape, np.float32)
    if min(first.shape) * cell_m < 4 * params.coarse_m or min(first.shape) < 8:
        return zero
    reach_m = params.max_speed_m_s * seconds
    found = _pass(first, second, cell_m, params.coarse_m, params.coarse_block_m, reach_m, params)
    if len(found.row) == 0:
        return zero
    coarse, _ = _dense(found, first.shape, cell_m, 2 * params.smooth_m, params)
    moved = advect(first, coarse, [1.0], substeps=8)[0]
    rest = _pass(
        moved, second, cell_m, params.fine_m, params.fine_block_m, params.fine_search_m, params
    )
    if len(rest.row) == 0:
        return _dense(found, first.shape, cell_m, params.smooth_m, params)
    # A residual starts where the block came to lie, i.e. at the end of the coarse path.
    at = np.stack([rest.row, rest.col])
    base = np.stack([map_coordinates(c, at, order=1, mode="nearest") for c in coarse])
    total = Matches(
        rest.row - base[1],
        rest.col - base[0],
        rest.d_row + base[1],
        rest.d_col + base[0],
        rest.correlation,
    )
    return _dense(
        _without_outliers(total, cell_m, params), first.shape, cell_m, params.smooth_m, params
    )


def _pass(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    cell_m: float,
    level_m: float,
    block_m: float,
    search_m: float,
    params: MotionParams,
) -> Matches:
    """Match blocks on a grid coarsened to about ``level_m``; the result is in original cells."""
    factor = max(1, round(level_m / cell_m))
    while factor > 1 and min(first.shape) // factor < 8:
        factor -= 1
    rows, cols = (n // factor * factor for n in first.shape)
    a = coarsen_mean(first[:rows, :cols], factor)
    b = coarsen_mean(second[:rows, :cols], factor)
    size = factor * cell_m
    block = min(max(round(block_m / size), 8), *a.shape)
    search = min(max(int(np.ceil(search_m / size)) + 1, 2), max(a.shape) - 1)
    found = match_blocks(a, b, block, search, params.min_correlation)
    middle = (factor - 1) / 2
    scaled = Matches(
        found.row * factor + middle,
        found.col * factor + middle,
        found.d_row * factor,
        found.d_col * factor,
        found.correlation,
    )
    return _without_outliers(scaled, cell_m, params)


def _without_outliers(found: Matches, cell_m: float, params: MotionParams) -> Matches:
    """Drop vectors that differ from the median of their neighbours by more than its spread."""
    if len(found.row) < 5:
        return found
    places = np.stack([found.row, found.col], axis=1)
    k = min(9, len(places))
    _, near = cKDTree(places).query(places, list(range(1, k + 1)))
    vectors = np.stack([found.d_row, found.d_col], axis=1)
    around = vectors[np.asarray(near)[:, 1:]]
    median = np.median(around, axis=1)
    spread = np.median(np.abs(around - median[:, None]), axis=1).max(axis=1)
    off = np.hypot(*(vectors - median).T)
    keep = off <= np.maximum(3.0 * spread, 2000.0 / cell_m)
    return Matches(
        found.row[keep], found.col[keep], found.d_row[keep], found.d_col[keep],
        found.correlation[keep],
    )  # fmt: skip


def _dense(
    found: Matches,
    shape: tuple[int, int],
    cell_m: float,
    smooth_m: float,
    params: MotionParams,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Interpolate vectors to every cell: Gaussian weights, widening where vectors are far.

    Each vector is placed in the middle of its path, which halves the bias in curved motion.
    """
    step = max(1, round(4000.0 / cell_m))
    rows = np.arange(0, shape[0] + step, step, dtype=np.float64)
    cols = np.arange(0, shape[1] + step, step, dtype=np.float64)
    grid = np.stack(np.meshgrid(rows, cols, indexing="ij"), axis=-1).reshape(-1, 2)
    places = np.stack([found.row + found.d_row / 2, found.col + found.d_col / 2], axis=1)
    squared = ((grid[:, None] - places[None]) ** 2).sum(-1) * cell_m**2
    width = np.maximum(smooth_m**2, squared.min(axis=1))
    weight = np.exp(-squared / (2 * width[:, None])) * found.correlation[None] ** 2
    total = weight.sum(1)
    coarse_shape = (len(rows), len(cols))
    planes = (
        (weight @ found.d_col / total).reshape(coarse_shape),
        (weight @ found.d_row / total).reshape(coarse_shape),
        np.exp(-squared.min(axis=1) / (2 * smooth_m**2)).reshape(coarse_shape),
    )
    at = np.meshgrid(np.arange(shape[0]) / step, np.arange(shape[1]) / step, indexing="ij")
    fine = [map_coordinates(p, at, order=1, mode="nearest").astype(np.float32) for p in planes]
    return np.stack(fine[:2]), fine[2]
