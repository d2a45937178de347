"""Duty rosters as offices keep them: who is on shift from when until when, as CSV or XLSX."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, or_, select

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.times import BEIJING
from jinghu.warnings.audience import BadRow
from jinghu.warnings.phones import without_numbers
from jinghu.warnings.roster_files import Row, read_rows
from jinghu.warnings.shifts import NewShift, add_shifts
from jinghu.warnings.tables import recipient

COLUMNS = ("person", "starts", "ends")
_UNIT = "unit_code"  # need not be there: which duty of somebody who has several


@dataclass(frozen=True, slots=True)
class ShiftImport:
    """What a roster came to: numbers of its shifts, and the rows that were refused."""

    shifts: tuple[int, ...]
    bad: tuple[BadRow, ...]


def import_shifts(connection: Connection, path: Path, by: str, now: datetime) -> ShiftImport:
    """Add the shifts of a table with the columns `COLUMNS`; bad rows are refused one by one.

    Parameters
    ----------
    connection
        A transaction.
    path
        CSV or XLSX; heads may be Chinese (编号, 值班开始, 值班结束, 单位代码). Times are ISO 8601,
        those without offset in Beijing time.
    by, now
        Whom the audit names, and the clock.

    Raises
    ------
    DataError
        Where the file is no such table.
    """
    added, bad = [], []
    for row in read_rows(path, COLUMNS):
        try:
            added += add_shifts(connection, [_shift(connection, row)], by, now)
        except (ValueError, ConfigError, DataError) as error:
            person = without_numbers(row.values.get("person", ""))
            bad.append(BadRow(row.place, without_numbers(str(error)), person))
    if not added and not bad:
        raise DataError(path, "there is no shift in it")
    return ShiftImport(tuple(dict.fromkeys(added)), tuple(bad))


def _shift(connection: Connection, row: Row) -> NewShift:
    person, unit = row.values["person"], row.values.get(_UNIT, "")
    if unit:
        held = or_(recipient.c.person == person, recipient.c.holder == person)
        query = select(recipient.c.person).where(
            held, recipient.c.unit_code == unit, recipient.c.removed_at.is_(None)
        )
        found = connection.execute(query.order_by(recipient.c.recipient_id)).scalars().first()
        if found is None:
            raise DataError(person, f"holds no duty in unit {unit}")
        person = found
    return NewShift(person, _time(row, "starts"), _time(row, "ends"))


def _time(row: Row, name: str) -> datetime:
    text = row.values[name]
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{name} {text!r} is no time") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=BEIJING)
    return time.astimezone(UTC)
