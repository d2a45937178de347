"""What an operator must mend before the system can run."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from jinghu.auditing import anchors_of
from jinghu.configs.settings import Settings
from jinghu.grid.errors import JinghuError
from jinghu.grid.frames import parse_frame
from jinghu.grid.store import Store
from jinghu.people import phone_keys_of
from jinghu.radar.sites import load_sites
from jinghu.second_persons import approvers
from jinghu.warnings.audit import read_anchors, verify
from jinghu.warnings.database import connect, is_made, one_line, reading
from jinghu.warnings.rules import load_rules
from jinghu.warnings.torrent_rules import load_torrent_rules
from jinghu.warnings.water_rules import load_water_rules
from jinghu.warnings.weather_rules import load_weather_rules

_MIN_FREE_GB = 5.0
_NEEDED = ("numba", "numpy", "xarray", "zarr", "pyproj", "SQLAlchemy", "fastapi")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    text: str

    def as_dict(self) -> dict[str, object]:
        """As JSON."""
        return {"what": self.what, "good": self.good, "text": self.text}


def examine(settings: Settings, now: datetime) -> list[Finding]:
    """Look at inputs, tables, store, disk and clock; each finding says what to mend."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("radar folder", partial(_folder, settings.inputs.radar)),
        ("radar sites", lambda: f"{len(load_sites(settings.inputs.sites))} sites"),
        ("boundaries", partial(_file, settings.city.boundaries)),
        ("rules", lambda: f"version {load_rules(settings.warnings.rules).version}"),
        ("store", partial(_store, settings.store)),
        ("database", partial(_database, settings)),
        ("disk", partial(_disk, settings.store)),
        ("clock", partial(_clock, now)),
        ("dependencies", _dependencies),
    ]
    if (water := settings.warnings.water_rules) is not None:
        checks.append(("water rules", lambda: f"version {load_water_rules(water).version}"))
    if (torrents := settings.warnings.torrent_rules) is not None:
        checks.append(("torrents", lambda: f"version {load_torrent_rules(torrents).version}"))
    if (weather := settings.warnings.weather_rules) is not None:
        checks.append(("weather rules", lambda: f"version {load_weather_rules(weather).version}"))
    if settings.warnings.second_person:
        checks.append(("second persons", partial(_second_persons, settings, now)))
    checks += [(f"stations {p.name}", partial(_file, p)) for p in settings.inputs.stations]
    if settings.inputs.stations:
        frame = partial(parse_frame, settings.inputs.station_frame, "inputs.station_frame")
        checks.append(("station frame", frame))
    checks += [(f"profiles {p.name}", partial(_there, p)) for p in settings.inputs.profiles]
    if settings.inputs.profiles:
        frame = partial(parse_frame, settings.inputs.profile_frame, "inputs.profile_frame")
        checks.append(("profile frame", frame))
    if settings.warnings.phone_keys_file or settings.warnings.phone_keys.get_secret_value():
        checks.append(("phone keys", partial(_phone_keys, settings)))
    checks += [(f"model {p.name}", partial(_there, p, "model")) for p in settings.inputs.model]
    checks += [
        (f"weather {p.name}", partial(_there, p, "weather")) for p in settings.inputs.weather
    ]
    checks += [(f"rivers {p.name}", partial(_there, p, "rivers")) for p in settings.inputs.rivers]
    if settings.inputs.rivers:
        declared = settings.inputs.river_frame or settings.inputs.station_frame
        checks.append(("river frame", partial(parse_frame, declared, "inputs.river_frame")))
    return [_look(what, check) for what, check in checks]


def _look(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, check())
    except (JinghuError, OSError) as error:
        return Finding(what, False, str(error))


def _folder(path: Path) -> str:
    if not path.is_dir():
        raise FileNotFoundError(f"{path} is not a folder: set inputs.radar")
    return f"{path}: {sum(1 for _ in path.iterdir())} files"


def _file(path: Path) -> str:
    if not path.is_file():
        raise FileNotFoundError(f"{path} is missing")
    return str(path)


def _there(path: Path, option: str = "profiles") -> str:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing: set inputs.{option}")
    return str(path)


def _store(root: Path) -> str:
    latest = Store(root).create().latest()
    if latest is None:
        return f"{root}: empty"
    if damaged := latest.verify():
        raise OSError(f"{root}: {latest.cycle}/{latest.name} is damaged: {', '.join(damaged)}")
    return f"{root}: newest {latest.cycle}/{latest.name}, checksums right"


def _database(settings: Settings) -> str:
    url = settings.warnings.database
    try:
        shown = make_url(url).render_as_string()
    except SQLAlchemyError as error:
        raise OSError(one_line(error)) from None
    try:
        if not is_made(url):
            return f"{shown}: made by the first cycle"
        engine = connect(url)
        try:
            with reading(engine) as connection:
                found = verify(connection, read_anchors(anchors_of(settings)))
        finally:
            engine.dispose()
    except (SQLAlchemyError, ImportError) as error:
        raise OSError(f"{shown}: {one_line(error)}") from None
    if found.broken is not None:
        entry = f"entry {found.broken.seq} {found.broken.cause}"
        raise OSError(f"{shown}: the audit chain is broken: {entry}")
    return f"{shown}: the audit chain is whole"


def _second_persons(settings: Settings, now: datetime) -> str:
    found = approvers(settings, now)
    if found == 0:
        mend = "jinghu keys create NAME --scope approver, or warnings.approvals: false"
        raise OSError(f"no key may approve, so red waits for nobody: {mend}")
    return "no database yet" if found is None else f"{found} keys may approve"


def _phone_keys(settings: Settings) -> str:
    keys, path = phone_keys_of(settings), settings.warnings.phone_keys_file
    if path is not None and path.stat().st_mode & 0o077:
        raise OSError(f"{path}: others can read the keys: chmod 600")
    return f"{len(keys.keys) if keys else 0} keys"


def _dependencies() -> str:
    try:
        return ", ".join(f"{name} {version(name)}" for name in _NEEDED)
    except PackageNotFoundError as error:
        raise OSError(f"{error.name} is not installed: run make") from None


def _disk(root: Path) -> str:
    free = shutil.disk_usage(root).free / 1e9
    if free < _MIN_FREE_GB:
        raise OSError(f"{free:.1f} GB free; {_MIN_FREE_GB:.0f} GB are wanted")
    return f"{free:.0f} GB free"


def _clock(now: datetime) -> str:
    if now.year < 2025:
        raise OSError(f"the clock says {now:%Y-%m-%d}: set it, or run an NTP client")
    return f"{now:%Y-%m-%dT%H:%M:%SZ}"
