"""The life of a warning, as a pure plan: what stands, what was found, what to do."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from jinghu.warnings.levels import Action


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
    """State of one warned cell.

    Parameters
    ----------
    level
        Level that stands, since ``since``.
    since
        When the cell came to this level from below.
    lower_since, lower_to
        Since when the rain has been below the level, and the highest level it has supported since
        then; None and 0 where it supports the level.
    """

    level: int
    since: datetime
    lower_since: datetime | None = None
    lower_to: int = 0


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
    cells_of_it: NDArray[np.int64],
    found: Found,
    now: datetime,
    params: LifeParams,
) -> Plan | None:
    """Plan one event; None where there is and was nothing.

    Raises at once. Lowers a cell only after the rain has stayed below the kept level for
    ``lower_after`` without a gap in the data and the level has stood for ``min_life``, and then to
    the highest level that the rain has supported meanwhile.

    Parameters
    ----------
    standing
        The open event, None where there is none.
    cells_of_it
        Cell ids that it may warn: of its county, or along its river.
    found
        Levels of this cycle.
    now
        Analysis time: replays decide as the original did.
    params
        Guards.
    """
    before = standing.cells if standing else {}
    concerned = np.flatnonzero(found.level[cells_of_it] > 0)
    cells: dict[int, CellState] = {}
    for cell in sorted({*before, *(int(c) for c in cells_of_it[concerned])}):
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
        return CellState(level, now)
    target = max(level, min(before.level, kept))
    if target == before.level or not found.known[cell]:
        return CellState(before.level, before.since)  # what is not known is not below
    since = before.lower_since or now
    lower_to = max(target, before.lower_to if before.lower_since else 0)
    if now - since < params.lower_after or now - before.since < params.min_life:
        return CellState(before.level, before.since, since, lower_to)
    if target == lower_to:
        return CellState(lower_to, before.since)
    return CellState(lower_to, before.since, now, target)


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
