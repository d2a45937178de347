"""Critical rain and return periods in the flood stage of a cycle."""

from io import StringIO

import numpy as np
import pytest
from rich.console import Console
from tests.test_flood import STEP, TIME, rain, record, with_hydro
from tests.test_flood import settings as settings_of_flood

from jinghu.flood import flood
from jinghu.grid.states import save_state
from jinghu.grid.store import Store, write_zarr
from jinghu.grid.times import cycle_name
from jinghu.stages import StageLog

settings = settings_of_flood  # a fixture
FIRST = TIME.replace(minute=24)


def run(settings, store, time, mm, past=0.0):
    log = StageLog(Console(file=StringIO()))
    forecast = rain(settings, time + STEP, 30, mm, range(10))
    outcome = flood(record(settings, time, past), forecast, time, store, settings, log)
    save_state(store, cycle_name(time), outcome.state)
    return outcome, log.degradations


@pytest.fixture(scope="module")
def static(tmp_path_factory):
    """The river network and its floods, made once."""
    return tmp_path_factory.mktemp("static")


@pytest.fixture
def store(static, tmp_path):
    found = Store(tmp_path / "store").create()
    (found.root / "static").symlink_to(static)
    return found


def test_a_storm_goes_beyond_the_critical_rain_of_small_catchments(settings, store, tmp_path):
    dry, _ = run(settings, store, FIRST, 0.0)
    assert dry.summary["catchments"] > 500
    assert dry.summary["beyond_critical_rain"] == 0
    assert dry.summary["largest_return_period_years"] == 0
    wet, _ = run(settings, store, FIRST + STEP, 12.0)  # 120 mm in an hour
    assert wet.summary["beyond_critical_rain"] > 500
    assert wet.summary["largest_return_period_years"] > 20
    found = wet.dataset
    critical = found["critical_rainfall"].values
    known = np.isfinite(critical[0])
    # At 16:30 it is carried on from 16:24: an hour from then on ends six minutes before the rain.
    np.testing.assert_array_equal(critical, dry.dataset["critical_rainfall"].values)
    ratio = found["critical_rainfall_ratio"].values
    fell = np.array([[108.0], [120.0], [120.0]])
    np.testing.assert_allclose(ratio[:, known], fell / critical[:, known], rtol=1e-5)
    onset = found["flood_onset"].values
    over = np.isfinite(onset[1]) & known
    assert (onset[1][over] >= onset[0][over]).all()
    assert over.sum() > 500
    assert np.nanmin(onset) > 0
    write_zarr(tmp_path / "hydro.zarr", found)
    assert "generated" in found.attrs["design_rain_source"]


def test_a_window_that_began_before_counts_what_fell_then(settings, store):
    """36 mm observed since the critical rain was worked out, and as much to come."""
    run(settings, store, FIRST, 0.0)
    time = FIRST + 3 * STEP  # 16:42; critical rain of 16:24, 16:36 is left out
    log = StageLog(Console(file=StringIO()))
    past = rain(settings, time - 239 * STEP, 240, 12.0, range(237, 240))
    outcome = flood(
        past, rain(settings, time + STEP, 30, 12.0, range(3)), time, store, settings, log
    )
    assert outcome.dataset is not None
    critical = outcome.dataset["critical_rainfall"].values
    known = np.isfinite(critical[0])
    ratio = outcome.dataset["critical_rainfall_ratio"].values
    np.testing.assert_allclose(ratio[0, known], 72.0 / critical[0, known], rtol=1e-5)


def test_without_a_table_there_is_neither_and_a_broken_one_is_named(settings, store, tmp_path):
    outcome, degraded = run(with_hydro(settings, design_rain=None), store, FIRST, 1.0)
    assert "critical_rainfall" not in outcome.dataset
    assert not [line for line in degraded if "critical" in line]
    broken = tmp_path / "design.yaml"
    broken.write_text("durations: 3")
    outcome, degraded = run(with_hydro(settings, design_rain=broken), store, FIRST + STEP, 1.0)
    assert "flood_return_period" not in outcome.dataset
    assert "river_discharge" in outcome.dataset
    assert [line for line in degraded if "no critical rain" in line and "design.yaml" in line]


def test_a_damaged_file_of_floods_is_made_again(settings, tmp_path):
    store = Store(tmp_path / "own").create()
    run(settings, store, FIRST, 0.0)
    (path,) = (store.root / "static").glob("flood-quantiles-*.nc")
    path.write_bytes(path.read_bytes()[:100])
    outcome, _ = run(settings, store, FIRST + STEP, 12.0)
    assert outcome.summary["largest_return_period_years"] > 20
    assert path.stat().st_size > 1000
