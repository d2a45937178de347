"""Looking back at one event: what was warned, who was told and when, what was answered and done."""

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from jinghu.grid.errors import DataError
from jinghu.grid.times import parse_time
from jinghu.warnings.levels import Level, Tier
from jinghu.warnings.reports import Report, reports_of_event
from jinghu.warnings.tables import (
    alert,
    attempt,
    escalation,
    event,
    outbox,
    phone_call,
    task,
)


@dataclass(frozen=True, slots=True)
class Issued:
    """One message of the event."""

    identifier: str
    action: str
    level: str
    sent: str
    headline_zh: str
    headline_en: str


@dataclass(frozen=True, slots=True)
class Told:
    """How the messages of one channel went: how many of each status, and how long it took.

    ``first_s`` and ``last_s`` are from the decision to the first and the last message handed over.
    """

    channel: str
    by_status: dict[str, int]
    first_s: float | None
    last_s: float | None


@dataclass(frozen=True, slots=True)
class Done:
    """How those of one level of responsibility stood at the end."""

    tier: str
    tier_zh: str
    by_status: dict[str, int]
    passed_on: int
    median_answer_s: float | None


@dataclass(frozen=True, slots=True)
class Review:
    """One event from its beginning to its end; counts, and no names."""

    event: str
    hazard: str
    county: str
    status: str
    opened: str
    closed: str | None
    highest: str
    issued: tuple[Issued, ...]
    told: tuple[Told, ...]
    done: tuple[Done, ...]
    calls: dict[str, int]
    reports: tuple[Report, ...]

    @property
    def people_moved(self) -> int:
        """Sum of the people that were reported as moved."""
        return sum(r.people_moved or 0 for r in self.reports)


def review(connection: Connection, event_id: str) -> Review:
    """Put together what the database knows of an event.

    Raises
    ------
    DataError
        Where there is no such event.
    """
    row = connection.execute(select(event).where(event.c.event_id == event_id)).first()
    if row is None:
        raise DataError(event_id, "there is no such event")
    issued = _issued(connection, event_id)
    return Review(
        event=event_id,
        hazard=row.hazard,
        county=row.county,
        status=row.status,
        opened=row.opened_at,
        closed=row.closed_at,
        highest=max((Level[i.level.upper()] for i in issued), default=Level.NONE).en,
        issued=issued,
        told=_told(connection, event_id),
        done=_done(connection, event_id),
        calls=_calls(connection, event_id),
        reports=tuple(reports_of_event(connection, event_id)),
    )


def _issued(connection: Connection, event_id: str) -> tuple[Issued, ...]:
    rows = connection.execute(
        select(alert).where(alert.c.event_id == event_id).order_by(alert.c.alert_id)
    )
    return tuple(
        Issued(r.identifier, r.action, Level(r.level).en, r.sent, r.headline_zh, r.headline_en)
        for r in rows
    )


def _told(connection: Connection, event_id: str) -> tuple[Told, ...]:
    mine = outbox.c.alert_id.in_(select(alert.c.alert_id).where(alert.c.event_id == event_id))
    counts: dict[str, dict[str, int]] = {}
    for r in connection.execute(
        select(outbox.c.channel, outbox.c.status, func.count().label("n"))
        .where(mine)
        .group_by(outbox.c.channel, outbox.c.status)
        .order_by(outbox.c.channel, outbox.c.status)
    ):
        counts.setdefault(r.channel, {})[r.status] = int(r.n)
    waits: dict[str, list[float]] = {}
    for r in connection.execute(
        select(outbox.c.channel, outbox.c.created_at, attempt.c.at)
        .join(attempt, attempt.c.outbox_id == outbox.c.outbox_id)
        .where(mine, attempt.c.outcome == "SENT")
    ):
        wait = (parse_time(r.at) - parse_time(r.created_at)).total_seconds()
        waits.setdefault(r.channel, []).append(wait)
    return tuple(
        Told(name, found, min(took, default=None), max(took, default=None))
        for name, found in counts.items()
        for took in [waits.get(name, [])]
    )


def _done(connection: Connection, event_id: str) -> tuple[Done, ...]:
    counts: dict[int, dict[str, int]] = {}
    waits: dict[int, list[float]] = {}
    query = (
        select(task.c.tier, task.c.status, task.c.answered_at, alert.c.sent)
        .join(alert, alert.c.alert_id == task.c.alert_id)
        .where(task.c.event_id == event_id)
    )
    for r in connection.execute(query):
        of = counts.setdefault(int(r.tier), {})
        of[r.status] = of.get(r.status, 0) + 1
        if r.answered_at is not None:
            wait = (parse_time(r.answered_at) - parse_time(r.sent)).total_seconds()
            waits.setdefault(int(r.tier), []).append(wait)
    passed = (
        select(task.c.tier, func.count().label("n"))
        .join(escalation, escalation.c.from_task_id == task.c.task_id)
        .where(task.c.event_id == event_id)
        .group_by(task.c.tier)
    )
    up = {int(r.tier): int(r.n) for r in connection.execute(passed)}
    return tuple(
        Done(Tier(tier).en, Tier(tier).zh, counts[tier], up.get(tier, 0), _median(waits.get(tier)))
        for tier in sorted(counts)
    )


def _median(values: list[float] | None) -> float | None:
    return sorted(values)[len(values) // 2] if values else None


def _calls(connection: Connection, event_id: str) -> dict[str, int]:
    rows = connection.execute(
        select(phone_call.c.outcome, func.count().label("n"))
        .join(task, task.c.task_id == phone_call.c.task_id)
        .where(task.c.event_id == event_id)
        .group_by(phone_call.c.outcome)
    )
    return {r.outcome: int(r.n) for r in rows}
