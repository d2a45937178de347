"""Rules: thresholds as versioned rows, evaluated on window amounts."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import check
from jinghu.warnings.approvals import Approvals, ApprovalTable, approvals_of
from jinghu.warnings.cell_levels import CellLevels, to_dataset
from jinghu.warnings.levels import Hazard, Level, Tier
from jinghu.warnings.table_file import read_table
from jinghu.warnings.units import Units
from jinghu.warnings.waiting import AnswerWithin

HYSTERESIS = 0.8  # a level is kept down to this share of its threshold
_OBSERVED = 0.95  # a window of which less was observed holds a lower bound, not an amount


@dataclass(frozen=True, slots=True)
class Override:
    """Another threshold in one unit, and why."""

    unit: str
    threshold_mm: float
    source: str


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: a level is reached where the rain of a window reaches a threshold.

    With a ``probability`` it is reached where reaching the threshold is at least so likely.
    """

    id: str
    hazard: Hazard
    level: Level
    window_h: int
    threshold_mm: float
    probability: float | None = None
    overrides: tuple[Override, ...] = ()

    def threshold_in(self, unit: str) -> float:
        """Threshold in a unit (county code), mm."""
        return next((o.threshold_mm for o in self.overrides if o.unit == unit), self.threshold_mm)

    def threshold_field(self, units: Units | None, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Threshold of every cell (y, x).

        Raises
        ------
        ConfigError
            Where an override is of a unit without boundaries.
        """
        field = np.full(shape, self.threshold_mm, np.float32)
        for override in self.overrides:
            codes = [c.code for c in units.counties] if units is not None else []
            if units is None or override.unit not in codes:
                raise ConfigError(
                    f"rule {self.id}: unit {override.unit} has no boundaries here; there are"
                    f" {', '.join(codes) or 'none'}"
                )
            here = units.cell_county == codes.index(override.unit)
            field[here.reshape(shape)] = override.threshold_mm
        return field


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The enabled rows of one table.

    ``answer_within`` tells how long those who were told are waited for. ``continues_mm`` is the
    rain still to come from which on rain "may continue": with less, an amount that was reached in
    the past raises nothing. ``approvals`` are the steps that wait for a second person.
    """

    version: str
    source: str
    continues_mm: float
    rules: tuple[Rule, ...]
    answer_within: AnswerWithin = field(default_factory=AnswerWithin)
    approvals: Approvals = field(default_factory=Approvals)

    def certain(self) -> list[Rule]:
        """Rows on amounts, the lowest level first."""
        return sorted((r for r in self.rules if r.probability is None), key=lambda r: r.level)

    def likely(self) -> list[Rule]:
        """Rows on probabilities, the lowest level first."""
        return sorted((r for r in self.rules if r.probability is not None), key=lambda r: r.level)

    @property
    def needs_units(self) -> bool:
        """Whether a threshold differs from unit to unit."""
        return any(rule.overrides for rule in self.rules)


class _Waits(BaseModel):
    """Minutes by level of responsibility, at one level of danger."""

    model_config = ConfigDict(extra="forbid")
    grid: float = Field(gt=0, le=1440)
    village: float = Field(gt=0, le=1440)
    town: float = Field(gt=0, le=1440)
    county: float = Field(gt=0, le=1440)
    city: float = Field(gt=0, le=1440)


class _Answers(BaseModel):
    """What asks for no answer is left out."""

    model_config = ConfigDict(extra="forbid")
    blue: _Waits | None = None
    yellow: _Waits | None = None
    orange: _Waits | None = None
    red: _Waits | None = None


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    hazard: Hazard
    level: str
    window_h: int = Field(ge=1, le=240)
    threshold_mm: float = Field(gt=0, allow_inf_nan=False)
    probability: float | None = Field(None, gt=0, le=1)
    enabled: bool = True


class _Override(BaseModel):
    model_config = ConfigDict(extra="forbid")
    rule: str
    unit: str = Field(pattern=r"^\d{6}$")
    threshold_mm: float = Field(gt=0, allow_inf_nan=False)
    source: str = Field(min_length=1)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str
    source: str
    continues_mm: float = Field(1.0, ge=0, allow_inf_nan=False)
    rules: list[_Row] = Field(min_length=1)
    overrides: list[_Override] = Field(default_factory=list)
    answer_within_min: _Answers | None = None
    second_person: ApprovalTable | None = None


def load_rules(path: Path) -> RuleSet:
    """Read a rule table.

    Raises
    ------
    ConfigError
        Names the file, the row and the cause.
    """
    table = read_table(path, _Table)
    _check_overrides(table, path)
    rules = tuple(_rule(row, table, path) for row in table.rules if row.enabled)
    if not rules:
        raise ConfigError(f"{path}: no rule is enabled")
    if len({rule.id for rule in rules}) < len(rules):
        raise ConfigError(f"{path}: two rules have the same id")
    waits = _answer_within(table.answer_within_min)
    approvals = approvals_of(table.second_person)
    return RuleSet(table.version, table.source, table.continues_mm, rules, waits, approvals)


def _answer_within(table: _Answers | None) -> AnswerWithin:
    """The table's waiting times; those of the national practice where it has none."""
    if table is None:
        return AnswerWithin()
    rows = ((level, getattr(table, level.en)) for level in Level if level is not Level.NONE)
    return AnswerWithin(
        tuple(
            (level, tier, timedelta(minutes=getattr(row, tier.en)))
            for level, row in rows
            if row is not None
            for tier in Tier
        )
    )


def _check_overrides(table: _Table, path: Path) -> None:
    ids, seen = {row.id for row in table.rules}, set()
    for one in table.overrides:
        if one.rule not in ids:
            raise ConfigError(f"{path}: overrides: there is no rule {one.rule}")
        if (one.rule, one.unit) in seen:
            raise ConfigError(f"{path}: overrides: two for rule {one.rule} in unit {one.unit}")
        seen.add((one.rule, one.unit))


def _rule(row: _Row, table: _Table, path: Path) -> Rule:
    level = Level.__members__.get(row.level.upper(), Level.NONE)
    if level is Level.NONE:
        raise ConfigError(f"{path}: {row.id}: level {row.level!r} is none of blue..red")
    if row.hazard is not Hazard.RAINSTORM:
        raise ConfigError(f"{path}: {row.id}: {row.hazard.value} has a table of its own")
    others = tuple(
        Override(o.unit, o.threshold_mm, o.source) for o in table.overrides if o.rule == row.id
    )
    return Rule(row.id, row.hazard, level, row.window_h, row.threshold_mm, row.probability, others)


def evaluate(rules: RuleSet, windows: xr.Dataset, units: Units | None = None) -> xr.Dataset:
    """Find the level of every cell: "will reach, or has reached and may continue".

    A level is reached where a window that ends at some lead time holds the threshold. Where the
    window that ends now holds it already, rain must still be to come (``continues_mm``): a storm
    that has passed raises nothing anew. What stands already is kept by the amount alone.

    Parameters
    ----------
    rules
        Enabled rules; those on probabilities are left to `jinghu.warnings.likely`.
    windows
        ``rainfall_amount(window, lead_time, y, x)`` in mm, observed plus forecast. Where present,
        ``rainfall_rate(lead_time, y, x)`` in mm h-1 tells how much rain is still to come (missing:
        it may continue), and ``window_observed(window, y, x)`` which share of a window's past was
        observed: amounts of windows known by less than 95 % are lower bounds, so that a standing
        level that rests on them is kept.

    Returns
    -------
    On (y, x): ``warning_level`` (0-4); ``warning_level_kept`` (the level that a standing warning
    keeps: at `HYSTERESIS` times the thresholds); ``warning_onset_lead`` (minutes to when the level
    is first reached, NaN where none); ``warning_amount`` (mm) and ``warning_window`` (h) of the
    rule that decides the level, ``kept_amount`` and ``kept_window`` of the one that keeps it.

    Raises
    ------
    ConfigError
        Where a rule needs a window that was not accumulated.
    """
    check(windows, "rainfall_amount", dims=("window", "lead_time", "y", "x"))
    shape = windows["rainfall_amount"].shape[2:]
    minutes = windows["lead_time"].values / np.timedelta64(1, "m")
    continues = may_continue(windows, rules.continues_mm)
    reached, kept = CellLevels.none(shape), CellLevels.none(shape)
    onset = np.full(shape, np.nan, np.float32)
    for rule in rules.certain():
        threshold = rule.threshold_field(units, shape) if rule.overrides else rule.threshold_mm
        amounts = _amounts(windows, rule)
        peak = amounts.max(axis=0)
        over = amounts >= threshold
        here = over.any(axis=0) & (~over[0] | continues)
        reached.put(here, rule, peak)
        onset[here] = minutes[over.argmax(axis=0)][here]
        kept.put(peak >= HYSTERESIS * threshold, rule, peak)
        kept.put((peak < HYSTERESIS * threshold) & _short(windows, rule), rule, None)
    return to_dataset(reached, kept, onset, windows, rules.version)


def _amounts(windows: xr.Dataset, rule: Rule) -> NDArray[np.float32]:
    if rule.window_h not in windows["window"].values:
        raise ConfigError(f"rule {rule.id}: there are no {rule.window_h} h amounts")
    values: NDArray[np.float32] = windows["rainfall_amount"].sel(window=rule.window_h).values
    return values


def _short(windows: xr.Dataset, rule: Rule) -> NDArray[np.bool_]:
    """Where so little of the rule's window was observed that its amount is a lower bound."""
    if "window_observed" not in windows:
        return np.zeros(windows["rainfall_amount"].shape[2:], np.bool_)
    short: NDArray[np.bool_] = (
        windows["window_observed"].sel(window=rule.window_h).values < _OBSERVED
    )
    return short


def may_continue(windows: xr.Dataset, at_least_mm: float) -> NDArray[np.bool_]:
    """Where that much rain is still to come, or where it is not known."""
    if "rainfall_rate" not in windows:
        return np.ones(windows["rainfall_amount"].shape[2:], np.bool_)
    check(windows, "rainfall_rate", dims=("lead_time", "y", "x"))
    rate = windows["rainfall_rate"].values
    hours = np.diff(windows["lead_time"].values) / np.timedelta64(1, "h")
    to_come = (0.5 * (rate[1:] + rate[:-1]) * hours[:, None, None]).sum(axis=0)
    continues: NDArray[np.bool_] = ~(to_come < at_least_mm)
    return continues
