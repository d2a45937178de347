"""Reports of river gauges and reservoirs from CSV, with every refused row counted and named."""

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import numpy as np

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame, to_wgs84

COLUMNS = ("station", "kind", "name_zh", "lat", "lon", "time_utc", "water_level_m", "datum",
           "discharge_m3s")  # fmt: skip
_MISSING = (-9999.0, 9999.0, 99999.0, 999999.0, -99.0)
_LEVEL_M = (-100.0, 6000.0)
_MOST_M3S = 150_000.0  # twice the largest flood of the Yangtze on record
_MAX_BYTES = 16 * 2**20
_EXAMPLES = 5
_CLOCKS_DIFFER = timedelta(minutes=2)
_NAMED = re.compile(r"(\d{12})(?:\d{2})?\.csv$", re.ASCII | re.IGNORECASE)


class Kind(StrEnum):
    """What stands where the report comes from."""

    RIVER = "river"
    RESERVOIR = "reservoir"


@dataclass(frozen=True, slots=True)
class RiverReport:
    """One report.

    Parameters
    ----------
    station, kind, name_zh
        Who reports.
    lon, lat
        WGS-84 degrees.
    time
        UTC.
    level_m
        Water level above ``datum``, NaN where none is given.
    datum
        As declared by the station.
    discharge_m3_s
        By the station's own rating or gauging (of a reservoir its outflow); NaN where none.
    """

    station: str
    kind: Kind
    name_zh: str
    lon: float
    lat: float
    time: datetime
    level_m: float
    datum: str
    discharge_m3_s: float


@dataclass(frozen=True, slots=True)
class RiverFile:
    """What one file of reports gave."""

    source: str
    reports: tuple[RiverReport, ...]
    refused: int
    examples: tuple[str, ...]


def written_at(name: str) -> datetime | None:
    """Time that the name of a file ends with (``..._yyyymmddhhmm.csv``, UTC), if any."""
    match = _NAMED.search(name)
    if match is None:
        return None
    try:
        return datetime.strptime(match.group(1), "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None


def read_river_reports(path: Path, frame: Frame) -> RiverFile:
    """Read reports of river gauges and reservoirs from a CSV file with the columns `COLUMNS`.

    Rows that cannot be right are refused one by one; the file is refused only where it is not
    such a table. A row stamped later than the time in the file's name was written by a clock that
    is wrong.

    Parameters
    ----------
    path
        UTF-8 CSV; ``kind`` is ``river`` or ``reservoir``, ``time_utc`` ISO 8601 with offset;
        level or discharge may be empty, not both; a level needs its datum.
    frame
        Declared frame of its coordinates.

    Raises
    ------
    DataError
        Where the file cannot be read or has other columns.
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
    try:
        missing = [name for name in COLUMNS if name not in (rows.fieldnames or ())]
    except csv.Error as error:
        raise DataError(path, f"not a CSV table: {error}") from None
    if missing:
        raise DataError(path, f"lacks the columns {', '.join(missing)}")
    written = written_at(path.name)
    reports: list[RiverReport] = []
    refused: list[str] = []
    for number, row in _numbered(rows):
        try:
            report = parse_row(row, frame)
            if written is not None and report.time > written + _CLOCKS_DIFFER:
                raise ValueError(
                    f"station {report.station}: stamped {report.time:%Y-%m-%dT%H:%M:%SZ}, after its"
                    " file was written: clock wrong"
                )
        except (ValueError, OverflowError) as error:
            refused.append(f"line {number}: {error}")
            continue
        reports.append(report)
    return RiverFile(str(path), tuple(reports), len(refused), tuple(refused[:_EXAMPLES]))


def _numbered(rows: "csv.DictReader[str]") -> Iterator[tuple[int, dict[str, str] | str]]:
    """Rows with their line numbers; in place of one that is no CSV, what is wrong with it."""
    while True:
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield rows.line_num + 1, str(error)
            continue
        short = [name for name in COLUMNS if row[name] is None]
        yield rows.line_num, f"cut short, no {', '.join(short)}" if short else row


def parse_row(row: dict[str, str] | str, frame: Frame) -> RiverReport:
    """One row as a report; ValueError says what is wrong with it."""
    if isinstance(row, str):
        raise ValueError(row)
    station = row["station"].strip()
    if not station:
        raise ValueError("no station")
    try:
        kind = Kind(row["kind"].strip())
    except ValueError:
        raise ValueError(
            f"station {station}: kind {row['kind']!r} is neither river nor reservoir"
        ) from None
    time = datetime.fromisoformat(row["time_utc"])
    if time.tzinfo is None:
        raise ValueError(f"station {station}: time {row['time_utc']!r} has no offset")
    lon, lat = float(row["lon"]), float(row["lat"])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(f"station {station}: position {lat}, {lon} is not on Earth")
    level = _value(row["water_level_m"], f"station {station}: level", "m", _LEVEL_M)
    flow = _value(row["discharge_m3s"], f"station {station}: discharge", "m3/s", (0.0, _MOST_M3S))
    if np.isnan(level) and np.isnan(flow):
        raise ValueError(f"station {station}: neither level nor discharge")
    datum = row["datum"].strip()
    if np.isfinite(level) and not datum:
        raise ValueError(f"station {station}: a level without its datum")
    wgs_lon, wgs_lat = to_wgs84(lon, lat, frame)
    return RiverReport(
        station, kind, row["name_zh"].strip(), float(wgs_lon), float(wgs_lat),
        time.astimezone(UTC), level, datum, flow,
    )  # fmt: skip


def _value(text: str, what: str, unit: str, limits: tuple[float, float]) -> float:
    """Number, NaN where none is given; ValueError where it cannot be."""
    text = text.strip()
    if not text:
        return float("nan")
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{what} {text!r} is no number") from None
    if np.isnan(value) or value in _MISSING:
        return float("nan")
    if not limits[0] <= value <= limits[1]:
        raise ValueError(f"{what} {value:g} {unit} cannot be")
    return value
