"""Differential phase: offset, unfolding, smoothing, and its slope KDP (numba kernels)."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PhaseParams:
    """How a phase is cleaned and differentiated.

    Windows as in Ryzhkov & Zrnic (1996, J. Atmos. Oceanic Technol. 13, 1237-1246): short in heavy
    rain, long in light rain.
    """

    min_rhohv: float = 0.90
    max_texture_deg: float = 15.0
    heavy_dbz: float = 38.0
    heavy_window_m: float = 2_000.0
    light_window_m: float = 5_000.0
    outlier_deg: float = 12.0  # from the running median

    def half_gates(self, window_m: float, gate_m: float) -> int:
        """Gates on either side of the middle of a window."""
        return max(2, round(window_m / gate_m / 2))


def system_offset(
    phidp_deg: NDArray[np.float32], good: NDArray[np.bool_], first: int = 10
) -> float:
    """Phase of a sweep before any rain: what most rays begin with.

    Parameters
    ----------
    phidp_deg
        (ray, gate) as measured, NaN where there is none.
    good
        (ray, gate) gates whose phase is that of weather.
    first
        Good gates of each ray that count.

    Returns
    -------
    Degrees in [0, 360), NaN where no ray has good gates. It is the lower quartile over the rays
    (of angles about their mean), because rain at the radar only raises the first phases.
    """
    turn = _first_directions(phidp_deg, good, first)
    turn = turn[np.isfinite(turn)]
    if not len(turn):
        return float("nan")
    middle = np.angle((turn / np.maximum(np.abs(turn), 1e-9)).sum())
    off = np.angle(turn * np.exp(-1j * middle))
    return float(np.degrees(middle + np.quantile(off, 0.25)) % 360.0)


@numba.njit(cache=True, nogil=True)
def _first_directions(
    phidp_deg: NDArray[np.float32], good: NDArray[np.bool_], first: int
) -> NDArray[np.complex128]:
    """Sum of the directions of the first good gates of each ray; NaN where there are fewer."""
    out = np.full(len(good), np.complex128(np.nan))
    for ray in range(len(good)):
        turn, n = 0j, 0
        for gate in range(good.shape[1]):
            if good[ray, gate]:
                turn += np.exp(1j * np.radians(np.float64(phidp_deg[ray, gate])))
                n += 1
                if n == first:
                    out[ray] = turn
                    break
    return out


@numba.njit(cache=True, nogil=True)
def unfold(
    phidp_deg: NDArray[np.float32], good: NDArray[np.bool_], offset_deg: float
) -> NDArray[np.float32]:
    """Phase since the radar: offset taken off, turns of 360 degrees added back.

    Each good gate takes the turn that brings it nearest to the median of the five good gates
    before it; the first ones are brought nearest to the offset. Other gates are NaN.

    Parameters
    ----------
    phidp_deg, good
        (ray, gate).
    offset_deg
        Of the system.
    """
    n_rays, n_gates = phidp_deg.shape
    out = np.full((n_rays, n_gates), np.float32(np.nan))
    last, ordered = np.empty(5, np.float32), np.empty(5, np.float32)
    for ray in range(n_rays):
        last[:], ordered[:], oldest = 0, 0, 0
        for gate in range(n_gates):
            if not good[ray, gate] or np.isnan(phidp_deg[ray, gate]):
                continue
            value = phidp_deg[ray, gate] - offset_deg
            value -= 360.0 * np.rint((value - ordered[2]) / 360.0)
            out[ray, gate] = value
            _take_out(ordered, 5, last[oldest])
            last[oldest] = value
            _put_in(ordered, 4, last[oldest])
            oldest = (oldest + 1) % 5
    return out


@numba.njit(inline="always")
def _put_in(ordered: NDArray[np.float32], n: int, value: np.float32) -> None:
    """Insert a value into the first ``n`` of an ascending array."""
    k = n
    while k > 0 and ordered[k - 1] > value:
        ordered[k] = ordered[k - 1]
        k -= 1
    ordered[k] = value


@numba.njit(inline="always")
def _take_out(ordered: NDArray[np.float32], n: int, value: np.float32) -> None:
    """Remove a value that is among the first ``n`` of an ascending array."""
    k = 0
    while ordered[k] < value:
        k += 1
    for j in range(k, n - 1):
        ordered[j] = ordered[j + 1]


@numba.njit(cache=True, nogil=True)
def smooth(phase_deg: NDArray[np.float32], half: int, outlier_deg: float) -> NDArray[np.float32]:
    """Phase without outliers: NaN where it is far from the running median along the ray."""
    n_rays, n_gates = phase_deg.shape
    out = np.full((n_rays, n_gates), np.float32(np.nan))
    ordered = np.empty(2 * half + 2, np.float32)
    for ray in range(n_rays):
        phase = phase_deg[ray]
        n = 0
        for gate in range(-half, n_gates):
            if gate + half < n_gates and not np.isnan(phase[gate + half]):
                _put_in(ordered, n, phase[gate + half])
                n += 1
            if gate - half > 0 and not np.isnan(phase[gate - half - 1]):
                _take_out(ordered, n, phase[gate - half - 1])
                n -= 1
            if gate < 0 or n < 3 or np.isnan(phase[gate]):
                continue
            median = np.float32(0.5) * (ordered[n // 2] + ordered[(n - 1) // 2])
            if abs(phase[gate] - median) <= outlier_deg:
                out[ray, gate] = phase[gate]
    return out


@numba.njit(cache=True, nogil=True)
def fit_line(
    phase_deg: NDArray[np.float32],
    halves: NDArray[np.int64],
    gate_m: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit a line to the phase around each gate: fitted phase (deg) and half its slope, KDP.

    Parameters
    ----------
    phase_deg
        (ray, gate) unfolded, NaN where there is none.
    halves
        (ray, gate) gates on either side that are fitted, by least squares.
    gate_m
        Gate length.

    Returns
    -------
    (ray, gate) phase in degrees and KDP in degrees per km; NaN where fewer than half of the
    window's gates have a phase.
    """
    n_rays, n_gates = phase_deg.shape
    fitted = np.full((n_rays, n_gates), np.float32(np.nan))
    kdp = np.full((n_rays, n_gates), np.float32(np.nan))
    # Sums up to each gate, of which a window's are differences: of 1, k, k * k (exact), y, k * y.
    known = np.zeros((3, n_gates + 1), np.int64)
    sums = np.zeros((2, n_gates + 1))
    for ray in range(n_rays):
        _sum_up(phase_deg[ray], known, sums)
        for gate in range(n_gates):
            half = halves[ray, gate]
            a, b = max(gate - half, 0), min(gate + half + 1, n_gates)
            n = known[0, b] - known[0, a]
            if n < half + 1:
                continue
            k, kk = known[1, b] - known[1, a], known[2, b] - known[2, a]
            sx = float(k - n * gate)
            sxx = float(kk - 2 * gate * k + n * gate * gate)
            sy = sums[0, b] - sums[0, a]
            sxy = sums[1, b] - sums[1, a] - gate * sy
            spread = n * sxx - sx * sx
            if spread <= 0:
                continue
            slope = (n * sxy - sx * sy) / spread
            fitted[ray, gate] = (sy - slope * sx) / n
            kdp[ray, gate] = slope / (2.0 * gate_m / 1000.0)
    return fitted, kdp


