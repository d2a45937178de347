"""The outbox: claiming messages under a lease, and writing down how each went."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, Row, and_, bindparam, insert, or_, select, update

from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.levels import Hazard, Level, Role
from jinghu.warnings.message import instruction_en, instruction_zh
from jinghu.warnings.tables import alert, attempt, event, outbox, recipient

LEASE = timedelta(minutes=2)
MAX_ATTEMPTS = 8
_BACKOFF = (5, 30, 60, 300, 900, 1800, 3600)  # seconds after the first, second... failure
_PURPOSE = {0: "warning.ended"}


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message to one recipient through one channel."""

    outbox_id: int
    channel: str
    message_id: str
    attempts: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went: ``SENT``, ``PENDING`` (to be tried again) or ``DEAD``."""

    outbox_id: int
    status: str
    detail: str
    due_at: datetime


def claim(
    connection: Connection, channels: Sequence[str], now: datetime, limit: int
) -> list[Outgoing]:
    """Lease the most urgent messages that are due: cancellations first, then red to blue.

    A message whose lease ran out (its worker died) is due again.
    """
    stamp = isoformat(now)
    due = or_(
        and_(outbox.c.status == "PENDING", outbox.c.due_at <= stamp),
        and_(outbox.c.status == "LEASED", outbox.c.leased_until < stamp),
    )
    query = (
        select(outbox, alert, recipient, event.c.hazard, event.c.county, outbox.c.level)
        .join(alert, alert.c.alert_id == outbox.c.alert_id)
        .join(event, event.c.event_id == alert.c.event_id)
        .join(recipient, recipient.c.recipient_id == outbox.c.recipient_id)
        .where(due, outbox.c.channel.in_(channels))
        .order_by(outbox.c.priority, outbox.c.outbox_id)
        .limit(limit)
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
    return [_outgoing(row) for row in rows]


def settle(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write down how attempts went."""
    if not outcomes:
        return
    connection.execute(
        update(outbox).where(outbox.c.outbox_id == bindparam("key")),
        [
            {
                "key": o.outbox_id,
                "status": o.status,
                "due_at": isoformat(o.due_at),
                "leased_until": None,
            }
            for o in outcomes
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


def failed(message: Outgoing, detail: str, retryable: bool, now: datetime) -> Outcome:
    """Outcome of a failure: again after a growing wait, or dead (visible, counted)."""
    if not retryable or message.attempts >= MAX_ATTEMPTS:
        return Outcome(message.outbox_id, "DEAD", detail, now)
    wait = timedelta(seconds=_BACKOFF[min(message.attempts, len(_BACKOFF)) - 1])
    return Outcome(message.outbox_id, "PENDING", detail, now + wait)


def _outgoing(row: Row[tuple[object, ...]]) -> Outgoing:
    hazard, level = Hazard(row.hazard), Level(row.level)
    ended = level is Level.NONE
    mark = {"Actual": "", "Exercise": "【演练】", "Test": "【测试】"}[row.status_1]
    title = f"{hazard.zh}预警解除" if ended else f"{hazard.zh}{level.zh}预警"
    body = {
        "type": _PURPOSE.get(int(level), "warning.issued"),
        "id": row.message_id,
        "alert": row.identifier,
        "event": row.event_id,
        "status": row.status_1,
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
        "text_zh": f"{mark}【{title}】{row.headline_zh}。{instruction_zh(level)}",
        "text_en": f"{row.headline_en}. {instruction_en(level)}",
        "valid_until": parse_time(row.expires).timestamp(),
    }
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Outgoing(
        row.outbox_id, row.channel, row.message_id, row.attempts + 1, text.encode("utf-8")
    )
