"""Errors of rain: what members differ by, and what is to be expected of the rain to come."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hydro.networks import make_network

from jinghu.grid.spec import GridSpec
from jinghu.hydro.model import Basin
from jinghu.hydro.rain_errors import rain_errors

SPEC = GridSpec("EPSG:4549", 500_000.0, 3_290_000.0, 2500.0, 8, 1)
ERRORS = rain_errors(Basin.of(make_network([1, 2, 3, 4, 5, -1, 7, -1], slope=3e-3), SPEC))
KNOTS = len(ERRORS.hours)


def test_factors_of_members_are_one_on_average_and_as_wide_as_the_shape_says():
    knots = np.random.default_rng(1).normal(size=(KNOTS, 20_000))
    factors = ERRORS.members(knots)
    np.testing.assert_allclose(factors.mean(axis=1), 1.0, atol=0.02)
    wanted = np.sqrt((ERRORS.shape**2).sum(axis=1))
    np.testing.assert_allclose(np.log(factors).std(axis=1), wanted, rtol=0.03)


def test_nothing_known_changes_no_bit_of_the_rain():
    ages_s = np.linspace(360.0, 10_800.0, 30)
    assert (ERRORS.expected(np.zeros(KNOTS), ages_s) == 1.0).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**31), size=st.floats(0.1, 10.0))
def test_what_is_expected_fades_and_stays_within_limits(seed, size):
    knots = size * np.random.default_rng(seed).normal(size=KNOTS)
    found = ERRORS.expected(knots, np.array([0.0, 3600.0, 500 * 3600.0]))
    assert (np.abs(np.log(found)) <= 1.0 + 1e-12).all()
    np.testing.assert_allclose(found[2], 1.0, atol=1e-6)


def test_a_knot_keeps_its_share_of_a_step():
    """After its memory in steps a knot is at 1/e."""
    kept = ERRORS.kept(360.0)
    np.testing.assert_allclose(kept ** (ERRORS.hours * 10.0), np.exp(-1.0))
