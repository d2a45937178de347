"""The page of a drill for its debriefing: one HTML file that stands alone, Chinese first."""

import math
from collections.abc import Sequence
from html import escape
from itertools import pairwise

import numpy as np

from jinghu.drill_page import Tile, bars, cell_map, page, section, table, tiles
from jinghu.drill_report import CycleTime, DrillResult, GaugeRow, quantiles
from jinghu.drill_score import CellScores
from jinghu.drill_skill import SkillRow
from jinghu.grid.times import BEIJING, parse_cycle_name

_LEAD_BINS_MIN = (0, 15, 30, 60, 90, 120, 181)
_LINES = 25  # degradations on the page; the JSON has all
_PLACES = (("学校", "schools"), ("在建工地", "construction sites"))


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
            section("人", "People", _people(result)),
            section("河道洪水", "Floods of rivers", _rivers(result)),
            section("降雨预报", "Forecast of rain", _skill(result.skill)),
            section("循环", "Cycles", _cycles(result.cycles)),
        ],
    )


def _glance(result: DrillResult) -> str:
    cells, people = result.cells, result.people
    danger = people.residents_in_time + people.residents_late + people.residents_not
    median = quantiles(cells.lead_min)[1]
    slowest = max((c.seconds for c in result.cycles), default=math.nan)
    return tiles(
        [
            Tile(_percent(cells.detected), "险情格及时预警", "cells in danger warned", "good"),
            Tile(_number(median, " min"), "预见期中位数", "median lead time", "good"),
            Tile(_percent(cells.false_alarm_ratio), "空报率", "false alarm ratio", "warn"),
            Tile(f"{people.residents_in_time:,}", "人及时得知", f"of {danger:,} in danger", "good"),
            Tile(f"{people.residents_not:,}", "人未得知", "in danger, not told",
                 "bad" if people.residents_not else "good"),
            Tile(_number(slowest, " s"), "最慢循环", "slowest cycle", "plain"),
        ]
    )  # fmt: skip


def _cells(result: DrillResult) -> str:
    counted = "".join(_verdicts(result.cells, "格数 Cells"))
    early = ""
    if result.before:
        early = (
            f"<p>另有 {result.before} 格在首次循环前已达险情，不计。 {result.before} more cells"
            " were in danger before the first cycle and are left out.</p>"
        )
    return f'<div class="two"><div>{counted}{early}</div>{cell_map(result.outcome)}</div>'


def _verdicts(scores: CellScores, caption: str) -> tuple[str, str]:
    """Bars of what became of cells or reaches, and of the lead times of the hits."""
    counts = [
        ("命中 hit", scores.hits, "hit"),
        ("偏晚 late", scores.late, "late"),
        ("漏报 missed", scores.misses, "miss"),
        ("空报 false alarm", scores.false_alarms, "alarm"),
    ]
    edges = _LEAD_BINS_MIN
    found, _ = np.histogram(scores.lead_min, [*edges[:-1], np.inf])
    names = [f"{a}–{b}" for a, b in pairwise(edges[:-1])] + [f"≥ {edges[-2]}"]
    lead = bars(
        list(zip(names, (int(n) for n in found), strict=True)),
        "预见期（分钟） Lead time in minutes",
    )
    counted = bars([(name, n) for name, n, _ in counts], caption, [c for *_, c in counts])
    return counted, lead


def _people(result: DrillResult) -> str:
    people = result.people
    rows = [
        ("险情发生前得知", "told before the danger", people.in_time, people.residents_in_time),
        ("险情发生后才得知", "told after it began", people.late, people.residents_late),
        ("身处险情未得知", "in danger, not told", people.not_told, people.residents_not),
        ("无险情却被告知", "told needlessly", people.needlessly, people.residents_needlessly),
    ]
    kinds = [words for words, _ in zip(_PLACES, result.places, strict=False)]
    head = (("", ""), ("网格员", "grid officers"), ("居民", "residents"), *kinds)
    body = [
        (f"{zh}<small>{en}</small>", f"{n:,}", f"{m:,}", *(f"{row[k]:,}" for row in result.places))
        for k, (zh, en, n, m) in enumerate(rows)
    ]
    answers = tiles(
        [
            Tile(f"{result.told:,}", "各级责任人被告知", "persons of all roles told", "plain"),
            Tile(f"{result.answered:,}", "已回执", "answered", "good"),
            Tile(f"{people.escalated:,}", "网格员超时升级", "officers' tasks escalated", "warn"),
        ]
    )
    return table(head, body) + answers


def _rivers(result: DrillResult) -> str:
    rows = [row for row in result.gauges if row.flood is not None or row.warned]
    if not rows:
        return "<p>无河段达到洪水流量，亦无误报。 No gauge flooded, and none was said to.</p>"
    head = (
        ("水文站", "gauge"),
        ("洪水流量", "flood from"),
        ("洪峰真值", "true peak"),
        ("出现时间", "flood begins"),
        ("预见期", "lead"),
    )
    gauges = table(head, [_gauge(row) for row in rows])
    counted, lead = _verdicts(result.reaches, "河段 Reaches")
    return f'<div class="two">{counted}{lead}</div>{gauges}'


def _gauge(row: GaugeRow) -> tuple[str, ...]:
    begins = "—" if row.flood is None else f"{row.flood.astimezone(BEIJING):%H:%M}"
    if row.flood is None:
        lead = "空报 false alarm"
    elif row.lead_min is None:
        lead = "漏报 missed"
    elif row.lead_min <= 0:
        lead = "偏晚 late"
    else:
        lead = f"{row.lead_min:.0f} min"
    name = f"{escape(row.name_zh)}<small>{escape(row.name_en)}</small>"
    return name, f"{row.flood_m3s:,.0f} m³/s", f"{row.peak_m3s:,.0f} m³/s", begins, lead


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
    _, median, p90 = quantiles(seconds)
    held: dict[str, list[int]] = {}
    for number, cycle in enumerate(cycles):
        for line in dict.fromkeys(cycle.degradations):
            held.setdefault(line, []).append(number)
    numbers = tiles(
        [
            Tile(str(len(cycles)), "次循环", "cycles", "plain"),
            Tile(_number(median, " s"), "中位耗时", "median time", "plain"),
            Tile(_number(p90, " s"), "九成以内", "nine of ten within", "plain"),
        ]
    )
    if not held:
        return numbers
    ranked = sorted(held.items(), key=lambda item: (-len(item[1]), item[0]))[:_LINES]
    head = (("循环", "cycles (UTC)"), ("降级运行", "what cycles had to do without"))
    body = [(_when(cycles, found), line) for line, found in ranked]
    return numbers + table(head, body, escaped=False)


def _when(cycles: Sequence[CycleTime], numbers: Sequence[int]) -> str:
    """Cycles in words: their number, and from when to when without a gap."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and runs[-1][1] == number - 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    times = [parse_cycle_name(cycle.cycle) for cycle in cycles]
    spans = [
        f"{times[a]:%H:%M}" if a == b else f"{times[a]:%H:%M}–{times[b]:%H:%M}" for a, b in runs[:4]
    ]
    more = " …" if len(runs) > 4 else ""
    return f"{len(numbers)}: {', '.join(spans)}{more}"


def _percent(share: float) -> str:
    return "—" if math.isnan(share) else f"{100 * share:.0f} %"


def _number(value: float, unit: str = "", digits: int = 0) -> str:
    return "—" if math.isnan(value) else f"{value:.{digits}f}{unit}"
