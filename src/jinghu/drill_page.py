"""Parts of the report's page: tiles, tables, bars and a map, as HTML and SVG without scripts."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

_STYLE = """
:root { --ink: #14212b; --soft: #5b6b78; --line: #d9e0e6; --paper: #fff; --tint: #f4f7f9;
  --good: #14763f; --warn: #a65a00; --bad: #b3261e; --blue: #1f5fa8; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1200px; padding: 32px; background: var(--paper);
  color: var(--ink); font: 18px/1.5 "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC",
  system-ui, sans-serif; font-variant-numeric: tabular-nums; }
header { border-bottom: 4px solid var(--blue); padding-bottom: 16px; }
h1 { margin: 0; font-size: 38px; line-height: 1.2; }
h2 { margin: 36px 0 12px; font-size: 25px; }
h2 small, header p { color: var(--soft); font-weight: 400; }
h2 small { margin-left: 10px; font-size: 17px; }
header p { margin: 4px 0 0; }
.mark { float: right; border: 2px solid var(--bad); color: var(--bad); border-radius: 6px;
  padding: 2px 12px; font-weight: 700; }
.tiles { display: grid; grid-template-columns: repeat(3, 1fr); gap: 14px; margin: 14px 0; }
.tile { background: var(--tint); border-left: 6px solid var(--soft); border-radius: 4px;
  padding: 12px 16px; }
.tile b { display: block; font-size: 40px; line-height: 1.15; }
.tile span { font-size: 19px; } .tile small { color: var(--soft); display: block; }
.good { border-color: var(--good); } .good b { color: var(--good); }
.warn { border-color: var(--warn); } .warn b { color: var(--warn); }
.bad { border-color: var(--bad); } .bad b { color: var(--bad); }
table { border-collapse: collapse; width: 100%; margin: 8px 0; }
th, td { border-bottom: 1px solid var(--line); padding: 7px 12px; text-align: right; }
th:first-child, td:first-child, th:last-child:nth-child(2), td:last-child:nth-child(2) {
  text-align: left; }
th { color: var(--soft); font-weight: 600; } td small { color: var(--soft); margin-left: 10px; }
.two { display: grid; grid-template-columns: 1fr 1fr; gap: 28px; align-items: start; }
figure { margin: 0 0 20px; } figcaption { color: var(--soft); margin-bottom: 6px; }
svg { width: 100%; height: auto; display: block; } svg text { font-size: 15px; fill: var(--ink); }
.legend span { margin-right: 16px; white-space: nowrap; }
.legend i { display: inline-block; width: 14px; height: 14px; margin-right: 6px; }
footer { margin-top: 36px; border-top: 1px solid var(--line); padding-top: 10px;
  color: var(--soft); font-size: 15px; }
@media (max-width: 700px) { .two, .tiles { grid-template-columns: 1fr; } body { padding: 16px; } }
@page { size: A4; margin: 14mm; }
@media print { body { max-width: none; padding: 0; font-size: 11pt; }
  h1 { font-size: 22pt; } h2 { font-size: 15pt; margin-top: 16pt; break-after: avoid; }
  .tile b { font-size: 22pt; } .tile span { font-size: 11pt; } .tile, figure, tr {
  break-inside: avoid; } * { print-color-adjust: exact; -webkit-print-color-adjust: exact; } }
"""
# Colours of outcomes: told apart by the colour-blind too (after Okabe and Ito 2008).
_OUTCOMES = (
    ("outside", "", "none"),
    ("quiet", "", "#e6ebef"),
    ("hit", "命中 hit", "#009e73"),
    ("late", "偏晚 late", "#e69f00"),
    ("miss", "漏报 missed", "#b3261e"),
    ("alarm", "空报 false alarm", "#56b4e9"),
    ("before", "演练前已达险情 in danger before", "#7d8891"),
)
_COLOUR = {name: colour for name, _, colour in _OUTCOMES}
_BAR = "#1f5fa8"
_FOOT = (
    "雨、水、人均为模拟生成，真值已知；本报告不含任何真实人员信息。 Rain, water and people are "
    "simulated and their truth is known; nobody in this report exists."
)


@dataclass(frozen=True, slots=True)
class Tile:
    """One large number and its words; ``kind`` is good, warn, bad or plain."""

    value: str
    zh: str
    en: str
    kind: str


def page(
    title_zh: str,
    title_en: str,
    line: str,
    sections: Sequence[str],
    *,
    mark: str = "演练 EXERCISE",
    foot: str = _FOOT,
    style: str = "",
) -> str:
    """Return the whole page; other pages than a drill's have another mark, foot and more style."""
    stamp = f'<span class="mark">{escape(mark)}</span>' if mark else ""
    return (
        '<!doctype html>\n<html lang="zh-CN">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title_zh)} {escape(title_en)}</title>\n<style>{_STYLE}{style}</style>\n"
        f"</head>\n<body>\n<header>{stamp}"
        f"<h1>{escape(title_zh)}</h1><p>{escape(title_en)}</p><p>{escape(line)}</p></header>\n"
        f"<main>\n{''.join(sections)}</main>\n"
        f"<footer>{escape(foot)}</footer>\n</body>\n</html>\n"
    )


