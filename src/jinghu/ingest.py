"""Finding, decoding and refusing the inputs of a cycle."""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinghu.grid.errors import DataError
from jinghu.grid.frames import parse_frame
from jinghu.grid.stations import StationFile, read_hourly_rain
from jinghu.radar.decode import decode_volume
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Volume

_NAME = re.compile(r"^Z_RADR_I_(Z\w{4})_(\d{14})_O_DOR", re.ASCII)
_NAME_SLACK = timedelta(minutes=10)
_WORKERS = 2
_MAX_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Refused:
    """An input that was refused, and why."""

    file: Path
    error: DataError


@dataclass(frozen=True, slots=True)
class Window:
    """Volumes whose first radial lies in it are used."""

    start: datetime
    end: datetime

    def holds(self, time: datetime) -> bool:
        """Whether the time lies inside."""
        return self.start <= time <= self.end


@dataclass(slots=True)
class Ingested:
    """What a cycle has to work with."""

    volumes: list[Volume] = field(default_factory=list)
    stations: list[StationFile] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    duplicates: int = 0


def radar_files(paths: Iterable[Path], window: Window) -> list[Path]:
    """List the files that may hold a volume of the window, sorted by name.

    Files whose name carries a time well outside the window are left out unread; names without
    a time are kept, so that whatever was dropped into the folder is either used or refused.
    """
    found: list[Path] = []
    for path in paths:
        inside = path.iterdir() if path.is_dir() else [path]
        found += [p for p in inside if p.is_file() and not p.name.startswith(".")]
    return sorted((p for p in found if _may_hold(p.name, window)), key=lambda p: p.name)


def _may_hold(name: str, window: Window) -> bool:
    match = _NAME.match(name)
    if match is None:
        return True
    try:
        time = datetime.strptime(match.group(2), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return True
    return window.start - _NAME_SLACK <= time <= window.end + _NAME_SLACK


def read_volumes(
    files: Sequence[Path],
    sites: Mapping[str, RadarSite],
    window: Window,
    into: Ingested,
    workers: int = _WORKERS,
) -> None:
    """Decode the files; refused ones are named with their cause and lose nothing of the others."""

    def attempt(file: Path) -> Volume | Refused:
        try:
            if file.stat().st_size > _MAX_BYTES:
                raise DataError(file.name, f"larger than {_MAX_BYTES // 2**20} MiB")
            return decode_volume(file.read_bytes(), file.name, sites)
        except DataError as error:
            return Refused(file, error)
        except OSError as error:
            return Refused(file, DataError(file.name, error.strerror or str(error)))

    with ThreadPoolExecutor(workers) as pool:
        outcomes = list(pool.map(attempt, files))
    seen: set[tuple[str, datetime]] = set()
    for file, outcome in zip(files, outcomes, strict=True):
        if isinstance(outcome, Refused):
            into.refused.append(outcome)
        elif not window.holds(outcome.time):
            if _NAME.match(file.name) is None or _misnamed(file.name, outcome.time):
                cause = f"its radials are of {outcome.time:%Y-%m-%dT%H:%M:%SZ}: clock or name wrong"
                into.refused.append(Refused(file, DataError(file.name, cause)))
        elif (outcome.site.code, outcome.time) in seen:
            into.duplicates += 1
        else:
            seen.add((outcome.site.code, outcome.time))
            into.volumes.append(outcome)


def _misnamed(name: str, time: datetime) -> bool:
    match = _NAME.match(name)
    if match is None:
        return False
    named = datetime.strptime(match.group(2), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return abs(named - time) > _NAME_SLACK


def read_stations(files: Iterable[Path], frame: str, into: Ingested) -> None:
    """Read station files; refused ones are named with their cause."""
    for file in files:
        try:
            into.stations.append(read_hourly_rain(file, parse_frame(frame, "inputs.station_frame")))
        except DataError as error:
            into.refused.append(Refused(file, error))
