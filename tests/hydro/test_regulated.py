import numpy as np
import pytest
import xarray as xr

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import ConfigError
from jinghu.hydro.gauges import Gauge, PlacedGauge
from jinghu.hydro.regulated import Clock, RegulatedNetwork, route_regulated, travel_time_s
from jinghu.hydro.release_rules import Downstream
from jinghu.hydro.reservoirs import PlacedReservoir, read_reservoirs
from jinghu.hydro.routing import RoutingMethod, route
from jinghu.hydro.works import Works, initial_works, split

STEP_S = 360.0
MC = RoutingMethod.MUSKINGUM_CUNGE


@pytest.fixture(scope="module")
def site():
    return next(r for r in read_reservoirs(CONFIGS / "shaoxing" / "reservoirs.yaml"))


def with_rules(site, keep=lambda rule: True, **changes):
    rules = tuple(r.model_copy(update=changes) if isinstance(r, Downstream) else r
                  for r in site.release.rules if keep(r))  # fmt: skip
    return site.model_copy(
        update={"release": site.release.model_copy(update={"rules": rules}), "id": site.id}
    )


def gauge_at(reach, name="新昌"):
    return PlacedGauge(Gauge(name, "X", "r", 120.0, 30.0, np.nan, np.nan, "", ""), reach, 0.0)


def clock(n):
    start = np.datetime64("2019-08-09T00:00", "ns")
    return Clock(start + np.arange(1, n + 1) * np.timedelta64(6, "m"), STEP_S)


def flood_of(random, n, reaches, peak=40.0):
    t = np.arange(n)[:, None]
    wave = np.exp(-(((t - 60) / 25.0) ** 2))
    return 0.5 + random.uniform(0.2, 1.0, reaches) * peak * wave


def test_no_works_is_plain_routing(new_network):
    network = new_network([2, 2, 3, -1])
    lateral = flood_of(np.random.default_rng(1), 120, 4)
    rivers = RegulatedNetwork(network, Works(), split(network, ()))
    found = route_regulated(rivers, lateral, clock(120), MC)
    run = found.discharge_m3_s
    plain = route(
        network,
        xr.DataArray(lateral, dims=("time", "reach"), coords={"time": clock(120).ends}),
    )
    np.testing.assert_array_equal(run, plain["river_discharge"].values)


@pytest.mark.parametrize("seed", range(40))
def test_water_is_kept_from_the_land_to_the_sea(new_network, site, seed):
    """Random trees with up to three reservoirs: in = out + stored, to 1e-10."""
    random = np.random.default_rng(seed)
    n_reach, n = int(random.integers(6, 40)), 100
    below = [int(random.integers(k + 1, n_reach)) for k in range(n_reach - 1)] + [-1]
    network = new_network(
        below,
        slope=random.uniform(1e-3, 2e-2, n_reach),
        length_m=random.uniform(800, 3000, n_reach),
    )
    at = sorted(random.choice(n_reach - 1, 3, replace=False).tolist())
    plain = with_rules(site, keep=lambda r: not isinstance(r, Downstream))
    placed = tuple(
        PlacedReservoir(plain.model_copy(update={"id": f"r{k}"}), reach, 0.0, 276.0)
        for k, reach in enumerate(at)
    )
    works = Works(placed)
    rivers = RegulatedNetwork(network, works, split(network, works.reaches))
    lateral = flood_of(random, n, n_reach)
    first = route_regulated(rivers, lateral[:50], clock(50), MC)
    assert abs(first.balance_error) < 1e-12
    rest = Clock(clock(100).ends[50:], STEP_S)
    second = route_regulated(rivers, lateral[50:], rest, MC, first.state)
    assert abs(second.balance_error) < 1e-12

    def stored(state):
        return float(state.works["volume_m3"].sum()) + sum(
            float(c["storage_m3"].sum()) for c in state.channels
        )

    # What left by the outlets: the last piece's own balance tells it.
    last = rivers.pieces[-1]
    into_last = lateral[50:, last.reaches].sum() + sum(
        second.pools[w].outflow_m3_s.sum() for w, _ in last.fed
    )
    channel = [float(s.channels[-1]["storage_m3"].sum()) for s in (first.state, second.state)]
    left = into_last * STEP_S + channel[0] - channel[1]
    came = lateral[50:].sum() * STEP_S
    missing = stored(first.state) + came - left - stored(second.state)
    assert abs(missing) <= 1e-10 * (came + stored(first.state))


def test_a_downstream_rule_keeps_the_river_below_its_limit(new_network, site):
    """Reservoir on one of two branches: it holds back while the other brings 60 m3/s and more."""
    network = new_network([1, 3, 3, 4, -1], length_m=3000.0, slope=5e-3)
    ruled = with_rules(site, max_m3_s=100.0, share=1.0)
    works = Works((PlacedReservoir(ruled, 1, 0.0, 276.0),), None, (gauge_at(4),))
    rivers = RegulatedNetwork(network, works, split(network, works.reaches))
    n = 300
    lateral = np.full((n, 5), 0.5)
    lateral[:, 2] += 90.0 * np.exp(-(((np.arange(n) - 100) / 30.0) ** 2))
    lateral[:, 0] += 300.0 * np.exp(-(((np.arange(n) - 80) / 30.0) ** 2))
    held = route_regulated(rivers, lateral, clock(n), MC)
    # Travel times are those of a middling flood, and the supply of 2.8 m3/s comes first.
    assert held.discharge_m3_s[:, 4].max() < 112.0
    names = {held.policies[0].name(int(b)) for b in held.pools[0].bound[:, 0]}
    assert "downstream" in names
    free = with_rules(site, keep=lambda r: not isinstance(r, Downstream))
    loose = Works((PlacedReservoir(free, 1, 0.0, 276.0),))
    rivers = RegulatedNetwork(network, loose, split(network, loose.reaches))
    assert route_regulated(rivers, lateral, clock(n), MC).discharge_m3_s[:, 4].max() > 150.0


def test_a_rule_needs_its_gauge_below(new_network, site):
    network = new_network([1, 3, 3, 4, -1])
    for gauges, cause in (((), "there is no gauge 新昌"), ((gauge_at(2),), "is not downstream")):
        works = Works((PlacedReservoir(site, 1, 0.0, 276.0),), None, gauges)
        rivers = RegulatedNetwork(network, works, split(network, works.reaches))
        with pytest.raises(ConfigError, match=cause):
            route_regulated(rivers, np.ones((10, 5)), clock(10), MC)
    assert travel_time_s(network, 1, 1) == 0.0
    longer, shorter = travel_time_s(network, 0, 4), travel_time_s(network, 1, 4)
    assert longer is not None
    assert shorter is not None
    assert longer > shorter > 0
    with pytest.raises(ConfigError, match="two works stand at the end of one reach"):
        split(network, (1, 1))


def test_a_cold_reservoir_stands_at_its_flood_limit(site):
    works = Works((PlacedReservoir(site, 1, 0.0, 276.0),))
    state = initial_works(works, np.datetime64("2019-08-09T00:00", "ns"))
    assert float(site.table().level(state["volume_m3"].values)[0]) == pytest.approx(125.3)
