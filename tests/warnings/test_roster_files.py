"""The same people as CSV, XLSX and GeoJSON; what is wrong is named by its place."""

import io
import json
import random
import zipfile

import pytest
from openpyxl import Workbook

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame
from jinghu.warnings.audience import read_roster
from jinghu.warnings.levels import Role
from jinghu.warnings.roster_files import COLUMNS

HEADS = ("编号", "姓名", "角色", "单位代码", "单位名称", "经度", "纬度")
PEOPLE = (
    ("g-1", "王一", "网格员", 330602001001001, "越城区某网格", 120.58, 30.0),
    (2024, "李二", "village_head", 330602001001, "越城区某村", 120.6, 30),
    ("t-1", "张三", "镇街值班", "330602001", "越城区某镇", "120.61", "30.01"),
)
BAD = ("x-1", "赵四", "宇航员", 330602001, "某镇", 120.5, 30.0)


def csv_of(rows, encoding="utf-8"):
    return "\n".join(",".join(map(str, row)) for row in rows).encode(encoding)


def xlsx_of(rows):
    book = Workbook()
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def geojson_of(rows):
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [float(row[5]), float(row[6])]},
            "properties": dict(zip(rows[0][:5], row[:5], strict=True)),
        }
        for row in rows[1:]
    ]
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def read(tmp_path, name, data, frame=Frame.WGS84):
    path = tmp_path / name
    path.write_bytes(data)
    return read_roster(path, frame)


@pytest.mark.parametrize(
    ("name", "made", "place"),
    [
        ("people.csv", csv_of, "line 4"),
        ("gbk.csv", lambda rows: csv_of(rows, "gb18030"), "line 4"),
        ("people.xlsx", xlsx_of, "row 4"),
        ("people.geojson", geojson_of, "feature 3"),
    ],
)
def test_all_kinds_of_tables_say_the_same(tmp_path, name, made, place):
    rows = [HEADS, PEOPLE[0], PEOPLE[1], BAD, PEOPLE[2]]
    roster = read(tmp_path, name, made(rows))
    assert [(p.person, p.role, p.unit_code, p.lon, p.lat) for p in roster.people] == [
        ("g-1", Role.GRID_OFFICER, "330602001001001", 120.58, 30.0),
        ("2024", Role.VILLAGE_HEAD, "330602001001", 120.6, 30.0),
        ("t-1", Role.TOWN_DUTY, "330602001", 120.61, 30.01),
    ]
    (bad,) = roster.bad
    assert (bad.place, bad.person) == (place, "x-1")
    assert "宇航员" in bad.cause


def test_map_coordinates_of_a_geojson_are_converted(tmp_path):
    (person, *_) = read(tmp_path, "p.json", geojson_of([HEADS, *PEOPLE]), Frame.GCJ02).people
    assert 0.003 < PEOPLE[0][5] - person.lon < 0.006


def test_rows_that_have_nothing_are_left_out_and_short_ones_named(tmp_path):
    rows = [COLUMNS, PEOPLE[0], (None,) * 7, ("p-9", "短")]
    roster = read(tmp_path, "people.xlsx", xlsx_of(rows))
    assert [str(bad) for bad in roster.bad] == ["row 4: role is empty"]


def test_features_without_a_point_are_named(tmp_path):
    value = json.loads(geojson_of([HEADS, *PEOPLE]))
    value["features"][0]["geometry"] = None
    value["features"][1]["geometry"]["type"] = "Polygon"
    value["features"].append("not one")
    bad = read(tmp_path, "p.geojson", json.dumps(value).encode()).bad
    assert [b.place for b in bad] == ["feature 1", "feature 2", "feature 4"]


def bomb(name):
    out = io.BytesIO(xlsx_of([HEADS, *PEOPLE]))
    with zipfile.ZipFile(out, "a") as packed:
        if name == "entities":
            packed.writestr(
                "xl/more.xml", "<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b 'c'>]><a/>"
            )
        else:
            packed.writestr("xl/more.bin", b"0" * (2 * 2**20), zipfile.ZIP_DEFLATED)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "cause"),
    [
        ("p.pdf", b"%PDF", "not .pdf"),
        ("p.xlsx", b"not a zip", "not a whole XLSX workbook"),
        ("p.xlsx", xlsx_of([("a", "b")]), "columns .* are missing"),
        ("p.xlsx", bomb("entities"), "document type declaration"),
        ("p.geojson", b'{"type": "Feature"}', "not a GeoJSON FeatureCollection"),
        ("p.geojson", b"[" * 100_000, "not a GeoJSON FeatureCollection"),
        ("p.geojson", b'{"features": [{"properties": {"a": 1}}]}', "no feature has the properties"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path, name, data, cause):
    with pytest.raises(DataError, match=cause) as error:
        read(tmp_path, name, data)
    assert "\n" not in str(error.value)


def test_a_workbook_that_unpacks_to_too_much_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("jinghu.warnings.roster_files._MAX_UNPACKED", 2**20)
    with pytest.raises(DataError, match="unpacks to more than"):
        read(tmp_path, "p.xlsx", bomb("size"))


def test_damaged_workbooks_are_refused_in_one_line_or_read_in_part(tmp_path):
    """100 seeded changes of bytes: never anything but a roster or a refusal."""
    whole = xlsx_of([HEADS, *PEOPLE])
    rng = random.Random(7)
    refused = []
    for _ in range(100):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 20)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            read(tmp_path, "p.xlsx", bytes(data))
        except DataError as error:
            refused.append(str(error))
    assert len(refused) > 25
    assert not any("\n" in text for text in refused)
