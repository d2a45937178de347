"""Second persons: what waits, what stands meanwhile, who may answer, what silence comes to."""

import json
from dataclasses import replace
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
from sqlalchemy import select

from jinghu.grid.errors import ConfigError, DataError
from jinghu.warnings.approvals import Approval, Approvals, Otherwise, Step, StepKind
from jinghu.warnings.cap import validate
from jinghu.warnings.database import verify_audit
from jinghu.warnings.decisions import (
    NotAllowedError,
    TooLateError,
    decide_hold,
    decide_proposal,
    release_hold,
    settle_due,
)
from jinghu.warnings.holds import Hold, HoldKind
from jinghu.warnings.keys import ApiKey, Scope
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.proposals import list_proposals
from jinghu.warnings.purposes import Purpose
from jinghu.warnings.subjects import Subject
from jinghu.warnings.tables import alert, audit, event, outbox

RED = frozenset({Level.RED})
HIGH = frozenset({Level.ORANGE, Level.RED})
MINUTE = timedelta(minutes=1)
BUREAU = Approvals(
    (
        Approval(StepKind.RAISE, RED, 10 * MINUTE, Otherwise.ISSUE),
        Approval(StepKind.CANCEL, HIGH, 30 * MINUTE, Otherwise.ISSUE),
    )
)
FORECASTER = "jh_live_aaaaaa 王预报员"


def key(name="李局长", unit="3306", scope=Scope.APPROVER, prefix="jh_live_bbbbbb"):
    when = "2026-01-01T00:00:00Z"
    return ApiKey(prefix, name, scope, unit, Purpose.PRODUCTION, when, None, None)


def with_approvals(world, approvals=BUREAU):
    world.office = replace(world.office, approvals={Hazard.RAINSTORM: approvals})
    return world


@pytest.fixture
def bureau(world):
    return with_approvals(world)


def actions(world):
    rows = world.rows(select(alert.c.action, alert.c.level).order_by(alert.c.alert_id))
    return [(r.action, r.level) for r in rows]


def proposals(world, open_only=False):
    with world.engine.connect() as connection:
        found = list_proposals(connection, "Actual", "", open_only, 100)
    return [(p.wanted.step.kind.value, int(p.wanted.step.level), p.state.value) for p in found]


def decide(world, number, approved=True, who=None, reason="核实", minutes=0.0):
    world.time += minutes * MINUTE
    with world.engine.begin() as connection:
        return decide_proposal(
            connection, world.office, number, approved, who or key(), reason, world.time
        )


def hold(world, kind, level=Level.NONE, cells=(), hours=6.0, author=FORECASTER, minutes=1):
    world.time += minutes * MINUTE
    until = world.time + timedelta(hours=hours)
    wanted = Hold(Hazard.RAINSTORM, "330602", "", kind, level, "河堤渗漏", author, until, cells)
    with world.engine.begin() as connection:
        return decide_hold(connection, world.office, wanted, None, world.time)


def newest(world):
    return world.rows(select(alert).order_by(alert.c.alert_id.desc()))[0]


def test_red_stands_as_orange_until_somebody_else_agrees(bureau):
    bureau.add_people([5])
    summary = bureau.cycle({5: 4, 6: 2})
    assert actions(bureau) == [("NEW", 3)]
    assert (summary.proposed, summary.recipients) == ([1], 1)
    assert proposals(bureau) == [("raise", 4, "OPEN")]
    bureau.cycle({5: 4, 6: 4})  # seen again: the area grows, the time runs on
    done = decide(bureau, 1, minutes=2)
    assert actions(bureau)[-1] == ("UPG", 4)
    assert done.alerts == [newest(bureau).identifier]
    assert newest(bureau).sent > "2026-07-01T00:12:00Z"  # at once, not with the next cycle
    assert "80毫米" in newest(bureau).cap_xml  # what was found, not that somebody decided
    assert "自动发布" not in newest(bureau).cap_xml
    assert [r.level for r in bureau.rows(select(outbox.c.level))] == [3, 4]
    bureau.cycle({5: 4, 6: 4})
    assert actions(bureau) == [("NEW", 3), ("EXA", 3), ("UPG", 4)]
    assert [p for r in bureau.rows(select(alert)) for p in validate(r.cap_xml.encode())] == []
    assert [r.actor for r in bureau.rows(select(audit).where(audit.c.action == "alert"))][-1] == (
        "jh_live_bbbbbb 李局长"
    )


