"""Beam geometry with the 4/3 earth (Doviak & Zrnic 1993, eq. 2.28), in the plane of the grid."""

from dataclasses import dataclass
from functools import lru_cache

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.spec import GridSpec
from jinghu.radar.sites import RadarSite

EARTH_RADIUS_M = 6_371_000.0
EFFECTIVE_RADIUS_M = EARTH_RADIUS_M * 4.0 / 3.0


@dataclass(frozen=True, slots=True)
class SiteOnGrid:
    """Where a radar stands in the plane of a grid.

    Parameters
    ----------
    x_m, y_m
        Projected place.
    north_deg
        Azimuth, in the plane, of true north at the site (meridian convergence).
    """

    x_m: float
    y_m: float
    north_deg: float


@lru_cache(maxsize=64)
def place(site: RadarSite, spec: GridSpec) -> SiteOnGrid:
    """Project a site; the grid is conformal, so azimuths turn by the convergence only.

    The remaining error (arc to chord, scale) is below 0.02 degrees and 0.02 % within 230 km.
    """
    x, y = spec.to_xy([site.longitude] * 2, [site.latitude, site.latitude + 0.01])
    north = np.degrees(np.arctan2(x[1] - x[0], y[1] - y[0]))
    return SiteOnGrid(float(x[0]), float(y[0]), float(north))


@lru_cache(maxsize=16)  # asked several times a volume, and the same in each cycle
def polar_coordinates(
    at: SiteOnGrid, spec: GridSpec
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Azimuth (deg from north) and ground distance (m) of all cells, (ny, nx), read-only."""
    dx = (spec.x - at.x_m)[None, :]
    dy = (spec.y - at.y_m)[:, None]
    azimuth = np.degrees(np.arctan2(dx, dy)) - at.north_deg
    found = np.mod(azimuth, 360.0).astype(np.float32), np.hypot(dx, dy).astype(np.float32)
    for values in found:
        values.setflags(write=False)
    return found


@numba.njit(cache=True)
def slant_range(ground_m: float, elevation_deg: float) -> float:
    """Slant range in m of the beam axis above a ground distance.

    >>> round(slant_range(100e3, 0.5))
    100019
    """
    a = EFFECTIVE_RADIUS_M
    angle = ground_m / a
    return float(a * np.sin(angle) / np.cos(np.radians(elevation_deg) + angle))


@numba.njit(cache=True)
def beam_height(ground_m: float, elevation_deg: float, antenna_m: float) -> float:
    """Height in m above mean sea level of the beam axis above a ground distance.

    >>> round(beam_height(100e3, 0.5, 0.0))
    1462
    """
    a = EFFECTIVE_RADIUS_M
    elevation = np.radians(elevation_deg)
    return float(a * (np.cos(elevation) / np.cos(elevation + ground_m / a) - 1.0) + antenna_m)


@numba.njit(cache=True)
def ground_distance(slant_m: float, elevation_deg: float) -> float:
    """Ground distance in m below the beam axis at a slant range: inverse of `slant_range`."""
    a = EFFECTIVE_RADIUS_M
    elevation = np.radians(elevation_deg)
    return float(a * np.arctan2(slant_m * np.cos(elevation), a + slant_m * np.sin(elevation)))


@numba.njit(cache=True)
def gate_heights(
    range_m: NDArray[np.float64], elevation_deg: float, antenna_m: float
) -> NDArray[np.float64]:
    """Height in m above mean sea level of the beam axis at slant ranges (gate,)."""
    out = np.empty(len(range_m))
    for gate in range(len(range_m)):
        ground_m = ground_distance(range_m[gate], elevation_deg)
        out[gate] = beam_height(ground_m, elevation_deg, antenna_m)
    return out
