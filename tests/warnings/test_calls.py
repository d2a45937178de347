"""Messages to those who are called on: numbered, urgent, and one for what waits anyway."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text

from jinghu.warnings.calls import Call, enqueue
from jinghu.warnings.tables import alert, outbox


@pytest.fixture
def told(world):
    world.add_people([5, 6])
    world.cycle({5: 2})
    return world


def put(world, *calls, seconds=0):
    (key,) = world.rows(select(alert.c.alert_id))[0]
    with world.engine.begin() as connection:
        enqueue(connection, key, calls, world.time + timedelta(seconds=seconds))


def written(world):
    query = select(outbox).where(outbox.c.kind == "ESCALATION").order_by(outbox.c.outbox_id)
    return [(r.recipient_id, r.version, r.level, r.priority) for r in world.rows(query)]


def test_calls_are_numbered_after_what_the_alert_said_to_the_same_person(told):
    put(told, Call(1, 2, "sms"), Call(2, 4, "sms"))
    assert written(told) == [(1, 1, 2, 3), (2, 0, 4, 1)]
    identifiers = [r.message_id for r in told.rows(select(outbox))]
    (name,) = told.rows(select(alert.c.identifier))[0]
    assert identifiers == [f"{name}-1-sms", f"{name}-1-sms-1", f"{name}-2-sms"]
    rows = told.rows(select(outbox))
    assert {(r.message_status, r.purpose, r.status) for r in rows} == {
        ("Actual", "production", "PENDING")
    }


def test_what_waits_since_the_same_moment_says_it_too_at_the_higher_level(told):
    put(told, Call(2, 3, "sms"))
    put(told, Call(2, 4, "sms"))
    put(told, Call(2, 2, "sms"))
    assert written(told) == [(2, 0, 4, 1)]


@pytest.mark.parametrize(
    "change", ["status = 'LEASED', attempts = 1", "status = 'SENT'", "attempts = 1"]
)
def test_what_was_taken_is_followed_by_another(told, change):
    put(told, Call(2, 3, "sms"))
    with told.engine.begin() as connection:
        connection.execute(text(f"UPDATE outbox SET {change} WHERE kind = 'ESCALATION'"))
    put(told, Call(2, 4, "sms"))
    assert written(told) == [(2, 0, 3, 2), (2, 1, 4, 1)]


def test_another_moment_is_another_message(told):
    put(told, Call(2, 3, "sms"))
    put(told, Call(2, 3, "sms"), seconds=60)
    assert written(told) == [(2, 0, 3, 2), (2, 1, 3, 2)]


def test_nothing_to_say(told):
    put(told)
    assert written(told) == []


def test_the_end_comes_first_of_all(told):
    put(told, Call(2, 0, "sms", "WARNING"))
    (row,) = told.rows(select(outbox).where(outbox.c.level == 0))
    assert (row.priority, row.kind) == (0, "WARNING")
