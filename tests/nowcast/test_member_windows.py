"""Windows from the observed past into members, beside the sums written out."""

import numpy as np
import pytest

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.member_windows import member_windows

WINDOWS, THRESHOLDS, QUANTILES = (2, 5), (1.0, 4.0), (0.1, 0.5, 0.9)


def drawn(members=7, past=6, leads=4, shape=(3, 2)):
    random = np.random.default_rng(7)
    observed = random.gamma(0.5, 1.0, (past, *shape)).astype(np.float32)
    forecast = random.gamma(0.5, 1.0, (members, leads, *shape)).astype(np.float32)
    observed[1, 0, 0] = forecast[2, 1, 1, 1] = np.nan
    return observed, forecast


def test_windows_are_sums_over_past_and_members():
    observed, forecast = drawn()
    found = member_windows(observed, forecast, WINDOWS, THRESHOLDS, QUANTILES)
    for k, window in enumerate(WINDOWS):
        for lead in range(5):
            series = [np.nan_to_num(np.concatenate([observed, f[:lead]])) for f in forecast]
            amounts = np.stack([s[-window:].sum(axis=0, dtype=np.float64) for s in series])
            for t, threshold in enumerate(THRESHOLDS):
                wanted = (amounts >= threshold).mean(axis=0)
                np.testing.assert_allclose(found.shares[k, t, lead], wanted, atol=1e-6)
            wanted = np.quantile(amounts, QUANTILES, axis=0)
            np.testing.assert_allclose(found.quantiles_mm[k, :, lead], wanted, rtol=1e-5, atol=1e-6)


def test_at_lead_zero_all_members_agree():
    observed, forecast = drawn()
    found = member_windows(observed, forecast, WINDOWS, THRESHOLDS, QUANTILES)
    assert set(np.unique(found.shares[:, :, 0])) <= {0.0, 1.0}
    np.testing.assert_array_equal(found.quantiles_mm[:, 0, 0], found.quantiles_mm[:, 2, 0])


@pytest.mark.parametrize(
    ("windows", "quantiles", "cause"),
    [
        ((7,), (0.5,), "windows of"),
        ((0,), (0.5,), "windows of"),
        ((), (0.5,), "windows of"),
        ((2,), (1.5,), "quantiles lie"),
    ],
)
def test_what_cannot_be_joined_is_refused(windows, quantiles, cause):
    observed, forecast = drawn()
    with pytest.raises(ConfigError, match=cause):
        member_windows(observed, forecast, windows, (1.0,), quantiles)


def test_grids_must_be_one():
    observed, forecast = drawn()
    with pytest.raises(ConfigError, match="do not fit a past"):
        member_windows(observed[:, :2], forecast, (2,), (1.0,), (0.5,))
