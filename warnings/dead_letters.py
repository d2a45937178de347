"""Messages that were given up, for those who can mend why; and channels that are enabled again."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select, update

from jinghu.grid.errors import DataError
from jinghu.grid.times import isoformat
from jinghu.warnings.database import record
from jinghu.warnings.levels import Level
from jinghu.warnings.tables import alert, attempt, channel, outbox, recipient

_SHOWN = 1000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was given up; without numbers, addresses or names."""

    message_id: str
    channel: str
    level: str
    person: str
    attempts: int
    at: str
    cause: str


def list_dead(connection: Connection, limit: int = _SHOWN) -> list[DeadLetter]:
    """Return the messages given up, the newest first."""
    last = (
        select(func.max(attempt.c.attempt_id))
        .where(attempt.c.outbox_id == outbox.c.outbox_id)
        .correlate(outbox)
        .scalar_subquery()
    )
    query = (
        select(outbox, recipient.c.person, attempt.c.at, attempt.c.detail)
        .join(recipient, recipient.c.recipient_id == outbox.c.recipient_id)
        .join(attempt, attempt.c.attempt_id == last)
        .where(outbox.c.status == "DEAD")
        .order_by(outbox.c.outbox_id.desc())
        .limit(limit)
    )
    return [
        DeadLetter(r.message_id, r.channel, Level(r.level).en, r.person, r.attempts, r.at, r.detail)
        for r in connection.execute(query)
    ]


def count_dead(connection: Connection) -> int:
    """Number of messages given up."""
    query = select(func.count()).select_from(outbox).where(outbox.c.status == "DEAD")
    return int(connection.execute(query).scalar_one())


def retry_dead(connection: Connection, now: datetime) -> int:
    """Queue what was given up of warnings in force again; returns how many.

    Their ids stay, so that a receiver that had one after all knows it. What was superseded or has
    expired meanwhile stays dead.
    """
    in_force = select(alert.c.alert_id).where(
        alert.c.superseded_at.is_(None), alert.c.expires > isoformat(now)
    )
    queued = connection.execute(
        update(outbox)
        .where(outbox.c.status == "DEAD", outbox.c.alert_id.in_(in_force))
        .values(status="PENDING", attempts=1, due_at=isoformat(now))
    ).rowcount
    record(connection, now, "operator", "dead letters queued", str(queued), {"queued": queued})
    return int(queued)


def enable(connection: Connection, name: str, now: datetime) -> None:
    """Use a channel again whose receiver was gone.

    Raises
    ------
    DataError
        Where it is not disabled.
    """
    done = connection.execute(
        update(channel)
        .where(channel.c.name == name, channel.c.disabled_at.is_not(None))
        .values(disabled_at=None, disabled_cause=None)
    )
    if not done.rowcount:
        raise DataError(f"channel {name}", "it is not disabled")
    record(connection, now, "operator", "channel enabled", name, {})
