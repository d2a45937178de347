"""Rain over catchments that lie in one another, on a network made by hand."""

import numpy as np
import pytest
from tests.hydro.networks import make_network

from jinghu.hydro.areal import areal_mean, catchments

# 0 -> 2, 1 -> 2, 2 -> sea; 3 -> sea. Reach i drains cell i of one row.
NETWORK = make_network([2, 2, -1, -1])
WEIGHTS = catchments(NETWORK, NETWORK.grid, [2, 0, 3])


def test_a_catchment_holds_all_that_lies_above():
    km2 = 2.5**2
    expected = [[km2, km2, km2, 0], [km2, 0, 0, 0], [0, 0, 0, km2]]
    np.testing.assert_allclose(WEIGHTS.toarray(), expected)


def test_the_mean_conserves_water_and_does_not_take_missing_for_dry():
    rain = np.array([[[3.0, 6.0, 9.0, 1.0]], [[3.0, np.nan, 9.0, np.nan]]])
    means = areal_mean(rain, WEIGHTS)
    assert means.shape == (2, 3)
    assert means[0] == pytest.approx([6.0, 3.0, 1.0])
    assert means[1, :2] == pytest.approx([6.0, 3.0])  # two of three cells are known
    assert np.isnan(means[1, 2])
    lost = areal_mean(np.array([[np.nan, np.nan, 9.0, 1.0]]), WEIGHTS)
    assert np.isnan(lost[:2]).all()  # one of three is not enough
