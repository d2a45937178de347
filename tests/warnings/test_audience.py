from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame, to_gcj02
from jinghu.grid.spec import CELL_OUTSIDE, GridSpec
from jinghu.warnings.audience import Recipient, Roster, match, read_roster
from jinghu.warnings.cell_index import AudienceIndex
from jinghu.warnings.generate import generate_recipients
from jinghu.warnings.levels import Role
from jinghu.warnings.reconcile import apply_import, plan_import
from jinghu.warnings.units import load_units

HEAD = "person,name,role,unit_code,unit_name,lon,lat\n"
BOUNDARIES = Path(__file__).parents[2] / "configs" / "boundaries" / "shaoxing.geojson"
SHAOXING = GridSpec("EPSG:4549", 405_000.0, 3_140_000.0, 2500.0, 120, 120)


def read(tmp_path, text, frame=Frame.WGS84):
    path = tmp_path / "people.csv"
    path.write_text(HEAD + text, encoding="utf-8")
    roster = read_roster(path, frame)
    return roster.people, [str(bad) for bad in roster.bad]


def test_good_rows_are_taken_and_bad_ones_named(tmp_path):
    good, bad = read(
        tmp_path,
        "p1,王一,grid_officer,330602000001,某村,120.5,30.0\n"
        "p2,李二,astronaut,330602000001,某村,120.5,30.0\n"
        "p3,张三,village_head,330602000001,某村,220.5,30.0\n"
        "p4,赵四,village_head,330602000001,某村,nan,30.0\n"
        "p1,王一,grid_officer,330602000001,某村,120.5,30.0\n"
        ",无名,grid_officer,330602000001,某村,120.5,30.0\n"
        "p5,短\n"
        'p6,"两行\n名字",town_duty,330602000001,"镇, 街",120.5,30.0\n'
        f"p7,{'长' * 65},town_duty,330602000001,某村,120.5,30.0\n",
    )
    assert [p.person for p in good] == ["p1", "p6"]
    assert (good[1].role, good[1].unit_name) == (Role.TOWN_DUTY, "镇, 街")
    causes = ["role 'astronaut'", "not on Earth", "not on Earth", "stands twice", "person is empty",
              "role is empty", "name is longer than 64"]  # fmt: skip
    assert len(bad) == len(causes)
    for line, cause in zip(bad, causes, strict=True):
        assert cause in line
    assert bad[0].startswith("line 3:")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"a,b\n1,2\n", "columns"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"", "columns"),
        (HEAD.encode(), "nobody"),
        (HEAD.replace("name", "lon", 1).encode(), "missing"),
        (b"lon," + HEAD.encode(), "stand twice"),
    ],
)
def test_what_is_no_table_of_recipients_is_refused(tmp_path, content, cause):
    path = tmp_path / "people.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=cause):
        read_roster(path, Frame.WGS84)
    with pytest.raises(DataError, match=r"nobody\.csv"):
        read_roster(tmp_path / "nobody.csv", Frame.WGS84)


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes(b"\xef\xbb\xbf" + (HEAD + "p,n,city_duty,1,u,120,30\n").encode())
    assert len(read_roster(path, Frame.WGS84).people) == 1


def test_map_coordinates_are_converted_on_the_way_in(tmp_path):
    """GCJ-02 read as WGS-84 would stand half a kilometre away."""
    lon, lat = 120.58, 30.0
    gcj_lon, gcj_lat = to_gcj02(lon, lat)
    row = f"p,n,grid_officer,1,u,{gcj_lon:.9f},{gcj_lat:.9f}\n"
    (person,), _ = read(tmp_path, row, Frame.GCJ02)
    assert (person.lon, person.lat) == pytest.approx((lon, lat), abs=1e-7)
    (wrong,), _ = read(tmp_path, row, Frame.WGS84)
    x, y = SHAOXING.to_xy([person.lon, wrong.lon], [person.lat, wrong.lat])
    assert 400 < np.hypot(np.diff(x), np.diff(y))[0] < 700


