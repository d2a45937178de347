"""The charts of a verification: each an SVG by the name of its file."""

from collections.abc import Iterator, Mapping

import numpy as np
import xarray as xr

from jinghu.grid.score_sums import diagram, roc, scores
from jinghu.svg_charts import COLOURS, GREY, Axes, Bars, Line, bar_chart, line_chart, tile_map
from jinghu.verify import PERSISTENCE, Verification
from jinghu.verify_tables import by_place, lead_nearest, totals

_MINUTE = np.timedelta64(1, "m")
_LEAD = "时效 lead, min"
_YES_NO = (
    ("csi", "CSI 临界成功指数", 1.0),
    ("pod", "POD 命中率", 1.0),
    ("far", "FAR 空报率", 1.0),
)
RANK_LEADS = (30.0, 60.0, 120.0)
LOOKED_AT = 60.0  # minutes of the charts of one lead


def colour_of(found: Verification) -> dict[str, str]:
    """Colour of each system; persistence is grey."""
    names = [name for name in found.sums if name != PERSISTENCE]
    return {n: COLOURS[k % len(COLOURS)] for k, n in enumerate(names)} | {PERSISTENCE: GREY}


def charts(found: Verification) -> dict[str, str]:
    """All charts as SVG: ``csi_1mm``, ``fss_1mm``, ``crps``, ``spread``, ``ranks_NAME`` .."""
    sums = totals(found)
    each = {name: scores(one) for name, one in sums.items()}
    drawn: dict[str, str] = {}
    for limit in found.params.thresholds_mm_h:
        drawn |= dict(_by_lead(each, limit, found))
        drawn |= dict(_by_scale(each, limit, found))
        drawn |= dict(_of_probabilities(sums, limit, found))
    drawn["crps"] = _lines(each, "mean_crps", Axes("CRPS", _LEAD, "mm/h"), found)
    drawn |= dict(_spread(each, found)) | dict(_ranks(sums, found)) | dict(_places(found))
    return drawn


def file_part(limit: float) -> str:
    """Threshold in names of files."""
    return f"{limit:g}mm"


def _by_lead(
    each: Mapping[str, xr.Dataset], limit: float, found: Verification
) -> Iterator[tuple[str, str]]:
    at = {name: one.sel(rate_threshold=limit) for name, one in each.items()}
    for score, words, most in _YES_NO:
        axes = Axes(f"{words} · ≥ {limit:g} mm/h", _LEAD, score.upper(), y_range=(0.0, most))
        yield f"{score}_{file_part(limit)}", _lines(at, score, axes, found)


def _lines(each: Mapping[str, xr.Dataset], score: str, axes: Axes, found: Verification) -> str:
    colours = colour_of(found)
    lines = [
        Line(name, one["lead_time"].values / _MINUTE, one[score].values, colours[name],
             dashed=name == PERSISTENCE)
        for name, one in each.items() if score in one
    ]  # fmt: skip
    return line_chart(lines, axes)


def _by_scale(
    each: Mapping[str, xr.Dataset], limit: float, found: Verification
) -> Iterator[tuple[str, str]]:
    lead, colours = lead_nearest(found.sums, LOOKED_AT), colour_of(found)
    lines = []
    for name, one in each.items():
        of = one["fss"].sel(rate_threshold=limit, lead_time=lead)
        lines.append(Line(name, of["scale"].values, of.values, colours[name], name == PERSISTENCE))
    minutes = lead / _MINUTE
    title = f"FSS 分数技巧 · ≥ {limit:g} mm/h · +{minutes:g} min"
    axes = Axes(title, "邻域 scale, km", "FSS", y_range=(0.0, 1.0), log_x=True)
    yield f"fss_{file_part(limit)}", line_chart(lines, axes)


def _of_probabilities(
    sums: Mapping[str, xr.Dataset], limit: float, found: Verification
) -> Iterator[tuple[str, str]]:
    """Reliability diagram and ROC of the systems that say probabilities."""
    lead, colours = lead_nearest(found.sums, LOOKED_AT), colour_of(found)
    has = {
        name: one.sel(rate_threshold=limit, lead_time=lead)
        for name, one in sums.items()
        if "probability_cells" in one
    }
    has = {name: one for name, one in has.items() if float(one["probability_cells"].sum()) > 0}
    if not has:
        return
    when = f"≥ {limit:g} mm/h · +{lead / _MINUTE:g} min"
    straight = np.array([0.0, 1.0])
    same = Line("", straight, straight, GREY, dashed=True, dots=False)
    drawn = {name: diagram(one) for name, one in has.items()}
    first = next(iter(drawn.values()))
    middles = (np.arange(first.sizes["bin"]) + 0.5) / first.sizes["bin"]
    bars = Bars(middles, 0.9 / len(middles), np.nan_to_num(first["cells"].values))
    lines = [Line(n, d["said"].values, d["was"].values, colours[n]) for n, d in drawn.items()]
    axes = Axes(f"可靠性 reliability · {when}", "预报概率 said", "出现频率 was",
                (0.0, 1.0), (0.0, 1.0))  # fmt: skip
    yield f"reliability_{file_part(limit)}", line_chart([same, *lines], axes, bars)
    curves = {name: roc(one) for name, one in has.items()}
    lines = [
        Line(n, c["alarmed"].values, c["detected"].values, colours[n], dots=False)
        for n, c in curves.items()
    ]
    axes = Axes(f"ROC · {when}", "误报率 false detection", "命中率 detection",
                (0.0, 1.0), (0.0, 1.0))  # fmt: skip
    yield f"roc_{file_part(limit)}", line_chart([same, *lines], axes)


def _spread(each: Mapping[str, xr.Dataset], found: Verification) -> Iterator[tuple[str, str]]:
    colours, lines = colour_of(found), []
    for name, one in each.items():
        if "spread" in one:
            minutes = one["lead_time"].values / _MINUTE
            lines += [
                Line(f"{name} RMSE", minutes, one["rmse"].values, colours[name]),
                Line("离散度 spread", minutes, one["spread"].values, colours[name], dashed=True),
            ]
    if lines:
        yield "spread", line_chart(lines, Axes("离散度与误差 spread and error", _LEAD, "mm/h"))


def _ranks(sums: Mapping[str, xr.Dataset], found: Verification) -> Iterator[tuple[str, str]]:
    leads = dict.fromkeys(lead_nearest(found.sums, m) for m in RANK_LEADS)
    for name, one in sums.items():
        if "rank_count" not in one:
            continue
        groups = []
        for lead, colour in zip(leads, COLOURS, strict=False):
            count = one["rank_count"].sel(lead_time=lead).values
            share = count / count.sum() * count.size if count.sum() > 0 else count * np.nan
            groups.append((f"+{lead / _MINUTE:g} min", share, colour))
        axes = Axes(f"秩直方图 ranks · {name}", "实况在成员中的名次 rank", "相对均匀 1 = flat")
        yield f"ranks_{name}", bar_chart(groups, axes)


def _places(found: Verification) -> Iterator[tuple[str, str]]:
    """CSI of tiles at the threshold next to 1 mm/h, of each system."""
    lead = lead_nearest(found.sums, LOOKED_AT)
    limits = np.array(found.params.thresholds_mm_h)
    limit = float(limits[np.abs(limits - 1.0).argmin()])
    for name, one in by_place(found).items():
        csi = one["csi"].sel(lead_time=lead, rate_threshold=limit)
        if csi.size > 1:
            title = f"{name} · CSI ≥ {limit:g} mm/h · +{lead / _MINUTE:g} min"
            yield f"places_{name}", tile_map(csi.values, title, best=0.8)
