"""Wind profiles: text products ROBS, HOBS and OOBS of wind profiling radars, read and written.

The format is that of China's wind profilers (AP-117-TM-2013-01 of the Civil Aviation
Administration, appendix 3, tables 15 and 17; the same in the national exchange): a line that names
product and version, a line about the station, seven columns a height, and ``NNNN``. Groups of
slashes are missing values.
"""

import re
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame, to_wgs84

NAME = re.compile(
    r"^Z_RAD[AR]_I_(?P<station>\w{4,6})_(?P<time>\d{14})_P_WPRD_\w{2,4}_(?P<product>[RHO]OBS)\.txt$",
    re.ASCII | re.IGNORECASE,
)
MAX_SPEED_M_S = 120.0
MAX_VERTICAL_M_S = 40.0
MAX_HEIGHT_M = 30_000.0
_TIME = "%Y%m%d%H%M%S"
_NAME_SLACK = timedelta(minutes=10)  # between the time of a name and that of its content
_HEAD = re.compile(r"^WND([RHO]OBS) (\d\d\.\d\d)$", re.ASCII)
_NUMBER = re.compile(r"^[+-]?\d+(\.\d*)?(e[+-]?\d+)?$", re.ASCII | re.IGNORECASE)
_MAX_BYTES = 2**20
_EXAMPLES = 5
_MOST_DROPPED = 0.5  # a file of which more levels cannot be right is not believed at all


class Product(StrEnum):
    """What a profile is the mean of; its time is the end of it."""

    REAL_TIME = "ROBS"
    HALF_HOUR = "HOBS"
    HOUR = "OOBS"


@dataclass(frozen=True, slots=True, eq=False)
class Levels:
    """Columns of a profile, each (level,) float64, heights ascending, NaN where missing.

    Parameters
    ----------
    height_m
        Above the station (the standard names no datum; profilers measure from their antenna).
    direction_deg
        From where the wind blows, clockwise from north.
    speed_m_s, vertical_m_s
        Of the horizontal wind; of the vertical one, downward positive.
    confidence, vertical_confidence
        Of both, 0 to 100.
    cn2
        Structure constant of the refractive index.
    """

    height_m: NDArray[np.float64]
    direction_deg: NDArray[np.float64]
    speed_m_s: NDArray[np.float64]
    vertical_m_s: NDArray[np.float64]
    confidence: NDArray[np.float64]
    vertical_confidence: NDArray[np.float64]
    cn2: NDArray[np.float64]

    def wind(self) -> NDArray[np.float64]:
        """Eastward and northward wind in m/s: (2, level)."""
        angle = np.radians(self.direction_deg)
        return np.stack([-self.speed_m_s * np.sin(angle), -self.speed_m_s * np.cos(angle)])


@dataclass(frozen=True, slots=True, eq=False)
class WindProfile:
    """What one file tells.

    Parameters
    ----------
    source
        Name of the file.
    station, kind
        Number of the station, and type of its radar (LC, PB, PA, ...).
    lon, lat, altitude_m
        Where it stands: WGS-84 degrees, above mean sea level.
    product, version, time
        Kind of product, version of the format, UTC end of the observation.
    levels
        The profile.
    dropped, examples
        Levels that could not be right and were left out, and why some of them.
    """

    source: str
    station: str
    kind: str
    lon: float
    lat: float
    altitude_m: float
    product: Product
    version: str
    time: datetime
    levels: Levels
    dropped: int = 0
    examples: tuple[str, ...] = ()


def named_time(name: str, clock: tzinfo = UTC) -> datetime | None:
    """UTC time in the name of a file, None where it is not the name of a profile."""
    match = NAME.match(name)
    try:
        return _time(match["time"], clock) if match else None
    except ValueError:
        return None


