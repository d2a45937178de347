"""Duty rosters as files, and over the command line."""

import json
from datetime import UTC, datetime

import pytest
from openpyxl import Workbook
from sqlalchemy import select
from tests.warnings.test_shifts import PEOPLE
from tests.warnings.town import settle_in

from jinghu.grid.errors import DataError
from jinghu.warnings.shift_files import import_shifts
from jinghu.warnings.tables import recipient, shift

NOW = datetime(2026, 7, 1, tzinfo=UTC)


@pytest.fixture
def village(world):
    settled = settle_in(world, PEOPLE)
    with settled.engine.begin() as connection:
        second = recipient.update().where(recipient.c.person == "head2")
        connection.execute(second.values(person="head1/330602001002/x", holder="head1",
                                         unit_code="330602001002"))  # fmt: skip
    return settled


def read(world, path):
    with world.engine.begin() as connection:
        return import_shifts(connection, path, "tester", NOW)


def kept(world):
    query = select(recipient.c.person, shift.c.starts_at, shift.c.ends_at).join(shift)
    return [tuple(row) for row in world.rows(query.order_by(shift.c.shift_id))]


def test_times_are_of_beijing_and_bad_rows_are_named(village, tmp_path):
    path = tmp_path / "roster.csv"
    path.write_text(
        "编号,值班开始,值班结束,单位代码\n"
        "early,2026-07-01 08:00,2026-07-01 20:00,\n"
        "late,2026-07-01T12:00:00Z,2026-07-02T00:00:00Z,\n"
        "head1,2026-07-01 08:00,2026-07-01 20:00,330602001002\n"
        "nobody,2026-07-01 08:00,2026-07-01 20:00,\n"
        "head1,2026-07-01 08:00,2026-07-01 20:00,330699\n"
        "town,morning,2026-07-01 20:00,\n"
        "early,2026-07-01 19:00,2026-07-01 21:00,\n",
        encoding="gb18030",
    )
    done = read(village, path)
    assert len(done.shifts) == 3
    assert kept(village) == [
        ("early", "2026-07-01T00:00:00Z", "2026-07-01T12:00:00Z"),
        ("late", "2026-07-01T12:00:00Z", "2026-07-02T00:00:00Z"),
        ("head1/330602001002/x", "2026-07-01T00:00:00Z", "2026-07-01T12:00:00Z"),
    ]
    assert [str(bad) for bad in done.bad] == [
        "line 5: nobody: there is nobody of this id",
        "line 6: head1: holds no duty in unit 330699",
        "line 7: starts 'morning' is no time",
        "line 8: early is on shift from 2026-07-01T00:00:00Z to 2026-07-01T12:00:00Z already",
    ]


def test_workbooks_are_read_and_twice_is_once(village, tmp_path):
    book = Workbook()
    book.active.append(["person", "starts", "ends"])
    book.active.append(["early", datetime(2026, 7, 1, 8), datetime(2026, 7, 1, 20)])
    book.save(tmp_path / "roster.xlsx")
    first = read(village, tmp_path / "roster.xlsx")
    assert read(village, tmp_path / "roster.xlsx") == first
    assert kept(village) == [("early", "2026-07-01T00:00:00Z", "2026-07-01T12:00:00Z")]


def test_what_is_no_roster_is_refused(village, tmp_path):
    for name, text, cause in (
        ("a.csv", "person,starts\n", "columns .'ends'. are missing"),
        ("b.csv", "person,starts,ends\n", "there is no shift in it"),
        ("c.geojson", json.dumps({"features": []}), "is .csv or .xlsx, not .geojson"),
    ):
        (tmp_path / name).write_text(text, encoding="utf-8")
        with pytest.raises(DataError, match=cause):
            read(village, tmp_path / name)
