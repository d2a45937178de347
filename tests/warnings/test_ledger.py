"""One cycle after another through the database: events, messages, references, drills."""

import json
from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from lxml import etree
from sqlalchemy import func, select

from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.cap import validate
from jinghu.warnings.cap_rules import NAMESPACE
from jinghu.warnings.database import verify_audit
from jinghu.warnings.tables import alert, alert_cell, audit, event, event_cell, outbox, task


def actions(world):
    return [r.action for r in world.rows(select(alert.c.action).order_by(alert.c.alert_id))]


def references(xml: str) -> list[str]:
    text = etree.fromstring(xml.encode()).findtext(f"{{{NAMESPACE}}}references") or ""
    return [word.split(",")[1] for word in text.split()]


def test_two_counties_are_two_events(world):
    world.add_people([5, 15])
    summary = world.cycle({5: 2, 15: 3})
    assert (summary.candidates, summary.issued, summary.recipients) == (2, 2, 2)
    found = world.rows(select(event.c.county, event.c.level).order_by(event.c.county))
    assert [tuple(r) for r in found] == [("330602", 2), ("330604", 3)]


def test_a_repeated_cycle_changes_nothing(world):
    world.add_people([5])
    first = world.cycle({5: 2})
    again = world.cycle({5: 4}, at=world.time)
    assert again.repeated
    assert again.issued == first.issued == 1
    assert actions(world) == ["NEW"]
    assert len(world.rows(select(outbox))) == 1


def test_an_older_cycle_is_ignored_by_name(world):
    early = world.time + timedelta(minutes=6)
    world.cycle({5: 3}, minutes=12)
    late = world.cycle({6: 4}, at=early)
    assert late.late_after == "20260701T0012Z"
    assert (late.issued, late.updated, late.cancelled) == (0, 0, 0)
    assert actions(world) == ["NEW"]
    assert [r.cell_id for r in world.rows(select(event_cell))] == [5]
    assert world.cycle({6: 4}, at=early).repeated


def test_raised_waited_out_lowered_and_ended(world):
    world.cycle({5: 2})
    world.cycle({5: 4})
    for _ in range(9):
        world.cycle()
    assert actions(world) == ["NEW", "UPG"]
    assert world.cycle().cancelled == 1
    assert actions(world) == ["NEW", "UPG", "CAN"]
    assert world.rows(select(event.c.closed_at))[0].closed_at == isoformat(world.time)


def test_an_event_that_was_not_renewed_is_closed_with_its_messages_and_tasks(world):
    world.add_people([5])
    world.cycle({5: 3})
    summary = world.cycle(minutes=181)
    assert (summary.expired, summary.cancelled) == (1, 0)
    assert actions(world) == ["NEW"]  # an end by time needs no message
    assert [r.status for r in world.rows(select(outbox))] == ["DROPPED"]
    ended = world.rows(select(task))[0]
    assert (ended.status, ended.due_at) == ("CLOSED", None)


def test_an_ended_event_starts_again_as_a_new_one(world):
    world.cycle({5: 3})
    world.cycle({5: 3}, minutes=181)
    assert actions(world) == ["NEW", "NEW"]
    events = world.rows(select(event).order_by(event.c.opened_at))
    assert events[0].closed_at is not None
    assert events[1].closed_at is None
    second = world.rows(select(alert.c.cap_xml).order_by(alert.c.alert_id))[1]
    assert references(second.cap_xml) == []


def test_an_event_of_a_county_that_is_gone_is_closed_too(world):
    world.cycle({15: 3})
    world.office.units.cell_county[:] = 0
    assert world.cycle(minutes=181).expired == 1


def test_unknown_data_hold_and_renew(world):
    world.cycle({5: 3})
    for _ in range(60):  # six hours
        world.cycle(unknown=[5])
    assert set(actions(world)) == {"NEW", "CON"}
    last = world.rows(select(alert.c.cap_xml).order_by(alert.c.alert_id.desc()))[0].cap_xml
    assert "资料不全" in last
    assert "0毫米" not in last