def test_nobody_answers_and_red_is_issued_and_says_so(bureau):
    bureau.cycle({5: 4})
    bureau.cycle({5: 4})
    assert actions(bureau) == [("NEW", 3)]
    summary = bureau.cycle({5: 4})
    assert actions(bureau)[-1] == ("UPG", 4)
    assert summary.unanswered == summary.alerts == [newest(bureau).identifier]
    assert "复核超时未答复，系统按规定自动发布" in newest(bureau).cap_xml
    assert "nobody answered the review in time" in newest(bureau).cap_xml
    assert proposals(bureau) == [("raise", 4, "ISSUED")]


def test_between_cycles_it_is_issued_when_the_time_is_up(bureau):
    bureau.cycle({5: 4})
    for minutes, expected in ((9, 3), (1, 4)):
        bureau.time += minutes * MINUTE
        with bureau.engine.begin() as connection:
            settle_due(connection, bureau.office, bureau.time)
        assert newest(bureau).level == expected
    assert "自动发布" in newest(bureau).cap_xml


def test_what_is_refused_is_not_asked_again_for_an_hour(bureau):
    bureau.cycle({5: 4})
    with pytest.raises(ConfigError, match="needs a reason"):
        decide(bureau, 1, approved=False, reason=" ")
    decide(bureau, 1, approved=False, reason="雷达异常回波")
    for _ in range(9):
        bureau.cycle({5: 4})
    assert {level for _, level in actions(bureau)} == {3}
    assert proposals(bureau) == [("raise", 4, "REJECTED")]
    bureau.cycle({5: 4})
    assert proposals(bureau)[0] == ("raise", 4, "OPEN")
    with pytest.raises(TooLateError, match="rejected already"):
        decide(bureau, 1)


def test_nobody_agrees_with_themselves_or_for_others(bureau):
    hold(bureau, HoldKind.AT_LEAST, Level.RED, (5, 6))
    assert actions(bureau) == [("NEW", 3)]
    same = key("王预报员", prefix="jh_live_cccccc")
    mine = key("王预报员", prefix="jh_live_aaaaaa")
    for who in (same, mine, key(unit="330604"), key(scope=Scope.FORECASTER)):
        with pytest.raises(NotAllowedError):
            decide(bureau, 1, who=who)
        with pytest.raises(NotAllowedError):
            decide(bureau, 1, approved=False, who=who)
    with pytest.raises(DataError, match="no such proposal"):
        decide(bureau, 9)
    decide(bureau, 1)
    assert actions(bureau) == [("NEW", 3), ("UPG", 4)]
    bureau.cycle()  # the rules find nothing; the hold keeps what was decided, there alone
    assert actions(bureau) == [("NEW", 3), ("UPG", 4)]
    cells = json.loads(bureau.rows(select(audit.c.detail).where(audit.c.action == "alert"))[1][0])
    assert cells["cells"] == 2


def test_the_end_of_red_waits_and_what_stands_is_renewed(bureau):
    bureau.cycle({5: 4})
    decide(bureau, 1)
    for _ in range(9):
        bureau.cycle()
    assert proposals(bureau, open_only=True) == []
    bureau.cycle()
    assert proposals(bureau, open_only=True) == [("cancel", 4, "OPEN")]
    bureau.cycle({5: 4})  # it comes back: the end is not wanted any more
    assert proposals(bureau) == [("cancel", 4, "LAPSED"), ("raise", 4, "APPROVED")]
    for _ in range(8):
        bureau.cycle()
    assert actions(bureau)[-1] == ("UPG", 4)
    decide(bureau, 3, minutes=1)
    assert actions(bureau)[-1] == ("CAN", 4)
    assert bureau.rows(select(event.c.closed_at))[0].closed_at is not None


def test_what_nobody_sees_again_is_not_lowered(bureau):
    bureau.cycle({5: 4})
    decide(bureau, 1)
    for _ in range(11):
        bureau.cycle()
    assert proposals(bureau, open_only=True) == [("cancel", 4, "OPEN")]
    bureau.time += 61 * MINUTE
    with bureau.engine.begin() as connection:
        settle_due(connection, bureau.office, bureau.time)
    assert actions(bureau)[-1] == ("UPG", 4)  # an hour old: a cycle must say it again
    bureau.cycle(unknown=[5])
    assert proposals(bureau) == [("cancel", 4, "LAPSED"), ("raise", 4, "APPROVED")]


