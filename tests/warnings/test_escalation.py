"""Who is waited for, and where a task goes when nobody answers."""

import json
import os
import signal
import subprocess
import sys
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import event as sa_event
from sqlalchemy import insert, select, text, update

from jinghu.grid.times import isoformat
from jinghu.warnings.acknowledge import LINK_LIFE, Answer, Link, answer
from jinghu.warnings.database import verify_audit
from jinghu.warnings.escalation import due, escalate, follow_up_counts
from jinghu.warnings.levels import Level, Role, Tier
from jinghu.warnings.outbox import Claim, claim
from jinghu.warnings.queries import list_silent
from jinghu.warnings.tables import audit, escalation, outbox, recipient, task
from jinghu.warnings.waiting import AnswerWithin

WITHIN = AnswerWithin()
AWAY = 399  # a cell in which nothing happens
# One town of two villages: grids 1 and 2 in the first, 3 in the second.
PEOPLE = (
    ("grid1", "grid_officer", "330602001001001", 5),
    ("grid2", "grid_officer", "330602001001002", 6),
    ("grid3", "grid_officer", "330602001002001", 7),
    ("village1", "village_head", "330602001001", 5),
    ("village2", "village_head", "330602001002", AWAY),
    ("town", "town_duty", "330602001", AWAY),
    ("county", "county_duty", "330602", AWAY),
)
IDS = {person: k for k, (person, *_) in enumerate(PEOPLE, 1)}
RED = {5: 4, 6: 4, 7: 4}


def settle_in(world, people=PEOPLE):
    lon, lat = world.spec.to_lonlat(world.spec.x[0], world.spec.y[0])
    with world.engine.begin() as connection:
        connection.execute(
            insert(recipient),
            [
                {
                    "person": person,
                    "name": person,
                    "role": role,
                    "unit_code": unit,
                    "unit_name": f"{unit}单位",
                    "lon": float(lon),
                    "lat": float(lat),
                    "cell_id": cell,
                }
                for person, role, unit, cell in people
            ],
        )
    return world


@pytest.fixture
def town(world):
    settle_in(world)
    world.cycle(RED)
    return world


def later(world, minutes):
    return world.time + timedelta(minutes=minutes)


def step(world, minutes):
    return escalate(world.engine, WITHIN, later(world, minutes))


def say(world, person, said, minutes=1):
    (event_id,) = {r.event_id for r in world.rows(select(task.c.event_id))}
    link = Link(event_id, IDS[person], world.time + LINK_LIFE)
    return answer(world.engine, link, said, "", later(world, minutes), WITHIN)


def tasks(world):
    query = select(recipient.c.person, task).join(recipient)
    return {r.person: r for r in world.rows(query)}


def waited_for(world):
    return {person for person, row in tasks(world).items() if row.due_at is not None}


def passed(world):
    rows = world.rows(
        text(
            "SELECT f.recipient_id AS below, t.recipient_id AS above, e.reason FROM escalation e"
            " JOIN task f ON f.task_id = e.from_task_id JOIN task t ON t.task_id = e.to_task_id"
            " ORDER BY e.escalation_id"
        )
    )
    names = {k: person for person, k in IDS.items()}
    return [(names[r.below], names[r.above], r.reason) for r in rows]


def calls(world):
    query = (
        select(recipient.c.person, outbox.c.level)
        .join(recipient, recipient.c.recipient_id == outbox.c.recipient_id)
        .where(outbox.c.kind == "ESCALATION")
        .order_by(outbox.c.outbox_id)
    )
    return [tuple(r) for r in world.rows(query)]


def counts(world, minutes=0):
    with world.engine.connect() as connection:
        return follow_up_counts(connection, "Actual", later(world, minutes))


def test_the_nearest_are_waited_for_and_those_above_are_told_only(town):
    assert waited_for(town) == {"grid1", "grid2", "grid3"}
    told = {r.recipient_id for r in town.rows(select(outbox.c.recipient_id))}
    assert told == {IDS[p] for p in ("grid1", "grid2", "grid3", "village1")}


def test_where_nobody_is_nearer_the_head_is_waited_for(world):
    settle_in(world, PEOPLE[3:])
    world.cycle({5: 4})
    assert waited_for(world) == {"village1"}


