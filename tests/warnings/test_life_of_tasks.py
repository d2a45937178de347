"""Rain, answers, silence and the clock in any order."""

from datetime import timedelta
from itertools import permutations

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import select, text
from tests.warnings.town import (
    AWAY,
    PEOPLE,
    RED,
    WITHIN,
    passed,
    say,
    settle_in,
    step,
    tasks,
    waited_for,
)

from jinghu.grid.times import isoformat
from jinghu.warnings.acknowledge import LINK_LIFE, Answer, Link, answer
from jinghu.warnings.database import verify_audit
from jinghu.warnings.escalation import escalate
from jinghu.warnings.levels import Level
from jinghu.warnings.tables import audit, escalation, task


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


def acknowledge(world):
    say(world, "grid1", Answer.ACKNOWLEDGED, minutes=6)


def decline(world):
    say(world, "village1", Answer.CANNOT_HANDLE, minutes=6)


def pass_on_grids(world):
    step(world, 5)


def pass_on_villages(world):
    step(world, 11)


def expire(world):
    world.cycle({}, at=world.time + timedelta(hours=24))


ACTS = (acknowledge, decline, pass_on_grids, pass_on_villages, expire)


def test_every_order_of_answers_silence_and_the_end(town, tmp_path):
    """All 120: an answer ends the waiting for good, and after the end nothing goes up."""
    world, file = town, tmp_path / "warnings.db"
    begun = file.read_bytes()
    for order in permutations(ACTS):
        world.engine.dispose()
        file.write_bytes(begun)
        handed = []
        for k, act in enumerate(order):
            act(world)
            handed.append([below for below, *_ in passed(world)])
            assert {handed[-1].count(p) for p in ("grid1", "village1")} <= {0, 1}, order[: k + 1]
        at = {act: k for k, act in enumerate(order)}
        silence_ends = min(at[pass_on_grids], at[pass_on_villages])
        in_time = at[acknowledge] < silence_ends or at[expire] < silence_ends
        assert ("grid1" not in handed[-1]) is in_time, order
        assert handed[at[expire]] == handed[-1], order
        assert waited_for(world) == set()
        answered = tasks(world)["grid1"].status == "ACKNOWLEDGED"
        assert answered is (at[acknowledge] < at[expire]), order
        assert verify_audit(world.engine) is None
