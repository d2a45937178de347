"""Every message we write is valid by our rules, and by the OASIS schema where it is at hand."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

from jinghu.warnings.areas import cell_polygons, to_lonlat
from jinghu.warnings.cap import cap_time, to_xml, validate
from jinghu.warnings.cap_rules import NAMESPACE
from jinghu.warnings.evidence import Basis, Evidence
from jinghu.warnings.levels import Action, Hazard, Level
from jinghu.warnings.message import (
    Area,
    Message,
    Reference,
    headline_en,
    headline_zh,
    phone_text_en,
    phone_text_zh,
)

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("JINGHU_DATA", ROOT.parent / "shared" / "data")) / "cap"
SENT = datetime(2026, 7, 1, 0, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def message(world_class) -> Message:
    outlines = tuple(
        tuple(to_lonlat(p, world_class.spec)) for p in cell_polygons([5, 6, 26], world_class.spec)
    )
    return Message(
        identifier="rainstorm-330602-20260701T0006Z-002",
        sender="office@jinghu.example",
        status="Actual",
        action=Action.UPGRADE,
        hazard=Hazard.RAINSTORM,
        level=Level.RED,
        county=world_class.west,
        city_zh="绍兴市",
        city_en="Shaoxing",
        sent=SENT,
        onset=SENT + timedelta(minutes=30),
        expires=SENT + timedelta(hours=3),
        evidence=Evidence(Basis.REACHED, 112.4, 3),
        areas=(Area(Level.RED, outlines, 3), Area(Level.BLUE, outlines, 3)),
        references=(
            Reference("office@jinghu.example", "rainstorm-330602-20260701T0006Z-001", SENT),
        ),
        event_id="rainstorm-330602-20260701T0006Z",
        rules="test-1",
    )


def texts(xml: bytes, name: str) -> list[str]:
    return [e.text or "" for e in etree.fromstring(xml).iter(f"{{{NAMESPACE}}}{name}")]


def conforms(xml: bytes) -> None:
    assert validate(xml) == []
    if DATA.is_dir():
        etree.XMLSchema(etree.parse(DATA / "CAP-v1.2.xsd")).assertValid(etree.fromstring(xml))


@settings(deadline=None, max_examples=60)
@given(
    action=st.sampled_from([a for a in Action if a is not Action.EXPIRE]),
    status=st.sampled_from(["Actual", "Exercise", "Test"]),
    level=st.sampled_from([level for level in Level if level]),
    basis=st.sampled_from(list(Basis)),
    wait=st.integers(0, 180),
)
def test_every_message_conforms(message, action, status, level, basis, wait):
    made = replace(
        message,
        action=action,
        status=status,
        level=level,
        onset=SENT + timedelta(minutes=wait),
        evidence=Evidence(basis, 80.0, 6) if basis in (Basis.REACHED, Basis.CLOSE) else
        Evidence(basis),
        references=() if action is Action.NEW else message.references,
    )  # fmt: skip
    xml = to_xml(made)
    conforms(xml)
    assert texts(xml, "status") == [status]
    for text in texts(xml, "description"):
        assert "0毫米" not in text.replace("80毫米", "")
        assert " 0 mm" not in text


def test_levels_are_told_in_both_languages_highest_first(message):
    xml = to_xml(message)
    assert texts(xml, "language") == ["zh-CN", "zh-CN", "en-US", "en-US"]
    assert texts(xml, "severity") == ["Extreme", "Minor"] * 2
    assert texts(xml, "references") == [
        "office@jinghu.example,rainstorm-330602-20260701T0006Z-001,2026-07-01T08:06:00+08:00"
    ]
    assert texts(xml, "description")[0] == (
        "绍兴市越城区部分区域3小时雨量（实况加预报）将达或已达112毫米，自7月1日08:36起达到红色标准。"
        "涉及2.5公里网格：红色3个网格、蓝色3个网格。"
    )


def test_an_end_is_all_clear(message):
    xml = to_xml(replace(message, action=Action.CANCEL))
    assert texts(xml, "msgType") == ["Cancel"]
    assert set(texts(xml, "responseType")) == {"AllClear"}
    assert set(texts(xml, "urgency")) == {"Past"}
    assert texts(xml, "headline")[0] == "越城区解除暴雨预警"


@pytest.mark.parametrize(
    ("status", "zh", "en"),
    [("Exercise", "【演练】", "[EXERCISE] "), ("Test", "【测试】", "[TEST] ")],
)
def test_drills_say_so_first(message, status, zh, en):
    drill = replace(message, status=status)
    xml = to_xml(drill)
    assert texts(xml, "status") == [status]
    assert status in texts(xml, "note")[0]
    headlines = texts(xml, "headline")
    assert headlines[0].startswith(zh)
    assert headlines[-1].startswith(en)
    for level in Level:
        assert phone_text_zh(status, Hazard.RAINSTORM, level, "某村").startswith(zh)
        assert phone_text_en(status, Hazard.RAINSTORM, level).startswith(en)


@pytest.mark.parametrize("action", list(Action))
def test_headlines_are_short_enough_for_a_text_message(message, action):
    made = replace(message, action=action, status="Exercise")
    assert len(headline_zh(made)) < 70
    assert len(headline_en(made)) < 140


def test_times_are_whole_seconds_with_an_offset():
    moment = datetime(2026, 7, 1, 0, 6, 7, 999_999, tzinfo=UTC)
    assert cap_time(moment) == "2026-07-01T08:06:07+08:00"
