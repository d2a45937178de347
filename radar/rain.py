"""Rain of one radar on the grid: the lowest usable beam over every cell."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import Method, State, attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import isoformat, to_numpy
from jinghu.radar.blockage import Shadow, out_of_shadow
from jinghu.radar.clutter import ClutterParams, blocked_rays, clean
from jinghu.radar.clutter_map import ClutterMap
from jinghu.radar.geometry import beam_height, place, polar_coordinates, slant_range
from jinghu.radar.horizon import without_hidden
from jinghu.radar.polar import PolarSweep, calibrated, reflectivity_sweeps
from jinghu.radar.qpe import (
    GateRain,
    PhaseProducts,
    QpeParams,
    gate_rain,
    phase_products,
    restored,
)
from jinghu.radar.volume import Volume
from jinghu.radar.vpr import VprParams, brought_down, correction_profile
from jinghu.radar.zr import ZRTable


@dataclass(frozen=True, slots=True)
class RainParams:
    """How the moments become rain on the grid."""

    zr: ZRTable = field(default_factory=ZRTable)
    clutter: ClutterParams = field(default_factory=ClutterParams)
    qpe: QpeParams = field(default_factory=QpeParams)
    vpr: VprParams = field(default_factory=VprParams)
    max_range_m: float = 230_000.0
    max_height_m: float = 8_000.0  # higher beams see ice, not rain
    quality_height_m: float = 2_000.0  # e-folding height and range of the quality
    quality_range_m: float = 150_000.0


_OnGrid = tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.uint8],
    NDArray[np.uint8],
    NDArray[np.float32],
]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What is known of a site before it scans: where the ground echoes, what terrain hides."""

    clutter: ClutterMap | None = None
    shadows: tuple[Shadow, ...] = ()


UNKNOWN = Surroundings()


@dataclass(frozen=True, slots=True)
class CleanScan:
    """Sweeps without clutter, attenuation added back, lowest first.

    Parameters
    ----------
    sweeps, hidden
        One an elevation; the rays hidden in each.
    phases
        What the phase of each tells, None where there is one polarisation.
    """

    sweeps: Sequence[PolarSweep]
    hidden: Sequence[NDArray[np.bool_]]
    phases: Sequence[PhaseProducts | None] = ()


def rain_on_grid(
    volume: Volume,
    spec: GridSpec,
    params: RainParams,
    around: Surroundings = UNKNOWN,
    offset_db: float = 0.0,
) -> xr.Dataset:
    """Rain rate of one volume on the grid.

    Parameters
    ----------
    volume
        As decoded.
    spec
        The working grid.
    params
        Parameters.
    around
        What is known of the site's surroundings.
    offset_db
        dB that the radar is known to read too high; it is taken off before all else.

    Returns
    -------
    Dataset on (y, x): ``rainfall_rate``, ``quality``, ``beam_height``, ``state``, ``method``;
    scalar ``time`` (of the low sweeps); attribute ``radar``.
    """
    return rain_and_scan(volume, spec, params, around, offset_db)[0]


def rain_and_scan(
    volume: Volume,
    spec: GridSpec,
    params: RainParams,
    around: Surroundings = UNKNOWN,
    offset_db: float = 0.0,
) -> tuple[xr.Dataset, CleanScan]:
    """Rain as of `rain_on_grid`, and the cleaned sweeps that it was made of."""
    sweeps = [calibrated(sweep, offset_db) for sweep in reflectivity_sweeps(volume)]
    found, scan = _missing(spec), CleanScan([], [])
    if sweeps:
        scan, gates = _rain_of_sweeps(volume, sweeps, params, around)
        found = _lowest_beams(volume, scan.sweeps, gates, scan.hidden, spec, params)
    return _dataset(volume, spec, params, found), scan


def _dataset(volume: Volume, spec: GridSpec, params: RainParams, found: _OnGrid) -> xr.Dataset:
    rates, heights, states, methods, trust = found
    seen = np.isfinite(rates)
    distance = polar_coordinates(place(volume.site, spec), spec)[1]
    quality = np.exp(-((heights / params.quality_height_m) ** 2) / 2)
    quality *= np.exp(-((distance / params.quality_range_m) ** 2) / 2)
    quality *= np.clip((params.max_range_m - distance) / (0.15 * params.max_range_m), 0, 1)
    quality *= trust
    dims = ("y", "x")
    return xr.Dataset(
        {
            "rainfall_rate": (dims, rates, attrs("rainfall_rate")),
            "quality": (dims, np.where(seen, quality, 0).astype(np.float32), attrs("quality")),
            "beam_height": (dims, heights, attrs("beam_height")),
            "state": (dims, states, attrs("state")),
            "method": (dims, methods, attrs("method")),
        },
        coords={"time": to_numpy(volume.mid_time), **spec.coords()},
        attrs={
            "radar": volume.site.code,
            "source": volume.source,
            "volume_time": isoformat(volume.time),
        },
    )


def _missing(spec: GridSpec) -> _OnGrid:
    """Rates, beam heights, states, methods and trust of a grid that nobody has seen."""
    nan = np.full(spec.shape, np.nan, np.float32)
    states = np.full(spec.shape, State.MISSING, np.uint8)
    methods = np.full(spec.shape, Method.NONE, np.uint8)
    return nan, nan.copy(), states, methods, np.zeros(spec.shape, np.float32)