def test_of_several_in_one_unit_the_first_is_waited_for_and_one_answer_is_enough(world):
    settle_in(world, [*PEOPLE, ("relief", "grid_officer", "330602001001001", 5)])
    world.cycle(RED)
    assert "relief" not in waited_for(world)
    IDS["relief"] = len(PEOPLE) + 1
    say(world, "relief", Answer.ACKNOWLEDGED)
    assert waited_for(world) == {"grid2", "grid3"}
    assert tasks(world)["grid1"].status == "RELIEVED"
    step(world, 6)
    assert ("grid1", "village1", "SILENT") not in passed(world)


def test_nothing_goes_up_before_its_deadline(town):
    assert step(town, 4.9).escalated == 0
    assert step(town, 5).escalated == 3


def test_silence_goes_up_level_by_level_to_the_county_in_fifteen_minutes(town):
    say(town, "grid3", Answer.ACKNOWLEDGED)
    assert (step(town, 5).escalated, waited_for(town)) == (2, {"village1"})
    assert (step(town, 10).escalated, waited_for(town)) == (1, {"town"})
    assert (step(town, 15).escalated, waited_for(town)) == (1, {"county"})
    assert passed(town) == [
        ("grid1", "village1", "SILENT"),
        ("grid2", "village1", "SILENT"),
        ("village1", "town", "SILENT"),
        ("town", "county", "SILENT"),
    ]
    assert calls(town) == [("village1", 4), ("town", 4), ("county", 4)]  # two below, one message
    assert counts(town, 15) == {"acknowledged": 1, "escalated": 4, "overdue": 0}
    last = step(town, 20)
    assert (last.escalated, last.stuck) == (0, 1)  # above the county there is nobody
    assert counts(town, 20)["overdue"] == 1
    assert calls(town) == [("village1", 4), ("town", 4), ("county", 4)]
    assert verify_audit(town.engine) is None


def test_every_passing_on_stands_in_the_audit(town):
    step(town, 5)
    entries = town.rows(select(audit).where(audit.c.action == "escalated"))
    assert len(entries) == 3
    detail = json.loads(entries[0].detail)
    assert detail == {
        "reason": "SILENT",
        "deadline": isoformat(later(town, 5)),
        "to": IDS["village1"],
        "tier": "village",
    }


def test_a_second_run_finds_nothing(town):
    step(town, 5)
    before = (passed(town), calls(town), tasks(town))
    assert step(town, 5).escalated == 0
    assert (passed(town), calls(town), tasks(town)) == before


def test_a_level_without_anybody_is_skipped(world):
    people = [p for p in PEOPLE if p[0] not in ("village1", "village2")]
    settle_in(world, people)
    world.cycle({5: 4})
    step(world, 5)
    assert [r.person for r in tasks(world).values() if r.due_at] == ["town"]


@pytest.mark.parametrize("said", [Answer.ACKNOWLEDGED, Answer.HANDLED])
def test_who_answered_is_never_passed_on(town, said):
    for person in ("grid1", "grid2", "grid3"):
        say(town, person, said)
    assert step(town, 60).escalated == 0
    assert calls(town) == []


def test_who_cannot_handle_it_passes_it_on_at_once_and_once(town):
    say(town, "grid1", Answer.CANNOT_HANDLE)
    assert passed(town) == [("grid1", "village1", "CANNOT_HANDLE")]
    assert calls(town) == [("village1", 4)]
    say(town, "grid1", Answer.CANNOT_HANDLE, minutes=2)
    assert len(passed(town)) == 1
    say(town, "village1", Answer.CANNOT_HANDLE, minutes=3)
    assert passed(town)[1:] == [("village1", "town", "CANNOT_HANDLE")]
    assert step(town, 5).escalated == 2  # grids 2 and 3; the village's head has passed it on
    assert passed(town)[2:] == [("grid2", "town", "SILENT"), ("grid3", "village2", "SILENT")]


def test_a_late_answer_calls_off_everybody_above(town):
    say(town, "grid2", Answer.HANDLED)
    say(town, "grid3", Answer.HANDLED)
    step(town, 5)
    step(town, 10)
    assert waited_for(town) == {"town"}
    say(town, "grid1", Answer.ACKNOWLEDGED, minutes=11)
    assert waited_for(town) == set()
    assert tasks(town)["village1"].status == tasks(town)["town"].status == "RELIEVED"
    assert step(town, 60).escalated == 0
    say(town, "grid1", Answer.CANNOT_HANDLE, minutes=61)  # thinks again: it goes up anew
    assert passed(town)[-1] == ("grid1", "village1", "CANNOT_HANDLE")
    assert waited_for(town) == {"village1"}


