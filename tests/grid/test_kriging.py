import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.kriging import krige

LENGTH, NUGGET = 30_000.0, 0.15
ALL = np.nan


def weights_in_primal_form(target, points, drift, target_drift):
    """Kriging weights (Wackernagel 2003, ch. 37): least variance, unbiased in the drift."""
    k = len(points)
    basis = np.stack([np.ones(k), drift], axis=1) if drift is not None else np.ones((k, 1))
    ends = np.array([1.0, target_drift]) if drift is not None else np.array([1.0])
    distance = np.linalg.norm(points[:, None] - points[None], axis=-1)
    left = np.block(
        [
            [np.exp(-distance / LENGTH) + NUGGET * np.eye(k), basis],
            [basis.T, np.zeros((basis.shape[1],) * 2)],
        ]
    )
    to_target = np.exp(-np.linalg.norm(points - target, axis=1) / LENGTH)
    return np.linalg.solve(left, np.concatenate([to_target, ends]))[:k]


def stations(seed, k=8):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 50e3, (k, 2))
    drift = rng.uniform(0, 20, k)
    return points, drift, 2.0 + 1.5 * drift + rng.normal(0, 1, k)


def estimate(targets, target_drift, points, drift, values, neighbours=None):
    everyone = np.tile(np.arange(len(points)), (len(targets), 1))
    chosen = everyone if neighbours is None else np.asarray(neighbours, np.int64)
    return krige(
        np.asarray(targets, np.float64),
        np.asarray(target_drift, np.float64),
        points,
        drift,
        values,
        chosen,
        LENGTH,
        NUGGET,
    )


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000))
def test_the_estimate_is_that_of_the_dense_weights(seed):
    points, drift, values = stations(seed)
    target = np.array([21e3, 17e3])
    weights = weights_in_primal_form(target, points, drift, 9.0)
    assert weights.sum() == pytest.approx(1.0)
    assert weights @ drift == pytest.approx(9.0)
    slope_is_positive = estimate([target], [30.0], points, drift, values) > estimate(
        [target], [9.0], points, drift, values
    )
    if slope_is_positive:
        found = estimate([target], [9.0], points, drift, values)
        assert found[0] == pytest.approx(weights @ values, rel=1e-8)


@pytest.mark.parametrize(
    "change", ["flat drift", "station not seen", "target not seen", "negative slope", "few"]
)
def test_without_a_usable_drift_it_is_ordinary_kriging(change):
    points, drift, values = stations(3)
    target, target_drift = np.array([21e3, 17e3]), 9.0
    if change == "flat drift":
        drift = np.full(8, 4.0)
    elif change == "station not seen":
        drift[2] = np.nan
    elif change == "target not seen":
        target_drift = np.nan
    elif change == "negative slope":
        values = 60.0 - values
    else:
        points, drift, values = points[:4], drift[:4], values[:4]
    found = estimate([target], [target_drift], points, drift, values)
    wanted = weights_in_primal_form(target, points, None, None) @ values
    assert found[0] == pytest.approx(wanted, rel=1e-8)


def test_a_linear_function_of_the_drift_is_reproduced_exactly():
    points, drift, _ = stations(5, 12)
    targets = np.random.default_rng(1).uniform(-1e5, 1e5, (20, 2))
    radar = np.linspace(0, 40, 20)
    found = estimate(targets, radar, points, drift, 0.7 + 2.3 * drift)
    np.testing.assert_allclose(found, 0.7 + 2.3 * radar, rtol=1e-7)


def test_a_constant_is_reproduced_exactly():
    points, drift, _ = stations(5)
    found = estimate([[1e6, 1e6], [0, 0]], [np.nan, 3.0], points, drift, np.full(8, 6.5))
    np.testing.assert_allclose(found, 6.5, rtol=1e-9)


def test_without_neighbours_there_is_no_estimate():
    points, drift, values = stations(5)
    found = estimate([[0, 0], [0, 0]], [1.0, 1.0], points, drift, values, [[-1, -1], [3, -1]])
    assert np.isnan(found[0])
    assert found[1] == pytest.approx(values[3])


def test_far_away_only_the_mean_is_known():
    points, drift, values = stations(5)
    found = estimate([[1e7, 1e7]], [np.nan], points, drift, values)[0]
    assert values.min() < found < values.max()
    assert found == pytest.approx(values.mean(), rel=0.15)
