"""Wind profiles of a cycle: found, read, refused by name, and made into a steering wind."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.carried import file_key
from jinghu.configs.settings import InputSettings, Settings
from jinghu.grid.errors import DataError
from jinghu.grid.frames import parse_frame
from jinghu.grid.profiles import WindProfile, named_time, read_profile
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import BEIJING, cycle_name
from jinghu.ingest import Refused, Window
from jinghu.nowcast.steering import SteeringParams, steering_motion, steering_wind
from jinghu.stages import StageLog

PARAMS = SteeringParams()
_OUTSIDE_M = 300_000.0  # from the grid: a wind from farther away says little
_OLDEST = timedelta(seconds=PARAMS.oldest_s)
_LATE = timedelta(minutes=30)


@dataclass(slots=True)
class Profiles:
    """Wind profiles that a cycle has to work with.

    Parameters
    ----------
    asked
        Whether any are configured.
    used
        Of stations in and around the grid, in order of their files' names.
    refused
        Files that are no profile, or of a station whose clock is wrong.
    outside
        Stations too far away.
    duplicates
        Files that repeat another one.
    wrong_clock
        Why files were refused that were stamped in the future, by their keys: they would be taken
        for news once their time has come.
    """

    asked: bool = False
    used: list[WindProfile] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    outside: set[str] = field(default_factory=set)
    duplicates: int = 0
    wrong_clock: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Steering:
    """Steering wind of a cycle.

    Parameters
    ----------
    motion
        As of `jinghu.nowcast.steering.steering_motion`, None where there is none.
    summary
        What it was made from, for the manifest.
    """

    motion: xr.Dataset | None
    summary: Mapping[str, object]


def read_inputs(
    paths: Sequence[Path], settings: Settings, now: tuple[datetime, datetime], store: Store,
    log: StageLog,
) -> Profiles:  # fmt: skip
    """Read the profiles that belong to a cycle.

    Parameters
    ----------
    paths
        Files and folders; one that does not exist is named.
    settings
        Frame and clock of the files, and the grid.
    now
        Analysis time, and the cycle's clock.
    store
        Where the cycle before left what it knew of the stations' clocks.
    log
        Told what the cycle has to do without.
    """
    found = Profiles()
    if not paths:
        return found
    for path in paths:
        if not path.exists():
            log.degrade(f"profile input {path} does not exist")
    window = Window(now[0] - _OLDEST, *now)
    files = profile_files(paths, settings.inputs, window.start)
    known = known_clocks(store, now[0])
    read_profiles(files, settings.inputs, settings.grid.working(), window, found, known)
    found.asked = True
    return found


def steering_of(found: Profiles, spec: GridSpec, time: datetime, log: StageLog) -> Steering:
    """Make the steering wind of profiles; stations that have fallen silent are named."""
    winds = [wind for one in found.used if (wind := steering_wind(one, PARAMS)) is not None]
    motion = steering_motion(winds, spec, time, PARAMS)
    if found.asked and motion is None:
        log.degrade(f"no wind profile of the last {_OLDEST // timedelta(minutes=1)} min")
    newest: dict[str, datetime] = {}
    for one in found.used:
        newest[one.station] = max(one.time, newest.get(one.station, one.time))
    for station, last in sorted(newest.items()):
        if time - last > _LATE:
            minutes = (time - last) // timedelta(minutes=1)
            log.degrade(f"profile station {station}: newest wind is {minutes} min old")
    speaking = {wind.station for wind in winds}
    summary = {
        "stations": sorted(speaking),
        "files": [one.source for one in found.used],
        "without_wind": sorted(set(newest) - speaking),
        "outside": sorted(found.outside),
        "duplicates": found.duplicates,
        "dropped_levels": sum(one.dropped for one in found.used),
    }
    return Steering(motion, summary)


def profile_files(paths: Iterable[Path], settings: InputSettings, oldest: datetime) -> list[Path]:
    """List the files that may hold a profile not older than a time, sorted by name.

    Names without a time are kept, so that whatever was dropped into a folder is used or refused.
    """
    found: list[Path] = []
    for path in paths:
        found += path.iterdir() if path.is_dir() else [path]
    named = ((named_time(p.name, clock(settings)), p) for p in found)
    young = (p for t, p in named if (t is None or t >= oldest) and not p.name.startswith("."))
    return sorted((p for p in young if p.is_file()), key=lambda p: p.name)


def read_profiles(
    files: Iterable[Path],
    settings: InputSettings,
    spec: GridSpec,
    window: Window,
    into: Profiles,
    wrong_clock: Mapping[str, str],
) -> None:
    """Read files; refused ones are named with their cause and lose nothing of the others."""
    frame = parse_frame(settings.profile_frame, "inputs.profile_frame")
    seen: set[tuple[str, str, datetime]] = set()
    for file in files:
        key = file_key(file)
        try:
            if key is not None and key in wrong_clock:
                into.wrong_clock[key] = wrong_clock[key]
                raise DataError(file.name, wrong_clock[key])
            profile = read_profile(file, frame, clock(settings))
            told = f"it is of {profile.time:%Y-%m-%dT%H:%M:%SZ}"
            if window.foretells(profile.time):
                cause = f"{told}, yet to come: clock wrong"
                if key is not None:
                    into.wrong_clock[key] = cause
                raise DataError(file.name, cause)
            if profile.time < window.start and named_time(file.name, clock(settings)) is None:
                raise DataError(file.name, f"{told}: clock or name wrong")
        except DataError as error:
            into.refused.append(Refused(file, error))
            continue
        if not window.holds(profile.time):
            continue  # of a later cycle, or just too old
        if _far(profile, spec):
            into.outside.add(profile.station)
        elif (same := (profile.station, profile.product.value, profile.time)) in seen:
            into.duplicates += 1
        else:
            seen.add(same)
            into.used.append(profile)


def clock(settings: InputSettings) -> tzinfo:
    """Time in which the files are written."""
    return UTC if settings.profile_clock == "UTC" else BEIJING


def _far(profile: WindProfile, spec: GridSpec) -> bool:
    """Whether a station is too far from the grid to say anything about it."""
    x, y = (float(v) for v in spec.to_xy(profile.lon, profile.lat))
    off_x = max(spec.x[0] - x, x - spec.x[-1], 0.0)
    off_y = max(spec.y[0] - y, y - spec.y[-1], 0.0)
    return not np.hypot(off_x, off_y) <= _OUTSIDE_M


def known_clocks(store: Store, time: datetime) -> dict[str, str]:
    """Files that the cycle before refused for their clocks."""
    state = load_state(store, cycle_name(time), "profiles")
    return {} if state is None else dict(json.loads(state[1].attrs["wrong_clock"]))


def clocks_state(found: Profiles) -> xr.Dataset:
    """What the next cycle is to know, to be kept as state."""
    return xr.Dataset(attrs={"wrong_clock": json.dumps(found.wrong_clock)})
