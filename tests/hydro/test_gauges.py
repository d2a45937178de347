import dataclasses

import numpy as np
import pytest

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import DataError
from jinghu.hydro.gauges import Gauge, place_gauges, read_gauges

GAUGES = CONFIGS / "shaoxing" / "gauges.csv"
HEADER = "name_zh,name_en,river,lon,lat,warning_level_m,guarantee_level_m,datum,source\n"


def test_shipped_gauges_invent_no_level():
    gauges = read_gauges(GAUGES)
    wanted = "嵊州 上浦 上虞 曹娥江大闸 新昌 黄泽 诸暨(太平桥) 湄池 枫桥"
    assert {g.name_zh for g in gauges} >= set(wanted.split())
    for gauge in gauges:
        assert np.isnan([gauge.warning_level_m, gauge.guarantee_level_m]).all()
        assert "approximate" in gauge.source


def test_gauges_stand_on_their_rivers_in_order(shaoxing):
    placed, lost = place_gauges(read_gauges(GAUGES), shaoxing)
    assert not lost
    area = {p.gauge.name_zh: float(shaoxing.upstream_area_km2[p.reach]) for p in placed}
    for p in placed:
        assert shaoxing.name_zh[p.reach] == p.gauge.river
        assert p.distance_m < 2000
    assert area["澄潭"] < area["嵊州"] < area["上浦"] < area["上虞"] < area["曹娥江大闸"]
    assert area["诸暨(太平桥)"] < area["湄池"]
    assert 1_500 < area["嵊州"] < 3_500
    assert 1_200 < area["诸暨(太平桥)"] < 2_800
    reach = {p.gauge.name_zh: p.reach for p in placed}
    for upper, lower in (("嵊州", "上虞"), ("新昌", "嵊州"), ("黄泽", "上浦"), ("枫桥", "湄池")):
        at = reach[upper]
        while at not in (-1, reach[lower]):
            at = int(shaoxing.downstream[at])
        assert at == reach[lower]


def test_a_gauge_without_a_river_takes_the_largest_stream_near_it(shaoxing):
    somewhere = Gauge("某站", "Some", "无名溪", 120.85, 29.92, np.nan, np.nan, "", "")
    placed, lost = place_gauges([somewhere], shaoxing)
    assert not lost
    assert shaoxing.name_zh[placed[0].reach] == "曹娥江"
    far = dataclasses.replace(somewhere, lon=119.0)
    placed, lost = place_gauges([far], shaoxing)
    assert not placed
    assert "gauge 某站 is" in lost[0]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a,b\n1,2\n", "lacks the columns name_zh"),
        (HEADER + "甲,A,曹娥江,120.8,x,,,,\n", "row 2: could not convert"),
        (
            HEADER + "甲,A,曹娥江,120.8,95,,,,\n",
            "row 2: longitude 120.8, latitude 95.0 is no place",
        ),
        (HEADER + "甲,A,曹娥江,120.8,30,10.5,,,\n", "row 2: gauge 甲 gives a level without"),
    ],
)
def test_wrong_rows_are_named(tmp_path, text, cause):
    path = tmp_path / "gauges.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=cause):
        read_gauges(path)


def test_levels_come_with_their_datum(tmp_path):
    path = tmp_path / "gauges.csv"
    path.write_text(HEADER + "甲,A,曹娥江,120.8,30,10.5,12,1985,site file\n", encoding="utf-8")
    (gauge,) = read_gauges(path)
    assert (gauge.warning_level_m, gauge.guarantee_level_m, gauge.datum) == (10.5, 12.0, "1985")
    with pytest.raises(DataError, match="cannot be read"):
        read_gauges(tmp_path / "none.csv")
