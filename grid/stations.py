"""Station reports: hourly rain from CSV, with every refused row counted and named."""

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.grid.frames import Frame, to_wgs84
from jinghu.grid.spec import CELL_OUTSIDE, GridSpec
from jinghu.grid.times import isoformat, to_numpy

COLUMNS = ("station", "lat", "lon", "height_0p1m", "time_utc_end", "rain_mm_1h")
MAX_MM_PER_HOUR = 250.0  # the Chinese record is 201.9 mm (Zhengzhou, 2021-07-20)
_MISSING = (-9999.0, 9999.0, 999.9, 999999.0, 99999.0)
_MAX_BYTES = 64 * 2**20
_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class HourlyRain:
    """Rain of one station in the hour that ends at ``time``."""

    station: str
    lon: float
    lat: float
    altitude_m: float
    time: datetime
    amount_mm: float


@dataclass(frozen=True, slots=True)
class StationFile:
    """What one file of reports gave."""

    source: str
    reports: tuple[HourlyRain, ...]
    refused: int
    examples: tuple[str, ...]


def read_hourly_rain(path: Path, frame: Frame) -> StationFile:
    """Read hourly rain reports from a CSV file with the columns `COLUMNS`.

    Rows that cannot be right are refused one by one; the file is refused only where it is not
    such a table.

    Parameters
    ----------
    path
        UTF-8 CSV; ``time_utc_end`` is the end of the hour, ISO 8601 with offset; heights in
        0.1 m; rain in mm.
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
        missing = set(COLUMNS) - set(rows.fieldnames or ())
    except csv.Error as error:
        raise DataError(path, f"not a CSV table: {error}") from None
    if missing:
        raise DataError(path, f"columns {sorted(missing)} are missing")
    reports: dict[tuple[str, datetime], HourlyRain] = {}
    refused: list[str] = []
    for number, row in _numbered(rows):
        try:
            report = _parse(row, frame)
        except (ValueError, OverflowError) as error:
            refused.append(f"line {number}: {error}")
            continue
        reports[report.station, report.time] = report  # a repeated report replaces the earlier
    return StationFile(str(path), tuple(reports.values()), len(refused), tuple(refused[:_EXAMPLES]))


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


def _parse(row: dict[str, str] | str, frame: Frame) -> HourlyRain:
    if isinstance(row, str):
        raise ValueError(row)
    station = row["station"].strip()
    if not station:
        raise ValueError("no station name")
    time = datetime.fromisoformat(row["time_utc_end"])
    if time.tzinfo is None:
        raise ValueError(f"time {row['time_utc_end']!r} has no offset")
    if time.minute or time.second or time.microsecond:
        raise ValueError(f"time {row['time_utc_end']!r} is not the end of an hour")
    lon, lat = float(row["lon"]), float(row["lat"])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(f"position {lat}, {lon} is not on Earth")
    amount = float(row["rain_mm_1h"] or "nan")
    if np.isnan(amount) or amount in _MISSING:
        raise ValueError(f"station {station}: no rain value")
    if not 0 <= amount <= MAX_MM_PER_HOUR:
        raise ValueError(f"station {station}: {amount} mm in an hour cannot be")
    height = float(row["height_0p1m"] or "nan") / 10
    if abs(height) > 9000:
        height = float("nan")
    wgs_lon, wgs_lat = to_wgs84(lon, lat, frame)
    return HourlyRain(station, float(wgs_lon), float(wgs_lat), height, time.astimezone(UTC), amount)


def hourly_rain_on(spec: GridSpec, files: Sequence[StationFile], hour_end: datetime) -> xr.Dataset:
    """Rain of the stations inside the grid in the hour that ends at ``hour_end``.

    Returns
    -------
    Dataset over ``station`` (sorted by name) with ``rainfall_amount`` (mm), ``x``, ``y`` (m of
    the grid), ``lon``, ``lat``, ``altitude`` (m), ``cell`` and scalar ``time``.
    """
    by_name = {r.station: r for f in files for r in f.reports if r.time == hour_end}
    reports = [by_name[name] for name in sorted(by_name)]
    lon = np.array([r.lon for r in reports], np.float64)
    lat = np.array([r.lat for r in reports], np.float64)
    x, y = spec.to_xy(lon, lat)
    cell = spec.cell_of_xy(x, y)
    inside = cell != CELL_OUTSIDE
    amount = np.array([r.amount_mm for r in reports], np.float32)
    altitude = np.array([r.altitude_m for r in reports], np.float32)
    station = np.array([r.station for r in reports], dtype=np.str_)
    return xr.Dataset(
        {"rainfall_amount": ("station", amount[inside], attrs("rainfall_amount"))},
        coords={
            "station": station[inside],
            "x": ("station", x[inside], {"units": "m"}),
            "y": ("station", y[inside], {"units": "m"}),
            "lon": ("station", lon[inside], {"units": "degrees_east"}),
            "lat": ("station", lat[inside], {"units": "degrees_north"}),
            "altitude": ("station", altitude[inside], {"units": "m"}),
            "cell": ("station", cell[inside]),
            "time": to_numpy(hour_end),
        },
        attrs={"hour_end": isoformat(hour_end), "outside": int((~inside).sum())},
    )
