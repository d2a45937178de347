"""Rules: thresholds as versioned rows, evaluated on window amounts."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import check
from jinghu.warnings.levels import Hazard, Level

HYSTERESIS = 0.8  # a level is kept down to this share of its threshold


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
    """The enabled rows of one table."""

    version: str
    source: str
    rules: tuple[Rule, ...]


class _Row(BaseModel):
    model_config = ConfigDict(extra="forbid")
    id: str
    hazard: Hazard
    level: str
    window_h: int = Field(ge=1, le=240)
    threshold_mm: float = Field(gt=0)
    enabled: bool = True


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: str
    source: str
    rules: list[_Row] = Field(min_length=1)


def load_rules(path: Path) -> RuleSet:
    """Read a rule table.

    Raises
    ------
    ConfigError
        Names the file, the row and the cause.
    """
    try:
        table = _Table.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
        rows = [_rule(row) for row in table.rules if row.enabled]
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except (yaml.YAMLError, KeyError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{path}: {place}: {first['msg']}") from None
    return RuleSet(table.version, table.source, tuple(rows))


def _rule(row: _Row) -> Rule:
    try:
        level = Level[row.level.upper()]
    except KeyError:
        raise KeyError(f"{row.id}: level {row.level!r} is none of blue..red") from None
    return Rule(row.id, row.hazard, level, row.window_h, row.threshold_mm)


def evaluate(rules: RuleSet, windows: xr.Dataset) -> xr.Dataset:
    """Find the level of every cell.

    Parameters
    ----------
    rules
        Enabled rules of one hazard.
    windows
        ``rainfall_amount(window, lead_time, y, x)`` in mm, observed plus forecast.

    Returns
    -------
    On (y, x): ``warning_level`` (0-4), ``warning_level_kept`` (the level at `HYSTERESIS` times the
    thresholds), ``warning_onset_lead`` (minutes to when the level is first reached, NaN where
    none), ``warning_amount`` (mm, the largest amount of the deciding window) and
    ``warning_window`` (h).

    Raises
    ------
    ConfigError
        Where a rule needs a window that was not accumulated.
    """
    check(windows, "rainfall_amount", dims=("window", "lead_time", "y", "x"))
    shape = windows["rainfall_amount"].shape[2:]
    minutes = windows["lead_time"].values / np.timedelta64(1, "m")
    level = np.zeros(shape, np.uint8)
    kept = np.zeros(shape, np.uint8)
    onset = np.full(shape, np.nan, np.float32)
    amount = np.zeros(shape, np.float32)
    window = np.zeros(shape, np.uint8)
    for rule in sorted(rules.rules, key=lambda r: r.level):
        over = _amounts(windows, rule)
        peak = over.max(axis=0)
        reached = over >= rule.threshold_mm
        here = reached.any(axis=0)
        level[here] = rule.level
        onset[here] = minutes[reached.argmax(axis=0)][here]
        amount[here] = peak[here]
        window[here] = rule.window_h
        kept[peak >= HYSTERESIS * rule.threshold_mm] = rule.level
    dims = ("y", "x")
    return xr.Dataset(
        {
            "warning_level": (dims, level, {"units": "1", "long_name": "warning level"}),
            "warning_level_kept": (
                dims,
                np.maximum(kept, level),
                {"units": "1", "long_name": "level that a standing warning keeps"},
            ),
            "warning_onset_lead": (dims, onset, {"units": "min", "long_name": "time to the level"}),
            "warning_amount": (dims, amount, {"units": "mm", "long_name": "deciding amount"}),
            "warning_window": (dims, window, {"units": "h", "long_name": "deciding window"}),
        },
        coords={n: windows[n] for n in ("time", "x", "y", "lat", "lon", "crs") if n in windows},
        attrs={"rules": rules.version},
    )


def _amounts(windows: xr.Dataset, rule: Rule) -> NDArray[np.float32]:
    if rule.window_h not in windows["window"].values:
        raise ConfigError(f"rule {rule.id}: there are no {rule.window_h} h amounts")
    values: NDArray[np.float32] = windows["rainfall_amount"].sel(window=rule.window_h).values
    return values
