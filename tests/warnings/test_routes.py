"""Channels in their order: the next one where one fails, and nobody is forgotten."""

from dataclasses import replace
from datetime import time, timedelta

import pytest
from sqlalchemy import select, text
from tests.warnings.test_delivery import Sink, run

from jinghu.grid.errors import ConfigError
from jinghu.warnings.database import verify_audit
from jinghu.warnings.delivery import outbox_counts
from jinghu.warnings.levels import Level, Role
from jinghu.warnings.outbox import disabled_channels
from jinghu.warnings.quiet import Quiet
from jinghu.warnings.routes import Route
from jinghu.warnings.tables import outbox, recipient


@pytest.fixture
def routed(make_world):
    """Grid officers: SMS, then mail. Village heads: mail alone, and speakers under red."""
    world = make_world(channels=("sms", "mail", "speakers"))
    officers, heads = (Role.GRID_OFFICER,), (Role.VILLAGE_HEAD,)
    world.office = replace(
        world.office,
        routes=(
            Route(("sms", "mail"), officers),
            Route(("mail",), heads),
            Route(("speakers",), heads, (Level.RED,)),
        ),
    )
    world.add_people([5, 6])
    world.add_people([7, 8], role="village_head")
    return world


def queued(world):
    query = (
        select(recipient.c.person, outbox.c.channel, outbox.c.level, outbox.c.status)
        .join(recipient, recipient.c.recipient_id == outbox.c.recipient_id)
        .order_by(outbox.c.outbox_id)
    )
    return [(r.person, r.channel, r.level, r.status) for r in world.rows(query)]


def test_people_are_told_through_what_their_route_begins_with(routed):
    routed.cycle({5: 2, 7: 2, 8: 4})
    assert sorted(queued(routed)) == [
        ("P5", "sms", 2, "PENDING"),
        ("P7", "mail", 2, "PENDING"),
        ("P8", "mail", 4, "PENDING"),
        ("P8", "speakers", 4, "PENDING"),
    ]


def test_a_refusal_goes_to_the_next_channel_at_once(routed):
    routed.cycle({5: 3, 6: 3})
    with Sink(lambda body, _: 400 if body["recipient"]["person"] == "P5" else 200) as sms:
        summary = run(routed, sms.hook("sms"))
    assert (summary.sent, summary.dead, summary.passed) == (1, 0, 1)
    assert ("P5", "sms", 3, "PASSED") in queued(routed)
    assert ("P5", "mail", 3, "PENDING") in queued(routed)
    with Sink() as mail:
        assert run(routed, mail.hook("mail")).sent == 1
    ((message_id, body),) = mail.received
    assert message_id.endswith("-mail")
    assert body["recipient"]["person"] == "P5"


def test_faults_go_to_the_next_channel_after_the_second(routed):
    routed.cycle({5: 3})
    with Sink(lambda *_: 503) as sms:
        assert run(routed, sms.hook("sms")).retry == 1
        later = routed.time + timedelta(seconds=6)
        second = run(routed, sms.hook("sms"), now=later)
        assert (second.retry, second.passed) == (0, 1)
        assert run(routed, sms.hook("sms"), now=routed.time + timedelta(hours=1)).passed == 0
    assert queued(routed) == [("P5", "sms", 3, "PASSED"), ("P5", "mail", 3, "PENDING")]


def test_who_was_told_by_the_next_channel_hears_the_rest_by_it(routed):
    routed.cycle({5: 3})
    with Sink(lambda *_: 400) as sms, Sink() as mail:
        run(routed, sms.hook("sms"), mail.hook("mail"))
        routed.cycle({5: 4})
        run(routed, sms.hook("sms"), mail.hook("mail"))
        routed.cycle({}, minutes=31)
        routed.cycle({}, minutes=31)
        routed.cycle({}, minutes=31)
        run(routed, sms.hook("sms"), mail.hook("mail"))
    assert [m["level"] for _, m in mail.received] == ["orange", "red", "none"]
    assert len({message_id for message_id, _ in mail.received}) == 3


def test_a_message_that_is_out_of_date_does_not_go_on(routed):
    routed.cycle({5: 3})
    with Sink(lambda *_: 503) as sms:
        run(routed, sms.hook("sms"))
        routed.cycle({5: 4})
        run(routed, sms.hook("sms"), now=routed.time + timedelta(minutes=1))
        run(routed, sms.hook("sms"), now=routed.time + timedelta(minutes=2))
    assert queued(routed) == [
        ("P5", "sms", 3, "DROPPED"),
        ("P5", "sms", 4, "PASSED"),
        ("P5", "mail", 4, "PENDING"),
    ]


