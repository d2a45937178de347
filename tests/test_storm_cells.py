"""Storm cells of cycles: a disc that moves keeps its number from cycle to cycle."""

import io
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import save_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.stages import StageLog
from jinghu.storm_cells import storm_cells

SPEC = GridSpec("EPSG:4549", 500e3, 3200e3, 500.0, 200, 200)
START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
STEP = timedelta(minutes=6)
SPEED_M_S = 10.0


def rain_at(time: datetime) -> xr.Dataset:
    """A disc of 10 km across that goes east."""
    x = SPEC.x[0] + 30e3 + SPEED_M_S * (time - START).total_seconds()
    away = np.hypot(SPEC.x[None] - x, SPEC.y[:, None] - SPEC.y[100])
    rate = np.where(away < 5e3, 30.0, 0.0).astype(np.float32)
    return xr.Dataset(
        {"rainfall_rate": (("y", "x"), rate, attrs("rainfall_rate"))},
        coords={"time": to_numpy(time), **SPEC.coords()},
    )


def motion(u_m_s: float) -> xr.Dataset:
    fields = {
        name: (("y", "x"), np.full(SPEC.shape, value, np.float32), attrs(name))
        for name, value in (("motion_x", u_m_s), ("motion_y", 0.0))
    }
    return xr.Dataset(fields, coords=SPEC.coords())


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store").create()


def cycle(store, time, log):
    found = storm_cells(rain_at(time), motion(SPEED_M_S), store, time, log)
    save_state(store, cycle_name(time), {"cells": found.state})
    return found.table["features"]


def test_a_cell_is_the_same_from_cycle_to_cycle(store):
    log = StageLog(Console(file=io.StringIO()))
    for k in range(4):
        features = cycle(store, START + k * STEP, log)
    cell, path = features
    told = cell["properties"]
    assert told["cell"] == 1
    assert told["max_mm_h"] == 30.0
    assert told["area_km2"] == pytest.approx(78.5, rel=0.03)
    assert told["speed_m_s"] == pytest.approx(SPEED_M_S, abs=0.3)
    assert told["direction_deg"] == pytest.approx(90.0, abs=2)
    assert len(path["geometry"]["coordinates"]) == 4
    assert log.degradations == []
    # The cell's own number for longitude does not meet the grid's in the state.
    assert np.hypot(told["forecast"][0]["x_m"] - told["x_m"], 0) == pytest.approx(9e3, rel=0.05)


def test_the_same_cycle_again_gives_the_same(store):
    log = StageLog(Console(file=io.StringIO()))
    cycle(store, START, log)
    first = cycle(store, START + STEP, log)
    assert cycle(store, START + STEP, log) == first


def test_a_state_of_another_version_is_named_and_left(store):
    log = StageLog(Console(file=io.StringIO()))
    cycle(store, START, log)
    found = storm_cells(rain_at(START), motion(0.0), store, START, log)
    save_state(store, cycle_name(START + STEP), {"cells": found.state.assign_attrs(version=0)})
    features = cycle(store, START + 2 * STEP, log)
    assert features[0]["properties"]["cell"] == 1
    assert any("cells" in text and "begin anew" in text for text in log.degradations)