def test_one_answer_of_two_below_calls_nobody_off(town):
    step(town, 5)
    say(town, "grid1", Answer.ACKNOWLEDGED, minutes=6)
    assert waited_for(town) == {"village1", "village2"}


def test_who_acknowledged_above_is_told_of_more_and_not_waited_for_again(town):
    say(town, "grid1", Answer.CANNOT_HANDLE)
    say(town, "village1", Answer.ACKNOWLEDGED, minutes=2)
    step(town, 5)
    assert tasks(town)["village1"].status == "ACKNOWLEDGED"
    assert calls(town) == [("village1", 4), ("village1", 4), ("village2", 4)]
    step(town, 60)
    assert not any(below == "village1" for below, *_ in passed(town))


def test_the_end_ends_all_of_it_and_is_told_to_those_who_were_called(town):
    step(town, 5)
    step(town, 10)
    with town.engine.begin() as connection:
        connection.execute(
            update(outbox).where(outbox.c.recipient_id != IDS["town"]).values(attempts=1)
        )
        connection.execute(update(outbox).where(outbox.c.attempts == 1).values(status="SENT"))
    for _ in range(12):
        town.cycle({})
    assert {r.level for r in tasks(town).values()} == {0}
    assert waited_for(town) == set()
    ended = town.rows(select(outbox).where(outbox.c.level == 0))
    # village2 stands outside the area and was told; the town's message never got out
    assert {r.recipient_id for r in ended} == {IDS[p] for p in PEOPLE_TOLD}
    assert len(ended) == len(PEOPLE_TOLD)
    assert escalate(town.engine, WITHIN, town.time + timedelta(days=1)).escalated == 0


PEOPLE_TOLD = ("grid1", "grid2", "grid3", "village1", "village2")


def test_what_has_expired_by_the_clock_is_not_passed_on(town):
    with town.engine.connect() as connection:
        assert len(due(connection, later(town, 30))) == 3
        assert due(connection, later(town, 24 * 60)) == []


def test_who_is_called_on_keeps_the_task_where_the_rain_over_them_ends(town):
    """The head stands in cell 5, which is calm again; grid 2 in cell 6 is not."""
    step(town, 5)
    for _ in range(12):
        town.cycle({6: 4})
    rows = tasks(town)
    assert (rows["grid1"].level, rows["grid2"].level) == (0, 4)
    assert rows["village1"].level == 4
    assert rows["village1"].due_at is not None
    assert rows["village2"].status == "RELIEVED"  # grid 3 is out of it


def test_the_message_says_who_did_not_answer(town):
    say(town, "grid3", Answer.HANDLED)
    step(town, 5)
    now = later(town, 5)
    with town.engine.begin() as connection:
        found = [
            json.loads(m.body) for m in claim(connection, Claim(["sms"], now, 99), town.links, now)
        ]
    (call,) = [m for m in found if m["type"] == "task.escalated"]
    assert "330602001001001单位网格员grid1等2人未答复，请您接手" in call["text_zh"]
    assert "2 below you did not answer" in call["text_en"]
    with town.engine.connect() as connection:
        silent = list_silent(connection, tasks(town)["village1"].event_id, IDS["village1"])
    assert [(s.name, s.unable) for s in silent] == [("grid1", False), ("grid2", False)]


def test_waits_come_from_the_table(world):
    settle_in(world)
    world.office = type(world.office)(
        **{
            name: getattr(world.office, name)
            for name in world.office.__slots__
            if name != "answer_within"
        },
        answer_within=AnswerWithin(((Level.RED, Tier.GRID, timedelta(minutes=2)),)),
    )
    world.cycle({5: 4, 7: 3})
    rows = tasks(world)
    assert rows["grid1"].due_at == isoformat(later(world, 2))
    assert rows["grid3"].due_at is None  # orange is not in this table


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


KILLED = """
import os, signal, sys
from datetime import datetime
from sqlalchemy import event
from jinghu.warnings.database import connect
from jinghu.warnings.escalation import escalate
from jinghu.warnings.waiting import AnswerWithin
engine = connect(sys.argv[1])
left = int(sys.argv[3])
def stop(conn, cursor, statement, parameters, context, many):
    global left
    left -= not statement.startswith("SELECT")
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
event.listen(engine, "after_cursor_execute", stop)
escalate(engine, AnswerWithin(), datetime.fromisoformat(sys.argv[2]))
"""


