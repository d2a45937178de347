"""An export as CSV: one row a value, for spreadsheets and scripts."""

import csv
from io import StringIO

import numpy as np
from numpy.typing import NDArray

from jinghu.export_series import OneSeries, cautions, series_of
from jinghu.flow_export import FlowExport
from jinghu.grid.times import isoformat

COLUMNS = (
    "要素 quantity",
    "编号 id",
    "站码 station",
    "名称 name_zh",
    "英文名 name_en",
    "世界时 time_utc",
    "数值 value",
    "单位 unit",
    "分位 quantile",
    "成员 member",
)


def to_csv(export: FlowExport) -> bytes:
    """Write an export as UTF-8 with a byte order mark, which spreadsheets need for Chinese.

    Lines that begin with ``#`` say what the numbers are and rest on. A missing value is empty;
    quantile and member are empty in the rows of the forecast itself.
    """
    out = StringIO(newline="")
    for zh, en in cautions(export):
        out.write(f"# {zh} / {en}\n")
    out.write(f"# 起报时间 analysis time {isoformat(export.time)}\n")
    out.write(f"# 地形 terrain: {export.terrain_source}\n")
    for line in _past(export):
        out.write(f"# {line}\n")
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for one in series_of(export):
        quantile = "" if one.quantile is None else f"{one.quantile:g}"
        member = "" if one.member is None else str(one.member)
        for time, value in zip(_clock(one.times), one.values, strict=True):
            text = f"{value:.3f}" if np.isfinite(value) else ""
            rows.writerow((*_head(one), time, text, one.quantity.unit, quantile, member))
    return out.getvalue().encode("utf-8-sig")


def _head(one: OneSeries) -> tuple[str, ...]:
    label = f"{one.quantity.zh} {one.quantity.variable}"
    return label, one.id, one.station, one.name_zh, one.name_en


def _clock(times: NDArray[np.datetime64]) -> list[str]:
    return [f"{text}Z" for text in np.datetime_as_string(times, unit="s")]


def _past(export: FlowExport) -> list[str]:
    """Rain that has fallen on each catchment, which is no series."""
    if "areal_rainfall_past" not in export.data:
        return []
    data = export.data
    hours = [int(h) for h in data["window"].values]
    found = []
    for k, name in enumerate(data["basin_name_zh"].values):
        fallen = data["areal_rainfall_past"].values[:, k]
        told = [f"{h} h {mm:.1f}" for h, mm in zip(hours, fallen, strict=True) if np.isfinite(mm)]
        if told:
            found.append(f"已降面雨量 past areal rain (mm) {name}: {', '.join(told)}")
    return found
