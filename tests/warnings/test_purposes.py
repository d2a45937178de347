"""A message of a drill never reaches a production channel, whichever way it is tried."""

from dataclasses import replace
from itertools import product

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import insert, select, text, update
from sqlalchemy.exc import IntegrityError
from tests.warnings.test_delivery import Sink, run

from jinghu.grid.errors import ConfigError
from jinghu.warnings import database
from jinghu.warnings.database import connect, open_database
from jinghu.warnings.fanout import fan_out
from jinghu.warnings.purposes import Purpose, fits, register_channels
from jinghu.warnings.tables import alert, attempt, channel, outbox, task
from jinghu.warnings.waiting import AnswerWithin

WRONG = [("Exercise", Purpose.PRODUCTION), ("Actual", Purpose.DRILL)]


def office(world, purpose):
    drills = frozenset(world.office.channels if purpose is Purpose.DRILL else ())
    return replace(world.office, drills=drills)


def test_who_may_go_where():
    found = {(s, p) for s, p in product(("Actual", "Exercise", "Test"), Purpose) if not fits(p, s)}
    assert found == set(WRONG)


@pytest.mark.parametrize(("status", "purpose"), WRONG)
def test_the_cycle_refuses_and_leaves_nothing(make_world, status, purpose):
    world = make_world(status=status)
    world.add_people([5])
    world.office = office(world, purpose)
    with pytest.raises(ConfigError, match=f"{status} messages never go to a {purpose} channel"):
        world.cycle({5: 4})
    assert world.rows(select(outbox)) == world.rows(select(alert)) == []


@pytest.mark.parametrize(("status", "purpose"), WRONG)
def test_enqueueing_refuses(make_world, status, purpose):
    world = make_world(channels=(), status=status)
    world.add_people([5])
    world.cycle({5: 4})
    (sent,) = world.rows(select(alert))
    arguments = (sent.event_id, sent.alert_id, ["sms"], world.time, AnswerWithin())
    with pytest.raises(ConfigError, match="not registered"), world.engine.begin() as connection:
        fan_out(connection, *arguments)
    with world.engine.begin() as connection:
        register_channels(connection, {"sms": purpose})
    with pytest.raises(ConfigError, match="never go"), world.engine.begin() as connection:
        fan_out(connection, *arguments)
    assert world.rows(select(outbox)) == []


@pytest.mark.parametrize(("status", "purpose"), WRONG)
def test_delivery_refuses_what_somebody_else_declared(make_world, status, purpose):
    """The channel is fit in the database, and the worker's configuration says something else."""
    world = make_world(status=status)
    world.add_people([5])
    world.cycle({5: 4})
    with Sink() as sink:
        summary = run(world, replace(sink.hook(), purpose=purpose))
    assert sink.received == []
    assert (summary.sent, summary.dead) == (0, 1)
    assert [r.status for r in world.rows(select(outbox))] == ["DEAD"]
    assert f"never go to a {purpose} channel" in world.rows(select(attempt))[0].detail


@pytest.mark.parametrize(("status", "purpose"), WRONG)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE outbox SET channel = 'wrong', purpose = :purpose",
        "UPDATE outbox SET purpose = :purpose",
        "UPDATE outbox SET channel = 'wrong'",
        "UPDATE channel SET purpose = :purpose WHERE name = 'sms'",
        "DELETE FROM channel WHERE name = 'sms'",
        "UPDATE alert SET status = CASE status WHEN 'Actual' THEN 'Exercise' ELSE 'Actual' END",
        "UPDATE outbox SET message_status = 'Test'",
        "INSERT INTO outbox (alert_id, message_status, recipient_id, channel, purpose, kind,"
        " version, level, priority, message_id, status, attempts, created_at, due_at)"
        " SELECT alert_id, message_status, recipient_id, 'wrong', :purpose, kind, version, level,"
        " priority, 'other', 'PENDING', 0, created_at, due_at FROM outbox",
        "INSERT INTO outbox (alert_id, message_status, recipient_id, channel, purpose, kind,"
        " version, level, priority, message_id, status, attempts, created_at, due_at)"
        " SELECT alert_id, 'Test', recipient_id, 'wrong', :purpose, kind, version, level,"
        " priority, 'other', 'PENDING', 0, created_at, due_at FROM outbox",
    ],
)
def test_the_database_refuses_whoever_writes(make_world, status, purpose, statement):
    world = make_world(status=status)
    world.add_people([5])
    world.cycle({5: 4})
    with world.engine.begin() as connection:
        register_channels(connection, {"wrong": purpose})
    before = world.rows(select(outbox))
    with pytest.raises(IntegrityError), world.engine.begin() as connection:
        connection.execute(text(statement), {"purpose": purpose.value})
    assert world.rows(select(outbox)) == before


