"""Report of a drill for its debriefing: numbers as JSON, and one HTML page that stands alone."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jinghu.drill_page import Tile, bars, cell_map, page, section, table, tiles
from jinghu.drill_score import CellScores, PeopleScores
from jinghu.drill_skill import SkillRow
from jinghu.grid.times import BEIJING, isoformat

_LEAD_BINS_MIN = (0, 15, 30, 60, 90, 120, 181)


@dataclass(frozen=True, slots=True)
class CycleTime:
    """One cycle: its name, seconds from start to end, and what it had to do without."""

    cycle: str
    seconds: float
    degradations: tuple[str, ...]


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


def outcome_map(
    begins: NDArray[np.datetime64],
    warned: NDArray[np.datetime64],
    inside: NDArray[np.bool_],
    shape: tuple[int, int],
) -> NDArray[np.uint8]:
    """What became of each cell: 0 outside, 1 quiet, 2 hit, 3 late, 4 missed, 5 false alarm.

    Parameters
    ----------
    begins, warned, inside
        (cell,) as for `jinghu.drill_score.score_cells`.
    shape
        Rows and columns.
    """
    danger, told = ~np.isnat(begins), ~np.isnat(warned)
    early = danger & told
    early[early] = warned[early] < begins[early]
    found = np.select(
        [~inside, early, danger & told, danger, told], [0, 2, 3, 4, 5], default=1
    ).astype(np.uint8)
    return np.asarray(found.reshape(shape))


def report_json(result: DrillResult) -> str:
    """Return the report as JSON; what is not defined is null. Equal results give equal bytes."""
    cells = result.cells
    lead = cells.lead_min
    report = {
        "drill": result.name,
        "title_zh": result.title_zh,
        "title_en": result.title_en,
        "seed": result.seed,
        "start": isoformat(result.start),
        "end": isoformat(result.end),
        "cells": {
            "hits": cells.hits,
            "late": cells.late,
            "misses": cells.misses,
            "false_alarms": cells.false_alarms,
            "detected": cells.detected,
            "false_alarm_ratio": cells.false_alarm_ratio,
            "lead_min": dict(zip(("p10", "median", "p90"), _quantiles(lead), strict=True)),
        },
        "people": asdict(result.people),
        "forecast": [asdict(row) for row in result.skill],
        "cycles": [asdict(cycle) for cycle in result.cycles],
    }
    return json.dumps(_plain(report), ensure_ascii=False, indent=2, allow_nan=False) + "\n"


def report_html(result: DrillResult) -> str:
    """Return the report as one HTML page, Chinese first; equal results give equal bytes."""
    start, end = (t.astimezone(BEIJING) for t in (result.start, result.end))
    when = f"{start:%Y-%m-%d %H:%M}–{end:%H:%M} 北京时 UTC+8"
    seed = f"种子 seed {result.seed}"
    return page(
        f"{result.title_zh} 演练报告",
        f"{result.title_en}: report of the exercise",
        f"{when} · {seed}",
        [
            section("一眼看清", "At a glance", _glance(result)),
            section("逐格检验", "Warnings against the truth, by cell", _cells(result)),
            section("人", "People", _people(result.people)),
            section("降雨预报", "Forecast of rain", _skill(result.skill)),
            section("循环", "Cycles", _cycles(result.cycles)),
        ],
    )


def _glance(result: DrillResult) -> str:
    cells, people = result.cells, result.people
    danger = people.residents_in_time + people.residents_late + people.residents_not
    median = _quantiles(cells.lead_min)[1]
    slowest = max((c.seconds for c in result.cycles), default=math.nan)
    return tiles(
        [
            Tile(_percent(cells.detected), "险情格及时预警", "cells in danger warned", "good"),
            Tile(_number(median, " min"), "预见期中位数", "median lead time", "good"),
            Tile(_percent(cells.false_alarm_ratio), "空报率", "false alarm ratio", "warn"),
            Tile(f"{people.residents_in_time:,}", "人及时得知", f"of {danger:,} in danger", "good"),
            Tile(f"{people.residents_not:,}", "人未得知", "in danger, not told", "bad"),
            Tile(_number(slowest, " s"), "最慢循环", "slowest cycle", "plain"),
        ]
    )  # fmt: skip


def _cells(result: DrillResult) -> str:
    cells = result.cells
    counts = [
        ("命中 hit", cells.hits, "hit"),
        ("偏晚 late", cells.late, "late"),
        ("漏报 missed", cells.misses, "miss"),
        ("空报 false alarm", cells.false_alarms, "alarm"),
    ]
    edges = _LEAD_BINS_MIN
    found, _ = np.histogram(cells.lead_min, edges)
    names = [f"{a}–{b - (b == edges[-1])}" for a, b in pairwise(edges)]
    lead = bars(
        list(zip(names, (int(n) for n in found), strict=True)),
        "预见期（分钟）与格数 Lead time in minutes, cells",
    )
    counted = bars([(name, n) for name, n, _ in counts], "格数 Cells", [c for *_, c in counts])
    return f'<div class="two"><div>{counted}{lead}</div>{cell_map(result.outcome)}</div>'


def _people(people: PeopleScores) -> str:
    rows = [
        ("险情发生前得知", "told before the danger", people.in_time, people.residents_in_time),
        ("险情发生后才得知", "told after it began", people.late, people.residents_late),
        ("身处险情未得知", "in danger, not told", people.not_told, people.residents_not),
        ("无险情却被告知", "told needlessly", people.needlessly, people.residents_needlessly),
    ]
    head = (("", ""), ("责任人", "officers"), ("居民", "residents"))
    body = [(f"{zh}<small>{en}</small>", f"{n:,}", f"{m:,}") for zh, en, n, m in rows]
    told = people.in_time + people.late + people.needlessly
    answers = tiles(
        [
            Tile(f"{told:,}", "责任人被告知", "officers told", "plain"),
            Tile(f"{people.acknowledged:,}", "已确认", "acknowledged", "good"),
            Tile(f"{people.escalated:,}", "升级催办", "escalated", "warn"),
        ]
    )
    return table(head, body) + answers


def _skill(rows: Sequence[SkillRow]) -> str:
    head = (
        ("阈值", "threshold"),
        ("时效", "lead"),
        ("命中率", "CSI"),
        ("偏差", "bias"),
        ("分数技巧", "FSS"),
        ("次数", "forecasts"),
    )
    body = [
        (
            f"{row.threshold_mm_h:g} mm/h",
            f"{row.lead_min:g} min",
            _number(row.csi, digits=2),
            _number(row.bias, digits=2),
            _number(row.fss, digits=2),
            str(row.forecasts),
        )
        for row in rows
    ]
    return table(head, body)


def _cycles(cycles: Sequence[CycleTime]) -> str:
    seconds = np.array([c.seconds for c in cycles])
    _, median, p90 = _quantiles(seconds)
    counted: dict[str, int] = {}
    for cycle in cycles:
        for line in dict.fromkeys(cycle.degradations):
            counted[line] = counted.get(line, 0) + 1
    numbers = tiles(
        [
            Tile(str(len(cycles)), "次循环", "cycles", "plain"),
            Tile(_number(median, " s"), "中位耗时", "median time", "plain"),
            Tile(_number(p90, " s"), "九成以内", "nine of ten within", "plain"),
        ]
    )
    if not counted:
        return numbers
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:12]
    head = (("次数", "cycles"), ("降级运行", "what cycles had to do without"))
    return numbers + table(head, [(str(n), line) for line, n in ranked], escaped=False)


def _quantiles(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """10, 50 and 90 %, NaN where there are none."""
    if not len(values):
        return math.nan, math.nan, math.nan
    low, middle, high = np.quantile(values, (0.1, 0.5, 0.9))
    return float(low), float(middle), float(high)


def _percent(share: float) -> str:
    return "—" if math.isnan(share) else f"{100 * share:.0f} %"


def _number(value: float, unit: str = "", digits: int = 0) -> str:
    return "—" if math.isnan(value) else f"{value:.{digits}f}{unit}"


def _plain(value: Any) -> Any:
    """Floats rounded to six places and NaN as null, all the way down."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 6)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
