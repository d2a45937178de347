"""The scoreboard: one file a day, a cycle once, any period read back."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import StoreError
from jinghu.grid.score_sums import OUTCOMES
from jinghu.grid.scoreboard import enter, entered, period, tables
from jinghu.grid.store import Store

START = datetime(2026, 6, 20, 22, 0, tzinfo=UTC)
STEP = timedelta(minutes=6)


def sums(hits, leads=(30, 60)):
    dims = ("method", "lead_time", "rate_threshold", "tile_y", "tile_x")
    shape = (2, len(leads), 2, 1, 2)
    counts = {name: (dims, np.full(shape, hits + k)) for k, name in enumerate(OUTCOMES)}
    return xr.Dataset(
        counts | {"forecasts": ("lead_time", np.ones(len(leads), int))},
        coords={
            "method": ["nowcast", "persistence"],
            "lead_time": np.array(leads, "timedelta64[m]").astype("timedelta64[ns]"),
            "rate_threshold": [1.0, 5.0],
            "tile_y": [25e3],
            "tile_x": [25e3, 75e3],
        },
    )


def read(store, start=None, end=None):
    found = period(store, start, end)
    assert found is not None
    return found


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path).create()


def test_a_cycle_counts_once(store):
    assert not entered(store, START)
    assert enter(store, START, sums(3))
    assert entered(store, START)
    before = (store.root / "scores" / "20260620.nc").read_bytes()
    assert not enter(store, START, sums(3))
    assert (store.root / "scores" / "20260620.nc").read_bytes() == before
    assert not list((store.root / "scores").glob(".tmp-*"))


def test_any_order_and_any_period(store):
    times = [START + k * 5 * STEP for k in range(6)]  # 22:00 to 00:30
    for k in (3, 0, 5, 1, 4, 2):
        enter(store, times[k], sums(10**k))
    assert {p.name for p in (store.root / "scores").iterdir()} == {"20260620.nc", "20260621.nc"}
    whole = read(store)
    assert whole.attrs["cycles"] == 6
    assert (whole.attrs["start"], whole.attrs["end"]) == (
        "2026-06-20T22:00:00Z", "2026-06-21T01:00:00Z",
    )  # fmt: skip
    assert (
        int(whole["hits"].isel(method=0, lead_time=0, rate_threshold=0, tile_x=0, tile_y=0))
        == 111111
    )
    evening = read(store, times[2], times[3])
    assert evening.attrs["cycles"] == 2
    assert (
        int(evening["hits"].isel(method=0, lead_time=0, rate_threshold=0, tile_x=0, tile_y=0))
        == 1100
    )
    assert period(store, times[5] + timedelta(days=2), None) is None


def test_rows_over_places_and_of_one(store):
    enter(store, START, sums(3))
    found = read(store)
    rows = tables(found)
    assert len(rows) == 2 * 2 * 2
    assert (rows[0].hits, rows[0].misses, rows[0].false_alarms) == (6, 8, 10)
    assert rows[0].csi == pytest.approx(6 / 24)
    assert rows[0].forecasts == 1
    alone = tables(found, (25e3, 75e3))
    assert alone[0].hits == 3


def test_new_leads_join_the_day(store):
    enter(store, START, sums(1))
    enter(store, START + STEP, sums(1, leads=(60, 90)))
    rows = [r for r in tables(read(store)) if r.method == "nowcast"]
    assert {r.lead_min: r.forecasts for r in rows} == {30.0: 1, 60.0: 2, 90.0: 1}


def test_cycles_of_an_hour_add_up(store):
    for k in range(3):
        enter(store, START + k * STEP, sums(10**k))
    found = read(store)
    assert found.attrs["cycles"] == 3
    assert (
        int(found["hits"].isel(method=1, lead_time=1, rate_threshold=0, tile_x=0, tile_y=0)) == 111
    )
    assert {r.forecasts for r in tables(found)} == {3}


def test_a_damaged_day_is_named(store):
    enter(store, START, sums(1))
    path = store.root / "scores" / "20260620.nc"
    path.write_bytes(b"no NetCDF")
    with pytest.raises(StoreError, match=r"20260620\.nc"):
        enter(store, START + STEP, sums(1))
    with pytest.raises(StoreError, match=r"20260620\.nc"):
        period(store, None, None)
    assert not entered(store, START)
