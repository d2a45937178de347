"""The water of a drill: reservoirs keep theirs, and the truth is not what the forecast believes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr

from jinghu.configs.settings import CONFIGS
from jinghu.drill_flow import Reservoirs, fill, perturbed, place_watched, true_flows
from jinghu.drill_rivers import RiverReports, rows_between, write_reports
from jinghu.grid.fields import attrs
from jinghu.grid.river_reports import COLUMNS
from jinghu.grid.spec import GridSpec
from jinghu.hydro.model import Basin, ModelParams, simulate
from jinghu.hydro.network import NetworkParams, build_network
from jinghu.hydro.rivers import read_rivers
from jinghu.hydro.terrain import generate_terrain

START = datetime(2026, 6, 20, 4, 0, tzinfo=UTC)
STEP = timedelta(minutes=6)
SPEC = GridSpec("EPSG:4549", 560e3, 3260e3, 2000.0, 20, 20)


@pytest.fixture(scope="module")
def network():
    """Generated hills around the upper Cao'e."""
    fine = GridSpec("EPSG:4549", 560e3, 3260e3, 500.0, 80, 80)
    rivers = read_rivers(CONFIGS / "shaoxing" / "rivers.geojson")
    terrain = generate_terrain(fine, rivers, 3)
    return build_network(terrain, rivers, NetworkParams(min_area_km2=5.0))


@pytest.fixture(scope="module")
def rain():
    """Four hours of 25 mm/h everywhere, then none."""
    times = np.datetime64("2026-06-20T04:06", "ns") + np.arange(80) * np.timedelta64(6, "m")
    amounts = np.zeros((80, *SPEC.shape), np.float32)
    amounts[:40] = 2.5
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
        coords={"time": times, "y": SPEC.y, "x": SPEC.x},
    )


@pytest.fixture(scope="module")
def watched(network):
    inside = np.ones(network.n_reaches, bool)
    return place_watched(network, (), inside, (4, 3), 7)


def lake(area_m2=1e5, weir_m=5.0):
    return Reservoirs(
        ("one",), np.array([0]), np.array([50.0]), np.array([area_m2]), np.array([weir_m])
    )


def test_a_reservoir_stands_where_inflow_and_outflow_are_equal():
    """Q = 1.7 * 5 * h^1.5 = 8.5: h = 1 m."""
    level, outflow = fill(lake(), np.full((20, 1), 8.5), 360.0)
    np.testing.assert_allclose(level, 51.0, atol=1e-9)
    np.testing.assert_allclose(outflow, 8.5, rtol=1e-9)


def test_a_reservoir_keeps_its_water_and_lowers_the_peak():
    """What comes in leaves or raises the level: sum(Qin - Qout) dt = A (h1 - h0)."""
    clock = np.arange(400) * 60.0
    inflow = 2.0 + 40.0 * np.exp(-0.5 * ((clock - 7200.0) / 1800.0) ** 2)[:, None]
    level, outflow = fill(lake(), inflow, 60.0)
    stored = 1e5 * (level[-1, 0] - level[0, 0])
    passed = float(((inflow - outflow)[1:]).sum() * 60.0)
    assert passed == pytest.approx(stored, rel=0.01, abs=0.005 * inflow.sum() * 60.0)
    assert outflow.max() < 0.95 * inflow.max()
    assert outflow.argmax() > inflow.argmax()


def test_gauges_stand_on_different_reaches_and_the_known_ones_are_kept(network, watched):
    reaches = [g.reach for g in watched.rivers] + watched.reservoirs.reach.tolist()
    assert len(set(reaches)) == len(reaches)
    km2 = network.upstream_area_km2[watched.reservoirs.reach]
    assert ((km2 >= 12) & (km2 < 60)).all()
    again = place_watched(network, watched.rivers[:1], np.ones(network.n_reaches, bool), (3, 2), 8)
    assert again.rivers[0] is watched.rivers[0]
    nobody = place_watched(network, (), np.zeros(network.n_reaches, bool), (3, 2), 8)
    assert nobody.rivers == ()


def test_the_truth_differs_from_the_forecast_as_basins_do(network, rain, watched):
    """The same rain through what the forecast believes: other peaks, of the same order."""
    truth = true_flows(network, SPEC, rain, watched, 7)
    believed, _ = simulate(Basin.of(network, SPEC), rain, 360.0, watched.rivers, ModelParams())
    ratio = truth["river_discharge"].max("time") / believed["river_discharge"].max("time")
    large = network.upstream_area_km2 > 20
    assert 0.4 < float(np.median(ratio.values[large])) < 2.5
    assert float(np.abs(ratio.values[large] - 1).max()) > 0.02
    again = true_flows(network, SPEC, rain, watched, 7)
    xr.testing.assert_identical(truth, again)
    other = true_flows(network, SPEC, rain, watched, 8)
    assert not np.array_equal(other["river_discharge"].values, truth["river_discharge"].values)
    assert abs(truth.attrs["water_balance_error"]) < 1e-6


def test_parameters_of_the_truth_stay_in_their_range(network):
    for seed in range(30):
        channels, params = perturbed(network, ModelParams(), seed)  # refuses what cannot be
        assert 0.5 <= params.initial_wetness <= 0.98
        assert (channels.manning_n > 0).all()
        assert replace(channels, manning_n=network.manning_n).fingerprint() == network.fingerprint()


def test_reports_hold_every_stage_once_however_the_steps_are_cut(network, rain, watched, tmp_path):
    flows = true_flows(network, SPEC, rain, watched, 7)
    reports = RiverReports(flows, 7)
    whole = rows_between(reports, START, START + timedelta(hours=3))
    parts = []
    for k in range(30):
        parts += rows_between(reports, START + k * STEP, START + (k + 1) * STEP)
    assert sorted(parts) == sorted(whole)
    keys = [(row[0], row[5]) for row in whole]
    assert len(set(keys)) == len(keys)
    for row in whole[:: len(whole) // 50]:
        fields = dict(zip(COLUMNS, row, strict=True))
        time = np.datetime64(fields["time_utc"][:-1], "ns")
        kind = fields["kind"]
        name, dim = (
            ("water_level", "gauge") if kind == "river" else ("reservoir_level", "reservoir")
        )
        at = int(fields["station"][2:]) - 1
        true = float(flows[name].sel(time=time).isel({dim: at}))
        assert float(fields["water_level_m"]) == pytest.approx(true, abs=0.06)
    path = write_reports(reports, START, START + STEP, tmp_path)
    assert path.read_text("utf-8").splitlines()[0] == ",".join(COLUMNS)
