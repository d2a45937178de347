"""The report of a verification: one HTML file that stands alone, Chinese first."""

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np
import xarray as xr

from jinghu.drill_page import Tile, page, section, table, tiles
from jinghu.grid.score_sums import scores
from jinghu.grid.times import BEIJING, from_numpy
from jinghu.rain_pictures import breaks, data_uri, rain_png
from jinghu.verify import PERSISTENCE, Example, Verification
from jinghu.verify_plots import LOOKED_AT, file_part
from jinghu.verify_tables import Difference, differences, lead_nearest, table_leads, totals

_MINUTE = np.timedelta64(1, "m")
_FRAMES, _SECONDS = 16, 0.8  # of the animation
_STYLE = """
.charts { display: grid; grid-template-columns: repeat(3, 1fr); gap: 18px; }
.charts.two { grid-template-columns: repeat(2, 1fr); max-width: 900px; }
.film { position: relative; }
.film figure { margin: 0; }
.film figure + figure { position: absolute; inset: 0; }
.film figure { opacity: 0; animation: film linear infinite; background: #fff; }
.film .pair { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; }
.film img { width: 100%; image-rendering: pixelated; border: 1px solid var(--line); }
.film figcaption b { color: var(--ink); }
td.best { font-weight: 700; color: var(--good); }
tr.head td { background: var(--tint); text-align: left; font-weight: 600; }
.note { color: var(--soft); font-size: 16px; }
@media (max-width: 900px) { .charts, .charts.two { grid-template-columns: 1fr; } }
@media print { .film figure { animation: none; } .film figure.still { opacity: 1; } }
@media (prefers-reduced-motion: reduce) { .film figure { animation: none; }
  .film figure.still { opacity: 1; } }
"""
_FOOT = (
    "所有系统在同一批格点、时次和时效上评分；分数由各次计数之和求得，不是各次分数的平均。 "
    "All systems are scored over the same cells, issue times and leads; scores are taken of "
    "sums, they are no means of scores. Formulas: Wilks 2011; Roberts & Lean 2008; Gneiting & "
    "Raftery 2007; Fortin et al. 2014."
)


def report_html(found: Verification, charts: Mapping[str, str]) -> str:
    """Return the report as one HTML page."""
    times = [
        from_numpy(t).astimezone(BEIJING) for t in found.sums[PERSISTENCE]["issue_time"].values
    ]
    span = f"{times[0]:%Y-%m-%d %H:%M}"
    if len(times) > 1:
        span += f" – {times[-1]:%Y-%m-%d %H:%M}"
    n = len(times)
    line = f"起报 issued {span} 北京时 UTC+8 · {n} 次 issue {'time' if n == 1 else 'times'}"
    apart = differences(found)
    sections = [
        section("一眼看清", "At a glance", _glance(found, apart)),
        section("预报与实况", "Forecast beside observation", _film(found.example)),
        section("有无降雨", "Yes or no, by lead and threshold", _yes_no(found, charts)),
        section("空间尺度", "By scale: fractions skill score", _group(charts, "fss_")),
        section("概率与集合", "Probabilities and ensembles", _laws(found, charts)),
        section("分区", "By place", _wide(charts, "places_")),
        section("成对比较", "Paired differences", _differences(found, apart)),
        section("说明", "What this rests on", _notes(found)),
    ]
    return page(
        "降雨预报检验", "Verification of rain forecasts", line, sections, mark="", foot=_FOOT,
        style=_STYLE,
    )  # fmt: skip


def _glance(found: Verification, apart: Sequence[Difference]) -> str:
    """Score of the first system beside persistence, and whether the difference is sure."""
    name = next(iter(found.sums))
    lead = lead_nearest(found.sums, LOOKED_AT)
    minutes = lead / _MINUTE
    each = {n: scores(s).sel(lead_time=lead) for n, s in totals(found).items()}
    shown = []
    for limit in _main_limits(found):
        csi = {n: float(one["csi"].sel(rate_threshold=limit)) for n, one in each.items()}
        sure = next(
            (d for d in apart
             if (d.system, d.other, d.score) == (name, PERSISTENCE, "csi")
             and (d.lead_min, d.threshold_mm_h) == (minutes, limit)), None,
        )  # fmt: skip
        shown.append(
            Tile(
                _number(csi[name]),
                f"CSI ≥ {limit:g} mm/h，+{minutes:g} 分钟",
                f"{name}; persistence {_number(csi[PERSISTENCE])}{_sureness(sure)}",
                _kind(csi[name], csi[PERSISTENCE]),
            )
        )
    mine, theirs = (float(each[n]["mean_crps"]) for n in (name, PERSISTENCE))
    shown.append(
        Tile(f"{mine:.3f}", f"CRPS mm/h，+{minutes:g} 分钟",
             f"{name}; persistence {theirs:.3f}", _kind(theirs, mine))
    )  # fmt: skip
    return tiles(shown)


def _sureness(one: Difference | None) -> str:
    if one is None or np.isnan(one.low):
        return ""
    return f"; {one.value:+.3f} ({one.low:+.3f} to {one.high:+.3f})"


