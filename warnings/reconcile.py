"""Bringing the recipients in the database in line with a table of them, as a whole or not at all.

A plan says what would change and for whom; applying it is one transaction with its entry in the
audit. Who leaves keeps their row, since messages and answers refer to it: they stand in no cell
from then on, nobody turns to them, and their number is forgotten.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np
from sqlalchemy import Connection, Row, bindparam, insert, select, update

from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import CELL_OUTSIDE, GridSpec
from jinghu.grid.times import isoformat
from jinghu.warnings.audience import BadRow, Recipient, Roster
from jinghu.warnings.database import record
from jinghu.warnings.people import NO_KEYS
from jinghu.warnings.phones import PhoneKeys
from jinghu.warnings.tables import recipient

_PHONE = ("phone_key", "phone_index", "phone_cipher")
_STILL_DEG = 1e-7  # 1 cm: another way of writing the same place


class Absent(StrEnum):
    """What becomes of people whom a table does not name."""

    KEEP = "keep"
    REMOVE = "remove"


class Change(StrEnum):
    """What an import does to one person."""

    NEW = "new"
    RETURNED = "returned"
    MOVED = "moved"
    ROLE = "role"
    UNIT = "unit"
    NAME = "name"
    PHONE = "phone"
    REMOVED = "removed"
    ABSENT = "absent"

    @property
    def zh(self) -> str:
        """Chinese word for reports."""
        return {
            "new": "新增",
            "returned": "恢复",
            "moved": "位置变更",
            "role": "角色变更",
            "unit": "单位变更",
            "name": "姓名变更",
            "phone": "电话变更",
            "removed": "移除",
            "absent": "表中没有（保留）",
        }[self.value]


@dataclass(frozen=True, slots=True)
class Changed:
    """One person and what changes for them."""

    person: str
    what: tuple[Change, ...]


@dataclass(frozen=True, slots=True)
class ImportPlan:
    """What an import comes to: for whom, and the rows that it adds, updates and ends."""

    changes: tuple[Changed, ...]
    unchanged: int
    bad: tuple[BadRow, ...]
    fresh: tuple[dict[str, object], ...]
    updates: tuple[dict[str, object], ...]
    removes: tuple[str, ...]

    @property
    def imported(self) -> int:
        """People of the table who are recipients afterwards."""
        return self.unchanged + len(self.fresh) + len(self.updates)

    def counts(self) -> dict[str, int]:
        """Number of people by kind of change; one person may count for several."""
        found = Counter(kind.value for changed in self.changes for kind in changed.what)
        return {kind.value: found[kind.value] for kind in Change} | {
            "unchanged": self.unchanged,
            "refused": len(self.bad),
        }


def plan_import(
    connection: Connection,
    roster: Roster,
    spec: GridSpec,
    absent: Absent = Absent.KEEP,
    keys: PhoneKeys | None = None,
) -> ImportPlan:
    """Compare a roster with the recipients; people outside the grid are refused.

    Whom a refused row names is neither changed nor removed. Numbers are encrypted here: a plan
    holds none.

    Raises
    ------
    ConfigError
        Where there are numbers and no key to encrypt them with.
    """
    if keys is None and any(p.phone for p in roster.people):
        raise ConfigError(NO_KEYS)
    inside, bad = _placed(roster, spec)
    known = {row.person: row for row in connection.execute(select(recipient))}
    changes: list[Changed] = []
    fresh: list[dict[str, object]] = []
    updates: list[dict[str, object]] = []
    for person, cell in inside:
        row, wanted = known.get(person.person), _values(person, cell)
        called = _phone_values(row, person, keys)
        what = (Change.NEW,) if row is None else _differences(row, wanted | called)
        if what:
            changes.append(Changed(person.person, what))
            (fresh if row is None else updates).append(wanted | called)
    named = {p.person for p in roster.people} | {b.person for b in bad}
    gone = [n for n, row in known.items() if n not in named and row.removed_at is None]
    removes = gone if absent is Absent.REMOVE else []
    kind = Change.REMOVED if absent is Absent.REMOVE else Change.ABSENT
    changes += [Changed(name, (kind,)) for name in gone]
    unchanged = len(inside) - len(fresh) - len(updates)
    return ImportPlan(
        tuple(changes), unchanged, tuple(bad), tuple(fresh), tuple(updates), tuple(removes)
    )


def apply_import(
    connection: Connection, plan: ImportPlan, actor: str, source: str, now: datetime
) -> None:
    """Write a plan inside the caller's transaction, with an entry in the audit."""
    table = recipient
    if plan.fresh:
        connection.execute(insert(table), list(plan.fresh))
    if plan.updates:
        names = [name for name in plan.updates[0] if name != "person"]
        connection.execute(
            update(table)
            .where(table.c.person == bindparam("who"))
            .values({name: bindparam(name) for name in names}),
            [{**row, "who": row["person"]} for row in plan.updates],
        )
    if plan.removes:
        connection.execute(
            update(table)
            .where(table.c.person == bindparam("who"))
            .values(removed_at=isoformat(now), cell_id=CELL_OUTSIDE, **dict.fromkeys(_PHONE)),
            [{"who": name} for name in plan.removes],
        )
    record(connection, now, actor[:64], "audience imported", source[:96], plan.counts())


