"""Who is on duty when: the shifts of a duty, and who stands back meanwhile.

A duty is a role in a unit, and whoever holds it has a row of `recipient`; a person with several
duties has several. Shifts are of a duty. Whoever has shifts and is not on one stands back while
somebody else of the same role and unit is: tasks and calls go to that one. Where nobody is on
shift, all of them are told, as if there were no roster, and the gap is named. Whoever has no shifts
is always on duty.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, func, insert, select, text

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.database import record
from jinghu.warnings.levels import Role
from jinghu.warnings.tables import recipient, shift

_LONGEST = timedelta(days=31)
_OF_THESE_DAYS = timedelta(days=7)
_ON = "s.starts_at <= :now AND s.ends_at > :now"
_OFF_DUTY = text(f"""
    SELECT r.recipient_id FROM recipient r
    WHERE r.removed_at IS NULL
      AND r.recipient_id IN (SELECT recipient_id FROM shift)
      AND r.recipient_id NOT IN (SELECT s.recipient_id FROM shift s WHERE {_ON})
      AND EXISTS (SELECT 1 FROM shift s JOIN recipient o ON o.recipient_id = s.recipient_id
                  WHERE {_ON} AND o.role = r.role AND o.unit_code = r.unit_code
                    AND o.removed_at IS NULL)
    ORDER BY r.recipient_id
""")
_UNCOVERED = text(f"""
    SELECT DISTINCT r.role, r.unit_code, r.unit_name
    FROM shift t JOIN recipient r ON r.recipient_id = t.recipient_id
    WHERE r.removed_at IS NULL AND t.starts_at <= :after AND t.ends_at > :before
      AND NOT EXISTS (SELECT 1 FROM shift s JOIN recipient o ON o.recipient_id = s.recipient_id
                      WHERE {_ON} AND o.role = r.role AND o.unit_code = r.unit_code
                        AND o.removed_at IS NULL)
    ORDER BY r.unit_code, r.role
""")


@dataclass(frozen=True, slots=True)
class NewShift:
    """Somebody's duty and when they are on it, UTC; ``person`` is the id of the duty."""

    person: str
    starts: datetime
    ends: datetime

    def __post_init__(self) -> None:
        """Refuse what is no shift: ConfigError."""
        if not self.starts < self.ends:
            raise ConfigError(f"shift of {self.person}: it ends before it begins")
        if self.ends - self.starts > _LONGEST:
            raise ConfigError(f"shift of {self.person}: longer than {_LONGEST.days} days")


@dataclass(frozen=True, slots=True)
class Shift:
    """A shift as it is stored."""

    shift_id: int
    person: str
    name: str
    role: Role
    unit_code: str
    unit_name: str
    starts: datetime
    ends: datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """A duty that has a roster, and nobody on shift."""

    role: Role
    unit_code: str
    unit_name: str

    def __str__(self) -> str:
        """As a degradation names it."""
        return f"{self.unit_name} {self.role.zh} ({self.unit_code} {self.role.value})"


def off_duty(connection: Connection, now: datetime) -> list[int]:
    """Recipients who stand back now because somebody else of their role and unit is on shift."""
    if connection.execute(select(shift.c.shift_id).limit(1)).first() is None:
        return []
    return list(connection.execute(_OFF_DUTY, {"now": isoformat(now)}).scalars())


def gaps(connection: Connection, now: datetime) -> list[Gap]:
    """Duties with shifts in the week before or after, of which nobody is on one now."""
    times = {
        "now": isoformat(now),
        "before": isoformat(now - _OF_THESE_DAYS),
        "after": isoformat(now + _OF_THESE_DAYS),
    }
    rows = connection.execute(_UNCOVERED, times)
    return [Gap(Role(r.role), r.unit_code, r.unit_name) for r in rows]


def list_shifts(
    connection: Connection, unit: str, start: datetime, end: datetime, limit: int = 1000
) -> list[Shift]:
    """Shifts that touch a period, of a unit and of those below it, in order of their beginnings."""
    query = (
        select(shift, recipient)
        .join(recipient, recipient.c.recipient_id == shift.c.recipient_id)
        .where(
            recipient.c.removed_at.is_(None),
            func.substr(recipient.c.unit_code, 1, len(unit)) == unit,
            shift.c.starts_at < isoformat(end),
            shift.c.ends_at > isoformat(start),
        )
        .order_by(shift.c.starts_at, shift.c.shift_id)
        .limit(limit)
    )
    return [
        Shift(
            int(row.shift_id),
            row.person,
            row.name,
            Role(row.role),
            row.unit_code,
            row.unit_name,
            parse_time(row.starts_at),
            parse_time(row.ends_at),
        )
        for row in connection.execute(query)
    ]


def add_shifts(
    connection: Connection, wanted: Sequence[NewShift], by: str, now: datetime, unit: str = ""
) -> list[int]:
    """Add shifts, all or none, with an entry in the audit; returns their numbers.

    A shift that stands already is left as it is.

    Raises
    ------
    ConfigError
        Where a duty would be on two shifts at once.
    DataError
        Where nobody of the unit holds such a duty.
    """
    return [_add(connection, one, by, now, unit) for one in wanted]


def _add(connection: Connection, wanted: NewShift, by: str, now: datetime, unit: str) -> int:
    key = connection.execute(
        select(recipient.c.recipient_id).where(
            recipient.c.person == wanted.person,
            recipient.c.removed_at.is_(None),
            func.substr(recipient.c.unit_code, 1, len(unit)) == unit,
        )
    ).scalar()
    if key is None:
        raise DataError(wanted.person, "there is nobody of this id")
    times = {"starts_at": isoformat(wanted.starts), "ends_at": isoformat(wanted.ends)}
    other = connection.execute(
        select(shift).where(
            shift.c.recipient_id == key,
            shift.c.starts_at < times["ends_at"],
            shift.c.ends_at > times["starts_at"],
        )
    ).first()
    if other is not None:
        if (other.starts_at, other.ends_at) == (times["starts_at"], times["ends_at"]):
            return int(other.shift_id)
        raise ConfigError(
            f"{wanted.person} is on shift from {other.starts_at} to {other.ends_at} already"
        )
    number = connection.execute(
        insert(shift).values(recipient_id=key, **times).returning(shift.c.shift_id)
    ).scalar_one()
    record(connection, now, by[:64], "shift added", wanted.person, {"shift": number} | times)
    return int(number)


def remove_shift(
    connection: Connection, number: int, by: str, now: datetime, unit: str = ""
) -> None:
    """Take a shift off the roster, with an entry in the audit.

    Raises
    ------
    DataError
        Where there is none of this number in the unit.
    """
    row = connection.execute(
        select(shift, recipient.c.person)
        .join(recipient, recipient.c.recipient_id == shift.c.recipient_id)
        .where(
            shift.c.shift_id == number,
            func.substr(recipient.c.unit_code, 1, len(unit)) == unit,
        )
    ).first()
    if row is None:
        raise DataError(f"shift {number}", "there is none of this number")
    connection.execute(delete(shift).where(shift.c.shift_id == number))
    detail = {"shift": number, "starts_at": row.starts_at, "ends_at": row.ends_at}
    record(connection, now, by[:64], "shift removed", row.person, detail)
