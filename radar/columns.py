"""What one radar sees in the column over every cell: for forecasters, not for rain."""

from dataclasses import dataclass

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import EchoTop, attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy
from jinghu.radar.geometry import beam_height, place, polar_coordinates, slant_range
from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.rain import CleanScan
from jinghu.radar.volume import Volume

_BIN_M = 50.0  # of ground distance, in the tables of a sweep
_AZIMUTH_BINS = 3600
_MAX_OFF_DEG = 1.5  # a ray farther away is not there


@dataclass(frozen=True, slots=True)
class ColumnParams:
    """What is made of a column.

    Parameters
    ----------
    cappi_m
        Heights above mean sea level of the constant-altitude reflectivity.
    top_dbz
        Reflectivity whose highest place is the echo top.
    cap_dbz
        Reflectivity above it is hail and counts as this in the liquid (Greene & Clark 1972).
    max_range_m
        Farther away a beam is kilometres wide.
    max_gap_m
        Two beams farther apart tell nothing of what lies between them.
    full_m, quality_range_m
        Depth that a perfect column is seen over, and e-folding range of the quality.
    """

    cappi_m: tuple[float, ...] = (3_000.0,)
    top_dbz: float = 18.0
    cap_dbz: float = 56.0
    max_range_m: float = 230_000.0
    max_gap_m: float = 4_000.0
    full_m: float = 15_000.0
    quality_range_m: float = 150_000.0

    def limits(self) -> NDArray[np.float64]:
        """Thresholds in the order in which the kernel takes them."""
        return np.array(
            [
                self.top_dbz,
                self.cap_dbz,
                self.max_range_m,
                self.max_gap_m,
                self.full_m,
                self.quality_range_m,
            ]
        )


_Beams = tuple[
    NDArray[np.float32],
    NDArray[np.int64],
    NDArray[np.int64],
    NDArray[np.int32],
    NDArray[np.int32],
    NDArray[np.float32],
    NDArray[np.float32],
]
_Out = tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.uint8],
    NDArray[np.float32],
    NDArray[np.float32],
]


def columns_on_grid(
    volume: Volume, scan: CleanScan, spec: GridSpec, params: ColumnParams
) -> xr.Dataset:
    """Composite and constant-altitude reflectivity, echo top and liquid over every cell.

    Beams are taken at the nearest gate. Between two beams reflectivity is linear with height in
    dBZ where both hold echo, and that of the nearer beam where one does not. An echo top under a
    beam without echo lies at the upper edge of its beam (Lakshmanan et al. 2013, Wea. Forecasting
    28, 481-488). Liquid is ``3.44e-6 Z^(4/7)`` of the mean Z of neighbouring beams times their
    distance, and half a beam below the lowest and above the highest (Greene & Clark 1972, Mon. Wea.
    Rev. 100, 548-552).

    Parameters
    ----------
    volume, scan
        As decoded; its cleaned sweeps, from `jinghu.radar.rain.rain_and_scan`.
    spec
        The working grid.
    params
        Parameters.

    Returns
    -------
    Dataset on (y, x), reflectivity and ``beam_distance`` of ``cappi_m`` on (height, y, x):
    ``composite_reflectivity``, ``cappi_reflectivity``, ``echo_top``, ``echo_top_flag``,
    ``vertically_integrated_liquid``, ``quality``; NaN where nothing was scanned. Scalar ``time``;
    attribute ``radar``.
    """
    heights = np.asarray(params.cappi_m, np.float64)
    found = _nothing(len(heights), spec)
    if scan.sweeps:
        azimuth, distance = polar_coordinates(place(volume.site, spec), spec)
        beams = _beams(scan, volume.site.antenna_height_m, volume.site.beam_width_deg, params)
        _columns(azimuth, distance, beams, heights, params.limits(), found)
    composite, cappi, gap, top, flag, liquid, quality = found
    dims, deep = ("y", "x"), ("height", "y", "x")
    return xr.Dataset(
        {
            "composite_reflectivity": (dims, composite, attrs("composite_reflectivity")),
            "cappi_reflectivity": (deep, cappi, attrs("cappi_reflectivity")),
            "beam_distance": (deep, gap, attrs("beam_distance")),
            "echo_top": (dims, top, attrs("echo_top")),
            "echo_top_flag": (dims, flag, attrs("echo_top_flag")),
            "vertically_integrated_liquid": (
                dims, liquid, attrs("vertically_integrated_liquid")
            ),
            "quality": (dims, quality, attrs("quality")),
        },
        coords={
            "time": to_numpy(volume.mid_time),
            "height": ("height", heights, {"units": "m", "standard_name": "altitude"}),
            "x": spec.x,
            "y": spec.y,
        },
        attrs={"radar": volume.site.code},
    )  # fmt: skip


