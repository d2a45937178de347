"""Finding, decoding and refusing the inputs of a cycle."""

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from jinghu.carried import Carried, CarriedScan, file_key
from jinghu.grid.errors import DataError
from jinghu.grid.frames import parse_frame
from jinghu.grid.stations import StationFile, read_hourly_rain
from jinghu.radar.decode import decode_volume
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Volume

_NAME = re.compile(r"^Z_RADR_I_(Z\w{4})_(\d{14})_O_DOR", re.ASCII)
_NAME_SLACK = timedelta(minutes=10)
_WORKERS = 2
_CLOCKS_DIFFER = timedelta(minutes=2)
_MAX_BYTES = 512 * 2**20
NOTHING = Carried()


@dataclass(frozen=True, slots=True)
class Refused:
    """An input that was refused, and why."""

    file: Path
    error: DataError


@dataclass(frozen=True, slots=True)
class Window:
    """Volumes whose first radial lies in it are used.

    Parameters
    ----------
    start, end
        First and last time.
    now
        The cycle's clock: radials stamped later are of a radar whose clock is wrong. None believes
        every clock.
    """

    start: datetime
    end: datetime
    now: datetime | None = None

    def holds(self, time: datetime) -> bool:
        """Whether the time lies inside."""
        return self.start <= time <= self.end

    def foretells(self, time: datetime) -> bool:
        """Whether the time has not come yet, clocks being allowed to differ a little."""
        return self.now is not None and time > self.now + _CLOCKS_DIFFER


@dataclass(slots=True)
class Ingested:
    """What a cycle has to work with.

    Parameters
    ----------
    volumes
        Decoded now.
    carried
        Scans of which an earlier cycle made rain.
    files
        Keys of all radar files looked at, by name.
    passed
        First radials of volumes outside the window, by the keys of their files.
    wrong_clock
        Why volumes were refused that were stamped in the future, by the keys of their files.
    """

    volumes: list[Volume] = field(default_factory=list)
    carried: list[CarriedScan] = field(default_factory=list)
    files: dict[str, str] = field(default_factory=dict)
    passed: dict[str, datetime] = field(default_factory=dict)
    wrong_clock: dict[str, str] = field(default_factory=dict)
    stations: list[StationFile] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    duplicates: int = 0

    @property
    def scans(self) -> list[Volume | CarriedScan]:
        """All scans used, decoded now or carried over, in order of their files' names."""
        return sorted([*self.volumes, *self.carried], key=lambda one: one.source)


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
    carried: Carried = NOTHING,
) -> None:
    """Decode the files; refused ones are named with their cause and lose nothing of the others.

    Files that an earlier cycle made rain of are not decoded again, except each radar's newest:
    more is made of that than rain. Nor are those whose volume is known to be of another time, or
    was stamped in the future when it came: it would be taken for news once its time has come.
    """
    keys = {file: file_key(file) for file in files}
    passed = {key for key, time in carried.passed.items() if not window.holds(time)}
    into.passed.update((key, carried.passed[key]) for key in keys.values() if key in passed)
    files = [file for file in files if keys[file] not in passed]
    known = {scan.file: scan for scan in carried.scans if window.holds(scan.time)}
    wrong = carried.wrong_clock
    there: dict[Path, Volume | CarriedScan | Refused] = {
        file: known[key] for file in files if (key := keys[file]) in known
    }
    for file in files:
        if (key := keys[file]) is not None and key in wrong:
            into.wrong_clock[key] = wrong[key]
            there[file] = Refused(file, DataError(file.name, wrong[key]))
    with ThreadPoolExecutor(workers) as pool:
        fresh = [file for file in files if file not in there]
        there.update(zip(fresh, pool.map(lambda f: _attempt(f, sites), fresh), strict=True))
        again = _newest_carried(there, window)
        there.update(zip(again, pool.map(lambda f: _attempt(f, sites), again), strict=True))
    into.files.update((file.name, key) for file, key in keys.items() if key is not None)
    _take([(file, there[file]) for file in files], window, into)


def _attempt(file: Path, sites: Mapping[str, RadarSite]) -> Volume | Refused:
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise DataError(file.name, f"larger than {_MAX_BYTES // 2**20} MiB")
        return decode_volume(file.read_bytes(), file.name, sites)
    except DataError as error:
        return Refused(file, error)
    except OSError as error:
        return Refused(file, DataError(file.name, error.strerror or str(error)))


def _newest_carried(
    found: Mapping[Path, Volume | CarriedScan | Refused], window: Window
) -> list[Path]:
    """Files of carried scans that are the newest of their radar."""
    newest: dict[str, datetime] = {}
    for one in found.values():
        if not isinstance(one, Refused) and window.holds(one.time):
            newest[one.radar] = max(one.time, newest.get(one.radar, one.time))
    return [
        file
        for file, one in found.items()
        if isinstance(one, CarriedScan) and one.time == newest[one.radar]
    ]


def _take(
    outcomes: Iterable[tuple[Path, Volume | CarriedScan | Refused]],
    window: Window,
    into: Ingested,
) -> None:
    """Sort what was found, in order of the files' names: the first of two alike is used."""
    seen: set[tuple[str, datetime]] = set()
    for file, outcome in outcomes:
        if isinstance(outcome, Refused):
            into.refused.append(outcome)
        elif window.foretells(outcome.time):
            cause = (
                f"its radials are of {outcome.time:%Y-%m-%dT%H:%M:%SZ}, yet to come: clock wrong"
            )
            into.refused.append(Refused(file, DataError(file.name, cause)))
            if file.name in into.files:
                into.wrong_clock[into.files[file.name]] = cause
        elif not window.holds(outcome.time):
            if _NAME.match(file.name) is None or _misnamed(file.name, outcome.time):
                cause = f"its radials are of {outcome.time:%Y-%m-%dT%H:%M:%SZ}: clock or name wrong"
                into.refused.append(Refused(file, DataError(file.name, cause)))
            elif file.name in into.files:
                into.passed[into.files[file.name]] = outcome.time
        elif (outcome.radar, outcome.time) in seen:
            into.duplicates += 1
        else:
            seen.add((outcome.radar, outcome.time))
            if isinstance(outcome, CarriedScan):
                into.carried.append(outcome)
            else:
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
