"""Reports of gauges beside the forecast."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import numpy as np
import xarray as xr

from jinghu.api.flows import Flows, gauges, observations, optional_series
from jinghu.api.published import Published
from jinghu.grid.spec import GridSpec

TIME = datetime(2026, 6, 20, 6, tzinfo=UTC)


def flows(reports=True):
    times = np.datetime64("2026-06-20T06:00", "ns") + np.arange(3) * np.timedelta64(12, "m")
    data = xr.Dataset(
        {
            "gauge_discharge": (("time", "gauge"), np.array([[10.0, 5], [30, 5], [20, 5]])),
            "water_level": (("time", "gauge"), np.array([[3.0, 1], [4, 1], [3.5, 1]])),
        },
        coords={"time": times},
    )
    if reports:
        dims = ("observation_time", "gauge")
        nan = np.nan
        data = data.assign(
            gauge_discharge_lower=data["gauge_discharge"] * 0.8,
            observed_water_level=(dims, np.array([[2.8, nan], [nan, nan]])),
            observed_discharge=(dims, np.array([[9.0, nan], [9.5, nan]])),
        ).assign_coords(observation_time=times[:2] - np.timedelta64(12, "m"))
    spec = GridSpec("EPSG:4549", 405e3, 3140e3, 2500.0, 4, 4)
    published = SimpleNamespace(product=spec, time=TIME, cycle="20260620T0600Z")
    return Flows(cast(Published, published), data)


def test_the_newest_report_stands_beside_the_forecast():
    reported, silent = gauges(flows())
    assert (reported.discharge_now, reported.discharge_observed) == (10.0, 9.5)
    assert reported.level_observed is None  # the newest report gave none
    assert reported.observed_at == TIME
    assert (silent.discharge_observed, silent.observed_at) == (None, None)


def test_reports_and_bounds_as_series():
    found = observations(flows(), "observed_water_level", 0)
    assert found is not None
    assert (found.values, len(found.times)) == ([2.8], 1)
    lower = optional_series(flows(), "gauge_discharge_lower", 0)
    assert lower is not None
    assert lower.values == [8.0, 24.0, 16.0]
    silent = observations(flows(), "observed_discharge", 1)
    assert silent is not None
    assert silent.values == []


def test_a_cycle_without_reports_has_none():
    plain = flows(reports=False)
    assert observations(plain, "observed_discharge", 0) is None
    assert optional_series(plain, "gauge_discharge_lower", 0) is None
    assert gauges(plain)[0].observed_at is None
