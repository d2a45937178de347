"""What is wished of reservoirs in a what-if, as rules and schedules of the model.

A wish that no water could fulfil is refused before anything is run, by name and with the bound.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from jinghu.api.dispatch_schemas import GaugeLimit, ReservoirConstraint, ReservoirSchedule
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import isoformat, to_numpy
from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.regulated import Schedule, travel_time_s
from jinghu.hydro.release_rules import (
    AimLevel,
    Downstream,
    MaxRelease,
    MinRelease,
    OpenGates,
    Rule,
)
from jinghu.hydro.reservoirs import PlacedReservoir, Reservoir

ASKED_GAUGE = "asked-gauge"
ASKED_NAMES = {
    "asked-max": "给定下泄上限",
    "asked-min": "给定下泄下限",
    "asked-level": "给定目标水位",
}


def check_names(ids: Sequence[str], placed: Sequence[PlacedReservoir], where: str) -> None:
    """Refuse unknown reservoirs, and those named twice (ConfigError)."""
    known = {p.site.id for p in placed}
    if unknown := [name for name in ids if name not in known]:
        raise ConfigError(f"{where}: no reservoir {unknown[0]}; there are {sorted(known)}")
    if len(set(ids)) < len(ids):
        raise ConfigError(f"{where}: a reservoir is named twice")


def gauge_of(name: str, gauges: Sequence[PlacedGauge], where: str) -> PlacedGauge:
    """Gauge by its Chinese name or number; ConfigError where there is none."""
    names = {g.gauge.name_zh: g for g in gauges} | {str(k): g for k, g in enumerate(gauges)}
    if name not in names:
        raise ConfigError(f"{where}: no gauge {name}")
    return names[name]


def schedule(asked: ReservoirSchedule, ends: NDArray[np.datetime64], site: Reservoir) -> Schedule:
    """Release in every step; NaN before the first time of the schedule.

    Parameters
    ----------
    asked
        Times and releases; one before the forecast holds at its start.
    ends
        (time,) ends of the steps of the run, UTC.
    site
        The reservoir.

    Raises
    ------
    ConfigError
        Where times do not ascend or lie after the forecast, or the gates can never pass a release.
    """
    where = f"schedules: {asked.reservoir}"
    since = np.array([to_numpy(s.since) for s in asked.releases])
    if (np.diff(since) <= np.timedelta64(0)).any():
        raise ConfigError(f"{where}: times must ascend")
    if since[-1] >= ends[-1]:
        last = np.datetime_as_string(ends[-1], unit="s")
        raise ConfigError(
            f"{where}: {isoformat(asked.releases[-1].since)} is after the forecast,"
            f" which ends at {last}Z"
        )
    step = ends[1] - ends[0]
    row = np.searchsorted(since, ends - step, side="right") - 1
    values = np.array([s.m3_s for s in asked.releases])
    most = float(site.table().gates_m3_s[-1])
    if values.max() > most:
        raise ConfigError(
            f"{where}: {values.max():g} m3/s is more than its gates can pass at any level,"
            f" {most:.0f} m3/s"
        )
    return Schedule(np.where(row >= 0, values[np.maximum(row, 0)], np.nan), asked.rules_hold)


def constrained(
    placed: PlacedReservoir,
    constraints: Sequence[ReservoirConstraint],
    gauges: Sequence[PlacedGauge],
    network: RiverNetwork,
) -> PlacedReservoir:
    """Reservoir with the constraints of the request before its own rules.

    Raises
    ------
    ConfigError
        Where a constraint contradicts itself, its level is none of the pool, or its gauge is
        unknown, not below the dam, or limited to less than its bed.
    """
    own = [c for c in constraints if c.reservoir == placed.site.id]
    if not own:
        return placed
    first = [r for r in placed.site.release.rules if isinstance(r, OpenGates)]
    rest = [r for r in placed.site.release.rules if not isinstance(r, OpenGates)]
    added = list(_added(own[0], placed, gauges, network))
    return _with_rules(placed, (*first, *added, *rest))


def only_the_dam(placed: PlacedReservoir) -> PlacedReservoir:
    """Reservoir that follows a plan: what opens its gates for the dam's sake stays."""
    kept = tuple(r for r in placed.site.release.rules if isinstance(r, OpenGates))
    return _with_rules(placed, kept)


def _added(
    asked: ReservoirConstraint,
    placed: PlacedReservoir,
    gauges: Sequence[PlacedGauge],
    network: RiverNetwork,
) -> Iterator[Rule]:
    """Rules of a constraint, in the order of their priority."""
    where, site = f"constraints: {asked.reservoir}", placed.site
    most, least = asked.max_release_m3_s, asked.min_release_m3_s
    if most is not None and least is not None and least > most:
        raise ConfigError(f"{where}: a least release of {least:g} m3/s above the most, {most:g}")
    for number, limit in enumerate(asked.gauge_limits):
        yield _gauge_rule(limit, number, where, placed, gauges, network)
    if most is not None:
        yield MaxRelease(id="asked-max", kind="max_release", m3_s=most)
    if least is not None:
        yield MinRelease(id="asked-min", kind="min_release", m3_s=least)
    if asked.aim_level_m is not None:
        level, lowest = asked.aim_level_m, site.storage.level_m[0]
        if not lowest <= level <= site.crest_level_m:
            raise ConfigError(
                f"{where}: level {level:g} m is none of this reservoir, whose pool reaches from"
                f" {lowest:g} m to the crest at {site.crest_level_m:g} m"
            )
        yield AimLevel(id="asked-level", kind="aim_level", level=level, hours=asked.aim_hours)


def _gauge_rule(
    asked: GaugeLimit,
    number: int,
    where: str,
    placed: PlacedReservoir,
    gauges: Sequence[PlacedGauge],
    network: RiverNetwork,
) -> Downstream:
    gauge = gauge_of(asked.gauge, gauges, where)
    name = gauge.gauge.name_zh
    if travel_time_s(network, placed.reach, gauge.reach) is None:
        raise ConfigError(f"{where}: gauge {name} is not downstream of this reservoir")
    bed = float(network.bed_m[gauge.reach])
    if asked.max_level_m is not None and asked.max_level_m <= bed:
        raise ConfigError(
            f"{where}: level {asked.max_level_m:g} m at {name} is below the river's bed,"
            f" {bed:.2f} m"
        )
    return Downstream(
        id=f"{ASKED_GAUGE}-{number}",
        name_zh=f"给定{name}上限",
        kind="downstream",
        gauge=name,
        max_m3_s=asked.max_m3_s,
        max_level_m=asked.max_level_m,
        share=asked.share,
    )


def _with_rules(placed: PlacedReservoir, rules: tuple[Rule, ...]) -> PlacedReservoir:
    release = placed.site.release.model_copy(update={"rules": rules})
    site: Reservoir = placed.site.model_copy(update={"release": release})
    return replace(placed, site=site)
