"""Answer of a what-if from the flows of its runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.api.dispatch_schemas import (
    DispatchAnswer,
    GaugeOutcome,
    Proposal,
    ProposedReservoir,
    Quantiles,
    ReservoirOutcome,
    Unmet,
)
from jinghu.api.schemas import Series
from jinghu.dispatch_wishes import ASKED_NAMES
from jinghu.grid.times import from_numpy
from jinghu.hydro.release_plan import Plan

_QUANTILES = (0.1, 0.5, 0.9)
_EVERY_MIN = 12  # of the lists in the answer
_MISSED_M3_S, _MISSED_SHARE = 0.5, 0.01  # a release further off its schedule missed it

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Flows under the rules alone and as asked: of the forecast, then of each member.

    ``scheduled`` holds what was asked of reservoirs step by step, (time) m3/s, NaN where nothing.
    """

    runs_before: Sequence[xr.Dataset]
    runs_after: Sequence[xr.Dataset]
    scheduled: Mapping[str, Array]

    @property
    def before(self) -> xr.Dataset:
        """Of the forecast, under the rules alone."""
        return self.runs_before[0]

    @property
    def after(self) -> xr.Dataset:
        """Of the forecast, as asked."""
        return self.runs_after[0]

    @property
    def members(self) -> int:
        """How many there are; the forecast alone is none."""
        return len(self.runs_after) - 1


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, the reservoirs in it, steps a block, and (reach, safe m3/s) of its controls."""

    plan: Plan
    ids: tuple[str, ...]
    block_steps: int
    controls: tuple[tuple[int, float], ...]


def answer_of(
    outcome: Outcome,
    cycle: str,
    time: datetime,
    planned: Planned | None,
    degradations: Sequence[str],
    seconds: float,
) -> DispatchAnswer:
    """Put together what a what-if found."""
    of = outcome.before
    times = of["time"].values
    source = str(of.attrs["terrain_source"])
    names = dict(pair.split("=", 1) for pair in of["reservoir_rule"].attrs["rule_names"])
    after_names = outcome.after["reservoir_rule"].attrs["rule_names"]
    names |= dict(pair.split("=", 1) for pair in after_names) | ASKED_NAMES
    step_min = float((times[1] - times[0]) / np.timedelta64(1, "m"))
    every = slice(None, None, max(1, round(_EVERY_MIN / step_min)))
    return DispatchAnswer(
        cycle=cycle,
        time=time,
        times=[from_numpy(t) for t in times[every]],
        members=outcome.members,
        terrain_source=source,
        terrain_generated="generated" in source,
        rule_names=names,
        reservoirs=[_reservoir(outcome, k, every) for k in range(of.sizes["reservoir"])],
        gauges=[_gauge(outcome, k, every) for k in range(of.sizes["gauge"])],
        unmet=_unmet(outcome, step_min),
        proposal=None if planned is None else _proposal(planned, outcome, times),
        degradations=list(degradations),
        seconds=round(seconds, 2),
    )


def _listed(values: Array) -> list[float | None]:
    return [round(float(v), 3) if np.isfinite(v) else None for v in values]


def _quantiles(values: Array, every: slice) -> Quantiles:
    """Quantiles of (member, time)."""
    low, median, high = np.quantile(values, _QUANTILES, axis=0)[:, every]
    return Quantiles(low=_listed(low), median=_listed(median), high=_listed(high))


def _outflow(flows: xr.Dataset, k: int) -> Array:
    found = flows["reservoir_release"].values[:, k] + flows["reservoir_spill"].values[:, k]
    return np.asarray(found, np.float64)


def _members(runs: Sequence[xr.Dataset], name: str, k: int) -> Array:
    """(member, time) of one place; of the forecast where there are no members."""
    return np.stack([m[name].values[:, k] for m in runs[1:] or runs]).astype(np.float64)


def _outflows(runs: Sequence[xr.Dataset], k: int) -> Array:
    return np.stack([_outflow(m, k) for m in runs[1:] or runs])


def _highest(values: Array, digits: int) -> float:
    """Highest value of the median of (member, time)."""
    return round(float(np.median(values, axis=0).max()), digits)


def _reservoir(outcome: Outcome, k: int, every: slice) -> ReservoirOutcome:
    of, after = outcome.before, outcome.after
    was, now = outcome.runs_before, outcome.runs_after
    level, level_before = _members(now, "reservoir_level", k), _members(was, "reservoir_level", k)
    return ReservoirOutcome(
        id=str(of["reservoir_id"].values[k]),
        name_zh=str(of["reservoir_name_zh"].values[k]),
        name_en=str(of["reservoir_name_en"].values[k]),
        datum=str(of["reservoir_datum"].values[k]),
        source=str(of["reservoir_source"].values[k]),
        flood_limit_m=round(float(of["reservoir_flood_limit"].values[0, k]), 3),
        crest_level_m=float(of["reservoir_crest_level"].values[k]),
        inflow_m3_s=_listed(of["reservoir_inflow"].values[every, k]),
        inflow_after_m3_s=_quantiles(_members(now, "reservoir_inflow", k), every),
        level_before_m=_listed(of["reservoir_level"].values[every, k]),
        level_before_spread_m=_quantiles(level_before, every),
        outflow_before_m3_s=_listed(_outflow(of, k)[every]),
        outflow_before_spread_m3_s=_quantiles(_outflows(was, k), every),
        free_storage_before_m3=_listed(of["reservoir_free_storage"].values[every, k]),
        free_storage_m3=_quantiles(_members(now, "reservoir_free_storage", k), every),
        level_m=_quantiles(level, every),
        outflow_m3_s=_quantiles(_outflows(now, k), every),
        rule=[str(r) for r in after["reservoir_rule"].values[every, k]],
        highest_before_m=_highest(level_before, 3),
        highest_m=_highest(level, 3),
    )


def _gauge(outcome: Outcome, k: int, every: slice) -> GaugeOutcome:
    of, was, now = outcome.before, outcome.runs_before, outcome.runs_after
    flow, flow_before = _members(now, "gauge_discharge", k), _members(was, "gauge_discharge", k)
    return GaugeOutcome(
        id=str(k),
        name_zh=str(of["gauge_name_zh"].values[k]),
        name_en=str(of["gauge_name_en"].values[k]),
        discharge_before_m3_s=_listed(of["gauge_discharge"].values[every, k]),
        discharge_before_spread_m3_s=_quantiles(flow_before, every),
        discharge_m3_s=_quantiles(flow, every),
        level_before_m=_listed(of["water_level"].values[every, k]),
        level_before_spread_m=_quantiles(_members(was, "water_level", k), every),
        level_m=_quantiles(_members(now, "water_level", k), every),
        peak_before_m3_s=_highest(flow_before, 1),
        peak_m3_s=_highest(flow, 1),
    )


def _unmet(outcome: Outcome, step_min: float) -> list[Unmet]:
    """Runs of steps in which a release missed its schedule for one and the same reason."""
    flows, step = outcome.after, timedelta(minutes=step_min)
    times, ids = flows["time"].values, list(map(str, flows["reservoir_id"].values))
    found = []
    for name, asked in outcome.scheduled.items():
        k = ids.index(name)
        released = flows["reservoir_release"].values[:, k].astype(np.float64)
        rules = [str(r) for r in flows["reservoir_rule"].values[:, k]]
        missed = np.abs(released - asked) > np.maximum(_MISSED_M3_S, _MISSED_SHARE * asked)
        reasons = enumerate(zip(missed, rules, strict=True))
        for (told, rule), group in groupby(reasons, lambda one: one[1]):
            if not told:
                continue
            rows = [row for row, _ in group]
            found.append(
                Unmet(
                    reservoir=name,
                    since=from_numpy(times[rows[0]]) - step,
                    until=from_numpy(times[rows[-1]]),
                    asked_m3_s=round(float(asked[rows].mean()), 1),
                    released_m3_s=round(float(released[rows].mean()), 1),
                    rule=rule,
                )
            )
    return found


def _proposal(planned: Planned, outcome: Outcome, times: NDArray[np.datetime64]) -> Proposal:
    plan, size = planned.plan, planned.block_steps
    step = times[1] - times[0]
    n_block = plan.release_m3_s.shape[1]
    begins = [from_numpy(times[j * size] - step) for j in range(n_block)]

    def share(flows: xr.Dataset) -> float:
        discharge = flows["river_discharge"].values
        return round(max(float(discharge[:, r].max()) / safe for r, safe in planned.controls), 4)

    return Proposal(
        worst_share=round(plan.worst_share, 4),
        simulated_share=share(outcome.after),
        share_before=share(outcome.before),
        reservoirs=[
            ProposedReservoir(
                reservoir=name,
                releases=Series(times=begins, values=_listed(plan.release_m3_s[k])),
                binding=[list(names) for names in plan.binding[k]],
                over_m3=round(float(plan.over_m3[k])),
            )
            for k, name in enumerate(planned.ids)
        ],
    )
