"""Holds of forecasters: kept, raised, lowered, ended; always with a reason and an end."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from jinghu.grid.errors import ConfigError, DataError
from jinghu.warnings.cap import validate
from jinghu.warnings.database import verify_audit
from jinghu.warnings.holds import Hold, HoldKind, end_hold, place_hold, standing_holds
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.tables import alert, audit, event_cell


def wanted(world, kind, level=Level.NONE, hours=3.0):
    until = world.time + timedelta(hours=hours)
    of = (Hazard.RAINSTORM, "330602", "")
    return Hold(*of, kind, level, "雷达受遮挡", "王预报员", until)


def place(world, kind, level=Level.NONE, hours=3.0):
    return put(world, wanted(world, kind, level, hours))


def put(world, hold):
    with world.engine.begin() as connection:
        return place_hold(connection, hold, "Actual", world.time)


def end(world, number):
    with world.engine.begin() as connection:
        end_hold(connection, number, "李", "雷达恢复", world.time)


def actions(world):
    return [r.action for r in world.rows(select(alert.c.action).order_by(alert.c.alert_id))]


def newest(world):
    return world.rows(select(alert).order_by(alert.c.alert_id.desc()))[0]


def test_what_is_kept_is_not_lowered_until_the_hold_ends(world):
    world.cycle({5: 3})
    number = place(world, HoldKind.KEEP, hours=20)
    for _ in range(40):
        world.cycle()
    assert set(actions(world)) == {"NEW", "CON"}
    assert "经预报员研判，橙色预警有效：雷达受遮挡" in newest(world).cap_xml
    world.cycle({5: 4})
    assert actions(world)[-1] == "UPG"
    end(world, number)
    for _ in range(12):
        world.cycle()
    assert actions(world)[-1] == "CAN"
    assert verify_audit(world.engine) is None
    assert {r.actor for r in world.rows(select(audit.c.actor))} >= {"王预报员", "李"}


def test_a_hold_ends_by_itself(world):
    world.cycle({5: 3})
    place(world, HoldKind.KEEP, hours=1)
    for _ in range(10 + 12):
        world.cycle()
    assert actions(world)[-1] == "CAN"


def test_at_least_raises_the_whole_county_and_no_other(world):
    place(world, HoldKind.AT_LEAST, Level.YELLOW)
    world.cycle({5: 3, 15: 1})
    cells = {r.cell_id: r.level for r in world.rows(select(event_cell))}
    assert cells[5] == 3
    assert cells[0] == cells[389] == 2
    assert (cells[15], 16 in cells) == (1, False)
    assert [p for r in world.rows(select(alert)) for p in validate(r.cap_xml.encode())] == []


def test_at_most_lowers_at_once_and_ends_what_stands(world):
    world.cycle({5: 4})
    place(world, HoldKind.AT_MOST, Level.BLUE)
    world.cycle({5: 4})
    assert (actions(world)[-1], newest(world).level) == ("DNG", 1)
    place(world, HoldKind.AT_MOST)
    world.cycle({5: 4})
    assert actions(world)[-1] == "CAN"
    world.cycle({5: 4})
    assert actions(world)[-1] == "CAN"
    with world.engine.connect() as connection:
        assert len(standing_holds(connection, "Actual", world.time)) == 1
        assert standing_holds(connection, "Exercise", world.time) == []


def test_a_hold_on_nothing_is_named(world):
    hold = wanted(world, HoldKind.KEEP)
    put(world, replace(hold, hazard=Hazard.RIVER_FLOOD, subject="nowhere"))
    assert world.cycle().idle_holds == [1]


@pytest.mark.parametrize(
    ("kind", "change", "cause"),
    [
        (HoldKind.KEEP, {"reason": " "}, "reason"),
        (HoldKind.KEEP, {"author": ""}, "name"),
        (HoldKind.AT_LEAST, {}, "level"),
    ],
)
def test_holds_that_cannot_be_are_refused(world, kind, change, cause):
    with pytest.raises(ConfigError, match=cause):
        put(world, replace(wanted(world, kind), **change))
    for hours in (-1, 25):
        with pytest.raises(ConfigError, match="within"):
            place(world, HoldKind.KEEP, hours=hours)
    with pytest.raises(DataError, match="none that holds"):
        end(world, 7)
