"""River and reservoir levels: marks, crossing times, areas, the life of their warnings, CAP."""

from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from lxml import etree
from sqlalchemy import select
from tests.warnings.rivers import GENERATED, flows

from jinghu.grid.errors import ConfigError
from jinghu.grid.times import cycle_name
from jinghu.warnings.cap import validate
from jinghu.warnings.cap_rules import NAMESPACE
from jinghu.warnings.ledger import process
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.queries import Filters, list_warnings
from jinghu.warnings.tables import alert, event, outbox, task
from jinghu.warnings.water import evaluate_water
from jinghu.warnings.water_rules import Mark, Quantity, load_water_rules

RULES = Path(__file__).parents[2] / "configs" / "rules"
TABLE = """
version: t1
source: a test
near_m: 0.5
near_share: 0.1
keep_m: 0.2
keep_share: 0.9
known_share: 0.9
river: {upstream_km: 4, downstream_km: 4, buffer_m: 100}
reservoir: {upstream_km: 0, downstream_km: 4, buffer_m: 100}
rules:
  - {id: b, hazard: river_flood, level: blue, mark: near_warning}
  - {id: y, hazard: river_flood, level: yellow, mark: warning}
  - {id: o, hazard: river_flood, level: orange, mark: guarantee}
  - {id: r, hazard: river_flood, level: red, mark: record}
  - {id: rb, hazard: reservoir, level: blue, mark: flood_limit, above_m: 0.5}
  - {id: ro, hazard: reservoir, level: orange, mark: design}
"""
LEVELS = """
gauges:
  - {name: 枫桥, source: s, datum: "1985", warning_level_m: 10, guarantee_level_m: 11,
     record_level_m: 12}
"""


@pytest.fixture
def table(tmp_path):
    def write(text=""):
        path = tmp_path / "rivers.yaml"
        path.write_text(TABLE + text, encoding="utf-8")
        return load_water_rules(path)

    return write


@pytest.fixture
def judge(world):
    """Findings of flows, all cells known and of the city."""

    def judged(rules, data, known=None):
        everywhere = np.ones(400, bool)
        return evaluate_water(
            rules, data, everywhere if known is None else known, everywhere, world.spec
        )

    return judged


def test_shipped_tables_are_whole():
    real, drill = (load_water_rules(RULES / n) for n in ("rivers.yaml", "rivers-drill.yaml"))
    assert [r.id for r in real.rules] == [r.id for r in drill.rules]
    assert real.by_catchment is None
    assert drill.by_catchment is not None
    zhuji = real.gauge("诸暨(太平桥)")
    assert zhuji is not None
    assert zhuji.guarantee_m3_s == 910


@pytest.mark.parametrize(
    ("stage", "level", "kept"),
    [
        ([9, 9.4], Level.NONE, Level.BLUE),
        ([9, 9.6], Level.BLUE, Level.BLUE),
        ([9, 9.85], Level.BLUE, Level.YELLOW),
        ([9, 10], Level.YELLOW, Level.YELLOW),
        ([9, 11.4, 9], Level.ORANGE, Level.ORANGE),
        ([9, 13, 9], Level.RED, Level.RED),
    ],
)
def test_levels_and_what_keeps_them(world, table, judge, stage, level, kept):
    (one,), lines = judge(table(LEVELS), flows(world.spec, world.start, stage, [50]))
    assert (one.level, one.kept, lines) == (level, kept, [])


def test_crossing_and_peak_are_told(world, table, judge):
    (one,), _ = judge(table(LEVELS), flows(world.spec, world.start, [9, 9, 11, 12, 10], [80, 300]))
    minutes, why = one.evidence(one.cells, Level.YELLOW)
    assert minutes == pytest.approx(90)  # half way from 9 to 11 m, in the second hour
    assert (why.mark, why.quantity, why.value) == (Mark.WARNING, Quantity.LEVEL, 10)
    assert (why.peak_m, why.peak_m3_s) == (12, 300)
    assert why.peak_time == world.start + timedelta(hours=3)


def test_a_crossing_beyond_the_horizon_raises_nothing(world, table, judge):
    rules = table(LEVELS + "within_h: 2\n")
    (one,), _ = judge(rules, flows(world.spec, world.start, [9, 9, 9, 11], [50]))
    assert one.level is Level.NONE


def test_levels_are_not_compared_with_a_generated_terrain(world, table, judge):
    data = flows(world.spec, world.start, [99], [50], terrain=GENERATED)
    found, lines = judge(table(LEVELS), data)
    assert found == []
    assert "not compared with heights of a generated terrain" in lines[0]
    assert "1 of 1 gauges" in lines[1]


