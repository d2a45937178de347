"""Scores of drills on cases small enough to count by hand."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr

from jinghu.drill_score import (
    CellWarning,
    Threshold,
    Told,
    danger_begins,
    first_warned,
    score_cells,
    score_people,
)
from jinghu.drill_skill import score_forecasts
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.grid.times import to_numpy

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
AHEAD = timedelta(hours=3)


def minute(n):
    return START + timedelta(minutes=n)


def rain(*columns):
    """A row of cells with amounts in steps of 30 minutes."""
    amounts = np.array(columns, np.float32).T[:, None, :]
    times = [to_numpy(minute(30 * (k + 1))) for k in range(len(amounts))]
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
        coords={"time": times},
    )


def test_danger_begins_when_the_window_reaches_the_threshold():
    """50 mm in 1 h or 60 mm in 2 h: in the second step, the fourth, and never."""
    truth = rain([20, 30, 0, 0, 0], [15, 15, 15, 15, 15], [24, 0, 25, 0, 10.9])
    begins = danger_begins(truth, (Threshold(1, 50), Threshold(2, 60)))
    assert begins[0] == to_numpy(minute(60))
    assert begins[1] == to_numpy(minute(120))
    assert np.isnat(begins[2])


def test_a_truth_with_holes_is_none():
    with pytest.raises(DataError, match="missing values"):
        danger_begins(rain([1, np.nan]), (Threshold(1, 50),))
    with pytest.raises(DataError, match="two equal steps"):
        danger_begins(rain([1]), (Threshold(1, 50),))


def begins_at(*minutes):
    found = [np.datetime64("NaT") if m is None else to_numpy(minute(m)) for m in minutes]
    return np.array(found, "datetime64[ns]")


def test_cells_are_hit_late_missed_and_alarmed_for_nothing():
    begins = begins_at(100, 100, 100, None, None, 100, 100)
    warnings = [
        CellWarning(0, minute(70), minute(300)),
        CellWarning(0, minute(40), minute(70)),  # which the one above carries on
        CellWarning(0, minute(10), minute(30)),  # and this one does not reach
        CellWarning(1, minute(100), minute(300)),  # when it has begun is too late
        CellWarning(3, minute(10), minute(50)),
        CellWarning(5, minute(10), minute(60)),  # cancelled before the danger came
        CellWarning(6, minute(10), minute(500)),
    ]
    warned = first_warned(warnings, begins, AHEAD)
    scores = score_cells(begins, warned, np.array([True] * 6 + [False]))
    assert (scores.hits, scores.late, scores.misses, scores.false_alarms) == (1, 1, 2, 1)
    np.testing.assert_array_equal(scores.lead_min, [60])
    assert scores.detected == pytest.approx(1 / 4)
    assert scores.false_alarm_ratio == pytest.approx(1 / 3)


def test_nobody_is_credited_for_a_warning_of_yesterday():
    begins = begins_at(600)
    warned = first_warned([CellWarning(0, minute(0), minute(900))], begins, AHEAD)
    scores = score_cells(begins, warned, np.array([True]))
    np.testing.assert_array_equal(scores.lead_min, [180])


def test_a_dry_day_without_warnings_has_no_shares():
    scores = score_cells(begins_at(None), begins_at(None), np.array([True]))
    assert np.isnan([scores.detected, scores.false_alarm_ratio]).all()
    assert scores.hits == scores.misses == scores.false_alarms == 0


def test_people_are_told_in_time_late_not_and_needlessly():
    begins = begins_at(60, 60, 60, None, None)
    officers = [
        Told("a", 0, minute(30), minute(35), False),
        Told("b", 0, minute(70), None, True),
        Told("c", 1, minute(61), minute(62), True),
        Told("d", 2, None, None, False),
        Told("e", 3, minute(20), None, False),
        Told("f", 4, None, None, False),
    ]
    scores = score_people(begins, officers, np.array([1000, 200, 30, 4, 50_000]))
    assert (scores.in_time, scores.late, scores.not_told, scores.needlessly) == (1, 2, 1, 1)
    assert (scores.acknowledged, scores.escalated) == (2, 2)
    assert scores.residents_in_time == 1000
    assert scores.residents_late == 200
    assert scores.residents_not == 30
    assert scores.residents_needlessly == 4


def test_skill_of_a_square_that_is_moved():
    """A square of 4 x 4 moved by 2: 8 hits, 8 misses, 8 false alarms; CSI 1/3, bias 1."""
    truth, forecast = np.zeros((40, 40)), np.zeros((40, 40))
    truth[10:14, 10:14] = forecast[10:14, 12:16] = 5.0
    row = score_forecasts(30, 1.0, [forecast], [truth], 1)
    assert row.csi == pytest.approx(1 / 3)
    assert row.bias == pytest.approx(1)
    assert row.fss == pytest.approx(0.5)  # 1 - 16 / 32 on single cells
    assert score_forecasts(30, 1.0, [forecast], [truth], 9).fss > 0.8
    assert score_forecasts(0, 1.0, [truth], [truth], 5).fss == pytest.approx(1)


def test_skill_leaves_out_what_was_not_forecast():
    truth = np.full((4, 4), 2.0)
    forecast = np.full((4, 4), 2.0)
    forecast[:, :2] = np.nan
    row = score_forecasts(0, 1.0, [forecast, forecast], [truth, truth], 1)
    assert (row.csi, row.bias, row.fss, row.forecasts) == (1, 1, 1, 2)
    nothing = score_forecasts(0, 9.0, [forecast], [truth], 1)
    assert np.isnan([nothing.csi, nothing.bias, nothing.fss]).all()
