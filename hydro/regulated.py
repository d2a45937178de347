"""Routing of a network with works in it: piece by piece, heads first.

The reach above a reservoir fills it; what it lets out is lateral inflow of the reach below. Water
is handed on by volume: what entered a pool over a run is what left the channel above it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.level_pool import PoolRun, run_pool
from jinghu.hydro.network import OUTLET, RiverNetwork
from jinghu.hydro.release_rules import Downstream, Policy, compile_policy, with_schedule
from jinghu.hydro.routing import RoutingMethod, final_state, route
from jinghu.hydro.tidal_gate import GateRun, run_gate
from jinghu.hydro.works import Piece, Works, initial_works, works_state

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Releases asked for: (time) m3/s, NaN where the rules decide; whether their limits hold."""

    release_m3_s: Array
    rules_hold: bool = True


@dataclass(frozen=True, slots=True)
class Clock:
    """Equal steps: their ends (UTC) and length."""

    ends: NDArray[np.datetime64]
    step_s: float

    @property
    def start(self) -> np.datetime64:
        """Start of the first step."""
        first: np.datetime64 = self.ends[0]
        return first - np.timedelta64(round(self.step_s * 1000), "ms")


@dataclass(frozen=True, slots=True)
class RegulatedState:
    """Water at one time: of the channels piece by piece, and of the works."""

    channels: tuple[xr.Dataset, ...]
    works: xr.Dataset


@dataclass(frozen=True, slots=True)
class Regulated:
    """A run of a network with works.

    Parameters
    ----------
    discharge_m3_s
        (time, reach) at the end of each step.
    inflow_m3_s
        (time, work) means over the steps.
    pools, policies
        Of the reservoirs, one member, and what they followed.
    gate
        Of the tidal gate.
    state
        At the end.
    balance_error
        What is missing over what came in, of the worst piece or pool.
    """

    discharge_m3_s: Array
    inflow_m3_s: Array
    pools: tuple[PoolRun, ...]
    policies: tuple[Policy, ...]
    gate: GateRun | None
    state: RegulatedState
    balance_error: float


@dataclass(frozen=True, slots=True)
class RegulatedNetwork:
    """A network, the works in it, and the pieces between them (`jinghu.hydro.works.split`)."""

    network: RiverNetwork
    works: Works
    pieces: tuple[Piece, ...]


def route_regulated(
    rivers: RegulatedNetwork,
    q_lateral: Array,
    clock: Clock,
    method: RoutingMethod,
    state: RegulatedState | None = None,
    schedules: Mapping[str, Schedule] | None = None,
    outlook: Array | None = None,
) -> Regulated:
    """Route lateral inflow through the pieces and the works between them.

    Parameters
    ----------
    rivers
        Network, works and pieces.
    q_lateral
        (time, reach) m3/s of the whole network, means over the steps.
    clock, method
        Steps; method of the channels.
    state
        At the start. Without one channels are in steady flow under the first inflow, reservoirs
        at their flood-limit level, the gate's pond at the level it keeps.
    schedules
        Releases asked for, by the id of the reservoir.
    outlook
        (time, reach) lateral inflow after the run: downstream rules look ahead into it.

    Raises
    ------
    DataError
        Where a pool leaves its tables; names it.
    ConfigError
        Where a rule names a gauge that is not there, or not downstream.
    """
    works = rivers.works
    before = initial_works(works, clock.start) if state is None else state.works
    seen = q_lateral if outlook is None else np.concatenate([q_lateral, outlook])
    channels_before = None if state is None else state.channels
    run = _Run(rivers, q_lateral, clock, method, channels_before, seen)
    outflow = np.zeros((len(clock.ends), len(works.reaches)))
    inflow, discharge = np.zeros_like(outflow), np.empty_like(q_lateral)
    volume, release = before["volume_m3"].values.copy(), before["release_m3_s"].values.copy()
    channels, errors = [], [0.0]
    pools: dict[int, tuple[PoolRun, Policy]] = {}
    gate: GateRun | None = None
    for number, piece in enumerate(rivers.pieces):
        routed = run.route(number, outflow)
        discharge[:, piece.reaches] = routed["river_discharge"].values
        errors.append(float(routed.attrs["water_balance_error"]))
        channels.append(final_state(routed))
        work = piece.fills
        if work < 0:
            continue
        came = routed["outlet_discharge"].values
        inflow[:, work] = came
        had = volume[work]
        if work < len(works.reservoirs):
            pool, policy = _run_reservoir(run, work, came, (had, release[work]), schedules or {})
            pools[work] = pool, policy
            left, volume[work] = pool.outflow_m3_s[:, 0], pool.volume_m3[-1, 0]
            release[work] = pool.release_m3_s[-1, 0]
        else:
            assert works.gate is not None
            gate = run_gate(works.gate.site, came[:, None], had, clock.ends, clock.step_s)
            left, volume[work] = gate.outflow_m3_s[:, 0], gate.volume_m3[-1, 0]
            release[work] = left[-1]
        outflow[:, work] = left
        total = had + float(came.sum()) * clock.step_s
        errors.append((total - volume[work] - float(left.sum()) * clock.step_s) / max(total, 1.0))
    order = range(len(works.reservoirs))
    return Regulated(
        discharge,
        inflow,
        tuple(pools[k][0] for k in order),
        tuple(pools[k][1] for k in order),
        gate,
        RegulatedState(tuple(channels), works_state(works, volume, release)),
        max(errors, key=abs),
    )


