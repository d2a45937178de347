"""How much of a beam terrain takes (Bech et al. 2003, J. Atmos. Oceanic Technol. 20, 845-855)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from jinghu.radar.geometry import SiteOnGrid, beam_height, ground_distance
from jinghu.radar.horizon import shares
from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.sites import RadarSite

_STEP_DEG, _STEP_M, _RANGES = 0.5, 250.0, 920  # of a shadow's cells, out to 230 km
_NEAREST = 4  # cells: nearer, a DEM is too coarse to tell the hill from the mast on it
_SAME_ELEVATION_DEG = 0.05
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
        (y, x) height of the terrain in m on equidistant cells, in the plane in which ``at`` is;
        NaN and what lies beyond it take nothing.
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
    known = _heights_at(
        elevation,
        at.x_m + np.sin(bearing)[:, None] * ground,
        at.y_m + np.cos(bearing)[:, None] * ground,
    )
    share = np.where(np.isfinite(known), partial_blockage(known, axis, radius), 0.0)
    return np.maximum.accumulate(share, axis=1).astype(np.float32)


def _heights_at(
    elevation: xr.DataArray, x_m: NDArray[np.float64], y_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Bilinear heights; NaN beyond the terrain. A DEM is large: it is not copied."""
    if min(elevation.shape) < 2:
        return np.full(x_m.shape, np.nan)
    places = []
    for name, at in (("y", y_m), ("x", x_m)):
        centres = elevation[name].values
        places.append((at - centres[0]) / (centres[1] - centres[0]))
    terrain = elevation.transpose("y", "x").values
    return np.asarray(map_coordinates(terrain, places, np.float64, order=1, cval=np.nan))


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


@dataclass(frozen=True, slots=True)
class Shadow:
    """What terrain takes of a site's beam at one elevation.

    Parameters
    ----------
    elevation_deg
        Elevation.
    share
        (azimuth, range) 0 to 1, from north in steps of 0.5 degrees and 250 m.
    """

    elevation_deg: float
    share: NDArray[np.float32]

    def on(self, sweep: PolarSweep) -> NDArray[np.float32]:
        """Share at the rays and gates of a sweep: of the nearest azimuth and range."""
        rows = np.rint(sweep.azimuth_deg / _STEP_DEG).astype(np.int64) % len(self.share)
        columns = np.clip((sweep.range_m / _STEP_M).astype(np.int64), 0, _RANGES - 1)
        return np.asarray(self.share[rows[:, None], columns])


def shadow(
    elevation: xr.DataArray, at: SiteOnGrid, site: RadarSite, elevation_deg: float
) -> Shadow:
    """Shadow of terrain at one elevation of a site.

    What stands within 1 km of the antenna is left to the hidden sectors of the site's table.

    Parameters
    ----------
    elevation, at
        (y, x) height of the terrain in m; place of the site in its plane.
    site, elevation_deg
        Height and beam width of the antenna; elevation.
    """
    range_m = np.asarray((np.arange(_RANGES) + 0.5) * _STEP_M, np.float64)
    azimuth = np.arange(0.0, 360.0, _STEP_DEG)
    share = np.zeros((len(azimuth), _RANGES), np.float32)
    ground = np.array([ground_distance(r, elevation_deg) for r in range_m])
    axis = np.array([beam_height(s, elevation_deg, site.antenna_height_m) for s in ground])
    lower_edge = axis - range_m * np.radians(site.beam_width_deg) / 2
    touched = np.flatnonzero(lower_edge < float(elevation.max()))  # none where nothing is known
    end = int(touched[-1]) + 1 if len(touched) else 0
    if end > _NEAREST:
        share[:, _NEAREST:end] = beam_blockage(
            elevation,
            at,
            site.antenna_height_m,
            elevation_deg,
            azimuth,
            range_m[_NEAREST:end],
            beam_width_deg=site.beam_width_deg,
        )
        share[:, end:] = share[:, end - 1 : end]
    return Shadow(elevation_deg, share)


def out_of_shadow(
    site: RadarSite, sweep: PolarSweep, shadows: Sequence[Shadow]
) -> tuple[PolarSweep, NDArray[np.float32]]:
    """Sweep with the loss to terrain given back, and the share (ray, gate) that terrain takes.

    Where the site's table names a hidden sector, what `without_hidden` gave back for it is not
    given twice: the larger of the two losses counts.
    """
    near = [s for s in shadows if abs(s.elevation_deg - sweep.elevation_deg) <= _SAME_ELEVATION_DEG]
    if not near:
        return sweep, np.zeros(sweep.dbz.shape, np.float32)
    share = near[0].on(sweep)
    surveyed = shares(site, sweep)[:, None]
    left = np.minimum((1.0 - share) / np.maximum(surveyed, 1e-6), 1.0)
    beyond = np.where(share > MAX_SHARE, share, 1.0 - left).astype(np.float32)
    return unshaded(sweep, beyond), share
