"""Reports of river gauges and reservoirs of a cycle: found, read, refused, each used once."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import xarray as xr

from jinghu.configs.settings import InputSettings
from jinghu.grid.errors import DataError
from jinghu.grid.frames import parse_frame
from jinghu.grid.river_reports import RiverReport, read_river_reports, written_at
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name
from jinghu.ingest import Refused, Window
from jinghu.stages import StageLog

OLDEST = timedelta(minutes=60)
"""Reports older than this before the analysis come too late."""
_CLOCKS_DIFFER = timedelta(minutes=2)
_FORGET = timedelta(hours=24)  # a station that was silent for so long is not asked for any more
_NAMED = 4  # stations named one by one in a message
STATE = "rivers"


@dataclass(frozen=True, slots=True)
class Memory:
    """What the cycle before knew of the stations.

    Parameters
    ----------
    files
        Keys of files that were looked at.
    taken
        Reports of the last hour that have been used: station and time.
    wrong_clock
        Reports that were stamped in the future, by station and time.
    heard
        When each station was heard last.
    """

    files: frozenset[str] = frozenset()
    taken: frozenset[str] = frozenset()
    wrong_clock: frozenset[str] = frozenset()
    heard: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(slots=True)
class RiverInputs:
    """River reports that a cycle has to work with.

    Parameters
    ----------
    asked
        Whether any are configured.
    fresh
        Not used before, of the last hour, in order of time and station.
    recent
        All of the last hour, used before or not, in the same order.
    files
        Names of the files they came from.
    refused
        Files that are no such table.
    rows_refused, examples
        Rows that cannot be right, and some of them.
    new
        Stations that are heard for the first time in a day.
    late, early, duplicates
        Reports that came too late, that are of after the analysis, that repeat another one.
    memory
        For the next cycle.
    """

    asked: bool = False
    fresh: list[RiverReport] = field(default_factory=list)
    recent: list[RiverReport] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    rows_refused: int = 0
    examples: list[str] = field(default_factory=list)
    new: set[str] = field(default_factory=set)
    late: int = 0
    early: int = 0
    duplicates: int = 0
    memory: Memory = Memory()


def read_rivers(
    paths: Sequence[Path],
    settings: InputSettings,
    clocks: tuple[datetime, datetime],
    store: Store,
    log: StageLog,
) -> RiverInputs:
    """Read the reports that belong to a cycle.

    Parameters
    ----------
    paths
        Files and folders; one that does not exist is named.
    settings
        Frame of the coordinates.
    clocks
        Analysis time, and the cycle's clock.
    store
        Where the cycle before left what it knew of the stations.
    log
        Told of rows that were refused and of stations that fell silent.
    """
    found = RiverInputs()
    if not paths:
        return found
    found.asked = True
    for path in paths:
        if not path.exists():
            log.degrade(f"river input {path} does not exist")
    time, now = clocks
    window = Window(time - OLDEST, time, now)
    before = memory_before(store, time)
    frame = parse_frame(settings.river_frame or settings.station_frame, "inputs.river_frame")
    heard, wrong, keys = dict(before.heard), set(before.wrong_clock), set()
    by_key: dict[str, RiverReport] = {}
    for file in _files(paths, window):
        keys.add(file.name)
        try:
            read = read_river_reports(file, frame)
        except DataError as error:
            found.refused.append(Refused(file, error))
            continue
        problems = list(read.examples)
        refused = read.refused
        for report in read.reports:
            key = _key(report)
            if window.foretells(report.time) or key in wrong:
                wrong.add(key)
                refused += 1
                problems.append(f"station {report.station}: stamped in the future: clock wrong")
                continue
            known = by_key.get(key)
            if known is not None:
                found.duplicates += 1
            by_key[key] = report  # a repeated report replaces the earlier: corrections come later
            heard[report.station] = max(report.time, heard.get(report.station, report.time))
        if refused and file.name not in before.files:
            found.rows_refused += refused
            found.examples += [f"{file.name}: {text}" for text in problems[:2]]
            cause = f"{refused} rows refused, e.g. {problems[0]}"
            found.refused.append(Refused(file, DataError(file.name, cause)))
        found.files.append(file.name)
    _sort(by_key, window, before, found)
    found.memory = Memory(
        frozenset(keys),
        frozenset(_key(report) for report in found.recent),
        frozenset(key for key in wrong if _time_of(key) >= window.start),
        {station: last for station, last in heard.items() if time - last <= _FORGET},
    )
    found.new = set(heard) - set(before.heard)
    name_silent(found.memory.heard, window, log)
    return found


def _sort(
    reports: Mapping[str, RiverReport], window: Window, before: Memory, into: RiverInputs
) -> None:
    """Sort reports by whether they are of the window, and used before."""
    for key, report in sorted(reports.items(), key=lambda one: (one[1].time, one[0])):
        if report.time > window.end:
            into.early += 1
        elif report.time <= window.start:
            into.late += key not in before.taken
        else:
            into.recent.append(report)
            if key not in before.taken:
                into.fresh.append(report)


def name_silent(heard: Mapping[str, datetime], window: Window, log: StageLog) -> None:
    """Name stations that have not been heard for an hour."""
    silent = sorted(station for station, last in heard.items() if last <= window.start)
    if silent:
        log.degrade(f"river stations silent for an hour: {several(silent)}")


def several(names: Sequence[str]) -> str:
    """Names in one line, the rest as a number."""
    rest = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _files(paths: Iterable[Path], window: Window) -> list[Path]:
    """Files that may hold reports of the window, sorted by when they were written, then name.

    Names without a time are kept, so that whatever was dropped into a folder is used or refused.
    """
    found: list[Path] = []
    for path in paths:
        found += path.iterdir() if path.is_dir() else [path]
    kept = []
    for path in found:
        written = written_at(path.name)
        old = written is not None and written <= window.start
        ahead = written is not None and window.now is not None
        if ahead and written is not None and window.now is not None:
            ahead = written > window.now + _CLOCKS_DIFFER
        if path.is_file() and not path.name.startswith(".") and not old and not ahead:
            kept.append(path)
    return sorted(kept, key=lambda p: p.name)


def _key(report: RiverReport) -> str:
    return f"{report.station} {report.time.isoformat()}"


def _time_of(key: str) -> datetime:
    return datetime.fromisoformat(key.rsplit(" ", 1)[1])


def memory_before(store: Store, time: datetime) -> Memory:
    """What the cycle before knew of the stations."""
    state = load_state(store, cycle_name(time), STATE)
    if state is None:
        return Memory()
    known = json.loads(state[1].attrs["memory"])
    return Memory(
        frozenset(known["files"]),
        frozenset(known["taken"]),
        frozenset(known["wrong_clock"]),
        {name: datetime.fromisoformat(last) for name, last in known["heard"].items()},
    )


def memory_state(memory: Memory) -> xr.Dataset:
    """What the next cycle is to know, to be kept as state."""
    known = {
        "files": sorted(memory.files),
        "taken": sorted(memory.taken),
        "wrong_clock": sorted(memory.wrong_clock),
        "heard": {name: last.isoformat() for name, last in memory.heard.items()},
    }
    return xr.Dataset(attrs={"memory": json.dumps(known, ensure_ascii=False)})
