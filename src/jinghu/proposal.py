"""A joint release plan of the reservoirs above control gauges, for a what-if."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.level_pool import PoolTable
from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.regulated import Schedule, travel_time_s
from jinghu.hydro.release_plan import ControlPoint, Plan, PlannedPool, plan_releases
from jinghu.hydro.release_rules import (
    FLOOD_LIMIT,
    MaxRelease,
    MinRelease,
    RateOfChange,
)
from jinghu.hydro.reservoirs import PlacedReservoir, Reservoir

Array = NDArray[np.float64]
Run = Callable[[Mapping[str, Schedule]], xr.Dataset]
_CUTS = 10  # straight lines that bound what gates pass
_PULSE = 0.25  # of what the gates pass at the start, to see what reaches the gauges


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a proposal is to serve: gauges and what they can carry, and the blocks of time."""

    gauges: tuple[tuple[PlacedGauge, float], ...]
    block_steps: int
    step_s: float


def propose(
    wanted: Wanted,
    placed: Sequence[PlacedReservoir],
    network: RiverNetwork,
    inflow_m3_s: Mapping[str, Array],
    start: xr.Dataset,
    run: Run,
) -> tuple[tuple[PlacedReservoir, ...], Plan]:
    """Plan the releases of the reservoirs above the control gauges.

    What reaches the gauges is seen by the river model itself: a run with nothing let out, and one
    a reservoir with a pulse in the first block; later blocks are the same, later.

    Parameters
    ----------
    wanted
        Control gauges and blocks.
    placed, network
        Reservoirs of the installation on their network.
    inflow_m3_s
        (step) of each reservoir by its id: what the plan rests on.
    start
        State of the works now.
    run
        Runs the flood model under schedules and returns its flows.

    Raises
    ------
    ConfigError
        Where no reservoir lies above the gauges.
    """
    above = tuple(
        p for p in placed
        if any(travel_time_s(network, p.reach, g.reach) is not None for g, _ in wanted.gauges)
    )  # fmt: skip
    if not above:
        raise ConfigError("no reservoir lies above the control gauges")
    n_step = len(next(iter(inflow_m3_s.values())))
    n_block = n_step // wanted.block_steps
    if n_block < 2:
        raise ConfigError(f"blocks of {wanted.block_steps} steps: fewer than two in the forecast")
    shut = {p.site.id: _constant(0.0, n_step) for p in above}
    alone = run(shut)
    columns = [gauge.reach for gauge, _ in wanted.gauges]
    calm = alone["river_discharge"].values[:, columns].astype(np.float64)
    responses = np.zeros((len(columns), len(above), n_block, n_step))
    for k, one in enumerate(above):
        responses[:, k] = _response(one.site, shut, calm, columns, start, wanted, run)
    pools = [
        _planned(p.site, inflow_m3_s[p.site.id], start, alone["time"].values, wanted, n_block)
        for p in above
    ]
    points = [
        ControlPoint(gauge.gauge.name_zh, safe, calm[:, g], responses[g])
        for g, (gauge, safe) in enumerate(wanted.gauges)
    ]
    return above, plan_releases(pools, points, wanted.block_steps * wanted.step_s)


def _constant(release: float, n: int) -> Schedule:
    return Schedule(np.full(n, release), rules_hold=False)


def _volume(start: xr.Dataset, site: Reservoir) -> tuple[float, float]:
    """Volume and release of a reservoir in a state."""
    k = list(map(str, start["work_id"].values)).index(site.id)
    return float(start["volume_m3"][k]), float(start["release_m3_s"][k])


def _response(
    site: Reservoir,
    shut: Mapping[str, Schedule],
    calm: Array,
    columns: Sequence[int],
    start: xr.Dataset,
    wanted: Wanted,
    run: Run,
) -> Array:
    """Flow at the gauges of 1 m3/s released in each block: (gauge, block, step)."""
    n_step, size = len(calm), wanted.block_steps
    table = site.table()
    volume = float(np.clip(_volume(start, site)[0], table.volume_m3[0], table.volume_m3[-1]))
    pulse = np.zeros(n_step)
    pulse[:size] = _PULSE * np.interp(volume, table.volume_m3, table.gates_m3_s)
    flows = run({**shut, site.id: Schedule(pulse, rules_hold=False)})
    k = list(map(str, flows["reservoir_id"].values)).index(site.id)
    released = float(flows["reservoir_release"].values[:size, k].mean())
    n_block = n_step // size
    found = np.zeros((len(columns), n_block, n_step))
    if released <= 0.0:
        return found
    gained = (flows["river_discharge"].values[:, columns] - calm).T / released
    gained = np.maximum(gained, 0.0)
    for j in range(n_block):
        found[:, j, j * size :] = gained[:, : n_step - j * size]
    return found


def _planned(
    site: Reservoir,
    inflow: Array,
    start: xr.Dataset,
    times: NDArray[np.datetime64],
    wanted: Wanted,
    n_block: int,
) -> PlannedPool:
    """Limits of one reservoir by its rules, as the plan knows them."""
    size = wanted.block_steps
    hours = size * wanted.step_s / 3600.0
    table, release = site.table(), site.release
    volume, before = _volume(start, site)
    limit = float(table.volume(site.flood_limit_m(times[-1:]))[0])
    tops = [limit if z.up_to == FLOOD_LIMIT else float(table.volume(float(z.up_to)))
            for z in release.zones if z.up_to is not None]  # fmt: skip
    largest = min([r.m3_s for r in release.rules if isinstance(r, MaxRelease)
                   and (not r.zones or release.zones[-2].id in r.zones)], default=1e6)  # fmt: skip
    least = max([r.m3_s for r in release.rules if isinstance(r, MinRelease)], default=0.0)
    rises = [r.rise_m3_s_h for r in release.rules if isinstance(r, RateOfChange) and r.rise_m3_s_h]
    return PlannedPool(
        id=site.id,
        inflow_m3_s=inflow[: n_block * size].reshape(n_block, size).mean(axis=1),
        start_m3=volume,
        target_m3=limit,
        lowest_m3=min(tops[0], volume),
        highest_m3=tops[-1],
        max_release_m3_s=np.full(n_block, largest),
        min_release_m3_s=np.full(n_block, min(least, largest)),
        change_m3_s=min(rises, default=1e6) * hours,
        before_m3_s=before,
        capacity=capacity_cuts(table),
    )


def capacity_cuts(table: PoolTable) -> Array:
    """Lines (a, b) of the concave hull over what gates pass by volume: Q <= a + b V."""
    points = np.column_stack([table.volume_m3, table.gates_m3_s])
    keep = np.unique(np.linspace(0, len(points) - 1, 60).round().astype(int))
    hull: list[NDArray[np.float64]] = []
    for point in points[keep]:
        while len(hull) > 1:
            (x1, y1), (x2, y2) = hull[-2], hull[-1]
            if (y2 - y1) * (point[0] - x1) > (point[1] - y1) * (x2 - x1):
                break
            hull.pop()
        hull.append(point)
    line = np.array(hull)
    slope = np.diff(line[:, 1]) / np.diff(line[:, 0])
    cuts = np.column_stack([line[:-1, 1] - slope * line[:-1, 0], slope])
    few = np.unique(np.linspace(0, len(cuts) - 1, min(_CUTS, len(cuts))).round().astype(int))
    return np.asarray(cuts[few])
