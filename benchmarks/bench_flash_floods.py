"""Critical rain of 3,000 small catchments for 50 members: each has soil of its own.

A member is one call of `critical_rain`, as a cycle makes: even rain of 1, 3 and 6 h and of up to
twelve depths on 1 km cells, through runoff and Muskingum-Cunge to the peak of every reach. CPU
seconds of one thread. The check beside it: a catchment under its own critical rain peaks at the
discharge it was asked for.

Argument: number of members (default 50).
"""

import sys
import time

import numpy as np
from bench_routing import tree_network
from scipy.sparse import csr_array

from jinghu.hydro.critical_rain import CriticalRainParams, critical_rain
from jinghu.hydro.land import Land, peaks
from jinghu.hydro.model import Basin
from jinghu.hydro.regulated import RegulatedNetwork
from jinghu.hydro.routing import RoutingMethod
from jinghu.hydro.runoff import RunoffParams, initial_stores
from jinghu.hydro.works import Works, split

REACHES = 3300
CELLS_A_REACH = 4  # of 1 km2
STEP_S = 720.0


def basin_of(reaches: int, cells_a_reach: int) -> Basin:
    """Make a network without works; each reach drains cells of its own, of 4 km2 together."""
    network = tree_network(reaches)
    works = Works()
    units = reaches * cells_a_reach
    km2 = np.full(units, 4.0 / cells_a_reach)
    reach = np.arange(units) // cells_a_reach
    weights = csr_array((km2, (reach, np.arange(units))), shape=(reaches, units))
    rivers = RegulatedNetwork(network, works, split(network, works.reaches))
    return Basin(rivers, np.arange(units), weights)


def main() -> None:
    members = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    basin, of, params = basin_of(REACHES, CELLS_A_REACH), CriticalRainParams(), RunoffParams()
    wanted = 4.0 * basin.network.upstream_area_km2**0.8
    random = np.random.default_rng(0)
    units = len(basin.cell_id)

    def land(wetness: float) -> Land:
        stores = initial_stores(units, wetness, 0.01, params)
        stores[:, :4] *= random.uniform(0.8, 1.0, (units, 1))
        return Land(basin, stores, params, RoutingMethod.MUSKINGUM_CUNGE)

    first = land(0.8)
    found = critical_rain(first, wanted, of, STEP_S)  # compiles
    known = np.flatnonzero(np.isfinite(found[0]))
    worst = 0.0
    for reach in known[:: len(known) // 5]:
        rain = np.zeros((35, 1))
        rain[:15] = found[1, reach] / 15
        worst = max(worst, abs(peaks(first, rain, STEP_S)[reach, 0] / wanted[reach] - 1.0))
    start = time.process_time()
    for wetness in np.linspace(0.4, 1.0, members):
        critical_rain(land(wetness), wanted, of, STEP_S)
    seconds = time.process_time() - start
    print(f"{len(known)} catchments, {units} cells, {members} members: {seconds:.1f} s")
    print(f"  critical rain of 3 h {np.nanpercentile(found[1], [5, 50, 95]).round()} mm")
    print(f"  peak under it beside the discharge asked for, worst of five: {worst:.1%}")


if __name__ == "__main__":
    main()