def test_discharges_are_compared_on_any_terrain(world, table, judge):
    gauge = "gauges:\n  - {name: 枫桥, source: s, guarantee_m3_s: 200, near_share: 0.2}\n"
    data = flows(world.spec, world.start, [99], [50, 210], terrain=GENERATED)
    (one,), _ = judge(table(gauge), data)
    assert one.level is Level.ORANGE
    assert one.evidence(one.cells, Level.ORANGE)[0] == pytest.approx(56.25)


def test_discharges_by_catchment_are_for_gauges_of_which_nothing_is_known(world, table, judge):
    text = (
        "by_catchment: {source: s, coefficient: 8, power: 0.66666667, guarantee_factor: 1.5,"
        " record_factor: 2}\n"
    )
    data = flows(world.spec, world.start, [99], [50, 289], terrain=GENERATED)
    (one,), lines = judge(table(text), data)  # 8 * 216^(2/3) = 288
    assert (one.level, lines) == (Level.YELLOW, [])


def test_the_area_follows_the_river_to_the_next_gauge(world, table, judge):
    data = flows(world.spec, world.start, [10], [50])
    (one,), _ = judge(table(LEVELS), data)
    row, column = world.spec.row_col(one.cells)
    assert set(row.tolist()) == {5}
    # reach 1 in full, reach 0 above and reach 2 below: 0 to 15 km, and the cell it ends at
    assert column.tolist() == [0, 1, 2, 3, 4, 5, 6]


def test_a_reservoir_above_its_flood_limit(world, table, judge):
    text = "reservoirs:\n  - {id: shibi, source: s, design_level_m: 34}\n"
    data = flows(world.spec, world.start, [9], [50], pool_m=[30, 30.4, 30.6, 35])
    (one,), _ = judge(table(text), data)
    assert (one.hazard, one.level) == (Hazard.RESERVOIR, Level.ORANGE)
    assert one.evidence(one.cells, Level.BLUE)[0] == pytest.approx(90)
    (low,), _ = judge(table(text), flows(world.spec, world.start, [9], [50], pool_m=[30.2]))
    assert (low.level, low.kept) == (Level.NONE, Level.NONE)


def test_land_that_nobody_watches_is_not_known(world, table, judge):
    dark = np.ones(400, bool)
    (one,), _ = judge(table(LEVELS), flows(world.spec, world.start, [10], [50]))
    assert one.known
    dark[one.cells] = False
    (one,), _ = judge(table(LEVELS), flows(world.spec, world.start, [10], [50]), dark)
    assert not one.known
    data = flows(world.spec, world.start, [10], [50])
    data.attrs["observed_rain_share"] = 0.5
    (one,), _ = judge(table(LEVELS), data)
    assert not one.known


class Office:
    """Cycles with water alone."""

    def __init__(self, world, rules):
        self.world, self.rules = world, rules

    def cycle(self, stage, minutes=6, share=1.0, rain=None):
        world = self.world
        world.time += timedelta(minutes=minutes)
        found = None
        if stage is not None:
            data = flows(world.spec, world.time, stage, [80])
            data.attrs["observed_rain_share"] = share
            everywhere = np.ones(400, bool)
            found, _ = evaluate_water(self.rules, data, everywhere, everywhere, world.spec)
        levels = world.levels(rain or {}, {}, set())
        name = cycle_name(world.time)
        return process(world.engine, levels, name, world.time, world.office, world.time, found)

    def alerts(self):
        return self.world.rows(select(alert).order_by(alert.c.alert_id))

    def actions(self):
        return [a.action for a in self.alerts()]


@pytest.fixture
def office(world, table):
    return Office(world, table(LEVELS))


def test_the_life_of_a_river_warning(office):
    world = office.world
    world.add_people([103, 250])
    first = office.cycle([9, 10.5])
    assert (first.candidates, first.issued, first.recipients) == (7, 1, 1)
    assert [(t.recipient_id, t.level) for t in world.rows(select(task))] == [(1, 2)]
    office.cycle([9, 11.5])
    office.cycle([9, 9.9])  # still kept as yellow; orange is waited out
    for _ in range(12):
        office.cycle([9, 9.9])
    assert office.actions() == ["NEW", "UPG", "DNG"]
    for _ in range(12):
        office.cycle([8])
    assert office.actions() == ["NEW", "UPG", "DNG", "CAN"]
    assert world.rows(select(event.c.closed_at))[0].closed_at is not None
    assert office.cycle([9, 10.5]).issued == 1


