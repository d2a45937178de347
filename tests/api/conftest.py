"""A small installation with two cycles, flows and warnings, written by the real writers."""

import shutil
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from jinghu.api.app import create_app
from jinghu.api.desk import Desk
from jinghu.api.flow_jobs import FlowJobs
from jinghu.configs.settings import CONFIGS, Settings
from jinghu.grid.accumulation import window_amounts
from jinghu.grid.fields import State, attrs
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, isoformat, to_numpy
from jinghu.publish import WINDOWS_H, Products, write_products
from jinghu.warnings.audience import Recipient, Roster
from jinghu.warnings.database import open_database
from jinghu.warnings.keys import NewKey, Scope, create_key
from jinghu.warnings.ledger import process
from jinghu.warnings.levels import Role
from jinghu.warnings.office import Office
from jinghu.warnings.reconcile import apply_import, plan_import
from jinghu.warnings.rules import evaluate, load_rules
from jinghu.warnings.units import load_units

with warnings.catch_warnings():
    # The client announces another HTTP library, which is none of our dependencies yet.
    warnings.filterwarnings("ignore", message="Using `httpx`")
    from fastapi.testclient import TestClient

TIME = datetime(2019, 8, 9, 16, 30, tzinfo=UTC)
STEP = timedelta(minutes=6)
LEADS = 30
NX, NY, FACTOR = 12, 10, 5
# A cell of heavy rain in Shengzhou; the working cells of its neighbours carry one state each.
WET = (5, 6)
MISSING, BLOCKED, STALE, FILLED = (1, 1), (1, 3), (1, 5), (1, 7)


@dataclass(frozen=True)
class Site:
    """One installation on the disk."""

    settings: Settings
    now: datetime

    def client(self, flow_jobs: FlowJobs | None = None, **options) -> TestClient:
        app = create_app(self.settings, lambda: self.now, flow_jobs=flow_jobs)
        return TestClient(app, **options)


def client_of_desk(settings: Settings, clock: Callable[[], datetime], desk: Desk) -> TestClient:
    """Client of a service that decides upon warnings."""
    return TestClient(create_app(settings, clock, desk=desk))


def make_settings(root: Path, **warnings) -> Settings:
    return Settings.model_validate(
        {
            "name": "test",
            "city": {
                "name_zh": "绍兴市",
                "name_en": "Shaoxing",
                "code": "330600",
                "boundaries": str(CONFIGS / "boundaries" / "shaoxing.geojson"),
            },
            "grid": {
                "x0_m": 560_000.0,
                "y0_m": 3_260_000.0,
                "nx": NX,
                "ny": NY,
                "working_factor": FACTOR,
            },
            "store": str(root / "store"),
            "inputs": {"radar": str(root)},
            "warnings": {
                "database": f"sqlite:///{root / 'store' / 'warnings.db'}",
                "status": "Test",
                **warnings,
            },
        }
    )


def block(cell: tuple[int, int]) -> tuple[slice, slice]:
    row, col = cell
    rows = slice(row * FACTOR, (row + 1) * FACTOR)
    return rows, slice(col * FACTOR, (col + 1) * FACTOR)


def fine_fields(settings: Settings, time: datetime) -> xr.Dataset:
    """Working-grid products: 20 mm/h in one product cell, one block of each state."""
    spec = settings.grid.working()
    rates = np.zeros((LEADS + 1, *spec.shape), np.float32)
    rates[(slice(None), *block(WET))] = 20.0
    rates[(slice(None), *block(STALE))] = 3.0
    state = np.full(spec.shape, State.DRY, np.uint8)
    state[block(WET)] = State.WET
    for cell, kind in ((MISSING, State.MISSING), (BLOCKED, State.BLOCKED)):
        state[block(cell)] = kind
        rates[(slice(None), *block(cell))] = np.nan
    state[block(STALE)], state[block(FILLED)] = State.STALE, State.FILLED
    times = [time - STEP, time]
    quality = np.where(np.isnan(rates[0]), 0.0, 0.8).astype(np.float32)
    dims = ("y", "x")
    return xr.Dataset(
        {
            "rainfall_rate": (("lead_time", *dims), rates, attrs("rainfall_rate")),
            "observed_rainfall_rate": (
                ("observation_time", *dims),
                np.stack([rates[0] / 2, rates[0]]),
                attrs("rainfall_rate"),
            ),
            "quality": (dims, quality, attrs("quality")),
            "age": (dims, np.full(spec.shape, 90, np.float32), attrs("age")),
            "state": (dims, state, attrs("state")),
            **column_fields(state),
            "motion_x": (dims, np.full(spec.shape, 5, np.float32), attrs("motion_x")),
            "motion_y": (dims, np.full(spec.shape, 5, np.float32), attrs("motion_y")),
        },
        coords={
            **spec.coords(),
            "time": to_numpy(time),
            "height": ("height", [3000.0], {"units": "m"}),
            "lead_time": np.arange(LEADS + 1) * np.timedelta64(STEP).astype("timedelta64[ns]"),
            "observation_time": np.array([to_numpy(t) for t in times]),
        },
    )


