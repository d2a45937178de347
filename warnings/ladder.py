"""Who takes over from whom in one event: the next level above that has somebody.

Grid, village, town, county, city. Nothing here touches the database: `jinghu.warnings.escalation`
reads how things stand, lets a ladder decide for many tasks, and writes down what it decided.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from jinghu.grid.times import isoformat
from jinghu.warnings.levels import Tier
from jinghu.warnings.waiting import AnswerWithin

ANSWERED = ("ACKNOWLEDGED", "HANDLED")


class Reason(StrEnum):
    """Why a task goes up."""

    SILENT = "SILENT"
    CANNOT_HANDLE = "CANNOT_HANDLE"


@dataclass(frozen=True, slots=True)
class Overdue:
    """A task that has to go up; its deadline is UTC text as stored."""

    task_id: int
    event_id: str
    recipient_id: int
    tier: int
    unit_code: str
    level: int
    deadline: str
    reason: Reason = Reason.SILENT


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody above, and the unit they answer for."""

    recipient_id: int
    tier: Tier
    unit_code: str

    @property
    def unit(self) -> tuple[Tier, str]:
        """The unit, however long its code is written."""
        return unit_of(self.tier, self.unit_code)


@dataclass(slots=True)
class TaskAbove:
    """The task of somebody above; times are UTC text as stored."""

    person: Person
    level: int
    status: str
    due_at: str | None
    raised_at: str | None = None

    @property
    def passed_on(self) -> bool:
        """Whether it has left this person already."""
        return self.status == "CANNOT_HANDLE" or self.raised_at is not None


@dataclass(frozen=True, slots=True)
class Handover:
    """One task that moves up, and to whom."""

    overdue: Overdue
    to: Person


@dataclass(slots=True)
class Ladder:
    """The levels above the tasks of one event.

    Parameters
    ----------
    within
        How long an answer is waited for.
    now
        From when on those above are waited for.
    roster
        Who is responsible for the units above.
    waited_for
        Whose turn it is in a unit already.
    tasks
        What those above were asked so far, by recipient.
    """

    within: AnswerWithin
    now: datetime
    roster: dict[tuple[Tier, str], Person]
    waited_for: dict[tuple[Tier, str], Person]
    tasks: dict[int, TaskAbove]
    handed: list[Handover] = field(default_factory=list)
    calls: dict[int, int] = field(default_factory=dict)
    changed: dict[int, TaskAbove] = field(default_factory=dict)
    stuck: int = 0

    def pass_on(self, overdue: Overdue) -> None:
        """Move one task up: the waiting below ends where the waiting above begins.

        The result is in ``handed``, in ``calls`` (who has to be told, and the highest level) and in
        ``changed`` (the tasks above as they are from now on), or in ``stuck``.
        """
        target = self._above(overdue)
        if target is None:
            self.stuck += 1
            return
        if mine := self.tasks.get(overdue.recipient_id):
            mine.due_at, mine.raised_at = None, isoformat(self.now)
        self._ask(overdue, target)
        self.handed.append(Handover(overdue, target))
        self.calls[target.recipient_id] = max(self.calls.get(target.recipient_id, 0), overdue.level)

    def _above(self, overdue: Overdue) -> Person | None:
        """Who is next: the first level above that has somebody who has not passed it on.

        Where everybody above has, it is the last of those from whom nobody could take it over:
        whoever stands highest is asked anew, and what is silent below does not stay hidden there.
        """
        last = None
        for tier in Tier:
            if tier <= overdue.tier:
                continue
            unit = unit_of(tier, overdue.unit_code)
            person = self.waited_for.get(unit) or self.roster.get(unit)
            if person is None:
                continue
            found = self.tasks.get(person.recipient_id)
            if found is None or not found.passed_on:
                return person
            if found.raised_at is None:
                last = person
        return last

    def _ask(self, overdue: Overdue, target: Person) -> None:
        """Give the task to somebody above, who is waited for from now on.

        Whoever has answered at this level of danger already has the matter in hand: they are told,
        and not waited for again. A deadline that runs already is not moved.
        """
        wait = self.within.wait(overdue.level, target.tier)
        until = isoformat(self.now + wait) if wait is not None else None
        found = self.tasks.get(target.recipient_id)
        if found is None:
            found = TaskAbove(target, overdue.level, "TOLD", until)
        elif found.status in ANSWERED and found.level >= overdue.level:
            return
        found.status, found.level = "TOLD", max(found.level, overdue.level)
        found.due_at = min(filter(None, (found.due_at, until)), default=None)
        self.tasks[target.recipient_id] = self.changed[target.recipient_id] = found
        if found.due_at is not None:
            self.waited_for[target.unit] = target


def unit_of(tier: Tier, unit_code: str) -> tuple[Tier, str]:
    """The unit of a level in which a unit lies."""
    return tier, unit_code[: tier.digits]
