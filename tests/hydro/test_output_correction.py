import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jinghu.hydro.output_correction import Residuals, aged, corrected, foreseen, learn, log_sd

STEP_S = 360.0
LEADS = np.arange(25, dtype=np.float64) * 3600.0


def taught(series, gauge=0):
    known = Residuals.nothing(2, STEP_S)
    for e in series:
        known = learn(aged(known, STEP_S), gauge, e, 0.0, STEP_S)
    return known


def test_one_residual_fades_as_slowly_as_any():
    """The prior of 1 h is cut to three quarters: e(1 h) = e exp(-4/3)."""
    known = taught([0.5])
    found = foreseen(known, LEADS, STEP_S)
    assert found[0, 0] == 0.5
    assert found[1, 0] == pytest.approx(0.5 * np.exp(-4.0 / 3.0), rel=1e-9)


@given(st.lists(st.floats(0.0, 1e4), min_size=25, max_size=25))
def test_a_gauge_without_a_report_keeps_its_bits(flows):
    known = taught([0.5, 0.4])
    flow = np.column_stack([flows, flows])
    found = corrected(flow, foreseen(known, LEADS, STEP_S))
    assert np.array_equal(found[:, 1], flow[:, 1])
    assert (found[flow[:, 0] == 0.0, 0] == 0.0).all()  # no water from nothing


def test_rho_is_learned_from_what_a_gauge_does():
    """Residuals of an AR(1) that fades in 6 h or in 20 min are told apart from the prior's 1 h."""
    random = np.random.default_rng(3)
    hours = []
    for true_h in (6.0, 1.0 / 3.0):
        rho, e, series = np.exp(-0.1 / true_h), 0.0, []
        for _ in range(600):
            e = rho * e + np.sqrt(1 - rho**2) * random.normal(0.0, 0.3)
            series.append(e)
        hours.append(taught(series).fading_hours(STEP_S)[0])
    assert hours[0] == 0.75  # no longer is any carried on
    assert hours[1] < 0.6


def test_a_residual_beyond_reason_is_cut():
    assert taught([9.0]).last[0] == 1.0


def test_intervals_grow_with_lead_and_where_nobody_reports():
    sd = log_sd(taught([0.1]), LEADS)
    assert (np.diff(sd[:, 0]) > 0).all()
    assert sd[0, 1] == pytest.approx(sd[-1, 0], rel=0.02)
