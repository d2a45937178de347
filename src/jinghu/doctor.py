"""What an operator must mend before the system can run."""

import shutil
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from jinghu.configs.settings import Settings
from jinghu.grid.errors import JinghuError
from jinghu.grid.frames import parse_frame
from jinghu.grid.store import Store
from jinghu.radar.sites import load_sites

_MIN_FREE_GB = 5.0


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
        ("radar folder", lambda: _folder(settings.inputs.radar)),
        ("radar sites", lambda: f"{len(load_sites(settings.inputs.sites))} sites"),
        ("boundaries", lambda: _file(settings.city.boundaries)),
        ("store", lambda: _store(settings.store)),
        ("disk", lambda: _disk(settings.store)),
        ("clock", lambda: _clock(now)),
        ("sqlite", lambda: f"{sqlite3.sqlite_version}"),
    ]
    checks += [(f"stations {p.name}", lambda p=p: _file(p)) for p in settings.inputs.stations]
    if settings.inputs.stations:
        checks.append(
            ("station frame", lambda: parse_frame(settings.inputs.station_frame, "station_frame"))
        )
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


def _store(root: Path) -> str:
    latest = Store(root).create().latest()
    if latest is None:
        return f"{root}: empty"
    if damaged := latest.verify():
        raise OSError(f"{root}: {latest.cycle}/{latest.name} is damaged: {', '.join(damaged)}")
    return f"{root}: newest {latest.cycle}/{latest.name}, checksums right"


def _disk(root: Path) -> str:
    free = shutil.disk_usage(root).free / 1e9
    if free < _MIN_FREE_GB:
        raise OSError(f"{free:.1f} GB free; {_MIN_FREE_GB:.0f} GB are wanted")
    return f"{free:.0f} GB free"


def _clock(now: datetime) -> str:
    if now.year < 2025:
        raise OSError(f"the clock says {now:%Y-%m-%d}: set it, or run an NTP client")
    return f"{now:%Y-%m-%dT%H:%M:%SZ}"