def test_a_channel_keeps_its_purpose(world):
    with world.engine.begin() as connection:
        register_channels(connection, {"sms": Purpose.DRILL})
        register_channels(connection, {"sms": Purpose.DRILL, "more": Purpose.PRODUCTION})
    with pytest.raises(ConfigError, match="sms: it is a drill channel"), world.engine.begin() as c:
        register_channels(c, {"sms": Purpose.PRODUCTION})
    with pytest.raises(IntegrityError), world.engine.begin() as connection:
        connection.execute(insert(channel).values(name="x", purpose="fun"))
    with pytest.raises(ConfigError, match="sms"):
        world.cycle({5: 4})


def test_an_old_database_keeps_its_people_and_sends_no_old_drill_to_production(empty_database):
    """Written by the first schema: a drill and a real warning through one channel."""
    engine = connect(empty_database)
    with engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(database._MIGRATIONS))
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in OLD.strip().split(";\n"):
            connection.execute(text(statement))
        connection.commit()
    engine.dispose()
    engine = open_database(empty_database)
    with engine.connect() as connection:
        found = connection.execute(
            select(
                outbox.c.channel, outbox.c.purpose, outbox.c.message_status, outbox.c.status
            ).order_by(outbox.c.outbox_id)
        ).all()
        assert [tuple(r) for r in found] == [
            ("sms-drill", "drill", "Exercise", "PENDING"),
            ("sms", "production", "Actual", "SENT"),
        ]
        rows = connection.execute(select(task).order_by(task.c.task_id)).all()
        assert [(r.tier, r.unit_code, r.escalated, r.due_at) for r in rows] == [
            (0, "330602000001", 0, "2026-07-01T00:05:00Z"),
            (0, "330602000001", 0, None),
            (1, "330602000001", 0, "2026-07-01T00:05:00Z"),
        ]
        if engine.dialect.name == "sqlite":
            assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(select(attempt.c.outbox_id)).scalars().all() == [2]
        with pytest.raises(IntegrityError):
            connection.execute(update(attempt).values(outbox_id=9))
    engine.dispose()


OLD = """
INSERT INTO recipient VALUES (1, 'a', 'A', 'grid_officer', '330602000001', 'U', 120.5, 30, 5);
INSERT INTO recipient VALUES (2, 'b', 'B', 'reservoir_warden', '330602000001', 'U', 120.5, 30, 5);
INSERT INTO recipient VALUES (3, 'c', 'C', 'village_head', '330602000001', 'U', 120.5, 30, 5);
INSERT INTO event VALUES ('drill', 'rainstorm', '330602', 'Exercise', 4, 'x', NULL);
INSERT INTO event VALUES ('real', 'rainstorm', '330602', 'Actual', 4, 'x', NULL);
INSERT INTO alert (alert_id, identifier, sender, event_id, cycle, action, level, status, sent,
 expires, headline_zh, headline_en, cap_xml)
 VALUES (1, 'd', 's', 'drill', 'c', 'NEW', 4, 'Exercise', 'x', 'y', 'z', 'e', '<x/>');
INSERT INTO alert (alert_id, identifier, sender, event_id, cycle, action, level, status, sent,
 expires, headline_zh, headline_en, cap_xml)
 VALUES (2, 'r', 's', 'real', 'c', 'NEW', 4, 'Actual', 'x', 'y', 'z', 'e', '<x/>');
INSERT INTO told VALUES ('drill', 1, 'sms', 4, 1);
INSERT INTO outbox VALUES (1, 1, 1, 'sms', 0, 4, 1, 'd-1', 'PENDING', 0, 'x', 'x', NULL);
INSERT INTO outbox VALUES (2, 2, 1, 'sms', 0, 4, 1, 'r-1', 'SENT', 1, 'x', 'x', NULL);
INSERT INTO attempt VALUES (1, 2, 'x', 'SENT', '');
INSERT INTO task VALUES (1, 'real', 1, 2, 4, '2026-07-01T00:05:00Z', 'TOLD', NULL, '');
INSERT INTO task VALUES (2, 'real', 2, 2, 4, '2026-07-01T00:05:00Z', 'TOLD', NULL, '');
INSERT INTO task VALUES (3, 'real', 3, 2, 4, '2026-07-01T00:05:00Z', 'TOLD', NULL, '')
"""
