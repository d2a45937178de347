"""What an event has to say: its message, composed from cell states and this cycle's levels."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.spec import GridSpec
from jinghu.warnings.areas import cell_polygons, to_lonlat
from jinghu.warnings.levels import Action, Hazard, Level
from jinghu.warnings.lifecycle import CellState
from jinghu.warnings.message import Area, Basis, Evidence, Message, Reference
from jinghu.warnings.units import County


@dataclass(frozen=True, slots=True)
class Draft:
    """What is known of a message before its words: whose, which, when, after which others."""

    identifier: str
    sender: str
    status: str
    action: Action
    event_id: str
    sent: datetime
    expires: datetime
    references: tuple[Reference, ...]


def compose(
    draft: Draft,
    cells: Mapping[int, CellState],
    levels: xr.Dataset,
    place: tuple[County, str, str],
    spec: GridSpec,
) -> Message:
    """Make the message of an event.

    Parameters
    ----------
    draft
        Identity, times, references.
    cells
        The cells it speaks of; where the event ends, those that it spoke of last.
    levels
        As `jinghu.warnings.rules.evaluate` gives them.
    place
        The county, and the city's Chinese and English names.
    spec
        The grid.
    """
    county, city_zh, city_en = place
    level = Level(max(state.level for state in cells.values()))
    deciding = np.array([cell for cell, state in cells.items() if state.level == level])
    onset_min, evidence = evidence_of(deciding, level, levels)
    return Message(
        identifier=draft.identifier,
        sender=draft.sender,
        status=draft.status,
        action=draft.action,
        hazard=Hazard.RAINSTORM,
        level=level,
        county=county,
        city_zh=city_zh,
        city_en=city_en,
        sent=draft.sent,
        onset=draft.sent + timedelta(minutes=round(onset_min)),
        expires=draft.expires,
        evidence=evidence,
        areas=areas_of(cells, spec),
        references=draft.references,
        event_id=draft.event_id,
        rules=str(levels.attrs["rules"]),
    )


def evidence_of(
    cells: NDArray[np.int64], level: Level, levels: xr.Dataset
) -> tuple[float, Evidence]:
    """Minutes to the first onset, and the largest amount, over the cells that decide the level.

    Where none of them reaches the level now, what keeps it speaks for it.
    """

    def flat(name: str, where: NDArray[np.int64]) -> NDArray[np.float64]:
        values: NDArray[np.float64] = levels[name].values.ravel()[where]
        return values

    reached = cells[flat("warning_level", cells) >= level]
    if reached.size:
        amount, window = flat("warning_amount", reached), flat("warning_window", reached)
        best = int(amount.argmax())
        onset = float(np.nanmin(flat("warning_onset_lead", reached)))
        return onset, Evidence(Basis.REACHED, float(amount[best]), int(window[best]))
    kept = cells[flat("warning_level_kept", cells) >= level]
    amount, window = flat("kept_amount", kept), flat("kept_window", kept)
    if (window > 0).any():
        best = int(amount.argmax())
        return 0.0, Evidence(Basis.CLOSE, float(amount[best]), int(window[best]))
    waning = kept.size == 0 and flat("known", cells).all()
    return 0.0, Evidence(Basis.WANING if waning else Basis.UNKNOWN)


def areas_of(cells: Mapping[int, CellState], spec: GridSpec) -> tuple[Area, ...]:
    """One area a level, highest first."""
    areas = []
    for level in sorted({state.level for state in cells.values()}, reverse=True):
        mine = [cell for cell, state in cells.items() if state.level == level]
        outlines = tuple(tuple(to_lonlat(p, spec)) for p in cell_polygons(mine, spec))
        areas.append(Area(Level(level), outlines, len(mine)))
    return tuple(areas)
