"""Scores of labelled sums are those of the forecast room, and sums add up."""

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import ConfigError
from jinghu.grid.score_sums import added, diagram, roc, scores, summed
from jinghu.nowcast.ensemble_scores import score_ensemble
from jinghu.nowcast.probability_scores import tabulate
from jinghu.nowcast.scores import contingency, fractions
from jinghu.nowcast.verification import (
    LeadSums,
    ScoreParams,
    count_by_tile,
    field_sums,
    member_sums,
    probability_sums,
    sums_dataset,
    tiles,
)

PARAMS = ScoreParams((1.0, 5.0), (1, 3, 4))
AXIS = np.asarray(500.0 + 1000.0 * np.arange(70), np.float64)
WHERE = tiles(AXIS, AXIS[:60])


def fields(seed):
    rng = np.random.default_rng(seed)
    members, truth = rng.gamma(0.3, 4.0, (2, 6, 60, 70)).astype(np.float32)
    truth = truth[0]
    truth[:5, :7] = np.nan
    return members, truth


def sums(seed, lead=30.0):
    members, truth = fields(seed)
    one = field_sums(members[0], truth, WHERE, PARAMS)
    shares = {1.0: (members >= 1.0).mean(axis=0)}
    found = LeadSums(
        one.counts,
        one.fractions,
        *member_sums(members, truth, PARAMS),
        probability_sums(shares, truth, PARAMS),
    )
    return sums_dataset({lead: found}, WHERE, PARAMS, 1000.0)


def test_scores_are_those_of_the_forecast_room():
    (m1, t1), (m2, t2) = fields(1), fields(2)
    both = added(sums(1), sums(2))
    found = scores(summed(both, ("tile_y", "tile_x"))).isel(lead_time=0)
    for limit in PARAMS.thresholds_mm_h:
        known = contingency(m1[0], t1, limit) + contingency(m2[0], t2, limit)
        at = found.sel(rate_threshold=limit)
        for name, value in (
            ("csi", known.csi),
            ("pod", known.pod),
            ("far", known.far),
            ("pofd", known.pofd),
            ("frequency_bias", known.bias),
        ):
            assert float(at[name]) == pytest.approx(value)
        for scale in PARAMS.scales_cells:
            of = fractions(m1[0], t1, limit, scale) + fractions(m2[0], t2, limit, scale)
            assert float(at["fss"].sel(scale=scale)) == pytest.approx(of.fss)
    ensemble = score_ensemble(m1, t1) + score_ensemble(m2, t2)
    assert float(found["mean_crps"]) == pytest.approx(ensemble.mean_crps)
    assert float(found["mean_fair_crps"]) == pytest.approx(ensemble.mean_fair_crps)
    assert float(found["spread_error"]) == pytest.approx(ensemble.spread_error)
    table = tabulate((m1 >= 1).mean(axis=0), t1, 1.0) + tabulate((m2 >= 1).mean(axis=0), t2, 1.0)
    at = found.sel(rate_threshold=1.0)
    for name, value in (
        ("brier", table.brier),
        ("brier_skill", table.brier_skill),
        ("reliability", table.reliability),
        ("resolution", table.resolution),
        ("roc_area", table.roc_area),
        ("observed_frequency", table.frequency),
    ):
        assert float(at[name]) == pytest.approx(value)
    one = both.isel(lead_time=0, rate_threshold=0)
    np.testing.assert_allclose(diagram(one)["was"], table.diagram()[1])
    curve = roc(one)
    assert (float(curve["detected"][-1]), float(curve["alarmed"][0])) == (1.0, 0.0)
    # No probabilities of 5 mm/h were given: nothing to score is no number.
    assert np.isnan(found["brier"].sel(rate_threshold=5.0))


def test_places_add_up_to_the_whole():
    members, truth = fields(3)
    counts = count_by_tile(members[0], truth, PARAMS.thresholds_mm_h, WHERE)
    assert counts.shape == (2, 4, 4)  # 70 x 60 km are 2 x 2 squares of 50 km
    known = contingency(members[0], truth, 5.0)
    whole = counts[1].sum(axis=0)
    assert tuple(whole) == (
        known.hits, known.misses, known.false_alarms, known.correct_negatives,
    )  # fmt: skip
    corner = contingency(members[0, :50, :50], truth[:50, :50], 5.0)
    assert counts[1, 0, 0] == corner.hits
    np.testing.assert_array_equal(WHERE.x, [25e3, 75e3])


def test_tiles_do_not_mind_the_direction_of_rows():
    down = tiles(AXIS, AXIS[:60][::-1])
    np.testing.assert_array_equal(down.of_cell, WHERE.of_cell[::-1])
    np.testing.assert_array_equal(down.y, WHERE.y)


def test_sums_of_other_leads_and_thresholds_stay_apart():
    other = sums(2, lead=60.0)
    both = added(sums(1), other.sel(rate_threshold=[5.0]))
    assert both.sizes["lead_time"] == 2
    late = both.sel(lead_time=np.timedelta64(60, "m"))
    assert int(late["hits"].sel(rate_threshold=1.0).sum()) == 0
    assert int(late["hits"].sum()) == int(other["hits"].sel(rate_threshold=5.0).sum())
    with pytest.raises(ConfigError, match="do not add up"):
        added(both, both.isel(rank=slice(3)))


def test_a_single_field_has_no_spread():
    members, truth = fields(1)
    one = field_sums(members[0], truth, WHERE, PARAMS)
    alone = LeadSums(one.counts, one.fractions, *member_sums(members[:1], truth, PARAMS))
    found = scores(sums_dataset({30.0: alone}, WHERE, PARAMS, 1000.0))
    assert "spread_error" not in found
    assert "mean_fair_crps" not in found
    away = np.nanmean(np.abs(members[0] - truth))
    assert float(found["mean_crps"][0]) == pytest.approx(away, rel=1e-5)


def test_nothing_scored_is_no_number():
    nothing = xr.zeros_like(sums(1))
    found = scores(nothing)
    assert all(np.isnan(found[name]).all() for name in found.data_vars)
