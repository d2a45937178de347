"""Sectors that something near the antenna hides: power given back, or the sweep above taken."""

from collections.abc import Sequence
from dataclasses import replace
from math import erfc, sqrt

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.sites import RadarSite

_WIDTHS_PER_SIGMA = 0.3003  # of the two-way pattern: 1 / (4 sqrt(ln 2)) half-power widths
LEAST_SHARE = 0.4  # of the power; with less the gates count as not seen


def open_share(above_deg: float, beam_width_deg: float) -> float:
    """Share of a Gaussian beam's two-way power above an obstacle.

    Parameters
    ----------
    above_deg
        Elevation of the axis over the obstacle's edge.
    beam_width_deg
        Half-power width.

    >>> open_share(0.0, 1.0), round(open_share(0.5, 1.0), 3)
    (0.5, 0.952)
    """
    return 0.5 * erfc(-above_deg / (_WIDTHS_PER_SIGMA * beam_width_deg * sqrt(2.0)))


def shares(site: RadarSite, sweep: PolarSweep) -> NDArray[np.float64]:
    """Share of the power that each ray (ray,) keeps beyond the site's hidden sectors."""
    found = np.ones(len(sweep.azimuth_deg))
    for sector in site.hidden:
        share = open_share(sweep.elevation_deg - sector.up_to_deg, site.beam_width_deg)
        edge = site.beam_width_deg  # a beam beside the obstacle still touches it
        width = (sector.to_deg - sector.from_deg) % 360.0 + 2.0 * edge
        inside = (sweep.azimuth_deg - sector.from_deg + edge) % 360.0 <= width
        found = np.where(inside, np.minimum(found, share), found)
    return found


def without_hidden(
    site: RadarSite, sweeps: Sequence[PolarSweep]
) -> tuple[list[PolarSweep], list[NDArray[np.bool_]]]:
    """Sweeps with the power that obstacles take given back, and the rays hidden by them.

    Echo of a ray that keeps less than `LEAST_SHARE` is missing; so is what it calls dry.
    """
    out, hidden = [], []
    for sweep in sweeps:
        share = shares(site, sweep)
        lost = share < LEAST_SHARE
        gain = -10.0 * np.log10(np.maximum(share, LEAST_SHARE)).astype(np.float32)
        echo = sweep.dbz > DRY_DBZ
        dbz = np.where(echo, sweep.dbz + gain[:, None], sweep.dbz)
        dbz[lost] = np.nan
        out.append(replace(sweep, dbz=dbz))
        hidden.append(lost)
    return out, hidden
