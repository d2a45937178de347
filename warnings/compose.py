"""What an event has to say: its message, composed from cell states and what this cycle found."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from jinghu.grid.spec import GridSpec
from jinghu.warnings.areas import cell_polygons, to_lonlat
from jinghu.warnings.levels import Action, Level
from jinghu.warnings.lifecycle import CellState
from jinghu.warnings.matters import Matter
from jinghu.warnings.message import Area, Message, Reference


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
    matter: Matter,
    city: tuple[str, str],
    spec: GridSpec,
) -> Message:
    """Make the message of an event.

    Parameters
    ----------
    draft
        Identity, times, references.
    cells
        The cells it speaks of; where the event ends, those that it spoke of last.
    matter
        What it is about, and what this cycle found.
    city
        Chinese and English name.
    spec
        The grid.
    """
    level = Level(max(state.level for state in cells.values()))
    deciding = np.array([cell for cell, state in cells.items() if state.level == level])
    onset_min, evidence = matter.finding.evidence(deciding, level)
    onset = draft.sent + timedelta(minutes=round(onset_min))
    # A flood that is still to come must not expire before it is there.
    expires = draft.expires if onset < draft.expires else onset + (draft.expires - draft.sent)
    return Message(
        identifier=draft.identifier,
        sender=draft.sender,
        status=draft.status,
        action=draft.action,
        hazard=matter.hazard,
        level=level,
        county=matter.county,
        city_zh=city[0],
        city_en=city[1],
        sent=draft.sent,
        onset=onset,
        expires=expires,
        evidence=evidence,
        areas=areas_of(cells, spec),
        references=draft.references,
        event_id=draft.event_id,
        rules=matter.finding.rules,
        subject=matter.subject,
    )


def areas_of(cells: Mapping[int, CellState], spec: GridSpec) -> tuple[Area, ...]:
    """One area a level, highest first."""
    areas = []
    for level in sorted({state.level for state in cells.values()}, reverse=True):
        mine = [cell for cell, state in cells.items() if state.level == level]
        outlines = tuple(tuple(to_lonlat(p, spec)) for p in cell_polygons(mine, spec))
        areas.append(Area(Level(level), outlines, len(mine)))
    return tuple(areas)
