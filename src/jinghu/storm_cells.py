"""Storm cells of a cycle: those of the cycle before, followed into the new analysis."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from jinghu.grid.errors import DataError
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name
from jinghu.nowcast.cell_table import geojson, state_of, tracks_of
from jinghu.nowcast.cell_tracks import CellTracks, track_cells
from jinghu.nowcast.cells import identify_cells
from jinghu.stages import StageLog


@dataclass(frozen=True, slots=True)
class StormCells:
    """Cells for those who look at them, and for the next cycle."""

    table: dict[str, Any]
    state: xr.Dataset


def storm_cells(
    rain: xr.Dataset, motion: xr.Dataset, store: Store, time: datetime, log: StageLog
) -> StormCells:
    """Find the cells of an analysis and continue their tracks.

    Parameters
    ----------
    rain
        ``rainfall_rate(y, x)`` in mm/h with scalar ``time``, on the working grid.
    motion
        ``motion_x``, ``motion_y`` in m s-1 on the same grid.
    store, time
        Where the cycle before left its tracks, and the analysis time.
    log
        Told where they cannot be continued.
    """
    spec = GridSpec.of(rain)
    before = _tracks_before(store, time, spec, log)
    tracks = track_cells(before, identify_cells(rain), motion)
    return StormCells(geojson(tracks, spec.crs), state_of(tracks).assign_coords(spec.coords()))


def _tracks_before(
    store: Store, time: datetime, spec: GridSpec, log: StageLog
) -> CellTracks | None:
    """Tracks that the cycle before left; None where there are none that fit."""
    found = load_state(store, cycle_name(time), "cells", spec=spec, report=log.degrade)
    if found is None:
        return None
    try:
        tracks = tracks_of(found[1])
    except (DataError, KeyError, ValueError) as error:
        log.degrade(f"state cells of cycle {found[0]} cannot be read ({error}): tracks begin anew")
        return None
    return tracks if tracks.time < np.datetime64(time.replace(tzinfo=None), "ns") else None
