"""The second pass of a cycle: from a published full part to warnings on probabilities."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from tests.test_alerting import T0, configure, query, storm

from jinghu.alerting import warn, warning_levels
from jinghu.configs.settings import Settings, load
from jinghu.grid.errors import ConfigError
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name
from jinghu.likely import keep_likely, warn_of_likely
from jinghu.stages import StageLog

TABLE = """
version: t1
source: a test
rules:
  - {id: o, hazard: rainstorm, level: orange, window_h: 3, threshold_mm: 50}
  - {id: oo, hazard: rainstorm, level: yellow, window_h: 3, threshold_mm: 50, probability: 0.5}
"""
STEP = timedelta(minutes=30)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "rain.yaml").write_text(TABLE, encoding="utf-8")
    return load(configure(tmp_path, rules=str(tmp_path / "rain.yaml"), water_rules=None))


def publish(settings: Settings, time: datetime, probability: float) -> None:
    """A full part with the same probability of 50 mm in one cell of the city."""
    products = storm(settings, time, 0)
    shares = np.zeros((5, 2, *products["rainfall_rate"].shape), np.float32)
    row, column = settings.grid.product().row_col(
        settings.grid.product().cell_of_lonlat(120.5, 29.85)
    )
    shares[1, 1, 20:, int(row), int(column)] = probability
    products["probability_of_exceedance"] = (
        ("window", "threshold", "lead_time", "y", "x"),
        shares,
        {"units": "1"},
    )
    products = products.assign_coords(threshold=[30.0, 50.0])
    with Store(settings.store).create().publish(cycle_name(time), "full") as part:
        part.dataset("products.zarr", products)
        part.manifest(time=str(time))


def one_cycle(settings: Settings, time: datetime, *, full: bool):
    """Both passes, as a cycle does them; what each issued, updated and cancelled."""
    store, log = Store(settings.store), StageLog(Console(quiet=True))
    levels = warning_levels(storm(settings, time, 0), settings)
    levels = keep_likely(levels, store, time, settings, log)
    now = datetime.now(UTC)
    first = warn(levels, cycle_name(time), now, settings, log).summary
    part = store.find(cycle_name(time), "full") if full else None
    second = warn_of_likely(levels, part, now, settings, log) if part else {}
    names = ("issued", "updated", "cancelled")
    return [[int(str(s.get(n, 0))) for n in names] for s in (first, second)]


def test_probabilities_raise_and_keep_between_full_parts(settings):
    publish(settings, T0, 0.6)
    assert one_cycle(settings, T0, full=True) == [[0, 0, 0], [1, 0, 0]]
    assert query(settings, "SELECT DISTINCT level FROM alert") == [(2,)]
    for k in range(1, 5):  # two hours of fast parts alone
        assert one_cycle(settings, T0 + k * STEP, full=False)[0][2] == 0
    assert query(settings, "SELECT COUNT(*) FROM event WHERE closed_at IS NOT NULL") == [(0,)]
    publish(settings, T0 + 5 * STEP, 0.1)
    for k in range(5, 8):
        one_cycle(settings, T0 + k * STEP, full=True)
    assert query(settings, "SELECT COUNT(*) FROM event WHERE closed_at IS NULL") == [(0,)]


def test_a_table_without_probabilities_has_one_pass(tmp_path):
    settings = load(configure(tmp_path, water_rules=None))
    publish(settings, T0, 0.9)
    assert one_cycle(settings, T0, full=True) == [[0, 0, 0], [0, 0, 0]]
    assert query(settings, "SELECT cycle FROM cycle") == [(cycle_name(T0),)]


def test_a_full_part_that_lacks_a_threshold_is_refused_by_name(settings, tmp_path):
    publish(settings, T0, 0.9)
    text = TABLE.replace("threshold_mm: 50, probability", "threshold_mm: 60, probability")
    (tmp_path / "rain.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match="no probabilities of 60 mm"):
        one_cycle(settings, T0, full=True)
