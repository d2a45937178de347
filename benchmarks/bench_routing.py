"""Routing against a peer in one process: the implicit kinematic wave of distributed models.

The peer is LISFLOOD's scheme written from the equations (Chow, Maidment & Mays 1988, section 9.6):
float64, compiled by numba, one reach after the other, Newton's method on the discharge with
``pow`` to a tolerance of 1e-12, as LISFLOOD and wflow do. Ours solves the same equation, so the
answers must agree. The other methods are timed beside it. CPU seconds of one thread; a
member-reach-step is one step of the kernel for one segment of one member.

Arguments: numbers of reaches (default 10000 100000), and ``memory`` for the peak of a run of a
million reaches, 32 members and 240 steps (``memory24``: 24 of them).
"""

import resource
import sys
import time

import numba
import numpy as np
import xarray as xr

from jinghu.grid.spec import GridSpec
from jinghu.hydro.network import RiverNetwork, accumulated
from jinghu.hydro.routing import RoutingMethod, final_state, route
from jinghu.hydro.segments import segments

MEMBERS = 32
HOURS = 20
STEP_S = 300.0
ROUNDS = 3


@numba.njit(error_model="numpy")
def peer(downstream, alpha, length_m, lateral, substeps, start, step_s):
    """Implicit kinematic wave: ``dt/dx O1 + alpha O1^0.6 = dt/dx I1 + alpha O0^0.6 + dt q``."""
    n = len(downstream)
    flow = start.copy()
    out = np.empty((len(lateral), n))
    entering = np.zeros(n)
    dt = step_s / substeps
    for t in range(len(lateral)):
        for _ in range(substeps):
            entering[:] = 0.0
            for i in range(n):
                ratio = dt / length_m[i]
                right = ratio * (entering[i] + lateral[t, i]) + alpha[i] * flow[i] ** 0.6
                q = max(0.5 * (flow[i] + entering[i] + lateral[t, i]), 1e-12)
                for _ in range(50):
                    error = ratio * q + alpha[i] * q**0.6 - right
                    if abs(error) < 1e-12:
                        break
                    q = max(q - error / (ratio + 0.6 * alpha[i] * q**-0.4), 1e-30)
                flow[i] = q
                if downstream[i] >= 0:
                    entering[downstream[i]] += q
        out[t] = flow
    return out


def tree_network(n: int, seed: int = 0, scale: float = 1.0) -> RiverNetwork:
    """Make a random tree of reaches that a wave crosses in about a step.

    Every reach joins one of the next eight.
    """
    rng = np.random.default_rng(seed)
    downstream = np.minimum(np.arange(n) + rng.integers(1, 9, n), n).astype(np.int32)
    downstream[downstream >= n] = -1
    area = accumulated(downstream, np.full(n, 4.0))
    grid = GridSpec("EPSG:4549", 5e5, 3.2e6, 2000.0, n, 1)
    return RiverNetwork(
        downstream=downstream,
        length_m=scale * rng.uniform(700.0, 1300.0, n),
        slope=np.clip(0.02 * area**-0.5, 1e-4, None),
        width_m=3.0 * area**0.5,
        manning_n=np.full(n, 0.035),
        local_area_km2=np.full(n, 4.0),
        upstream_area_km2=area,
        bed_m=np.zeros(n),
        x_m=grid.x,
        y_m=np.full(n, grid.y[0]),
        start_x_m=grid.x,
        start_y_m=np.full(n, grid.y[0]),
        name_zh=("",) * n,
        name_en=("",) * n,
        grid=grid,
        cell_reach=np.arange(n, dtype=np.int32)[None],
        terrain_source="made for a benchmark",
    )


def rain_flood(network: RiverNetwork, hours: int, members: int) -> xr.DataArray:
    """Hourly inflow: 30 mm/h for three hours on a base flow, a tenth more or less by member."""
    per_mm_h = network.local_area_km2 / 3.6
    rain = np.full(hours, 0.05)
    rain[1:4] += 30.0
    factor = np.linspace(0.9, 1.1, members)
    lateral = rain[:, None, None] * per_mm_h[:, None] * factor
    times = np.datetime64("2019-08-09", "ns") + np.arange(1, hours + 1) * np.timedelta64(1, "h")
    return xr.DataArray(lateral, dims=("time", "reach", "member"), coords={"time": times})