def _kind(mine: float, theirs: float) -> str:
    if np.isnan(mine) or np.isnan(theirs):
        return "plain"
    return "good" if mine >= theirs else "bad"


def _main_limits(found: Verification) -> list[float]:
    """Light and heavy rain: the thresholds next to 1 and 5 mm/h."""
    limits = np.array(found.params.thresholds_mm_h)
    return list(dict.fromkeys(float(limits[np.abs(limits - v).argmin()]) for v in (1.0, 5.0)))


def _yes_no(found: Verification, charts: Mapping[str, str]) -> str:
    drawn = "".join(
        _group(charts, f"{score}_{file_part(limit)}", exact=True)
        for limit in found.params.thresholds_mm_h
        for score in ("csi", "pod", "far")
    )
    return f'<div class="charts">{drawn}</div>' + _score_table(found)


def _score_table(found: Verification) -> str:
    """CSI of all systems by threshold and lead, with POD, FAR and bias; the best is marked."""
    each = {name: scores(sums) for name, sums in totals(found).items()}
    names = ("csi", "pod", "far", "frequency_bias")
    head = "<tr><th>阈值 threshold</th><th>时效 lead</th><th>系统 system</th>" + "".join(
        f"<th>{words}</th>" for words in ("CSI", "POD", "FAR", "偏差 bias")
    )
    body = []
    for limit in found.params.thresholds_mm_h:
        for lead in table_leads(found):
            at = {n: one.sel(rate_threshold=limit, lead_time=lead) for n, one in each.items()}
            csi = {n: float(one["csi"]) for n, one in at.items()}
            best = max((v for v in csi.values() if np.isfinite(v)), default=np.nan)
            for k, (name, one) in enumerate(at.items()):
                first = (f"{limit:g} mm/h", f"+{lead / _MINUTE:g} min") if k == 0 else ("", "")
                cells = "".join(f"<td>{text}</td>" for text in (*first, escape(name)))
                for score in names:
                    mark = ' class="best"' if score == "csi" and csi[name] == best else ""
                    cells += f"<td{mark}>{_number(float(one[score]))}</td>"
                body.append(f"<tr>{cells}</tr>")
    return (
        "<details><summary>数表 table</summary><table><thead>"
        f"{head}</tr></thead><tbody>{''.join(body)}</tbody></table></details>"
    )


def _laws(found: Verification, charts: Mapping[str, str]) -> str:
    names = ["crps", *(n for n in charts if n == "spread"), *(n for n in charts
             if n.startswith("ranks_"))]  # fmt: skip
    drawn = "".join(_group(charts, name, exact=True) for name in names)
    found_probabilities = [n for n in charts if n.startswith(("reliability_", "roc_"))]
    # One threshold is a row: its reliability beside its ROC.
    pairs = "".join(_group(charts, name, exact=True) for name in found_probabilities)
    text = f'<div class="charts">{drawn}</div>'
    if not pairs:
        return text + '<p class="note">无概率预报。 No probabilities were forecast.</p>'
    return text + f'<div class="charts two">{pairs}</div>' + _probability_table(found)


def _probability_table(found: Verification) -> str:
    head = (("系统", "system"), ("阈值", "threshold"), ("时效", "lead"), ("频率", "frequency"),
            ("Brier", ""), ("Brier 技巧", "skill"), ("可靠性×100", "unreliability"),
            ("ROC 面积", "area"))  # fmt: skip
    body = []
    for name, sums in totals(found).items():
        if "probability_cells" not in sums:
            continue
        each = scores(sums)
        for limit in found.params.thresholds_mm_h:
            for lead in table_leads(found):
                one = each.sel(rate_threshold=limit, lead_time=lead)
                if np.isnan(float(one["brier"])):
                    continue
                body.append(
                    (name, f"{limit:g} mm/h", f"+{lead / _MINUTE:g} min",
                     f"{float(one['observed_frequency']):.4f}", f"{float(one['brier']):.4f}",
                     _number(float(one["brier_skill"])), f"{100 * float(one['reliability']):.3f}",
                     _number(float(one["roc_area"])))
                )  # fmt: skip
    return f"<details><summary>数表 table</summary>{table(head, body, escaped=False)}</details>"


def _differences(found: Verification, apart: Sequence[Difference]) -> str:
    """Differences at the leads of the tables; surely better or worse ones are coloured."""
    minutes = {float(lead / _MINUTE) for lead in table_leads(found)}
    scale = min((d.scale_km for d in apart if d.score == "fss"), default=np.nan,
                key=lambda km: abs(km - 10.0))  # fmt: skip
    limits = set(_main_limits(found))
    body = []
    for one in apart:
        if one.lead_min not in minutes or (one.score == "fss" and one.scale_km != scale):
            continue
        if not np.isnan(one.threshold_mm_h) and one.threshold_mm_h not in limits:
            continue
        words = one.score.upper().removeprefix("MEAN_")
        if not np.isnan(one.threshold_mm_h):
            words += f" ≥ {one.threshold_mm_h:g} mm/h"
        if one.score == "fss":
            words += f", {scale:g} km"
        body.append(
            (
                f"{escape(one.system)} − {escape(one.other)}",
                words,
                f"+{one.lead_min:g} min",
                _coloured(one),
                "—" if np.isnan(one.low) else f"{one.low:+.3f} … {one.high:+.3f}",
            )
        )
    if not body:
        return "<p>无可比较者。 Nothing to compare.</p>"
    head = (("系统", "systems"), ("分数", "score"), ("时效", "lead"), ("差", "difference"),
            ("5–95 %", "of issue times drawn anew"))  # fmt: skip
    few = found.sums[PERSISTENCE].sizes["issue_time"] < 3
    note = "不足 3 个起报时次，不给区间。 Fewer than three issue times: no interval." if few else (
        "绿：区间全在较好一侧；红：全在较差一侧。相邻起报时次彼此相关，区间偏窄。 "
        "Green or red: the whole interval is better or worse. Issue times close to one another "
        "are alike, so that intervals are rather too narrow."
    )  # fmt: skip
    return f'<p class="note">{note}</p>' + table(head, body)


