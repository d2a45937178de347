"""What-if dispatch: the state of a cycle, its rain and members, and other releases."""

import os
import time as clock
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO

import numpy as np
import xarray as xr
from rich.console import Console

from jinghu.api.dispatch_schemas import (
    DispatchAnswer,
    DispatchRequest,
    Propose,
)
from jinghu.configs.settings import Settings
from jinghu.dispatch_answer import Outcome, Planned, answer_of
from jinghu.dispatch_wishes import (
    check_names,
    constrained,
    gauge_of,
    only_the_dam,
    schedule,
)
from jinghu.flood import continued, load_flood_state, network_of, params_of, to_horizon
from jinghu.grid.accumulation import block_amounts
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.grid.store import PARTS, Part, Store
from jinghu.grid.times import cycle_name, parse_cycle_name, to_numpy
from jinghu.hydro.gauges import PlacedGauge, place_gauges, read_gauges
from jinghu.hydro.model import Basin, FloodState, ModelParams, simulate
from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.regulated import Schedule
from jinghu.hydro.release_plan import Plan
from jinghu.hydro.reservoirs import PlacedReservoir
from jinghu.proposal import Wanted, propose
from jinghu.publish import OUTLOOK
from jinghu.river_learned import learned_by
from jinghu.river_update import Watch
from jinghu.stages import StageLog
from jinghu.waterworks import works_of

Dispatch = Callable[[DispatchRequest], DispatchAnswer]


@dataclass(frozen=True, slots=True)
class Situation:
    """All that a what-if starts from.

    ``rain`` is the deterministic forecast, then the members', each up to the horizon.
    """

    cycle: str
    time: datetime
    network: RiverNetwork
    gauges: tuple[PlacedGauge, ...]
    basin: Basin
    state: FloodState
    rain: tuple[xr.Dataset, ...]
    step_s: float
    params: ModelParams
    degradations: list[str]

    def run(
        self,
        reservoirs: Sequence[PlacedReservoir],
        schedules: Mapping[str, Schedule],
        member: int = 0,
    ) -> xr.Dataset:
        """Flows of one rain with these reservoirs and schedules."""
        works = replace(self.basin.rivers.works, reservoirs=tuple(reservoirs))
        basin = replace(self.basin, rivers=replace(self.basin.rivers, works=works))
        flows, _ = simulate(
            basin, self.rain[member], self.step_s, self.gauges, self.params, self.state, schedules
        )
        return flows

    def run_all(
        self, reservoirs: Sequence[PlacedReservoir], schedules: Mapping[str, Schedule]
    ) -> tuple[xr.Dataset, ...]:
        """Flows of the forecast, then of each member, side by side on the processors."""
        with ThreadPoolExecutor(os.cpu_count()) as running:
            each = range(len(self.rain))
            return tuple(running.map(lambda k: self.run(reservoirs, schedules, k), each))


@dataclass(slots=True)
class AsIs:
    """Runs of the newest cycle that was asked about under the rules alone, kept for the next."""

    cycle: str = ""
    runs: tuple[xr.Dataset, ...] = ()


def dispatcher(settings: Settings) -> Dispatch:
    """Return the function that the API hands what-ifs to, one at a time."""
    known = AsIs()

    def dispatch(request: DispatchRequest) -> DispatchAnswer:
        return what_if(request, settings, known)

    return dispatch


def what_if(
    request: DispatchRequest, settings: Settings, known: AsIs | None = None
) -> DispatchAnswer:
    """Run a what-if: under the rules alone, then as asked, for the forecast and its members.

    Parameters
    ----------
    request, settings
        What is wished; of the installation.
    known
        Runs under the rules alone, which are taken from there and left there.

    Raises
    ------
    ConfigError
        Where the request names a reservoir or gauge that is not there, or what cannot be.
    DataError
        Where the cycle, its state or its flows are not there.
    """
    began = clock.monotonic()
    here = situation(request, settings)
    placed = here.basin.rivers.works.reservoirs
    if not placed:
        raise DataError("what-if", "the installation has no reservoir on its network")
    check_names([s.reservoir for s in request.schedules], placed, "schedules")
    check_names([c.reservoir for c in request.constraints], placed, "constraints")
    changed = [constrained(p, request.constraints, here.gauges, here.network) for p in placed]
    ends, sites = here.rain[0]["time"].values, {p.site.id: p.site for p in placed}
    schedules = {s.reservoir: schedule(s, ends, sites[s.reservoir]) for s in request.schedules}
    before = _as_is(here, known or AsIs())
    planned: Planned | None = None
    if request.propose is not None:
        planned, proposed = _proposal(request.propose, here, changed, schedules)
        schedules |= proposed
        changed = [only_the_dam(p) if p.site.id in proposed else p for p in changed]
    after = here.run_all(changed, schedules)
    asked = {k: s.release_m3_s for k, s in schedules.items()}
    return answer_of(
        Outcome(before, after, asked),
        here.cycle,
        here.time,
        planned,
        here.degradations,
        clock.monotonic() - began,
    )


