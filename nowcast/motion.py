"""Motion of the rain between two fields, also when it moved far between them."""

from dataclasses import dataclass

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs, check
from jinghu.nowcast.local_motion import local_motion
from jinghu.nowcast.matching import Matches, match_blocks
from jinghu.nowcast.nodes import moved


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
    # Fields farther apart give finer vectors, until the rain has changed too much to be matched
    # (docs/skill.md).
    baseline_s: float = 900.0


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
        Where the fields are not on one grid of square cells in m.
    """
    params = params or MotionParams()
    for dataset in (earlier, later):
        check(dataset, "rainfall_rate", dims=("y", "x"))
    if any(not np.array_equal(earlier[n].values, later[n].values) for n in ("x", "y")):
        raise DataError("motion", "the two fields are not on one grid")
    seconds = float((later["time"].values - earlier["time"].values) / np.timedelta64(1, "s"))
    along_x, along_y = spacing(later)
    cell_m = abs(along_x)
    first = to_db(earlier["rainfall_rate"].values, params.wet_mm_h)
    second = to_db(later["rainfall_rate"].values, params.wet_mm_h)
    if seconds > 0:
        cells, quality = displacement(first, second, cell_m, seconds, params)
        per_cell = np.array([along_x, along_y], np.float32) / np.float32(seconds)
        velocity = cells * per_cell[:, None, None]
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
    """Motion at the end of a sequence of rain rates, with pysteps' conventions.

    Parameters
    ----------
    frames
        (time, y, x) mm/h, NaN = missing.
    cell_m, step_s
        Cell size and time step: they bound the displacements that are looked for, and tell how
        many steps the motion is taken over.

    Returns
    -------
    (2, y, x) cells per step, [0] along x, [1] along y.
    """
    params = MotionParams()
    steps = min(len(frames) - 1, max(1, int(params.baseline_s / step_s)))
    if steps < 1:
        return np.zeros((2, *frames.shape[1:]), np.float32)
    first, last = (to_db(frames[k], params.wet_mm_h) for k in (-1 - steps, -1))
    moved, _ = displacement(first, last, cell_m, steps * step_s, params)
    return moved / np.float32(steps)


def spacing(dataset: xr.Dataset) -> tuple[float, float]:
    """Signed cell width and height in m; rows may go from north to south.

    Raises
    ------
    DataError
        Where the grid is not one of square cells in m.
    """
    found = []
    for name in ("x", "y"):
        units = dataset[name].attrs.get("units", "m") if name in dataset.coords else None
        if units not in ("m", "metre", "meter", "metres", "meters"):
            raise DataError(f"coordinate {name}", f"in {units!r}, wanted a projected grid in m")
        steps = np.diff(dataset[name].values.astype(np.float64))
        if steps.size == 0 or steps[0] == 0 or not np.allclose(steps, steps[0], rtol=1e-3):
            raise DataError(f"coordinate {name}", "not equidistant")
        found.append(float(steps.mean()))
    if not np.isclose(abs(found[0]), abs(found[1]), rtol=1e-3):
        raise DataError("grid", f"cells of {found[0]:g} m x {found[1]:g} m are not square")
    return found[0], found[1]


def to_db(rate_mm_h: NDArray[np.float32], wet_mm_h: float) -> NDArray[np.float32]:
    """Rain rate in dB above the wet threshold, 0 where dry, NaN where missing or infinite."""
    out = np.empty(rate_mm_h.shape, np.float32)
    _to_db(np.ascontiguousarray(rate_mm_h, np.float32), np.float32(wet_mm_h), out)
    return out


@numba.njit(cache=True, nogil=True)
def _to_db(rate: NDArray[np.float32], wet: np.float32, out: NDArray[np.float32]) -> None:
    flat, db = rate.reshape(rate.size), out.reshape(out.size)
    per_unit = np.float32(10 / np.log(10.0))  # the natural logarithm is the faster one
    for k in range(rate.size):
        value = flat[k]
        if not np.isfinite(value):
            db[k] = np.nan
        elif value > wet:
            db[k] = per_unit * np.log(value / wet)
        else:
            db[k] = 0


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
    width = params.smooth_m / cell_m
    factor = _factor(params.coarse_m, cell_m, first.shape)
    levels = _coarsened(first, factor), _coarsened(second, factor)
    found = _pass(*levels, factor, cell_m, params.coarse_block_m, reach_m, params)
    if len(found.row) == 0:
        return zero
    coarse = local_motion(found, first.shape, 2 * width)
    factor = _factor(params.fine_m, cell_m, first.shape)
    levels = _coarsened(moved(first, coarse), factor), _coarsened(second, factor)
    rest = _pass(*levels, factor, cell_m, params.fine_block_m, params.fine_search_m, params)
    if len(rest.row) == 0:
        return local_motion(found, first.shape, width).on_cells(first.shape)
    # A residual starts where the block came to lie, i.e. at the end of the coarse path.
    at = np.stack([rest.row, rest.col]) / coarse.step
    base = [map_coordinates(c, at, order=1, mode="nearest") for c in coarse.displacement]
    total = Matches(
        rest.row - base[1],
        rest.col - base[0],
        rest.d_row + base[1],
        rest.d_col + base[0],
        rest.correlation,
    )
    total = _without_outliers(total, cell_m, params)
    return local_motion(total, first.shape, width).on_cells(first.shape)


def _factor(level_m: float, cell_m: float, shape: tuple[int, ...]) -> int:
    """Cells to a cell of about ``level_m``, of which eight must fit in the field."""
    factor = max(1, round(level_m / cell_m))
    while factor > 1 and min(shape) // factor < 8:
        factor -= 1
    return factor


def _coarsened(field: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Means over ``factor`` x ``factor`` cells; what is left over at the end is left out."""
    rows, cols = (n // factor * factor for n in field.shape)
    return field if factor == 1 else coarsen_mean(field[:rows, :cols], factor)


def _pass(
    first: NDArray[np.float32],
    second: NDArray[np.float32],
    factor: int,
    cell_m: float,
    block_m: float,
    search_m: float,
    params: MotionParams,
) -> Matches:
    """Match blocks of fields coarsened by ``factor``; the result is in original cells."""
    size = factor * cell_m
    block = min(max(round(block_m / size), 8), *first.shape)
    search = min(max(int(np.ceil(search_m / size)) + 1, 2), max(first.shape) - 1)
    found = match_blocks(first, second, block, search, params.min_correlation)
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
