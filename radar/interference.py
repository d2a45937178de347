"""Radial spokes of the sun, of wireless networks and of other radars, taken out of a sweep."""

from dataclasses import dataclass, replace

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.polar import PolarSweep


@dataclass(frozen=True, slots=True)
class SpokeParams:
    """What makes a ray a spoke.

    A source that sends all the time is received with one power at every range, so that the radar
    equation makes of it a reflectivity that rises like 20 log r (Holleman et al. 2010, J. Atmos.
    Oceanic Technol. 27, 159-166). Rain is not so thin: it stands in the rays beside it as well.
    """

    min_range_m: float = 10_000.0
    beside_deg: float = 3.0  # where the rays start that a spoke is compared with
    above_beside_db: float = 3.0  # a gate of a spoke stands above those on both sides
    fit_db: float = 3.5  # and lies that close to the curve
    open_share: float = 0.6  # of the gates at which nothing beside hides the curve: all do both
    ray_share: float = 0.33  # of the scanned gates that do both: a tongue of rain is shorter


def without_spokes(sweep: PolarSweep, params: SpokeParams) -> PolarSweep:
    """Return the sweep with the gates of spokes missing, so that the sweep above takes over."""
    found = spoke_gates(sweep.dbz, sweep.azimuth_deg, sweep.range_m, params)
    if not found.any():
        return sweep
    return replace(sweep, dbz=np.where(found, np.float32(np.nan), sweep.dbz))


def spoke_gates(
    dbz: NDArray[np.float32],
    azimuth_deg: NDArray[np.float32],
    range_m: NDArray[np.float64],
    params: SpokeParams,
) -> NDArray[np.bool_]:
    """Gates that hold a spoke and nothing stronger.

    Parameters
    ----------
    dbz
        (ray, gate) reflectivity, NaN where missing.
    azimuth_deg
        (ray,) ascending, all around.
    range_m
        (gate,) centres in m.
    params
        Parameters.

    Returns
    -------
    (ray, gate) bool. A gate of a spoke where the rays beside it show as much echo is left alone:
    rain is as good an explanation there.
    """
    far = range_m >= params.min_range_m
    out = np.zeros(dbz.shape, np.bool_)
    offset = max(2, round(params.beside_deg * len(azimuth_deg) / 360.0))
    if not far.any() or len(azimuth_deg) <= 2 * offset + 4:
        return out
    echo = dbz[:, far]
    power = echo - (20.0 * np.log10(range_m[far] / 1000.0)).astype(np.float32)[None, :]
    beside = np.maximum(_middle_of_three(echo, offset), _middle_of_three(echo, -offset - 2))
    limits = np.array([params.above_beside_db, params.fit_db, params.open_share, params.ray_share])
    out[:, far] = _spokes(power, echo - beside, limits)
    return out


def _middle_of_three(dbz: NDArray[np.float32], offset: int) -> NDArray[np.float32]:
    """Median of the three rays from ``offset`` on, so that one more spoke there does not count."""
    a, b, c = (np.roll(dbz, -offset - k, axis=0) for k in range(3))
    return np.maximum(np.minimum(a, b), np.minimum(np.maximum(a, b), c))


@numba.njit(cache=True)
def _spokes(
    power: NDArray[np.float32], excess: NDArray[np.float32], limits: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Find in each ray the received power that most gates above their neighbours share."""
    above_db, fit_db, open_share, ray_share = limits
    n_rays, n_gates = power.shape
    out = np.zeros(power.shape, np.bool_)
    count = np.zeros(200, np.int64)  # gates a decibel of power, from -100 dB on
    for ray in range(n_rays):
        count[:] = 0
        scanned = 0
        for gate in range(n_gates):
            value = power[ray, gate]
            scanned += not np.isnan(value)
            if excess[ray, gate] >= above_db and -99.0 < value < 99.0:
                count[int(np.floor(value)) + 100] += 1
        best, most = 0, 0
        for level in range(2, 198):
            near = count[level - 2 : level + 3].sum()
            if near > most:
                best, most = level, near
        if most == 0 or most < ray_share * scanned:
            continue
        total = 0.0
        unhidden = 0
        for gate in range(n_gates):
            value = power[ray, gate]
            if excess[ray, gate] >= above_db and abs(value - (best - 99.5)) <= 2.5:
                total += value
            unhidden += (best - 99.5) - (value - excess[ray, gate]) >= above_db
        if most < open_share * unhidden:
            continue
        for gate in range(n_gates):
            close = abs(power[ray, gate] - total / most) <= fit_db
            out[ray, gate] = close and excess[ray, gate] > 0
    return out
