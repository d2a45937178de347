from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame
from jinghu.grid.river_reports import COLUMNS, Kind, read_river_reports, written_at

GOOD = "RG001,river,嵊州,29.604,120.834,2026-06-20T06:00:00Z,12.34,1985,310.5"


def read(tmp_path, *rows):
    path = tmp_path / "levels_202606200606.csv"
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", "utf-8")
    return read_river_reports(path, Frame.WGS84)


def test_a_report_is_read(tmp_path):
    (report,) = read(tmp_path, GOOD).reports
    assert (report.station, report.kind, report.name_zh) == ("RG001", Kind.RIVER, "嵊州")
    assert report.time == datetime(2026, 6, 20, 6, tzinfo=UTC)
    assert (report.level_m, report.datum, report.discharge_m3_s) == (12.34, "1985", 310.5)


@pytest.mark.parametrize(("level", "flow"), [("", "310.5"), ("nan", "310.5"), ("-9999", "310.5")])
def test_a_missing_level_leaves_the_discharge(tmp_path, level, flow):
    (report,) = read(tmp_path, GOOD.replace("12.34", level).replace("310.5", flow)).reports
    assert np.isnan(report.level_m)
    assert report.discharge_m3_s == 310.5


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        (GOOD.replace("RG001", ""), "no station"),
        (GOOD.replace("river", "sea"), "neither river nor reservoir"),
        (GOOD.replace("Z,", ","), "has no offset"),
        (GOOD.replace("29.604", "99"), "not on Earth"),
        (GOOD.replace("310.5", "-4"), "discharge -4 m3/s cannot be"),
        (GOOD.replace("12.34", "inf"), "level inf m cannot be"),
        (GOOD.replace("12.34", "high"), "is no number"),
        (GOOD.replace("12.34", "").replace("310.5", "nan"), "neither level nor discharge"),
        (GOOD.replace(",1985,", ",,"), "a level without its datum"),
        (GOOD.replace("06:00:00Z", "06:30:00Z"), "after its file was written: clock wrong"),
        ("RG001,river", "cut short, no name_zh"),
    ],
)
def test_a_row_that_cannot_be_right_is_refused_and_named(tmp_path, row, cause):
    found = read(tmp_path, row, GOOD)
    assert len(found.reports) == found.refused == 1
    assert cause in found.examples[0]
    assert found.examples[0].startswith("line 2: ")


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"station,kind\n", "lacks the columns name_zh"),
        (b"\xff\xfe", "not a UTF-8 text file"),
        (b"\0" * 40, "lacks the columns"),
    ],
)
def test_a_file_that_is_no_table_is_refused(tmp_path, content, cause):
    path = tmp_path / "levels.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=cause):
        read_river_reports(path, Frame.WGS84)


@given(st.text(max_size=300))
def test_no_text_breaks_the_reader(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_text(",".join(COLUMNS) + "\n" + text, "utf-8", newline="")
    found = read_river_reports(path, Frame.WGS84)
    assert found.refused >= 0
    assert len(found.examples) <= 5


def test_the_name_tells_when_a_file_was_written():
    assert written_at("water_levels_202606200606.csv") == datetime(2026, 6, 20, 6, 6, tzinfo=UTC)
    assert written_at("levels_20260620060630.csv") == datetime(2026, 6, 20, 6, 6, tzinfo=UTC)
    assert written_at("levels.csv") is None
    assert written_at("levels_202699990606.csv") is None
