"""Answer of a what-if from the flows of its runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

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
)
from jinghu.api.schemas import Series
from jinghu.grid.times import from_numpy
from jinghu.hydro.release_plan import Plan

_QUANTILES = (0.1, 0.5, 0.9)
_EVERY_MIN = 12  # of the lists in the answer

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """Flows under the rules alone, as asked, and as asked for each member."""

    before: xr.Dataset
    after: xr.Dataset
    members: Sequence[xr.Dataset]


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
    members: int,
    planned: Planned | None,
    degradations: Sequence[str],
    seconds: float,
) -> DispatchAnswer:
    """Put together what a what-if found."""
    of = outcome.before
    times = of["time"].values
    source = str(of.attrs["terrain_source"])
    names = dict(pair.split("=", 1) for pair in of["reservoir_rule"].attrs["rule_names"])
    names |= {
        "asked-max": "给定下泄上限",
        "asked-min": "给定下泄下限",
        "asked-level": "给定目标水位",
    }
    step_min = float((times[1] - times[0]) / np.timedelta64(1, "m"))
    every = slice(None, None, max(1, round(_EVERY_MIN / step_min)))
    return DispatchAnswer(
        cycle=cycle,
        time=time,
        times=[from_numpy(t) for t in times[every]],
        members=members,
        terrain_source=source,
        terrain_generated="generated" in source,
        rule_names=names,
        reservoirs=[_reservoir(outcome, k, every) for k in range(of.sizes["reservoir"])],
        gauges=[_gauge(outcome, k, every) for k in range(of.sizes["gauge"])],
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


def _members(outcome: Outcome, name: str, k: int) -> Array:
    return np.stack([m[name].values[:, k] for m in outcome.members]).astype(np.float64)


def _reservoir(outcome: Outcome, k: int, every: slice) -> ReservoirOutcome:
    of, after = outcome.before, outcome.after
    level = _members(outcome, "reservoir_level", k)
    before = of["reservoir_level"].values[:, k]
    return ReservoirOutcome(
        id=str(of["reservoir_id"].values[k]),
        name_zh=str(of["reservoir_name_zh"].values[k]),
        name_en=str(of["reservoir_name_en"].values[k]),
        datum=str(of["reservoir_datum"].values[k]),
        source=str(of["reservoir_source"].values[k]),
        flood_limit_m=round(float(of["reservoir_flood_limit"].values[0, k]), 3),
        crest_level_m=float(of["reservoir_crest_level"].values[k]),
        inflow_m3_s=_listed(of["reservoir_inflow"].values[every, k]),
        level_before_m=_listed(before[every]),
        outflow_before_m3_s=_listed(_outflow(of, k)[every]),
        level_m=_quantiles(level, every),
        outflow_m3_s=_quantiles(np.stack([_outflow(m, k) for m in outcome.members]), every),
        rule=[str(r) for r in after["reservoir_rule"].values[every, k]],
        highest_before_m=round(float(before.max()), 3),
        highest_m=round(float(np.median(level, axis=0).max()), 3),
    )


def _gauge(outcome: Outcome, k: int, every: slice) -> GaugeOutcome:
    of = outcome.before
    flow = _members(outcome, "gauge_discharge", k)
    before = of["gauge_discharge"].values[:, k]
    return GaugeOutcome(
        id=str(k),
        name_zh=str(of["gauge_name_zh"].values[k]),
        name_en=str(of["gauge_name_en"].values[k]),
        discharge_before_m3_s=_listed(before[every]),
        discharge_m3_s=_quantiles(flow, every),
        level_before_m=_listed(of["water_level"].values[every, k]),
        level_m=_quantiles(_members(outcome, "water_level", k), every),
        peak_before_m3_s=round(float(before.max()), 1),
        peak_m3_s=round(float(np.median(flow, axis=0).max()), 1),
    )


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