@numba.njit(inline="always")
def _sum_up(
    phase_deg: NDArray[np.float32], known: NDArray[np.int64], sums: NDArray[np.float64]
) -> None:
    """Write the sums of a ray up to before each gate."""
    for k in range(len(phase_deg)):
        value = np.float64(phase_deg[k])
        there = not np.isnan(value)
        known[0, k + 1] = known[0, k] + there
        known[1, k + 1] = known[1, k] + (k if there else 0)
        known[2, k + 1] = known[2, k] + (k * k if there else 0)
        sums[0, k + 1] = sums[0, k] + (value if there else 0.0)
        sums[1, k + 1] = sums[1, k] + (k * value if there else 0.0)


@dataclass(frozen=True, slots=True)
class Phase:
    """Cleaned phase of a sweep.

    Parameters
    ----------
    offset_deg
        Of the system; NaN where no ray showed it.
    unfolded_deg
        (ray, gate) since the radar, good gates alone.
    phidp_deg
        (ray, gate) the same, smoothed.
    kdp_deg_km
        (ray, gate) its slope, halved.
    """

    offset_deg: float
    unfolded_deg: NDArray[np.float32]
    phidp_deg: NDArray[np.float32]
    kdp_deg_km: NDArray[np.float32]


def process(
    phidp_deg: NDArray[np.float32],
    dbz: NDArray[np.float32],
    good: NDArray[np.bool_],
    gate_m: float,
    params: PhaseParams,
) -> Phase:
    """Clean the phase of a sweep and differentiate it.

    Parameters
    ----------
    phidp_deg, dbz, good
        (ray, gate): as measured; reflectivity, for the windows; gates whose phase is weather's.
    gate_m
        Gate length.
    params
        Parameters.
    """
    offset = system_offset(phidp_deg, good)
    if np.isnan(offset):
        nothing = np.full(phidp_deg.shape, np.nan, np.float32)
        return Phase(offset, nothing, nothing, nothing)
    unfolded = unfold(phidp_deg, good, offset)
    heavy = params.half_gates(params.heavy_window_m, gate_m)
    light = params.half_gates(params.light_window_m, gate_m)
    kept = smooth(unfolded, heavy, params.outlier_deg)
    halves = np.where(dbz >= params.heavy_dbz, heavy, light).astype(np.int64)
    fitted, kdp = fit_line(kept, halves, gate_m)
    return Phase(offset, unfolded, fitted, kdp)
