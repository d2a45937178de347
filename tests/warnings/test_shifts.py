"""Several duties of one person, and shifts: who is told, who is called, who stands back."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.warnings.town import AWAY, RED, settle_in, step, tasks, waited_for

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.frames import Frame
from jinghu.warnings.audience import read_roster
from jinghu.warnings.contacts import ContactFile, ContactKind
from jinghu.warnings.database import verify_audit
from jinghu.warnings.levels import Role
from jinghu.warnings.reconcile import Absent, apply_import, plan_import
from jinghu.warnings.shifts import (
    NewShift,
    add_shifts,
    gaps,
    list_shifts,
    off_duty,
    remove_shift,
)
from jinghu.warnings.tables import outbox, recipient, shift

HOUR = timedelta(hours=1)
# A village with two grid officers of one grid, two heads, and two on duty in the town.
PEOPLE = (
    ("early", "grid_officer", "330602001001001", 5),
    ("late", "grid_officer", "330602001001001", 5),
    ("head1", "village_head", "330602001001", AWAY),
    ("head2", "village_head", "330602001001", AWAY),
    ("town", "town_duty", "330602001", AWAY),
)
HEAD = "person,name,role,unit_code,unit_name,lon,lat,phone\n"


@pytest.fixture
def village(world):
    return settle_in(world, PEOPLE)


def roster(world, *rows):
    """Shifts by name, and hours from the world's time on."""
    shifts = [NewShift(n, world.time + a * HOUR, world.time + b * HOUR) for n, a, b in rows]
    with world.engine.begin() as connection:
        return add_shifts(connection, shifts, "tester", world.time)


def told(world):
    query = select(recipient.c.person).join(outbox).order_by(outbox.c.outbox_id)
    return [row.person for row in world.rows(query)]


def test_who_is_on_shift_is_told_and_the_other_is_not(village):
    roster(village, ("early", -1, 6), ("late", 6, 14))
    village.cycle(RED)
    assert told(village) == ["early"]
    assert waited_for(village) == {"early"}


def test_after_the_change_the_next_is_told_and_nobody_hears_that_it_is_over(village):
    roster(village, ("early", -1, 1), ("late", 1, 9))
    village.cycle(RED)
    village.cycle(RED, minutes=90)
    assert told(village) == ["early", "late"]
    assert {row.level for row in village.rows(select(outbox))} == {4}
    village.cycle({}, minutes=6)
    for _ in range(20):
        village.cycle({}, minutes=6)
    ended = select(recipient.c.person).join(outbox).where(outbox.c.level == 0)
    assert {row.person for row in village.rows(ended)} <= {"early", "late"}


def test_without_a_roster_and_where_nobody_is_on_shift_all_are_told(village):
    village.cycle({5: 2})
    assert sorted(told(village)) == ["early", "late"]
    with village.engine.begin() as connection:
        assert gaps(connection, village.time) == []
    roster(village, ("early", 5, 9))
    village.cycle(RED)
    assert sorted(told(village)) == ["early", "early", "late", "late"]
    with village.engine.begin() as connection:
        (gap,) = gaps(connection, village.time)
    assert str(gap) == "330602001001001单位 网格员 (330602001001001 grid_officer)"


def test_a_task_goes_up_to_who_is_on_shift(village):
    roster(village, ("head2", -1, 6), ("head1", 6, 14))
    village.cycle(RED)
    step(village, 6)
    assert "head2" in tasks(village)
    assert "head1" not in tasks(village)


def test_who_has_no_shifts_is_always_on_duty(village):
    roster(village, ("late", -1, 6))
    village.cycle(RED)
    assert sorted(told(village)) == ["early", "late"]


def test_shifts_are_kept_listed_and_taken_off_with_the_audit(village):
    first, second = roster(village, ("early", 0, 8), ("late", 8, 16))
    assert roster(village, ("early", 0, 8)) == [first]  # once more is the same
    with pytest.raises(ConfigError, match="early is on shift from"):
        roster(village, ("early", 7, 9))
    with pytest.raises(ConfigError, match="ends before it begins"):
        roster(village, ("early", 9, 9))
    with pytest.raises(ConfigError, match="longer than 31 days"):
        roster(village, ("early", 9, 9999))
    with pytest.raises(DataError, match="nobody of this id"):
        roster(village, ("nobody", 0, 8))
    with village.engine.begin() as connection:
        listed = list_shifts(connection, "330602", village.time, village.time + 9 * HOUR)
        assert [one.person for one in listed] == ["early", "late"]
        assert list_shifts(connection, "330604", village.time, village.time + 9 * HOUR) == []
        with pytest.raises(DataError, match="none of this number"):
            remove_shift(connection, first, "tester", village.time, "330604")
        remove_shift(connection, first, "tester", village.time)
        assert off_duty(connection, village.time) == []
    assert [row.shift_id for row in village.rows(select(shift))] == [second]
    assert verify_audit(village.engine) is None


def test_one_person_may_hold_several_duties(world, tmp_path):
    path = tmp_path / "people.csv"
    path.write_text(
        HEAD
        + "P1,张三,village_head,330602001001,甲村,120.1,29.9,\n"
        + "P1,张三,grid_officer,330602001001001,甲村一网格,120.1,29.9,\n"
        + "P1,张三,网格员,330602001001001,甲村一网格,120.1,29.9,\n"
        + "P2,李四,grid_officer,330602001001002,甲村二网格,120.1,29.9,\n",
        encoding="utf-8",
    )
    found = read_roster(path, Frame.WGS84)
    second = "P1/330602001001001/grid_officer"
    assert [(p.person, p.role, p.holder) for p in found.people] == [
        ("P1", Role.VILLAGE_HEAD, ""),
        (second, Role.GRID_OFFICER, "P1"),
        ("P2", Role.GRID_OFFICER, ""),
    ]
    assert [str(bad) for bad in found.bad] == ["line 4: person P1 stands twice"]
    with world.engine.begin() as connection:
        plan = plan_import(connection, found, world.spec, Absent.REMOVE)
        apply_import(connection, plan, "tester", "people.csv", world.time)
        again = plan_import(connection, found, world.spec, Absent.REMOVE)
    assert (again.changes, again.unchanged) == ((), 3)
    contacts = ContactFile({("P1", ContactKind.PHONE): "+8613800000000"})
    assert contacts.find(second, ContactKind.PHONE) == contacts.find("P1", ContactKind.PHONE)
    assert contacts.find("P2/1/grid_officer", ContactKind.PHONE) is None
    holders = {r.person: r.holder for r in world.rows(select(recipient))}
    assert holders == {"P1": None, second: "P1", "P2": None}
