"""A matter as it stands now, whatever the last cycle found: what people decide starts from it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from jinghu.grid.errors import ConfigError
from jinghu.warnings.evidence import AnyEvidence, Basis, DecidedEvidence
from jinghu.warnings.gate import raised_to
from jinghu.warnings.holds import Hold
from jinghu.warnings.issuing import standing_event
from jinghu.warnings.levels import Level
from jinghu.warnings.lifecycle import Found
from jinghu.warnings.matters import Matter
from jinghu.warnings.office import Office
from jinghu.warnings.proposals import Place, open_of
from jinghu.warnings.subjects import Subject
from jinghu.warnings.tables import event

_BY_PEOPLE = "forecaster"  # instead of the version of a table


@dataclass(frozen=True, slots=True)
class StoredFinding:
    """What was found once, and is kept until it is needed."""

    rules: str
    onset_min: float
    found: AnyEvidence

    def evidence(self, cells: NDArray[np.int64], level: Level) -> tuple[float, AnyEvidence]:
        """The same for all cells."""
        del cells, level
        return self.onset_min, self.found


def unjudged(
    connection: Connection, office: Office, holds: Sequence[tuple[int, Hold]]
) -> tuple[list[Matter], list[int]]:
    """Matters that a cycle did not judge and on which there is a hold, as they stand.

    What people warn of must not expire because no rule knows the place. Returns them, and the
    numbers of holds on nothing that stands.
    """
    matters, idle = [], []
    for number, one in holds:
        place = place_of(connection, office, one, None)
        if standing_event(connection, place) is None:
            idle.append(number)
        else:
            matters.append(as_it_stands(connection, office, place, one.cells))
    return matters, idle


def as_it_stands(
    connection: Connection, office: Office, place: Place, cells: Sequence[int] = ()
) -> Matter:
    """A matter with the levels that stand; those that wait for a second person are kept.

    Parameters
    ----------
    connection, office, place
        Database, grid, and which matter.
    cells
        Further cells that it may warn.

    Raises
    ------
    ConfigError
        Where the county is not of the city.
    """
    units = office.units
    index = next((k for k, c in enumerate(units.counties) if c.code == place.county), None)
    if index is None:
        raise ConfigError(f"county {place.county} is not of this city")
    n = units.cell_county.size
    standing = standing_event(connection, place)
    before = standing.cells if standing else {}
    nothing = np.zeros(n, np.uint8)
    found = raised_to(Found(nothing, nothing, np.ones(n, np.bool_)), before)
    waiting = found
    for one in open_of(connection, place):
        waiting = raised_to(waiting, one.wanted.cells)
    mine = np.flatnonzero(units.cell_county == index) if place.subject is None else nothing[:0]
    return Matter(
        place.hazard,
        units.counties[index],
        place.subject,
        np.union1d(mine, np.array([*before, *cells], np.int64)).astype(np.int64),
        Found(found.level, waiting.kept, found.known),
        StoredFinding(_BY_PEOPLE, 0.0, DecidedEvidence(Basis.UNKNOWN, "")),
    )


def place_of(connection: Connection, office: Office, hold: Hold, named: Subject | None) -> Place:
    """Which matter a hold is on; a gauge or reservoir has the names of its last event."""
    subject = named
    if named is None and hold.subject:
        query = (
            select(event.c.subject_zh, event.c.subject_en)
            .where(
                event.c.hazard == hold.hazard.value,
                event.c.subject == hold.subject,
                event.c.county == hold.county,
                event.c.status == office.status,
            )
            .order_by(event.c.opened_at.desc())
        )
        row = connection.execute(query).first()
        names = (hold.subject,) * 2 if row is None else (row.subject_zh, row.subject_en)
        subject = Subject(hold.subject, *names)
    return Place(office.status, hold.hazard, hold.county, subject)
