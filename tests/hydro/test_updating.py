"""Water corrected by flows at gauges: who is moved, by how much, and every drop of it told."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.hydro.networks import make_network

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.hydro import members as crews
from jinghu.hydro import runoff
from jinghu.hydro.model import Basin, ModelParams, simulate
from jinghu.hydro.updating import (
    Observed,
    flow_floor,
    influence,
    log_flow,
    timing_sd,
    update,
)

STEP_S = 360.0
PARAMS = ModelParams()
REACHES = np.array([4])  # reaches 0 to 4 flow to the gauge, 5 below it, 6 and 7 are another river
NETWORK = make_network([1, 2, 3, 4, 5, -1, 7, -1], slope=3e-3)
SPEC = GridSpec("EPSG:4549", 500_000.0, 3_290_000.0, 2500.0, 8, 1)
BASIN = Basin.of(NETWORK, SPEC)


def rain(n, mm=1.5):
    times = np.datetime64("2026-06-20T00:06", "ns") + np.arange(n) * np.timedelta64(6, "m")
    values = np.full((n, 1, 8), mm, np.float32)
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), values, attrs("rainfall_amount"))},
        coords={"time": times},
    )


@pytest.fixture(scope="module")
def situation():
    """Twenty steps of rain, then members that have run for twenty more."""
    _, state = simulate(BASIN, rain(20), STEP_S, (), PARAMS)
    crew = crews.make_crew(BASIN, PARAMS, STEP_S, 16, 1)
    random = np.random.default_rng(2)
    members = crews.begin(crew, state, PARAMS, random)
    for _ in range(20):
        members, found = crews.step(
            BASIN, crew, members, np.full(8, 1.5), np.zeros(0), STEP_S, PARAMS, REACHES, random
        )
    flows, state = simulate(BASIN, rain(20), STEP_S, (), PARAMS, state)
    own = flows["river_discharge"].values[-1, REACHES].astype(np.float64)
    return state, crew, members, np.column_stack([found, own])


def taken(situation, factor, sd=0.1):
    state, crew, members, flows = situation
    floor = flow_floor(NETWORK, REACHES)
    predicted = log_flow(flows, floor[:, None])[None]
    value = log_flow(factor * flows[:, -1], floor)
    heard = Observed(np.array([0]), np.array([0]), value, np.array([sd]))
    weights = influence(BASIN, REACHES)
    return update(BASIN, crew, state, members, predicted, heard, weights, REACHES)


def water(state):
    """All water of a state in m3."""
    stores = runoff.soil_stores(state.soil, BASIN.cell_id)
    area = np.asarray(BASIN.weights.sum(axis=0)).ravel()
    land = float((runoff.stored_mm(stores, PARAMS.runoff) * area).sum() * 1000.0)
    return land + sum(float(c["storage_m3"].sum()) for c in state.rivers.channels)


def outlet_after(state, n=5):
    flows, _ = simulate(BASIN, rain(n), STEP_S, (), PARAMS, state)
    return flows["river_discharge"].values[-1, REACHES[0]]


@settings(max_examples=30, deadline=None)
@given(factor=st.floats(0.2, 5.0), sd=st.floats(0.02, 1.0))
def test_every_drop_that_is_added_is_told(situation, factor, sd):
    state, *_ = situation
    after, members, _, added = taken(situation, factor, sd)
    assert water(after) - water(state) == pytest.approx(added.total_m3, abs=1e-10 * water(state))
    assert added.total_m3 * (factor - 1.0) >= 0.0 or abs(factor - 1.0) < 0.05
    assert (members.soil_mm >= 0).all()
    assert all((s >= 0).all() for s in members.storage_m3)


def test_rain_runoff_flow_and_increments_balance(situation):
    """What is there at last = what was there + increments + rain - evaporation - outflow."""
    after, *_ = taken(situation, 1.6)
    flows, last = simulate(BASIN, rain(30), STEP_S, (), PARAMS, after)
    assert abs(flows.attrs["water_balance_error"]) < 1e-10
    assert water(last) > 0.0


def test_the_run_comes_nearer_to_the_gauge(situation):
    state, *_, flows = situation
    more, less = taken(situation, 1.5), taken(situation, 0.6)
    assert outlet_after(less[0]) < outlet_after(state) < outlet_after(more[0])
    floor = flow_floor(NETWORK, REACHES)
    now = np.exp(more[2][0, 0, -1]) - floor[0]
    assert flows[0, -1] < now < 1.5 * flows[0, -1] * 1.01


def test_other_rivers_keep_their_bits(situation):
    state, _, members, _ = situation
    after, new, *_ = taken(situation, 2.0)
    for name in runoff.STORES:
        assert np.array_equal(after.soil[name].values[6:], state.soil[name].values[6:])
    assert np.array_equal(new.soil_mm[:, 6:], members.soil_mm[:, 6:])
    weights = influence(BASIN, REACHES)
    assert (weights[0, :6] > 0).all()
    assert (weights[0, 6:] == 0).all()
    assert weights[0, 4] == 1.0
    assert (np.diff(weights[0, :5]) > 0).all()


def test_the_soil_is_left_alone(situation):
    state, *_ = situation
    after, *_ = taken(situation, 2.0)
    for name in runoff.STORES[:4]:
        assert np.array_equal(after.soil[name].values, state.soil[name].values)


def test_what_is_learned_of_the_rain_is_that_of_the_catchment(situation):
    """More water than computed: more rain is to be expected, there more than elsewhere."""
    _, crew, members, _ = situation
    _, after, *_ = taken(situation, 2.0)
    assert (members.own_error == 0.0).all()
    factor = crew.rain.expected(after.own_error, np.array([STEP_S]))[0]
    assert factor[:6].mean() > 1.01
    assert (np.abs(after.own_land) < 0.5).all()


def test_members_forget_what_they_were_taught(situation):
    _, crew, _, _ = situation
    random = np.random.default_rng(5)
    _, after, *_ = taken(situation, 2.0)
    members = after
    for _ in range(10):
        members, _ = crews.step(
            BASIN, crew, members, np.zeros(8), np.zeros(0), STEP_S, PARAMS, REACHES, random
        )
    kept = members.own_error / after.own_error
    np.testing.assert_allclose(kept, np.exp(-1.0 / crew.rain.hours), rtol=1e-12)
    assert np.array_equal(members.own_land, after.own_land)


def test_nothing_said_changes_nothing(situation):
    state, crew, members, flows = situation
    none = np.zeros(0)
    heard = Observed(none.astype(int), none.astype(int), none, none)
    weights = influence(BASIN, REACHES)
    found = update(BASIN, crew, state, members, flows[None], heard, weights, REACHES)
    assert found[0] is state
    assert found[1] is members
    assert found[3].total_m3 == 0.0


def test_what_is_told_once_is_not_told_again(situation):
    """A flow of the step before moves what is computed for now as well."""
    state, crew, members, flows = situation
    floor = flow_floor(NETWORK, REACHES)
    logs = np.stack([log_flow(flows, floor[:, None])] * 2)
    value = log_flow(2.0 * flows[:, -1], floor)
    heard = Observed(np.array([0]), np.array([0]), value, np.array([0.1]))
    weights = influence(BASIN, REACHES)
    *_, after, _ = update(BASIN, crew, state, members, logs, heard, weights, REACHES)
    np.testing.assert_allclose(after[0], after[1], rtol=1e-12)


def test_a_wild_flow_counts_less_than_its_distance(situation):
    sane, wild = (taken(situation, f)[3].total_m3 for f in (2.0, 200.0))
    assert wild < 3.0 * sane


def test_members_are_the_same_for_the_same_seed():
    once, again = (crews.make_crew(BASIN, PARAMS, STEP_S, 8, 3) for _ in range(2))
    assert once.params == again.params
    assert replace(once.params[0]) != crews.make_crew(BASIN, PARAMS, STEP_S, 8, 4).params[0]


def test_a_steep_limb_tells_of_time():
    """Half an hour at a tenth of a logarithm in six minutes."""
    assert timing_sd(0.1, STEP_S) == pytest.approx(0.5)
    assert timing_sd(0.0, STEP_S) == 0.0
