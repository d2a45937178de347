"""Attenuation by rain along the rays from the phase: ZPHI with a self-consistent ratio (numba)."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.polar import DRY_DBZ

_LN10_BY_10 = 0.23025850929940458
_LAST_GATES = 5
_BROKEN_OFF_DBZ = 25.0
_WEAKENED_DB = 3.0


@dataclass(frozen=True, slots=True)
class AttenuationParams:
    """How much a band is weakened by rain.

    Parameters
    ----------
    gamma_db_deg
        Specific attenuation over KDP (dB per degree), the usual one and the range searched.
    beta_db_deg
        The same of differential reflectivity.
    exponent
        Of ``A = a Z^b`` (Testud et al. 2000, J. Atmos. Oceanic Technol. 17, 332-356).
    min_rise_deg
        Rise of the phase over a segment from which its shape tells the ratio.
    """

    gamma_db_deg: float
    gamma_low: float
    gamma_high: float
    beta_db_deg: float
    exponent: float = 0.78
    min_rise_deg: float = 20.0
    max_gap_m: float = 3_000.0  # echo farther apart belongs to two segments
    lost_dbz: float = 20.0  # rain this strong must be seen where a gate is called dry


ATTENUATION = {
    "S": AttenuationParams(0.02, 0.02, 0.02, 0.002, 0.62),
    "C": AttenuationParams(0.08, 0.05, 0.14, 0.02, 0.80),
    "X": AttenuationParams(0.28, 0.16, 0.45, 0.04, 0.78),
}


@dataclass(frozen=True, slots=True)
class Attenuation:
    """Attenuation of a sweep, each (ray, gate).

    Parameters
    ----------
    specific_db_km
        One-way, NaN where there is no rain whose phase is known.
    path_db
        Two-way from the radar to the gate.
    path_zdr_db
        The same of differential reflectivity.
    rise_deg
        Rise of the phase over the segment that the gate lies in, 0 elsewhere.
    kdp_deg_km
        Attenuation as specific phase: as fine as reflectivity, and its integral the rise.
    """

    specific_db_km: NDArray[np.float32]
    path_db: NDArray[np.float32]
    path_zdr_db: NDArray[np.float32]
    rise_deg: NDArray[np.float32]
    kdp_deg_km: NDArray[np.float32]


def attenuation(
    dbz: NDArray[np.float32],
    phidp_deg: NDArray[np.float32],
    below_m: int,
    gate_m: float,
    params: AttenuationParams,
) -> Attenuation:
    """Attenuation from measured reflectivity and cleaned phase.

    Parameters
    ----------
    dbz, phidp_deg
        (ray, gate): as measured; phase smoothed, NaN where it is not known.
    below_m
        Number of gates below the melting layer; beyond it nothing more is added.
    gate_m
        Gate length.
    params
        Of the band.
    """
    ratios = np.unique(
        np.append(np.arange(params.gamma_low, params.gamma_high, 0.01), params.gamma_db_deg)
    )
    settings = np.array(
        [params.gamma_db_deg, params.exponent, params.min_rise_deg, params.max_gap_m / gate_m]
    )
    a, path, rise, kdp = _zphi(dbz, phidp_deg, below_m, gate_m / 1000.0, ratios, settings)
    differential = path * np.float32(params.beta_db_deg / params.gamma_db_deg)
    return Attenuation(a, path, np.asarray(differential, np.float32), rise, kdp)


@numba.njit(cache=True, nogil=True)
def _segment(
    power: NDArray[np.float64], rise_deg: float, ratio: float, b: float, gate_km: float
) -> NDArray[np.float64]:
    """Specific attenuation (dB/km, one-way) of one segment: Testud et al. (2000), eq. 23-25.

    ``power`` is reflectivity (mm6 m-3) to the power of ``b``, the same for every ratio.
    """
    n = len(power)
    integral = np.zeros(n)  # from each gate to the far end
    total = 0.0
    for k in range(n - 1, -1, -1):
        integral[k] = total + 0.5 * 0.46 * b * gate_km * power[k]
        total += 0.46 * b * gate_km * power[k]
    factor = 10.0 ** (0.1 * b * ratio * rise_deg) - 1.0
    a: NDArray[np.float64] = power * factor / (total + factor * integral)
    return a


@numba.njit(cache=True, nogil=True)
def _best_ratio(
    power: NDArray[np.float64],
    phase: NDArray[np.float32],
    ratios: NDArray[np.float64],
    rise_deg: float,
    b: float,
    gate_km: float,
) -> float:
    """Ratio whose attenuation, turned into phase, fits the phase best (Bringi et al. 2001)."""
    best, least = ratios[0], np.inf
    for ratio in ratios:
        a = _segment(power, rise_deg, ratio, b, gate_km)
        cost, made = 0.0, 0.0
        start = phase[0]
        for k in range(len(power)):
            made += a[k] * gate_km / ratio
            if not np.isnan(phase[k]):
                cost += abs(phase[k] - start - made)
            made += a[k] * gate_km / ratio
        if cost < least:
            best, least = ratio, cost
    return float(best)


@numba.njit(cache=True, nogil=True)
def _zphi(
    dbz: NDArray[np.float32],
    phidp_deg: NDArray[np.float32],
    n_below: int,
    gate_km: float,
    ratios: NDArray[np.float64],
    settings: NDArray[np.float64],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    usual, b, min_rise, max_gap = settings
    n_rays, n_gates = dbz.shape
    specific = np.full((n_rays, n_gates), np.float32(np.nan))
    path = np.zeros((n_rays, n_gates), np.float32)
    rises = np.zeros((n_rays, n_gates), np.float32)
    kdp = np.full((n_rays, n_gates), np.float32(np.nan))
    for ray in range(n_rays):
        gate, n = 0, min(n_below, n_gates)
        while gate < n:
            if np.isnan(phidp_deg[ray, gate]):
                gate += 1
                continue
            first, last = gate, gate
            while gate < n and gate - last <= max_gap:
                if not np.isnan(phidp_deg[ray, gate]):
                    last = gate
                gate += 1
            rise = float(phidp_deg[ray, last] - phidp_deg[ray, first])
            if last - first < 5 or rise <= 0:
                continue
            power = np.zeros(last - first + 1)
            for k in range(first, last + 1):
                if dbz[ray, k] > 0.0:
                    power[k - first] = np.exp(b * _LN10_BY_10 * dbz[ray, k])
            if power.sum() == 0:
                continue
            ratio = usual
            if rise >= min_rise and len(ratios) > 1:
                ratio = _best_ratio(
                    power, phidp_deg[ray, first : last + 1], ratios, rise, b, gate_km
                )
            a = _segment(power, rise, ratio, b, gate_km)
            so_far = 0.0
            for k in range(first, n_gates):
                if k <= last:
                    specific[ray, k] = a[k - first]
                    rises[ray, k] = rise
                    kdp[ray, k] = a[k - first] / ratio
                    so_far += a[k - first] * gate_km
                path[ray, k] += so_far
                if k <= last:
                    so_far += a[k - first] * gate_km
    return specific, path, rises, kdp


def corrected(
    dbz: NDArray[np.float32],
    path_db: NDArray[np.float32],
    range_m: NDArray[np.float64],
    lost_dbz: float,
) -> NDArray[np.float32]:
    """Reflectivity with its attenuation added back; dry gates behind too much of it missing.

    A gate without echo is dry only where rain of ``lost_dbz`` would have been above the noise
    despite the attenuation; the noise is read from the weakest echo of the sweep.

    Parameters
    ----------
    dbz, path_db
        (ray, gate): measured, `DRY_DBZ` where no echo; two-way attenuation.
    range_m
        (gate,)
    lost_dbz
        Rain that must be seen.
    """
    echo = dbz > DRY_DBZ
    out = np.where(echo, dbz + path_db, dbz).astype(np.float32)
    weakened = path_db > 1.0
    if not weakened.any():
        return out
    spreading = 20.0 * np.log10(np.maximum(range_m, 1.0))
    noise = np.quantile((dbz - spreading)[echo], 0.01) + spreading
    lost = ~echo & weakened & (noise + path_db > lost_dbz)
    out[lost | _extinct(out, path_db)] = np.nan
    return out


@numba.njit(cache=True, nogil=True)
def _extinct(dbz: NDArray[np.float32], path_db: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Mark dry gates behind weakened echo that breaks off while it is still strong.

    Rain thins out; what ends at 25 dBZ or more behind attenuation was drowned in the noise, and
    how much was lost behind it cannot be told from the phase that was lost with it.
    """
    n_rays, n_gates = dbz.shape
    out = np.zeros((n_rays, n_gates), np.bool_)
    for ray in range(n_rays):
        last = np.zeros(_LAST_GATES, np.float32)
        run, lost = 0, False
        for gate in range(n_gates):
            value = dbz[ray, gate]
            if value > DRY_DBZ:
                last[run % _LAST_GATES] = value
                run += 1
                if run >= _LAST_GATES:  # the signal is back
                    lost = False
            elif value == DRY_DBZ:
                if run > 0 and path_db[ray, gate] > _WEAKENED_DB:
                    lost = lost or last[: min(run, _LAST_GATES)].max() >= _BROKEN_OFF_DBZ
                run = 0
                out[ray, gate] = lost
    return out
