"""Sweeps of a volume as regular arrays for rain: one an elevation, rays by azimuth."""

from dataclasses import dataclass, replace
from typing import TypeGuard

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.volume import Moment, Sweep, Volume
from jinghu.radar.windows import nearest_rays

DRY_DBZ = -32.0
_LN10_BY_10 = 0.23025850929940458
_SAME_ELEVATION_DEG = 0.3
_MIN_GATE_M = 250.0
_MIN_RAYS = 30
_NEAR_DEG = 1.0  # between a ray and the one that gives its velocity


@dataclass(frozen=True, slots=True)
class DualPol:
    """Dual-polarisation moments of a sweep, each (ray, gate) float32, NaN where there is none.

    Parameters
    ----------
    zdr_db
        Differential reflectivity.
    rhohv
        Correlation of the polarisations, 1.
    phidp_deg
        Differential phase.
    """

    zdr_db: NDArray[np.float32]
    rhohv: NDArray[np.float32]
    phidp_deg: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PolarSweep:
    """What one elevation saw.

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
    total_dbz
        (ray, gate) reflectivity before the radar's own clutter filter, where it is transmitted.
    flagged
        (ray, gate) where the radar's own clutter flag is set, where it is transmitted.
    dual
        Dual-polarisation moments on the same gates; None where the radar has one polarisation.
    """

    elevation_deg: float
    azimuth_deg: NDArray[np.float32]
    dbz: NDArray[np.float32]
    velocity_m_s: NDArray[np.float32]
    gate_m: float
    first_gate_m: float
    total_dbz: NDArray[np.float32] | None = None
    flagged: NDArray[np.bool_] | None = None
    dual: DualPol | None = None

    @property
    def range_m(self) -> NDArray[np.float64]:
        """Range of gate centres in m."""
        return np.asarray(
            self.first_gate_m + np.arange(self.dbz.shape[1]) * self.gate_m, np.float64
        )


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


def calibrated(sweep: PolarSweep, offset_db: float) -> PolarSweep:
    """Return the sweep with an offset taken off all echo; dry stays dry.

    Parameters
    ----------
    sweep, offset_db
        As measured; dB that it reads too high.
    """
    if not offset_db:
        return sweep
    total = sweep.total_dbz
    return replace(
        sweep,
        dbz=_without(sweep.dbz, offset_db),
        total_dbz=None if total is None else _without(total, offset_db),
    )


def _without(dbz: NDArray[np.float32], offset_db: float) -> NDArray[np.float32]:
    lowest = np.float32(DRY_DBZ)
    lowered = np.maximum(dbz - np.float32(offset_db), lowest)
    return np.where(dbz == lowest, lowest, lowered)


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
    factor = max(1, round(_MIN_GATE_M / moment.gate_m))
    dbz = _reflectivity(moment, order, factor)
    gate_m = moment.gate_m * factor
    first_m = moment.first_gate_m + moment.gate_m * (factor - 1) / 2
    azimuth = sweep.azimuth_deg[order]
    range_m = np.asarray(first_m + np.arange(dbz.shape[1]) * gate_m, np.float64)
    total = sweep.moments.get("DBTH")
    flag = sweep.moments.get("CF")
    return PolarSweep(
        sweep.elevation_deg,
        azimuth,
        dbz,
        _velocity_on(doppler, azimuth, range_m),
        gate_m,
        first_m,
        _reflectivity(total, order, factor) if _same_gates(total, moment) else None,
        _flagged(flag, order, factor) if _same_gates(flag, moment) else None,
        _dual(sweep, order, factor),
    )


def _same_gates(moment: Moment | None, other: Moment) -> TypeGuard[Moment]:
    return (
        moment is not None
        and moment.codes.shape == other.codes.shape
        and moment.gate_m == other.gate_m
        and moment.first_gate_m == other.first_gate_m
    )


def _reflectivity(moment: Moment, order: NDArray[np.intp], factor: int) -> NDArray[np.float32]:
    dbz = np.where(moment.dry(), np.float32(DRY_DBZ), moment.values())
    return _coarsen_gates(dbz[order], factor)


def _flagged(moment: Moment, order: NDArray[np.intp], factor: int) -> NDArray[np.bool_]:
    """Where the radar filtered: the lowest bit of the flag, which has others above it."""
    bit = (moment.codes >= moment.first_valid) & ((moment.codes - moment.first_valid) % 2 == 1)
    n = bit.shape[1] // factor
    blocks = bit[order][:, : n * factor].reshape(-1, n, factor)
    return np.asarray(blocks.mean(axis=-1) >= 0.5)


