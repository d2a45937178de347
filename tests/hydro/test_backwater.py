from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from tests.hydro.networks import make_network

from jinghu.configs.settings import CONFIGS, GridSettings
from jinghu.grid.fields import attrs
from jinghu.hydro.backwater import backwater_stage_m, stem_of, step_up
from jinghu.hydro.gauges import place_gauges, read_gauges
from jinghu.hydro.model import Basin, ModelParams, depth_m, restaged_m, simulate
from jinghu.hydro.tidal_gate import place_gate, read_gate
from jinghu.hydro.works import Works

G = 9.80665


def river(n=20, slope=1e-4, width=200.0, manning=0.03, length=2000.0):
    """A straight river whose beds fit its slope; the last reach ends at 0 m."""
    made = make_network([*range(1, n), -1], length, slope, width, manning)
    return replace(made, bed_m=np.arange(n - 1, -1, -1) * slope * length)


def stages(network, flow, held):
    everywhere = np.arange(network.n_reaches)
    stem = stem_of(network, network.n_reaches - 1, everywhere, everywhere)
    q = np.full((1, network.n_reaches), float(flow))
    return backwater_stage_m(network, stem, q, np.array([float(held)]))[0]


def uniform_m(network, flow):
    slope, width, n = network.slope[0], network.width_m[0], network.manning_n[0]
    return (flow * n / (width * np.sqrt(slope))) ** 0.6


def integrated(network, flow, depth):
    """Depths at the reach ends by dh/dx = (S0 - Sf) / (1 - F^2), from the last one up."""
    slope, width, n = network.slope[0], network.width_m[0], network.manning_n[0]
    q = flow / width

    def rise(_, h):
        return -(slope - (q * n) ** 2 * h ** (-10 / 3)) / (1 - q * q / (G * h**3))

    x = np.arange(network.n_reaches) * network.length_m[0]
    found = solve_ivp(rise, (0, x[-1]), [depth], t_eval=x, rtol=1e-10, atol=1e-12)
    return found.y[0][::-1]


@pytest.mark.parametrize(
    ("flow", "depth", "error_m"),
    [(1000.0, 9.0, 2e-4), (3000.0, 12.0, 2e-4), (3000.0, 5.0, 3e-3), (5000.0, 6.5, 3e-3)],
)  # M1 curves above uniform depth (4.6, 8.8 m), M2 below it (8.8, 12.0 m)
def test_profiles_are_those_of_an_independent_integrator(flow, depth, error_m):
    network = river()
    found = stages(network, flow, depth) - network.bed_m
    np.testing.assert_allclose(found, integrated(network, flow, depth), atol=error_m)


def test_macdonald_steady_profile():
    """MacDonald 1997: L 1 km, B 10 m, n 0.03, Q 20 m3/s; the bed belongs to a given depth."""
    flow, width, n, dx = 20.0, 10.0, 0.03, 5.0
    q = flow / width
    x = np.arange(0.0, 1000.0 + dx, dx)
    depth = (4 / G) ** (1 / 3) * (1 + 0.5 * np.exp(-16 * (x / 1000 - 0.5) ** 2))
    fine = np.linspace(0.0, 1000.0, 20001)
    h = (4 / G) ** (1 / 3) * (1 + 0.5 * np.exp(-16 * (fine / 1000 - 0.5) ** 2))
    slope = (1 - q * q / (G * h**3)) * np.gradient(h, fine) + (q * n) ** 2 * h ** (-10 / 3)
    bed = np.interp(x, fine, -np.concatenate([[0], np.cumsum((slope[1:] + slope[:-1]) / 2 * 0.05)]))
    found = [depth[-1]]
    for k in range(len(x) - 2, -1, -1):
        found.append(step_up(found[-1], flow, width, n, (bed[k] - bed[k + 1]) / dx, dx))
    error = np.abs(np.array(found[::-1]) - depth)
    assert error.mean() < 2e-3  # the local-inertial scheme of a peer: 0.0187 m


def test_still_water_is_level_and_a_dry_head_stays_dry():
    network = river()
    found = stages(network, 0.0, 2.0)
    np.testing.assert_allclose(found, np.maximum(2.0, network.bed_m), atol=1e-12)


def test_far_above_flow_is_uniform_and_the_pond_is_met():
    network = river(60, slope=3e-4)
    for held in (0.5, 4.0, 15.0):
        found = stages(network, 2000.0, held)
        critical = (10.0**2 / G) ** (1 / 3)
        assert found[-1] == pytest.approx(max(held, critical), abs=1e-9)
        assert found[0] - network.bed_m[0] == pytest.approx(uniform_m(network, 2000.0), abs=0.02)


