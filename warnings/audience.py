"""Who is where: importing recipients, and finding those in a set of cells."""

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Engine, func, select
from sqlalchemy.dialects import postgresql, sqlite

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame, to_wgs84
from jinghu.grid.spec import CELL_OUTSIDE, GridSpec
from jinghu.warnings.levels import Role
from jinghu.warnings.tables import recipient

COLUMNS = ("person", "name", "role", "unit_code", "unit_name", "lon", "lat")
_LONGEST = {"person": 64, "name": 64, "role": 24, "unit_code": 16, "unit_name": 64}
_MAX_BYTES = 256 * 2**20
_BATCH = 5000


@dataclass(frozen=True, slots=True)
class Recipient:
    """A responsible person and their place, WGS-84."""

    person: str
    name: str
    role: Role
    unit_code: str
    unit_name: str
    lon: float
    lat: float


@dataclass(frozen=True, slots=True)
class ImportReport:
    """What an import took, and every row it refused with the cause."""

    imported: int
    bad: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AudienceIndex:
    """Recipients by cell in compressed rows: cell c has ``rows[start[c]:start[c + 1]]``."""

    start: NDArray[np.int64]
    rows: NDArray[np.int64]

    @staticmethod
    def build(cell_ids: NDArray[np.int64], n_cells: int) -> "AudienceIndex":
        """Index recipients by their cells; those outside the grid are in none."""
        rows = np.argsort(cell_ids, kind="stable")
        rows = rows[cell_ids[rows] != CELL_OUTSIDE]
        start = np.searchsorted(cell_ids[rows], np.arange(n_cells + 1))
        return AudienceIndex(start.astype(np.int64), rows.astype(np.int64))

    def match(self, cells: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the recipients in any of the cells, ascending."""
        wanted = np.unique(np.asarray(cells, np.int64))
        lengths = self.start[wanted + 1] - self.start[wanted]
        first = np.repeat(self.start[wanted] - np.cumsum(lengths) + lengths, lengths)
        return np.sort(self.rows[first + np.arange(lengths.sum())])


def read_recipients(path: Path, frame: Frame) -> tuple[list[Recipient], list[str]]:
    """Read recipients from CSV with the columns `COLUMNS`.

    Returns the good rows, in WGS-84, and a line for every bad one.

    Raises
    ------
    DataError
        Where the file is not such a table.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(path, f"larger than {_MAX_BYTES // 2**20} MiB")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise DataError(path, "not a UTF-8 text file") from None
    rows = csv.DictReader(io.StringIO(text, newline=""))
    if missing := set(COLUMNS) - set(rows.fieldnames or ()):
        raise DataError(path, f"columns {sorted(missing)} are missing")
    good: dict[str, Recipient] = {}
    bad: list[str] = []
    try:
        for row in rows:
            try:
                found = _parse(row)
                if found.person in good:
                    raise ValueError(f"person {found.person} stands twice")
            except ValueError as error:
                bad.append(f"line {rows.line_num}: {error}")
                continue
            good[found.person] = found
    except csv.Error as error:
        raise DataError(path, f"line {rows.line_num}: {error}") from None
    return _in_wgs84(list(good.values()), frame), bad


def _parse(row: dict[str, str | None]) -> Recipient:
    """One row, its position still in the file's frame."""
    values = {name: (row[name] or "").strip() for name in COLUMNS}
    for name, longest in _LONGEST.items():
        if not values[name]:
            raise ValueError(f"{name} is empty")
        if len(values[name]) > longest:
            raise ValueError(f"{name} is longer than {longest} characters")
    try:
        lon, lat = float(values["lon"]), float(values["lat"])
    except ValueError:
        raise ValueError(f"position {values['lat']!r}, {values['lon']!r} is no number") from None
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(f"position {lat}, {lon} is not on Earth")
    try:
        role = Role(values["role"])
    except ValueError:
        known = ", ".join(r.value for r in Role)
        raise ValueError(f"role {values['role']!r} is none of {known}") from None
    unit = (values["unit_code"], values["unit_name"])
    return Recipient(values["person"], values["name"], role, *unit, lon, lat)


def _in_wgs84(people: list[Recipient], frame: Frame) -> list[Recipient]:
    lon, lat = to_wgs84([p.lon for p in people], [p.lat for p in people], frame)
    return [
        replace(p, lon=float(x), lat=float(y)) for p, x, y in zip(people, lon, lat, strict=True)
    ]


def store_recipients(
    engine: Engine, recipients: Sequence[Recipient], spec: GridSpec
) -> ImportReport:
    """Write recipients with their cells; known persons are updated, people outside are refused."""
    cells = spec.cell_of_lonlat([r.lon for r in recipients], [r.lat for r in recipients])
    rows: list[dict[str, object]] = []
    bad: list[str] = []
    for person, cell in zip(recipients, cells, strict=True):
        if cell == CELL_OUTSIDE:
            bad.append(f"person {person.person}: {person.lat}, {person.lon} is outside the grid")
            continue
        rows.append(
            {
                "person": person.person,
                "name": person.name,
                "role": person.role.value,
                "unit_code": person.unit_code,
                "unit_name": person.unit_name,
                "lon": person.lon,
                "lat": person.lat,
                "cell_id": int(cell),
            }
        )
    with engine.begin() as connection:
        for at in range(0, len(rows), _BATCH):
            _upsert(connection, rows[at : at + _BATCH])
    return ImportReport(len(rows), tuple(bad))


def _upsert(connection: Connection, rows: list[dict[str, object]]) -> None:
    if connection.dialect.name == "postgresql":
        statement = postgresql.insert(recipient)
        changed = {c: statement.excluded[c] for c in rows[0] if c != "person"}
        connection.execute(
            statement.on_conflict_do_update(index_elements=["person"], set_=changed), rows
        )
    else:
        lite = sqlite.insert(recipient)
        changed = {c: lite.excluded[c] for c in rows[0] if c != "person"}
        connection.execute(
            lite.on_conflict_do_update(index_elements=["person"], set_=changed), rows
        )


def count_recipients(connection: Connection) -> int:
    """Number of recipients in the database."""
    return int(connection.execute(select(func.count()).select_from(recipient)).scalar_one())


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
