"""Rules: thresholds as versioned rows, evaluated on window amounts."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import numpy as np
import xarray as xr
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import check
from jinghu.warnings.levels import Hazard, Level, Tier
from jinghu.warnings.waiting import AnswerWithin

HYSTERESIS = 0.8  # a level is kept down to this share of its threshold
_OBSERVED = 0.95  # a window of which less was observed holds a lower bound, not an amount


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: a level is reached where the rain of a window reaches a threshold."""

    id: str
    hazard: Hazard
    level: Level
    window_h: int
    threshold_mm: float


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The enabled rows of one table.

    ``answer_within`` tells how long those who were told are waited for. ``continues_mm`` is the
    rain still to come from which on rain "may continue": with less, an amount that was reached in
    the past raises nothing.
    """

    version: str
    source: str
    continues_mm: float
    rules: tuple[Rule, ...]
    answer_within: AnswerWithin = field(default_factory=AnswerWithin)


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
    enabled: bool = True


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str
    source: str
    continues_mm: float = Field(1.0, ge=0, allow_inf_nan=False)
    rules: list[_Row] = Field(min_length=1)
    answer_within_min: _Answers | None = None


def load_rules(path: Path) -> RuleSet:
    """Read a rule table.

    Raises
    ------
    ConfigError
        Names the file, the row and the cause.
    """
    try:
        table = _Table.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise ConfigError(f"{path}: {place}: {first['msg']}") from None
    rules = tuple(_rule(row, path) for row in table.rules if row.enabled)
    if not rules:
        raise ConfigError(f"{path}: no rule is enabled")
    if len({rule.id for rule in rules}) < len(rules):
        raise ConfigError(f"{path}: two rules have the same id")
    waits = _answer_within(table.answer_within_min)
    return RuleSet(table.version, table.source, table.continues_mm, rules, waits)


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


def _rule(row: _Row, path: Path) -> Rule:
    level = Level.__members__.get(row.level.upper(), Level.NONE)
    if level is Level.NONE:
        raise ConfigError(f"{path}: {row.id}: level {row.level!r} is none of blue..red")
    return Rule(row.id, row.hazard, level, row.window_h, row.threshold_mm)


def evaluate(rules: RuleSet, windows: xr.Dataset) -> xr.Dataset:
    """Find the level of every cell: "will reach, or has reached and may continue".

    A level is reached where a window that ends at some lead time holds the threshold. Where the
    window that ends now holds it already, rain must still be to come (``continues_mm``): a storm
    that has passed raises nothing anew. What stands already is kept by the amount alone.

    Parameters
    ----------
    rules
        Enabled rules of one hazard.
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
    continues = _may_continue(windows, rules.continues_mm)
    reached, kept = _Evidence.none(shape), _Evidence.none(shape)
    onset = np.full(shape, np.nan, np.float32)
    for rule in sorted(rules.rules, key=lambda r: r.level):
        amounts = _amounts(windows, rule)
        peak = amounts.max(axis=0)
        over = amounts >= rule.threshold_mm
        here = over.any(axis=0) & (~over[0] | continues)
        reached.put(here, rule, peak)
        onset[here] = minutes[over.argmax(axis=0)][here]
        kept.put(peak >= HYSTERESIS * rule.threshold_mm, rule, peak)
        kept.put((peak < HYSTERESIS * rule.threshold_mm) & _short(windows, rule), rule, None)
    return xr.Dataset(
        {
            "warning_level": _field(reached.level, "1", "warning level"),
            "warning_level_kept": _field(kept.level, "1", "level that a standing warning keeps"),
            "warning_onset_lead": _field(onset, "min", "time to the level"),
            "warning_amount": _field(reached.amount, "mm", "deciding amount"),
            "warning_window": _field(reached.window, "h", "deciding window"),
            "kept_amount": _field(kept.amount, "mm", "amount that keeps the level"),
            "kept_window": _field(kept.window, "h", "window that keeps the level"),
        },
        coords={n: windows[n] for n in ("time", "x", "y", "lat", "lon", "crs") if n in windows},
        attrs={"rules": rules.version},
    )


@dataclass(frozen=True, slots=True)
class _Evidence:
    """Level of every cell, and the amount (mm) and window (h) that speak for it; 0 where none."""

    level: NDArray[np.uint8]
    amount: NDArray[np.float32]
    window: NDArray[np.uint8]

    @staticmethod
    def none(shape: tuple[int, ...]) -> "_Evidence":
        return _Evidence(
            np.zeros(shape, np.uint8), np.zeros(shape, np.float32), np.zeros(shape, np.uint8)
        )

    def put(self, here: NDArray[np.bool_], rule: Rule, amount: NDArray[np.float32] | None) -> None:
        """Let a rule of at least the level so far decide some cells."""
        self.level[here] = rule.level
        self.amount[here] = 0 if amount is None else amount[here]
        self.window[here] = 0 if amount is None else rule.window_h


def _field(values: NDArray[np.generic], units: str, long_name: str) -> xr.Variable:
    return xr.Variable(("y", "x"), values, {"units": units, "long_name": long_name})


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


def _may_continue(windows: xr.Dataset, at_least_mm: float) -> NDArray[np.bool_]:
    """Where that much rain is still to come, or where it is not known."""
    if "rainfall_rate" not in windows:
        return np.ones(windows["rainfall_amount"].shape[2:], np.bool_)
    check(windows, "rainfall_rate", dims=("lead_time", "y", "x"))
    rate = windows["rainfall_rate"].values
    hours = np.diff(windows["lead_time"].values) / np.timedelta64(1, "h")
    to_come = (0.5 * (rate[1:] + rate[:-1]) * hours[:, None, None]).sum(axis=0)
    continues: NDArray[np.bool_] = ~(to_come < at_least_mm)
    return continues