def section(zh: str, en: str, content: str) -> str:
    """Return one section with its heading."""
    return f"<section><h2>{escape(zh)}<small>{escape(en)}</small></h2>{content}</section>\n"


def tiles(found: Sequence[Tile]) -> str:
    """Return a row of large numbers."""
    each = (
        f'<div class="tile {t.kind}"><b>{escape(t.value)}</b><span>{escape(t.zh)}</span>'
        f"<small>{escape(t.en)}</small></div>"
        for t in found
    )
    return f'<div class="tiles">{"".join(each)}</div>'


def table(
    head: Sequence[tuple[str, str]], body: Sequence[Sequence[str]], *, escaped: bool = True
) -> str:
    """Return a table; the head is Chinese and English.

    Parameters
    ----------
    head
        One pair a column.
    body
        Rows of cells.
    escaped
        Cells are HTML already; false where they are text.
    """
    columns = "".join(f"<th>{escape(zh)} {escape(en)}</th>" for zh, en in head)
    rows = "".join(
        "<tr>" + "".join(f"<td>{c if escaped else escape(c)}</td>" for c in row) + "</tr>"
        for row in body
    )
    return f"<table><thead><tr>{columns}</tr></thead><tbody>{rows}</tbody></table>"


def bars(rows: Sequence[tuple[str, int]], caption: str, kinds: Sequence[str] | None = None) -> str:
    """Return horizontal bars with their numbers.

    Parameters
    ----------
    rows
        Name and number of each bar.
    caption
        Above the bars.
    kinds
        Outcome that gives each bar its colour.
    """
    most = max([n for _, n in rows] + [1])
    drawn = []
    for k, (name, n) in enumerate(rows):
        colour = _BAR if kinds is None else _COLOUR[kinds[k]]
        y, width = 30 * k, 300 * n / most
        drawn.append(
            f'<text x="150" y="{y + 19}" text-anchor="end">{escape(name)}</text>'
            f'<rect x="160" y="{y + 3}" width="{width:.1f}" height="22" fill="{colour}"/>'
            f'<text x="{166 + width:.1f}" y="{y + 19}">{n:,}</text>'
        )
    return (
        f"<figure><figcaption>{escape(caption)}</figcaption>"
        f'<svg viewBox="0 0 540 {30 * len(rows)}" role="img">{"".join(drawn)}</svg></figure>'
    )


def cell_map(outcome: NDArray[np.uint8]) -> str:
    """Return a map of outcomes, cropped to where the office warns; row 0 is the southernmost."""
    known = np.argwhere(outcome > 0)
    if not len(known):
        return "<p>无预警范围 no cell is warned of here</p>"
    (south, west), (north, east) = known.min(axis=0), known.max(axis=0) + 1
    inside = outcome[south:north, west:east][::-1]
    runs = [
        f'<rect x="{a}" y="{row}" width="{b - a}" height="1" fill="{_OUTCOMES[kind][2]}"/>'
        for row, kinds in enumerate(inside)
        for a, b, kind in _runs(kinds)
        if kind
    ]
    legend = "".join(
        f'<span><i style="background:{colour}"></i>{words}</span>'
        for _, words, colour in _OUTCOMES[2:]
    )
    return (
        "<figure><figcaption>每一格的结果 What became of each cell</figcaption>"
        f'<svg viewBox="0 0 {inside.shape[1]} {inside.shape[0]}" shape-rendering="crispEdges" '
        f'role="img">{"".join(runs)}</svg><p class="legend">{legend}</p></figure>'
    )


def _runs(kinds: NDArray[np.uint8]) -> list[tuple[int, int, int]]:
    """Runs of equal values in a row: from, to, value."""
    ends = [*(np.flatnonzero(np.diff(kinds.astype(int))) + 1), len(kinds)]
    starts = [0, *ends[:-1]]
    return [(int(a), int(b), int(kinds[a])) for a, b in zip(starts, ends, strict=True)]
