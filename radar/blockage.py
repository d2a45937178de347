"""How much of a beam terrain takes (Bech et al. 2003, J. Atmos. Oceanic Technol. 20, 845-855)."""

from dataclasses import replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.radar.geometry import SiteOnGrid, beam_height, ground_distance
from jinghu.radar.polar import DRY_DBZ, PolarSweep

MAX_SHARE = 0.6  # beyond it what is left of the beam tells too little (Fulton et al. 1998)


def partial_blockage(
    terrain_m: NDArray[np.float64], axis_m: NDArray[np.float64], radius_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Share of a round beam below the terrain, 0 to 1 (eq. 2 of the paper).

    Parameters
    ----------
    terrain_m, axis_m
        Height of the terrain and of the beam's axis, in m above the same datum.
    radius_m
        Half the width of the beam there, in m, above 0.

    >>> float(partial_blockage(np.array([500.0]), np.array([500.0]), np.array([100.0]))[0])
    0.5
    """
    part = np.clip((terrain_m - axis_m) / radius_m, -1.0, 1.0)
    return np.asarray((part * np.sqrt(1 - part**2) + np.arcsin(part)) / np.pi + 0.5)


def beam_blockage(
    elevation: xr.DataArray,
    at: SiteOnGrid,
    antenna_m: float,
    elevation_deg: float,
    azimuth_deg: NDArray[np.floating],
    range_m: NDArray[np.float64],
    *,
    beam_width_deg: float = 1.0,
) -> NDArray[np.float32]:
    """Share of the beam that terrain up to each gate has taken: it never falls along a ray.

    It depends on the site and the terrain alone, so that it is computed once an elevation.

    Parameters
    ----------
    elevation
        (y, x) height of the terrain in m, in the plane in which ``at`` is; NaN and what lies
        beyond it take nothing.
    at, antenna_m
        Place of the radar, height of its antenna in m above the terrain's datum.
    elevation_deg, azimuth_deg, range_m
        Elevation; (ray,) azimuths from true north; (gate,) centres of the gates in m, ascending.
    beam_width_deg
        Between the half-power points.

    Returns
    -------
    (ray, gate) from 0 to 1. The terrain is looked at under the axis, once a gate.
    """
    ground = np.array([ground_distance(r, elevation_deg) for r in range_m])
    axis = np.array([beam_height(s, elevation_deg, antenna_m) for s in ground])
    radius = np.maximum(range_m * np.radians(beam_width_deg) / 2, 1.0)
    bearing = np.radians(np.asarray(azimuth_deg, np.float64) + at.north_deg)
    rays = ("ray", "gate")
    terrain = elevation.interp(
        x=(rays, at.x_m + np.sin(bearing)[:, None] * ground),
        y=(rays, at.y_m + np.cos(bearing)[:, None] * ground),
    )
    known = np.asarray(terrain.transpose(*rays).values, np.float64)
    share = np.where(np.isfinite(known), partial_blockage(known, axis, radius), 0.0)
    return np.maximum.accumulate(share, axis=1).astype(np.float32)


def unshaded(sweep: PolarSweep, share: NDArray[np.float32]) -> PolarSweep:
    """Give echo back what terrain took of the beam; missing where it took too much.

    Parameters
    ----------
    sweep
        A cleaned sweep.
    share
        (ray, gate) as of `beam_blockage`: ``-10 log10(1 - share)`` dB are added up to `MAX_SHARE`.
        Gates beyond it, dry ones too, are missing, so that the sweep above takes over.
    """
    seen = share <= MAX_SHARE
    gain = -10.0 * np.log10(1.0 - np.minimum(share, np.float32(MAX_SHARE)))
    dbz = np.where(sweep.dbz > DRY_DBZ, sweep.dbz + gain, sweep.dbz)
    return replace(sweep, dbz=np.where(seen, dbz, np.nan).astype(np.float32))