def column_fields(state: np.ndarray) -> dict[str, object]:
    """Columns: 47 dBZ up to 9.3 km and 6.2 kg m-2 at the wet cell, no echo at the others."""
    seen = ~np.isin(state, (State.MISSING, State.BLOCKED))

    def field(wet: float, dry: float) -> np.ndarray:
        values = np.where(state == State.WET, wet, dry)
        return np.where(seen, values, np.nan).astype(np.float32)

    found = {
        "composite_reflectivity": field(47.0, -32.0),
        "echo_top": field(9300.0, 0.0),
        "vertically_integrated_liquid": field(6.2, 0.0),
        "column_state": np.where(state == State.FILLED, State.DRY, state).astype(np.uint8),
    }
    cappi = {"cappi_reflectivity": (("height", "y", "x"), field(41.0, -32.0)[None])}
    made = cappi | {name: (("y", "x"), values) for name, values in found.items()}
    return {name: (dims, values, attrs(name)) for name, (dims, values) in made.items()}


def coarse_products(settings: Settings, fine: xr.Dataset, time: datetime) -> xr.Dataset:
    """Product-grid products from the fine ones: 10 mm fell in the last hour at the wet cell."""
    spec = settings.grid.product()
    dims = ("y", "x")

    def pick(name: str) -> np.ndarray:
        return fine[name].values[..., FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]

    def amounts(n: int, first: int, mm: float) -> xr.Dataset:
        values = np.zeros((n, *spec.shape), np.float32)
        values[:, WET[0], WET[1]] = mm
        times = np.array([to_numpy(time + (first + k) * STEP) for k in range(n)])
        named = {"rainfall_amount": (("time", *dims), values, attrs("rainfall_amount"))}
        return xr.Dataset(named, coords={"time": times, **spec.coords()})

    windows = window_amounts(amounts(240, -239, 1.0), amounts(LEADS, 1, 2.0), WINDOWS_H)
    levels = evaluate(load_rules(settings.warnings.rules), windows)
    return windows.assign(
        rainfall_rate=(("lead_time", *dims), pick("rainfall_rate"), attrs("rainfall_rate")),
        quality=(dims, pick("quality"), attrs("quality")),
        age=(dims, pick("age"), attrs("age")),
        state=(dims, pick("state"), attrs("state")),
        warning_level=levels["warning_level"],
        warning_onset_lead=levels["warning_onset_lead"],
    )