def _dual(sweep: Sweep, order: NDArray[np.intp], factor: int) -> DualPol | None:
    """Dual-polarisation moments on the coarser gates; phases are averaged as directions."""
    z = sweep.moments["DBZH"]
    zdr, rho, phi = (sweep.moments.get(name) for name in ("ZDR", "RHOHV", "PHIDP"))
    if not (_same_gates(zdr, z) and _same_gates(rho, z) and _same_gates(phi, z)):
        return None
    return DualPol(
        mean_gates(zdr.values()[order], factor),
        mean_gates(rho.values()[order], factor),
        _mean_direction(phi.values()[order], factor),
    )


@numba.njit(cache=True, nogil=True)
def mean_gates(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean of neighbouring gates; missing where most of them are missing."""
    n_rays, n = values.shape[0], values.shape[1] // factor
    out = np.full((n_rays, n), np.float32(np.nan))
    for ray in range(n_rays):
        for block in range(n):
            total, count = 0.0, 0
            for value in values[ray, block * factor : (block + 1) * factor]:
                if np.isfinite(value):
                    total += value
                    count += 1
            if count > 0 and count * 2 >= factor:
                out[ray, block] = total / count
    return out


@numba.njit(cache=True, nogil=True)
def _mean_direction(angle_deg: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Direction of neighbouring gates, 0 to 360; missing where most of them are missing."""
    n_rays, n = angle_deg.shape[0], angle_deg.shape[1] // factor
    out = np.full((n_rays, n), np.float32(np.nan))
    for ray in range(n_rays):
        for block in range(n):
            north, east, count = 0.0, 0.0, 0
            for angle in angle_deg[ray, block * factor : (block + 1) * factor]:
                if np.isfinite(angle):
                    turn = np.float32(np.radians(angle))  # single precision: a third of the time
                    north += np.sin(turn)
                    east += np.cos(turn)
                    count += 1
            if count > 0 and count * 2 >= factor:
                out[ray, block] = np.degrees(np.arctan2(north, east)) % 360.0
    return out


@numba.njit(cache=True, nogil=True)
def _coarsen_gates(dbz: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean of neighbouring gates in linear Z; missing where most of them are missing."""
    if factor == 1:
        return dbz
    n_rays, n = dbz.shape[0], dbz.shape[1] // factor
    dry_z = 10.0 ** (DRY_DBZ / 10.0)  # of most gates: no power of ten for each of them
    out = np.full((n_rays, n), np.float32(np.nan))
    for ray in range(n_rays):
        for block in range(n):
            total, count, dry = 0.0, 0, 0
            for value in dbz[ray, block * factor : (block + 1) * factor]:
                if value == DRY_DBZ:
                    dry += 1
                elif np.isfinite(value):
                    total += np.exp(value * np.float32(_LN10_BY_10))  # 10 ** (value / 10)
                    count += 1
            if count > 0 and (count + dry) * 2 >= factor:
                mean = 10.0 * np.log10((total + dry * dry_z) / (count + dry))
                out[ray, block] = max(mean, DRY_DBZ)
            elif dry > 0 and dry * 2 >= factor:
                out[ray, block] = DRY_DBZ
    return out


def _velocity_on(
    doppler: Sweep | None, azimuth_deg: NDArray[np.float32], range_m: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Nearest absolute velocity on the given rays and gates."""
    if doppler is None:
        return np.full((len(azimuth_deg), len(range_m)), np.nan, np.float32)
    moment = doppler.moments["VRADH"]
    ray, off_deg = nearest_rays(doppler.azimuth_deg, azimuth_deg)
    gate = np.rint((range_m - moment.first_gate_m) / moment.gate_m).astype(np.int64)
    gate[(gate < 0) | (gate >= moment.codes.shape[1])] = -1
    ray[off_deg > _NEAR_DEG] = -1
    code = np.array([moment.first_valid, moment.offset, moment.scale], np.float32)
    return np.asarray(_sizes_at(moment.codes, code, ray, gate))


@numba.njit(cache=True, nogil=True)
def _sizes_at(
    codes: NDArray[np.uint8] | NDArray[np.uint16],
    code: NDArray[np.float32],
    ray: NDArray[np.int64],
    gate: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Absolute values of codes at rays and gates; NaN where these are -1 or the code is no data."""
    first_valid, offset, scale = code
    out = np.full((len(ray), len(gate)), np.float32(np.nan))
    for i in range(len(ray)):
        if ray[i] < 0:
            continue
        for j in range(len(gate)):
            if gate[j] >= 0 and codes[ray[i], gate[j]] >= first_valid:
                out[i, j] = abs((np.float32(codes[ray[i], gate[j]]) - offset) / scale)
    return out
