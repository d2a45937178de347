"""The joint plan against exhaustive search: real pools and channels, every grid of releases."""

from itertools import product

import numpy as np
import pytest
import xarray as xr

from jinghu.hydro.level_pool import PoolTable, run_pool
from jinghu.hydro.policy_rows import Kind, PolicyRows
from jinghu.hydro.release_plan import ControlPoint, PlannedPool, plan_releases
from jinghu.hydro.routing import final_state, route
from jinghu.proposal import capacity_cuts

STEP_S, N, SIZE = 1800.0, 36, 12  # three blocks of six hours
BLOCK_S = STEP_S * SIZE
GRID = np.arange(0.0, 100.0, 20.0)  # m3/s: five releases, 15,625 plans of two reservoirs
SAFE = 150.0


@pytest.fixture(scope="module")
def basin(new_network):
    """Two reservoirs that let out into reaches 0 and 1, which join in 2; the gauge is at 3."""
    network = new_network([2, 2, 3, -1], length_m=5000.0, slope=2e-3, width_m=40.0)
    level = np.linspace(0.0, 30.0, 61)
    table = PoolTable("pool", level, 4e5 * level**1.2, 40.0 * np.sqrt(level), 0.0 * level)
    t = np.arange(N)
    inflow = np.stack([20 + 150 * np.exp(-(((t - 15) / 5.0) ** 2)),
                       10 + 90 * np.exp(-(((t - 19) / 5.0) ** 2))])  # fmt: skip
    local = 10 + 110 * np.exp(-(((t - 17) / 4.0) ** 2))
    return network, table, inflow, local


def routed(network, local, outflow, initial=None):
    lateral = np.full((len(local), 4), 1.0)
    lateral[:, 2] += local
    lateral[:, 0] += outflow[0]
    lateral[:, 1] += outflow[1]
    times = np.datetime64("2019-08-09", "ns") + np.arange(1, len(local) + 1) * np.timedelta64(
        30, "m"
    )
    found = route(
        network,
        xr.DataArray(lateral, dims=("time", "reach"), coords={"time": times}),
        initial=initial,
        step_s=STEP_S,
    )
    return found


def pool_runs(table, inflow, start, releases):
    """Outflow and volume (plan, step) of one reservoir under many plans (plan, block)."""
    wanted = np.repeat(releases, SIZE, axis=1).T[None]
    rows = PolicyRows(
        np.full((1, 1), np.inf), np.ones(1, np.int64), np.array([Kind.AIM_RELEASE]), wanted,
        np.zeros(1),
    )  # fmt: skip
    means = np.repeat(inflow[:, None], len(releases), axis=1)
    run = run_pool(table, means, start, STEP_S, rows, extrapolate=True)
    return run.outflow_m3_s.T, run.volume_m3.T


def test_plan_is_as_good_as_the_best_of_all(basin):
    network, table, inflow, local = basin
    start = table.volume(np.array([14.0, 15.0]))
    highest = table.volume(np.array([17.0, 16.5]))
    calm = final_state(routed(network, local[:1], np.full((2, 1), 20.0)))
    alone = routed(network, local, np.zeros((2, N)), calm)["river_discharge"].values[:, 3]
    response = np.zeros((2, 3, N))
    for k in range(2):
        pulse = np.zeros((2, N))
        pulse[k, :SIZE] = 40.0
        gained = routed(network, local, pulse, calm)["river_discharge"].values[:, 3] - alone
        for j in range(3):
            response[k, j, j * SIZE :] = np.maximum(gained, 0)[: N - j * SIZE] / 40.0
    pools = [
        PlannedPool(
            f"r{k}", inflow[k].reshape(3, SIZE).mean(axis=1), float(start[k]), float(start[k]),
            0.0, float(highest[k]), np.full(3, 80.0), np.zeros(3), 100.0, 20.0,
            capacity_cuts(table),
        )
        for k in range(2)
    ]  # fmt: skip
    plan = plan_releases(pools, [ControlPoint("g", SAFE, alone, response)], BLOCK_S)

    def worst(outflow):
        flow = routed(network, local, outflow, calm)["river_discharge"].values[:, 3]
        return float(flow.max()) / SAFE

    planned = [pool_runs(table, inflow[k], start[k], plan.release_m3_s[k][None]) for k in range(2)]
    over = [max(float(planned[k][1].max()) / highest[k] - 1.0, 0.0) for k in range(2)]
    assert max(over) < 0.01  # volumes within a block may pass those at its ends by a little
    reached = worst(np.stack([planned[k][0][0] for k in range(2)]))

    releases = np.array(list(product(GRID, repeat=3)))
    every = [pool_runs(table, inflow[k], start[k], releases) for k in range(2)]
    ends = slice(SIZE - 1, None, SIZE)
    good = [
        np.flatnonzero((v[:, ends] <= highest[k]).all(axis=1)) for k, (_, v) in enumerate(every)
    ]
    assert all(len(g) > 3 for g in good)
    best = np.inf
    # The channels are all but linear here: rank all pairs by response, run the 300 best for true.
    flows = [
        np.einsum(
            "pb,bt->pt", every[k][0].reshape(len(releases), 3, SIZE).mean(axis=2), response[k]
        )
        for k in range(2)
    ]
    pairs = [(a, b) for a in good[0] for b in good[1]]
    rank = np.array([(alone + flows[0][a] + flows[1][b]).max() for a, b in pairs])
    for n in np.argsort(rank)[:300]:
        a, b = pairs[n]
        best = min(best, worst(np.stack([every[0][0][a], every[1][0][b]])))
    print(f"plan {reached:.4f}, best of {len(pairs)} {best:.4f}, linear {plan.worst_share:.4f}")
    assert reached <= 1.02 * best
    assert plan.worst_share == pytest.approx(reached, rel=0.05)
    assert any("downstream g" in names for pool in plan.binding for names in pool)


def test_binding_names_what_holds_the_plan(basin):
    _, table, _, _ = basin
    flat = np.zeros((1, 2, 4))
    flat[0, 0, :2] = 1.0
    flat[0, 1, 2:] = 1.0
    pool = PlannedPool(
        "r", np.array([50.0, 50.0]), 4e6, 4e6, 0.0, 4.2e6, np.full(2, 60.0), np.zeros(2), 1e3,
        10.0, capacity_cuts(table),
    )  # fmt: skip
    point = ControlPoint("g", 100.0, np.array([0.0, 0.0, 80.0, 80.0]), flat)
    plan = plan_releases([pool], [point], 3600.0 * 6)
    # The flood comes in the second block: all that may go before it does.
    assert plan.release_m3_s[0, 0] == pytest.approx(60.0)
    assert "max-release" in plan.binding[0][0]
    assert "downstream g" in plan.binding[0][1]
    assert "highest-level" in plan.binding[0][1]
