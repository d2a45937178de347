"""Motion of the rain between two fields, also when it moved far between them."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates
from scipy.spatial import cKDTree

from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.advection import advect
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs, check
from jinghu.nowcast.matching import Matches, match_blocks

_NODE_M = 4000.0  # vectors are interpolated on nodes so far apart, then between them
_WIDER = 0.02  # weight of a Gaussian twice as wide
_RIDGE = 0.1  # in parts of the squared width: keeps slopes from unevenly spread vectors small


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
    rate_mm_h = np.where(np.isinf(rate_mm_h), np.float32(np.nan), rate_mm_h)
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
    coarse, _ = _dense(found, first.shape, cell_m, 2 * params.smooth_m)
    moved = advect(first, coarse, [1.0], substeps=8)[0]
    rest = _pass(
        moved, second, cell_m, params.fine_m, params.fine_block_m, params.fine_search_m, params
    )
    if len(rest.row) == 0:
        return _dense(found, first.shape, cell_m, params.smooth_m)
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
    return _dense(_without_outliers(total, cell_m, params), first.shape, cell_m, params.smooth_m)


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
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit a local linear motion to the vectors around every cell (Cleveland 1979, loess).

    The weights are sums of ever wider and lower Gaussians, so that one filter a width does for
    any number of vectors. A local mean would flatten shear and rotation. Each vector is placed
    in the middle of its path, which halves the bias in curved motion.
    """
    step = max(1, round(_NODE_M / cell_m))
    nodes = (-(-shape[0] // step) + 1, -(-shape[1] // step) + 1)
    row, col = (found.row + found.d_row / 2) / step, (found.col + found.d_col / 2) / step
    u, v = found.d_col, found.d_row
    columns = (u * 0 + 1, row, col, row**2, row * col, col**2, u, row * u, col * u, v, row * v,
               col * v)  # fmt: skip
    planes = np.stack([_spread(nodes, row, col, c * found.correlation**2) for c in columns])
    sums = 1e-9 * np.broadcast_to(planes.sum((1, 2), keepdims=True), planes.shape)
    sigma, height = smooth_m / (step * cell_m), 1.0
    near = gaussian_filter(planes[0], sigma, mode="constant") * 2 * np.pi * sigma**2
    width = sigma
    while width < max(nodes) / 2:
        filtered = gaussian_filter(planes, (0, width, width), mode="constant", truncate=3.0)
        sums = sums + height * width**2 * filtered
        width, height = 2 * width, _WIDER * height
    coarse = (*_local_linear(sums, sigma), np.clip(near, 0.0, 1.0))
    at = np.meshgrid(np.arange(shape[0]) / step, np.arange(shape[1]) / step, indexing="ij")
    fine = [map_coordinates(p, at, order=1, mode="nearest").astype(np.float32) for p in coarse]
    return np.stack(fine[:2]), fine[2]


def _local_linear(
    sums: NDArray[np.float64], sigma: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values at the nodes of the planes fitted around them, from weighted sums of products.

    Slopes are held back where the vectors lie on a line or in a point, and are not followed far
    beyond the vectors.
    """
    row, col, rr, rc, cc = (plane / sums[0] for plane in sums[1:6])
    rr, rc, cc = rr - row**2 + _RIDGE * sigma**2, rc - row * col, cc - col**2 + _RIDGE * sigma**2
    at_row, at_col = np.indices(row.shape) - np.stack([row, col])
    damping = np.exp(-(at_row**2 + at_col**2) / (2 * sigma**2))
    values = []
    for mean, row_mean, col_mean in (sums[6:9] / sums[0], sums[9:12] / sums[0]):
        along_row, along_col = row_mean - row * mean, col_mean - col * mean
        slope_row = (along_row * cc - along_col * rc) / (rr * cc - rc**2)
        slope_col = (along_col * rr - along_row * rc) / (rr * cc - rc**2)
        values.append(mean + damping * (slope_row * at_row + slope_col * at_col))
    return values[0], values[1]


def _spread(
    nodes: tuple[int, int],
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    values: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Sum of values given to the four nodes around each place, by nearness."""
    plane = np.zeros(nodes)
    row, col = np.clip(row, 0, nodes[0] - 1.001), np.clip(col, 0, nodes[1] - 1.001)
    i, j = row.astype(int), col.astype(int)
    fy, fx = row - i, col - j
    for di, wy in ((0, 1 - fy), (1, fy)):
        for dj, wx in ((0, 1 - fx), (1, fx)):
            np.add.at(plane, (i + di, j + dj), values * wy * wx)
    return plane