def _nothing(n_heights: int, spec: GridSpec) -> _Out:
    nan = np.full(spec.shape, np.nan, np.float32)
    deep = np.full((n_heights, *spec.shape), np.nan, np.float32)
    flag = np.full(spec.shape, EchoTop.MISSING, np.uint8)
    return nan, deep, deep.copy(), nan.copy(), flag, nan.copy(), np.zeros(spec.shape, np.float32)


def _beams(scan: CleanScan, antenna_m: float, width_deg: float, params: ColumnParams) -> _Beams:
    """Tables by azimuth and ground distance, so that a cell costs a look-up a beam.

    Returns
    -------
    All gates in one row; (sweep,) where each begins, gates in a ray; (sweep, azimuth bin) ray,
    (sweep, distance bin) gate, both -1 where there is none; (sweep, distance bin) height and half
    width in m.
    """
    sweeps = scan.sweeps
    starts = np.cumsum([0, *(s.dbz.size for s in sweeps)])[:-1].astype(np.int64)
    gates = np.array([s.dbz.shape[1] for s in sweeps], np.int64)
    n_bins = int(params.max_range_m / _BIN_M) + 2
    ground = np.asarray(np.arange(n_bins) * _BIN_M, np.float64)
    rays = np.stack([_nearest_ray(s, h) for s, h in zip(sweeps, scan.hidden, strict=True)])
    gate = np.full((len(sweeps), n_bins), -1, np.int32)
    height, half = np.zeros((2, len(sweeps), n_bins), np.float32)
    for k, sweep in enumerate(sweeps):
        _trace(ground, sweep.elevation_deg, antenna_m, width_deg, height[k], half[k])
        slant = half[k] / np.radians(width_deg / 2.0)
        at = np.rint((slant - sweep.first_gate_m) / sweep.gate_m).astype(np.int32)
        gate[k] = np.where((at >= 0) & (at < gates[k]), at, -1)
    flat = np.concatenate([s.dbz.ravel() for s in sweeps])
    return flat, starts, gates, rays, gate, height, half


