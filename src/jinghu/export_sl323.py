"""An export as the forecast tables of the real-time rain and water database (SL 323).

Tables, fields, types and units are those that data dictionaries of databases after SL 323-2011
give; the standard itself was not at hand. What is not certain of them stands in the notes beside
the tables (`_NOTES`).
"""

import csv
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO, StringIO

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.export_series import cautions
from jinghu.flow_export import FlowExport
from jinghu.grid.errors import DataError
from jinghu.grid.times import BEIJING, from_numpy

_CODE = 8  # characters of a station code
_UNIT = 30  # bytes of UNITNAME in GBK
_KEYS = ("STCD", "UNITNAME", "PLCD", "FYMDH", "IYMDH")
_CLOCK = "%Y-%m-%d %H:%M:%S"
_NOTES = """\
说明 Notes
表 tables
  ST_FORECAST_F  水情预报 forecast at river stations
    STCD 测站编码 CHAR(8); UNITNAME 预报单位 CHAR(30); PLCD 方案代码 CHAR(20)
    FYMDH 依据时间; IYMDH 发布时间; YMDH 发生时间
    Z 预报水位 m NUMERIC(7,3); Q 预报流量 m3/s NUMERIC(9,3)
  ST_REGLAT_F  水库调度预报 forecast of reservoirs: 键同上 keys as above
    Z 预报水位 m; W 预报蓄水量 10^6 m3 NUMERIC(9,3); OTQ 预报出流 m3/s
  ST_FORECASTC_F  预报说明 remarks: WNSTATUS 告警状态 (空 empty); COMMENTS 备注 VARCHAR(200)
  时间为北京时间 times are Beijing time (UTC+8); 空值为 NULL, empty = NULL
不确定之处 what is not certain
  字段据公开的数据字典(SL 323-2011 系), 标准原文未核对; 入库前请与本地库结构核对
  fields follow public data dictionaries of SL 323-2011 databases; the standard was not at hand
  时间为北京时间是惯例, 字典未写明 local time is custom; the dictionaries do not say it
  入库流量无确定字段, 未写 reservoir inflow has no field that is certain: left out
  面雨量在 2011 系字典中无预报表, 未写 areal rain has no forecast table there: left out
  分位数与成员无字段, 未写 quantiles and members have no field: left out
  WNSTATUS 的代码未知 the codes of WNSTATUS are not known
"""


@dataclass(frozen=True, slots=True)
class _Place:
    """One station with a code, and the values of its rows by field."""

    code: str
    name: str
    values: dict[str, NDArray[np.float64]]


def to_sl323(export: FlowExport) -> bytes:
    """Write the tables as CSV (UTF-8) and notes into a ZIP archive.

    A station needs a code of 8 characters (column ``station`` of `hydro.gauges`, ``station`` of a
    reservoir); those without one are left out, which the notes name. Levels of a generated terrain
    are left empty: the database has no place to say that they fit no bench mark.

    Raises
    ------
    DataError
        Where no station has a code.
    """
    rivers, without = _coded(export.data, "gauge", {"Z": "water_level", "Q": "gauge_discharge"})
    pools, more = _coded(
        export.data,
        "reservoir",
        {"Z": "reservoir_level", "W": "reservoir_storage", "OTQ": "reservoir_outflow"},
    )
    if not (rivers or pools):
        raise DataError(
            "SL 323",
            f"no station has a code of {_CODE} characters: give them in the column station of"
            " hydro.gauges and as station of the reservoirs",
        )
    if export.terrain_generated:
        for place in rivers:
            place.values["Z"][:] = np.nan
    for place in pools:
        place.values["W"] /= 1e6
    times = [_local(from_numpy(t)) for t in export.data["time"].values]
    tables = {
        "ST_FORECAST_F": (("YMDH", "Z", "Q"), _rows(rivers, times)),
        "ST_REGLAT_F": (("YMDH", "Z", "W", "OTQ"), _rows(pools, times)),
        "ST_FORECASTC_F": (("WNSTATUS", "COMMENTS"), _comments([*rivers, *pools], export)),
    }
    notes = _NOTES + "".join(f"无站码, 未写 no code, left out: {n}\n" for n in [*without, *more])
    notes += "".join(f"{zh} / {en}\n" for zh, en in cautions(export))
    keys = (_unit(export), plan_code(export), _local(export.time), _local(export.issued))
    out = BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, (fields, rows) in tables.items():
            whole = ((row[0], *keys, *row[1:]) for row in rows)
            archive.writestr(f"{name}.csv", _csv((*_KEYS, *fields), whole))
        archive.writestr("说明_notes.txt", notes.encode("utf-8"))
    return out.getvalue()


def plan_code(export: FlowExport) -> str:
    """Plan code (PLCD): tells drills, tests and generated terrain from a forecast in earnest."""
    if export.status != "Actual":
        return f"JINGHU-{export.status.upper()}"
    return "JH-GENERATED-TERRAIN" if export.terrain_generated else "JINGHU"


def _coded(data: xr.Dataset, kind: str, fields: dict[str, str]) -> tuple[list[_Place], list[str]]:
    """Stations with a code, and names of those without."""
    found: list[_Place] = []
    without: list[str] = []
    for k in range(data.sizes.get(kind, 0)):
        code, name = (str(data[f"{kind}_{n}"].values[k]) for n in ("station", "name_zh"))
        if len(code) != _CODE or not code.isascii():
            without.append(name)
            continue
        values = {f: data[v].values[:, k].astype(np.float64) for f, v in fields.items()}
        found.append(_Place(code, name, values))
    return found, without


def _rows(places: Sequence[_Place], times: Sequence[str]) -> Iterator[tuple[str, ...]]:
    for place in places:
        for row, time in enumerate(times):
            values = (v[row] for v in place.values.values())
            yield (place.code, time, *("" if np.isnan(v) else f"{v:.3f}" for v in values))


def _comments(places: Sequence[_Place], export: FlowExport) -> Iterator[tuple[str, ...]]:
    said = "；".join(zh for zh, _ in cautions(export))
    for place in places:
        yield place.code, "", f"{place.name}：{said}"[:100]  # VARCHAR(200): two bytes a character


def _unit(export: FlowExport) -> str:
    """Forecasting unit, as long as the field."""
    return export.city_zh.encode("gbk", "ignore")[:_UNIT].decode("gbk", "ignore")


def _local(time: datetime) -> str:
    return time.astimezone(BEIJING).strftime(_CLOCK)


def _csv(header: Sequence[str], rows: Iterator[tuple[str, ...]]) -> bytes:
    out = StringIO(newline="")
    table = csv.writer(out, lineterminator="\r\n")
    table.writerow(header)
    table.writerows(rows)
    return out.getvalue().encode("utf-8")