def test_a_raise_that_waits_is_kept_by_close_or_unknown_rain(bureau):
    bureau.cycle({5: 4})
    bureau.cycle({5: 3}, kept={5: 4})
    bureau.cycle({5: 3}, unknown=[5])
    assert newest(bureau).level == 4  # its time was up, and it was not known to be over
    bureau.cycle({15: 4})
    bureau.cycle({15: 3})
    assert proposals(bureau)[0] == ("raise", 4, "LAPSED")


def test_left_undone_where_the_table_says_so(world):
    row = Approval(StepKind.RAISE, RED, 10 * MINUTE, Otherwise.DROP)
    with_approvals(world, Approvals((row,)))
    for _ in range(6):
        world.cycle({5: 4})
    assert actions(world) == [("NEW", 3)]
    assert proposals(world) == [("raise", 4, "DROPPED")]


def test_where_every_level_waits_nothing_is_said_before():
    every = frozenset(Level) - {Level.NONE}
    rows = Approvals((Approval(StepKind.RAISE, every, MINUTE, Otherwise.ISSUE),))
    assert rows.free(Level.RED, Level.NONE) is Level.NONE
    assert rows.free(Level.RED, Level.YELLOW) is Level.YELLOW
    assert BUREAU.free(Level.RED, Level.NONE) is Level.ORANGE
    assert BUREAU.of(Step(StepKind.RAISE, Level.ORANGE, Level.ORANGE)) is None


def test_a_person_ends_a_warning_with_a_reason(bureau):
    bureau.add_people([5])
    bureau.cycle({5: 2})
    number, summary = hold(bureau, HoldKind.AT_MOST)
    assert (number, summary.cancelled) == (1, 1)  # yellow ends without waiting
    bureau.cycle({5: 2})
    assert actions(bureau) == [("NEW", 2), ("CAN", 2)]
    with bureau.engine.begin() as connection:
        release_hold(connection, bureau.office, 1, FORECASTER, "雨又大了", bureau.time)
    bureau.cycle({5: 2})
    assert actions(bureau)[-1] == ("NEW", 2)
    hold(bureau, HoldKind.AT_MOST)
    hold(bureau, HoldKind.AT_LEAST, Level.YELLOW, (5,), minutes=0)
    assert actions(bureau)[-2:] == [("CAN", 2), ("NEW", 2)]  # within the same minute
    assert verify_audit(bureau.engine) is None


def test_what_no_rule_knows_stands_as_long_as_the_hold(bureau):
    until, of = bureau.time + timedelta(hours=8), (Hazard.RIVER_FLOOD, "330602", "dike-7")
    wanted = Hold(*of, HoldKind.AT_LEAST, Level.ORANGE, "管涌", FORECASTER, until, (5, 6))
    place = Subject("dike-7", "七号堤段", "dike section 7")
    with bureau.engine.begin() as connection:
        decide_hold(connection, bureau.office, wanted, place, bureau.time)
    for _ in range(15):
        assert bureau.cycle(minutes=30).idle_holds == []
    assert actions(bureau) == [("NEW", 3)] + [("CON", 3)] * 3
    assert "七号堤段" in newest(bureau).headline_zh
    for _ in range(8):
        bureau.cycle(minutes=30)
    assert bureau.rows(select(event.c.closed_at))[0].closed_at is not None


def test_an_event_that_ends_by_itself_takes_its_lowering_with_it(bureau):
    hold(bureau, HoldKind.AT_LEAST, Level.ORANGE, (5,))
    hold(bureau, HoldKind.AT_MOST, hours=2)
    assert proposals(bureau) == [("cancel", 3, "OPEN")]
    bureau.cycle(minutes=200)
    assert proposals(bureau) == [("cancel", 3, "LAPSED")]


def test_a_cycle_that_is_processed_after_a_decision_comes_after_it(bureau):
    """Analyses are some minutes old when they are processed; references never lie ahead."""
    analysis = bureau.time + 6 * MINUTE
    hold(bureau, HoldKind.AT_LEAST, Level.BLUE, (5,), minutes=8)
    bureau.cycle({5: 3}, at=analysis)
    assert [p for r in bureau.rows(select(alert)) for p in validate(r.cap_xml.encode())] == []
    sent = [r.sent for r in bureau.rows(select(alert.c.sent).order_by(alert.c.alert_id))]
    assert sent == sorted(sent)


