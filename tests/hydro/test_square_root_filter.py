"""The filter against the Kalman filter that it stands for, and what it leaves alone."""

import numpy as np
import pytest

from jinghu.hydro.square_root_filter import assimilate

N = 400
AT, NOISE = np.array([0]), np.array([0.25])


@pytest.fixture
def rows():
    """Two rows with covariance (1, 0.6; 0.6, 1), a third of its own; the run is at 0."""
    random = np.random.default_rng(3)
    a = random.normal(size=(3, N))
    members = np.stack([a[0], 0.6 * a[0] + 0.8 * a[1], a[2]])
    return np.concatenate([members, np.zeros((3, 1))], axis=1)


def taken(rows, weight=1.0, patience=1.0, value=1.0):
    weights = np.full((1, 3), weight)
    weights[0, 2] = 0.0
    told = np.ones(3)
    told[1] = patience
    return assimilate(rows, AT, np.array([value]), NOISE, weights, told, 3.0)


def test_mean_spread_and_run_are_those_of_the_kalman_filter(rows):
    covariance = np.cov(rows[:2, :N])
    gain = covariance[:, 0] / (covariance[0, 0] + NOISE[0])
    found = taken(rows)
    mean = rows[:2, :N].mean(axis=1)
    np.testing.assert_allclose(found[:2, :N].mean(axis=1), mean + gain * (1.0 - mean[0]))
    wanted = covariance - np.outer(gain, covariance[0])
    np.testing.assert_allclose(np.cov(found[:2, :N]), wanted, atol=1e-12)
    np.testing.assert_allclose(found[:2, N], gain)


def test_a_row_without_weight_keeps_its_bits(rows):
    assert np.array_equal(taken(rows)[2], rows[2])


def test_patience_is_a_larger_error_of_what_was_observed(rows):
    """Of the row that waits alone; the observed one is as it was."""
    covariance = np.cov(rows[:2, :N])
    found = taken(rows, patience=10.0)
    np.testing.assert_array_equal(found[0], taken(rows)[0])
    assert found[1, N] == pytest.approx(covariance[1, 0] / (covariance[0, 0] + 10 * NOISE[0]))


def test_two_observations_at_once_are_those_one_after_the_other(rows):
    weights, told = np.ones((1, 3)), np.ones(3)
    first = assimilate(rows, AT, np.array([1.0]), NOISE, weights, told, 3.0)
    second = assimilate(first, np.array([1]), np.array([-0.5]), NOISE, weights, told, 3.0)
    both = assimilate(
        rows, np.array([0, 1]), np.array([1.0, -0.5]), np.repeat(NOISE, 2),
        np.ones((2, 3)), told, 3.0,
    )  # fmt: skip
    np.testing.assert_allclose(both, second, rtol=1e-12, atol=1e-14)


def test_a_wild_value_counts_as_three_standard_deviations(rows):
    assert np.array_equal(taken(rows, value=1e3), taken(rows, value=1e6))
