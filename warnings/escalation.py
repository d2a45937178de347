"""Escalation: a task that nobody answers in time goes one level up, once.

The nearest responsible person is waited for first (`jinghu.warnings.fanout`). Whoever stays silent
past the deadline, or cannot handle it, passes the task on to the next level above that has
somebody: grid, village, town, county, city. Every function runs inside its caller's transaction.
The deadline of a task and its end are one column: whatever ends the waiting ends it for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, Engine, Row, func, insert, select, text, update

from jinghu.grid.times import isoformat
from jinghu.warnings.database import record
from jinghu.warnings.levels import Role, Tier
from jinghu.warnings.purposes import channel_purposes, require_fit
from jinghu.warnings.tables import alert, escalation, event, outbox, recipient, task, told
from jinghu.warnings.waiting import AnswerWithin

_ANSWERED = ("ACKNOWLEDGED", "HANDLED")

# Whoever was called on for others is called off when all of those have answered or are out of it.
_RELIEVE = """
    UPDATE task SET status = 'RELIEVED', due_at = NULL, raised_at = NULL, escalated = 0
    WHERE event_id = :event_id AND escalated = 1 AND status = 'TOLD' AND NOT EXISTS (
        SELECT 1 FROM escalation e JOIN task s ON s.task_id = e.from_task_id
        WHERE e.to_task_id = task.task_id AND s.level > 0
          AND s.status IN ('TOLD', 'CANNOT_HANDLE'))
"""
_DROP = """
    UPDATE outbox SET status = 'DROPPED', leased_until = NULL
    WHERE status IN ('PENDING', 'LEASED') AND kind = 'ESCALATION'
      AND alert_id IN (SELECT alert_id FROM alert WHERE event_id = :event_id)
