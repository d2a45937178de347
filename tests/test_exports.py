"""Exports of flows: the numbers of a cycle, read back from each format by readers of our own."""

import csv
import io
import itertools
import zipfile
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import numpy as np
import pytest
import xarray as xr

from jinghu.export_csv import COLUMNS, to_csv
from jinghu.export_netcdf import to_netcdf
from jinghu.export_pi import to_pi_xml
from jinghu.export_sl323 import plan_code, to_sl323
from jinghu.flow_export import FlowExport
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs

TIME = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
TIMES = np.datetime64("2026-06-20T06:00", "ns") + np.arange(4) * np.timedelta64(12, "m")
PI = "{http://www.wldelft.nl/fews/PI}"


def places(kind, codes, names):
    texts = {"id": [f"{kind}-{k}" for k in range(len(names))], "station": codes, "name_zh": names,
             "name_en": [f"{kind} {k}" for k in range(len(names))]}  # fmt: skip
    return {f"{kind}_{n}": (kind, np.array(v, object)) for n, v in texts.items()}


def data(members=False):
    """Two gauges, one reservoir, one catchment; the second gauge has no code."""
    flow = np.array([[10.0, 1], [30, 2], [20, np.nan], [12.5, 4]], np.float32)
    pool = np.array([[100.0], [101], [102], [103]], np.float32)
    river, level = attrs("river_discharge"), attrs("water_level")
    at_gauge, at_pool = ("time", "gauge"), ("time", "reservoir")
    found = xr.Dataset(
        {
            "gauge_discharge": (at_gauge, flow, river),
            "gauge_discharge_lower": (at_gauge, flow * 0.8, river),
            "gauge_discharge_upper": (at_gauge, flow * 1.2, river),
            "water_level": (at_gauge, flow / 10, level),
            "reservoir_inflow": (at_pool, pool / 2, river),
            "reservoir_outflow": (at_pool, pool / 4, river),
            "reservoir_level": (at_pool, pool, level),
            "reservoir_storage": (at_pool, pool * 1e6, {"units": "m3"}),
            "reservoir_free_storage": (at_pool, 2e8 - pool * 1e6, {"units": "m3"}),
            "areal_rainfall": (
                ("rain_time", "basin"),
                np.array([[1.5], [0.0]], np.float32),
                {"units": "mm"},
            ),
            "areal_rainfall_past": (
                ("window", "basin"),
                np.array([[4.0]], np.float32),
                {"units": "mm"},
            ),
        },
        coords={
            "time": TIMES,
            "rain_time": TIMES[:1] + np.array([6, 12]) * np.timedelta64(1, "m"),
            "window": [3],
            **places("gauge", ["70112900", ""], ["嵊州", "上虞"]),
            **places("reservoir", ["70190001"], ["长诏水库"]),
            **places("basin", ["70112900"], ["嵊州以上"]),
            "gauge_lon": ("gauge", [120.83, 120.86]),
            "gauge_lat": ("gauge", [29.6, 30.0]),
        },
        attrs={"terrain_source": "generated from river lines; not a survey"},
    )
    if not members:
        return found
    several = np.stack([flow * k for k in (0.5, 1.0, 2.0)])
    dims = ("member", *at_gauge)
    return found.assign(
        gauge_discharge_member=(dims, several, river),
        gauge_discharge_quantile=(("quantile", *at_gauge), several, river),
    ).assign_coords(quantile=[0.1, 0.5, 0.9], member=range(3))


def export(status="Actual", terrain=None, **how):
    found = data(**how)
    if terrain is not None:
        found = found.assign_attrs(terrain_source=terrain)
    issued = TIME + timedelta(minutes=2)
    return FlowExport("20260620T0600Z", TIME, issued, status, "绍兴市", "Shaoxing", found)


def rows_of(content):
    lines = content.decode("utf-8-sig").splitlines()
    told = [line for line in lines if line.startswith("#")]
    rows = list(csv.reader(lines[len(told) :]))
    return told, rows[0], rows[1:]


