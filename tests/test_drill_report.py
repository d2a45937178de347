"""The report of a drill says what the scores say, in a page that needs nothing else."""

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

import numpy as np
import pytest

from jinghu.drill_debrief import report_html
from jinghu.drill_page import cell_map
from jinghu.drill_report import (
    CycleTime,
    DrillResult,
    GaugeRow,
    outcome_map,
    report_json,
    timing_json,
)
from jinghu.drill_score import CellScores, PeopleScores
from jinghu.drill_skill import SkillRow

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def result():
    return DrillResult(
        name="tiny",
        title_zh="微型演练",
        title_en="A <tiny> drill",
        seed=7,
        start=START,
        end=START + timedelta(hours=3),
        cells=CellScores(3, 1, 1, 2, np.array([10.0, 40.0, 100.0])),
        people=PeopleScores(12, 3, 4, 5, 9, 6, 43_210, 321, 1_234, 77),
        before=6,
        told=30,
        answered=11,
        places=np.array([[5, 0, 1, 2], [3, 1, 0, 0]]),
        reaches=CellScores(2, 0, 1, 4, np.array([35.0, 140.0])),
        gauges=(
            GaugeRow(
                "嵊州", "Shengzhou", "曹娥江", 1500.0, START, 1400.0, START, 35.0, warned=True
            ),
            GaugeRow("上<虞", "Shangyu", "曹娥江", 100.0, START, 1400.0, None, None, warned=False),
        ),
        outcome=np.array([[0, 1, 2, 2], [0, 3, 4, 5]], np.uint8),
        skill=(SkillRow(30.0, 1.0, 0.5, 1.1, float("nan"), 10),),
        cycles=(
            CycleTime("20260620T0600Z", 12.0, ()),
            CycleTime("20260620T0606Z", 20.0, ("radar <ZSIM3> is stale", "radar <ZSIM3> is stale")),
        ),
    )


def test_outcomes_of_cells():
    at = START.replace(tzinfo=None)
    begins = np.array([at, at, at, None, None, at], "datetime64[ns]")
    earlier, later = at - timedelta(minutes=5), at + timedelta(minutes=5)
    warned = np.array([earlier, later, None, earlier, None, earlier], "datetime64[ns]")
    inside = np.array([True] * 5 + [False])
    before = np.zeros(6, bool)
    found = outcome_map(begins, warned, inside, before, (2, 3))
    np.testing.assert_array_equal(found, [[2, 3, 4], [5, 1, 0]])
    before[5] = True
    assert outcome_map(begins, warned, inside, before, (2, 3))[1, 2] == 6


def test_json_holds_the_figures_and_null_where_there_are_none(result):
    found = json.loads(report_json(result))
    assert found["cells"]["detected"] == 0.6
    assert found["cells"]["false_alarm_ratio"] == pytest.approx(2 / 6, abs=1e-6)
    assert found["cells"]["lead_min"]["median"] == 40
    assert found["people"]["residents_not"] == 1234
    assert found["forecast"][0]["fss"] is None
    assert found["cycles"][1]["degradations"] == ["radar <ZSIM3> is stale"] * 2
    assert found["start"] == "2026-06-20T06:00:00Z"
    assert found["cells"]["in_danger_before"] == 6
    assert found["places"]["site"]["in_time"] == 3
    assert found["reaches"]["false_alarms"] == 4
    assert found["gauges"][0]["flood"] == "2026-06-20T06:00:00Z"
    assert found["people"]["answered"] == 11


def test_how_long_cycles_took_is_not_in_what_is_compared(result):
    slower = replace(result, cycles=tuple(replace(c, seconds=99.0) for c in result.cycles))
    assert report_json(slower) == report_json(result)
    assert json.loads(timing_json(slower))["seconds"]["median"] == 99.0


def test_equal_results_give_equal_bytes(result):
    again = replace(result, cells=replace(result.cells, lead_min=result.cells.lead_min.copy()))
    assert report_html(again) == report_html(result)
    assert report_json(again) == report_json(result)


class Balance(HTMLParser):
    """Tags that were opened and not closed, and what is fetched from elsewhere."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.fetched = []

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "rect", "!doctype"):
            self.open.append(tag)
        self.fetched += [v for name, v in attrs if name in ("src", "href")]

    def handle_startendtag(self, tag, attrs):
        pass

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_page_stands_alone_and_escapes_what_it_shows(result):
    html = report_html(result)
    balance = Balance()
    balance.feed(html)
    assert balance.open == []
    assert balance.fetched == []
    assert "url(" not in html
    assert "<script" not in html
    assert "<tiny>" not in html
    assert "<ZSIM3>" not in html
    assert "A &lt;tiny&gt; drill" in html
    for words in ("演练 EXERCISE", "60 %", "33 %", "40 min", "43,210", "1,234", "14:00–17:00"):
        assert words in html
    assert "nan" not in html.lower()
    assert re.search(r"<td>1: 06:06</td><td>radar &lt;ZSIM3&gt; is stale</td>", html)


def test_a_drill_of_nothing_has_a_report(result):
    empty = replace(
        result,
        cells=CellScores(0, 0, 0, 0, np.empty(0)),
        people=PeopleScores(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        outcome=np.zeros((2, 2), np.uint8),
        skill=(),
        cycles=(),
    )
    html = report_html(empty)
    assert "nan" not in html.lower()
    assert "—" in html
    assert json.loads(report_json(empty))["cells"]["detected"] is None


def test_map_is_drawn_with_north_up():
    drawn = cell_map(np.array([[2, 2], [4, 0]], np.uint8))
    assert '<rect x="0" y="0" width="1" height="1" fill="#b3261e"/>' in drawn
    assert '<rect x="0" y="1" width="2" height="1" fill="#009e73"/>' in drawn
