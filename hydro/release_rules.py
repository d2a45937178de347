"""Release rules as data: zones, and in each of them what is aimed at, within which limits.

The level of a reservoir falls into one of its zones. The rules that count there are heard in the
order of the file, which is their priority: limits narrow what may be released, a later one never
breaks an earlier one, and the first aim is followed as far as they let it. What the gates can pass
holds in any case. Every step names the rule that set the release.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from jinghu.grid.errors import DataError
from jinghu.grid.times import BEIJING
from jinghu.hydro.level_pool import PoolTable
from jinghu.hydro.policy_rows import Bound, Kind, PolicyRows

Array = NDArray[np.float64]
Number = Annotated[float, Field(allow_inf_nan=False)]
Discharge = Annotated[float, Field(ge=0, allow_inf_nan=False)]
FLOOD_LIMIT: Literal["flood_limit"] = "flood_limit"
SCHEDULE = "schedule"
LevelName = Number | Literal["flood_limit"]
_HOUR_S = 3600.0


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Season(_Data):
    """From a day of the year on, the level that must not be exceeded in quiet times."""

    since: str = Field(alias="from", pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$")
    level_m: Number
    name_zh: str = ""


class Zone(_Data):
    """Levels from the zone below up to ``up_to``; the last zone has no end."""

    id: str = Field(pattern=r"^[a-z0-9-]+$")
    name_zh: str
    up_to: LevelName | None = None


class _Rule(_Data):
    id: str = Field(pattern=r"^[a-z0-9-]+$")
    name_zh: str = ""
    zones: tuple[str, ...] = Field((), description="where it counts; everywhere where empty")


class MaxRelease(_Rule):
    """Release no more than this."""

    kind: Literal["max_release"]
    m3_s: Discharge


class MinRelease(_Rule):
    """Release no less: water supply, life in the river."""

    kind: Literal["min_release"]
    m3_s: Discharge


class RateOfChange(_Rule):
    """How fast a release may rise and fall."""

    kind: Literal["rate_of_change"]
    rise_m3_s_h: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    fall_m3_s_h: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None


class Downstream(_Rule):
    """Do not push the river at a gauge over a discharge, or over a level at its rating.

    ``lag_h`` is the travel time to the gauge, from the network where it is not given; ``share`` is
    this reservoir's part of what the river has room for.
    """

    kind: Literal["downstream"]
    gauge: str = Field(description="Chinese name of the gauge")
    max_m3_s: Discharge | None = None
    max_level_m: Number | None = None
    lag_h: Annotated[float, Field(ge=0, le=240)] | None = None
    share: Annotated[float, Field(gt=0, le=1)] = 1.0

    @model_validator(mode="after")
    def _one_limit(self) -> "Downstream":
        if (self.max_m3_s is None) == (self.max_level_m is None):
            raise ValueError("give max_m3_s or max_level_m")
        return self


class AimLevel(_Rule):
    """Bring the pool to a level within some hours (0: within the step)."""

    kind: Literal["aim_level"]
    level: LevelName
    hours: Annotated[float, Field(ge=0, le=240)] = 0.0


class AimRelease(_Rule):
    """Release this much."""

    kind: Literal["aim_release"]
    m3_s: Discharge


class OpenGates(_Rule):
    """Release what the gates can pass: the dam comes first."""

    kind: Literal["open_gates"]


Rule = Annotated[
    MaxRelease | MinRelease | RateOfChange | Downstream | AimLevel | AimRelease | OpenGates,
    Field(discriminator="kind"),
]


class ReleaseRules(_Data):
    """The rule set of one reservoir."""

    seasons: tuple[Season, ...] = Field(min_length=1)
    zones: tuple[Zone, ...] = Field(min_length=1, max_length=16)
    rules: tuple[Rule, ...]
    source: str

    @field_validator("seasons")
    @classmethod
    def _in_order(cls, found: tuple[Season, ...]) -> tuple[Season, ...]:
        days = [s.since for s in found]
        if days != sorted(set(days)):
            raise ValueError("seasons must be in the order of their days, each once")
        return found

    @model_validator(mode="after")
    def _names_fit(self) -> "ReleaseRules":
        ids = [r.id for r in self.rules]
        if len(set(ids)) < len(ids):
            raise ValueError("two rules have the same id")
        zones = [z.id for z in self.zones]
        if len(set(zones)) < len(zones):
            raise ValueError("two zones have the same id")
        if [z.up_to is None for z in self.zones] != [False] * (len(zones) - 1) + [True]:
            raise ValueError("every zone but the last needs up_to, the last has none")
        for rule in self.rules:
            if unknown := [z for z in rule.zones if z not in zones]:
                raise ValueError(f"rule {rule.id}: there is no zone {unknown[0]}")
        return self


@dataclass(frozen=True, slots=True)
class Policy:
    """Rows for the kernel, and the id of the rule behind each."""

    rows: PolicyRows
    ids: tuple[str, ...]

    def name(self, bound: int) -> str:
        """Id of the rule that set a release, or ``gates-wide-open``, ``empty``, ``no-rule``."""
        if bound >= 0:
            return self.ids[bound]
        return {Bound.CAPACITY: "gates-wide-open", Bound.EMPTY: "empty"}.get(
            Bound(bound), "no-rule"
        )


Room = Callable[[Downstream], Array]


def flood_limit(seasons: Sequence[Season], times: NDArray[np.datetime64]) -> Array:
    """Flood-limit level (time) in m at UTC times; days of the year are those of Beijing time.

    Before the first season's day the last season of the year before still holds.
    """
    offset = BEIJING.utcoffset(None)
    days, of_time = np.unique(
        (times + np.timedelta64(offset)).astype("datetime64[D]"), return_inverse=True
    )
    levels = []
    for day in np.datetime_as_string(days):
        begun = [s for s in seasons if s.since <= day[5:]]
        levels.append((begun[-1] if begun else seasons[-1]).level_m)
    return np.array(levels)[of_time]


def compile_policy(
    rules: ReleaseRules,
    table: PoolTable,
    ends: NDArray[np.datetime64],
    step_s: float,
    room: Room,
) -> Policy:
    """Turn rules into rows for the kernel.

    Parameters
    ----------
    rules, table
        Of the reservoir.
    ends
        (time,) ends of the steps, UTC.
    step_s
        s.
    room
        Tells of a downstream rule what this reservoir may release, (time, member or 1) m3/s.

    Raises
    ------
    DataError
        Names the reservoir where a level of its rules lies outside its table, or zones cross.
    """
    starts = ends - np.timedelta64(timedelta(seconds=step_s))
    limit = flood_limit(rules.seasons, starts)

    def volume(level: LevelName) -> Array:
        at = limit if level == FLOOD_LIMIT else np.full(len(ends), float(level))
        return table.volume(at)

    ends_at = [volume(z.up_to) for z in rules.zones if z.up_to is not None]
    tops = np.stack([*ends_at, np.full(len(ends), np.inf)], axis=1)
    if (np.diff(tops, axis=1) <= 0).any():
        raise DataError(table.name, "its zones do not lie above one another on every day")
    bits = {z.id: 1 << k for k, z in enumerate(rules.zones)}
    rows: list[tuple[int, Kind, Array, float, str]] = []
    for rule in rules.rules:
        mask = sum(bits[z] for z in rule.zones) if rule.zones else (1 << len(bits)) - 1
        for kind, value, hours in _rows_of(rule, volume, room):
            rows.append((mask, kind, value, hours, rule.id))
    members = max([1, *(r[2].shape[-1] for r in rows if r[2].ndim == 2)])
    values = np.empty((len(rows), len(ends), members))
    for k, row in enumerate(rows):
        values[k] = row[2] if row[2].ndim == 2 else row[2][:, None]
    return Policy(
        PolicyRows(
            tops,
            np.array([r[0] for r in rows], np.int64),
            np.array([r[1] for r in rows], np.int64),
            values,
            np.array([r[3] for r in rows], np.float64),
        ),
        tuple(r[4] for r in rows),
    )


def _rows_of(
    rule: Rule, volume: Callable[[LevelName], Array], room: Room
) -> list[tuple[Kind, Array, float]]:
    """Rows of one rule: kind, value over time, hours."""
    n = len(volume(FLOOD_LIMIT))
    match rule:
        case MaxRelease():
            return [(Kind.AT_MOST, np.full(n, rule.m3_s), 0.0)]
        case MinRelease():
            return [(Kind.AT_LEAST, np.full(n, rule.m3_s), 0.0)]
        case AimRelease():
            return [(Kind.AIM_RELEASE, np.full(n, rule.m3_s), 0.0)]
        case OpenGates():
            return [(Kind.AIM_RELEASE, np.full(n, np.inf), 0.0)]
        case AimLevel():
            return [(Kind.AIM_VOLUME, volume(rule.level), rule.hours)]
        case Downstream():
            return [(Kind.AT_MOST, room(rule), 0.0)]
        case RateOfChange():
            found = []
            if rule.rise_m3_s_h is not None:
                found.append((Kind.RISE, np.full(n, rule.rise_m3_s_h / _HOUR_S), 0.0))
            if rule.fall_m3_s_h is not None:
                found.append((Kind.FALL, np.full(n, rule.fall_m3_s_h / _HOUR_S), 0.0))
            return found


def with_schedule(policy: Policy, release_m3_s: Array, *, rules_hold: bool) -> Policy:
    """Put a given release in place of the aims of the rules.

    Parameters
    ----------
    policy
        Of the reservoir.
    release_m3_s
        (time, member or 1) what is asked for; NaN leaves a step to the rules.
    rules_hold
        Whether the limits of the rules hold, and gates that the rules open for the dam's sake;
        else only what the gates can pass limits the release.

    Raises
    ------
    DataError
        Where a release is negative, or steps are left to rules that do not hold.
    """
    if (release_m3_s < 0).any():
        raise DataError("schedule", f"a release is negative: {np.nanmin(release_m3_s):g} m3/s")
    if not rules_hold and np.isnan(release_m3_s).any():
        raise DataError("schedule", "without the rules the release of every step must be given")
    old = policy.rows
    opens = (old.kind == Kind.AIM_RELEASE) & np.isinf(old.value).all(axis=(1, 2))
    aims = np.isin(old.kind, (Kind.AIM_VOLUME, Kind.AIM_RELEASE)) & ~opens
    before, after = np.flatnonzero(~aims), np.flatnonzero(aims)
    if not rules_hold:
        before = after = np.empty(0, np.int64)
    n_time, n_member = release_m3_s.shape
    members = max(old.value.shape[2], n_member)

    def wide(rows: NDArray[np.int64]) -> Array:
        return np.broadcast_to(old.value[rows], (len(rows), n_time, members))

    asked = np.broadcast_to(release_m3_s, (1, n_time, members))
    everywhere, kind = np.array([(1 << 62) - 1]), np.array([int(Kind.AIM_RELEASE)])
    return Policy(
        PolicyRows(
            old.zone_top_m3,
            np.concatenate([old.zones[before], everywhere, old.zones[after]]),
            np.concatenate([old.kind[before], kind, old.kind[after]]),
            np.concatenate([wide(before), asked, wide(after)]),
            np.concatenate([old.hours[before], [0.0], old.hours[after]]),
        ),
        (*(policy.ids[k] for k in before), SCHEDULE, *(policy.ids[k] for k in after)),
    )


def rule_names(rules: ReleaseRules) -> Mapping[str, str]:
    """Chinese names of the rules by id, and of what else can set a release."""
    own = {r.id: r.name_zh or r.id for r in rules.rules}
    return own | {
        SCHEDULE: "给定下泄过程",
        "gates-wide-open": "闸门全开(泄流能力)",
        "empty": "已泄空",
        "no-rule": "无规则",
    }