def flows(time: datetime) -> xr.Dataset:
    """A rising and falling flood at two gauges and three reaches."""
    times = np.array([to_numpy(time + k * timedelta(minutes=15)) for k in range(-4, 97)])
    hour = (times - to_numpy(time)) / np.timedelta64(1, "h")
    wave = (100 + 400 * np.exp(-(((hour - 6) / 3) ** 2))).astype(np.float32)
    unit = attrs("river_discharge")
    return xr.Dataset(
        {
            "river_discharge": (("time", "reach"), np.stack([wave, wave / 2, wave / 4], 1), unit),
            "gauge_discharge": (("time", "gauge"), np.stack([wave, wave / 2], 1), unit),
            "water_level": (
                ("time", "gauge"),
                np.stack([4 + wave / 200, 5 + wave / 400], 1),
                attrs("water_level"),
            ),
            **critical_rain(),
            **reservoir(wave),
        },
        coords={
            **reservoir_site(),
            "time": times,
            "reach": np.array([11, 12, 13]),
            "duration": np.array([1, 3, 6]),
            "return_period": np.array([2.0, 5.0, 10.0]),
            "reach_name_zh": ("reach", np.array(["曹娥江", "", ""], object)),
            "reach_downstream": ("reach", np.array([-1, 13, -1])),
            "reach_upstream_area": ("reach", np.array([900.0, 12.34, 56.0])),
            "reach_start_lon": ("reach", np.array([120.7, 120.72, 120.74])),
            "reach_start_lat": ("reach", np.array([29.5, 29.51, 29.52])),
            "reach_lon": ("reach", np.array([120.72, 120.74, 120.76])),
            "reach_lat": ("reach", np.array([29.51, 29.52, 29.53])),
            "gauge_name_zh": ("gauge", np.array(["嵊州", "上虞"], object)),
            "gauge_name_en": ("gauge", np.array(["Shengzhou", "Shangyu"], object)),
            "gauge_lon": ("gauge", np.array([120.834, 120.862])),
            "gauge_lat": ("gauge", np.array([29.604, 29.70])),
            "gauge_reach": ("gauge", np.array([11, 12])),
            "gauge_river": ("gauge", np.array(["曹娥江", "曹娥江"], object)),
            "gauge_warning_level": ("gauge", np.array([5.5, np.nan])),
        },
        attrs={
            "terrain_source": "generated terrain that follows the rivers, seed 1",
            "design_rain_source": "generated",
            "critical_return_period_years": 5.0,
        },
    )


def reservoir(wave: np.ndarray) -> dict[str, object]:
    """One reservoir that takes a quarter of the wave and rises by 2 m with it."""
    dims, flow, level = ("time", "reservoir"), attrs("river_discharge"), attrs("water_level")
    column, rule = wave[:, None], np.full((len(wave), 1), "gentle", object)
    volume = {"units": "m3"}
    return {
        "reservoir_inflow": (dims, column / 4, flow),
        "reservoir_release": (dims, column / 10, flow),
        "reservoir_spill": (dims, np.zeros_like(column), flow),
        "reservoir_level": (dims, 120 + column / 250, level),
        "reservoir_storage": (dims, 1e8 + column * 1e4, volume),
        "reservoir_free_storage": (dims, 2e8 - column * 1e4, volume),
        "reservoir_flood_limit": (dims, np.full_like(column, 121.0), level),
        "reservoir_rule": (dims, rule, {"rule_names": ["gentle=泄量变幅"]}),
    }


def reservoir_site() -> dict[str, object]:
    """Coordinates of the one reservoir."""
    texts = {
        "id": "changzhao", "name_zh": "长诏水库", "name_en": "Changzhao", "river": "新昌江",
        "datum": "generated levels", "source": "generated",
    }  # fmt: skip
    numbers = {"lon": 120.99, "lat": 29.4, "normal_level": 127.1, "crest_level": 135.0}
    found: dict[str, object] = {
        f"reservoir_{name}": ("reservoir", np.array([value], object))
        for name, value in texts.items()
    }
    return found | {f"reservoir_{k}": ("reservoir", [v]) for k, v in numbers.items()}


def critical_rain() -> dict[str, object]:
    """The first reach is too large to have any, the second is beyond it, the third near it."""
    dims = ("duration", "reach")
    critical = np.array([[np.nan, 50, 60], [np.nan, 70, 80], [np.nan, 100, 0]], np.float32)
    ratio = np.array([[np.nan, 1.24, 0.5], [np.nan, 0.9, 0.75], [np.nan, 0.4, 0.6]], np.float32)
    onset = np.array([[1.0, 0.5, 2.0], [4.0, 1.5, np.nan], [np.nan, np.nan, np.nan]], np.float32)
    return {
        "critical_rainfall": (dims, critical, attrs("critical_rainfall")),
        "critical_rainfall_ratio": (dims, ratio, attrs("critical_rainfall_ratio")),
        "flood_return_period": (
            "reach",
            np.array([5.5, 8.0, 0.0], np.float32),
            attrs("flood_return_period"),
        ),
        "flood_onset": (("return_period", "reach"), onset, attrs("flood_onset")),
    }