def test_a_receiver_that_is_gone_is_disabled_until_it_is_enabled(routed):
    routed.cycle({5: 2, 6: 3, 7: 2})
    with Sink(lambda *_: 410) as sms, Sink() as mail:
        summary = run(routed, sms.hook("sms"), mail.hook("mail"))
        assert "HTTP 410" in summary.gone["sms"]
        times = sum(sms.times.values())
        routed.cycle({5: 4, 6: 3, 7: 2})  # what comes now begins with mail
        again = run(routed, sms.hook("sms"), mail.hook("mail"))
        assert "HTTP 410" in again.gone["sms"]
        assert sum(sms.times.values()) == times  # not asked again
    with routed.engine.connect() as connection:
        assert "HTTP 410" in disabled_channels(connection)["sms"]
    heard = sorted((m["recipient"]["person"], m["level"]) for _, m in mail.received)
    assert heard == [("P5", "red"), ("P5", "yellow"), ("P6", "orange"), ("P7", "yellow")]
    assert verify_audit(routed.engine) is None


def test_without_another_channel_what_is_gone_loses_nothing(world):
    world.add_people([5, 6])
    world.cycle({5: 3, 6: 4})
    with Sink(lambda *_: 410) as sink:
        run(world, sink.hook())
        run(world, sink.hook(), now=world.time + timedelta(minutes=1))
        assert outbox_counts(world.engine) == {"PENDING": 2}
    with world.engine.begin() as connection:
        connection.execute(text("UPDATE channel SET disabled_at = NULL"))
    with Sink() as sink:
        later = world.time + timedelta(minutes=2)
        assert run(world, sink.hook(), now=later).sent == 2


def test_urgent_messages_do_not_wait_for_a_channel_that_is_down(routed):
    routed.add_people(list(range(20, 60)))
    routed.cycle(dict.fromkeys(range(20, 40), 2) | dict.fromkeys(range(40, 60), 3))
    with Sink(lambda *_: 503) as sms:
        summary = run(routed, sms.hook("sms"))
    assert summary.down == ["sms"]
    passed = [q for q in queued(routed) if q[1:] == ("sms", 3, "PASSED")]
    assert len(passed) == 20  # orange goes on at once
    assert len([q for q in queued(routed) if q[1:] == ("sms", 2, "PENDING")]) == 20


def test_what_has_expired_is_not_sent_late(world):
    world.add_people([5])
    world.cycle({5: 3})
    with Sink() as sink:
        summary = run(world, sink.hook(), now=world.time + timedelta(hours=3))
    assert (summary.sent, summary.dropped) == (0, 1)
    assert outbox_counts(world.engine) == {"DROPPED": 1}


@pytest.mark.parametrize("channels", [(), ("sms", "mail", "sms")])
def test_routes_that_lead_nowhere_or_in_circles(channels):
    with pytest.raises(ConfigError, match="each of them once"):
        Route(channels)


def test_blue_at_night_is_held_until_morning_and_yellow_is_not(world):

    world.office = replace(world.office, quiet=Quiet(time(22), time(6, 30)))
    world.add_people([5, 6])
    world.time += timedelta(hours=16)  # midnight in Shaoxing
    world.cycle({5: 1, 6: 2})
    with Sink() as sink:
        run(world, sink.hook())
        assert [m["level"] for _, m in sink.received] == ["yellow"]
        world.time += timedelta(hours=6)  # 06:06: the warnings expired, and come anew
        world.cycle({5: 1, 6: 2})
        run(world, sink.hook())
        assert [m["level"] for _, m in sink.received] == ["yellow", "yellow"]
        world.cycle({5: 1, 6: 2}, minutes=24)
        run(world, sink.hook())
    assert [m["level"] for _, m in sink.received] == ["yellow", "yellow", "blue"]


def test_blue_that_was_over_by_morning_is_never_told(world):

    world.office = replace(world.office, quiet=Quiet(time(22), time(6, 30)))
    world.add_people([5])
    world.time += timedelta(hours=16)
    world.cycle({5: 1})
    for _ in range(3):
        world.cycle({}, minutes=31)
    with Sink() as sink:
        run(world, sink.hook(), now=world.time + timedelta(hours=8))
    assert sink.received == []
