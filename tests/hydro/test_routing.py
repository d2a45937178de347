from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import DataError
from jinghu.hydro.routing import RoutingMethod, final_state, route
from jinghu.hydro.runoff import RunoffParams, initial_stores, run, stored_mm
from jinghu.hydro.segments import segments

START = np.datetime64("2019-08-09T00:00", "ns")


def inflow_of(values, step_s=360, **attrs):
    values = np.asarray(values, np.float64)
    times = START + np.arange(1, len(values) + 1) * np.timedelta64(step_s, "s")
    return xr.DataArray(values, dims=("time", "reach"), coords={"time": times}, attrs=attrs)


@st.composite
def trees(draw):
    """Random networks with random rain, and their lateral inflow."""
    n = draw(st.integers(1, 40))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    below = [int(rng.integers(i + 1, n + 1)) for i in range(n)]
    values = {
        "downstream": [b if b < n else -1 for b in below],
        "length_m": rng.uniform(200, 5000, n),
        "slope": 10 ** rng.uniform(-4, -1, n),
        "width_m": rng.uniform(3, 300, n),
        "manning_n": rng.uniform(0.02, 0.08, n),
        "local_area_km2": rng.uniform(0.1, 50, n),
    }
    lateral = rng.gamma(0.3, 20.0, (40, n)) * (rng.random((40, n)) < 0.5)
    return values, lateral, draw(st.sampled_from([60, 360, 3600]))


@given(tree=trees(), method=st.sampled_from(RoutingMethod))
@settings(max_examples=60, deadline=None)
def test_water_is_kept_on_random_networks(new_network, tree, method):
    values, lateral, step_s = tree
    network = new_network(**values)
    routed = route(network, inflow_of(lateral, step_s), method=method)
    assert abs(routed.attrs["water_balance_error"]) <= 1e-10
    assert (routed["river_discharge"] >= 0).all()
    assert np.isfinite(routed["river_discharge"]).all()


@pytest.mark.parametrize("method", RoutingMethod)
def test_balance_is_that_of_what_comes_out(new_network, method):
    """Independent of the kernel's own books: inflow = outflow series + storage, dt 60 s."""
    network = new_network([1, 2, -1])
    lateral = np.zeros((3000, 3))
    lateral[:100, 0] = 30.0
    routed = route(network, inflow_of(lateral, 60), method=method)
    q = routed["river_discharge"].values[:, 2]
    out = (q.sum() - 0.5 * q[-1] + 0.5 * lateral[0].sum()) * 60  # trapezoid, from steady flow
    start = route(network, inflow_of(lateral[:1], 60), method=method, step_s=60.0)
    first = start["storage_m3"].values.sum() - (lateral[0].sum() - q[0]) * 60
    came = lateral.sum() * 60 + first
    assert out + routed["storage_m3"].values.sum() == pytest.approx(came, rel=5e-3)


@pytest.mark.parametrize("method", RoutingMethod)
def test_steady_flow_stays(new_network, method):
    network = new_network([2, 2, 3, -1], slope=[0.02, 0.001, 1e-4, 1e-4])
    lateral = np.tile([3.0, 1.0, 0.5, 0.25], (50, 1))
    found = route(network, inflow_of(lateral), method=method)["river_discharge"].values
    np.testing.assert_allclose(found, np.tile([3.0, 1.0, 4.5, 4.75], (50, 1)), rtol=1e-9)


@pytest.mark.parametrize("method", RoutingMethod)
def test_a_run_in_two_parts_is_the_whole_run(new_network, method):
    network = new_network([2, 2, 3, -1])
    lateral = np.random.default_rng(1).gamma(0.5, 10.0, (60, 4))
    whole = inflow_of(lateral)
    first = route(network, whole[:25], method=method)
    second = route(network, whole[25:], method=method, initial=final_state(first))
    parts = xr.concat([first["river_discharge"], second["river_discharge"]], "time")
    once = route(network, whole, method=method)["river_discharge"]
    np.testing.assert_allclose(parts.values, once.values, rtol=1e-12)


