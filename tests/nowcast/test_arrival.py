"""First arrival of a threshold."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.arrival import Arrival, first_arrival, reached_by

STEP = np.timedelta64(6, "m")


def field(values):
    values = np.asarray(values, np.float32)
    dims = ("member", "lead_time", "y", "x")[-values.ndim :]
    leads = (np.arange(values.shape[-3]) * STEP).astype("timedelta64[ns]")
    return xr.DataArray(values, dims=dims, coords={"lead_time": leads}, attrs={"units": "mm h-1"})


def test_a_front_that_moves_a_cell_a_lead_arrives_a_lead_later_in_each():
    rates = np.array([[np.where(np.arange(6) <= lead, 8.0, 0.0)] for lead in range(4)])
    out = first_arrival(field(rates), 5.0)
    leads = out["arrival_lead"].values[0] / STEP
    np.testing.assert_array_equal(leads, [0, 1, 2, 3, np.nan, np.nan])
    assert out["arrival_state"].values[0].tolist() == [1, 1, 1, 1, 0, 0]
    np.testing.assert_array_equal(out["probability_of_arrival"].values[:, 0, 2], [0, 0, 1, 1])
    assert out["arrival_lead"].attrs["threshold"] == 5.0


def test_a_threshold_just_met_is_reached():
    assert first_arrival(field([[[5.0]]]), 5.0)["arrival_state"].item() == Arrival.REACHED


def test_missing_is_neither_dry_nor_an_arrival():
    nan = np.nan
    cells = np.array([[nan, nan, nan], [0, nan, 0], [0, nan, 9], [9, nan, nan]]).T[:, None]
    out = first_arrival(field(cells), 5.0)
    assert out["arrival_state"].values.tolist() == [[2, 2, 1, 1]]
    np.testing.assert_array_equal(out["arrival_lead"].values[0] / STEP, [nan, nan, 2, 0])
    np.testing.assert_array_equal(out["probability_of_arrival"].values[:, 0, 1], [0, nan, nan])


def test_members_give_median_and_probability():
    """Members reach it at leads 0, 1, 3 and never: half have by lead 1, three quarters by 3."""
    rates = np.zeros((4, 4, 1, 1))
    for member, lead in enumerate((0, 1, 3)):
        rates[member, lead] = 9.0
    out = first_arrival(field(rates), 5.0)
    np.testing.assert_array_equal(
        out["probability_of_arrival"].values[:, 0, 0], [0.25, 0.5, 0.5, 0.75]
    )
    assert out["arrival_lead"].item() == int(STEP / np.timedelta64(1, "ns"))
    assert "member" not in out.dims


@pytest.mark.parametrize(("threshold", "dims"), [(0.0, 3), (np.nan, 3), (5.0, 2)])
def test_what_cannot_be_asked_is_refused(threshold, dims):
    values = field(np.zeros((2, 3, 4))) if dims == 3 else field(np.zeros((2, 3, 4)))[0]
    with pytest.raises(ConfigError, match="first arrival"):
        first_arrival(values, threshold)


RATES = arrays.arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 5), st.just(2), st.just(2)),
    elements=st.sampled_from([0.0, 1.0, 7.0, np.nan]),
)


@settings(max_examples=60, deadline=None)
@given(RATES)
def test_shares_are_those_of_a_plain_count(rates):
    share = reached_by(rates, 5.0)
    hit = np.logical_or.accumulate(np.nan_to_num(rates) >= 5.0, axis=1)
    gone = np.logical_or.accumulate(np.isnan(rates), axis=1)
    told = (hit | ~gone).sum(axis=0)
    with np.errstate(invalid="ignore"):
        plain = np.where((told > 0) & (told >= len(rates) / 2), hit.sum(axis=0) / told, np.nan)
    np.testing.assert_allclose(share, plain, rtol=1e-6)