def _run_reservoir(
    run: "_Run",
    work: int,
    inflow: Array,
    start: tuple[float, float],
    schedules: Mapping[str, Schedule],
) -> tuple[PoolRun, Policy]:
    """Run one reservoir by its rules, or by what is asked of it."""
    site = run.rivers.works.reservoirs[work].site
    table = site.table()
    policy = compile_policy(site.release, table, run.clock.ends, run.clock.step_s, run.room(work))
    if site.id in schedules:
        asked = schedules[site.id]
        policy = with_schedule(policy, asked.release_m3_s[:, None], rules_hold=asked.rules_hold)
    pool = run_pool(
        table,
        inflow[:, None],
        start[0],
        run.clock.step_s,
        policy.rows,
        release_m3_s=start[1],
        extrapolate=site.above_tables == "linear",
    )
    return pool, policy


@dataclass(frozen=True, slots=True)
class _Run:
    """Inputs of one run, and what is asked of its pieces."""

    rivers: RegulatedNetwork
    q_lateral: Array
    clock: Clock
    method: RoutingMethod
    channels: Sequence[xr.Dataset] | None
    seen: Array
    _alone: dict[int, Array] = field(default_factory=dict)

    def lateral(self, piece: Piece, outflow: Array) -> xr.DataArray:
        """Lateral inflow of a piece with what works let into it."""
        values = self.q_lateral[:, piece.reaches]
        for work, reach in piece.fed:
            values[:, reach] += outflow[:, work]
        return xr.DataArray(values, dims=("time", "reach"), coords={"time": self.clock.ends})

    def calm(self, number: int) -> xr.DataArray:
        """Lateral inflow of a piece, and what is seen ahead, with nothing let out of works."""
        step = np.timedelta64(round(self.clock.step_s * 1000), "ms")
        times = self.clock.start + step * np.arange(1, len(self.seen) + 1)
        values = self.seen[:, self.rivers.pieces[number].reaches]
        return xr.DataArray(values, dims=("time", "reach"), coords={"time": times})

    def initial(self, number: int) -> xr.Dataset:
        """State of a piece at the start; a cold one is in steady flow, and so after one step."""
        if self.channels is not None:
            return self.channels[number]
        network, first = self.rivers.pieces[number].network, self.calm(number)[:1]
        step_s = self.clock.step_s
        return final_state(route(network, first, method=self.method, step_s=step_s))

    def route(self, number: int, outflow: Array) -> xr.Dataset:
        """Route one piece; a cold one without a work at its end starts with what is let into it."""
        piece = self.rivers.pieces[number]
        cold = self.channels is None and piece.fills < 0
        return route(
            piece.network,
            self.lateral(piece, outflow),
            method=self.method,
            initial=None if cold else self.initial(number),
            step_s=self.clock.step_s,
        )

    def room(self, work: int) -> Callable[[Downstream], Array]:
        """What downstream rules leave a reservoir, (time) m3/s.

        The river at the gauge without any release, the travel time ahead; after the end of what
        is seen as at its end. A limit as a level becomes a discharge by uniform flow.
        """
        network, works = self.rivers.network, self.rivers.works

        def of(rule: Downstream) -> Array:
            where = f"reservoir {works.reservoirs[work].site.id}: rule {rule.id}"
            found = [g for g in works.gauges if g.gauge.name_zh == rule.gauge]
            if not found:
                raise ConfigError(f"{where}: there is no gauge {rule.gauge}")
            at = found[0].reach
            travel_s = travel_time_s(network, works.reaches[work], at)
            if travel_s is None:
                raise ConfigError(f"{where}: gauge {rule.gauge} is not downstream")
            lag_s = travel_s if rule.lag_h is None else rule.lag_h * 3600.0
            local = self.alone(at)
            ahead = np.arange(len(self.clock.ends)) + round(lag_s / self.clock.step_s)
            local = local[np.minimum(ahead, len(local) - 1)]
            free = np.maximum(limit_m3_s(rule, network, found[0]) - local, 0.0)
            return np.asarray(rule.share * free)

        return of

    def alone(self, reach: int) -> Array:
        """Discharge of a reach with nothing let out of the works above it, also of what is seen."""
        number = next(k for k, p in enumerate(self.rivers.pieces) if reach in p.reaches)
        piece = self.rivers.pieces[number]
        if number not in self._alone:
            routed = route(
                piece.network,
                self.calm(number),
                method=self.method,
                initial=None if self.channels is None else self.channels[number],
                step_s=self.clock.step_s,
            )
            self._alone[number] = routed["river_discharge"].values
        return self._alone[number][:, np.searchsorted(piece.reaches, reach)]


def limit_m3_s(rule: Downstream, network: RiverNetwork, gauge: PlacedGauge) -> float:
    """Discharge that a rule allows at its gauge; a level by uniform flow in the wide channel."""
    if rule.max_m3_s is not None:
        return rule.max_m3_s
    assert rule.max_level_m is not None
    k = gauge.reach
    depth = max(rule.max_level_m - float(network.bed_m[k]), 0.0)
    conveyance = network.width_m[k] * np.sqrt(network.slope[k]) / network.manning_n[k]
    return float(conveyance * depth ** (5.0 / 3.0))


def travel_time_s(network: RiverNetwork, start: int, end: int) -> float | None:
    """Time that a middling flood takes from the end of a reach to that of another below it.

    The celerity is 5/3 of the velocity of uniform flow at 0.5 A^0.8 m3/s, as for the segments of
    routing. None where ``end`` is not below.
    """
    total, reach = 0.0, start
    while reach != end:
        reach = int(network.downstream[reach])
        if reach == OUTLET:
            return None
        flow = 0.5 * network.upstream_area_km2[reach] ** 0.8
        a = (np.sqrt(network.slope[reach]) / network.manning_n[reach]) ** 0.6
        celerity = 5.0 / 3.0 * a * network.width_m[reach] ** -0.4 * flow**0.4
        total += float(network.length_m[reach] / celerity)
    return total
