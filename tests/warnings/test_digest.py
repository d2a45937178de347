"""Several messages of small urgency to one person: one goes out, and each has its fate."""

import json
from dataclasses import replace
from datetime import time, timedelta

import pytest
from sqlalchemy import select, text
from tests.warnings.test_delivery import Sink, run

from jinghu.grid.errors import DeliveryError
from jinghu.warnings.digest import Digest
from jinghu.warnings.levels import Level
from jinghu.warnings.outbox import Claim, Outcome, claim, failed, no_longer_held, release, settle
from jinghu.warnings.quiet import Quiet
from jinghu.warnings.tables import attempt, outbox

QUIET = Quiet(time(22), time(6, 30))
DIGEST = Digest(Level.YELLOW, frozenset({"sms"}))


@pytest.fixture
def person(world):
    """One person, to whom three messages of as many events wait: blue, yellow and an end."""
    return waiting(world, (1, 2, 0))


def waiting(world, levels, people=1):
    """Events of their own, as rain, rivers and torrents are, by copying the message of one."""
    world.add_people(list(range(people)))
    world.cycle(dict.fromkeys(range(people), 4))
    with world.engine.begin() as connection:
        for k, level in enumerate(levels, 1):
            for statement in (
                "INSERT INTO event (event_id, hazard, county, subject, status, level, opened_at)"
                " SELECT :event, hazard, county, :event, status, level, opened_at FROM event"
                " WHERE event_id NOT LIKE 'e%' LIMIT 1",
                "INSERT INTO alert (alert_id, identifier, sender, event_id, cycle, action, level,"
                " status, sent, expires, headline_zh, headline_en, cap_xml) SELECT 10 + :k,"
                " :event, sender, :event, cycle, action, level, status, sent, expires,"
                " headline_zh, headline_en, cap_xml FROM alert WHERE alert_id = 1",
                "INSERT INTO outbox (alert_id, message_status, recipient_id, channel, purpose,"
                " kind, version, level, priority, message_id, status, attempts, created_at,"
                " due_at) SELECT 10 + :k, message_status, recipient_id, channel, purpose, kind,"
                " version, :level, CASE WHEN :level = 0 THEN 0 ELSE 5 - :level END,"
                " :event || '-' || recipient_id, 'PENDING', 0, created_at, due_at FROM outbox"
                " WHERE alert_id = 1",
            ):
                filled = text(statement)
                values = {"event": f"e{k}", "k": k, "level": level}
                names = filled._bindparams
                connection.execute(filled, {n: v for n, v in values.items() if n in names})
    return world


def take(world, connection, limit=100, digest=DIGEST, minutes=0):
    now = world.time + timedelta(minutes=minutes)
    return claim(connection, Claim(["sms"], now, limit, digest), world.links, now)


def statuses(world):
    rows = world.rows(select(outbox.c.message_id, outbox.c.status, outbox.c.attempts))
    return {name: (status, attempts) for name, status, attempts in rows}


def taken(world, **how):
    with world.engine.begin() as connection:
        return take(world, connection, **how)


def test_red_goes_alone_and_the_rest_as_one(person):
    digest, red = sorted(taken(person), key=lambda m: m.content.level)
    assert red.content.items == ()
    assert red.content.kind == "warning.issued"
    assert (digest.content.kind, digest.content.level) == ("warning.digest", Level.YELLOW)
    assert [int(c.level) for c in digest.content.items] == [2, 1, 0]
    body = json.loads(digest.body)
    assert body["headline_zh"] == "预警信息汇总：3条，最高为黄色"
    assert body["headline_en"] == "3 messages on warnings, the highest yellow"
    links = {one["answer_url"] for one in body["items"]}
    assert len(links) == 3
    assert all(body["text_zh"].count(link) == 1 for link in links)
    assert body["text_zh"].startswith("（1）【暴雨黄色预警】第0村")
    assert "（3）【暴雨预警解除】" in body["text_zh"]
    assert body["text_zh"].endswith(f" 回执 {body['answer_url']}")
    found = statuses(person)
    assert found["e3-1"] == ("LEASED", 1)
    assert found["e1-1"] == found["e2-1"] == ("MERGED", 1)


def test_without_the_setting_each_goes_by_itself(person):
    assert [m.members for m in taken(person, digest=None)] == [()] * 4


def test_one_message_is_no_digest(world):
    waiting(world, (2,))
    assert [m.content.kind for m in taken(world)] == ["warning.issued"] * 2


def test_other_channels_and_calls_are_left_alone(person):
    with person.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET kind = 'ESCALATION' WHERE level = 2"))
    with person.engine.connect() as connection:  # rolled back
        other = Digest(Level.YELLOW, frozenset({"mail"}))
        assert [m.members for m in take(person, connection, digest=other)] == [()] * 4
    assert [m.members for m in taken(person) if m.content.level == 2] == [()]


