"""The outbox: claiming messages under a lease, and writing down how each went."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, update

from jinghu.grid.errors import DeliveryError
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.levels import Hazard, Level, Role
from jinghu.warnings.message import Silent, phone_text_en, phone_text_zh
from jinghu.warnings.tables import (
    alert,
    attempt,
    escalation,
    event,
    outbox,
    recipient,
    task,
)

LEASE = timedelta(minutes=2)  # longer than a worker may hold a batch
MAX_ATTEMPTS = 8
_LONGEST_WAIT = timedelta(hours=1)
_BACKOFF = (5, 30, 60, 300, 900, 1800, 3600)  # seconds after the first, second... failure
_PURPOSE = {0: "warning.ended"}
_ABOVE, _BELOW = task.alias(), task.alias()
_SILENT = (  # made once: one is asked for every message to somebody above
    select(recipient.c.name, recipient.c.role, recipient.c.unit_name, escalation.c.reason)
    .select_from(escalation)
    .join(_ABOVE, _ABOVE.c.task_id == escalation.c.to_task_id)
    .join(_BELOW, _BELOW.c.task_id == escalation.c.from_task_id)
    .join(recipient, recipient.c.recipient_id == _BELOW.c.recipient_id)
    .where(
        _ABOVE.c.event_id == bindparam("event"),
        _ABOVE.c.recipient_id == bindparam("recipient"),
        escalation.c.at == bindparam("moment"),
    )
    .order_by(escalation.c.escalation_id)
)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one recipient through one channel; ``status`` is its alert's."""

    outbox_id: int
    channel: str
    message_id: str
    attempts: int
    body: bytes
    status: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went: ``SENT``, ``PENDING`` (to be tried again) or ``DEAD``.

    ``attempts`` is the number that the message was claimed with: who lost the lease meanwhile
    cannot write over what its new holder did.
    """

    outbox_id: int
    attempts: int
    status: str
    detail: str
    due_at: datetime


class BusyError(DeliveryError):
    """The receiver named the time before which it wants no further attempt."""

    def __init__(self, message: str, wait: timedelta) -> None:
        self.wait = min(max(wait, timedelta(0)), _LONGEST_WAIT)
        super().__init__(message, retryable=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """Which messages a worker asks for: those of its channels that were due at ``due_by``."""

    channels: Sequence[str]
    due_by: datetime
    limit: int


def claim(connection: Connection, wanted: Claim, links: Links, now: datetime) -> list[Outgoing]:
    """Lease the most urgent messages that are due: cancellations first, then red to blue.

    A message whose lease ran out (its worker died) is due again.
    """
    stamp = isoformat(wanted.due_by)
    due = or_(
        and_(outbox.c.status == "PENDING", outbox.c.due_at <= stamp),
        and_(outbox.c.status == "LEASED", outbox.c.leased_until < stamp),
    )
    query = (
        select(outbox, alert, recipient, event.c.hazard, event.c.county, outbox.c.level)
        .join(alert, alert.c.alert_id == outbox.c.alert_id)
        .join(event, event.c.event_id == alert.c.event_id)
        .join(recipient, recipient.c.recipient_id == outbox.c.recipient_id)
        .where(due, outbox.c.channel.in_(wanted.channels))
        .order_by(outbox.c.priority, outbox.c.outbox_id)
        .limit(wanted.limit)
    )
    if connection.dialect.name == "postgresql":
        query = query.with_for_update(of=outbox, skip_locked=True)
    rows = connection.execute(query).all()
    if rows:
        connection.execute(
            update(outbox).where(outbox.c.outbox_id == bindparam("key")),
            [
                {
                    "key": row.outbox_id,
                    "status": "LEASED",
                    "leased_until": isoformat(now + LEASE),
                    "attempts": row.attempts + 1,
                }
                for row in rows
            ],
        )
    return [_outgoing(connection, row, links) for row in rows]


def settle(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write down how attempts went.

    What was sent is sent, whoever else holds the message now. A failure counts only for the one
    who holds it: a message that was dropped or leased anew meanwhile stays as it is.
    """
    if not outcomes:
        return
    sent = [o for o in outcomes if o.status == "SENT"]
    others = [o for o in outcomes if o.status != "SENT"]
    mine = and_(
        outbox.c.outbox_id == bindparam("key"),
        outbox.c.status == "LEASED",
        outbox.c.attempts == bindparam("held"),
    )
    if sent:
        connection.execute(
            update(outbox).where(outbox.c.outbox_id == bindparam("key")),
            [{"key": o.outbox_id, "status": "SENT", "leased_until": None} for o in sent],
        )
    if others:
        connection.execute(
            update(outbox).where(mine),
            [
                {
                    "key": o.outbox_id,
                    "held": o.attempts,
                    "status": o.status,
                    "due_at": isoformat(o.due_at),
                    "leased_until": None,
                }
                for o in others
            ],
        )
    connection.execute(
        insert(attempt),
        [
            {
                "outbox_id": o.outbox_id,
                "at": isoformat(now),
                "outcome": o.status,
                "detail": o.detail[:500],
            }
            for o in outcomes
        ],
    )