def _placed(roster: Roster, spec: GridSpec) -> tuple[list[tuple[Recipient, int]], list[BadRow]]:
    """Everybody with their cell, and those who stand in none."""
    people = roster.people
    cells = spec.cell_of_lonlat(
        np.array([p.lon for p in people]), np.array([p.lat for p in people])
    )
    inside, bad = [], list(roster.bad)
    for person, cell in zip(people, cells.tolist(), strict=True):
        if cell == CELL_OUTSIDE:
            place = roster.places.get(person.person, f"person {person.person}")
            cause = f"{person.lat:.6f}, {person.lon:.6f} (WGS-84) is outside the grid"
            bad.append(BadRow(place, cause, person.person))
        else:
            inside.append((person, cell))
    return inside, bad


def _values(person: Recipient, cell: int) -> dict[str, object]:
    return {
        "person": person.person,
        "name": person.name,
        "role": person.role.value,
        "unit_code": person.unit_code,
        "unit_name": person.unit_name,
        "lon": person.lon,
        "lat": person.lat,
        "cell_id": cell,
        "removed_at": None,
        "holder": person.holder or None,
    }


def _phone_values(
    row: Row[tuple[object, ...]] | None, person: Recipient, keys: PhoneKeys | None
) -> dict[str, object]:
    """Columns of the number: as they are where it is the same or nothing is said about it."""
    if person.phone and keys is not None:
        key = keys.find(row.phone_key) if row is not None and row.phone_key else None
        if row is None or key is None or key.index(person.phone) != row.phone_index:
            sealed = keys.seal(person.person, person.phone)
            return dict(zip(_PHONE, (sealed.key_id, sealed.index, sealed.cipher), strict=True))
    if row is None or person.phone == "":
        return dict.fromkeys(_PHONE)
    return {name: getattr(row, name) for name in _PHONE}


def _differences(row: Row[tuple[object, ...]], wanted: dict[str, object]) -> tuple[Change, ...]:
    """What changes for somebody who is known."""
    lon, lat = float(str(wanted["lon"])), float(str(wanted["lat"]))
    still = abs(row.lon - lon) < _STILL_DEG and abs(row.lat - lat) < _STILL_DEG
    found = []
    if row.removed_at is not None:
        found.append(Change.RETURNED)
    elif not still or row.cell_id != wanted["cell_id"]:
        found.append(Change.MOVED)
    if row.role != wanted["role"]:
        found.append(Change.ROLE)
    if (row.unit_code, row.unit_name) != (wanted["unit_code"], wanted["unit_name"]):
        found.append(Change.UNIT)
    if row.name != wanted["name"]:
        found.append(Change.NAME)
    if row.phone_cipher != wanted["phone_cipher"]:
        found.append(Change.PHONE)
    return tuple(found)
