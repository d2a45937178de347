"""Small-scale roughness of fields on rays and gates: what tells echo of ground from rain."""

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.polar import DRY_DBZ


@numba.njit(cache=True, nogil=True)
def mean_around(field: NDArray[np.float32], half_rays: int, half_gates: int) -> NDArray[np.float32]:
    """Mean over the window around each gate; NaN where it holds fewer than three values."""
    n_rays, n_gates = field.shape
    out = np.empty((n_rays, n_gates), np.float32)
    sums = np.zeros(n_gates + 2 * half_gates)  # over the rays, with nothing beyond the ends
    counts = np.zeros(n_gates + 2 * half_gates, np.float32)
    total, n = np.empty(n_gates), np.empty(n_gates, np.float32)
    for ray in range(n_rays):
        sums[:], counts[:] = 0, 0
        for i in range(-half_rays, half_rays + 1):
            row = field[(ray + i) % n_rays]
            for gate in range(n_gates):
                known = not np.isnan(row[gate])
                sums[half_gates + gate] += row[gate] if known else np.float32(0)
                counts[half_gates + gate] += np.float32(known)
        total[:], n[:] = 0.0, np.float32(0)
        for j in range(2 * half_gates + 1):  # gates innermost: several at once
            for gate in range(n_gates):
                total[gate] += sums[gate + j]
                n[gate] += counts[gate + j]
        for gate in range(n_gates):
            out[ray, gate] = total[gate] / n[gate] if n[gate] >= 3 else np.nan
    return out


@numba.njit(cache=True, nogil=True)
def texture(field: NDArray[np.float32], half_rays: int, half_gates: int) -> NDArray[np.float32]:
    """Root mean square of differences between neighbouring gates along the rays.

    Parameters
    ----------
    field
        (ray, gate), NaN where there is no value; rays close a circle.
    half_rays, half_gates
        The window has ``2 half + 1`` rays and gates.

    Returns
    -------
    (ray, gate), in the unit of the field, NaN where a window holds fewer than three pairs (Hubbert
    et al. 2009, J. Atmos. Oceanic Technol. 26, 1181-1197, eq. 1: TDBZ is its square).
    """
    n_rays, n_gates = field.shape
    squares = np.empty((n_rays, n_gates), np.float32)
    for ray in range(n_rays):
        squares[ray, 0] = np.nan
        for gate in range(1, n_gates):
            squares[ray, gate] = (field[ray, gate] - field[ray, gate - 1]) ** 2
    return np.sqrt(mean_around(squares, half_rays, half_gates))


@numba.njit(cache=True, nogil=True)
def phase_texture(
    phase_deg: NDArray[np.float32], half_rays: int, half_gates: int
) -> NDArray[np.float32]:
    """Texture of a differential phase in degrees: of second differences, over 360 degrees.

    Second differences do not see the steady rise in heavy rain; divided by the root of 3 they
    have the size of the first differences of white noise.
    """
    n_rays, n_gates = phase_deg.shape
    squares = np.full((n_rays, n_gates), np.float32(np.nan))
    turn, third = np.float32(360), np.float32(1 / 3)
    for ray in range(n_rays):
        row = phase_deg[ray]
        for gate in range(1, n_gates - 1):
            bend = row[gate + 1] - row[gate] - (row[gate] - row[gate - 1])
            bend -= turn * np.floor(bend / turn + np.float32(0.5))  # many times faster than %
            squares[ray, gate] = bend * bend * third
    return np.sqrt(mean_around(squares, half_rays, half_gates))


def echo_only(dbz: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reflectivity with NaN where there is no echo, so that its edges are not rough."""
    return np.where(dbz > DRY_DBZ, dbz, np.float32(np.nan))