def test_csv_has_a_row_a_value_and_says_what_it_rests_on():
    told, header, rows = rows_of(to_csv(export("Exercise")))
    assert tuple(header) == COLUMNS
    assert "演练数据" in told[1]
    assert any("不是实测地形" in line for line in told)
    assert any("已降面雨量" in line and "嵊州以上: 3 h 4.0" in line for line in told)
    flow = [r for r in rows if r[0] == "流量 gauge_discharge" and r[1] == "gauge-0"]
    assert [(r[5], r[6]) for r in flow if not r[8]] == [
        ("2026-06-20T06:00:00Z", "10.000"),
        ("2026-06-20T06:12:00Z", "30.000"),
        ("2026-06-20T06:24:00Z", "20.000"),
        ("2026-06-20T06:36:00Z", "12.500"),
    ]
    assert {r[8] for r in flow} == {"", "0.05", "0.95"}
    silent = [r[6] for r in rows if r[0] == "流量 gauge_discharge" and r[1] == "gauge-1"]
    assert silent[2] == ""
    assert {r[0].split()[0] for r in rows} == {
        "流量", "水位", "入库流量", "出库流量", "库水位", "蓄水量", "剩余库容", "面雨量"
    }  # fmt: skip


def test_netcdf_is_cf_and_holds_members_and_quantiles(tmp_path):
    path = tmp_path / "flows.nc"
    path.write_bytes(to_netcdf(export(members=True)))
    with xr.open_dataset(path) as found:
        assert found.attrs["Conventions"].startswith("CF-1.")
        assert found.attrs["featureType"] == "timeSeries"
        assert "generated" in found.attrs["terrain_source"]
        assert found["gauge_id"].attrs["cf_role"] == "timeseries_id"
        assert found["realization"].attrs["standard_name"] == "realization"
        assert found["gauge_lon"].attrs == {"standard_name": "longitude", "units": "degrees_east"}
        assert found["forecast_reference_time"].values == TIMES[0]
        assert (found["time"].values == TIMES).all()
        assert list(found["gauge_name_zh"].values) == ["嵊州", "上虞"]
        np.testing.assert_array_equal(found["gauge_discharge"], data()["gauge_discharge"])
        assert found["gauge_discharge"].attrs["units"] == "m3 s-1"
        members = found["gauge_discharge_member"]
        assert members.dims == ("realization", "time", "gauge")
        np.testing.assert_array_equal(members[2], 2 * data()["gauge_discharge"])
        assert found["gauge_discharge_quantile"].sizes["quantile"] == 3


# Elements of a header in the order of the schema; those with 0 may be missing.
HEADER = {
    "type": 1, "locationId": 1, "parameterId": 1, "qualifierId": 0, "ensembleId": 0,
    "ensembleMemberIndex": 0, "timeStep": 1, "startDate": 1, "endDate": 1, "forecastDate": 0,
    "missVal": 1, "longName": 0, "stationName": 0, "lat": 0, "lon": 0, "units": 0,
}  # fmt: skip


def read_pi(content):
    """A small reader of PI time series, by the published interface; refuses what is not in it."""
    root = ElementTree.fromstring(content)
    assert root.tag == f"{PI}TimeSeries"
    assert root[0].tag == f"{PI}timeZone"
    hours = float(root[0].text or "nan")
    found = {}
    for series in root[1:]:
        assert series.tag == f"{PI}series"
        header, *events = series
        names = [e.tag.removeprefix(PI) for e in header]
        assert names == [n for n in HEADER if n in names]
        assert {n for n, needed in HEADER.items() if needed} <= set(names)
        of = {e.tag.removeprefix(PI): e.text or "" for e in header}
        clocks = {e.tag.removeprefix(PI): e.attrib for e in header if e.attrib}
        assert of["type"] in ("instantaneous", "accumulative")
        missing = float(of["missVal"])
        values = []
        for event in events:
            assert event.tag == f"{PI}event"
            local = datetime.fromisoformat(f"{event.get('date')}T{event.get('time')}+00:00")
            value = float(event.get("value", "nan"))
            assert (event.get("flag") == "9") == (value == missing)
            values.append((local - timedelta(hours=hours), np.nan if value == missing else value))
        for name, row in (("startDate", values[0]), ("endDate", values[-1])):
            assert clocks[name] == {"date": f"{row[0]:%Y-%m-%d}", "time": f"{row[0]:%H:%M:%S}"}
        steps = {b[0] - a[0] for a, b in itertools.pairwise(values)}
        assert steps == {timedelta(seconds=int(clocks["timeStep"]["multiplier"]))}
        key = tuple(of.get(n, "") for n in ("locationId", "parameterId", "qualifierId"))
        found[(*key, of.get("ensembleMemberIndex", ""))] = (of | clocks, values)
    return found