def test_cells_of_others_are_refused(bureau):
    for cells, cause in (((15,), "of county 330604"), ((-1,), "not of this city")):
        with pytest.raises(ConfigError, match=cause):
            hold(bureau, HoldKind.AT_LEAST, Level.RED, cells)
    with pytest.raises(ConfigError, match="all cells"):
        hold(bureau, HoldKind.AT_MOST, Level.BLUE, (5,))


def interleavings(world):
    """Cycles, people, silence and clocks in any order, in a world that is emptied each time."""

    class Life(RuleBasedStateMachine):
        @initialize()
        def begin(self):
            self.world = world
            world.time = world.start
            self.wipe()
            self.red_since = None
            self.undisturbed = True  # nobody refused or capped anything

        def wipe(self):
            with self.world.engine.begin() as connection:
                for table in reversed(alert.metadata.sorted_tables):
                    connection.execute(table.delete())

        @rule(
            level=st.sampled_from([0, 2, 3, 4, 4]),
            known=st.booleans(),
            minutes=st.sampled_from([6, 6, 6, 30, 200]),
        )
        def cycle(self, level, known, minutes):
            world = self.world
            world.cycle({5: level} if level else {}, unknown=() if known else (5,), minutes=minutes)
            before = self.red_since if minutes < 180 else None  # what was not renewed has ended
            self.red_since = (before or world.time) if level == 4 else None
            self.looked(level)

        @rule(approved=st.booleans(), minutes=st.sampled_from([0, 3]))
        def answer(self, approved, minutes):
            numbers = [p.number for p in self.open()]
            if not numbers:
                return
            try:
                decide(self.world, numbers[0], approved, minutes=minutes)
            except TooLateError:
                return
            self.undisturbed &= approved

        @rule(minutes=st.sampled_from([1, 11, 31]))
        def wait(self, minutes):
            self.world.time += minutes * MINUTE
            with self.world.engine.begin() as connection:
                settle_due(connection, self.world.office, self.world.time)

        @rule(kind=st.sampled_from(list(HoldKind)), level=st.sampled_from([Level.NONE, *Level][1:]))
        def forecaster(self, kind, level):
            if kind is HoldKind.AT_LEAST and level is Level.NONE:
                level = Level.RED
            hold(self.world, kind, level, hours=0.5)
            self.undisturbed &= kind is not HoldKind.AT_MOST

        def open(self):
            with self.world.engine.connect() as connection:
                return list_proposals(connection, "Actual", "", True, 100)

        def looked(self, level):
            """What a cycle found is warned of, or waits, or was refused or capped by somebody."""
            stands = [
                r.level for r in self.world.rows(select(event).where(event.c.closed_at.is_(None)))
            ]
            if self.undisturbed:
                assert max(stands, default=0) >= min(level, 3)
            waited = self.red_since and self.world.time - self.red_since
            if self.undisturbed and waited and waited >= 10 * MINUTE:
                assert max(stands) == 4

        @invariant()
        def red_had_a_second_person_or_its_time(self):
            if not hasattr(self, "world"):
                return
            world = self.world
            raised = {"APPROVED", "ISSUED"}
            done = [p for p in proposals(world) if p[0] == "raise" and p[2] in raised]
            ups = [a for a in actions(world) if a in (("NEW", 4), ("UPG", 4))]
            assert len(ups) == len(done)
            ends = [a for a in actions(world) if a[0] == "CAN" and a[1] >= 3]
            ended = [p for p in proposals(world) if p[0] == "cancel" and p[2] in raised]
            assert len(ends) == len(ended)
            keys = [(p.wanted.step.kind, p.wanted.step.level) for p in self.open()]
            assert len(set(keys)) == len(keys)

        @invariant()
        def one_event_stands_and_messages_are_valid(self):
            if not hasattr(self, "world"):
                return
            rows = self.world.rows(select(event).where(event.c.closed_at.is_(None)))
            assert len({(r.hazard, r.county) for r in rows}) == len(rows)
            last = self.world.rows(select(alert).order_by(alert.c.alert_id.desc()).limit(1))
            assert [p for r in last for p in validate(r.cap_xml.encode())] == []

        def teardown(self):
            if hasattr(self, "world"):
                assert verify_audit(self.world.engine) is None

    return Life


def test_no_order_of_events_gets_past_the_second_person(world_class, tmp_path):
    world = with_approvals(world_class(f"sqlite:///{tmp_path / 'life.db'}?synchronous=off"))
    run_state_machine_as_test(
        interleavings(world),
        settings=settings(max_examples=12, stateful_step_count=12, deadline=None),
    )
    world.engine.dispose()
