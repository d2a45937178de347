"""Reflectivity sweeps of a volume as regular arrays: one an elevation, rays by azimuth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.volume import Moment, Sweep, Volume

DRY_DBZ = -32.0
_SAME_ELEVATION_DEG = 0.3
_MIN_GATE_M = 250.0
_MIN_RAYS = 30


@dataclass(frozen=True, slots=True)
class PolarSweep:
    """Reflectivity of one elevation.

    Parameters
    ----------
    elevation_deg
        Elevation.
    azimuth_deg
        (ray,) ascending.
    dbz
        (ray, gate) float32: `DRY_DBZ` where scanned without echo, NaN where missing.
    velocity_m_s
        (ray, gate) absolute radial velocity on the same rays and gates, NaN where there is none.
    gate_m, first_gate_m
        Gate length, range of the centre of the first gate.
    """

    elevation_deg: float
    azimuth_deg: NDArray[np.float32]
    dbz: NDArray[np.float32]
    velocity_m_s: NDArray[np.float32]
    gate_m: float
    first_gate_m: float


def reflectivity_sweeps(volume: Volume) -> list[PolarSweep]:
    """List one sweep an elevation, lowest first.

    Of cuts at one elevation (split cuts) the one with the longest range gives reflectivity and
    any of them the velocity.
    """
    scanned = [s for s in volume.sweeps if "DBZH" in s.moments and s.n_rays >= _MIN_RAYS]
    sweeps: list[PolarSweep] = []
    for sweep in sorted(scanned, key=lambda s: (s.elevation_deg, -_max_range(s.moments["DBZH"]))):
        if sweeps and sweep.elevation_deg - sweeps[-1].elevation_deg < _SAME_ELEVATION_DEG:
            continue
        sweeps.append(_polar(sweep, _doppler_partner(volume, sweep)))
    return sweeps


def _max_range(moment: Moment) -> float:
    return float(moment.range_m[-1])


def _doppler_partner(volume: Volume, sweep: Sweep) -> Sweep | None:
    for other in volume.sweeps:
        close = abs(other.elevation_deg - sweep.elevation_deg) < _SAME_ELEVATION_DEG
        if close and "VRADH" in other.moments and other.n_rays >= _MIN_RAYS:
            return other
    return None


def _polar(sweep: Sweep, doppler: Sweep | None) -> PolarSweep:
    order = np.argsort(sweep.azimuth_deg, kind="stable")
    moment = sweep.moments["DBZH"]
    dbz = moment.values()
    dbz = np.where(moment.dry(), np.float32(DRY_DBZ), dbz)[order]
    factor = max(1, round(_MIN_GATE_M / moment.gate_m))
    dbz = _coarsen_gates(dbz, factor)
    gate_m = moment.gate_m * factor
    first_m = moment.first_gate_m + moment.gate_m * (factor - 1) / 2
    azimuth = sweep.azimuth_deg[order]
    range_m = np.asarray(first_m + np.arange(dbz.shape[1]) * gate_m, np.float64)
    return PolarSweep(
        sweep.elevation_deg,
        azimuth,
        dbz,
        _velocity_on(doppler, azimuth, range_m),
        gate_m,
        first_m,
    )


def _coarsen_gates(dbz: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean of neighbouring gates in linear Z; missing where most of them are missing."""
    if factor == 1:
        return dbz
    n = dbz.shape[1] // factor
    blocks = 10.0 ** (dbz[:, : n * factor].reshape(-1, n, factor) / 10.0)
    known = np.isfinite(blocks)
    total = np.where(known, blocks, 0).sum(-1)
    count = known.sum(-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = 10.0 * np.log10(total / count)
    return np.where(count * 2 >= factor, np.maximum(mean, DRY_DBZ), np.nan).astype(np.float32)


def _velocity_on(
    doppler: Sweep | None, azimuth_deg: NDArray[np.float32], range_m: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Nearest absolute velocity on the given rays and gates."""
    out = np.full((len(azimuth_deg), len(range_m)), np.nan, np.float32)
    if doppler is None:
        return out
    moment = doppler.moments["VRADH"]
    off = np.abs((doppler.azimuth_deg[None, :] - azimuth_deg[:, None] + 180.0) % 360.0 - 180.0)
    ray = off.argmin(axis=1)
    gate = np.rint((range_m - moment.first_gate_m) / moment.gate_m).astype(np.int64)
    inside = (gate >= 0) & (gate < moment.codes.shape[1])
    out[:, inside] = np.abs(moment.values()[ray[:, None], gate[inside]])
    out[off.min(axis=1) > 1.0] = np.nan
    return out
