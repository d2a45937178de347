"""Where the ground echoes on dry days: learned from scans, kept a site, held against later echo."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.radar.polar import DRY_DBZ, PolarSweep

AZIMUTHS = 360
RANGE_M = 500.0
RANGES = 460  # out to 230 km, as far as rain is made of echo
SAME_ELEVATION_DEG = 0.15


@dataclass(frozen=True, slots=True)
class MapParams:
    """How a map is learned and applied.

    Parameters
    ----------
    echo_dbz
        From here on a cell counts as echo.
    dry_cover
        Share of the area away from known clutter that may hold echo in a dry scan.
    least_scans, least_share
        A cell is in the map once it was seen in that many scans and held echo in more than that
        share of them.
    margin_db
        Echo is believed that much above the mean of the map: then the ground is less than a
        quarter of the power, and adds less than 1.3 dB.
    weather_score
        Echo that two polarisations call weather (`fuzzy.score` below it) stays.
    weather_drop_db, often_share
        Of one polarisation, echo stays that falls less than this to the sweep above, unless ground
        is the better guess: the cell holds echo in more than this share of dry scans.
    """

    echo_dbz: float = 10.0
    dry_cover: float = 0.01
    least_scans: int = 20
    least_share: float = 0.05
    margin_db: float = 6.0
    weather_score: float = 0.4
    weather_drop_db: float = 6.0
    often_share: float = 0.6


@dataclass(frozen=True, slots=True)
class ElevationMap:
    """What one elevation held in dry scans; row k holds the azimuths from k to k + 1 degrees.

    Parameters
    ----------
    elevation_deg
        Elevation.
    scans, echoes
        (`AZIMUTHS`, `RANGES`) int32: dry scans that saw the cell, and those that held echo in it.
    mean_dbz
        Mean of the strongest gate in the cell over those with echo; NaN where there is none.
    """

    elevation_deg: float
    scans: NDArray[np.int32]
    echoes: NDArray[np.int32]
    mean_dbz: NDArray[np.float32]

    @property
    def share(self) -> NDArray[np.float32]:
        """Share of the dry scans that held echo; 0 where a cell was never seen."""
        return np.asarray(self.echoes / np.maximum(self.scans, 1), np.float32)

    def known(self, params: MapParams) -> NDArray[np.bool_]:
        """Cells that are in the map."""
        return (self.scans >= params.least_scans) & (self.share > params.least_share)


@dataclass(frozen=True, slots=True)
class ClutterMap:
    """Map of a site: elevations from the lowest on, and the reflectivity that counted as echo."""

    site: str
    echo_dbz: float
    elevations: tuple[ElevationMap, ...] = ()

    def at(self, elevation_deg: float) -> ElevationMap | None:
        """Map of an elevation, None where it was never learned."""
        off = [abs(one.elevation_deg - elevation_deg) for one in self.elevations]
        if not off or min(off) > SAME_ELEVATION_DEG:
            return None
        return self.elevations[int(np.argmin(off))]


def learn(clutter: ClutterMap, sweeps: Sequence[PolarSweep], params: MapParams) -> ClutterMap:
    """Map with one dry scan more.

    Parameters
    ----------
    clutter
        What is known.
    sweeps
        One an elevation, as sent but for spokes: what the radar's own filter leaves is what has to
        be known.
    params
        Parameters.

    Raises
    ------
    ConfigError
        Where the map was learned with another threshold: its counts cannot go on.
    """
    if clutter.echo_dbz != params.echo_dbz:
        raise ConfigError(
            f"clutter map of {clutter.site}: learned with echo from {clutter.echo_dbz:g} dBZ on, "
            f"not {params.echo_dbz:g}; learn a new one"
        )
    found = {one.elevation_deg: one for one in clutter.elevations}
    for sweep in sweeps:
        before = clutter.at(sweep.elevation_deg) or _empty(sweep.elevation_deg)
        found[before.elevation_deg] = _with_scan(before, strongest(sweep), params.echo_dbz)
    ordered = tuple(found[elevation] for elevation in sorted(found))
    return ClutterMap(clutter.site, clutter.echo_dbz, ordered)


def cover(clutter: ClutterMap, sweeps: Sequence[PolarSweep], params: MapParams) -> float:
    """Share of the area away from known clutter that holds echo, in the fullest elevation.

    A scan with at most ``params.dry_cover`` counts as dry; 1 where nothing was scanned.
    """
    shares = []
    area = np.arange(RANGES) + 0.5  # of a cell, in proportion to its range
    for sweep in sweeps:
        cells = strongest(sweep)
        before = clutter.at(sweep.elevation_deg)
        free = np.isfinite(cells)
        if before is not None:
            free &= ~before.known(params)
        seen = float((free * area).sum())
        if seen > 0:
            echo = free & (cells >= params.echo_dbz)
            shares.append(float((echo * area).sum()) / seen)
    return max(shares, default=1.0)


def static_share(clutter: ClutterMap, sweep: PolarSweep, params: MapParams) -> NDArray[np.float32]:
    """Share of dry scans that held an echo like that of each gate (ray, gate).

    0 where there is no echo, where it is clearly stronger than that of the map, and where the map
    has none.
    """
    out = np.zeros(sweep.dbz.shape, np.float32)
    known = clutter.at(sweep.elevation_deg)
    if known is None:
        return out
    in_map = known.known(params)
    rows, columns = _cells_of(sweep)
    inside = columns < RANGES
    cells = (rows[:, None], columns[inside])
    limit = np.where(in_map, known.mean_dbz + params.margin_db, -np.inf)[cells]
    dbz = sweep.dbz[:, inside]
    out[:, inside] = np.where((dbz > DRY_DBZ) & (dbz <= limit), known.share[cells], 0)
    return out


def strongest(sweep: PolarSweep) -> NDArray[np.float32]:
    """Strongest gate in each cell of the map; `DRY_DBZ` where dry, NaN where not seen."""
    rows, columns = _cells_of(sweep)
    return _strongest(sweep.dbz, rows, columns)


def _cells_of(sweep: PolarSweep) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row of each ray, column of each gate."""
    rows = np.floor(sweep.azimuth_deg).astype(np.int64) % AZIMUTHS
    return rows, np.maximum(sweep.range_m / RANGE_M, 0).astype(np.int64)


