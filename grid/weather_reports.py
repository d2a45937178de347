"""Reports of weather stations (wind, gusts, temperature) from CSV; what is wrong is named."""

import csv
import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame, to_wgs84
from jinghu.grid.river_reports import written_at

COLUMNS = ("station", "lat", "lon", "height_0p1m", "time_utc")
MEASURED = ("wind_speed_m_s", "wind_gust_m_s", "wind_direction_deg", "air_temperature_c")
_LIMITS = {
    "wind_speed_m_s": (0.0, 75.0),  # the Chinese record of a 10 min mean is 74.7 m/s
    "wind_gust_m_s": (0.0, 120.0),  # the world record of a gust is 113 m/s
    "wind_direction_deg": (0.0, 360.0),
    "air_temperature_c": (-55.0, 55.0),  # the Chinese records are -53.0 and 52.2
}
_MISSING = (-9999.0, 9999.0, 999.9, 99999.0, 999999.0, 999.0)
_GUST_SLACK_M_S = 0.5  # rounding; a gust cannot be less than the mean
_MAX_BYTES = 32 * 2**20
_EXAMPLES = 5
_CLOCKS_DIFFER = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class WeatherReport:
    """One report; NaN where a value is not given.

    Parameters
    ----------
    station
        Who reports.
    lon, lat, altitude_m
        WGS-84 degrees; metres above sea level.
    time
        UTC.
    wind_speed_m_s, wind_gust_m_s, wind_direction_deg
        Ten-minute mean at 10 m, strongest gust since the report before, whence it blows.
    air_temperature_c
        At 2 m.
    """

    station: str
    lon: float
    lat: float
    altitude_m: float
    time: datetime
    wind_speed_m_s: float
    wind_gust_m_s: float
    wind_direction_deg: float
    air_temperature_c: float

    @property
    def tells(self) -> bool:
        """Whether it holds wind or temperature; a station that has neither is no fault."""
        values = (self.wind_speed_m_s, self.wind_gust_m_s, self.air_temperature_c)
        return not all(map(math.isnan, values))


@dataclass(frozen=True, slots=True)
class WeatherFile:
    """What one file of reports gave."""

    source: str
    reports: tuple[WeatherReport, ...]
    refused: int
    examples: tuple[str, ...]


def read_weather_reports(path: Path, frame: Frame) -> WeatherFile:
    """Read weather reports from a CSV file with the columns `COLUMNS` and some of `MEASURED`.

    Rows that cannot be right are refused one by one, and so are single values: a broken thermometer
    does not silence the anemometer beside it. The file is refused only where it is not such a
    table. A row stamped later than the time in the file's name comes of a clock that is wrong.

    Parameters
    ----------
    path
        UTF-8 CSV; ``time_utc`` ISO 8601 with offset, heights in 0.1 m. Other columns are passed
        over, so that the file of hourly rain may hold these too.
    frame
        Declared frame of its coordinates.

    Raises
    ------
    DataError
        Where the file cannot be read or has other columns.
    """
    rows = csv.reader(io.StringIO(_text(path), newline=""))
    try:
        header = [name.strip() for name in next(rows, [])]
    except csv.Error as error:
        raise DataError(path, f"not a CSV table: {error}") from None
    if missing := [name for name in COLUMNS if name not in header]:
        raise DataError(path, f"lacks the columns {', '.join(missing)}")
    if not set(MEASURED) & set(header):
        raise DataError(path, f"has none of the columns {', '.join(MEASURED)}")
    at = {name: header.index(name) for name in (*COLUMNS, *MEASURED) if name in header}
    written = written_at(path.name)
    reports: list[WeatherReport] = []
    refused: list[str] = []
    for number, row in _numbered(rows, len(header)):
        try:
            report, problems = _parse(row, at)
            if written is not None and report.time > written + _CLOCKS_DIFFER:
                raise ValueError(
                    f"station {report.station}: stamped {report.time:%Y-%m-%dT%H:%M:%SZ}, after its"
                    " file was written: clock wrong"
                )
        except (ValueError, OverflowError) as error:
            refused.append(f"line {number}: {error}")
            continue
        refused += [f"line {number}: {problem}" for problem in problems]
        if report.tells:
            reports.append(report)
    placed = _placed(reports, frame)
    return WeatherFile(str(path), placed, len(refused), tuple(refused[:_EXAMPLES]))


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(path, f"larger than {_MAX_BYTES // 2**20} MiB")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    except UnicodeDecodeError:
        raise DataError(path, "not a UTF-8 text file") from None


def _numbered(rows: Iterator[list[str]], width: int) -> Iterator[tuple[int, list[str] | str]]:
    """Rows with their line numbers; in place of one that is no CSV, what is wrong with it."""
    number = 1
    while True:
        number += 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield number, str(error)
            continue
        if row:
            yield number, row if len(row) >= width else "cut short"


def _parse(row: list[str] | str, at: Mapping[str, int]) -> tuple[WeatherReport, list[str]]:
    """One row as a report, and what is wrong with single values of it."""
    if isinstance(row, str):
        raise ValueError(row)
    station = row[at["station"]].strip()
    if not station:
        raise ValueError("no station name")
    time = datetime.fromisoformat(row[at["time_utc"]])
    if time.tzinfo is None:
        raise ValueError(f"station {station}: time {row[at['time_utc']]!r} has no offset")
    lon, lat = float(row[at["lon"]]), float(row[at["lat"]])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(f"station {station}: position {lat}, {lon} is not on Earth")
    height = float(row[at["height_0p1m"]] or "nan") / 10
    problems: list[str] = []
    mean, gust, direction, temperature = (
        _value(row[at[n]], n, problems) if n in at else math.nan for n in MEASURED
    )
    if gust < mean - _GUST_SLACK_M_S:
        problems.append(f"gust {gust:g} m/s below the mean {mean:g} m/s")
        mean = gust = math.nan  # which of the two is wrong is not known
    altitude = height if abs(height) <= 9000 else math.nan
    report = WeatherReport(
        station, lon, lat, altitude, time.astimezone(UTC), mean, gust, direction, temperature
    )
    return report, [f"station {station}: {problem}" for problem in problems]


def _value(text: str, name: str, problems: list[str]) -> float:
    """Number, NaN where none is given or where it cannot be, which is named."""
    if not text.strip():
        return math.nan
    try:
        value = float(text)
    except ValueError:
        problems.append(f"{name} {text!r} is no number")
        return math.nan
    if math.isnan(value) or value in _MISSING:
        return math.nan
    low, high = _LIMITS[name]
    if not low <= value <= high:
        problems.append(f"{name} {value:g} cannot be")
        return math.nan
    return value


def _placed(reports: list[WeatherReport], frame: Frame) -> tuple[WeatherReport, ...]:
    """The reports in WGS-84."""
    lon, lat = to_wgs84(
        np.array([r.lon for r in reports]), np.array([r.lat for r in reports]), frame
    )
    return tuple(
        replace(report, lon=x, lat=y)
        for report, x, y in zip(reports, lon.tolist(), lat.tolist(), strict=True)
    )
