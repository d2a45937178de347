"""River reports in the flood stage of a cycle: they correct the water now, and the forecast."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.times import to_numpy
from jinghu.hydro import members as crews
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.members import Crew
from jinghu.hydro.model import Basin, FloodState, ModelParams, depth_m, restaged_m
from jinghu.hydro.output_correction import aged, learn
from jinghu.hydro.ratings import learn_offset, section_depth_m
from jinghu.hydro.regulated import RegulatedState
from jinghu.hydro.routing import RoutingMethod
from jinghu.hydro.updating import (
    Observed,
    ends_of_reaches,
    flow_floor,
    influence,
    log_flow,
    timing_sd,
    update,
)
from jinghu.hydro.works import works_state
from jinghu.river_judge import GaugeReport, Judged, PoolReport, Tables, judge
from jinghu.river_known import (
    ROWS,
    Known,
    from_dataset,
    joined,
    nothing_known,
    to_dataset,
)
from jinghu.river_reports import Memory, RiverInputs, memory_state, several
from jinghu.stages import StageLog

Array = NDArray[np.float64]
SEED = 6
_POOL_GAIN = 0.3  # of a level's innovation, once the pool has been seen
_HELD_M = 0.05  # over uniform flow
_DAY = np.timedelta64(24, "h")
_FORGET = np.timedelta64(6, "h")  # without any flow for so long, members are given up


@dataclass(frozen=True, slots=True)
class Watch:
    """What reports are taken into: the flood model, its gauges, its members."""

    basin: Basin
    gauges: Sequence[PlacedGauge]
    params: ModelParams
    step_s: float
    members: int

    @property
    def reaches(self) -> NDArray[np.int64]:
        """(gauge,) their reaches."""
        return np.array([g.reach for g in self.gauges], np.int64)

    @property
    def mark(self) -> dict[str, object]:
        """What carried knowledge belongs to."""
        return {
            "network": self.basin.network.fingerprint(),
            "gauges": " ".join(f"{g.gauge.code}:{g.reach}" for g in self.gauges),
            "works": " ".join(self.basin.rivers.works.ids),
            "method": self.params.method.value,
            "step_s": self.step_s,
            "members": self.members,
        }


@dataclass(frozen=True, slots=True)
class Taken:
    """What reports came to.

    Parameters
    ----------
    state
        Of the flood model, corrected.
    known
        To be carried on.
    summary
        For the manifest: who reported, what was done with it, and the water that it moved.
    moved
        Whether the state has been corrected.
    spoke
        Whether any gauge has been heard in the last day.
    """

    state: FloodState
    known: Known
    summary: dict[str, object]
    moved: bool
    spoke: bool


def known_before(
    kept: xr.Dataset | None, watch: Watch, since: np.datetime64, log: StageLog
) -> Known:
    """What the cycle before left, where it belongs to the state that the run goes on from."""
    fresh = nothing_known(
        len(watch.gauges), len(watch.basin.rivers.works.reservoirs), watch.members, watch.step_s
    )
    if kept is None or "version" not in kept.attrs:
        return fresh
    known = from_dataset(kept, watch.mark)
    if known is None:
        log.degrade("what river reports had taught is of other gauges, rivers or members: dropped")
        return fresh
    if not len(known.times) or known.times[-1] != since:
        return replace(fresh, residuals=known.residuals, offsets=known.offsets, seen=known.seen)
    return known


def take_in(
    inputs: RiverInputs,
    watch: Watch,
    before: Known,
    run: tuple[xr.Dataset, Array, FloodState],
    time: datetime,
    log: StageLog,
) -> Taken:
    """Correct the water of the flood model by what gauges and reservoirs report.

    Parameters
    ----------
    inputs
        Reports of the last hour.
    watch, before
        The model and its gauges; what is carried.
    run
        Of the model up to ``time``: its flows, the rain (step, unit) in mm, its state at the end.
    time
        Analysis time.
    log
        Told of what cannot be right.
    """
    past, rain_mm, state = run
    works = watch.basin.rivers.works
    tables = Tables(watch.basin.network, watch.gauges, works.reservoirs, _held(watch, past))
    judged = judge(inputs.fresh, tables, before.offsets)
    judged.unknown = judge(inputs.recent, tables, before.offsets).unknown
    crew = crews.make_crew(watch.basin, watch.params, watch.step_s, watch.members, SEED)
    random = np.random.default_rng([SEED, int(time.timestamp())])
    known = _brought_forward(watch, crew, before, past, rain_mm, random)
    told = [one for one in judged.gauges if np.isfinite(one.flow_m3_s)]
    increments = (0.0, 0.0)
    linear = watch.params.method is RoutingMethod.MUSKINGUM  # its storage follows from its flow
    if linear:
        pass
    elif told and known.members is None:
        known = _begun(watch, crew, known, state, random)
    elif told:
        state, known, increments = _updated(watch, crew, known, state, told)
    state, known, pooled_m3 = _pooled(watch, known, state, judged.pools)
    known = _learned(watch, known, judged, to_numpy(time))
    _name(judged, inputs.new, known, watch, log)
    summary = {
        **summary_of(inputs, judged),
        "corrects": "forecast at gauges" if linear else "water and forecast",
        "gauges": sorted({watch.gauges[one.gauge].gauge.name_zh for one in told}),
        "reservoirs": sorted({works.reservoirs[p.reservoir].site.id for p in judged.pools}),
        "added_soil_m3": round(increments[0], 3),
        "added_channels_m3": round(increments[1], 3),
        "added_reservoirs_m3": round(pooled_m3, 3),
        "datum_offset_m": {
            watch.gauges[k].gauge.name_zh: round(float(known.offsets.mean_m[k]), 2)
            for k in map(int, np.flatnonzero(known.offsets.steady))
        },
    }
    return Taken(state, known, summary, state is not run[2], bool(len(known.seen.time)))


def summary_of(inputs: RiverInputs, judged: Judged | None = None) -> dict[str, object]:
    """What became of the reports, for the manifest."""
    found = judged or Judged()
    return {
        "files": inputs.files,
        "reports": len(inputs.fresh),
        "refused_rows": inputs.rows_refused,
        "examples": inputs.examples,
        "late": inputs.late,
        "early": inputs.early,
        "duplicates": inputs.duplicates,
        "unknown": sorted(found.unknown),
        "wrong": found.wrong,
    }


def _brought_forward(
    watch: Watch,
    crew: Crew,
    known: Known,
    past: xr.Dataset,
    rain_mm: Array,
    random: np.random.Generator,
) -> Known:
    """Members and computed flows up to the analysis time.

    Members that are too old, or that nothing has been told for hours, are given up.
    """
    times = past["time"].values
    steps = len(times)
    run_flow = past["gauge_discharge"].values.astype(np.float64)
    rows = np.full((steps, len(watch.gauges), watch.members + 1), np.nan)
    rows[:, :, -1] = run_flow
    members = known.members
    quiet = not len(known.seen.time) or known.seen.time[-1] < times[-1] - _FORGET
    if members is not None and (steps > ROWS or quiet):
        members = None
    if members is not None:
        fed = _let_out(past)
        for k in range(steps):
            members, rows[k, :, :-1] = crews.step(
                watch.basin, crew, members, rain_mm[k], fed[k], watch.step_s, watch.params,
                watch.reaches, random,
            )  # fmt: skip
    pool = (
        past["reservoir_level"].values.astype(np.float64)
        if "reservoir" in past.dims
        else np.zeros((steps, 0))
    )
    return replace(
        known,
        members=members,
        times=np.concatenate([known.times, times])[-ROWS:],
        flow_m3_s=np.concatenate([known.flow_m3_s, rows])[-ROWS:],
        level_m=np.concatenate([known.level_m, past["water_level"].values])[-ROWS:],
        pool_m=np.concatenate([known.pool_m, pool])[-ROWS:],
        residuals=aged(known.residuals, steps * watch.step_s),
    )


def _uniform_m(watch: Watch, flow_m3_s: Array) -> Array:
    """Stages (..., gauge) of uniform flow."""
    network, at = watch.basin.network, watch.reaches
    return np.asarray(network.bed_m[at] + depth_m(network, at, flow_m3_s))


def _held(watch: Watch, past: xr.Dataset) -> NDArray[np.bool_]:
    """(gauge,) where a pond holds the river over uniform flow at the end."""
    flow, level = (past[name].values[-1] for name in ("gauge_discharge", "water_level"))
    return np.asarray(level > _uniform_m(watch, flow.astype(np.float64)) + _HELD_M)


def _let_out(past: xr.Dataset) -> Array:
    """(step, work) m3/s that works let out, reservoirs first, then the gate."""
    parts = []
    if "reservoir" in past.dims:
        parts.append((past["reservoir_release"] + past["reservoir_spill"]).values)
    if "gate_discharge" in past:
        parts.append(past["gate_discharge"].values[:, None])
    if not parts:
        return np.zeros((past.sizes["time"], 0))
    return np.concatenate(parts, axis=1).astype(np.float64)


def _begun(
    watch: Watch, crew: Crew, known: Known, state: FloodState, random: np.random.Generator
) -> Known:
    """Members around the state; flows of theirs are known from now on."""
    members = crews.begin(crew, state, watch.params, random)
    rows = known.flow_m3_s.copy()
    rows[-1, :, :-1] = ends_of_reaches(watch.basin, crew, members.outflow_m3_s, watch.reaches)
    return replace(known, members=members, flow_m3_s=rows)


def _row_of(known: Known, time: np.datetime64, step_s: float) -> int | None:
    """Row whose time is within half a step."""
    away = np.abs(known.times - time) / np.timedelta64(1, "s")
    row = int(away.argmin()) if len(away) else 0
    return row if len(away) and away[row] <= 0.5 * step_s else None


def _updated(
    watch: Watch, crew: Crew, known: Known, state: FloodState, told: Sequence[GaugeReport]
) -> tuple[FloodState, Known, tuple[float, float]]:
    """State, members and computed flows after the flows that were told."""
    assert known.members is not None
    floor = flow_floor(watch.basin.network, watch.reaches)
    n_gauges = len(watch.gauges)
    logs = log_flow(known.flow_m3_s, floor[:, None])
    place, gauge, value, sd = [], [], [], []
    for one in told:
        row = _row_of(known, to_numpy(one.report.time), watch.step_s)
        if row is None or not np.isfinite(logs[row, one.gauge]).all():
            continue
        slope = logs[row, one.gauge, -1] - logs[max(row - 1, 0), one.gauge, -1]
        place.append(row * n_gauges + one.gauge)
        gauge.append(one.gauge)
        value.append(float(log_flow(np.array(one.flow_m3_s), floor[one.gauge])))
        sd.append(float(np.hypot(one.sd, timing_sd(slope, watch.step_s))))
    if not place:
        return state, known, (0.0, 0.0)
    heard = Observed(np.array(place), np.array(gauge), np.array(value), np.array(sd))
    begun = np.asarray(np.isfinite(logs).all(axis=(1, 2)), bool)[:, None, None]
    predicted = np.where(begun, logs, 0.0)
    state, members, after, water = update(
        watch.basin, crew, state, known.members, predicted, heard,
        influence(watch.basin, watch.reaches), watch.reaches,
    )  # fmt: skip
    moved = begun & (after != predicted)
    flows = np.where(moved, np.maximum(np.exp(after) - floor[:, None], 0.0), known.flow_m3_s)
    before, now = (_uniform_m(watch, f[:, :, -1]) for f in (known.flow_m3_s, flows))
    level = np.where(before == now, known.level_m, restaged_m(known.level_m, before, now))
    known = replace(known, members=members, flow_m3_s=flows, level_m=level)
    return state, known, (water.soil_m3, water.channels_m3)


def _pooled(
    watch: Watch, known: Known, state: FloodState, pools: Sequence[PoolReport]
) -> tuple[FloodState, Known, float]:
    """Storage of reservoirs after their levels, and the water that this added in m3.

    The first level of a pool is taken as it is, later ones by a share: waves are not storage.
    """
    if not pools:
        return state, known, 0.0
    works = watch.basin.rivers.works
    volume = state.rivers.works["volume_m3"].values.copy()
    before, levels, seen = volume.copy(), known.pool_m.copy(), known.pool_seen.copy()
    for one in pools:
        row, k = _row_of(known, to_numpy(one.report.time), watch.step_s), one.reservoir
        if row is None:
            continue
        table = works.reservoirs[k].site.table()
        innovation = one.report.level_m - float(levels[row, k])
        change = innovation * (_POOL_GAIN if seen[k] else 1.0)
        level = np.clip(levels[-1, k] + change, table.level_m[0], table.level_m[-1])
        volume[k] += float(table.volume(level)) - float(
            table.volume(np.clip(levels[-1, k], table.level_m[0], table.level_m[-1]))
        )
        levels[:, k] += change
        seen[k] = True
    release = state.rivers.works["release_m3_s"].values
    rivers = RegulatedState(state.rivers.channels, works_state(works, volume, release))
    known = replace(known, pool_m=levels, pool_seen=seen)
    return FloodState(state.soil, rivers), known, float((volume - before).sum())


def _learned(watch: Watch, known: Known, judged: Judged, now: np.datetime64) -> Known:
    """Residuals after the update, offsets of levels, observations of the last day."""
    floor = flow_floor(watch.basin.network, watch.reaches)
    residuals, offsets, seen = known.residuals, known.offsets, []
    network = watch.basin.network
    for one in judged.gauges:
        time, k = to_numpy(one.report.time), one.gauge
        seen.append((time, k, one.report.level_m, one.report.discharge_m3_s))
        row = _row_of(known, time, watch.step_s)
        if row is None:
            continue
        computed = float(known.flow_m3_s[row, k, -1])
        if np.isfinite(one.flow_m3_s):
            e = np.log((one.flow_m3_s + floor[k]) / (computed + floor[k]))
            age = float((now - time) / np.timedelta64(1, "s"))
            residuals = learn(residuals, k, float(e), age, watch.step_s)
        if np.isfinite(one.report.level_m):
            flow = one.report.discharge_m3_s
            level = float(known.level_m[row, k])
            if np.isfinite(flow):
                reach = watch.gauges[k].reach
                bed = float(network.bed_m[reach])
                was, told = (bed + section_depth_m(network, reach, q) for q in (computed, flow))
                level = float(restaged_m(*map(np.asarray, (level, was, told))))
            depth = level - float(network.bed_m[watch.gauges[k].reach])
            offsets = learn_offset(offsets, k, one.report.level_m - level, depth)
    return replace(
        known, residuals=residuals, offsets=offsets, seen=joined(known.seen, seen).since(now - _DAY)
    )


def _name(judged: Judged, new: AbstractSet[str], known: Known, watch: Watch, log: StageLog) -> None:
    """Name what cannot be right; stations without a table when they are new, for they go on."""
    for line in judged.wrong:
        log.degrade(line)
    if strangers := sorted(judged.unknown & new):
        log.degrade(f"river stations that no table knows: {several(strangers)}")
    for k in map(int, np.flatnonzero(known.offsets.steady)):
        log.degrade(
            f"gauge {watch.gauges[k].gauge.name_zh}: its levels stand"
            f" {known.offsets.mean_m[k]:+.2f} m off the section's, steadily: datum differs"
        )


def kept_state(taken: Taken, watch: Watch, memory: Memory) -> xr.Dataset:
    """What the next cycle is to know, of the reports and by them."""
    return to_dataset(taken.known, watch.mark).assign_attrs(memory_state(memory).attrs)
