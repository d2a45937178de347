"""What forecasters decide against the rules for a while: holds, each with a reason and an end."""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, insert, select, update

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.database import record
from jinghu.warnings.evidence import AnyEvidence, Basis, DecidedEvidence, Finding
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.lifecycle import Found, LifeParams
from jinghu.warnings.matters import Matter
from jinghu.warnings.tables import hold

_AT_ONCE = timedelta(0)
_LONGEST = timedelta(hours=24)


class HoldKind(StrEnum):
    """What a hold does."""

    KEEP = "keep"  # what stands is not lowered; rules may still raise
    AT_LEAST = "at_least"  # all its cells have at least the level
    AT_MOST = "at_most"  # none has more than the level; with none, nothing is warned of


@dataclass(frozen=True, slots=True)
class Hold:
    """One decision: on a county (``subject`` empty), or on a gauge or reservoir.

    With ``cells`` a level is raised there alone; without, in the whole matter.
    """

    hazard: Hazard
    county: str
    subject: str
    kind: HoldKind
    level: Level
    reason: str
    author: str
    until: datetime
    cells: tuple[int, ...] = ()


def place_hold(connection: Connection, wanted: Hold, status: str, now: datetime) -> int:
    """Write down a decision, which replaces an earlier one on the same matter.

    Raises
    ------
    ConfigError
        Where the reason or the author is missing, the end is past or more than a day away, or the
        level fits not the kind.
    """
    if not wanted.reason.strip() or not wanted.author.strip():
        raise ConfigError("a hold needs a reason and the name of who decides")
    if not now < wanted.until <= now + _LONGEST:
        raise ConfigError(f"a hold ends within {_LONGEST}, not at {isoformat(wanted.until)}")
    if wanted.kind is HoldKind.AT_LEAST and wanted.level is Level.NONE:
        raise ConfigError("a hold at_least needs a level")
    if wanted.cells and wanted.kind is not HoldKind.AT_LEAST:
        raise ConfigError(f"a hold {wanted.kind.value} is on all cells of its matter")
    values = {
        "status": status,
        "hazard": wanted.hazard.value,
        "county": wanted.county,
        "subject": wanted.subject,
    }
    _end(connection, values, wanted.author, now)
    key = connection.execute(
        insert(hold).values(
            **values,
            kind=wanted.kind.value,
            level=int(wanted.level),
            reason=wanted.reason,
            author=wanted.author,
            created_at=isoformat(now),
            until=isoformat(wanted.until),
            cells=json.dumps(wanted.cells) if wanted.cells else None,
        )
    ).inserted_primary_key
    assert key is not None
    what = {"kind": wanted.kind.value, "level": wanted.level.en, "reason": wanted.reason}
    detail = values | what | {"until": isoformat(wanted.until), "cells": len(wanted.cells)}
    record(connection, now, wanted.author, "hold", str(key[0]), detail)
    return int(key[0])


def end_hold(connection: Connection, hold_id: int, author: str, reason: str, now: datetime) -> None:
    """End a hold before its time.

    Raises
    ------
    DataError
        Where there is none that holds.
    """
    done = connection.execute(
        update(hold)
        .where(hold.c.hold_id == hold_id, hold.c.ended_at.is_(None))
        .values(ended_at=isoformat(now))
    )
    if not done.rowcount:
        raise DataError(f"hold {hold_id}", "there is none that holds")
    record(connection, now, author, "hold_ended", str(hold_id), {"reason": reason})


def _end(connection: Connection, of: dict[str, str], author: str, now: datetime) -> None:
    """End what was decided before on the same matter."""
    same = [hold.c[name] == value for name, value in of.items()]
    earlier = connection.execute(select(hold.c.hold_id).where(*same, hold.c.ended_at.is_(None)))
    for hold_id in list(earlier.scalars()):
        connection.execute(
            update(hold).where(hold.c.hold_id == hold_id).values(ended_at=isoformat(now))
        )
        record(connection, now, author, "hold_ended", str(hold_id), {"by": "a later one"})


def standing_holds(connection: Connection, status: str, time: datetime) -> list[tuple[int, Hold]]:
    """Holds that count at a time, with their numbers."""
    rows = connection.execute(
        select(hold)
        .where(hold.c.status == status, hold.c.ended_at.is_(None), hold.c.until > isoformat(time))
        .order_by(hold.c.hold_id)
    )
    return [
        (
            int(row.hold_id),
            Hold(
                Hazard(row.hazard),
                row.county,
                row.subject,
                HoldKind(row.kind),
                Level(row.level),
                row.reason,
                row.author,
                parse_time(row.until),
                tuple(json.loads(row.cells)) if row.cells else (),
            ),
        )
        for row in rows
    ]


def on(matter: Matter, decided: Hold) -> bool:
    """Whether a hold is on a matter."""
    key = (matter.hazard, matter.county.code, matter.key)
    return (decided.hazard, decided.county, decided.subject) == key


def held(matter: Matter, decided: Hold, life: LifeParams) -> tuple[Matter, LifeParams]:
    """A matter as a forecaster wants it, and the guards that go with it.

    What is lowered by a forecaster is lowered at once.
    """
    found, finding = matter.found, DecidedFinding(matter.finding, decided)
    if decided.kind is HoldKind.KEEP:
        found = replace(found, known=np.zeros_like(found.known))
        return replace(matter, found=found, finding=finding), life
    level, kept = found.level.copy(), found.kept.copy()
    if decided.kind is HoldKind.AT_LEAST:
        cells = np.array(decided.cells) if decided.cells else matter.cells
        for values in (level, kept):
            values[cells] = np.maximum(values[cells], decided.level)
        return replace(matter, found=Found(level, kept, found.known), finding=finding), life
    level, kept = np.minimum(level, decided.level), np.minimum(kept, decided.level)
    known = np.ones_like(found.known)
    return (
        replace(matter, found=Found(level, kept, known), finding=finding),
        replace(life, lower_after=_AT_ONCE, min_life=_AT_ONCE),
    )


@dataclass(frozen=True, slots=True)
class DecidedFinding:
    """What a cycle found, with what a forecaster decided where that does not bear the level."""

    finding: Finding
    decided: Hold

    @property
    def rules(self) -> str:
        """Version of the table that decided."""
        return self.finding.rules

    def evidence(self, cells: NDArray[np.int64], level: Level) -> tuple[float, AnyEvidence]:
        """That of the cycle where it bears the level, else the reason of the forecaster."""
        minutes, found = self.finding.evidence(cells, level)
        if found.basis in (Basis.REACHED, Basis.CLOSE):
            return minutes, found
        return 0.0, DecidedEvidence(Basis.DECIDED, self.decided.reason)