def _coloured(one: Difference) -> str:
    better = -1.0 if one.score in ("mean_crps", "brier") else 1.0
    text = f"{one.value:+.4f}" if one.score == "brier" else f"{one.value:+.3f}"
    if np.isnan(one.low) or one.low <= 0 <= one.high:
        return text
    kind = "good" if better * one.low > 0 else "bad"
    return f'<b style="color:var(--{kind})">{text}</b>'


def _film(example: Example) -> str:
    """Frames of the forecast and of what came, one after the other without a script."""
    take = np.unique(np.linspace(0, len(example.lead_min) - 1, _FRAMES).round().astype(int))
    minutes = np.array(example.lead_min)
    still = int(np.abs(minutes[take] - LOOKED_AT).argmin())
    whole = _SECONDS * len(take)
    share = 100.0 / len(take)
    frames = []
    for k, at in enumerate(take):
        valid = from_numpy(example.issued + np.timedelta64(round(minutes[at] * 60), "s"))
        pictures = "".join(
            f'<div><img src="{data_uri(rain_png(field[at]))}" alt="{alt}"></div>'
            for field, alt in ((example.forecast, "forecast"), (example.observed, "observation"))
        )
        # Negative delays: each frame is in its turn from the first moment on.
        delay = _SECONDS * k - whole
        frames.append(
            f'<figure class="{"still" if k == still else ""}" style="animation-duration:{whole:g}s;'
            f'animation-delay:{delay:g}s"><figcaption><b>+{minutes[at]:g} min</b> · '
            f"{valid.astimezone(BEIJING):%Y-%m-%d %H:%M} 北京时 · 左：预报 left: "
            f"{escape(example.system)} · 右：实况 right: observation</figcaption>"
            f'<div class="pair">{pictures}</div></figure>'
        )
    keys = (
        f"<style>@keyframes film {{ 0%, {share:.3f}% {{ opacity: 1; }} "
        f"{share + 0.001:.3f}%, 100% {{ opacity: 0; }} }}</style>"
    )
    return f'{keys}<div class="film">{"".join(frames)}</div>{_legend()}'


def _legend() -> str:
    each = "".join(
        f'<span><i style="background:{one.colour}"></i>≥ {one.lower:g}</span>' for one in breaks()
    )
    missing = '<span><i style="background:#b9c0c6"></i>缺测 missing</span>'
    return f'<p class="legend note">mm/h {each}{missing}</p>'


def _group(charts: Mapping[str, str], start: str, exact: bool = False) -> str:
    """Charts whose names begin so, or the one of that name without a frame around it."""
    if exact:
        return f"<div>{charts[start]}</div>"
    each = "".join(f"<div>{svg}</div>" for name, svg in charts.items() if name.startswith(start))
    return f'<div class="charts">{each}</div>'


def _wide(charts: Mapping[str, str], start: str) -> str:
    if not any(name.startswith(start) for name in charts):
        return '<p class="note">网格不足两块。 The grid holds a single square of 50 km.</p>'
    words = "每块 50 km；颜色越深越好。 Squares of 50 km; darker is better."
    return f'<p class="note">{words}</p>{_group(charts, start)}'


def _notes(found: Verification) -> str:
    sums: xr.Dataset = found.sums[PERSISTENCE]
    lines = [
        ("实况：" + found.observed, ""),
        (f"格距 {found.cell_km:g} km；{100 * found.known_share:.1f} % 的格点各方皆知，计入评分",
         f"{found.cell_km:g} km; {100 * found.known_share:.1f} % of the cells are known to all and "
         "count"),
        ("集合的“有无”由成员平均判定；单一场的 CRPS 即平均绝对误差",
         "yes or no of an ensemble is that of the mean of its members; CRPS of a single field is "
         "its absolute error"),
        (f"时效 {sums.sizes['lead_time']} 个", f"{sums.sizes['lead_time']} leads"),
        *found.notes,
    ]  # fmt: skip
    each = "".join(f"<li>{escape(zh)}。 {escape(en)}</li>" for zh, en in lines)
    return f"<ul>{each}</ul>"


def _number(value: float) -> str:
    return "—" if np.isnan(value) else f"{value:.3f}"
