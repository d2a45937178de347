"""The life of a warning, as a pure plan: what stands, what was found, what to do."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from jinghu.warnings.levels import Action, Level


@dataclass(frozen=True, slots=True)
class LifeParams:
    """Guards against flapping, and how long a message stands."""

    lower_after: timedelta = timedelta(minutes=30)  # below the kept level for this long
    min_life: timedelta = timedelta(minutes=60)
    valid_for: timedelta = timedelta(hours=3)
    renew_before: timedelta = timedelta(minutes=30)


@dataclass(frozen=True, slots=True)
class Found:
    """What this cycle found, for all cells of the grid, flat.

    Parameters
    ----------
    level
        Level now.
    kept
        Level that a standing warning keeps (the level at 0.8 of the thresholds).
    known
        False where the rain rests on missing or stale data: nothing is lowered there.
    """

    level: NDArray[np.uint8]
    kept: NDArray[np.uint8]
    known: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class CellState:
    """State of one warned cell."""

    level: int
    since: datetime
    lower_since: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """An open event as it stands."""

    event_id: str
    level: int
    expires: datetime
    cells: dict[int, CellState]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with one event: the message (if any) and its cells afterwards."""

    action: Action | None
    level: int
    cells: dict[int, CellState]


def plan_event(
    standing: Standing | None,
    county_cells: NDArray[np.int64],
    found: Found,
    now: datetime,
    params: LifeParams,
) -> Plan | None:
    """Plan one county's event; None where there is and was nothing.

    Raises at once. Lowers a cell only after its level stayed below the kept level for
    ``lower_after``, the cell has lived ``min_life``, and never where the data are not known.

    Parameters
    ----------
    standing
        The open event, None where there is none.
    county_cells
        Cell ids of the county.
    found
        Levels of this cycle.
    now
        Analysis time: replays decide as the original did.
    params
        Guards.
    """
    before = standing.cells if standing else {}
    concerned = np.flatnonzero(found.level[county_cells] > 0)
    cells: dict[int, CellState] = {}
    for cell in sorted({*before, *(int(c) for c in county_cells[concerned])}):
        state = _next(before.get(cell), cell, found, now, params)
        if state.level > 0:
            cells[cell] = state
    level = max((c.level for c in cells.values()), default=0)
    if standing is None:
        return Plan(Action.NEW, level, cells) if cells else None
    return Plan(_action(standing, cells, level, now, params), level, cells)


def _next(
    before: CellState | None, cell: int, found: Found, now: datetime, params: LifeParams
) -> CellState:
    """State of one cell after this cycle."""
    level, kept = int(found.level[cell]), int(found.kept[cell])
    if before is None or level > before.level:
        return CellState(level, now if before is None else before.since, None)
    target = max(level, min(before.level, kept))
    if target == before.level:
        return CellState(before.level, before.since, None)
    if not found.known[cell]:
        return before
    since = before.lower_since or now
    if now - since >= params.lower_after and now - before.since >= params.min_life:
        return CellState(target, before.since, None)
    return CellState(before.level, before.since, since)


def _action(
    standing: Standing, cells: dict[int, CellState], level: int, now: datetime, params: LifeParams
) -> Action | None:
    """Message that an open event needs, if any."""
    if not cells:
        return Action.CANCEL
    if level > standing.level:
        return Action.UPGRADE
    if level < standing.level:
        return Action.DOWNGRADE
    raised = any(
        c not in standing.cells or s.level > standing.cells[c].level for c, s in cells.items()
    )
    if raised:
        return Action.EXTEND_AREA
    changed = {c: s.level for c, s in cells.items()} != {
        c: s.level for c, s in standing.cells.items()
    }
    if changed or standing.expires - now <= params.renew_before:
        return Action.CONTINUE
    return None


def highest(cells: dict[int, CellState]) -> Level:
    """Highest level of the cells."""
    return Level(max((c.level for c in cells.values()), default=0))