def test_nothing_is_lowered_without_a_forecast_or_on_unwatched_land(office):
    office.cycle([9, 10.5])
    for _ in range(40):
        office.cycle(None)
    assert set(office.actions()) == {"NEW", "CON"}
    last = office.alerts()[-1]
    assert "资料不全" in last.cap_xml
    assert "枫桥江枫桥站" in last.headline_zh
    for _ in range(40):
        office.cycle([8], share=0.3)
    assert set(office.actions()) == {"NEW", "CON"}
    assert [p for a in office.alerts() for p in validate(a.cap_xml.encode())] == []


def test_a_gauge_that_is_taken_out_of_the_table_expires(office, table):
    office.cycle([9, 10.5])
    office.rules = table()
    office.cycle([9, 10.5])
    assert office.cycle([9, 10.5], minutes=181).expired == 1


def test_rain_and_water_live_beside_each_other(office):
    world = office.world
    world.add_people([103])
    summary = office.cycle([9, 10.5], rain={103: 3})
    assert (summary.issued, summary.recipients) == (2, 2)
    assert len(world.rows(select(outbox))) == 2
    events = {e.event_id for e in world.rows(select(event))}
    assert events == {
        "rainstorm-330602-20260701T0006Z",
        "river_flood-330602-fengqiao-20260701T0006Z",
    }


def test_cap_says_where_when_and_how_high(office):
    office.cycle([9, 9.75, 11.5, 10.5])
    (row,) = office.alerts()
    assert validate(row.cap_xml.encode()) == []
    root = etree.fromstring(row.cap_xml.encode())
    zh, en = root.findall(f"{{{NAMESPACE}}}info")
    said = zh.findtext(f"{{{NAMESPACE}}}description") or ""
    assert "绍兴市越城区枫桥江枫桥站预计7月1日09:49达到保证水位（11.00米）" in said
    assert "预报最高水位11.50米（7月1日10:06" in said
    assert zh.findtext(f"{{{NAMESPACE}}}onset") == "2026-07-01T09:49:00+08:00"
    assert zh.findtext(f"{{{NAMESPACE}}}senderName") == "绍兴市水利局"
    assert row.headline_zh == "越城区发布洪水橙色预警（枫桥江枫桥站）"
    assert row.headline_en == "Yuecheng, Fengqiao gauge: orange river flood warning issued"
    assert "guarantee level (11.00 m)" in (en.findtext(f"{{{NAMESPACE}}}description") or "")
    parameters = {
        p.findtext(f"{{{NAMESPACE}}}valueName"): p.findtext(f"{{{NAMESPACE}}}value")
        for p in zh.findall(f"{{{NAMESPACE}}}parameter")
    }
    assert parameters["peak_level_m"] == "11.50"
    assert parameters["place"] == "fengqiao"


def test_a_flood_of_tomorrow_does_not_expire_before_it_comes(office):
    office.cycle([9] * 20 + [10.5])
    (row,) = office.alerts()
    assert validate(row.cap_xml.encode()) == []
    assert row.sent == "2026-07-01T00:06:00Z"
    assert row.expires > "2026-07-01T22:00:00Z"


def test_readers_can_ask_for_river_warnings_alone(office):
    office.cycle([9, 10.5], rain={103: 3})
    with office.world.engine.connect() as connection:
        filters = Filters(hazard=Hazard.RIVER_FLOOD)
        (found,), _ = list_warnings(connection, filters, "2026-07-01T00:10:00Z")
    assert found["properties"]["hazard_zh"] == "洪水"
    assert found["properties"]["place_zh"] == "枫桥江枫桥站"
    assert len(found["properties"]["cells"]) == 7


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("gauges:\n  - {name: 枫桥, source: s, warning_level_m: 10}\n", "datum"),
        ("gauges:\n  - {name: 枫桥, source: s, warning_m3_s: 9, guarantee_m3_s: 8}\n", "ascend"),
        ("gauges:\n  - {name: 枫桥, source: s}\n  - {name: 枫桥, source: s}\n", "same gauge"),
        ("colour: red\n", "colour"),
    ],
)
def test_tables_that_cannot_be_are_refused(table, text, cause):
    with pytest.raises(ConfigError, match=cause):
        table(text)


def test_rows_that_cannot_be_are_refused(tmp_path):
    for old, new in (
        ("level: red", "level: purple"),
        (
            "hazard: river_flood, level: red, mark: record",
            "hazard: reservoir, level: red, mark: record",
        ),
        ("mark: record", "mark: record, above_m: 1"),
    ):
        path = tmp_path / "t.yaml"
        path.write_text(TABLE.replace(old, new), encoding="utf-8")
        with pytest.raises(ConfigError, match=r"t\.yaml"):
            load_water_rules(path)