def test_a_state_of_another_network_is_refused(new_network):
    state = final_state(route(new_network([1, -1]), inflow_of(np.ones((3, 2)))))
    other = new_network([1, -1], length_m=1500.0)
    with pytest.raises(DataError, match="another network"):
        route(other, inflow_of(np.ones((3, 2))), initial=state)
    with pytest.raises(DataError, match="time step"):
        route(new_network([1, -1]), inflow_of(np.ones((3, 2)), 720), initial=state)
    cut = state.isel(segment=slice(1, None))
    with pytest.raises(DataError, match="pieces of the reaches"):
        route(new_network([1, -1]), inflow_of(np.ones((3, 2))), initial=cut)


def test_segments_follow_the_courant_number(new_network):
    steep = new_network([1, -1], length_m=3000.0, slope=0.02)
    flat = new_network([1, -1], length_m=3000.0, slope=1e-4)
    assert len(segments(steep, 360.0).reach) > 2  # C + D < 1: split
    assert len(segments(flat, 360.0).reach) == 2
    short = new_network([1, -1], length_m=500.0, slope=0.02)
    assert segments(short, 3600.0).substeps > 1  # C > 1 + D: subcycles
    parts = segments(steep, 360.0)
    np.testing.assert_allclose(np.bincount(parts.reach, parts.share), 1.0)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda d: d.where(d["time"] != d["time"][2]), r"reach 0 \(曹娥江\): q_lateral is nan"),
        (lambda d: d - 2.0, r"reach 0 \(曹娥江\): q_lateral is -1.0"),
        (lambda d: d[:, :1], "has 1 reaches, the network 2"),
        (lambda d: d[[0, 1, 3]], "constant step"),
        (lambda d: d[:1], "two times"),
        (lambda d: d.rename(reach="cell"), r"wanted \[member,\] time, reach"),
        (lambda d: d.assign_attrs(units="mm"), "is in 'mm'"),
        (lambda d: d.assign_coords(reach=[1, 0]), "does not count"),
        (lambda d: d.to_dataset(name="rain"), "no q_lateral"),
    ],
)
def test_inflow_that_does_not_fit_is_refused(new_network, change, cause):
    with pytest.raises(DataError, match=cause):
        route(new_network([1, -1]), change(inflow_of(np.ones((4, 2)))))


def ensemble(values, **kwargs):
    """Inflow (member, time, reach), every member a little different."""
    factors = np.linspace(0.5, 1.5, 40)
    times = inflow_of(values, **kwargs)["time"]
    return xr.DataArray(
        factors[:, None, None] * np.asarray(values, np.float64),
        dims=("member", "time", "reach"),
        coords={"time": times, "member": np.arange(100, 140)},
    )


@pytest.mark.parametrize("method", RoutingMethod)
def test_members_are_what_they_are_alone(new_network, method):
    """40 members are a full row and a part of one; each must be what it is alone."""
    network = new_network([2, 2, 3, -1], slope=[0.02, 0.001, 1e-4, 1e-4])
    inflow = ensemble(np.random.default_rng(2).gamma(0.5, 10.0, (30, 4)))
    together = route(network, inflow, method=method)
    assert together["river_discharge"].dims == ("member", "time", "reach")
    assert together["storage_m3"].dims == ("segment", "member")
    np.testing.assert_array_equal(together["member"], inflow["member"])
    assert abs(together.attrs["water_balance_error"]) < 1e-13
    for member in (100, 131, 132, 139):
        alone = route(network, inflow.sel(member=member), method=method)
        assert "member" not in alone.dims
        np.testing.assert_allclose(
            together["river_discharge"].sel(member=member), alone["river_discharge"], rtol=1e-12
        )


def test_any_number_of_workers_gives_the_same_bits(new_network):
    network = new_network([2, 2, 3, -1])
    inflow = ensemble(np.random.default_rng(3).gamma(0.5, 10.0, (30, 4)))
    one, two = (route(network, inflow, workers=workers) for workers in (1, 2))
    for name in one.data_vars:
        np.testing.assert_array_equal(one[name], two[name])


def test_members_start_from_one_state_and_go_on(new_network):
    """The observed past is one member, the forecast many; then the many go on."""
    network = new_network([2, 2, 3, -1])
    values = np.random.default_rng(4).gamma(0.5, 10.0, (60, 4))
    past = route(network, inflow_of(values[:20]))
    inflow = ensemble(values)[:, 20:]
    whole = route(network, inflow, initial=final_state(past))
    first = route(network, inflow[:, :15], initial=final_state(past))
    second = route(network, inflow[:, 15:], initial=final_state(first))
    parts = xr.concat([first["river_discharge"], second["river_discharge"]], "time")
    np.testing.assert_allclose(parts.transpose(*whole["river_discharge"].dims),
                               whole["river_discharge"], rtol=1e-12)  # fmt: skip
    with pytest.raises(DataError, match="has 40 members, the inflow 3"):
        route(network, inflow[:3], initial=final_state(first))


