"""What all tests share: databases migrated once, and a small simulated event for whole cycles.

The event is 100 km around the Cao'e, with three radars.
"""

import os
import sqlite3
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Lock

import numba
import numpy as np
import pytest
from sqlalchemy import Connection
from tests.postgres import Server, server

from jinghu import cli
from jinghu.configs.settings import CONFIGS, Settings
from jinghu.radar.simulator.scan import S_DRILL, X_DRILL
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.simulate import make_network, scan_all, write_volume
from jinghu.simulate_gauges import make_gauges, write_reports
from jinghu.storm import StormParams, make_storm
from jinghu.warnings import database

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
TIME = START + timedelta(minutes=12)
STEP = timedelta(minutes=6)
RADARS = ("ZSIM1", "ZSIM3", "ZSIM4")
_BOX = (120.4, 29.3, 121.2, 30.0)
# As in drills, but no farther than the grid reaches.
_STRATEGIES = {"S": replace(S_DRILL, gates=480, doppler_gates=480), "X": X_DRILL}


@dataclass(frozen=True, slots=True)
class Event:
    """Inputs of the event on the disk, and the settings that name them."""

    folder: Path
    settings: Settings
    time: datetime = TIME
    step: timedelta = STEP
    radars: tuple[str, ...] = RADARS

    def alone(self, store: Path) -> Settings:
        """Settings with a store of their own."""
        return alone(self.settings, store)


def alone(settings: Settings, store: Path) -> Settings:
    """Settings with a store of their own; the river network is built once for all of an event."""
    static = settings.inputs.radar.parent / "static"
    static.mkdir(exist_ok=True)
    store.mkdir(parents=True, exist_ok=True)
    (store / "static").symlink_to(static)
    return settings.with_store(store)


# Files that take longest come first: the short ones fill what is left of the time at the end. Two
# workers begin with the first and third, the second and fourth: on a machine that has compiled no
# kernels yet, one then finds compiled what the other needed before it.
_LONGEST = (
    "cycle",
    "never_fails",
    "full",
    "regulated",
    "drill",
    "carried",
    "flood",
    "calibrate",
    "dispatch",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest files first; within a file the order stays."""
    ranks = {f"test_{name}": rank for rank, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


@pytest.fixture(scope="session", autouse=True)
def kernel_threads() -> int:
    """How many threads kernels could have: workers that share a machine run them on one each."""
    found = numba.get_num_threads()
    if "PYTEST_XDIST_WORKER" in os.environ:
        numba.set_num_threads(1)
    return found


@pytest.fixture(scope="session")
def event(tmp_path_factory) -> Event:
    """Inputs written once; tests copy what they change and take stores of their own."""
    folder = tmp_path_factory.mktemp("event")
    return Event(folder, write_inputs(folder))


@pytest.fixture(scope="session", autouse=True)
def _migrated_once(tmp_path_factory) -> Iterator[None]:
    """New SQLite databases are copies of one that all migrations made.

    Migrations take a tenth of a second of work and hundreds of tests need a database. What has
    tables already, and what other processes open, is migrated as always.
    """
    path = tmp_path_factory.mktemp("database") / "new.db"
    migrate, one_at_a_time = database._migrate, Lock()
    database.open_database(f"sqlite:///{path}").dispose()
    made = sqlite3.connect(path, check_same_thread=False)

    def copied(connection: Connection) -> None:
        raw = connection.connection.dbapi_connection
        if not isinstance(raw, sqlite3.Connection):
            return migrate(connection)
        with one_at_a_time:
            connection.rollback()  # a copy goes into no transaction
            if raw.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                return migrate(connection)
            made.backup(raw)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_migrate", copied)
        yield
    made.close()


@pytest.fixture(scope="session")
def postgres(tmp_path_factory) -> Iterator[Server]:
    """A PostgreSQL server, with a migrated database that others are copies of."""
    with server(tmp_path_factory.mktemp("postgres")) as started:
        database.open_database(started.database("template0", "migrated")).dispose()
        yield started


@pytest.fixture
def jinghu(monkeypatch, capsys):
    """Run the program in this process: exit code, stdout, stderr."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["jinghu", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out = capsys.readouterr()
        assert "Traceback" not in out.err
        return ended.value.code or 0, out.out, out.err

    return run


def settings_for(folder: Path) -> Settings:
    """Settings whose inputs, store and database lie below a folder."""
    return Settings.model_validate(
        {
            "name": "test",
            "city": {
                "name_zh": "绍兴市",
                "name_en": "Shaoxing",
                "code": "330600",
                "boundaries": CONFIGS / "boundaries" / "shaoxing.geojson",
            },
            "grid": {"x0_m": 535_000.0, "y0_m": 3_240_000.0, "nx": 40, "ny": 40},
            "nowcast": {"members": 0},  # tests/test_full.py has the ensemble
            "hydro": {"horizon_h": 6.0},  # tests/test_flood.py has a day
            "store": folder / "store",
            "inputs": {
                "radar": folder / "radar",
                "stations": [folder / "stations" / f"hourly_rain_{START:%Y%m%d%H}.csv"],
                "station_frame": "WGS-84",
            },
            "warnings": {
                "status": "Test",
                "sender": "jinghu@test.example",
                "database": f"sqlite:///{folder / 'store' / 'warnings.db'}",
                "audience": {"generated": 300, "seed": 1},
            },
        }
    )


def write_inputs(folder: Path, scans: int = 2) -> Settings:
    """Write volumes of the last ``scans`` times up to `TIME` and one hour of gauge reports."""
    settings = settings_for(folder)
    spec = settings.grid.product()
    storm = make_storm(spec, START - timedelta(hours=1), timedelta(hours=3), 7, StormParams())
    random = np.random.default_rng(7)
    for name in ("radar", "stations"):
        (folder / name).mkdir(parents=True)
    sites = load_sites(settings.inputs.sites)
    network = make_network([sites[code] for code in RADARS], 7, _STRATEGIES)
    drops = make_drops(storm.motion(), DropParams(), random)
    for back in range(scans, 0, -1):
        for volume in scan_all(storm, drops, spec, network, TIME - (back - 1) * STEP):
            write_volume(volume, folder / "radar")
    gauges = make_gauges(_BOX, 60, random)
    write_reports(storm, spec, gauges, START, folder / "stations", random)
    return settings