def test_pi_xml_is_read_back_by_another_reader():
    found = read_pi(to_pi_xml(export(members=True)))
    of, values = found["70112900", "Q.sim", "", ""]
    assert (of["stationName"], of["units"], of["type"]) == ("嵊州", "m3/s", "instantaneous")
    assert of["forecastDate"] == {"date": "2026-06-20", "time": "06:00:00"}
    assert values[1] == (TIME + timedelta(minutes=12), 30.0)
    assert np.isnan(found["gauge-1", "Q.sim", "", ""][1][2][1])
    assert [found["70112900", "Q.sim", "", m][1][1][1] for m in "012"] == [15.0, 30.0, 60.0]
    assert found["70112900", "Q.sim", "p05", ""][1][0][1] == pytest.approx(8.0)
    assert found["70112900", "P.areal", "", ""][0]["type"] == "accumulative"
    assert found["70190001", "H.res", "", ""][1][3][1] == 103.0


def tables_of(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        texts = {name: archive.read(name).decode("utf-8") for name in archive.namelist()}
    notes = texts.pop("说明_notes.txt")
    tables = {n.removesuffix(".csv"): csv.DictReader(io.StringIO(t)) for n, t in texts.items()}
    return {name: list(table) for name, table in tables.items()}, notes


def test_sl323_tables_have_the_fields_units_and_clock_of_the_database():
    tables, notes = tables_of(to_sl323(export(terrain="DEM survey.tif")))
    assert set(tables) == {"ST_FORECAST_F", "ST_REGLAT_F", "ST_FORECASTC_F"}
    assert tables["ST_FORECAST_F"][1] == {
        "STCD": "70112900", "UNITNAME": "绍兴市", "PLCD": "JINGHU",
        "FYMDH": "2026-06-20 14:00:00", "IYMDH": "2026-06-20 14:02:00",
        "YMDH": "2026-06-20 14:12:00", "Z": "3.000", "Q": "30.000",
    }  # fmt: skip
    pool = tables["ST_REGLAT_F"][0]
    assert (pool["Z"], pool["W"], pool["OTQ"]) == ("100.000", "100.000", "25.000")
    assert {row["STCD"] for row in tables["ST_FORECAST_F"]} == {"70112900"}
    assert "无站码" in notes
    assert "上虞" in notes
    assert "不确定之处" in notes


def test_a_generated_terrain_or_a_drill_is_told_apart_in_the_database():
    tables, _ = tables_of(to_sl323(export()))
    row = tables["ST_FORECAST_F"][0]
    assert (row["PLCD"], row["Z"], row["Q"]) == ("JH-GENERATED-TERRAIN", "", "10.000")
    assert "不是实测地形" in tables["ST_FORECASTC_F"][0]["COMMENTS"]
    assert plan_code(export("Exercise")) == "JINGHU-EXERCISE"
    assert all(len(plan_code(export(s))) <= 20 for s in ("Actual", "Test", "Exercise"))


def test_without_codes_there_are_no_tables():
    bare = data()
    for kind in ("gauge", "reservoir"):
        bare[f"{kind}_station"][:] = ""
    made = export()
    with pytest.raises(DataError, match="no station has a code of 8 characters"):
        to_sl323(FlowExport(made.cycle, TIME, TIME, "Actual", "绍兴市", "Shaoxing", bare))
