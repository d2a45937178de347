"""Reflectivity of two radars where they look at the same rain from like heights."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import combinations

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.spec import GridSpec
from jinghu.radar.geometry import beam_height, place, polar_coordinates, slant_range
from jinghu.radar.moved import cells_before, gathered
from jinghu.radar.rain import CleanScan
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Volume


@dataclass(frozen=True, slots=True)
class OverlapParams:
    """Which samples of two radars may be compared.

    Parameters
    ----------
    heights_m
        Levels above mean sea level: in rain reflectivity hardly changes with height.
    rain_top_m
        Height that beams of a level must stay below: the bottom of the melting layer.
    least_elevation_deg
        Terrain takes part of lower beams, which is no matter of calibration.
    half_depth_m
        A beam whose axis is so near to a level is of it: two beams of one level are at most twice
        this apart.
    cell_m
        Side of a cell of comparison, about: both radars are averaged over these cells, so that the
        nearer one does not see finer rain than the other.
    nearest_m, farthest_m, farthest_x_m
        Distances between which samples count; rain weakens an X-band radar's on the way.
    range_ratio
        Beams whose distances differ more are too unlike in width.
    low_dbz, high_dbz
        Of the mean of both: a limit on each would favour the one that reads too high.
    least_dbz
        Of either: what is nearer to the noise is not compared.
    apart_s
        Scans farther apart in time are not compared.
    cells_alike
        Cells that carry the information of one, because rain is alike around each.
    least_cells
        Fewer columns of rain tell nothing.
    floor_db
        Error that remains however much rain is compared: beams, heights and times are not equal.
    """

    heights_m: tuple[float, ...] = (1000.0, 1500.0, 2000.0, 2500.0, 3000.0, 3500.0, 4000.0)
    rain_top_m: float = 4_500.0
    least_elevation_deg: float = 0.9
    half_depth_m: float = 250.0
    cell_m: float = 2_000.0
    nearest_m: float = 10_000.0
    farthest_m: float = 150_000.0
    farthest_x_m: float = 45_000.0
    range_ratio: float = 2.5
    low_dbz: float = 20.0
    high_dbz: float = 40.0
    least_dbz: float = 8.0
    apart_s: float = 600.0
    cells_alike: float = 25.0
    least_cells: int = 50
    floor_db: float = 0.3

    def cells(self, spec: GridSpec) -> tuple[GridSpec, int]:
        """Grid of comparison, and the cells of the working grid along a side of one of its."""
        n = max(1, min(round(self.cell_m / spec.spacing_m), spec.nx, spec.ny))
        coarse = replace(
            spec, spacing_m=spec.spacing_m * n, nx=spec.nx // n, ny=spec.ny // n
        )  # what is left over at the northern and eastern edges is not compared
        return coarse, n


@dataclass(frozen=True, slots=True)
class Levels:
    """What a radar saw at some heights.

    Parameters
    ----------
    site, time
        The radar; when it scanned.
    dbz
        (height, y, x) mean reflectivity over a cell as the radar reports it, NaN where no beam is
        near or it does not count.
    distance_m
        (y, x) from the radar.
    """

    site: RadarSite
    time: datetime
    dbz: NDArray[np.float32]
    distance_m: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two radars over the same rain.

    Parameters
    ----------
    first, second
        Codes of their sites.
    difference_db
        Median of the first less the second.
    spread_db
        Standard deviation of single samples, from the median absolute deviation.
    error_db
        Standard error of the difference.
    samples
        Number of samples.
    """

    first: str
    second: str
    difference_db: float
    spread_db: float
    error_db: float
    samples: int


def levels_on_grid(
    volume: Volume, scan: CleanScan, spec: GridSpec, params: OverlapParams, applied_db: float = 0.0
) -> Levels:
    """Sample the cleaned sweeps of a volume at the heights of comparison.

    Parameters
    ----------
    volume, scan
        As decoded; its cleaned sweeps.
    spec
        The working grid.
    params
        Parameters.
    applied_db
        Offset that was taken off the sweeps: it is put back, so that what is compared does not
        depend on what was corrected before.
    """
    coarse, _ = params.cells(spec)
    azimuth, distance = polar_coordinates(place(volume.site, coarse), coarse)
    heights = np.array(params.heights_m)
    dbz = np.full((len(heights), *coarse.shape), np.nan, np.float32)
    farthest = params.farthest_x_m if volume.site.band == "X" else params.farthest_m
    limits = np.array([params.nearest_m, farthest, params.half_depth_m, coarse.spacing_m / 2])
    for sweep, hidden in zip(scan.sweeps, scan.hidden, strict=True):
        if sweep.elevation_deg < params.least_elevation_deg:
            continue
        beam = np.array([sweep.elevation_deg, volume.site.antenna_height_m,
                         sweep.first_gate_m, sweep.gate_m])  # fmt: skip
        _sample(azimuth, distance, sweep.azimuth_deg, sweep.dbz, hidden, beam, heights, limits, dbz)
    dbz[heights + params.half_depth_m > params.rain_top_m] = np.nan
    return Levels(volume.site, volume.mid_time, dbz + np.float32(applied_db), distance)