def best_seconds(run, rounds: int = ROUNDS) -> float:
    """Least CPU seconds of several runs."""
    found = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        found.append(time.process_time() - start)
    return min(found)


def compare(n: int) -> None:
    """Time the peer with one member and ours with 32."""
    network = tree_network(n)
    inflow = rain_flood(network, HOURS, MEMBERS)
    parts = segments(network, 3600.0)
    steps = HOURS * parts.substeps
    work = len(parts.reach) * steps
    alpha = (network.manning_n / np.sqrt(network.slope)) ** 0.6 * network.width_m**0.4
    length = network.length_m[parts.reach] * parts.share
    lateral = inflow.values[:, parts.reach, 0] * parts.share
    start = accumulated(parts.downstream, lateral[0])
    gauges = np.linspace(0, n - 1, 50).astype(int)

    def theirs():
        return peer(
            parts.downstream, alpha[parts.reach], length, lateral, parts.substeps, start, 3600.0
        )

    def ours(method, members=MEMBERS, initial=None):
        rain = inflow[..., :members]
        return route(network, rain, method=method, reaches=gauges, initial=initial)

    print(f"{n} reaches, {len(parts.reach)} segments, {steps} steps, {MEMBERS} members")
    reference = theirs()[:, parts.last[gauges]]
    seconds = best_seconds(theirs, 2)
    peer_rate = work / seconds
    print(f"  {'peer, kinematic, 1 member':<28} {seconds:7.3f} s  {peer_rate:9.3g}/s")
    for method in (RoutingMethod.KINEMATIC, RoutingMethod.MUSKINGUM_CUNGE, RoutingMethod.MUSKINGUM):
        routed = ours(method)
        state = final_state(routed)
        seconds = best_seconds(lambda method=method, state=state: ours(method, initial=state))
        rate = work * MEMBERS / seconds
        line = f"  {'ours, ' + method.value:<28} {seconds:7.3f} s  {rate:9.3g}/s"
        line += f"  x{rate / peer_rate:.0f}, balance {routed.attrs['water_balance_error']:.0e}"
        if method is RoutingMethod.KINEMATIC:
            flow = routed["river_discharge"].values[0]
            line += f", differs {np.abs(flow / np.maximum(reference, 1e-9) - 1).max():.0e}"
        print(line)
    method = RoutingMethod.MUSKINGUM_CUNGE
    state = final_state(ours(method, 1))
    seconds = best_seconds(lambda: ours(method, 1, state), 2)
    rate = work / seconds
    print(f"  {'ours, muskingum-cunge, alone':<28} {seconds:7.3f} s  {rate:9.3g}/s")


def memory(steps: int = 240) -> None:
    """Route a million reaches hour by hour, the state carried on, and print the peak."""
    network = tree_network(1_000_000, scale=0.5)
    inflow = rain_flood(network, 4, 1)
    factor = np.linspace(0.9, 1.1, MEMBERS)
    state, gauges, start, worst = None, [0, 999_999], time.process_time(), 0.0
    parts = segments(network, 3600.0)
    hours = steps // parts.substeps
    for hour in range(hours):
        hourly = inflow[min(hour, 3)].values * factor
        step = xr.DataArray(
            hourly[None], dims=("time", "reach", "member"), coords={"time": [hour * 3600.0]}
        )
        del hourly
        routed = route(
            network, step, initial=state, step_s=3600.0, reaches=gauges, reuse_initial=True
        )
        del step
        state, worst = final_state(routed), max(worst, abs(routed.attrs["water_balance_error"]))
    work = len(parts.reach) * MEMBERS * hours * parts.substeps
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"1000000 reaches, {len(parts.reach)} segments, {hours * parts.substeps} steps: "
        f"{peak:.0f} MiB, {seconds:.1f} s, {work / seconds:.3g}/s, balance {worst:.0e}"
    )


def main() -> None:
    arguments = sys.argv[1:] or ["10000", "100000"]
    for argument in arguments:
        if argument.startswith("memory"):
            memory(int(argument.removeprefix("memory") or 240))
        else:
            compare(int(argument))


if __name__ == "__main__":
    main()