def test_waning_rain_says_so(world):
    """A message that is due while the end is waited for does not speak of 0 mm in 0 h."""
    world.cycle({5: 2, 6: 2})
    world.cycle({5: 2, 6: 2, 7: 2})
    for _ in range(9):
        world.cycle()
    xml = world.rows(select(alert.c.cap_xml).order_by(alert.c.alert_id.desc()))[0].cap_xml
    assert actions(world)[-1] == "CON"
    assert "雨势减弱，尚待观察" in xml


def test_close_to_the_threshold_speaks_of_what_keeps_it(world):
    world.cycle({5: 3})
    world.cycle({6: 1}, kept={5: 3})
    xml = world.rows(select(alert.c.cap_xml).order_by(alert.c.alert_id.desc()))[0].cap_xml
    assert "3小时雨量（实况加预报）为48毫米，接近橙色标准" in xml


def test_references_name_all_unexpired_predecessors_with_the_sender_they_had(make_world):
    world = make_world()
    for k in range(1, 10):  # more than four hours: the first have expired
        world.cycle(dict.fromkeys(range(k), 2), minutes=30)
    rows = world.rows(select(alert).order_by(alert.c.alert_id))
    assert rows[-1].sent > rows[0].expires
    for row in rows:
        expected = [
            r.identifier
            for r in rows
            if r.alert_id < row.alert_id and r.expires > row.sent and r.event_id == row.event_id
        ]
        assert references(row.cap_xml) == expected
        assert validate(row.cap_xml.encode()) == []


@pytest.mark.parametrize("status", ["Exercise", "Test"])
def test_an_open_drill_does_not_swallow_the_real_warning(make_world, status):
    drill = make_world(channels=(status.lower(),), status=status)
    drill.add_people([5])
    drill.cycle({5: 4})
    real = make_world()
    summary = real.cycle({5: 4})  # the same cycle, the same place
    assert (summary.issued, summary.updated, summary.recipients) == (1, 0, 1)
    found = real.rows(select(alert.c.status, alert.c.headline_zh).order_by(alert.c.alert_id))
    assert [r.status for r in found] == [status, "Actual"]
    assert found[0].headline_zh.startswith("【")
    assert not found[1].headline_zh.startswith("【")


def test_without_channels_tasks_are_made_and_a_new_channel_tells_what_stands(make_world):
    silent = make_world(channels=())
    silent.add_people([5, 6])
    assert silent.cycle({5: 3}).recipients == 1
    assert silent.rows(select(outbox)) == []
    assert len(silent.rows(select(task))) == 1
    loud = make_world(channels=("sms",))
    loud.time = silent.time
    summary = loud.cycle({5: 3})
    assert summary.recipients == 0  # nobody's level changed...
    assert [r.level for r in loud.rows(select(outbox))] == [3]  # ...but they had not been reached


def test_the_audit_chain_holds_and_breaks_when_edited(world):
    world.cycle({5: 3})
    world.cycle({5: 4})
    assert verify_audit(world.engine) is None
    entries = world.rows(select(audit).order_by(audit.c.seq))
    assert [e.action for e in entries] == ["alert", "processed", "alert", "processed"]
    with world.engine.begin() as connection:
        detail = json.dumps(json.loads(entries[2].detail) | {"cells": 9}, sort_keys=True)
        connection.execute(audit.update().where(audit.c.seq == 3).values(detail=detail))
    assert verify_audit(world.engine) == 3


