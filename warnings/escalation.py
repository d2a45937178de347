"""Escalation: a task that nobody answers in time goes one level up, once.

The nearest responsible person is waited for first (`jinghu.warnings.fanout`). Whoever stays silent
past the deadline, or cannot handle it, passes the task on to the next level above that has
somebody (`jinghu.warnings.ladder`). The deadline of a task and its end are one column: whatever
ends the waiting ends it for good.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, exists, func, or_, select, text

from jinghu.grid.times import isoformat
from jinghu.warnings.calls import Call, enqueue
from jinghu.warnings.database import Entry, reading, record_all
from jinghu.warnings.ladder import (
    ANSWERED,
    Handover,
    Ladder,
    Overdue,
    Person,
    Reason,
    TaskAbove,
)
from jinghu.warnings.levels import Level, Role, Tier
from jinghu.warnings.purposes import Purpose, require_fit
from jinghu.warnings.routes import first_of_routes
from jinghu.warnings.shifts import off_duty
from jinghu.warnings.silence import Silence, together
from jinghu.warnings.tables import alert, channel, escalation, event, recipient, task, told
from jinghu.warnings.waiting import AnswerWithin

BATCH = 2000  # tasks a transaction: others may write after a fraction of a second

_RAISE = "UPDATE task SET due_at = NULL, raised_at = :at WHERE task_id = :task_id"
_ASK = """
    INSERT INTO task (event_id, recipient_id, alert_id, level, due_at, status, note, tier,
        unit_code, escalated)
    VALUES (:event_id, :recipient_id, :alert_id, :level, :due_at, 'TOLD', '', :tier, :unit_code, 1)
    ON CONFLICT (event_id, recipient_id) DO UPDATE SET
        level = excluded.level, due_at = excluded.due_at, status = 'TOLD', answered_at = NULL,
        tier = excluded.tier, unit_code = excluded.unit_code, escalated = 1
"""
_HAND_OVER = """
    INSERT INTO escalation (from_task_id, to_task_id, reason, deadline, at)
    SELECT :task_id, t.task_id, :reason, :deadline, :at FROM task t
    WHERE t.event_id = :event_id AND t.recipient_id = :to