"""


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
class FollowUp:
    """What one step did; ``stuck`` counts tasks above which there is nobody to turn to."""

    escalated: int = 0
    called: int = 0
    stuck: int = 0


def due(connection: Connection, now: datetime) -> list[Overdue]:
    """Return the tasks whose deadline has passed, those of events and messages in force alone."""
    stamp = isoformat(now)
    in_force = (
        select(alert.c.alert_id)
        .where(
            alert.c.event_id == task.c.event_id,
            alert.c.superseded_at.is_(None),
            alert.c.expires > stamp,
        )
        .exists()
    )
    query = (
        select(task)
        .join(event, event.c.event_id == task.c.event_id)
        .where(
            task.c.due_at <= stamp,
            task.c.status == "TOLD",
            task.c.level > 0,
            event.c.closed_at.is_(None),
            in_force,
        )
        .order_by(task.c.event_id, task.c.tier.desc(), task.c.task_id)
    )
    return [overdue_of(row, row.due_at) for row in connection.execute(query)]


def overdue_of(row: Row[tuple[object, ...]], deadline: str) -> Overdue:
    """One row of the table of tasks as what has to go up."""
    return Overdue(
        int(row.task_id),
        str(row.event_id),
        int(row.recipient_id),
        int(row.tier),
        str(row.unit_code),
        int(row.level),
        deadline,
    )


def escalate(engine: Engine, within: AnswerWithin, now: datetime) -> FollowUp:
    """Pass on everything that is overdue, in one transaction.

    A second run, or another process at the same time, finds nothing left to do: the first has
    ended the waiting of what it passed on.
    """
    with engine.begin() as connection:
        return pass_on(connection, due(connection, now), within, now)


def pass_on(
    connection: Connection, tasks: Sequence[Overdue], within: AnswerWithin, now: datetime
) -> FollowUp:
    """Pass tasks on to the next level above, with a message and an entry in the audit for each.

    Several silent persons below the same one are named in one message. Where there is nobody above,
    or nobody above who has not passed it on as well, the task stays as it is and stays overdue.

    Raises
    ------
    ConfigError
        Where a channel is not for messages of the event's status.
    """
    escalated = called = stuck = 0
    for event_id in dict.fromkeys(t.event_id for t in tasks):
        step = _Step.of(connection, event_id, within, now)
        for overdue in (t for t in tasks if t.event_id == event_id):
            target = step.above(overdue)
            if target is None:
                stuck += 1
            else:
                step.hand_over(overdue, target)
                escalated += 1
        step.call()
        called += len(step.calls)
    return FollowUp(escalated, called, stuck)


def relieve(connection: Connection, event_id: str) -> None:
    """Call off those above whose turn came for others who have all answered since."""
    while connection.execute(text(_RELIEVE), {"event_id": event_id}).rowcount:
        pass


def stand_down(connection: Connection, event_id: str, alert_id: int, now: datetime) -> None:
    """Tell the end to those who were called on and are not told it because of where they stand."""
    connection.execute(text(_DROP), {"event_id": event_id})
    of_event = select(alert.c.alert_id).where(alert.c.event_id == event_id)
    stands = select(told.c.recipient_id).where(
        told.c.event_id == event_id, told.c.channel == outbox.c.channel
    )
    query = (
        select(outbox.c.recipient_id, outbox.c.channel, outbox.c.purpose)
        .where(
            outbox.c.alert_id.in_(of_event),
            outbox.c.kind == "ESCALATION",
            outbox.c.attempts > 0,
            outbox.c.recipient_id.not_in(stands),
        )
        .distinct()
    )
    for row in connection.execute(query).all():
        message = _Call(row.recipient_id, 0, row.channel, row.purpose, "WARNING")
        _enqueue(connection, alert_id, message, now)


def follow_up_counts(connection: Connection, status: str, now: datetime) -> dict[str, int]:
    """Return how many tasks of open events are acknowledged, escalated and overdue."""
    stamp = isoformat(now)
    mine = (event.c.closed_at.is_(None), event.c.status == status)
    counted = (
        select(
            func.count().filter(task.c.status.in_(_ANSWERED)),
            func.count().filter(task.c.status == "TOLD", task.c.due_at <= stamp),
            func.count().filter(task.c.status == "CANNOT_HANDLE", task.c.raised_at.is_(None)),
        )
        .select_from(task)
        .join(event, event.c.event_id == task.c.event_id)
        .where(*mine)
    )
    acknowledged, silent, unable = connection.execute(counted).one()
    passed_on = (
        select(func.count())
        .select_from(escalation)
        .join(task, task.c.task_id == escalation.c.from_task_id)
        .join(event, event.c.event_id == task.c.event_id)
        .where(*mine)
    )
    return {
        "acknowledged": int(acknowledged),
        "escalated": int(connection.execute(passed_on).scalar_one()),
        "overdue": int(silent) + int(unable),
    }


@dataclass(frozen=True, slots=True)
class _Person:
    """Somebody above, and the unit they answer for."""

    recipient_id: int
    tier: Tier
    unit_code: str


@dataclass(frozen=True, slots=True)
class _Call:
    """One message about a task."""

    recipient_id: int
    level: int
    channel: str
    purpose: str
    kind: str


@dataclass(frozen=True, slots=True)
class _Step:
    """What passing on needs to know of one event; ``calls`` is who has to be told, at which level.

    ``roster`` holds who is responsible for the units above, ``waited_for`` whose turn it is there.
    """

    connection: Connection
    event_id: str
    alert_id: int
    status: str
    within: AnswerWithin
    now: datetime
    roster: dict[tuple[Tier, str], _Person]
    waited_for: dict[tuple[Tier, str], _Person]
    calls: dict[int, int] = field(default_factory=dict)

    @staticmethod
    def of(connection: Connection, event_id: str, within: AnswerWithin, now: datetime) -> "_Step":
        status = select(event.c.status).where(event.c.event_id == event_id)
        newest = select(func.max(alert.c.alert_id)).where(alert.c.event_id == event_id)
        above = [r for r in Role if r.tier is not Tier.GRID]
        people = (
            select(recipient.c.recipient_id, recipient.c.role, recipient.c.unit_code)
            .where(recipient.c.role.in_([r.value for r in above]))
            .order_by(recipient.c.recipient_id.desc())  # of several in a unit the first stays
        )
        waiting = select(task.c.recipient_id, task.c.tier, task.c.unit_code).where(
            task.c.event_id == event_id, task.c.tier > 0, task.c.due_at.is_not(None)
        )
        roster = [
            _Person(r.recipient_id, Role(r.role).tier, r.unit_code)
            for r in connection.execute(people)
        ]
        waited_for = [
            _Person(r.recipient_id, Tier(r.tier), r.unit_code) for r in connection.execute(waiting)
        ]
        return _Step(
            connection,
            event_id,
            int(connection.execute(newest).scalar_one()),
            str(connection.execute(status).scalar_one()),
            within,
            now,
            {_unit(p.tier, p.unit_code): p for p in roster},
            {_unit(p.tier, p.unit_code): p for p in waited_for},
        )

    def above(self, overdue: Overdue) -> _Person | None:
        """Who is next: the first level above that has somebody who has not passed it on."""
        for tier in Tier:
            if tier <= overdue.tier:
                continue
            unit = _unit(tier, overdue.unit_code)
            person = self.waited_for.get(unit) or self.roster.get(unit)
            if person is None:
                continue
            found = self._task(person.recipient_id)
            passed_on = found is not None and (
                found.status == "CANNOT_HANDLE" or found.raised_at is not None
            )
            if not passed_on:
                return person
        return None

    def hand_over(self, overdue: Overdue, target: _Person) -> None:
        """Move one task up: the waiting below ends where the waiting above begins."""
        at = isoformat(self.now)
        self.connection.execute(
            update(task).where(task.c.task_id == overdue.task_id).values(due_at=None, raised_at=at)
        )
        to_task = self._ask(overdue, target)
        self.connection.execute(
            insert(escalation).values(
                from_task_id=overdue.task_id,
                to_task_id=to_task,
                reason=overdue.reason.value,
                deadline=overdue.deadline,
                at=at,
            )
        )
        detail = {
            "reason": overdue.reason.value,
            "deadline": overdue.deadline,
            "to": target.recipient_id,
            "tier": target.tier.en,
        }
        subject = f"{self.event_id}/{overdue.recipient_id}"
        record(self.connection, self.now, "escalation", "escalated", subject, detail)
        self.calls[target.recipient_id] = max(self.calls.get(target.recipient_id, 0), overdue.level)

    def _task(self, recipient_id: int) -> Row[tuple[object, ...]] | None:
        return self.connection.execute(
            select(task).where(
                task.c.event_id == self.event_id, task.c.recipient_id == recipient_id
            )
        ).first()

    def _ask(self, overdue: Overdue, target: _Person) -> int:
        """Give the task to somebody above, who is waited for from now on; returns its key.

        Whoever has answered at this level of danger already has the matter in hand: they are told,
        and not waited for again. A deadline that runs already is not moved.
        """
        wait = self.within.wait(overdue.level, target.tier)
        until = isoformat(self.now + wait) if wait is not None else None
        found = self._task(target.recipient_id)
        if until is not None:
            self.waited_for[_unit(target.tier, target.unit_code)] = target
        if found is None:
            made = insert(task).values(
                event_id=self.event_id,
                recipient_id=target.recipient_id,
                alert_id=self.alert_id,
                level=overdue.level,
                due_at=until,
                status="TOLD",
                note="",
                tier=int(target.tier),
                unit_code=target.unit_code,
                escalated=1,
            )
            key = self.connection.execute(made).inserted_primary_key
            assert key is not None
            return int(key[0])
        if found.status not in _ANSWERED or found.level < overdue.level:
            values = {
                "status": "TOLD",
                "answered_at": None,
                "level": max(found.level, overdue.level),
                "due_at": min(filter(None, (found.due_at, until)), default=None),
                "escalated": 1,
            }
            self.connection.execute(
                update(task).where(task.c.task_id == found.task_id).values(values)
            )
        return int(found.task_id)

    def call(self) -> None:
        """Put a message for everybody who is called on into the outbox, through each channel."""
        query = select(told.c.channel).where(told.c.event_id == self.event_id, told.c.channel != "")
        names = sorted(set(self.connection.execute(query.distinct()).scalars()))
        purposes = channel_purposes(self.connection, names)
        for name in names:
            require_fit(name, purposes.get(name), self.status)
            for recipient_id, level in self.calls.items():
                message = _Call(recipient_id, level, name, purposes[name].value, "ESCALATION")
                _enqueue(self.connection, self.alert_id, message, self.now)


def _unit(tier: Tier, unit_code: str) -> tuple[Tier, str]:
    return tier, unit_code[: tier.digits]


def _enqueue(connection: Connection, alert_id: int, message: _Call, now: datetime) -> None:
    """Write one message into the outbox."""
    about = connection.execute(
        select(alert.c.identifier, alert.c.status).where(alert.c.alert_id == alert_id)
    ).one()
    earlier = select(func.count()).where(
        outbox.c.alert_id == alert_id,
        outbox.c.recipient_id == message.recipient_id,
        outbox.c.channel == message.channel,
    )
    version = int(connection.execute(earlier).scalar_one())
    suffix = f"-{version}" if version else ""
    connection.execute(
        insert(outbox).values(
            alert_id=alert_id,
            message_status=about.status,
            recipient_id=message.recipient_id,
            channel=message.channel,
            purpose=message.purpose,
            kind=message.kind,
            version=version,
            level=message.level,
            priority=5 - message.level if message.level else 0,
            message_id=f"{about.identifier}-{message.recipient_id}-{message.channel}{suffix}",
            status="PENDING",
            attempts=0,
            created_at=isoformat(now),
            due_at=isoformat(now),
        )
    )