def release(connection: Connection, messages: Sequence[Outgoing]) -> None:
    """Give back messages that were leased and not tried: they are due as they were before."""
    if messages:
        connection.execute(
            update(outbox)
            .where(
                outbox.c.outbox_id == bindparam("key"),
                outbox.c.status == "LEASED",
                outbox.c.attempts == bindparam("held"),
            )
            .values(status="PENDING", leased_until=None, attempts=outbox.c.attempts - 1),
            [{"key": m.outbox_id, "held": m.attempts} for m in messages],
        )


def failed(message: Outgoing, error: DeliveryError, now: datetime) -> Outcome:
    """Outcome of a failure: again after a growing wait, or dead (visible, counted)."""
    key, attempts = message.outbox_id, message.attempts
    if not error.retryable or attempts >= MAX_ATTEMPTS:
        return Outcome(key, attempts, "DEAD", str(error), now)
    wait = timedelta(seconds=_BACKOFF[min(attempts, len(_BACKOFF)) - 1])
    if isinstance(error, BusyError):
        wait = max(wait, error.wait)
    return Outcome(key, attempts, "PENDING", str(error), now + wait)


def _silent_below(connection: Connection, row: Row[tuple[object, ...]]) -> list[Silent]:
    """Who did not answer or could not handle it, of those because of whom a message was made."""
    asked = {"event": row.event_id, "recipient": row.recipient_id, "moment": row.created_at}
    return [
        Silent(r.name, Role(r.role), r.unit_name, r.reason == "CANNOT_HANDLE")
        for r in connection.execute(_SILENT, asked)
    ]


def _outgoing(connection: Connection, row: Row[tuple[object, ...]], links: Links) -> Outgoing:
    silent = _silent_below(connection, row) if row.kind == "ESCALATION" else []
    hazard, level, status = Hazard(row.hazard), Level(row.level), row.status_1
    url = links.url(row.event_id, row.recipient_id, parse_time(row.created_at))
    body = {
        "type": "task.escalated" if silent else _PURPOSE.get(int(level), "warning.issued"),
        "id": row.message_id,
        "alert": row.identifier,
        "event": row.event_id,
        "status": status,
        "hazard": hazard.value,
        "level": level.en,
        "sent": row.sent,
        "expires": row.expires,
        "recipient": {
            "person": row.person,
            "name": row.name,
            "role": row.role,
            "role_zh": Role(row.role).zh,
            "unit_code": row.unit_code,
            "unit_name": row.unit_name,
            "cell_id": row.cell_id,
        },
        "headline_zh": row.headline_zh,
        "headline_en": row.headline_en,
        "text_zh": f"{phone_text_zh(status, hazard, level, row.unit_name, silent)} 回执 {url}",
        "text_en": f"{phone_text_en(status, hazard, level, silent)} Answer: {url}",
        "answer_url": url,
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Outgoing(
        row.outbox_id, row.channel, row.message_id, row.attempts + 1, text.encode("utf-8"), status
    )
