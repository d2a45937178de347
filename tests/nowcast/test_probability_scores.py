import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.ensemble_scores import crps
from jinghu.nowcast.probability_scores import crps_of_shares, no_table, tabulate

SHARES = hnp.arrays(np.float64, (60,), elements=st.integers(0, 20).map(lambda k: k / 20))
EVENTS = hnp.arrays(np.float64, (60,), elements=st.sampled_from([0.0, 2.0, float("nan")]))


def test_a_table_by_hand():
    """Two cells at 0.2 of which one is wet, one at 1 that is: squares 0.64, 0.04 and 0."""
    found = tabulate(np.array([0.2, 0.2, 1.0]), np.array([3.0, 0.0, 1.0]), 1.0)
    np.testing.assert_allclose(found.brier, 0.68 / 3)
    np.testing.assert_allclose(found.frequency, 2 / 3)
    np.testing.assert_allclose(found.reliability, 2 * 0.3**2 / 3)
    np.testing.assert_allclose(found.resolution, (2 * (1 / 6) ** 2 + (1 / 3) ** 2) / 3)
    np.testing.assert_allclose(found.roc_area, 0.75)
    np.testing.assert_allclose(found.brier_skill, 1 - (0.68 / 3) / (2 / 9))
    said, was, cells = found.diagram(10)
    np.testing.assert_allclose(said[[2, 9]], [0.2, 1.0])
    np.testing.assert_allclose(was[[2, 9]], [0.5, 1.0])
    np.testing.assert_array_equal(cells, [0, 0, 2, 0, 0, 0, 0, 0, 0, 1])
    assert np.isnan(said[0])


@settings(deadline=None, max_examples=40)
@given(SHARES, EVENTS)
def test_brier_is_reliability_less_resolution_and_uncertainty(shares, observed):
    """Murphy 1973; exact where each bin holds one probability."""
    found = tabulate(shares, observed, 1.0)
    if found.cells.sum() > 0:
        uncertainty = found.frequency * (1 - found.frequency)
        parts = found.reliability - found.resolution + uncertainty
        np.testing.assert_allclose(found.brier, parts, atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(SHARES, EVENTS)
def test_roc_is_that_of_pysteps(quiet_peer, shares, observed):
    """Theirs at the 21 shares there are, to which ours comes with any finer bins."""
    found = tabulate(shares, observed, 1.0)
    if 0 < found.was.sum() < found.cells.sum():
        roc = quiet_peer.probscores.ROC_curve_init(1.0, 21)
        roc["prob_thrs"] = np.arange(21) / 20
        quiet_peer.probscores.ROC_curve_accum(roc, shares, observed)
        theirs = quiet_peer.probscores.ROC_curve_compute(roc, compute_area=True)[2]
        np.testing.assert_allclose(found.roc_area, theirs, atol=1e-12)


def test_reliability_is_that_of_pysteps(quiet_peer):
    rng = np.random.default_rng(5)
    shares = rng.uniform(0.001, 0.999, 5000)
    rain = np.where(rng.uniform(size=5000) < shares**2, 2.0, 0.0)
    table = quiet_peer.probscores.reldiag_init(1.0, n_bins=10)
    quiet_peer.probscores.reldiag_accum(table, shares, rain)
    said, was = quiet_peer.probscores.reldiag_compute(table)
    found = tabulate(shares, rain, 1.0).diagram(10)
    np.testing.assert_allclose(found[0], said)
    np.testing.assert_allclose(found[1], was)


@settings(deadline=None, max_examples=30)
@given(SHARES, EVENTS)
def test_tables_add_up(shares, observed):
    whole = tabulate(shares, observed, 1.0)
    parts = no_table() + tabulate(shares[::2], observed[::2], 1.0)
    parts = parts + tabulate(shares[1::2], observed[1::2], 1.0)
    np.testing.assert_allclose(parts.cells, whole.cells)
    np.testing.assert_allclose(parts.squares, whole.squares, atol=1e-9)


def test_what_is_no_probability_is_refused():
    with pytest.raises(ConfigError, match="not within 0 to 1"):
        tabulate(np.array([1.2]), np.array([0.0]), 1.0)
    with pytest.raises(ConfigError, match="do not divide"):
        no_table().diagram(7)


def test_nothing_has_no_score():
    assert np.isnan(no_table().brier)
    assert np.isnan(no_table().roc_area)


def test_crps_of_shares_comes_to_that_of_the_members():
    """At thresholds close to one another; members and observation are zero or above the first."""
    rng = np.random.default_rng(6)
    rain = rng.gamma(0.3, 6.0, (13, 500))
    rain[rain < 0.1] = 0.0
    members, observed = rain[:12], rain[12].copy()
    observed[7] = np.nan
    thresholds = np.arange(0.1, 60, 0.02)
    shares = (members[:, None] >= thresholds[:, None]).mean(axis=0)
    cells, total = crps_of_shares(shares, thresholds, observed)
    assert cells == 499
    np.testing.assert_allclose(total / cells, np.nanmean(crps(members, observed)), rtol=2e-3)


def test_crps_of_shares_by_hand():
    """Sure of 2 with thresholds 2 and 4: straight from 1 to 0, of which a third of 2 is left."""
    shares, thresholds = np.array([[1.0], [0.0]]), np.array([2.0, 4.0])
    assert crps_of_shares(shares, thresholds, np.array([2.0])) == pytest.approx((1, 2 / 3))
    assert crps_of_shares(shares, thresholds, np.array([0.0])) == pytest.approx((1, 2 + 2 / 3))
    assert crps_of_shares(shares, thresholds, np.array([7.0])) == pytest.approx((1, 2 / 3 + 3))
