import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import norm

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.ensemble_scores import EnsembleScore, crps, rank_histogram, score_ensemble

NAN = float("nan")
VALUES = st.floats(0, 20, width=32) | st.just(NAN) | st.just(0.0)
CASE = st.integers(1, 6).flatmap(
    lambda m: st.tuples(
        hnp.arrays(np.float64, (m, 12), elements=VALUES),
        hnp.arrays(np.float64, (12,), elements=VALUES),
    )
)


def over_thresholds(members, truth):
    """CRPS as the integral of the Brier score over all thresholds."""
    edges = np.sort(np.append(members, truth))
    middles = (edges[1:] + edges[:-1]) / 2
    said = (members[:, None] <= middles).mean(axis=0)
    return float((np.diff(edges) * (said - (truth <= middles)) ** 2).sum())


@settings(deadline=None, max_examples=60)
@given(CASE)
def test_crps_is_the_brier_score_of_all_thresholds(case):
    members, observed = case
    found = crps(members, observed)
    known = np.isfinite(members).all(axis=0) & np.isfinite(observed)
    np.testing.assert_array_equal(np.isfinite(found), known)
    expected = [over_thresholds(members[:, i], observed[i]) for i in np.flatnonzero(known)]
    np.testing.assert_allclose(found[known], expected, atol=1e-9)


def test_crps_is_that_of_pysteps_where_no_values_are_equal(quiet_peer):
    """Theirs leaves out the interval above an observation that equals a member, as dry cells do."""
    rng = np.random.default_rng(1)
    members, observed = rng.gamma(0.5, 4.0, (7, 400)), rng.gamma(0.5, 4.0, 400)
    members[2, 5] = observed[9] = NAN
    theirs = quiet_peer.probscores.CRPS(members, observed)
    np.testing.assert_allclose(np.nanmean(crps(members, observed)), theirs, rtol=1e-12)
    np.testing.assert_allclose(score_ensemble(members, observed).mean_crps, theirs, rtol=1e-12)
    dry = np.array([[0.0], [4.0]])
    assert crps(dry, np.array([0.0]))[0] == 1.0  # 4 mm/h with (1 - 1/2)^2
    assert quiet_peer.probscores.CRPS(dry, np.array([0.0])) == 0.0


def test_fair_crps_does_not_depend_on_the_number_of_members():
    """Of a normal law at y: s (z (2 F(z) - 1) + 2 f(z) - 1 / sqrt(pi)), Gneiting & Raftery (5)."""
    rng = np.random.default_rng(2)
    truth = 0.7
    exact = truth * (2 * norm.cdf(truth) - 1) + 2 * norm.pdf(truth) - 1 / np.sqrt(np.pi)
    for m in (2, 5, 20):
        drawn = rng.normal(size=(m, 60_000))
        found = crps(drawn, np.full(60_000, truth), fair=True).mean()
        np.testing.assert_allclose(found, exact, atol=0.006)
        plain = crps(drawn, np.full(60_000, truth)).mean()
        np.testing.assert_allclose(plain - found, 1 / np.sqrt(np.pi) / m, atol=0.006)


def test_one_member_is_scored_by_its_absolute_error():
    found = score_ensemble(np.array([[1.0, 4.0]]), np.array([2.0, 2.0]))
    assert found.mean_crps == 1.5
    assert found.bias == 0.5
    assert np.isnan(found.mean_fair_crps)
    assert found.spread_error == 0.0


def test_spread_and_error_by_hand():
    """Members 1, 3: mean 2, variance 2 times 3 / 2; the observation is 3 away."""
    found = score_ensemble(np.array([[1.0], [3.0]]), np.array([5.0]))
    assert (found.variance, found.squares) == (3.0, 9.0)
    np.testing.assert_allclose(found.spread_error, np.sqrt(3 / 9))


def test_an_ensemble_of_the_law_of_the_observation_knows_its_error():
    rng = np.random.default_rng(3)
    drawn = rng.gamma(2.0, 1.0, (11, 40_000))
    found = score_ensemble(drawn[:10], drawn[10])
    np.testing.assert_allclose(found.spread_error, 1.0, atol=0.02)
    counts = rank_histogram(drawn[:10], drawn[10])
    np.testing.assert_allclose(counts / counts.sum(), 1 / 11, atol=0.006)


def test_ranks_by_hand_and_ties_in_equal_parts():
    members = np.array([[0.0, 1.0, 0.0], [0.0, 2.0, 3.0]])
    observed = np.array([0.0, 1.5, 9.0])
    np.testing.assert_allclose(rank_histogram(members, observed), [1 / 3, 1 + 1 / 3, 1 + 1 / 3])
    np.testing.assert_allclose(rank_histogram(members, observed, least=0.1), [0, 1, 1])


def test_ranks_are_those_of_pysteps(quiet_peer):
    rng = np.random.default_rng(4)
    members, observed = rng.gamma(1.0, 2.0, (5, 300)), rng.gamma(1.0, 2.0, 300)
    theirs = quiet_peer.ensscores.rankhist(members, observed, normalize=False)
    np.testing.assert_allclose(rank_histogram(members, observed), theirs)


@settings(deadline=None, max_examples=40)
@given(CASE)
def test_every_known_cell_has_one_rank_and_cases_add_up(case):
    members, observed = case
    whole = score_ensemble(members, observed)
    np.testing.assert_allclose(rank_histogram(members, observed).sum(), whole.cells)
    parts = score_ensemble(members[:, ::2], observed[::2]) + score_ensemble(
        members[:, 1::2], observed[1::2]
    )
    assert parts.cells == whole.cells
    np.testing.assert_allclose(parts.crps, whole.crps, atol=1e-9)


def test_nothing_has_no_score():
    assert np.isnan(EnsembleScore().mean_crps)
    assert np.isnan(EnsembleScore().bias)
    with pytest.raises(ConfigError, match="do not fit"):
        score_ensemble(np.zeros((3, 4)), np.zeros(5))
