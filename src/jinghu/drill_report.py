"""What a drill came to, as numbers: the result, and its JSON."""

import json
import math
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jinghu.drill_score import CellScores, PeopleScores
from jinghu.drill_skill import SkillRow
from jinghu.drill_world import KINDS
from jinghu.grid.times import isoformat

_OUTCOMES = ("in_time", "late", "not_told", "needlessly")


@dataclass(frozen=True, slots=True)
class CycleTime:
    """One cycle: its name, seconds from start to end, and what it had to do without."""

    cycle: str
    seconds: float
    degradations: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GaugeRow:
    """One river gauge: its true peak and flood, and how long before it a forecast said so.

    ``flood`` is None where there was none, ``lead_min`` where there was none or nothing was said;
    it is negative where that was late.
    """

    name_zh: str
    name_en: str
    river: str
    peak_m3s: float
    peak_time: datetime
    flood_m3s: float
    flood: datetime | None
    lead_min: float | None
    warned: bool


@dataclass(frozen=True, slots=True)
class DrillResult:
    """All that a drill came to.

    Parameters
    ----------
    name, title_zh, title_en, seed
        The drill.
    start, end
        Of the drill, UTC.
    cells, people
        Scores of the warnings.
    outcome
        (y, x) what became of each cell: `outcome_map`.
    skill
        Scores of the forecasts.
    cycles
        All cycles in their order.
    before
        Cells that were in danger before the first cycle, and are in no score.
    told, answered
        Persons of all roles who were told, and who answered.
    places
        (kind, 4) of `jinghu.drill_score.score_places`, the kinds of `jinghu.drill_world.KINDS`.
    reaches
        Scores of the flood forecasts by reach.
    gauges
        River gauges.
    """

    name: str
    title_zh: str
    title_en: str
    seed: int
    start: datetime
    end: datetime
    cells: CellScores
    people: PeopleScores
    outcome: NDArray[np.uint8]
    skill: tuple[SkillRow, ...]
    cycles: tuple[CycleTime, ...]
    before: int
    told: int
    answered: int
    places: NDArray[np.int64]
    reaches: CellScores
    gauges: tuple[GaugeRow, ...]


def outcome_map(
    begins: NDArray[np.datetime64],
    warned: NDArray[np.datetime64],
    inside: NDArray[np.bool_],
    before: NDArray[np.bool_],
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """What became of each cell, as numbers.

    0 outside, 1 quiet, 2 hit, 3 late, 4 missed, 5 false alarm, 6 in danger before the first cycle.

    Parameters
    ----------
    begins, warned, inside
        (cell,) as for `jinghu.drill_score.score_cells`.
    before
        (cell,) in danger before anybody could be warned.
    shape
        Rows and columns.
    """
    danger, told = ~np.isnat(begins), ~np.isnat(warned)
    early = danger & told
    early[early] = warned[early] < begins[early]
    found = np.select(
        [before, ~inside, early, danger & told, danger, told], [6, 0, 2, 3, 4, 5], default=1
    ).astype(np.uint8)
    return np.asarray(found.reshape(shape))


def report_json(result: DrillResult) -> str:
    """Return the report as JSON; what is not defined is null. Equal results give equal bytes.

    How long cycles took is left out: it is of the machine, and never the same (`timing_json`).
    """
    report = {
        "drill": result.name,
        "title_zh": result.title_zh,
        "title_en": result.title_en,
        "seed": result.seed,
        "start": isoformat(result.start),
        "end": isoformat(result.end),
        "cells": _contingency(result.cells) | {"in_danger_before": result.before},
        "people": asdict(result.people) | {"all_told": result.told, "answered": result.answered},
        "places": {
            kind: dict(zip(_OUTCOMES, map(int, row), strict=True))
            for kind, row in zip(KINDS, result.places, strict=False)
        },
        "reaches": _contingency(result.reaches),
        "gauges": [asdict(row) for row in result.gauges],
        "forecast": [asdict(row) for row in result.skill],
        "cycles": [
            {"cycle": cycle.cycle, "degradations": cycle.degradations} for cycle in result.cycles
        ],
    }
    return _text(report)


def timing_json(result: DrillResult) -> str:
    """Return how long each cycle took on this machine."""
    seconds = [c.seconds for c in result.cycles]
    names = ("p10", "median", "p90")
    report = {
        "drill": result.name,
        "seconds": dict(zip(names, quantiles(np.array(seconds)), strict=True)),
        "cycles": [{"cycle": c.cycle, "seconds": c.seconds} for c in result.cycles],
    }
    return _text(report)


def _contingency(scores: CellScores) -> dict[str, Any]:
    return {
        "hits": scores.hits,
        "late": scores.late,
        "misses": scores.misses,
        "false_alarms": scores.false_alarms,
        "detected": scores.detected,
        "false_alarm_ratio": scores.false_alarm_ratio,
        "lead_min": dict(zip(("p10", "median", "p90"), quantiles(scores.lead_min), strict=True)),
    }


def quantiles(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """10, 50 and 90 %, NaN where there are none."""
    if not len(values):
        return math.nan, math.nan, math.nan
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)


def _text(report: dict[str, Any]) -> str:
    return json.dumps(_plain(report), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def _plain(value: Any) -> Any:
    """Times as text, floats rounded to six places, NaN as null, all the way down."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    if isinstance(value, datetime):
        return isoformat(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
