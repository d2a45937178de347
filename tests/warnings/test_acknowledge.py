from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from jinghu.grid.errors import DataError
from jinghu.warnings.acknowledge import (
    LINK_LIFE,
    Answer,
    Link,
    answer,
    load_answer_key,
    make_token,
    read_token,
)
from jinghu.warnings.database import verify_audit
from jinghu.warnings.tables import audit, task


@pytest.fixture
def told(world):
    world.add_people([5])
    world.cycle({5: 4})
    event_id = world.rows(select(task.c.event_id))[0].event_id
    return world, Link(event_id, 1, world.time + LINK_LIFE)


def one_task(world):
    return world.rows(select(task))[0]


def test_a_link_comes_back(world):
    link = Link("rainstorm-330602-20260701T0006Z", 7, world.start)
    assert read_token(make_token(link, world.key), world.key, world.start) == link
    with pytest.raises(DataError, match="expired"):
        read_token(make_token(link, world.key), world.key, world.start + timedelta(seconds=1))


@given(st.data())
def test_a_link_that_was_touched_is_refused(world_class, data):
    token = make_token(Link("event", 7, world_class.start), world_class.key)
    at = data.draw(st.integers(0, len(token) - 2))  # the last character has bits to spare
    other = data.draw(st.characters(codec="ascii").filter(lambda c: c != token[at]))
    forged = token[:at] + other + token[at + 1 :]
    with pytest.raises(DataError, match="not a link of ours"):
        read_token(forged, world_class.key, world_class.start)


@pytest.mark.parametrize("token", ["", ".", "a.b", "a.b.c", "\u96e8.x", "=" * 99])
def test_nonsense_is_refused(world, token):
    with pytest.raises(DataError):
        read_token(token, world.key, world.start)


def test_another_offices_key_is_refused(world):
    token = make_token(Link("event", 7, world.start), b"x" * 32)
    with pytest.raises(DataError):
        read_token(token, world.key, world.start)


def test_the_key_is_made_once_and_is_its_owners(tmp_path):
    path = tmp_path / "keys" / "answer.key"
    key = load_answer_key(path)
    assert len(key) == 32
    assert path.stat().st_mode & 0o777 == 0o600
    assert load_answer_key(path) == key


def test_an_answer_ends_the_waiting(told):
    world, link = told
    assert one_task(world).due_at is not None
    assert answer(world.engine, link, Answer.ACKNOWLEDGED, "", world.time) == "ACKNOWLEDGED"
    found = one_task(world)
    assert (found.status, found.due_at) == ("ACKNOWLEDGED", None)
    assert verify_audit(world.engine) is None


def test_a_later_answer_replaces_an_earlier_one_and_a_replay_changes_nothing(told):
    world, link = told
    for said, note in [
        (Answer.ACKNOWLEDGED, ""),
        (Answer.CANNOT_HANDLE, "桥断了"),
        (Answer.CANNOT_HANDLE, "桥断了"),
    ]:
        answer(world.engine, link, said, note, world.time)
    found = one_task(world)
    assert (found.status, found.note, found.due_at) == ("CANNOT_HANDLE", "桥断了", None)
    said = world.rows(select(audit.c.action).where(audit.c.actor == "recipient 1"))
    assert [r.action for r in said] == ["ACKNOWLEDGED", "CANNOT_HANDLE", "CANNOT_HANDLE"]


def test_what_has_ended_stays_ended(told):
    world, link = told
    world.cycle(minutes=200)
    assert answer(world.engine, link, Answer.HANDLED, "", world.time) == "CLOSED"
    assert one_task(world).status == "CLOSED"


def test_what_was_answered_stays_answered_after_the_end(told):
    world, link = told
    answer(world.engine, link, Answer.HANDLED, "ok", world.time)
    world.cycle(minutes=200)
    assert answer(world.engine, link, Answer.CANNOT_HANDLE, "", world.time) == "HANDLED"
    found = one_task(world)
    assert (found.status, found.note, found.due_at) == ("HANDLED", "ok", None)


def test_a_task_that_is_not_there(told):
    world, link = told
    with pytest.raises(DataError, match="no such task"):
        answer(world.engine, Link(link.event_id, 99, link.expires), Answer.HANDLED, "", world.time)