"""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """What was passed on; ``stuck`` counts tasks above which there is nobody to turn to."""

    escalated: int = 0
    called: int = 0
    stuck: int = 0

    def __add__(self, other: "FollowUp") -> "FollowUp":
        """Both together."""
        return FollowUp(
            self.escalated + other.escalated, self.called + other.called, self.stuck + other.stuck
        )


def due(connection: Connection, now: datetime, among: Sequence[int] | None = None) -> list[Overdue]:
    """Return the tasks whose deadline has passed, those of events and messages in force alone.

    The highest levels come first, so that nobody is called on who is passing it on at the same
    time; those of a unit stand together. ``among`` names the tasks to look at, all where None.
    """
    stamp = isoformat(now)
    in_force = select(alert.c.event_id).where(
        alert.c.superseded_at.is_(None), alert.c.expires > stamp
    )
    query = (
        select(task)
        .join(event, event.c.event_id == task.c.event_id)
        .where(
            task.c.due_at <= stamp,
            task.c.status == "TOLD",
            task.c.level > 0,
            event.c.closed_at.is_(None),
            event.c.event_id.in_(in_force),
        )
        .order_by(task.c.event_id, task.c.tier.desc(), task.c.unit_code, task.c.task_id)
    )
    if among is not None:
        query = query.where(task.c.task_id.in_(among))
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


def escalate(engine: Engine, within: AnswerWithin, now: datetime, batch: int = BATCH) -> FollowUp:
    """Pass on everything that is overdue, ``batch`` tasks a transaction.

    Each transaction is whole in itself and looks again at what is overdue: what was answered, or
    passed on by another process meanwhile, is left alone. Whatever stops this run, the next one
    goes on where it ended.
    """
    with reading(engine) as connection:
        keys = [overdue.task_id for overdue in due(connection, now)]
    done = FollowUp()
    for begin in range(0, len(keys), batch):
        with engine.begin() as connection:
            overdue = due(connection, now, keys[begin : begin + batch])
            done += pass_on(connection, overdue, within, now)
    return done


def pass_on(
    connection: Connection, tasks: Sequence[Overdue], within: AnswerWithin, now: datetime
) -> FollowUp:
    """Pass tasks on to the next level above, with a message and an entry in the audit for each.

    Runs inside the caller's transaction. Several silent persons below the same one are named in
    one message. Where everybody above cannot handle it either, the highest of them is asked anew.
    Where there is nobody above, the task stays as it is and stays overdue.

    Raises
    ------
    ConfigError
        Where a channel is not for messages of the event's status.
    """
    done = FollowUp()
    for event_id in dict.fromkeys(t.event_id for t in tasks):
        mine = [t for t in tasks if t.event_id == event_id]
        ladder = _ladder(connection, mine, within, now)
        for overdue in mine:
            ladder.pass_on(overdue)
        if ladder.handed:
            _write(connection, event_id, ladder)
        done += FollowUp(len(ladder.handed), len(ladder.calls), ladder.stuck)
    return done


def _ladder(
    connection: Connection, tasks: Sequence[Overdue], within: AnswerWithin, now: datetime
) -> Ladder:
    """Read who is above tasks of one event, and what they were asked so far."""
    towns = {t.unit_code[: Tier.TOWN.digits] for t in tasks}
    high = [r.value for r in Role if r.tier >= Tier.COUNTY]
    low = [r.value for r in Role if Tier.GRID < r.tier < Tier.COUNTY]
    people = (
        select(recipient.c.recipient_id, recipient.c.role, recipient.c.unit_code)
        .where(
            recipient.c.removed_at.is_(None),
            recipient.c.recipient_id.not_in(off_duty(connection, now)),
            or_(
                recipient.c.role.in_(high),
                recipient.c.role.in_(low)
                & func.substr(recipient.c.unit_code, 1, Tier.TOWN.digits).in_(towns),
            ),
        )
        .order_by(recipient.c.recipient_id.desc())  # of several in a unit the first stays
    )
    roster = [
        Person(r.recipient_id, Role(r.role).tier, r.unit_code) for r in connection.execute(people)
    ]
    asked = select(task).where(task.c.event_id == tasks[0].event_id, task.c.tier > Tier.GRID)
    above = [
        TaskAbove(
            Person(r.recipient_id, Tier(r.tier), r.unit_code),
            r.level,
            r.status,
            r.due_at,
            r.raised_at,
        )
        for r in connection.execute(asked)
    ]
    return Ladder(
        within,
        now,
        {p.unit: p for p in roster},
        {t.person.unit: t.person for t in above if t.due_at is not None},
        {t.person.recipient_id: t for t in above},
    )


def _write(connection: Connection, event_id: str, ladder: Ladder) -> None:
    """Write down what a ladder decided, and put the messages into the outbox."""
    newest = select(func.max(alert.c.alert_id)).where(alert.c.event_id == event_id)
    alert_id = int(connection.execute(newest).scalar_one())
    at = isoformat(ladder.now)
    connection.execute(
        text(_RAISE), [{"task_id": h.overdue.task_id, "at": at} for h in ladder.handed]
    )
    asked = [
        {
            "event_id": event_id,
            "recipient_id": t.person.recipient_id,
            "alert_id": alert_id,
            "level": t.level,
            "due_at": t.due_at,
            "tier": int(t.person.tier),
            "unit_code": t.person.unit_code,
        }
        for t in ladder.changed.values()
    ]
    if asked:
        connection.execute(text(_ASK), asked)
    connection.execute(
        text(_HAND_OVER),
        [
            {
                "task_id": h.overdue.task_id,
                "event_id": event_id,
                "to": h.to.recipient_id,
                "reason": h.overdue.reason.value,
                "deadline": h.overdue.deadline,
                "at": at,
            }
            for h in ladder.handed
        ],
    )
    record_all(connection, ladder.now, [_entry(h) for h in ladder.handed])
    enqueue(connection, alert_id, _calls(connection, event_id, ladder), ladder.now)


def _calls(connection: Connection, event_id: str, ladder: Ladder) -> list[Call]:
    """Who above is called through which channels: those with which their routes begin.

    Each call keeps because of whom it is made, so that it says the same whenever it is sent.
    """
    below = {h.overdue.recipient_id for h in ladder.handed}
    who = select(
        recipient.c.recipient_id, recipient.c.name, recipient.c.role, recipient.c.unit_name
    ).where(recipient.c.recipient_id.in_([*ladder.calls, *below]))
    people = {int(r.recipient_id): r for r in connection.execute(who)}
    silent: dict[int, list[Silence]] = {key: [] for key in ladder.calls}
    for handover in ladder.handed:
        one = people[handover.overdue.recipient_id]
        unable = int(handover.overdue.reason is Reason.CANNOT_HANDLE)
        silent[handover.to.recipient_id].append(
            Silence(one.name, Role(one.role), one.unit_name, unable=unable)
        )
    because = {key: together(found) for key, found in silent.items()}
    return [
        Call(recipient_id, level, name, silence=because[recipient_id])
        for name, firsts in _channels(connection, event_id).items()
        for recipient_id, level in ladder.calls.items()
        if firsts is None or (Role(people[recipient_id].role), Level(level)) in firsts
    ]


def _entry(handover: Handover) -> Entry:
    overdue, to = handover.overdue, handover.to
    detail = {
        "reason": overdue.reason.value,
        "deadline": overdue.deadline,
        "to": to.recipient_id,
        "tier": to.tier.en,
    }
    subject = f"{overdue.event_id}/{overdue.recipient_id}"
    return Entry("escalation", "escalated", subject, detail)


def _channels(
    connection: Connection, event_id: str
) -> dict[str, frozenset[tuple[Role, Level]] | None]:
    """Channels of an event, and the roles and levels whose routes begin with them; None: all.

    Without routes they are those through which somebody was told.
    """
    status = connection.execute(
        select(event.c.status).where(event.c.event_id == event_id)
    ).scalar_one()
    firsts = first_of_routes(connection, status)
    used = exists().where(told.c.event_id == event_id, told.c.channel == channel.c.name)
    wanted = used if firsts is None else channel.c.name.in_(list(firsts))
    rows = connection.execute(select(channel).where(wanted).order_by(channel.c.name)).all()
    for row in rows:
        require_fit(row.name, Purpose(row.purpose), status)
    return {row.name: None if firsts is None else firsts[row.name] for row in rows}


def follow_up_counts(connection: Connection, status: str, now: datetime) -> dict[str, int]:
    """Return how many tasks of open events are acknowledged, escalated and overdue."""
    stamp = isoformat(now)
    mine = (event.c.closed_at.is_(None), event.c.status == status)
    counted = (
        select(
            func.count().filter(task.c.status.in_(ANSWERED)),
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
