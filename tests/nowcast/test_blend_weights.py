"""Weights against the normal equations, and their limits."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.autoregression import yule_walker
from jinghu.nowcast.blend_weights import (
    SkillParams,
    cautious,
    explained,
    model_skill,
    nowcast_skill,
    of_member,
    restored,
    share_of_model,
    two_predictors,
)
from jinghu.nowcast.model_skill import skill_state

ONE = np.ones(1)
T = np.array("2025-06-09T11:00", "datetime64[ns]")
HOUR, LATER = (np.array(f"2025-06-09T{h}:00", "datetime64[ns]") for h in (12, 17))
PARAMS = SkillParams()
skills = st.floats(0.01, 0.99)


@given(skills, skills, st.floats(-0.9, 0.9))
def test_weights_solve_the_normal_equations_where_both_are_of_use(first, second, between):
    found = [float(w[0]) for w in two_predictors(first * ONE, second * ONE, between * ONE)]
    wanted = np.linalg.solve([[1, between], [between, 1]], [first, second])
    if (wanted > 0).all():
        np.testing.assert_allclose(found, wanted, rtol=1e-9)
    else:  # the better one alone
        assert sorted(found) == [0.0, pytest.approx(max(first, second))]


def test_limits_of_the_weights():
    def weights(first, second, between):
        return [float(w[0]) for w in two_predictors(first * ONE, second * ONE, between * ONE)]

    assert weights(0.6, 1.0, 0.6) == [0.0, 1.0]  # a perfect model
    assert weights(0.6, 0.0, 0.0) == [0.6, 0.0]  # a useless one
    assert weights(0.7, 0.7, 1.0) == [0.35, 0.35]  # the same forecast twice
    assert weights(0.0, 0.0, 0.0) == [0.0, 0.0]


@given(skills, skills, st.floats(-0.5, 0.9))
def test_restored_and_members_have_variance_one(first, second, between):
    weights = two_predictors(first * ONE, second * ONE, between * ONE)
    for a, b in (
        restored(weights, between * ONE),
        of_member(1 - explained(weights, first * ONE, second * ONE), first * ONE, between * ONE),
    ):
        if b[0] > 0:
            assert a**2 + b**2 + 2 * a * b * between == pytest.approx(1.0)


def test_members_keep_their_noise_where_the_model_knows_nothing_and_lose_it_where_it_knows_all():
    first = np.array([0.5])
    for second, wanted in ((0.0, (1.0, 0.0)), (1.0, (0.0, 1.0))):
        weights = two_predictors(first, second * ONE, 0.5 * second * ONE)
        left = 1 - explained(weights, first, second * ONE)
        found = of_member(left, first, 0.25 * second * ONE)
        np.testing.assert_allclose(np.concatenate(found), wanted, atol=1e-6)


def test_where_neither_knows_anything_the_nowcast_stays():
    none = np.zeros(1)
    assert share_of_model((none, none)) == 0
    np.testing.assert_array_equal(restored((none, none), none), [[1.0], [0.0]])


def test_skill_of_the_nowcast_is_the_autocorrelation_of_its_process():
    """AR(1) in disguise: gamma_2 = gamma_1^2 gives gamma_1^k."""
    gamma = np.array([[0.9, 0.81], [0.5, 0.25]])
    found = nowcast_skill(gamma, yule_walker(gamma), 4)
    np.testing.assert_allclose(found, gamma[:, 0] ** np.arange(5)[:, None])


def test_chance_is_taken_off_and_large_scales_are_worth_their_details():
    waves = np.array([4.0, 6.0, 200.0, 5000.0])
    found = cautious(np.array([0.95, 0.4, 0.9, 0.02]), waves, 2.0)
    # atanh(0.9) less two standard errors of 1 / sqrt(197).
    assert found[2] == pytest.approx(np.tanh(np.arctanh(0.9) - 2 / np.sqrt(197)))
    assert found[0] == found[2]
    assert found[1] == 0.4  # no more than it shows
    assert found[3] == 0.0
    assert np.isnan(cautious(np.full(4, np.nan), waves, 2.0)).all()


def test_skill_goes_to_the_long_run_with_lead():
    now, climate = np.array([0.9]), np.array([0.4])
    assert model_skill(now, climate, 0.0, PARAMS) == pytest.approx(0.9)
    assert model_skill(now, climate, 48.0, PARAMS) == pytest.approx(0.4 + 0.5 / np.e)
    assert model_skill(np.zeros(1), climate, 0.1, PARAMS) == 0.0


KM = np.array([200.0, 50.0, 10.0])


def test_state_keeps_what_was_measured_and_fades_to_the_long_run():
    first = skill_state(np.array([0.9, 0.6, 0.1]), KM, T, None, PARAMS)
    np.testing.assert_allclose(first["skill"], [0.9, 0.6, 0.1])
    nothing = skill_state(np.full(3, np.nan), KM, LATER, first, PARAMS)
    climate = PARAMS.climate_of(KM)
    wanted = climate + (np.array([0.9, 0.6, 0.1]) - climate) / np.e
    np.testing.assert_allclose(nothing["skill"], wanted)
    joined = skill_state(np.full(3, 0.5), KM, T, first, PARAMS)
    np.testing.assert_allclose(joined["skill"], [0.7, 0.55, 0.3])


def test_a_state_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="has no skill"):
        skill_state(np.zeros(3), KM, T, xr.Dataset(), PARAMS)
    state = skill_state(np.zeros(3), KM, HOUR, None, PARAMS)
    with pytest.raises(ConfigError, match="later time"):
        skill_state(np.zeros(3), KM, T, state, PARAMS)