def _nearest_ray(sweep: PolarSweep, hidden: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Index of the ray nearest to the middle of each azimuth bin, -1 where hidden or none."""
    middle = (np.arange(_AZIMUTH_BINS) + 0.5) * (360.0 / _AZIMUTH_BINS)
    n = len(sweep.azimuth_deg)
    upper = np.searchsorted(sweep.azimuth_deg, middle) % n
    both = np.stack([(upper - 1) % n, upper])
    off = np.abs((sweep.azimuth_deg[both] - middle + 180.0) % 360.0 - 180.0)
    nearest = np.where(off[0] <= off[1], both[0], both[1])
    there = (off.min(axis=0) <= _MAX_OFF_DEG) & ~hidden[nearest]
    return np.where(there, nearest, -1).astype(np.int32)


@numba.njit(cache=True, nogil=True)
def _trace(
    ground: NDArray[np.float64],
    elevation_deg: float,
    antenna_m: float,
    width_deg: float,
    height: NDArray[np.float32],
    half: NDArray[np.float32],
) -> None:
    """Height of the beam axis and half the width of the beam (m) over ground distances."""
    for k in range(len(ground)):
        height[k] = beam_height(ground[k], elevation_deg, antenna_m)
        half[k] = slant_range(ground[k], elevation_deg) * np.radians(width_deg / 2.0)


@numba.njit(cache=True, nogil=True)
def _columns(
    azimuth: NDArray[np.float32],
    distance: NDArray[np.float32],
    beams: _Beams,
    cappi_m: NDArray[np.float64],
    limits: NDArray[np.float64],
    out: _Out,
) -> None:
    """Gather the beams over each cell, lowest first, and make all products of them."""
    flat, starts, gates, rays, gate_at, height_at, half_at = beams
    composite, cappi, distance_to, top, flag, liquid, quality = out
    top_dbz, cap_dbz, max_range_m, max_gap_m, full_m, range_m = limits
    dbz, height, half = np.zeros((3, len(starts)))
    for row in range(azimuth.shape[0]):
        for col in range(azimuth.shape[1]):
            ground = distance[row, col]
            if ground > max_range_m:
                continue
            at = int(ground / _BIN_M + 0.5)
            turn = min(int(azimuth[row, col] * (_AZIMUTH_BINS / 360.0)), _AZIMUTH_BINS - 1)
            n = 0
            for k in range(len(starts)):
                gate, ray = gate_at[k, at], rays[k, turn]
                if gate < 0 or ray < 0:
                    continue
                value = flat[starts[k] + ray * gates[k] + gate]
                if not np.isnan(value):
                    dbz[n], height[n], half[n] = value, height_at[k, at], half_at[k, at]
                    n += 1
            if n == 0:
                continue
            largest = dbz[0]
            for k in range(1, n):
                largest = max(largest, dbz[k])
            composite[row, col] = largest
            # The number goes along: slices of the beams of every cell take most of the time.
            top[row, col], flag[row, col] = _echo_top(n, dbz, height, half, top_dbz)
            if largest > 0.0:
                liquid[row, col] = _liquid(n, dbz, height, half, cap_dbz, max_gap_m)
            else:
                liquid[row, col] = 0.0
            for k in range(len(cappi_m)):
                cappi[k, row, col], distance_to[k, row, col] = _at_height(
                    n, dbz, height, half, cappi_m[k], max_gap_m
                )
            depth = min(height[n - 1] + half[n - 1], full_m) - max(height[0] - half[0], 0.0)
            far = ground / range_m
            quality[row, col] = max(depth, 0.0) / full_m * np.exp(-far * far / 2.0)


@numba.njit(cache=True, nogil=True)
def _echo_top(
    n: int,
    dbz: NDArray[np.float64],
    height: NDArray[np.float64],
    half: NDArray[np.float64],
    top: float,
) -> tuple[float, int]:
    """Height of the highest echo of ``top`` dBZ, 0 where there is none, and `EchoTop`."""
    for k in range(n - 1, -1, -1):
        if dbz[k] < top:
            continue
        if k == n - 1:
            return height[k], 2
        if dbz[k + 1] <= DRY_DBZ:
            return min(height[k] + half[k], height[k + 1]), 1
        share = (dbz[k] - top) / (dbz[k] - dbz[k + 1])
        return height[k] + share * (height[k + 1] - height[k]), 1
    return 0.0, 3 if dbz[0] > 0.0 else 0


@numba.njit(cache=True, nogil=True)
def _liquid(
    n: int,
    dbz: NDArray[np.float64],
    height: NDArray[np.float64],
    half: NDArray[np.float64],
    cap: float,
    max_gap_m: float,
) -> float:
    """Vertically integrated liquid in kg m-2 of what the beams hold."""
    total, below = 0.0, 0.0
    for k in range(n):
        z = 10.0 ** (0.1 * min(dbz[k], cap)) if dbz[k] > 0.0 else 0.0
        if k == 0:
            total += z ** (4.0 / 7.0) * half[0]
        elif z + below > 0.0 and height[k] - height[k - 1] <= max_gap_m:
            total += (0.5 * (z + below)) ** (4.0 / 7.0) * (height[k] - height[k - 1])
        below = z
    return float(3.44e-6 * (total + below ** (4.0 / 7.0) * half[n - 1]))


@numba.njit(cache=True, nogil=True)
def _at_height(
    n: int,
    dbz: NDArray[np.float64],
    height: NDArray[np.float64],
    half: NDArray[np.float64],
    wanted: float,
    max_gap_m: float,
) -> tuple[float, float]:
    """Reflectivity at a height, and how far the nearest beam is with half its width; or NaN."""
    for k in range(n - 1):
        low, high = height[k], height[k + 1]
        if low <= wanted <= high and high - low <= max_gap_m:
            near = k if wanted - low <= high - wanted else k + 1
            apart = abs(wanted - height[near]) + half[near]
            if dbz[k] <= DRY_DBZ or dbz[k + 1] <= DRY_DBZ:
                return dbz[near], apart
            return dbz[k] + (wanted - low) / (high - low) * (dbz[k + 1] - dbz[k]), apart
    for k in (0, n - 1):
        if abs(wanted - height[k]) <= half[k]:
            return dbz[k], abs(wanted - height[k]) + half[k]
    return np.nan, np.nan