def test_chosen_reaches_alone(new_network):
    network = new_network([2, 2, 3, -1])
    inflow = inflow_of(np.random.default_rng(5).gamma(0.5, 10.0, (20, 4)))
    whole = route(network, inflow)["river_discharge"]
    found = route(network, inflow, reaches=[3, 1])["river_discharge"]
    np.testing.assert_array_equal(found["reach"], [3, 1])
    np.testing.assert_array_equal(found, whole.values[:, [3, 1]])
    with pytest.raises(DataError, match="reaches: not all in 0 to 3"):
        route(network, inflow, reaches=[4])


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"downstream": np.array([1, 2, 1], np.int32)}, "reach 2 .* cycle"),
        ({"slope": np.array([1e-3, 0.0, 1e-3])}, "reach 1 .*: slope is 0.0"),
        ({"slope": np.array([1e-3, 1e-3, -1e-3])}, "reach 2 .*: slope is -0.001"),
        ({"width_m": np.array([np.nan, 1.0, 1.0])}, "reach 0 .*: width_m is nan"),
        ({"length_m": np.array([1.0, 1.0, np.inf])}, "reach 2 .*: length_m is inf"),
    ],
)
def test_network_that_cannot_be_routed_is_refused(new_network, change, cause):
    network = replace(new_network([1, 2, -1]), **change)
    with pytest.raises(DataError, match=cause):
        route(network, inflow_of(np.ones((4, 3))))


def test_thousand_networks_from_rain_to_the_sea(new_network):
    """Rain, soil, reaches: what fell is where it should be, to 1e-10 (seeded networks)."""
    worst = 0.0
    params = RunoffParams()
    for seed in range(1000):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 25))
        below = [int(rng.integers(i + 1, n + 1)) for i in range(n)]
        area = rng.uniform(0.5, 50, n)
        network = new_network([b if b < n else -1 for b in below], rng.uniform(200, 5000, n),
                              10 ** rng.uniform(-4, -1, n), rng.uniform(3, 300, n),
                              rng.uniform(0.02, 0.08, n), area)  # fmt: skip
        rain = rng.gamma(0.3, 8.0, (30, n)) * (rng.random((30, n)) < 0.5)
        stores = initial_stores(n, float(rng.random()), 0.01, params)
        land = run(rain, stores, 3600.0, params)
        lateral = land.runoff_mm * area / 3.6
        method = list(RoutingMethod)[seed % 3]
        empty = route(network, inflow_of(lateral[:1] * 0), method=method, step_s=3600.0)
        routed = route(network, inflow_of(lateral, 3600), method=method, initial=final_state(empty))
        fallen = (rain * area).sum() * 1e3 + (stored_mm(stores, params) * area).sum() * 1e3
        soil = (stored_mm(land.stores_mm, params) * area).sum() * 1e3
        gone = (land.evaporation_mm * area).sum() * 1e3
        left = 3600.0 * float(routed["outlet_discharge"].sum()) + float(routed["storage_m3"].sum())
        worst = max(worst, abs(fallen - soil - gone - left) / fallen)
    assert worst <= 1e-10


def test_a_state_that_may_be_overwritten_gives_the_same_flow(new_network):
    network = new_network([2, 2, 3, -1], slope=[0.02, 0.001, 1e-4, 1e-4])
    inflow = xr.DataArray(
        np.random.default_rng(5).gamma(0.5, 4.0, (12, 4, 32)),
        dims=("time", "reach", "member"),
        coords={"time": np.arange(12) * 3600.0},
    )
    state = final_state(route(network, inflow[:6]))
    kept = route(network, inflow[6:], initial=state)
    own = final_state(kept)
    over = route(network, inflow[6:], initial=state, reuse_initial=True)
    xr.testing.assert_identical(kept, over)
    np.testing.assert_array_equal(state["storage_m3"], own["storage_m3"])  # overwritten, as allowed