def read_profile(path: Path, frame: Frame, clock: tzinfo = UTC) -> WindProfile:
    """Read a file; see `parse_profile`.

    Raises
    ------
    DataError
        Where it cannot be read or is no such product.
    """
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise DataError(path.name, f"larger than {_MAX_BYTES // 2**20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise DataError(path.name, error.strerror or str(error)) from None
    return parse_profile(data, path.name, frame, clock)


def parse_profile(data: bytes, source: str, frame: Frame, clock: tzinfo = UTC) -> WindProfile:
    """Read a product; levels that cannot be right are dropped and counted.

    Parameters
    ----------
    data
        Content of the file, ASCII.
    source
        Its name; where it follows the exchange's rule, station, product and time must agree.
    frame
        Declared frame of its coordinates.
    clock
        In what time it is written: UTC in the national exchange.

    Raises
    ------
    DataError
        Where it is cut short or no such product, its heights do not ascend, or more than half of
        its levels cannot be right.
    """
    try:
        return _parsed(data, source, frame, clock)
    except (ValueError, OverflowError) as error:
        raise DataError(source, str(error)) from None


def _parsed(data: bytes, source: str, frame: Frame, clock: tzinfo) -> WindProfile:
    try:
        lines = [line.strip() for line in data.decode("ascii").rstrip().split("\n")]
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not ASCII text") from None
    head = _HEAD.match(lines[0])
    if head is None:
        raise ValueError(f"begins with {lines[0][:20]!r}, wanted WNDROBS, WNDHOBS or WNDOOBS")
    product = Product(head[1])
    if lines[-1] != "NNNN":
        raise ValueError("cut short: does not end with NNNN")
    if len(lines) < 4:
        raise ValueError(f"cut short: {len(lines)} lines")
    if lines[2] != product:
        raise ValueError(f"line 3 is {lines[2][:20]!r}, wanted {product}")
    described = _described(lines[1], source, product, frame, clock)
    levels, problems = _levels(lines[3:-1])
    return replace(
        described,
        version=head[2],
        levels=levels,
        dropped=len(problems),
        examples=tuple(problems[:_EXAMPLES]),
    )


def _described(
    line: str, source: str, product: Product, frame: Frame, clock: tzinfo
) -> WindProfile:
    """Profile of a station without levels yet."""
    words = line.split()
    if len(words) != 6:
        raise ValueError(
            f"line 2 has {len(words)} fields, wanted station, lon, lat, altitude, type, time"
        )
    station, kind = words[0], words[4]
    if not (re.fullmatch(r"\w{4,6}", station) and re.fullmatch(r"\w{2,4}", kind)):
        raise ValueError(f"line 2: station {station!r} of type {kind!r} cannot be")
    lon, lat, altitude = (_number(word, "line 2") for word in words[1:4])
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise ValueError(f"position {lat}, {lon} is not on Earth")
    if not -500 <= altitude <= 9000:
        raise ValueError(f"station {station}: altitude {altitude} m cannot be")
    try:
        time = _time(words[5], clock)
    except ValueError:
        raise ValueError(f"line 2: time {words[5]!r} is not yyyymmddhhmmss") from None
    _compare_with_name(source, station, product, time, clock)
    wgs_lon, wgs_lat = to_wgs84(lon, lat, frame)
    return WindProfile(
        source, station, kind, float(wgs_lon), float(wgs_lat), altitude, product, "", time,
        Levels(*np.empty((7, 0))),
    )  # fmt: skip


def _compare_with_name(
    source: str, station: str, product: Product, time: datetime, clock: tzinfo
) -> None:
    """Refuse a file whose name says something else than its content."""
    match = NAME.match(source)
    if match is None:
        return
    for named, said in ((match["station"], station), (match["product"], product.value)):
        if named.upper() != said.upper():
            raise ValueError(f"is named {named} and says {said}")
    named_at = named_time(source, clock)
    if named_at is None or abs(named_at - time) > _NAME_SLACK:
        raise ValueError(f"says {time:%Y-%m-%dT%H:%M:%SZ}, not the time in its name: clock wrong")


def _levels(lines: list[str]) -> tuple[Levels, list[str]]:
    """Levels of the lines from the fourth on, and what was wrong with those left out."""
    rows: list[list[float]] = []
    problems: list[str] = []
    below, measured = -np.inf, 0
    for number, line in enumerate(lines, start=4):
        words = line.split()
        measured += not all(_is_missing(word) for word in words[1:])
        try:
            row = _row(words)
        except ValueError as error:
            problems.append(f"line {number}: {error}")
            continue
        if row[0] <= below:
            raise ValueError(f"line {number}: height {row[0]:g} m above {below:g} m: not ascending")
        below = row[0]
        rows.append(row)
    if len(problems) > _MOST_DROPPED * measured:
        raise ValueError(f"{len(problems)} of {measured} levels cannot be: {problems[0]}")
    return Levels(*np.array(rows, np.float64).reshape(-1, 7).T.copy()), problems


def _row(words: list[str]) -> list[float]:
    """Seven values of a level."""
    if len(words) != 7:
        raise ValueError(f"{len(words)} columns, wanted 7")
    values = [np.nan if _is_missing(word) else _number(word, "") for word in words]
    limits = (
        ("height", 0.0, MAX_HEIGHT_M),
        ("direction", 0.0, 360.0),
        ("speed", 0.0, MAX_SPEED_M_S),
        ("vertical speed", -MAX_VERTICAL_M_S, MAX_VERTICAL_M_S),
        ("confidence", 0.0, 100.0),
        ("vertical confidence", 0.0, 100.0),
    )
    for value, (name, low, high) in zip(values, limits, strict=False):
        if not np.isnan(value) and not low <= value <= high:
            raise ValueError(f"{name} {value:g} cannot be")
    if np.isnan(values[0]):
        raise ValueError("no height")
    if np.isnan(values[1]) != np.isnan(values[2]):  # a wind is both or none
        values[1] = values[2] = np.nan
    return values


def encode_profile(profile: WindProfile) -> bytes:
    """Write a profile as a file of its product holds it, in UTC and WGS-84.

    Values are rounded to the digits of the format: metres, 0.1 degrees, 0.1 m/s, whole percent.
    """
    position = f"{profile.lon:09.4f} {profile.lat:08.4f} {profile.altitude_m:07.1f}"
    time = profile.time.astimezone(UTC).strftime(_TIME)
    formats = ("05.0f", "05.1f", "05.1f", "06.1f", "03.0f", "03.0f", "8.1E")
    columns = [getattr(profile.levels, field.name) for field in fields(Levels)]
    rows = (
        " ".join(_written(value, how) for value, how in zip(row, formats, strict=True))
        for row in np.column_stack(columns)
    )
    head = (
        f"WND{profile.product} {profile.version}",
        f"{profile.station} {position} {profile.kind} {time}",
        profile.product.value,
    )
    return ("\n".join([*head, *rows, "NNNN"]) + "\n").encode("ascii")


def profile_name(profile: WindProfile) -> str:
    """Name of its file in the national exchange."""
    time = profile.time.astimezone(UTC).strftime(_TIME)
    return f"Z_RADA_I_{profile.station}_{time}_P_WPRD_{profile.kind}_{profile.product}.TXT"


def _written(value: float, how: str) -> str:
    if how == "8.1E":  # three digits of exponent: 2.1E-016
        digits, _, exponent = f"{value:.1E}".partition("E")
        return "/" * 8 if np.isnan(value) else f"{digits}E{int(exponent):+04d}"
    return "/" * int(how[:2]) if np.isnan(value) else format(value + 0.0, how)


def _is_missing(word: str) -> bool:
    return set(word) == {"/"}


def _number(word: str, where: str) -> float:
    if not _NUMBER.match(word):
        raise ValueError(f"{where}{': ' if where else ''}{word[:20]!r} is not a number")
    value = float(word)
    if not np.isfinite(value):
        raise ValueError(f"{where}{': ' if where else ''}{word[:20]!r} is too large")
    return value


def _time(text: str, clock: tzinfo) -> datetime:
    """Time of fourteen digits, in UTC."""
    if not re.fullmatch(r"\d{14}", text, re.ASCII):
        raise ValueError(text)
    return datetime.strptime(text, _TIME).replace(tzinfo=clock).astimezone(UTC)
