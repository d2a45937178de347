import numpy as np
import pytest

from jinghu.grid.errors import DataError
from jinghu.hydro.calibration import (
    Calibrated,
    Record,
    calibrate,
    check_flood,
    efficiency,
    grade,
    largest_floods,
    simulated,
)
from jinghu.hydro.runoff import RunoffParams

DAY = 86400.0


def record_of(basin, days=500):
    """Rain of a seed and the discharge that a known basin makes of it."""
    rng = np.random.default_rng(11)
    rain = rng.gamma(0.4, 15.0, days) * (rng.random(days) < 0.4)
    pan = 2.0 + 1.5 * np.sin(np.arange(days) / 58.0)
    empty = Record(rain, pan, np.full(days, np.nan), DAY)
    return Record(rain, pan, simulated(empty, basin), DAY)


def test_calibration_finds_a_basin_it_is_given():
    """A twin: what a known basin gave is explained, also in the half that was not used."""
    record = record_of(Calibrated(RunoffParams(k=0.8, sm_mm=15.0), 12.0))
    days = np.arange(500)
    found = calibrate(record, (days >= 60) & (days < 280), iterations=12)
    after = days >= 280
    assert efficiency(simulated(record, found)[after], record.discharge_mm[after]) > 0.9


def test_a_lag_moves_the_flow_and_keeps_it():
    params = RunoffParams()
    record = record_of(Calibrated(params, 0.0))
    now, late = (simulated(record, Calibrated(params, hours)) for hours in (0.0, 36.0))
    np.testing.assert_allclose(late[2:], 0.5 * (now[1:-1] + now[:-2]))


def test_a_flood_by_the_standard():
    """Peak 20 % of 10 is 2; depth 20 % of 22 mm is 4.4 mm; one step late is allowed."""
    observed = np.array([1.0, 5.0, 10.0, 4.0, 2.0])
    good = check_flood(np.array([1.0, 2.0, 8.0, 8.1, 2.0]), observed)
    assert (good.peak_good, good.depth_good, good.timing_good) == (True, True, True)
    assert good.timing_steps == 1
    assert good.peak_error == pytest.approx(-0.19)
    bad = check_flood(np.array([12.5, 5.0, 3.0, 4.0, 3.0]), observed)
    assert (bad.peak_good, bad.depth_good, bad.timing_good) == (False, False, False)


def test_grades():
    assert [grade(0.86, 0.91), grade(0.86, 0.9 - 1e-9), grade(0.6, 0.5), grade(0.59, 0.99)] == [
        "A", "B", "C", "D",
    ]  # fmt: skip


def test_largest_floods_stand_apart():
    flow = np.ones(100)
    flow[[20, 22, 50, 80]] = [9.0, 8.0, 7.0, 6.0]
    flow[81] = np.nan
    assert largest_floods(flow, 2, 3, 5) == [(17, 26), (47, 56)]


def test_nothing_observed_is_refused():
    record = Record(np.ones(10), np.ones(10), np.full(10, np.nan), DAY)
    with pytest.raises(DataError, match="no discharge was observed"):
        calibrate(record, np.ones(10, bool))
