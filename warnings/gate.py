"""Between a plan and its message: what needs a second person waits for one, but not for ever.

What may be warned of without waiting is warned of at once: a red that waits stands as orange. What
waits to be lowered or ended stands as it is, is renewed, and is not lowered at all meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection

from jinghu.warnings.approvals import Approval, Approvals, Otherwise, Step, StepKind, step_of
from jinghu.warnings.holds import Hold, HoldKind
from jinghu.warnings.levels import Level
from jinghu.warnings.lifecycle import CellState, Found, LifeParams, Plan, Standing, plan_event
from jinghu.warnings.matters import Matter
from jinghu.warnings.proposals import (
    MACHINE,
    Place,
    Proposal,
    State,
    Wanted,
    close,
    open_of,
    propose,
    refused_since,
    see_again,
)

TIMER = "timer"  # who decides where nobody did
_NEVER = timedelta.max


@dataclass(frozen=True, slots=True)
class Passed:
    """What may be done now.

    ``unanswered``: a second person was asked and did not answer. ``waiting`` are the proposals of
    the matter that are open.
    """

    plan: Plan | None
    unanswered: bool = False
    waiting: tuple[int, ...] = ()


@dataclass(slots=True)
class Gate:
    """The gate of one matter at one moment; `passed` is asked once.

    Parameters
    ----------
    connection
        Inside the caller's transaction.
    place, matter, standing
        What it is about, what was found and decided, and what stands.
    approvals, life
        Rows of its hazard, and guards.
    time, now
        Analysis time, by which is planned; and the clock, by which people are waited for.
    decided
        What a forecaster decided on the matter, if anything: who did is the first person of what
        follows from it, the machine of all else.
    """

    connection: Connection
    place: Place
    matter: Matter
    standing: Standing | None
    approvals: Approvals
    life: LifeParams
    time: datetime
    now: datetime
    decided: Hold | None = None
    _waiting: list[int] = field(default_factory=list)

    def passed(self) -> Passed:
        """Ask for what needs a second person; return what may be done without, or with one."""
        found, life, unanswered = self.matter.found, self.life, False
        cells = self.matter.cells
        wanted = self._plan(cells, found, life)
        step = step_of(self.standing, wanted)
        row = self.approvals.of(step)
        mine, others = self._open(step if row is not None else None)
        if row is not None and step is not None and wanted is not None:
            unanswered = self._overdue(mine, row, step, wanted)
            if not unanswered:
                found, life = self._withheld(step)
        for one in others:
            if not self._still_wanted(one):
                close(self.connection, one, State.LAPSED, TIMER, "no longer wanted", self.now)
            elif self._out_of_time(one):
                found, unanswered = raised_to(found, one.wanted.cells), True
                cells = np.union1d(cells, np.array(list(one.wanted.cells), np.int64))
        changed = found is not self.matter.found or life is not self.life
        plan = self._plan(cells, found, life) if changed else wanted
        return Passed(plan, unanswered, tuple(self._waiting))

    def _plan(self, cells: NDArray[np.int64], found: Found, life: LifeParams) -> Plan | None:
        return plan_event(self.standing, cells, found, self.time, life)

    def _open(self, step: Step | None) -> tuple[Proposal | None, list[Proposal]]:
        """The open proposal of a step, and the others of the matter."""
        every = open_of(self.connection, self.place)
        if step is None:
            return None, every
        same = [p for p in every if _same(p.wanted.step, step)]
        return (same[0] if same else None), [p for p in every if not _same(p.wanted.step, step)]

    def _overdue(self, mine: Proposal | None, row: Approval, step: Step, plan: Plan) -> bool:
        """Propose a step, or see it again; True where it is done because nobody answered."""
        if mine is None:
            since = self.now - self.approvals.refused_stands
            if not refused_since(self.connection, self.place, step, since):
                due = (self.now + row.wait, row.otherwise)
                wanted = self._wanted(step, plan)
                number = propose(self.connection, self.place, wanted, due, self.now)
                self._waiting.append(number)
            return False
        if mine.due_at > self.now:
            seen = replace(self._wanted(step, plan), by=mine.wanted.by, reason=mine.wanted.reason)
            see_again(self.connection, mine.number, seen, self.now)
        return self._out_of_time(mine)

    def _out_of_time(self, one: Proposal) -> bool:
        """Whether nobody answered in time, and it is done all the same."""
        if one.due_at > self.now:
            self._waiting.append(one.number)
            return False
        return end_waiting(self.connection, one, self.now)

    def _wanted(self, step: Step, plan: Plan) -> Wanted:
        shown = plan.cells or (self.standing.cells if self.standing else {})
        level = Level(max(state.level for state in shown.values()))
        deciding = np.array([cell for cell, state in shown.items() if state.level == level])
        onset_min, evidence = self.matter.finding.evidence(deciding, level)
        event_id = self.standing.event_id if self.standing else None
        rules, (by, reason) = self.matter.finding.rules, self._first_person(step)
        return Wanted(step, event_id, plan.cells, onset_min, evidence, rules, by, reason)

    def _first_person(self, step: Step) -> tuple[str, str]:
        """Who wants a step, and why."""
        hold = self.decided
        if hold is None or hold.kind is HoldKind.KEEP:
            return MACHINE, ""
        raised = step.kind is StepKind.RAISE and hold.kind is HoldKind.AT_LEAST
        lowered = step.kind is not StepKind.RAISE and hold.kind is HoldKind.AT_MOST
        if lowered or (raised and step.level <= hold.level):
            return hold.author, hold.reason
        return MACHINE, ""

    def _withheld(self, step: Step) -> tuple[Found, LifeParams]:
        """What is found and how it lives, without the step that waits."""
        found = self.matter.found
        if step.kind is not StepKind.RAISE:
            return found, replace(self.life, lower_after=_NEVER)
        stands = Level(self.standing.level) if self.standing else Level.NONE
        free = self.approvals.free(step.level, stands)
        return replace(found, level=np.minimum(found.level, free)), self.life

    def _still_wanted(self, one: Proposal) -> bool:
        """Whether a raise waits on though this moment does not ask for it.

        As with what stands: rain that is still close to the level keeps it, and what is not known
        is not below.
        """
        step = one.wanted.step
        if step.kind is not StepKind.RAISE or not self.approvals.of(step):
            return False
        if self.standing is not None and step.level <= self.standing.level:
            return False
        cells = [c for c, state in one.wanted.cells.items() if state.level >= step.level]
        found = self.matter.found
        kept = (found.kept[cells] >= step.level).any()
        return bool(kept or not found.known[cells].all())


def end_waiting(connection: Connection, one: Proposal, now: datetime) -> bool:
    """Close a proposal that nobody answered in time; True where it is done all the same."""
    done = one.otherwise is Otherwise.ISSUE
    state = State.ISSUED if done else State.DROPPED
    close(connection, one, state, TIMER, "nobody answered in time", now)
    return done


def raised_to(found: Found, cells: Mapping[int, CellState]) -> Found:
    """What was found, and at least the levels of some cells."""
    level, kept = found.level.copy(), found.kept.copy()
    for cell, state in cells.items():
        level[cell] = max(int(level[cell]), state.level)
        kept[cell] = max(int(kept[cell]), state.level)
    return replace(found, level=level, kept=kept)


def _same(one: Step, other: Step) -> bool:
    return (one.kind, one.level) == (other.kind, other.level)
