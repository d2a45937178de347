"""An import says what it changes, changes it as a whole, and leaves the rest alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select
from tests.warnings.town import IDS, RED, later, passed, settle_in, step

from jinghu.grid.spec import CELL_OUTSIDE
from jinghu.warnings.audience import BadRow, Recipient, Roster, count_recipients, match
from jinghu.warnings.levels import Role
from jinghu.warnings.reconcile import Absent, Change, apply_import, plan_import
from jinghu.warnings.tables import audit, outbox, recipient


def people_of(spec, cells):
    found = []
    for k, cell in enumerate(cells):
        row, col = spec.row_col([cell])
        lon, lat = spec.to_lonlat(spec.x[col], spec.y[row])
        found.append(
            Recipient(f"p{k}", "n", Role.GRID_OFFICER, "1", "u", float(lon[0]), float(lat[0]))
        )
    return found


def bring_in(world, roster, absent=Absent.KEEP):
    with world.engine.begin() as connection:
        plan = plan_import(connection, roster, world.spec, absent)
        apply_import(connection, plan, "tester", "people.csv", world.time)
    return plan


def kinds(plan):
    return {c.person: set(c.what) for c in plan.changes}


def test_every_kind_of_change_is_told_and_made(world):
    first = people_of(world.spec, [3, 4, 5, 6, 7])
    assert bring_in(world, Roster(tuple(first))).counts()["new"] == 5
    moved, promoted, renamed, same, _ = first
    far = people_of(world.spec, [9])[0]
    again = [
        replace(moved, lon=far.lon, lat=far.lat),
        replace(promoted, role=Role.VILLAGE_HEAD, unit_code="2"),
        replace(renamed, name="另一个"),
        replace(same, lon=same.lon + 5e-8),
        replace(far, person="p9"),
    ]
    plan = bring_in(world, Roster(tuple(again)), Absent.REMOVE)
    assert kinds(plan) == {
        "p0": {Change.MOVED},
        "p1": {Change.ROLE, Change.UNIT},
        "p2": {Change.NAME},
        "p9": {Change.NEW},
        "p4": {Change.REMOVED},
    }
    assert (plan.unchanged, plan.imported) == (1, 5)
    rows = {r.person: r for r in world.rows(select(recipient).order_by(recipient.c.recipient_id))}
    assert rows["p0"].cell_id == 9
    assert (rows["p1"].role, rows["p2"].name) == ("village_head", "另一个")
    assert (rows["p4"].cell_id, rows["p4"].removed_at is not None) == (CELL_OUTSIDE, True)
    with world.engine.connect() as connection:
        assert count_recipients(connection) == 5
        assert match(connection, range(400)) == [
            r.recipient_id for r in rows.values() if r.person != "p4"
        ]
    back = bring_in(world, Roster((first[4],)))
    assert kinds(back)["p4"] == {Change.RETURNED}
    assert {r.person: r.cell_id for r in world.rows(select(recipient))}["p4"] == 7
    entries = world.rows(select(audit).where(audit.c.action == "audience imported"))
    assert [(e.actor, e.subject) for e in entries] == [("tester", "people.csv")] * 3


def test_absent_people_are_kept_unless_the_table_is_complete(world):
    bring_in(world, Roster(tuple(people_of(world.spec, [3, 4]))))
    plan = bring_in(world, Roster(tuple(people_of(world.spec, [3]))))
    assert kinds(plan) == {"p1": {Change.ABSENT}}
    assert all(r.removed_at is None for r in world.rows(select(recipient)))


def test_whom_a_refused_row_names_is_not_removed(world):
    """A typing error in one row must not silence its person."""
    first = people_of(world.spec, [3, 4, 5])
    bring_in(world, Roster(tuple(first)))
    outside = replace(first[1], lon=100.0)
    roster = Roster(
        (first[0], outside), (BadRow("line 4", "role is empty", "p2"),), {"p1": "line 3"}
    )
    plan = bring_in(world, roster, Absent.REMOVE)
    assert plan.changes == ()
    assert [str(b)[:7] for b in plan.bad] == ["line 4:", "line 3:"]
    assert all(r.removed_at is None for r in world.rows(select(recipient)))


def test_an_import_that_fails_in_the_middle_leaves_nothing(world):
    first = people_of(world.spec, [3, 4])
    bring_in(world, Roster(tuple(first)))

    def fail(_connection, _cursor, statement, *_):
        if statement.startswith("UPDATE recipient") and "name" not in statement:
            raise RuntimeError("disk full")

    event.listen(world.engine, "before_cursor_execute", fail)
    changed = replace(first[0], role=Role.TOWN_DUTY)
    new = replace(first[1], person="p7")
    with pytest.raises(RuntimeError, match="disk full"):
        bring_in(world, Roster((changed, new)), Absent.REMOVE)
    event.remove(world.engine, "before_cursor_execute", fail)
    rows = world.rows(select(recipient))
    assert [(r.person, r.role) for r in rows] == [("p0", "grid_officer"), ("p1", "grid_officer")]


@settings(deadline=None, max_examples=25)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 9), st.integers(0, 399), min_size=1),
        min_size=1,
        max_size=4,
    )
)
def test_after_a_complete_import_the_recipients_are_those_of_the_table(world_class, tables):
    world = world_class("sqlite://")
    for table in tables:
        placed = people_of(world.spec, table.values())
        people = [replace(p, person=f"p{k}") for k, p in zip(table, placed, strict=True)]
        bring_in(world, Roster(tuple(people)), Absent.REMOVE)
        with world.engine.connect() as connection:
            again = plan_import(connection, Roster(tuple(people)), world.spec, Absent.REMOVE)
        assert again.changes == ()
        rows = world.rows(select(recipient).where(recipient.c.removed_at.is_(None)))
        assert {r.person: r.cell_id for r in rows} == {f"p{k}": c for k, c in table.items()}
    world.engine.dispose()


def test_who_has_left_is_neither_told_nor_called_on(world):
    """The village head has left: the grid's silence goes to the town at once."""
    settle_in(world)
    with world.engine.begin() as connection:
        kept = [r for r in connection.execute(select(recipient)) if r.person != "village1"]
        people = tuple(
            Recipient(r.person, r.name, Role(r.role), r.unit_code, r.unit_name, r.lon, r.lat)
            for r in kept
        )
        plan = plan_import(connection, Roster(people), world.spec, Absent.REMOVE)
        apply_import(connection, plan, "t", "t", world.time)
        assert "village1" in plan.removes
        # The import has put everybody at the cell of their position, which is one for all here.
        for r in kept:
            connection.execute(
                recipient.update().where(recipient.c.person == r.person).values(cell_id=r.cell_id)
            )
    world.cycle(RED)
    told = {r.recipient_id for r in world.rows(select(outbox))}
    assert IDS["village1"] not in told
    step(world, 6)
    assert {above for _, above, _ in passed(world)} == {"village2", "town"}
    assert later(world, 0) == world.time


def test_who_comes_into_an_active_area_is_told_once(world):
    bring_in(world, Roster(tuple(people_of(world.spec, [3, 399]))))
    world.cycle({3: 4, 4: 4})
    bring_in(world, Roster(tuple(people_of(world.spec, [3, 4]))))
    for _ in range(2):
        world.cycle({3: 4, 4: 4})
        rows = world.rows(select(outbox))
        assert sorted(r.recipient_id for r in rows) == [1, 2]
