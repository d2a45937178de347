import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.ndimage import gaussian_filter

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.probabilities import (
    ProbabilityParams,
    exceedance,
    neighbourhood,
    probabilities,
    yes_above,
)
from jinghu.nowcast.scores import count_events

RATES = hnp.arrays(
    np.float32, (5, 6, 7), elements=st.floats(0, 50, width=32) | st.just(float("nan"))
)


@settings(deadline=None, max_examples=50)
@given(RATES)
def test_shares_are_those_of_the_members_that_know_the_cell(rates):
    found = exceedance(rates, [1.0, 10.0])
    known = np.isfinite(rates).sum(axis=0)
    for share, limit in zip(found, (1.0, 10.0), strict=True):
        counted = (rates >= limit).sum(axis=0)
        np.testing.assert_array_equal(np.isnan(share), known < 2.5)
        held = known >= 2.5
        np.testing.assert_allclose(share[held], counted[held] / known[held], rtol=1e-6)
    held = np.isfinite(found[0])
    assert (found[0][held] >= found[1][held]).all()


@settings(deadline=None, max_examples=30)
@given(RATES, st.floats(0, 3))
def test_neighbourhoods_keep_order_bounds_and_missing_cells(rates, sigma):
    shares = exceedance(rates, [1.0, 10.0])
    found = neighbourhood(shares, sigma)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(shares))
    held = np.isfinite(found[0])
    assert (found[0][held] >= found[1][held] - 1e-6).all()
    assert ((found[:, held] >= 0) & (found[:, held] <= 1)).all()


def test_a_constant_share_stays_as_it_is_also_beside_missing_cells():
    shares = np.full((1, 20, 20), 0.4, np.float32)
    shares[0, 5:9, 5:9] = np.nan
    found = neighbourhood(shares, 2.0)
    np.testing.assert_allclose(found[np.isfinite(found)], 0.4, rtol=1e-5)


@pytest.mark.parametrize("sigma", [8.0, 17.0, 40.0])
def test_wide_neighbourhoods_are_gaussian_too(sigma):
    """Of blocks and of cells: the same but for the edge, which blocks see a little farther in."""
    rng = np.random.default_rng(0)
    shares = (rng.uniform(size=(1, 203, 187)) < 0.05).astype(np.float32)
    shares[0, 40:60, 90:140] = 1.0
    shares[0, 100:130, 20:60] = np.nan
    known = np.isfinite(shares[0])
    total, weight = (
        gaussian_filter(x.astype(np.float64), sigma, mode="constant", truncate=5)
        for x in (np.nan_to_num(shares[0]), known)
    )
    off = np.abs(neighbourhood(shares, sigma)[0] - total / weight)
    assert np.nanmax(off) < 0.02
    assert np.sqrt(np.nanmean(off**2)) < 0.004


def test_the_neighbourhood_grows_with_the_lead():
    """One wet cell of one member: the peak falls as 1 / (2 pi sigma^2), the sum stays."""
    rates = np.zeros((1, 101, 101), np.float32)
    rates[0, 50, 50] = 3.0
    params = ProbabilityParams((1.0,), neighbourhood_km_h=4.0)
    leads = [(12, rates), (24, rates)]
    found = [p[0] for _, p in probabilities(leads, params, cell_km=1.0, step_min=5.0)]
    for share, sigma in zip(found, (4.0, 8.0), strict=True):
        np.testing.assert_allclose(share[50, 50], 1 / (2 * np.pi * sigma**2), rtol=0.03)
        np.testing.assert_allclose(share.sum(), 1.0, rtol=0.01)


@pytest.mark.parametrize("thresholds", [[], [5.0, 1.0], [1.0, 1.0]])
def test_thresholds_that_do_not_ascend_are_refused(thresholds):
    with pytest.raises(ConfigError, match="thresholds must ascend"):
        exceedance(np.zeros((2, 3, 3), np.float32), thresholds)


@settings(deadline=None, max_examples=40)
@given(hnp.arrays(np.float64, (12,), elements=st.floats(0.0, 1.0)))
def test_saying_yes_there_is_expected_best_of_all_limits(shares):
    limit = yes_above(shares)

    def expected(cut):
        said = shares >= cut
        return shares[said].sum() / max(said.sum() + shares[~said].sum(), 1e-300)

    if shares.max() > 0:
        best = max(expected(cut) for cut in shares)
        np.testing.assert_allclose(expected(limit), best, rtol=1e-12)
        reached = expected(limit)
        assert limit >= reached / (1 + reached) - 1e-9
    else:
        assert not (shares >= limit).any()


def test_probabilities_that_mean_what_they_say_reach_the_index_they_expect():
    rng = np.random.default_rng(0)
    shares = rng.beta(0.2, 1.5, 200_000)
    rain = np.where(rng.uniform(size=shares.size) < shares, 1.0, 0.0)
    limit = yes_above(shares)
    scores = {cut: count_events(shares >= cut, rain > 0).csi for cut in (limit, 0.5, 0.5 * limit)}
    assert scores[limit] == max(scores.values())
    np.testing.assert_allclose(limit, scores[limit] / (1 + scores[limit]), rtol=0.03)
