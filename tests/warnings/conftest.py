"""A small world: a 20 x 20 grid near Shaoxing with two counties, its people, its levels."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
import shapely
import shapely.affinity
import xarray as xr
from sqlalchemy import insert
from tests.postgres import Server
from tests.warnings.town import RED, settle_in

from jinghu.grid.spec import GridSpec
from jinghu.grid.times import cycle_name
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.database import open_database
from jinghu.warnings.ledger import process
from jinghu.warnings.office import Office
from jinghu.warnings.tables import recipient
from jinghu.warnings.units import County, Units

START = datetime(2026, 7, 1, 0, 0, tzinfo=UTC)
SPEC = GridSpec("EPSG:4549", 500_000.0, 3_300_000.0, 2500.0, 20, 20)
WEST = County("330602", "越城区", "Yuecheng")
EAST = County("330604", "上虞区", "Shangyu")
KEY = bytes(range(32))


class World:
    """One office with its database and clock; levels are given cell by cell."""

    spec, west, east, start, key = SPEC, WEST, EAST, START, KEY

    def __init__(self, url: str, channels: tuple[str, ...] = ("sms",), status: str = "Actual"):
        self.url = url
        self.engine = open_database(url)
        county = np.where(np.arange(400) % 20 < 10, 0, 1).astype(np.int16)
        half = shapely.box(500_000, 3_300_000, 525_000, 3_350_000)
        units = Units((WEST, EAST), county, (half, shapely.affinity.translate(half, 25_000)))
        self.office = Office(
            SPEC,
            units,
            "绍兴市",
            "Shaoxing",
            "office@jinghu.example",
            status,
            channels,
            drills=frozenset(channels if status == "Exercise" else ()),
        )
        self.links = Links("https://jinghu.example", KEY)
        self.time = START

    def add_people(self, cells: list[int], role: str = "grid_officer") -> None:
        """One person a cell, at its centre."""
        rows, cols = SPEC.row_col(cells)
        lon, lat = SPEC.to_lonlat(SPEC.x[cols], SPEC.y[rows])
        with self.engine.begin() as connection:
            connection.execute(
                insert(recipient),
                [
                    {
                        "person": f"P{cell}",
                        "name": f"人{cell}",
                        "role": role,
                        "unit_code": f"330602{cell:06d}",
                        "unit_name": f"第{cell}村",
                        "lon": float(x),
                        "lat": float(y),
                        "cell_id": cell,
                    }
                    for cell, x, y in zip(cells, lon, lat, strict=True)
                ],
            )

    def levels(self, found: dict[int, int], kept: dict[int, int], unknown: set[int]) -> xr.Dataset:
        """As `evaluate` and `warning_levels` make them."""
        level, keep = np.zeros(400, np.uint8), np.zeros(400, np.uint8)
        known = np.ones(400, bool)
        for cell, value in found.items():
            level[cell] = keep[cell] = value
        for cell, value in kept.items():
            keep[cell] = max(keep[cell], value)
        known[list(unknown)] = False
        onset = np.where(level > 0, 12.0, np.nan).astype(np.float32)
        fields: dict[str, np.ndarray] = {
            "warning_level": level,
            "warning_level_kept": keep,
            "warning_onset_lead": onset,
            "warning_amount": 20.0 * level.astype(np.float32),
            "warning_window": np.where(level > 0, 3, 0),
            "kept_amount": 16.0 * keep.astype(np.float32),
            "kept_window": np.where(keep > 0, 3, 0),
            "known": known,
        }
        return xr.Dataset(
            {name: (("y", "x"), values.reshape(20, 20)) for name, values in fields.items()},
            attrs={"rules": "test-1"},
        )

    def cycle(self, found=None, kept=None, unknown=(), minutes=6, at=None):
        """Process one cycle, ``minutes`` after the one before."""
        if at is None:
            self.time += timedelta(minutes=minutes)
        time = at or self.time
        levels = self.levels(found or {}, kept or {}, set(unknown))
        return process(self.engine, levels, cycle_name(time), time, self.office, time)

    def rows(self, query):
        with self.engine.connect() as connection:
            return connection.execute(query).all()


# What holds with SQLite holds with PostgreSQL: the files of tests that meet a database meet both.
_BOTH = {"database", "digest", "outbox"}
_BOTH_SLOWLY = {
    "acknowledge",
    "approvals",
    "audit",
    "calls",
    "dead_letters",
    "delivery",
    "escalation",
    "fanout",
    "forgetting",
    "holds",
    "keys",
    "ladder",
    "ledger",
    "lifecycle",
    "likely",
    "phones",
    "purposes",
    "reconcile",
    "routes",
    "same_message",
    "shifts",
    "torrents",
    "water",
    "weather",
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of a database with PostgreSQL too."""
    if "database_kind" not in metafunc.fixturenames:
        return
    kinds: list[object] = ["sqlite"]
    name = metafunc.module.__name__.rpartition(".test_")[2]
    if name in _BOTH:
        kinds.append("postgresql")
    elif name in _BOTH_SLOWLY:
        kinds.append(pytest.param("postgresql", marks=pytest.mark.slow))
    metafunc.parametrize("database_kind", kinds)


@pytest.fixture
def new_database(database_kind, request, tmp_path) -> Callable[[str], str]:
    """Give the address of a database: the same for the same name, of the kind that is asked."""
    if database_kind == "sqlite":
        return lambda name: f"sqlite:///{tmp_path / name}"
    started: Server = request.getfixturevalue("postgres")
    return cache(lambda name: started.database("migrated"))


@pytest.fixture
def empty_database(database_kind, request, tmp_path) -> str:
    """Give the address of a database without tables."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path / 'empty.db'}"
    started: Server = request.getfixturevalue("postgres")
    return started.database()


@pytest.fixture
def make_world(new_database) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(channels=("sms",), status="Actual", name="warnings.db") -> World:
        world = World(new_database(name), channels, status)
        made.append(world)
        return world

    yield make
    for world in made:
        world.engine.dispose()


@pytest.fixture
def world(make_world: Callable[..., World]) -> World:
    return make_world()


@pytest.fixture
def town(world):
    settle_in(world)
    world.cycle(RED)
    return world


@pytest.fixture(scope="session")
def world_class() -> type[World]:
    """For tests that make many worlds (hypothesis)."""
    return World