def _rain_of_sweeps(
    volume: Volume, sweeps: list[PolarSweep], params: RainParams, around: Surroundings
) -> tuple[CleanScan, list[GateRain]]:
    """Clean the sweeps, add back what rain took, and make rain of every gate."""
    band, antenna_m = volume.site.band, volume.site.antenna_height_m
    known = clean(sweeps, params.clutter, around.clutter)
    opened, surveyed = without_hidden(volume.site, known)
    lit = [out_of_shadow(volume.site, sweep, around.shadows) for sweep in opened]
    cleaned = [sweep for sweep, _ in lit]
    found_hidden = blocked_rays(cleaned, params.clutter)
    hidden = [one | other for one, other in zip(surveyed, found_hidden, strict=True)]
    products = [phase_products(sweep, band, antenna_m, params.qpe) for sweep in cleaned]
    whole = [restored(s, p, band) for s, p in zip(cleaned, products, strict=True)]
    profile = correction_profile(whole, params.vpr, antenna_m)
    gates = []
    for sweep, found, (_, shaded) in zip(whole, products, lit, strict=True):
        low = replace(sweep, dbz=brought_down(sweep, profile, params.vpr))
        rain = gate_rain(low, found, band, antenna_m, params.zr, params.qpe)
        gates.append(replace(rain, quality=rain.quality * (1 - shaded)))
    return CleanScan(whole, hidden, products), gates


def _lowest_beams(
    volume: Volume,
    sweeps: Sequence[PolarSweep],
    gates: Sequence[GateRain],
    hidden: Sequence[NDArray[np.bool_]],
    spec: GridSpec,
    params: RainParams,
) -> _OnGrid:
    """Go up from the lowest sweep until every cell within range has a value."""
    azimuth, distance = polar_coordinates(place(volume.site, spec), spec)
    found = _missing(spec)
    for sweep, rain, blocked in zip(sweeps, gates, hidden, strict=True):
        _fill_from_sweep(
            azimuth,
            distance,
            sweep.azimuth_deg,
            (rain.rate, rain.method, rain.quality),
            blocked,
            np.array([sweep.elevation_deg, sweep.first_gate_m, sweep.gate_m]),
            np.array([volume.site.antenna_height_m, params.max_range_m, params.max_height_m]),
            found,
        )
    return found


@numba.njit(cache=True, nogil=True)
def _fill_from_sweep(
    azimuth: NDArray[np.float32],
    distance: NDArray[np.float32],
    ray_azimuth: NDArray[np.float32],
    gates: tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32]],
    blocked: NDArray[np.bool_],
    beam: NDArray[np.float64],
    limits: NDArray[np.float64],
    out: _OnGrid,
) -> None:
    """Fill cells still without a value by bilinear interpolation in azimuth and range.

    The method is that of the gate that weighs most.
    """
    elevation, first_m, gate_m = beam
    antenna_m, max_range_m, max_height_m = limits
    rate, method, quality = gates
    rates, heights, states, methods, trust = out
    n_rays, n_gates = rate.shape
    # The ground is never farther than the gate above it: what lies beyond needs no geometry.
    farthest_m = min(max_range_m, first_m + gate_m * n_gates)
    for row in range(azimuth.shape[0]):
        for col in range(azimuth.shape[1]):
            ground = distance[row, col]
            if ground > farthest_m or not np.isnan(rates[row, col]):
                continue
            height = beam_height(ground, elevation, antenna_m)
            gate = (slant_range(ground, elevation) - first_m) / gate_m
            if gate < -0.5 or gate > n_gates - 1:
                continue
            if height > max_height_m:
                if states[row, col] == 2:
                    states[row, col] = 3
                continue
            gate = max(gate, 0.0)
            az = azimuth[row, col]
            upper = np.searchsorted(ray_azimuth, az) % n_rays
            lower = (upper - 1) % n_rays
            gap = (ray_azimuth[upper] - ray_azimuth[lower]) % np.float32(360.0)
            step = (az - ray_azimuth[lower]) % np.float32(360.0)
            share = step / gap if gap > 0 else 0.0
            low_gate = int(gate)
            high_gate = min(low_gate + 1, n_gates - 1)
            part = gate - low_gate
            total, weight, good, most = 0.0, 0.0, 0.0, 0.0
            chosen = np.uint8(0)
            hidden = False
            for ray, across, off in ((lower, 1 - share, step), (upper, share, gap - step)):
                if off > 1.5:  # the ray is not there
                    continue
                if blocked[ray]:
                    hidden = True
                    continue
                for g, along in ((low_gate, 1 - part), (high_gate, part)):
                    value = rate[ray, g]
                    if not np.isnan(value):
                        total += across * along * value
                        weight += across * along
                        good += across * along * quality[ray, g]
                        if across * along > most:
                            most, chosen = across * along, method[ray, g]
            if weight >= 0.5:
                rates[row, col] = total / weight
                heights[row, col] = height
                methods[row, col] = chosen
                trust[row, col] = good / weight
                states[row, col] = 1 if total / weight >= 0.1 else 0
            elif hidden and states[row, col] == 2:
                states[row, col] = 3
