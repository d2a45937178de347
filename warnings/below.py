"""Who stands below somebody: counts for all, names only of those whose task has come up to them.

Whoever is called on sees who is silent and calls; what came of each call is kept.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, text

from jinghu.grid.errors import DataError
from jinghu.grid.times import isoformat
from jinghu.warnings.database import record
from jinghu.warnings.levels import Role, Tier
from jinghu.warnings.tables import phone_call, recipient, task
from jinghu.warnings.tallies import TierCount, tally

_MAX_NOTE = 1000

# Whose task has come up to somebody, over however many steps, and is still open.
_CAME_UP = text("""
    WITH RECURSIVE came_up (task_id) AS (
        SELECT e.from_task_id FROM escalation e JOIN task t ON t.task_id = e.to_task_id
        WHERE t.event_id = :event AND t.recipient_id = :recipient
        UNION
        SELECT e.from_task_id FROM escalation e JOIN came_up c ON c.task_id = e.to_task_id
    )
    SELECT s.task_id, s.tier, s.status, s.unit_code, r.name, r.role, r.unit_name,
           COALESCE(s.raised_at, s.answered_at) AS since,
           (SELECT COUNT(*) FROM phone_call p WHERE p.task_id = s.task_id) AS calls,
           (SELECT p.outcome FROM phone_call p WHERE p.task_id = s.task_id
            ORDER BY p.call_id DESC LIMIT 1) AS last_call
    FROM came_up u JOIN task s ON s.task_id = u.task_id
    JOIN recipient r ON r.recipient_id = s.recipient_id
    WHERE s.level > 0 AND s.status IN ('TOLD', 'CANNOT_HANDLE')
    ORDER BY s.tier, s.task_id
""")


class CallOutcome(StrEnum):
    """What came of a telephone call."""

    REACHED = "REACHED"
    NO_ANSWER = "NO_ANSWER"
    WRONG_NUMBER = "WRONG_NUMBER"

    @property
    def zh(self) -> str:
        """Chinese words."""
        return {"REACHED": "已接通", "NO_ANSWER": "无人接听", "WRONG_NUMBER": "号码有误"}[
            self.value
        ]

    @property
    def en(self) -> str:
        """English words."""
        return self.value.lower().replace("_", " ")


@dataclass(frozen=True, slots=True)
class SilentBelow:
    """Somebody whose task came up: no answer, or unable to handle it; times are UTC text."""

    task_id: int
    name: str
    role: Role
    unit_name: str
    unable: bool
    since: str | None
    calls: int
    last_call: CallOutcome | None


def silent_below(connection: Connection, event_id: str, recipient_id: int) -> list[SilentBelow]:
    """Who did not act, of those whose tasks have come up to somebody; the nearest first."""
    asked = {"event": event_id, "recipient": recipient_id}
    return [
        SilentBelow(
            int(r.task_id),
            r.name,
            Role(r.role),
            r.unit_name,
            r.status == "CANNOT_HANDLE",
            r.since,
            int(r.calls),
            CallOutcome(r.last_call) if r.last_call else None,
        )
        for r in connection.execute(_CAME_UP, asked)
    ]


def counts_below(connection: Connection, event_id: str, recipient_id: int) -> tuple[TierCount, ...]:
    """How those below somebody stand, by level of responsibility."""
    mine = connection.execute(
        select(task.c.tier, task.c.unit_code).where(
            task.c.event_id == event_id, task.c.recipient_id == recipient_id
        )
    ).first()
    if mine is None or mine.tier == Tier.GRID:
        return ()
    unit = mine.unit_code[: Tier(mine.tier).digits]
    below = (
        task.c.event_id == event_id,
        task.c.level > 0,
        task.c.tier < mine.tier,
        func.substr(task.c.unit_code, 1, len(unit)) == unit,
    )
    return tally(connection, below)


def record_call(
    connection: Connection,
    caller: tuple[str, int],
    task_id: int,
    outcome: CallOutcome,
    note: str,
    now: datetime,
) -> None:
    """Write down a call; ``caller`` is the event and the recipient of the one who called.

    Raises
    ------
    DataError
        Where the task has not come up to the caller: who is not theirs is not theirs to call.
    """
    event_id, recipient_id = caller
    if task_id not in {s.task_id for s in silent_below(connection, event_id, recipient_id)}:
        raise DataError("call", "that task is not with you, or has been answered meanwhile")
    mine = select(task.c.task_id).where(
        task.c.event_id == event_id, task.c.recipient_id == recipient_id
    )
    connection.execute(
        insert(phone_call).values(
            task_id=task_id,
            by_task_id=connection.execute(mine).scalar_one(),
            at=isoformat(now),
            outcome=outcome.value,
            note=note[:_MAX_NOTE],
        )
    )
    called = select(recipient.c.recipient_id).join(task).where(task.c.task_id == task_id)
    subject = f"{event_id}/{connection.execute(called).scalar_one()}"
    detail = {"outcome": outcome.value, "note": note[:_MAX_NOTE]}
    record(connection, now, f"recipient {recipient_id}", "called", subject, detail)