def test_people_at_cell_edges_are_in_exactly_one_cell(world):
    """On a border between cells the eastern and northern one has them, at the rim nobody."""
    spec = world.spec
    x = spec.x0_m + np.array([0.0, 2500.0, 2500.0, 49_999.99, 50_000.0])
    y = spec.y0_m + np.array([0.0, 2500.0, 2499.99, 49_999.99, 50_000.0])
    assert spec.cell_of_xy(x, y).tolist() == [0, 21, 1, 399, CELL_OUTSIDE]


def people_at(spec, x, y) -> list[Recipient]:
    lon, lat = spec.to_lonlat(x, y)
    return [
        Recipient(f"p{k}", "n", Role.GRID_OFFICER, "1", "u", float(a), float(b))
        for k, (a, b) in enumerate(zip(lon, lat, strict=True))
    ]


@settings(deadline=None, max_examples=15)
@given(st.sets(st.integers(0, 399), max_size=80), st.integers(0, 2**32 - 1))
def test_match_finds_whom_brute_force_finds(world_class, cells, seed):
    world = world_class("sqlite://")
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(0, 1, (2, 300)) * 50_000.0
    people = people_at(world.spec, world.spec.x0_m + x, world.spec.y0_m + y)
    with world.engine.begin() as connection:
        plan = plan_import(connection, Roster(tuple(people)), world.spec)
        apply_import(connection, plan, "test", "test", world.start)
    wanted = [k for k in range(300) if int(y[k] // 2500) * 20 + int(x[k] // 2500) in cells]
    with world.engine.connect() as connection:
        assert match(connection, cells) == [k + 1 for k in wanted]
    ids = world.spec.cell_of_lonlat([p.lon for p in people], [p.lat for p in people])
    assert sorted(AudienceIndex.build(ids, 400).match(sorted(cells)).tolist()) == wanted
    world.engine.dispose()


def test_who_is_outside_is_in_no_cell():
    index = AudienceIndex.build(np.array([3, CELL_OUTSIDE, 3, 0, CELL_OUTSIDE]), 4)
    assert index.match([0, 1, 2, 3]).tolist() == [3, 0, 2]
    assert index.match([]).tolist() == []
    assert index.match([3, 3]).tolist() == [0, 2]


def test_generated_people_stand_in_their_counties_and_say_that_they_do_not_exist():
    units = load_units(BOUNDARIES, "330600", SHAOXING)
    people = generate_recipients(units, SHAOXING, 2400, 1)
    assert len(people) == len({p.person for p in people}) == 2400
    assert people == generate_recipients(units, SHAOXING, 2400, 1)
    assert people != generate_recipients(units, SHAOXING, 2400, 2)
    assert all("模拟" in p.name for p in people)
    cells = SHAOXING.cell_of_lonlat([p.lon for p in people], [p.lat for p in people])
    county = units.cell_county[cells]
    assert (county >= 0).all()
    same = [units.counties[c].code == p.unit_code[:6] for c, p in zip(county, people, strict=True)]
    assert np.mean(same) > 0.95  # a cell on a border belongs to the county with the larger share
    above = {p.unit_code: p.role for p in people if p.role is not Role.GRID_OFFICER}
    assert len({p.unit_code for p in people}) == 2400  # one person a unit
    for person in people:
        if person.role is Role.GRID_OFFICER:
            assert above[person.unit_code[:12]] is Role.VILLAGE_HEAD
            assert above[person.unit_code[:9]] is Role.TOWN_DUTY
            assert above[person.unit_code[:6]] is Role.COUNTY_DUTY
    roles = {role: sum(p.role is role for p in people) for role in Role}
    assert roles[Role.COUNTY_DUTY] == 6
    assert roles[Role.GRID_OFFICER] > 8 * roles[Role.VILLAGE_HEAD] * 0.8
