"""Leases, waiting times, and who may write down what."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from tests.warnings.leaks import all_of

from jinghu.grid.errors import DeliveryError
from jinghu.warnings.acknowledge import read_token
from jinghu.warnings.outbox import (
    LEASE,
    MAX_ATTEMPTS,
    BusyError,
    Claim,
    Outcome,
    claim,
    failed,
    release,
    settle,
)
from jinghu.warnings.tables import attempt, outbox


@pytest.fixture
def three(world):
    world.add_people([5, 6, 7])
    world.cycle({5: 2, 6: 4, 7: 3})
    return world


def take(world, now, limit=10, channels=("sms",)):
    with world.engine.begin() as connection:
        return claim(connection, Claim(channels, now, limit), world.links, now)


def put(world, outcomes, now):
    with world.engine.begin() as connection:
        settle(connection, outcomes, now)


def statuses(world):
    return [r.status for r in world.rows(select(outbox).order_by(outbox.c.outbox_id))]


def level_of(message):
    return json.loads(message.body)["level"]


def test_the_most_urgent_first(three):
    assert [level_of(m) for m in take(three, three.time)] == ["red", "orange", "yellow"]


def test_what_is_leased_is_nobody_elses_until_the_lease_ends(three):
    first = take(three, three.time)
    assert take(three, three.time + LEASE) == []
    again = take(three, three.time + LEASE + timedelta(seconds=1))
    assert [m.message_id for m in again] == [m.message_id for m in first]
    assert [m.body for m in again] == [m.body for m in first]
    assert [m.attempts for m in again] == [2, 2, 2]


def test_other_channels_messages_are_left_alone(three):
    assert take(three, three.time, channels=("mail",)) == []


def test_the_body_says_who_what_and_where_to_answer(three):
    body = json.loads(take(three, three.time)[0].body)
    assert body["status"] == "Actual"
    assert body["recipient"]["person"] == "P6"
    assert body["answer_url"].startswith("https://jinghu.example/t/")
    assert body["answer_url"] in body["text_zh"]
    assert body["answer_url"] in body["text_en"]
    token = body["answer_url"].rsplit("/", 1)[1]
    link = read_token(token, three.key, three.time)
    assert (link.event_id, link.recipient_id) == (body["event"], 2)
    assert body["text_zh"].startswith("【暴雨红色预警】第6村：危险区域人员立即转移")
    assert "P6" not in body["answer_url"]


def test_a_token_is_never_in_the_database(three):
    token = json.loads(take(three, three.time)[0].body)["answer_url"].rsplit("/", 1)[1]
    assert token not in all_of(three.engine)


@pytest.mark.parametrize(
    ("status", "zh", "en"), [("Exercise", "演练", "EXERCISE"), ("Test", "测试", "TEST")]
)
def test_drills_say_so_in_every_text(make_world, status, zh, en):
    world = make_world(status=status)
    world.add_people([5])
    world.cycle({5: 4})
    body = json.loads(take(world, world.time)[0].body)
    assert body["status"] == status
    for name in ("text_zh", "headline_zh"):
        assert body[name].startswith(f"【{zh}】")
        assert body[name].count(zh) == 1
    for name in ("text_en", "headline_en"):
        assert body[name].startswith(f"[{en}] ")


def test_failures_wait_longer_and_longer_and_then_die(three):
    now, waits = three.time, []
    for _ in range(MAX_ATTEMPTS):
        message = take(three, now, limit=1)[0]
        outcome = failed(message, DeliveryError("503", retryable=True), now)
        put(three, [outcome], now)
        waits.append(int((outcome.due_at - now).total_seconds()))
        with three.engine.begin() as connection:  # only this one, whatever else is due
            connection.execute(
                outbox.update().where(outbox.c.outbox_id != outcome.outbox_id).values(status="SENT")
            )
        assert take(three, outcome.due_at - timedelta(seconds=1)) == [] or outcome.status == "DEAD"
        now = outcome.due_at
    assert waits == [5, 30, 60, 300, 900, 1800, 3600, 0]
    assert statuses(three).count("DEAD") == 1
    assert take(three, now + timedelta(days=1)) == []


def test_a_refusal_is_dead_at_once_and_a_busy_receiver_is_left_alone(three):
    first, second, third = take(three, three.time)
    outcomes = [
        failed(first, DeliveryError("400", retryable=False), three.time),
        failed(second, BusyError("429", timedelta(seconds=90)), three.time),
        failed(third, BusyError("429", timedelta(days=9)), three.time),
    ]
    assert [o.status for o in outcomes] == ["DEAD", "PENDING", "PENDING"]
    assert outcomes[1].due_at - three.time == timedelta(seconds=90)
    assert outcomes[2].due_at - three.time == timedelta(hours=1)


def test_who_lost_the_lease_cannot_undo_what_its_new_holder_did(three):
    slow = take(three, three.time, limit=1)[0]
    later = three.time + LEASE + timedelta(seconds=1)
    fast = take(three, later, limit=1)[0]
    assert fast.outbox_id == slow.outbox_id
    put(three, [failed(slow, DeliveryError("timeout", retryable=True), later)], later)
    assert statuses(three)[1] == "LEASED"
    put(three, [Outcome(fast.outbox_id, fast.attempts, "SENT", "", later)], later)
    put(three, [failed(slow, DeliveryError("timeout", retryable=False), later)], later)
    assert statuses(three)[1] == "SENT"
    assert three.rows(select(func.count()).select_from(attempt))[0][0] == 3


def test_dropped_while_held_stays_dropped_unless_it_got_out(three):
    held = take(three, three.time)
    three.cycle({5: 3, 6: 4, 7: 4})
    assert statuses(three)[:3] == ["DROPPED", "LEASED", "DROPPED"]
    by_level = {level_of(m): m for m in held}
    put(
        three,
        [
            failed(by_level["yellow"], DeliveryError("503", retryable=True), three.time),
            Outcome(by_level["orange"].outbox_id, 1, "SENT", "HTTP 200", three.time),
        ],
        three.time,
    )
    assert statuses(three)[:3] == ["DROPPED", "LEASED", "SENT"]


def test_what_was_not_tried_goes_back_as_it_was(three):
    held = take(three, three.time)
    with three.engine.begin() as connection:
        release(connection, held)
    rows = three.rows(select(outbox))
    assert {(r.status, r.attempts, r.leased_until) for r in rows} == {("PENDING", 0, None)}
    assert [m.message_id for m in take(three, three.time)] == [m.message_id for m in held]