@pytest.mark.parametrize("statements", [2, 5, 9])
def test_a_killed_step_is_done_by_the_next(town, statements):
    arguments = [str(town.engine.url), later(town, 5).isoformat(), str(statements)]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert (passed(town), calls(town)) == ([], [])
    assert step(town, 5).escalated == 3
    assert calls(town) == [("village1", 4), ("village2", 4)]
    assert verify_audit(town.engine) is None


class Following(RuleBasedStateMachine):
    """Rain, answers, silence and the clock in any order."""

    world_class: type

    @initialize()
    def begin(self):
        self.world = settle_in(self.world_class("sqlite://"))
        self.world.cycle(RED)
        self.answered: dict[int, str] = {}

    @rule(
        found=st.dictionaries(st.sampled_from([5, 6, 7, AWAY]), st.integers(1, 4), max_size=4),
        minutes=st.sampled_from([6, 6, 30]),
    )
    def cycle(self, found, minutes):
        self.world.cycle(found, minutes=minutes)

    @rule(minutes=st.integers(0, 12))
    def wait(self, minutes):
        self.world.time += timedelta(minutes=minutes)
        before = {r.task_id: r for r in self.world.rows(select(task))}
        known = {r.escalation_id for r in self.world.rows(select(escalation))}
        escalate(self.world.engine, WITHIN, self.world.time)
        for row in self.world.rows(select(escalation)):
            if row.escalation_id not in known:
                below = before.get(row.from_task_id)  # or made and raised within this step
                assert below is None or below.status == "TOLD"
                assert row.deadline <= isoformat(self.world.time)

    @rule(k=st.integers(1, len(PEOPLE)), said=st.sampled_from(Answer))
    def answer(self, k, said):
        rows = self.world.rows(
            select(task).where(task.c.recipient_id == k).order_by(task.c.task_id.desc())
        )
        if rows:
            link = Link(rows[0].event_id, k, self.world.time + LINK_LIFE)
            status = answer(self.world.engine, link, said, "", self.world.time, WITHIN)
            if rows[0].level > 0:
                assert status == said
                (after,) = self.world.rows(select(task).where(task.c.task_id == rows[0].task_id))
                assert after.due_at is None

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def levels_only_go_up(self):
        rows = self.world.rows(
            text(
                "SELECT f.tier AS below, t.tier AS above FROM escalation e"
                " JOIN task f ON f.task_id = e.from_task_id JOIN task t ON t.task_id = e.to_task_id"
            )
        )
        assert all(r.below < r.above for r in rows)

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def every_escalation_has_its_entry(self):
        entries = self.world.rows(select(audit).where(audit.c.action == "escalated"))
        assert len(entries) == len(self.world.rows(select(escalation)))

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def nobody_who_answered_or_is_out_of_it_is_waited_for(self):
        rows = self.world.rows(select(task).where(task.c.due_at.is_not(None)))
        assert all(r.status == "TOLD" and r.level >= Level.YELLOW for r in rows)
        units = [(r.event_id, r.tier, r.unit_code) for r in rows]
        assert len(units) == len(set(units))

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def nobody_silent_is_forgotten(self):
        """A grid under a warning that asks for an answer has one, or a wait, or went up."""
        rows = self.world.rows(select(task).where(task.c.level >= 2, task.c.tier == 0))
        assert all(r.status != "TOLD" or r.due_at or r.raised_at for r in rows)

    def teardown(self):
        if hasattr(self, "world"):
            assert verify_audit(self.world.engine) is None
            self.world.engine.dispose()


def test_the_life_of_tasks(world_class):
    Following.world_class = world_class
    quick = settings(
        max_examples=25,
        stateful_step_count=14,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking such histories is slow
        suppress_health_check=[HealthCheck.too_slow],
    )
    Following.TestCase.settings = quick
    Following.TestCase("runTest").runTest()


def test_every_role_has_a_level_and_levels_name_shrinking_units():
    assert [Role(r).tier for r in ("grid_officer", "town_duty")] == [Tier.GRID, Tier.TOWN]
    assert [t.digits for t in Tier] == sorted((t.digits for t in Tier), reverse=True)