@numba.njit(cache=True, nogil=True)
def _strongest(
    dbz: NDArray[np.float32], rows: NDArray[np.int64], columns: NDArray[np.int64]
) -> NDArray[np.float32]:
    out = np.full((AZIMUTHS, RANGES), np.float32(np.nan))
    for ray in range(dbz.shape[0]):
        for gate in range(dbz.shape[1]):
            row, column, value = rows[ray], columns[gate], dbz[ray, gate]
            if column < RANGES and not np.isnan(value) and not out[row, column] >= value:
                out[row, column] = value
    return out


def _empty(elevation_deg: float) -> ElevationMap:
    none = np.zeros((AZIMUTHS, RANGES), np.int32)
    nan = np.full(none.shape, np.nan, np.float32)
    return ElevationMap(elevation_deg, none, none, nan)


def _with_scan(before: ElevationMap, cells: NDArray[np.float32], echo_dbz: float) -> ElevationMap:
    echo = cells >= echo_dbz
    echoes = (before.echoes + echo).astype(np.int32)
    mean = np.where(before.echoes > 0, before.mean_dbz, 0.0)
    mean = mean + np.where(echo, cells - mean, 0.0) / np.maximum(echoes, 1)
    return ElevationMap(
        before.elevation_deg,
        (before.scans + np.isfinite(cells)).astype(np.int32),
        echoes,
        np.where(echoes > 0, mean, np.nan).astype(np.float32),
    )
