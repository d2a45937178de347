"""Nothing is passed on twice or half: faults, kills, two at once, and batches of any size."""

import os
import signal
import subprocess
import sys
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event as sa_event
from sqlalchemy import func, select, text
from tests.warnings.town import PEOPLE, WITHIN, calls, later, passed, settle_in, step, tasks

from jinghu.warnings.acknowledge import LINK_LIFE, Answer, Link, answer
from jinghu.warnings.database import verify_audit
from jinghu.warnings.tables import audit, escalation, outbox, recipient, task


def test_two_at_once_pass_it_on_once(town):
    threads = [threading.Thread(target=step, args=(town, 5)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(passed(town)) == 3
    assert calls(town) == [("village1", 4), ("village2", 4)]


def test_a_fault_after_any_statement_leaves_all_or_nothing(town):
    """Every statement of the step is the last one once."""
    whole = tasks(town)
    for last in range(1, 200):
        seen = 0

        def stop(conn, cursor, statement, parameters, context, many, last=last):
            nonlocal seen
            seen += not statement.startswith("SELECT")
            if seen == last:
                raise RuntimeError("the power is gone")

        sa_event.listen(town.engine, "after_cursor_execute", stop)
        try:
            step(town, 5)
        except RuntimeError:
            assert (tasks(town), passed(town), calls(town)) == (whole, [], [])
        else:
            break
        finally:
            sa_event.remove(town.engine, "after_cursor_execute", stop)
    assert last > 8
    assert len(passed(town)) == 3
    assert calls(town) == [("village1", 4), ("village2", 4)]


def assert_whole(world):
    """What was passed on has its end below, its beginning above, its entry and its message."""
    rows = {r.task_id: r for r in world.rows(select(task))}
    handed = world.rows(select(escalation))
    assert len({r.from_task_id for r in handed}) == len(handed)
    for row in handed:
        below, above = rows[row.from_task_id], rows[row.to_task_id]
        assert (below.due_at, below.raised_at) == (None, row.at)
        assert above.due_at is not None or above.raised_at is not None
    raised = {key for key, r in rows.items() if r.raised_at is not None}
    assert raised == {r.from_task_id for r in handed}
    called = select(outbox.c.recipient_id).where(outbox.c.kind == "ESCALATION")
    assert {r.recipient_id for r in world.rows(called)} == {
        rows[r.to_task_id].recipient_id for r in handed
    }
    entries = world.rows(select(audit).where(audit.c.action == "escalated"))
    assert len(entries) == len(handed)
    assert verify_audit(world.engine) is None
    assert world.rows(text("PRAGMA integrity_check"))[0][0] == "ok"


PROCESS = """
import os, signal, sys
from datetime import datetime
from sqlalchemy import event
from jinghu.warnings.database import connect
from jinghu.warnings.escalation import escalate
from jinghu.warnings.waiting import AnswerWithin
url, now, batch, left = *sys.argv[1:3], *map(int, sys.argv[3:])
engine = connect(url)
def stop(conn, cursor, statement, parameters, context, many):
    global left
    left -= not statement.lstrip().startswith("SELECT")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(engine, "after_cursor_execute", stop)
escalate(engine, AnswerWithin(), datetime.fromisoformat(now), batch)
"""


def process(world, batch, killed_after=0):
    """Another process that passes on what is overdue after five minutes."""
    arguments = [world.url, later(world, 5).isoformat(), str(batch), str(killed_after)]
    return subprocess.Popen([sys.executable, "-c", PROCESS, *arguments], env=os.environ)


# A transaction of one task has six statements, and looking for them one.
@pytest.mark.parametrize(("killed_after", "kept"), [(3, 0), (7, 0), (9, 1), (13, 1), (15, 2)])
def test_a_killed_run_is_finished_by_the_next(town, killed_after, kept):
    assert process(town, 1, killed_after).wait() == -signal.SIGKILL
    assert len(passed(town)) == kept
    assert_whole(town)
    assert step(town, 5, batch=1).escalated == 3 - kept
    assert calls(town) == [("village1", 4), ("village2", 4)]
    assert_whole(town)


def test_processes_at_once_and_one_that_dies_pass_everything_on_once(world):
    grids = [(f"g{k}", "grid_officer", f"330602001{k // 6:03d}{k:03d}", 5) for k in range(60)]
    heads = [(f"h{k}", "village_head", f"330602001{k:03d}", 5) for k in range(10)]
    settle_in(world, [*grids, *heads])
    world.cycle({5: 4})
    running = [process(world, 2), process(world, 3), process(world, 1, killed_after=30)]
    ended = [p.wait() for p in running]
    assert ended[:2] == [0, 0]
    assert ended[2] in (0, -signal.SIGKILL)  # the others may leave it nothing to die of
    assert world.rows(select(func.count()).select_from(escalation)) == [(60,)]
    assert_whole(world)
    assert step(world, 5).escalated == 0


def everything(world):
    """All that passing on writes, without the numbers of rows."""
    below, above = task.alias(), task.alias()
    handed = (
        select(below.c.recipient_id, above.c.recipient_id, escalation.c.reason, escalation.c.at)
        .join(below, below.c.task_id == escalation.c.from_task_id)
        .join(above, above.c.task_id == escalation.c.to_task_id)
        .order_by(below.c.recipient_id, escalation.c.at)
    )
    asked = [
        (person, r.status, r.level, r.due_at, r.raised_at, r.escalated)
        for person, r in sorted(tasks(world).items())
    ]
    return asked, world.rows(handed), sorted(calls(world))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    found=st.dictionaries(st.sampled_from([5, 6, 7]), st.integers(2, 4), min_size=1),
    batch=st.integers(1, 4),
    waits=st.lists(st.integers(1, 15), min_size=1, max_size=4),
    unable=st.sets(st.sampled_from(["grid1", "village1"])),
    absent=st.sets(st.sampled_from(["village1", "village2", "town", "county"])),
)
def test_batches_come_to_the_same_as_the_whole(world_class, found, batch, waits, unable, absent):
    outcomes = []
    for size in (batch, 1000):
        world = settle_in(world_class("sqlite://"), [p for p in PEOPLE if p[0] not in absent])
        keys = {r.person: r.recipient_id for r in world.rows(select(recipient))}
        world.cycle(found)
        for person in sorted(unable & tasks(world).keys()):
            (event_id,) = {r.event_id for r in tasks(world).values()}
            link = Link(event_id, keys[person], world.time + LINK_LIFE)
            answer(world.engine, link, Answer.CANNOT_HANDLE, "", world.time, WITHIN)
        minutes = 0
        for wait in waits:
            minutes += wait
            step(world, minutes, batch=size)
        outcomes.append(everything(world))
        assert verify_audit(world.engine) is None
        world.engine.dispose()
    assert outcomes[0] == outcomes[1]