def _as_is(here: Situation, known: AsIs) -> tuple[xr.Dataset, ...]:
    """Runs under the rules alone, those known where they are of this cycle and its members."""
    if known.cycle != here.cycle or len(known.runs) < len(here.rain):
        known.runs = here.run_all(here.basin.rivers.works.reservoirs, {})
        known.cycle = here.cycle
    return known.runs[: len(here.rain)]


def situation(request: DispatchRequest, settings: Settings) -> Situation:
    """Load the cycle that a what-if starts from."""
    store = Store(settings.store)
    log = StageLog(Console(file=StringIO()))
    cycle, part = _part(store, request.cycle)
    time = parse_cycle_name(cycle)
    network = network_of(settings, store)
    gauges, _ = place_gauges(read_gauges(settings.hydro.gauges), network)
    works, poor = works_of(settings, network, gauges)
    basin = Basin.of(network, settings.grid.product(), works)
    found = load_flood_state(store, cycle_name(time + timedelta(minutes=1)), basin, log)
    if found is None or found[0] != cycle:
        raise DataError(f"cycle {cycle}", "its state is not kept any more; ask for the newest")
    step_s = float(found[1].rivers.channels[-1].attrs["step_s"])
    rain = [_rain(part, "products.zarr", time, step_s, settings)[0]]
    full = store.find(cycle, "full")
    degradations = list(poor)
    if request.members and full is not None and (full.folder / "members.zarr").exists():
        rain += _rain(full, "members.zarr", time, step_s, settings)
    elif request.members:
        degradations.append("the cycle has no members: the deterministic forecast alone")
    params = params_of(settings)
    watch = Watch(basin, gauges, params, step_s, settings.hydro.update_members)
    learned = learned_by(cycle, store, watch)
    return Situation(
        cycle,
        time,
        network,
        tuple(gauges),
        basin,
        found[1],
        tuple(map(learned.rain, rain)),
        step_s,
        learned.land(params),
        degradations,
    )


def _part(store: Store, wanted: str | None) -> tuple[str, Part]:
    """The newest part of a cycle with rain."""
    latest = store.latest()
    cycle = wanted or (latest.cycle if latest is not None else None)
    if cycle is None:
        raise DataError("what-if", "no cycle is published yet")
    parts = [store.find(cycle, name) for name in PARTS]
    for part in parts:
        if part is not None and (part.folder / "products.zarr").exists():
            return cycle, part
    raise DataError(f"cycle {cycle}", "is not published")


def _rain(
    part: Part, product: str, time: datetime, step_s: float, settings: Settings
) -> list[xr.Dataset]:
    """Step amounts up to the horizon of the forecast, or of each member."""
    with part.open(product) as opened:
        rates = opened["rainfall_rate"].values
    outlook = None
    if (part.folder / OUTLOOK).exists():
        with part.open(OUTLOOK) as opened:
            outlook = opened[["rainfall_amount"]].load()
    step, spec = timedelta(seconds=step_s), settings.grid.product()
    found = []
    for one in rates if rates.ndim == 4 else rates[None]:
        amounts = block_amounts(one, step, 1)
        times = to_numpy(time) + np.timedelta64(step) * np.arange(1, len(amounts) + 1)
        known = xr.Dataset(
            {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
            coords={"time": times, **spec.coords()},
        )
        known = continued(known, outlook)
        found.append(to_horizon(known, to_numpy(time), step_s, settings.hydro.horizon_h))
    return found


def _proposal(
    asked: Propose,
    here: Situation,
    placed: Sequence[PlacedReservoir],
    schedules: Mapping[str, Schedule],
) -> tuple[Planned, dict[str, Schedule]]:
    """Plan jointly, and what its releases are step by step."""
    gauges = [(gauge_of(c.gauge, here.gauges, "propose"), c.safe_m3_s) for c in asked.controls]
    size = max(1, round(asked.block_h * 3600.0 / here.step_s))
    wanted = Wanted(tuple(gauges), size, here.step_s)
    free = [p for p in placed if p.site.id not in schedules]
    runs = here.run_all(placed, schedules)
    inflows = [run["reservoir_inflow"].values for run in (runs[1:] or runs)]
    chosen = np.quantile(np.stack(inflows), asked.inflow_quantile, axis=0).astype(np.float64)
    inflow = {p.site.id: chosen[:, k] for k, p in enumerate(placed)}

    def run(shut: Mapping[str, Schedule]) -> xr.Dataset:
        return here.run(placed, {**schedules, **shut})

    start = here.state.rivers.works
    above, plan = propose(wanted, free, here.network, inflow, start, run)
    n = len(here.rain[0]["time"])
    ids = tuple(p.site.id for p in above)
    found = {i: _blocks(plan, k, size, n) for k, i in enumerate(ids)}
    return Planned(plan, ids, size, tuple((g.reach, safe) for g, safe in gauges)), found


def _blocks(plan: Plan, pool: int, size: int, n: int) -> Schedule:
    """Release of a plan step by step; after its last block the last release goes on."""
    row = np.minimum(np.arange(n) // size, plan.release_m3_s.shape[1] - 1)
    return Schedule(plan.release_m3_s[pool][row])
