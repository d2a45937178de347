"""Sums over windows of rays and gates, the rays closing a circle (numba kernels)."""

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True, nogil=True)
def window_sums(
    values: NDArray[np.float32], half_rays: int, half_gates: int, repeated: bool
) -> NDArray[np.float32]:
    """Sum of the window around each gate.

    Parameters
    ----------
    values
        (ray, gate), all of them finite.
    half_rays, half_gates
        The window has ``2 half + 1`` rays and gates; no more rays than there are.
    repeated
        Whether the first and last gate stand for those beyond; these count nothing otherwise.
    """
    n_rays, n_gates = values.shape
    out = np.empty((n_rays, n_gates), np.float32)
    rays = np.zeros(n_gates)  # sums over the rays of the window, moved on ray by ray
    for i in range(-half_rays - 1, half_rays):
        for gate in range(n_gates):
            rays[gate] += values[i % n_rays, gate]
    for ray in range(n_rays):
        comes, goes = (ray + half_rays) % n_rays, (ray - half_rays - 1) % n_rays
        for gate in range(n_gates):
            rays[gate] += np.float64(values[comes, gate]) - np.float64(values[goes, gate])
        total = 0.0
        for gate in range(-half_gates, n_gates):
            if gate + half_gates < n_gates:
                total += rays[gate + half_gates]
            elif repeated:
                total += rays[n_gates - 1]
            if gate == -half_gates and repeated:
                total += half_gates * rays[0]
            elif gate > half_gates:
                total -= rays[gate - half_gates - 1]
            elif gate > 0 and repeated:
                total -= rays[0]
            if gate >= 0:
                out[ray, gate] = total
    return out


@numba.njit(cache=True, nogil=True)
def nearest_rays(
    azimuth_deg: NDArray[np.float32], wanted_deg: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Ray nearest to each azimuth, the first of equally near ones, and how far it is in degrees."""
    nearest = np.zeros(len(wanted_deg), np.int64)
    distance = np.empty(len(wanted_deg), np.float32)
    for i in range(len(wanted_deg)):
        least = np.float32(np.inf)
        for ray in range(len(azimuth_deg)):
            off = np.float32(azimuth_deg[ray] - wanted_deg[i])
            off = abs(off - np.float32(360) * np.rint(off / np.float32(360)))
            if off < least:
                least, nearest[i] = off, ray
        distance[i] = least
    return nearest, distance
