"""Routing against a peer in one process: the implicit kinematic wave of distributed models.

The peer is written here from the equations (Chow, Maidment & Mays 1988, section 9.6): float64,
compiled by numba, one reach after the other, Newton's method on the discharge with ``pow`` to a
tolerance of 1e-12, as LISFLOOD and wflow do. Ours solves the same equation, so the answers must
agree; Muskingum-Cunge is timed beside it and has diffusion on top. CPU seconds of one thread.
"""

import time

import numba
import numpy as np
import xarray as xr

from jinghu.grid.spec import GridSpec
from jinghu.hydro.network import RiverNetwork, accumulated
from jinghu.hydro.routing import RoutingMethod, route, segments

N_REACHES = 10_000
STEPS = 240
STEP_S = 300.0
ROUNDS = 5


@numba.njit(error_model="numpy")
def peer(downstream, alpha, length_m, lateral, substeps, start):
    """Implicit kinematic wave: ``dt/dx O1 + alpha O1^0.6 = dt/dx I1 + alpha O0^0.6 + dt q``."""
    n = len(downstream)
    flow = start.copy()
    out = np.empty((len(lateral), n))
    entering = np.zeros(n)
    dt = STEP_S / substeps
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


def tree_network(n: int, seed: int = 0) -> RiverNetwork:
    """Make a random tree: each reach joins one of the next eight."""
    rng = np.random.default_rng(seed)
    downstream = np.minimum(np.arange(n) + rng.integers(1, 9, n), n).astype(np.int32)
    downstream[downstream >= n] = -1
    area = accumulated(downstream, np.full(n, 4.0))
    grid = GridSpec("EPSG:4549", 5e5, 3.2e6, 2000.0, n, 1)
    return RiverNetwork(
        downstream=downstream,
        length_m=rng.uniform(500.0, 3000.0, n),
        slope=np.clip(0.05 * area**-0.5, 1e-4, None),
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


def rain_flood(network: RiverNetwork) -> xr.DataArray:
    """30 mm/h for three hours, on a base flow."""
    per_mm_h = network.local_area_km2 / 3.6
    lateral = np.full((STEPS, 1), 0.05) * per_mm_h
    lateral[12:48] += 30.0 * per_mm_h
    times = np.datetime64("2019-08-09", "ns") + np.arange(1, STEPS + 1) * np.timedelta64(300, "s")
    return xr.DataArray(lateral, dims=("time", "reach"), coords={"time": times})


def best_seconds(*runs) -> list[float]:
    """Least CPU seconds of each, taken in turns so that a busy machine hits all alike."""
    found = [[] for _ in runs]
    for _ in range(ROUNDS):
        for run, seconds in zip(runs, found, strict=True):
            start = time.process_time()
            run()
            seconds.append(time.process_time() - start)
    return [min(seconds) for seconds in found]


def main() -> None:
    network = tree_network(N_REACHES)
    inflow = rain_flood(network)
    parts = segments(network, STEP_S)
    alpha = (network.manning_n / np.sqrt(network.slope)) ** 0.6 * network.width_m**0.4
    length = (network.length_m[parts.reach]) * parts.share
    downstream, lateral = parts.downstream, inflow.values[:, parts.reach] * parts.share
    start = accumulated(downstream, lateral[0])

    def run_peer():
        return peer(downstream, alpha[parts.reach], length, lateral, parts.substeps, start)

    def run_ours(method=RoutingMethod.KINEMATIC):
        return route(network, inflow, method=method)

    theirs = run_peer()[:, parts.last]
    ours = run_ours()["river_discharge"].values
    cunge = run_ours(RoutingMethod.MUSKINGUM_CUNGE)
    difference = float((np.abs(ours - theirs) / (theirs + 1e-6)).max())
    seconds = best_seconds(run_peer, run_ours, lambda: run_ours(RoutingMethod.MUSKINGUM_CUNGE))
    work = len(parts.reach) * parts.substeps * STEPS
    print(f"{N_REACHES} reaches, {len(parts.reach)} segments, {STEPS * parts.substeps} steps")
    names = ("peer, kinematic", "ours, kinematic", "ours, Muskingum-Cunge")
    for name, s in zip(names, seconds, strict=True):
        print(f"  {name:<22} {s:6.3f} s  {work / s:9.3g} segment-steps/s  x{seconds[0] / s:.1f}")
    print(f"  kinematic: largest relative difference {difference:.1e}")
    print(f"  Muskingum-Cunge: balance error {cunge.attrs['water_balance_error']:.1e}")


if __name__ == "__main__":
    main()
