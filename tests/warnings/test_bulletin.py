"""The printed bulletin: what it says of a unit, and that the page shows it."""

import base64
import re
import zlib
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from jinghu.grid.errors import DataError
from jinghu.warnings.bulletin import Names, Press, read_bulletin
from jinghu.warnings.bulletin_pdf import bulletin_pdf
from jinghu.warnings.bulletin_text import CHINESE, fitted, lines_of
from jinghu.warnings.database import reading
from jinghu.warnings.levels import Hazard, Level, Tier
from jinghu.warnings.tallies import TierCount

_SHOWN = re.compile(rb"/(F\d+) [\d.]+ Tf(?:(?! Tf).)*?\((.*?)(?<!\\)\) Tj", re.S)
_ESCAPED = re.compile(rb"\\([0-7]{3}|.)", re.S)


def words_of(pdf: bytes) -> str:
    """All text of a PDF's pages: of our two fonts, Chinese in UCS-2, English in one byte."""
    said = []
    for stream in re.findall(rb"stream\r?\n(.*?)endstream", pdf, re.S):
        try:
            page = zlib.decompress(base64.a85decode(stream.strip().removesuffix(b"~>")))
        except (ValueError, zlib.error):
            continue
        for font, raw in _SHOWN.findall(page):
            plain = _ESCAPED.sub(_byte, raw)
            said.append(plain.decode("utf-16-be" if font == b"F2" else "latin-1"))
    return "\n".join(said)


def _byte(found: re.Match[bytes]) -> bytes:
    code = found.group(1)
    return bytes([int(code, 8)]) if code.isdigit() else code


def press(world, names=Names.MASKED, minutes=1):
    office = world.office
    now = world.time + timedelta(minutes=minutes)
    return Press(office.units, "绍兴市", "Shaoxing", office.status, now, names)


def read(world, unit, **how):
    with reading(world.engine) as connection:
        return read_bulletin(connection, press(world, **how), unit)


def drawn(world, *found):
    return bulletin_pdf(found, world.office.units, world.spec)


@pytest.fixture
def warned(world):
    """Orange and yellow in the west, of which two have answered."""
    world.add_people([5, 6, 25, 44])
    world.cycle({5: 3, 6: 3, 25: 2})
    with world.engine.begin() as connection:
        for change in ("'HANDLED', due_at = NULL", "'CANNOT_HANDLE', due_at = NULL"):
            connection.execute(
                text(
                    f"UPDATE task SET status = {change} WHERE task_id ="
                    " (SELECT MIN(task_id) FROM task WHERE status = 'TOLD')"
                )
            )
    return world


def test_a_county_as_it_stands(warned):
    found = read(warned, "330602")
    assert (found.name_zh, found.name_en) == ("绍兴市越城区", "Yuecheng, Shaoxing")
    (one,) = found.standing
    assert (one.hazard, one.level, one.place_zh) == (Hazard.RAINSTORM, Level.ORANGE, "越城区")
    assert found.cells == {5: Level.ORANGE, 6: Level.ORANGE, 25: Level.YELLOW}
    (grid,) = found.answers
    assert grid == TierCount(Tier.GRID, told=3, answered=1, unable=1, awaited=1, silent=0)
    assert [p.said_zh for p in found.people] == ["无法处置", "待答复", "已处置"]
    assert {p.name for p in found.people} <= {"人＊", "人＊＊"}
    assert found.asked == 3


def test_a_village_has_the_level_of_its_people(warned):
    found = read(warned, "330602000025")
    assert found.name_zh == "绍兴市越城区第25村"
    assert [one.level for one in found.standing] == [Level.YELLOW]
    assert found.own == {25}
    assert read(warned, "330602000044").standing == ()
    assert read(warned, "330604").standing == ()


def test_only_what_is_in_force_and_of_this_status_counts(warned):
    assert read(warned, "330602", minutes=60 * 24).standing == ()
    warned.cycle({}, {}, minutes=6 * 24)
    with warned.engine.begin() as connection:
        connection.execute(text("UPDATE alert SET action = 'CAN'"))
    assert read(warned, "330602").standing == ()


@pytest.mark.parametrize("unit", ["330999", "3306", "33060", "330602999", "' OR 1=1", ""])
def test_units_of_others_are_refused(warned, unit):
    with pytest.raises(DataError, match="unit"):
        read(warned, unit)


def test_names_are_shown_as_may_be_seen(warned):
    assert {p.name for p in read(warned, "330602", names=Names.NONE).people} == {"—"}
    assert {p.name for p in read(warned, "330602", names=Names.FULL).people} == {
        "人5",
        "人6",
        "人25",
    }


def test_the_page_says_it(warned):
    found = read(warned, "330602")
    pdf = drawn(warned, found)
    said = words_of(pdf)
    for words in (
        "绍兴市越城区 预警信息快报",
        "Warning bulletin: Yuecheng, Shaoxing",
        "2026年7月1日08:07（北京时间）发布  Issued 2026-07-01 08:07 (UTC+8)",
        "暴雨橙色预警 越城区",
        "网格：通知 3，已答复 1，无法处置 1，待答复 1，未答复 0",
        "无法处置 cannot handle",
        "橙色 orange 2",
        "无  none",
    ):
        assert words in said
    assert "演练" not in said
    assert "人5" not in said
    assert pdf == drawn(warned, found)
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 1


def test_a_drill_says_so_across_the_page(make_world):
    world = make_world(status="Exercise")
    world.add_people([5])
    world.cycle({5: 4})
    said = words_of(drawn(world, read(world, "330602")))
    assert "演练：以下不是真实预警  EXERCISE: this is no real warning" in said
    assert "EXERCISE" in said.splitlines()[:3]


def test_what_does_not_fit_is_counted_and_stays_on_the_page(world):
    world.add_people([r * 20 + c for r in range(20) for c in range(10)])
    world.cycle({r * 20 + c: 3 for r in range(20) for c in range(10)})
    found = read(world, "330602")
    assert found.asked == 200
    pdf = drawn(world, found, read(world, "330604"))
    said = words_of(pdf)
    assert f"另有 {200 - said.count('网格员')} 人" in said
    assert len(re.findall(rb"/Type /Page\b", pdf)) == 2
    assert "2 / 2" in said
    assert "无待办任务  nobody is asked to act" in said


@given(st.text(alphabet="预警。，abc 12", max_size=200), st.integers(1, 4))
def test_lines_fit_and_lose_nothing_unless_they_are_cut(words, most):
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfbase.pdfmetrics import registerFont, stringWidth

    registerFont(UnicodeCIDFont(CHINESE))
    lines = lines_of(words, 9, 100, most)
    assert len(lines) <= most
    for line in lines:
        font = "Helvetica" if words.isascii() else CHINESE
        # A mark that may not begin a line hangs over by itself.
        assert stringWidth(line.rstrip("。，%"), font, 9) <= 100
    if not any(line.endswith("…") for line in lines) and not words.isascii():
        assert "".join(lines).replace(" ", "") == words.replace(" ", "")
    assert fitted("预警", CHINESE, 9, 100) == "预警"