def cells(time: datetime) -> dict[str, object]:
    """One storm cell that moves north-east, as `jinghu.nowcast.cell_table` writes it."""
    ahead = [
        {"lead_min": m, "x_m": 0.0, "y_m": 0.0, "lon": 120.7 + m / 1e3, "lat": 29.5 + m / 1e3,
         "radius_km": 3.0 + m / 10}
        for m in (15, 30, 60)
    ]  # fmt: skip
    told = {
        "kind": "cell", "cell": 3, "time": isoformat(time), "lon": 120.7, "lat": 29.5,
        "area_km2": 78.5, "max_mm_h": 20.0, "mean_mm_h": 15.0, "major_km": 12.0, "minor_km": 8.0,
        "azimuth_deg": 45.0, "speed_m_s": 9.0, "direction_deg": 45.0, "area_trend_km2_h": None,
        "max_trend_mm_h_h": 30.0, "merged": [], "split_from": None, "forecast": ahead,
    }  # fmt: skip
    place = {"type": "Point", "coordinates": [120.7, 29.5]}
    feature = {"type": "Feature", "geometry": place, "properties": told}
    return {"type": "FeatureCollection", "time": isoformat(time), "features": [feature]}


def publish_cycle(settings: Settings, time: datetime, *, with_flows: bool = True) -> xr.Dataset:
    fine = fine_fields(settings, time)
    coarse = coarse_products(settings, fine, time)
    with Store(settings.store).create().publish(cycle_name(time), "fast") as part:
        extra = (flows(time), cells(time)) if with_flows else (None, None)
        write_products(part, Products(coarse, fine, *extra))
        part.manifest(
            time=isoformat(time),
            name=settings.name,
            city={"name_zh": "绍兴市", "name_en": "Shaoxing"},
            status="Test",
            grid=settings.grid.model_dump(),
            inputs={
                "radars": ["Z9571", "Z9574"],
                "volumes": ["a.bin"],
                "stations": ["gauges.csv"],
                "refused": [{"file": "text.bin", "cause": "not a radar volume"}],
                "duplicates": [],
            },
            degradations=["stale radars, moved along the motion to the analysis time: Z9574"],
            seconds={"total": 12.0},
        )
    return coarse


def warn_people(settings: Settings, coarse: xr.Dataset, time: datetime) -> None:
    """Two recipients, one of them in the wet cell; webhook `test` has its messages waiting."""
    spec = settings.grid.product()
    units = load_units(settings.city.boundaries, settings.city.code, spec)
    engine = open_database(settings.warnings.database)
    people = []
    for number, (row, col) in enumerate((WET, (8, 2))):
        lon, lat = spec.to_lonlat(spec.x[col], spec.y[row])
        place = (f"T-{number}", f"测试员{number}", Role.GRID_OFFICER, "330683001", "测试村")
        people.append(Recipient(*place, float(lon), float(lat)))
    with engine.begin() as connection:
        plan = plan_import(connection, Roster(tuple(people)), spec)
        apply_import(connection, plan, "test", "test", time)
    levels = evaluate(load_rules(settings.warnings.rules), coarse)
    levels["known"] = (("y", "x"), np.ones(spec.shape, bool))
    office = Office(spec, units, "绍兴市", "Shaoxing", "jinghu@test.example", "Test", ("webhook",))
    process(engine, levels, cycle_name(time), time, office, time)
    engine.dispose()


@pytest.fixture(scope="session")
def warned_store(tmp_path_factory) -> Path:
    """Store of an installation with one cycle with flows and one warning; tests copy it."""
    root: Path = tmp_path_factory.mktemp("warned")
    settings = make_settings(root)
    warn_people(settings, publish_cycle(settings, TIME), TIME)
    return root / "store"


@pytest.fixture
def warned(warned_store, tmp_path) -> Settings:
    """Settings of an installation of the test's own, as `warned_store` has it."""
    shutil.copytree(warned_store, tmp_path / "store")
    return make_settings(tmp_path)


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Site:
    """Two cycles 6 minutes apart, flows in the later one, one warning."""
    settings = make_settings(tmp_path_factory.mktemp("site"))
    publish_cycle(settings, TIME - STEP, with_flows=False)
    warn_people(settings, publish_cycle(settings, TIME), TIME)
    return Site(settings, TIME + timedelta(minutes=5))


def key_for(
    settings: Settings, scope: Scope, unit: str = "", name: str = "test", **how
) -> dict[str, str]:
    """Headers of a new key."""
    engine = open_database(settings.warnings.database)
    with engine.begin() as connection:
        _, token = create_key(connection, NewKey(name, scope, unit, **how), "test", TIME)
    engine.dispose()
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture
def client(site):
    with site.client() as found:
        yield found