def test_what_is_asked_for_a_few_takes_in_what_waits_behind(world):
    """Of ten people the first are taken; what waits for them behind others goes along."""
    waiting(world, (1, 2), people=10)
    first = taken(world, limit=13)
    assert len([m for m in first if m.content.level == 4]) == 10
    digests = [m for m in first if m.members]
    assert len(digests) == 3
    assert {len(m.content.items) for m in digests} == {2}
    rest = taken(world, limit=500)
    assert len([m for m in rest if m.members]) == 7
    assert taken(world, limit=500) == []


def test_each_shares_the_fate_of_the_one_that_goes_out(person):
    with Sink() as sink:
        summary = run(person, sink.hook(), digest=DIGEST)
    assert summary.sent == 4
    assert len(sink.received) == 2
    assert {status for status, _ in statuses(person).values()} == {"SENT"}
    found = person.rows(select(attempt.c.outcome, attempt.c.detail))
    assert len(found) == 4
    assert sum("(with " in detail for _, detail in found) == 2


def test_again_is_the_same_under_the_same_id(person):
    (digest,) = [m for m in taken(person) if m.members]
    with person.engine.begin() as connection:
        cause = DeliveryError("slow", retryable=True)
        settle(connection, [failed(digest, cause, person.time)], person.time)
    with person.engine.begin() as connection:  # the roster changes, and somebody else is warned
        connection.execute(text("UPDATE recipient SET name = '改', unit_name = '改'"))
        connection.execute(
            text("UPDATE outbox SET status = 'PENDING', attempts = 0 WHERE level = 4")
        )
    (again,) = [m for m in taken(person, minutes=1) if m.members]
    assert (again.message_id, again.body) == (digest.message_id, digest.body)
    assert again.attempts == 2
    assert statuses(person)["e1-1"] == ("MERGED", 2)


def test_what_was_dropped_is_left_out_under_another_id(person):
    (digest,) = [m for m in taken(person) if m.members]
    with person.engine.begin() as connection:
        assert no_longer_held(connection, [digest]) == set()
        connection.execute(text("UPDATE outbox SET status = 'DROPPED' WHERE message_id = 'e2-1'"))
        assert no_longer_held(connection, [digest]) == {digest.outbox_id}
        cause = DeliveryError("slow", retryable=True)
        settle(connection, [failed(digest, cause, person.time)], person.time)
    (again,) = [m for m in taken(person, minutes=1) if m.members]
    assert again.message_id != digest.message_id
    assert [int(c.level) for c in again.content.items] == [1, 0]
    assert statuses(person)["e2-1"][0] == "DROPPED"


def test_where_the_one_is_dropped_the_others_wait_by_themselves(person):
    (digest,) = [m for m in taken(person) if m.members]
    with person.engine.begin() as connection:
        connection.execute(text("UPDATE outbox SET status = 'DROPPED' WHERE message_id = 'e3-1'"))
    again = taken(person, minutes=1)
    assert {m.message_id for m in again} == {"e1-1", "e2-1"}
    assert digest.message_id not in {m.message_id for m in again}


def test_what_was_not_tried_is_as_before(person):
    before = statuses(person)
    with person.engine.begin() as connection:
        release(connection, take(person, connection))
    assert statuses(person) == before


def test_what_is_given_up_is_given_up_together_and_seen(person):
    (digest,) = [m for m in taken(person) if m.members]
    with person.engine.begin() as connection:
        dead = Outcome(digest.outbox_id, 1, "DEAD", "no number", person.time, digest.members)
        settle(connection, [dead], person.time)
    found = statuses(person)
    assert [found[f"e{k}-1"][0] for k in (1, 2, 3)] == ["DEAD"] * 3


def test_urgent_levels_never_wait():
    for wrong in (Level.ORANGE, Level.NONE):
        with pytest.raises(ValueError, match="blue and yellow"):
            Digest(wrong, frozenset())
        with pytest.raises(ValueError, match="blue and yellow"):
            Quiet(QUIET.begins, QUIET.ends, wrong)


def test_quiet_hours_of_yellow_are_a_setting(make_world):
    world = make_world()
    world.add_people([1, 2, 3])
    world.office = replace(world.office, quiet=Quiet(QUIET.begins, QUIET.ends, Level.YELLOW))
    night = world.start + timedelta(hours=16)  # midnight in Beijing
    world.cycle({1: 1, 2: 2, 3: 3}, at=night)
    rows = world.rows(select(outbox.c.level, outbox.c.due_at).order_by(outbox.c.level))
    assert [(level, due[11:16]) for level, due in rows] == [
        (1, "22:30"),
        (2, "22:30"),
        (3, f"{night:%H:%M}"),
    ]
