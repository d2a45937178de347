"""Convective and stratiform echo of a sweep (Steiner et al. 1995, J. Appl. Meteor. 34, 1978)."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.polar import DRY_DBZ, PolarSweep


@dataclass(frozen=True, slots=True)
class RainTypeParams:
    """What makes a core, and how far around it the echo counts as convective.

    Parameters
    ----------
    core_dbz
        From here on echo is convective (eq. 1 of the paper).
    background_m
        Radius of the mean that other cores stand out of: by 10 dB over weak echo, less over strong
        (eq. 2).
    around_m
        Echo so near a core is convective; the paper takes 1 to 5 km by the background.
    """

    core_dbz: float = 40.0
    background_m: float = 11_000.0
    around_m: float = 2_500.0


def convective(sweep: PolarSweep, params: RainTypeParams) -> NDArray[np.bool_]:
    """Mark convective echo of a cleaned sweep: (ray, gate)."""
    echo = sweep.dbz > DRY_DBZ
    z = np.where(echo, 10.0 ** (np.where(echo, sweep.dbz, 0.0) / 10.0), 0.0)
    step_rad = 2.0 * np.pi / len(sweep.azimuth_deg)
    args = (sweep.range_m, sweep.gate_m, step_rad)
    count = _window_sums(echo.astype(np.float64), *args, params.background_m)
    total = _window_sums(z, *args, params.background_m)
    background = 10.0 * np.log10(np.maximum(total, 1e-3) / np.maximum(count, 1.0))
    stands_out = np.clip(10.0 - background**2 / 180.0, 0.0, 10.0)
    stands_out[background < 0.0] = 10.0
    core = echo & ((sweep.dbz >= params.core_dbz) | (sweep.dbz - background >= stands_out))
    near = _window_sums(core.astype(np.float64), *args, params.around_m)
    return np.asarray(echo & (near > 0.5))


@numba.njit(cache=True, nogil=True)
def _window_sums(
    values: NDArray[np.float64],
    range_m: NDArray[np.float64],
    gate_m: float,
    step_rad: float,
    radius_m: float,
) -> NDArray[np.float64]:
    """Sums over windows of about the same size in m at all ranges; rays close a circle."""
    n_rays, n_gates = values.shape
    half = max(1, round(radius_m / gate_m))
    along = np.zeros((n_rays, n_gates))
    for ray in range(n_rays):
        whole = 0.0
        for gate in range(min(half, n_gates)):
            whole += values[ray, gate]
        for gate in range(n_gates):
            if gate + half < n_gates:
                whole += values[ray, gate + half]
            if gate - half - 1 >= 0:
                whole -= values[ray, gate - half - 1]
            along[ray, gate] = whole
    out = np.zeros((n_rays, n_gates))
    for gate in range(n_gates):
        across = min(int(radius_m / (range_m[gate] * step_rad)), (n_rays - 1) // 2)
        whole = 0.0
        for k in range(-across, across + 1):
            whole += along[k % n_rays, gate]
        for ray in range(n_rays):
            out[ray, gate] = whole
            whole += along[(ray + across + 1) % n_rays, gate] - along[(ray - across) % n_rays, gate]
    return out
