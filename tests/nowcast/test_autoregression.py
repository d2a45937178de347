import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.nowcast.autoregression import (
    responses,
    scale_correlations,
    stationary,
    yule_walker,
)


@pytest.mark.parametrize("gamma", [(0.95, 0.88), (0.7, 0.3), (0.3, 0.2), (0.99, 0.985)])
def test_coefficients_are_the_peers(gamma, quiet):
    from pysteps.timeseries import autoregression as peer

    first, second = gamma
    second = float(peer.adjust_lag2_corrcoef2(first, second))
    theirs = peer.estimate_ar_params_yw(np.array([first, second]))
    ours = yule_walker(stationary(np.array([gamma])))[0]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)


@settings(deadline=None, max_examples=100)
@given(st.floats(-1, 1) | st.just(np.nan), st.floats(-1, 1) | st.just(np.nan))
def test_any_correlations_give_a_stationary_process(first, second):
    phi_1, phi_2, noise = yule_walker(stationary(np.array([[first, second]])))[0]
    roots = np.roots([1.0, -phi_1, -phi_2])
    assert np.abs(roots).max() < 1 + 1e-6
    assert 0 <= noise <= 1


@settings(deadline=None, max_examples=50)
@given(st.floats(0.05, 0.99), st.floats(0.0, 1.0))
def test_variance_is_kept(first, share):
    """An AR(2) process with these coefficients has unit variance: Box & Jenkins, eq. 3.2.22."""
    least = 2 * first**2 - 1
    gamma = stationary(np.array([[first, least + share * (1 - least)]]))
    phi_1, phi_2, noise = yule_walker(gamma)[0]
    rho = phi_1 / (1 - phi_2)
    variance = noise**2 / (1 - phi_1 * rho - phi_2 * (phi_1 * rho + phi_2))
    np.testing.assert_allclose(variance, 1.0, rtol=1e-6)


def test_responses_are_those_of_the_recursion():
    phi = yule_walker(stationary(np.array([[0.9, 0.75], [0.5, 0.4]])))
    found = responses(phi, 5)
    before, last = np.array([0.3, -1.0]), np.array([1.0, 0.5])
    x = [before, last]
    for _ in range(5):
        x.append(phi[:, 0] * x[-1] + phi[:, 1] * x[-2])
    for k in range(5):
        np.testing.assert_allclose(found[k, 0] * last + found[k, 1] * before, x[k + 2])


def test_large_scales_live_longer():
    gamma = scale_correlations(np.array([128.0, 16.0, 2.0]), 5.0)
    assert (np.diff(gamma, axis=0) < 0).all()
    assert (gamma[:, 1] <= gamma[:, 0]).all()
