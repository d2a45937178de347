"""National identifiers: their form, their allocation, and the second export of one message."""

import re
from dataclasses import replace
from datetime import timedelta

import pytest
from lxml import etree
from sqlalchemy import select

from jinghu.grid.errors import DataError
from jinghu.warnings.cap import validate
from jinghu.warnings.cap_cn import allocate
from jinghu.warnings.cap_rules import NAMESPACE
from jinghu.warnings.queries import get_cap_cn
from jinghu.warnings.tables import alert

FORM = re.compile(r"^\d{14}_\d{14}_\d$")


@pytest.fixture
def national(world):
    world.office = replace(world.office, agency="416")
    return world


def rows(world):
    return world.rows(select(alert).order_by(alert.c.alert_id))


def test_every_message_has_one_of_its_own(national):
    national.cycle({5: 2, 15: 3})
    national.cycle({5: 4, 15: 3})
    found = [r.cn_identifier for r in rows(national)]
    assert found == [
        "33060241600000_20260701080600_0",
        "33060441600000_20260701080600_0",
        "33060241600000_20260701081200_0",
    ]
    assert all(FORM.match(name) and len(name) == 31 for name in found)
    for row in rows(national):
        assert validate(row.cap_xml.encode()) == []
        assert f"<value>{row.cn_identifier}</value>" in row.cap_xml


def test_the_eleventh_of_a_second_gets_the_next(national):
    national.cycle({5: 2})
    (row,) = rows(national)
    with national.engine.begin() as connection:
        for n in range(1, 10):
            name = allocate(connection, "330602", "416", national.time)
            assert name.endswith(f"080600_{n}")
            copy = {c.name: getattr(row, c.name) for c in alert.columns if c.name != "alert_id"}
            more = {"identifier": f"x{n}", "cn_identifier": name}
            connection.execute(alert.insert().values(copy | more))
        assert allocate(connection, "330602", "416", national.time).endswith("080601_0")
        later = national.time + timedelta(seconds=2)
        assert allocate(connection, "330602", "416", later).endswith("080602_0")


def test_the_second_export_is_of_the_same_message(national):
    national.cycle({5: 2})
    national.cycle({5: 4})
    first, second = rows(national)
    with national.engine.connect() as connection:
        root = etree.fromstring(get_cap_cn(connection, second.identifier))
    assert root.findtext(f"{{{NAMESPACE}}}identifier") == second.cn_identifier
    assert root.findtext(f"{{{NAMESPACE}}}sent") == "2026-07-01 08:12:00+08:00"
    assert first.cn_identifier in (root.findtext(f"{{{NAMESPACE}}}references") or "")
    assert first.identifier not in (root.findtext(f"{{{NAMESPACE}}}references") or "")


def test_without_an_agency_there_is_none(world):
    world.cycle({5: 2})
    (row,) = rows(world)
    assert row.cn_identifier is None
    assert "cn_identifier" not in row.cap_xml
    with (
        world.engine.connect() as connection,
        pytest.raises(DataError, match=r"warnings\.agency was not set"),
    ):
        get_cap_cn(connection, row.identifier)
