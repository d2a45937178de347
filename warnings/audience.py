"""Who is where: reading tables of recipients, and finding those in a set of cells."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sqlalchemy import Connection, func, select

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame, to_wgs84
from jinghu.warnings.duty_ids import duty_id
from jinghu.warnings.levels import Role
from jinghu.warnings.phones import holds_number, parse_phone, without_numbers
from jinghu.warnings.roster_files import COLUMNS, PHONE, Row, read_rows
from jinghu.warnings.tables import recipient

_LONGEST = {"person": 64, "name": 64, "role": 24, "unit_code": 16, "unit_name": 64}
_ROLES = {role.value: role for role in Role} | {role.zh: role for role in Role}
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Recipient:
    """A responsible person and their place, WGS-84.

    ``phone`` is E.164, empty where there is none, and None where nothing is said about it. Of
    somebody with several duties each is one, whose id ``person`` begins with theirs, the
    ``holder``; empty where it is the only one, or the first.
    """

    person: str
    name: str
    role: Role
    unit_code: str
    unit_name: str
    lon: float
    lat: float
    phone: str | None = field(default=None, repr=False)
    holder: str = ""


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that was refused; ``person`` where it names one. No number is repeated in it."""

    place: str
    cause: str
    person: str = ""

    def __str__(self) -> str:
        """As a report shows it."""
        return f"{self.place}: {self.cause}"


@dataclass(frozen=True, slots=True)
class Roster:
    """The people of a table, and what was refused of it.

    ``places`` says where somebody stands in the file; it has nobody where there is no file.
    """

    people: tuple[Recipient, ...]
    bad: tuple[BadRow, ...] = ()
    places: Mapping[str, str] = field(default_factory=dict)


def read_roster(path: Path, frame: Frame) -> Roster:
    """Read recipients from CSV, XLSX or GeoJSON with the columns `COLUMNS`.

    Heads and roles may be written in Chinese. A column ``phone`` need not be there. Who has several
    duties, which are roles in units, has a row for each; the first is the main one.

    Returns the good rows, in WGS-84, and every bad one with its place and cause.

    Raises
    ------
    DataError
        Where the file is not such a table.
    """
    good: dict[str, Recipient] = {}
    places: dict[str, str] = {}
    bad: list[BadRow] = []
    for row in read_rows(path):
        try:
            found = _parse(row)
            if (main := good.get(found.person)) is not None:
                found = _second(found, main)
            if found.person in good:
                raise ValueError(f"person {found.holder or found.person} stands twice")
        except ValueError as error:
            person = without_numbers(row.values.get("person", ""))
            bad.append(BadRow(row.place, without_numbers(str(error)), person))
            continue
        good[found.person] = found
        places[found.person] = row.place
    if not good and not bad:
        raise DataError(path, "there is nobody in it")
    return Roster(tuple(_in_wgs84(list(good.values()), frame)), tuple(bad), places)


def _parse(row: Row) -> Recipient:
    """One row, its position still in the file's frame."""
    values = {name: " ".join(row.values.get(name, "").split()) for name in COLUMNS}
    for name, longest in _LONGEST.items():
        if not values[name]:
            raise ValueError(f"{name} is empty")
        if len(values[name]) > longest:
            raise ValueError(f"{name} is longer than {longest} characters")
        if not values[name].isprintable():
            raise ValueError(f"{name} has control characters")
        if holds_number(values[name]):
            raise ValueError(f"{name} holds a phone number, which is only kept encrypted")
    try:
        lon, lat = float(values["lon"]), float(values["lat"])
    except ValueError:
        raise ValueError(f"position {values['lat']!r}, {values['lon']!r} is no number") from None
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(f"position {lat}, {lon} is not on Earth")
    role = _ROLES.get(values["role"])
    if role is None:
        known = ", ".join(r.value for r in Role)
        raise ValueError(f"role {values['role']!r} is none of {known}")
    unit = (values["unit_code"], values["unit_name"])
    return Recipient(values["person"], values["name"], role, *unit, lon, lat, _phone(row))


def _second(found: Recipient, main: Recipient) -> Recipient:
    """Another duty of somebody who has one; the number is theirs, whatever they do.

    Its id is made of theirs, the unit and the role: the same wherever the row stands.
    """
    if (found.role, found.unit_code) == (main.role, main.unit_code):
        return found
    key = duty_id(found.person, found.unit_code, found.role)
    if len(key) > _LONGEST["person"]:
        raise ValueError(f"person {found.person}: too long an id for a second duty")
    return replace(found, person=key, holder=found.person, phone=found.phone or main.phone)


def _phone(row: Row) -> str | None:
    text = row.values.get(PHONE)
    return parse_phone(text) if text else text


def _in_wgs84(people: Sequence[Recipient], frame: Frame) -> list[Recipient]:
    lon, lat = to_wgs84([p.lon for p in people], [p.lat for p in people], frame)
    return [
        replace(p, lon=float(x), lat=float(y)) for p, x, y in zip(people, lon, lat, strict=True)
    ]


def count_recipients(connection: Connection) -> int:
    """Number of recipients in the database; who was removed does not count."""
    query = select(func.count()).select_from(recipient).where(recipient.c.removed_at.is_(None))
    return int(connection.execute(query).scalar_one())


def match(connection: Connection, cells: Iterable[int]) -> list[int]:
    """Ids of the recipients in any of the cells."""
    wanted = sorted(set(cells))
    found: list[int] = []
    for at in range(0, len(wanted), _BATCH):
        query = select(recipient.c.recipient_id).where(
            recipient.c.cell_id.in_(wanted[at : at + _BATCH])
        )
        found += connection.execute(query).scalars()
    return sorted(found)