def levels_at(
    levels: Levels, time: datetime, motion: xr.Dataset | None, params: OverlapParams
) -> Levels:
    """Bring levels to another time along the motion of the rain.

    Parameters
    ----------
    levels, time
        As sampled; the time to bring them to.
    motion
        ``motion_x``, ``motion_y`` in m s-1 on the working grid; None where nothing moves.
    params
        Of the levels.
    """
    if motion is not None:
        coarse, n = params.cells(GridSpec.of(motion))
        rows, cols = (n // 2 + n * np.arange(size) for size in coarse.shape)
        motion = motion[["motion_x", "motion_y"]].isel(y=rows, x=cols)
    cells = cells_before(motion, levels.time, time)
    dbz = np.stack([gathered(level, cells, np.nan) for level in levels.dbz])
    return replace(levels, dbz=dbz, distance_m=gathered(levels.distance_m, cells, np.nan))


def compare(first: Levels, second: Levels, params: OverlapParams) -> Comparison | None:
    """Compare two radars at one time; None where they share too little rain.

    Radars are compared where they are at like heights and distances, as by Seo et al. (2013,
    J. Atmos. Oceanic Technol. 30, 2571-2584); the error counts columns of rain, not samples.

    Parameters
    ----------
    first, second
        The second as of `levels_at`.
    params
        Parameters.
    """
    difference = first.dbz - second.dbz
    mean = (first.dbz + second.dbz) / 2.0
    ratio = np.maximum(first.distance_m, 1.0) / np.maximum(second.distance_m, 1.0)
    with np.errstate(invalid="ignore"):
        good = (mean >= params.low_dbz) & (mean <= params.high_dbz)
        good &= np.minimum(first.dbz, second.dbz) >= params.least_dbz
        good &= (ratio <= params.range_ratio) & (ratio >= 1.0 / params.range_ratio)
    columns = int(good.any(axis=0).sum())
    if columns < params.least_cells:
        return None
    found = difference[good]
    middle = float(np.median(found))
    spread = 1.4826 * float(np.median(np.abs(found - middle)))
    independent = max(columns / params.cells_alike, 1.0)
    error = float(np.hypot(1.2533 * spread / np.sqrt(independent), params.floor_db))
    codes = first.site.code, second.site.code
    return Comparison(*codes, middle, spread, error, len(found))


def comparisons(
    radars: Sequence[Levels], motion: xr.Dataset | None, params: OverlapParams
) -> list[Comparison]:
    """Compare all pairs of radars that scanned at nearly one time, each at the time of its first.

    Parameters
    ----------
    radars
        One a radar.
    motion
        Along which the second of a pair is brought to the time of the first.
    params
        Parameters.
    """
    found = [
        compare(one, levels_at(other, one.time, motion, params), params)
        for one, other in combinations(radars, 2)
        if abs((one.time - other.time).total_seconds()) <= params.apart_s
    ]
    return [pair for pair in found if pair is not None]


@numba.njit(cache=True, nogil=True)
def _sample(
    azimuth: NDArray[np.float32],
    distance: NDArray[np.float32],
    ray_azimuth: NDArray[np.float32],
    dbz: NDArray[np.float32],
    hidden: NDArray[np.bool_],
    beam: NDArray[np.float64],
    heights: NDArray[np.float64],
    limits: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Average reflectivity (as power) over the cells that a sweep crosses at one of the heights.

    A level keeps the first sweep, the lowest, that is near enough to it.
    """
    elevation, antenna_m, first_m, gate_m = beam
    nearest_m, farthest_m, half_depth_m, half_cell_m = limits
    n_rays, n_gates = dbz.shape
    widest = 180.0 / n_rays
    for row in range(azimuth.shape[0]):
        for col in range(azimuth.shape[1]):
            ground = distance[row, col]
            if ground < nearest_m or ground > farthest_m:
                continue
            height = beam_height(ground, elevation, antenna_m)
            level = np.argmin(np.abs(heights - height))
            if abs(heights[level] - height) > half_depth_m or not np.isnan(out[level, row, col]):
                continue
            middle = (slant_range(ground, elevation) - first_m) / gate_m
            low = int(np.ceil(middle - half_cell_m / gate_m))
            high = int(np.floor(middle + half_cell_m / gate_m))
            if low < 0 or high >= n_gates:
                continue
            around = max(widest, np.degrees(half_cell_m / ground))
            start = np.searchsorted(ray_azimuth, (azimuth[row, col] - around) % 360.0)
            total, seen, missing = 0.0, 0, 0
            for k in range(n_rays):
                ray = (start + k) % n_rays
                off = (ray_azimuth[ray] - azimuth[row, col] + around) % 360.0
                if off > 2.0 * around:
                    break
                for gate in range(low, high + 1):
                    value = dbz[ray, gate]
                    if hidden[ray] or np.isnan(value):
                        missing += 1
                    else:
                        total += 10.0 ** (0.1 * value)
                        seen += 1
            if seen > 0 and missing <= 0.2 * (seen + missing):
                out[level, row, col] = 10.0 * np.log10(total / seen)
