import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.scores import Contingency, Fractions, contingency, fractions

NAN = float("nan")
RAIN = hnp.arrays(np.float32, (9, 11), elements=st.floats(0, 20, width=32) | st.just(NAN))


def test_events_are_counted_by_hand():
    forecast = np.array([2.0, 2.0, 0.0, 0.0, 1.0, NAN, 5.0])
    observed = np.array([3.0, 0.0, 1.0, 0.0, 0.9, 5.0, NAN])
    found = contingency(forecast, observed, 1.0)
    assert found == Contingency(hits=1, misses=1, false_alarms=2, correct_negatives=1)
    assert found.csi == 1 / 4
    assert found.pod == 1 / 2
    assert found.far == 2 / 3
    assert found.pofd == 2 / 3
    assert found.bias == 3 / 2


def test_scores_of_nothing_are_not_numbers():
    nothing = contingency(np.zeros(4), np.zeros(4), 1.0)
    assert nothing == Contingency(correct_negatives=4)
    assert all(np.isnan(x) for x in (nothing.csi, nothing.pod, nothing.far, nothing.bias))
    assert np.isnan(Fractions().fss)


@settings(deadline=None, max_examples=40)
@given(RAIN, RAIN)
def test_counts_are_those_of_pysteps(quiet_peer, forecast, observed):
    """Theirs are events above a threshold, and missing cells are dry in it."""
    known = np.isfinite(forecast) & np.isfinite(observed)
    below = float(np.nextafter(np.float32(1), np.float32(0)))
    table = quiet_peer.detcatscores.det_cat_fct_init(below)
    quiet_peer.detcatscores.det_cat_fct_accum(table, forecast[known], observed[known])
    found = contingency(forecast, observed, 1.0)
    assert found.hits == table["hits"]
    assert found.misses == table["misses"]
    assert found.false_alarms == table["false_alarms"]
    assert found.correct_negatives == table["correct_negatives"]
    if min(found.hits, found.misses, found.false_alarms, found.correct_negatives) > 0:
        theirs = quiet_peer.detcatscores.det_cat_fct_compute(table, ["CSI", "POD", "FAR", "FA"])
        ours = (found.csi, found.pod, found.far, found.pofd)
        np.testing.assert_allclose(ours, [theirs[n] for n in ("CSI", "POD", "FAR", "FA")])


@settings(deadline=None, max_examples=40)
@given(RAIN, RAIN, st.integers(1, 12))
def test_fractions_are_those_of_pysteps(quiet_peer, forecast, observed, scale):
    unknown = np.isnan(forecast) | np.isnan(observed)
    sums = quiet_peer.spatialscores.fss_init(1.0, scale)
    masked = [np.where(unknown, np.nan, field) for field in (forecast, observed)]
    quiet_peer.spatialscores.fss_accum(sums, *masked)
    found = fractions(forecast, observed, 1.0, scale)
    total = sums["sum_fct_sq"] + sums["sum_obs_sq"]
    np.testing.assert_allclose(found.reference, total, atol=1e-9)
    np.testing.assert_allclose(found.squares, total - 2 * sums["sum_fct_obs"], atol=1e-9)
    if total > 0:
        np.testing.assert_allclose(found.fss, quiet_peer.spatialscores.fss_compute(sums))


def test_a_shifted_cell_is_right_at_the_scale_of_its_shift():
    """Shares of 1/9 in 9 cells each, 6 of them shared: 1 - 6 / 18 of the squares."""
    forecast, observed = np.zeros((2, 20, 20))
    forecast[10, 10] = observed[10, 11] = 5.0
    assert fractions(forecast, observed, 1.0, 1).fss == 0.0
    np.testing.assert_allclose(fractions(forecast, observed, 1.0, 3).fss, 1 - 6 / 18)


@settings(deadline=None, max_examples=30)
@given(RAIN, RAIN)
def test_cases_add_up(forecast, observed):
    halves = [contingency(forecast[k::2], observed[k::2], 1.0) for k in (0, 1)]
    assert halves[0] + halves[1] == contingency(forecast, observed, 1.0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match=r"forecast \(2,\) does not fit observed \(3,\)"):
        contingency(np.zeros(2), np.zeros(3), 1.0)
    with pytest.raises(ConfigError, match="at least one cell"):
        fractions(np.zeros((3, 3)), np.zeros((3, 3)), 1.0, 0)