class Lives(RuleBasedStateMachine):
    """Random weather over five cells of two counties, checked against the messages that go out."""

    world_class: type

    def __init__(self):
        super().__init__()
        self.world = self.world_class("sqlite://")
        self.cells = [5, 6, 24, 15, 16]
        self.before: dict[int, int] = {}

    @initialize()
    def people(self):
        self.world.add_people(self.cells)

    def teardown(self):
        assert verify_audit(self.world.engine) is None
        self.world.engine.dispose()

    @rule(
        found=st.dictionaries(st.sampled_from([5, 6, 24, 15, 16]), st.integers(1, 4)),
        unknown=st.sets(st.sampled_from([5, 6, 24, 15, 16]), max_size=2),
        minutes=st.sampled_from([6, 6, 6, 30, 66, 200]),
        repeat=st.integers(1, 7),
    )
    def weather(self, found, unknown, minutes, repeat):
        for _ in range(repeat):
            before = self._standing()
            self.world.cycle(found, unknown=unknown, minutes=minutes)
            after = self._standing()
            for cell in self.cells:
                assert after.get(cell, 0) >= found.get(cell, 0)  # raised at once
                # A message is renewed half an hour before it ends: a longer gap may outlive it.
                may_have_expired = minutes > 30
                if cell in unknown and not may_have_expired:
                    assert after.get(cell, 0) >= before.get(cell, 0)
            minutes = 6

    @rule(found=st.dictionaries(st.sampled_from([5, 6, 24]), st.integers(1, 4)))
    def late(self, found):
        before = self._standing()
        self.world.cycle(found, at=self.world.start)
        if self.world.time > self.world.start:
            assert self._standing() == before

    def _standing(self):
        query = select(event_cell.c.cell_id, event_cell.c.level).join(
            event, event.c.event_id == event_cell.c.event_id
        )
        return dict(self.world.rows(query.where(event.c.closed_at.is_(None))))

    @invariant()
    def one_open_event_a_county(self):
        query = select(func.count()).where(event.c.closed_at.is_(None)).group_by(event.c.county)
        assert all(n == 1 for (n,) in self.world.rows(query))

    @invariant()
    def the_newest_message_says_what_stands(self):
        newest = select(func.max(alert.c.alert_id)).group_by(alert.c.event_id)
        said = dict(
            self.world.rows(
                select(alert_cell.c.cell_id, alert_cell.c.level)
                .join(alert, alert.c.alert_id == alert_cell.c.alert_id)
                .join(event, event.c.event_id == alert.c.event_id)
                .where(alert.c.alert_id.in_(newest), event.c.closed_at.is_(None))
            )
        )
        assert said == self._standing()

    @invariant()
    def messages_refer_to_what_had_not_expired_and_conform(self):
        rows = self.world.rows(select(alert).order_by(alert.c.alert_id))
        for row in rows[-3:]:
            assert validate(row.cap_xml.encode()) == []
            expected = [
                r.identifier
                for r in rows
                if r.event_id == row.event_id and r.alert_id < row.alert_id and r.expires > row.sent
            ]
            assert references(row.cap_xml) == expected
            assert (row.action == "NEW") == (expected == [])

    @invariant()
    def open_events_are_alive(self):
        rows = self.world.rows(
            select(func.max(alert.c.expires))
            .join(event, event.c.event_id == alert.c.event_id)
            .where(event.c.closed_at.is_(None))
            .group_by(event.c.event_id)
        )
        assert all(parse_time(expires) > self.world.time for (expires,) in rows)

    @invariant()
    def everybody_has_been_put_down_for_what_stands(self):
        query = (
            select(task.c.recipient_id, task.c.level, task.c.status)
            .join(event, event.c.event_id == task.c.event_id)
            .where(event.c.closed_at.is_(None), task.c.level > 0)
        )
        rows = self.world.rows(query)
        assert sorted(r.level for r in rows) == sorted(self._standing().values())
        assert all(r.status == "TOLD" for r in rows)


def test_lives(world_class):
    machine = type("Machine", (Lives,), {"world_class": world_class})
    run_state_machine_as_test(
        machine, settings=settings(deadline=None, max_examples=10, stateful_step_count=12)
    )
