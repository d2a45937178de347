"""What-if dispatch: the state of a cycle, its rain and members, and other releases."""

import time as clock
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from io import StringIO

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console

from jinghu.api.dispatch_schemas import (
    DispatchAnswer,
    DispatchRequest,
    Propose,
    ReservoirConstraint,
    ReservoirSchedule,
)
from jinghu.configs.settings import Settings
from jinghu.dispatch_answer import Outcome, Planned, answer_of
from jinghu.flood import load_flood_state, network_of, params_of, to_horizon
from jinghu.grid.accumulation import block_amounts
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.grid.store import PARTS, Part, Store
from jinghu.grid.times import cycle_name, parse_cycle_name, to_numpy
from jinghu.hydro.gauges import PlacedGauge, place_gauges, read_gauges
from jinghu.hydro.model import Basin, FloodState, ModelParams, simulate
from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.regulated import Schedule
from jinghu.hydro.release_plan import Plan
from jinghu.hydro.release_rules import AimLevel, MaxRelease, MinRelease, OpenGates
from jinghu.hydro.reservoirs import PlacedReservoir, Reservoir
from jinghu.proposal import Wanted, propose
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


def dispatcher(settings: Settings) -> Dispatch:
    """Return the function that the API hands what-ifs to."""

    def dispatch(request: DispatchRequest) -> DispatchAnswer:
        return what_if(request, settings)

    return dispatch


def what_if(request: DispatchRequest, settings: Settings) -> DispatchAnswer:
    """Run a what-if: under the rules alone, then as asked, for the forecast and its members.

    Raises
    ------
    ConfigError
        Where the request names a reservoir or gauge that is not there.
    DataError
        Where the cycle, its state or its flows are not there.
    """
    began = clock.monotonic()
    here = situation(request, settings)
    placed = here.basin.rivers.works.reservoirs
    if not placed:
        raise DataError("what-if", "the installation has no reservoir on its network")
    before = here.run(placed, {})
    planned: Planned | None = None
    changed = [_constrained(p, request.constraints) for p in placed]
    schedules = {s.reservoir: _schedule(s, before["time"].values) for s in request.schedules}
    _known([s.reservoir for s in request.schedules], placed, "schedules")
    _known([c.reservoir for c in request.constraints], placed, "constraints")
    if request.propose is not None:
        planned, proposed = _proposal(request.propose, here, changed, schedules)
        schedules |= proposed
        changed = [_only_the_dam(p) if p.site.id in proposed else p for p in changed]
    chosen = range(1, len(here.rain)) if len(here.rain) > 1 else range(1)
    after = here.run(changed, schedules)
    members = [here.run(changed, schedules, m) if m else after for m in chosen]
    outcome = Outcome(before, after, members)
    return answer_of(
        outcome,
        here.cycle,
        here.time,
        0 if len(here.rain) == 1 else len(members),
        planned,
        here.degradations,
        clock.monotonic() - began,
    )


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
    return Situation(
        cycle,
        time,
        network,
        tuple(gauges),
        basin,
        found[1],
        tuple(rain),
        step_s,
        params_of(settings),
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
    step, spec = timedelta(seconds=step_s), settings.grid.product()
    found = []
    for one in rates if rates.ndim == 4 else rates[None]:
        amounts = block_amounts(one, step, 1)
        times = to_numpy(time) + np.timedelta64(step) * np.arange(1, len(amounts) + 1)
        known = xr.Dataset(
            {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
            coords={"time": times, **spec.coords()},
        )
        found.append(to_horizon(known, to_numpy(time), step_s, settings.hydro.horizon_h))
    return found


def _known(ids: Sequence[str], placed: Sequence[PlacedReservoir], where: str) -> None:
    known = {p.site.id for p in placed}
    if unknown := [name for name in ids if name not in known]:
        raise ConfigError(f"{where}: no reservoir {unknown[0]}; there are {sorted(known)}")
    if len(set(ids)) < len(ids):
        raise ConfigError(f"{where}: a reservoir is named twice")


def _schedule(asked: ReservoirSchedule, ends: NDArray[np.datetime64]) -> Schedule:
    """Release in every step; NaN before the first time of the schedule."""
    since = np.array([to_numpy(s.since) for s in asked.releases])
    if (np.diff(since) <= np.timedelta64(0)).any():
        raise ConfigError(f"schedules: {asked.reservoir}: times must ascend")
    step = ends[1] - ends[0]
    row = np.searchsorted(since, ends - step, side="right") - 1
    values = np.array([s.m3_s for s in asked.releases])
    return Schedule(np.where(row >= 0, values[np.maximum(row, 0)], np.nan), asked.rules_hold)


def _constrained(
    placed: PlacedReservoir, constraints: Sequence[ReservoirConstraint]
) -> PlacedReservoir:
    """Reservoir with the constraints of the request before its own rules."""
    own = [c for c in constraints if c.reservoir == placed.site.id]
    if not own:
        return placed
    asked, rules = own[0], list(placed.site.release.rules)
    first = [r for r in rules if isinstance(r, OpenGates)]
    rest = [r for r in rules if not isinstance(r, OpenGates)]
    added: list[MaxRelease | MinRelease | AimLevel] = []
    if asked.max_release_m3_s is not None:
        added.append(MaxRelease(id="asked-max", kind="max_release", m3_s=asked.max_release_m3_s))
    if asked.min_release_m3_s is not None:
        added.append(MinRelease(id="asked-min", kind="min_release", m3_s=asked.min_release_m3_s))
    if asked.aim_level_m is not None:
        placed.site.table().volume(asked.aim_level_m)
        level, hours = asked.aim_level_m, asked.aim_hours
        added.append(AimLevel(id="asked-level", kind="aim_level", level=level, hours=hours))
    return _with_rules(placed, (*first, *added, *rest))


def _with_rules(placed: PlacedReservoir, rules: tuple[object, ...]) -> PlacedReservoir:
    release = placed.site.release.model_copy(update={"rules": rules})
    site: Reservoir = placed.site.model_copy(update={"release": release})
    return replace(placed, site=site)


def _only_the_dam(placed: PlacedReservoir) -> PlacedReservoir:
    """Reservoir that follows a plan: what opens its gates for the dam's sake stays."""
    kept = tuple(r for r in placed.site.release.rules if isinstance(r, OpenGates))
    return _with_rules(placed, kept)


def _proposal(
    asked: Propose,
    here: Situation,
    placed: Sequence[PlacedReservoir],
    schedules: Mapping[str, Schedule],
) -> tuple[Planned, dict[str, Schedule]]:
    """Plan jointly, and what its releases are step by step."""
    gauges = []
    for control in asked.controls:
        names = {g.gauge.name_zh: g for g in here.gauges}
        names |= {str(k): g for k, g in enumerate(here.gauges)}
        if control.gauge not in names:
            raise ConfigError(f"propose: no gauge {control.gauge}")
        gauges.append((names[control.gauge], control.safe_m3_s))
    size = max(1, round(asked.block_h * 3600.0 / here.step_s))
    wanted = Wanted(tuple(gauges), size, here.step_s)
    members = range(1, len(here.rain)) if len(here.rain) > 1 else range(1)
    free = [p for p in placed if p.site.id not in schedules]
    inflows = [here.run(placed, schedules, m)["reservoir_inflow"].values for m in members]
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