@settings(max_examples=60, deadline=None)
@given(
    flow=st.floats(20.0, 2e4),
    held=st.floats(-3.0, 30.0),
    slope=st.floats(2e-5, 2e-2),
    width=st.floats(20.0, 500.0),
)
def test_a_higher_pond_never_lowers_a_stage(flow, held, slope, width):
    network = river(12, slope=slope, width=width)
    low, high = stages(network, flow, held), stages(network, flow, held + 0.5)
    assert np.isfinite(low).all()
    assert (high >= low - 2e-3).all()  # a draw-down curve is known to some millimetres
    assert (low >= network.bed_m).all()


def test_a_steep_tributary_is_not_drowned_by_a_low_pond():
    """Reaches 0 -> 2 -> 3 (mild) and 1 (steep) -> 2; the pond stands at the end of reach 3."""
    made = make_network([2, 2, 3, -1], 2000.0, [1e-4, 2e-2, 1e-4, 1e-4], 100.0, 0.03)
    network = replace(made, bed_m=np.array([0.4, 12.0, 0.2, 0.0]))
    everywhere = np.arange(4)
    stem = stem_of(network, 3, everywhere, everywhere)
    assert stem.below.tolist() == [2, 2, 3, -1]
    flow = np.array([[300.0, 50.0, 350.0, 350.0]])
    low, high = (
        backwater_stage_m(network, stem, flow, np.array([held]))[0] for held in (5.0, 20.0)
    )
    steep = (50.0 * 0.03 / (100.0 * np.sqrt(2e-2))) ** 0.6
    assert low[1] == pytest.approx(12.0 + steep)
    assert high[1] > 20.0
    assert low[0] > 5.0


def test_a_flood_that_comes_down_stands_no_lower_than_uniform_flow():
    network = river(n=40)
    everywhere = np.arange(network.n_reaches)
    stem = stem_of(network, network.n_reaches - 1, everywhere, everywhere)
    flow = np.where(everywhere < 15, 3000.0, 1200.0)  # the front is 50 km above the pond
    for held in (3.0, 5.0):
        found = backwater_stage_m(network, stem, flow[None], np.array([held]))[0] - network.bed_m
        assert found[:15] == pytest.approx(uniform_m(network, 3000.0), rel=0.02)
        assert found[-1] == held


def test_the_stem_holds_only_the_ways_to_what_is_wanted():
    network = make_network([2, 2, 4, 4, -1])
    stem = stem_of(network, 4, np.array([1, 2, 4]), np.array([0, 1]))
    assert stem.reach.tolist() == [1, 2, 4]
    assert stem.below.tolist() == [1, 2, -1]


def test_gauges_above_the_gate_of_the_caoe(shaoxing):
    """The surface falls to the pond, gauge by gauge; where it does not reach flow is uniform."""
    spec = GridSettings().product()
    gauges, _ = place_gauges(read_gauges(CONFIGS / "shaoxing" / "gauges.csv"), shaoxing)
    gate = place_gate(read_gate(CONFIGS / "shaoxing" / "tidal_gate.yaml"), shaoxing)
    basin = Basin.of(shaoxing, spec, Works((), gate, gauges))
    times = np.datetime64("2019-08-09T00:00", "ns") + np.arange(1, 61) * np.timedelta64(6, "m")
    amounts = np.full((60, *spec.shape), 1.5, np.float32)
    rain = xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
        coords={"time": times, **spec.coords()},
    )
    flows, _ = simulate(basin, rain, 360.0, gauges, ModelParams())
    level = flows["water_level"].values.astype(np.float64)
    at = np.array([g.reach for g in gauges])
    uniform = shaoxing.bed_m[at] + depth_m(shaoxing, at, flows["gauge_discharge"].values)
    names = [g.gauge.name_zh for g in gauges]
    down = [level[:, names.index(name)] for name in ("嵊州", "上浦", "上虞", "曹娥江大闸")]
    assert all((above >= below).all() for above, below in pairwise(down))
    np.testing.assert_allclose(down[-1], flows["pond_level"].values, atol=1e-5)
    assert np.abs(down[2] - uniform[:, names.index("上虞")]).max() > 0.2
    free = ~np.isin(at, gate.upstream)
    np.testing.assert_allclose(level[:, free], uniform[:, free], atol=1e-4)
    assert abs(flows.attrs["water_balance_error"]) < 1e-10


def test_a_stage_moves_with_its_discharge():
    """Held over uniform flow, drawn down below it, and uniform: (level, of old, of new flow)."""
    level, old = np.array([6.0, 6.0, 4.0, 5.0]), np.array([5.0, 5.0, 5.0, 5.0])
    new = np.array([5.5, 7.0, 6.0, 4.5])
    np.testing.assert_allclose(restaged_m(level, old, new), [6.0, 7.0, 5.0, 4.5])
