"""Messages to those who are called on for others, and to those who no longer are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, bindparam, select, text, update

from jinghu.grid.times import isoformat
from jinghu.warnings.silence import Silence, from_json
from jinghu.warnings.tables import outbox

_ASKED = 10_000  # parameters of a query: SQLite takes 32,766

# A message of the same moment that nobody has taken yet takes in what comes to be known: it is
# given the higher level, and no second one is written. What was taken once stays what it was.
_WAITING = (
    select(
        outbox.c.outbox_id,
        outbox.c.recipient_id,
        outbox.c.channel,
        outbox.c.level,
        outbox.c.silence,
    )
    .where(
        outbox.c.alert_id == bindparam("alert_id"),
        outbox.c.recipient_id.in_(bindparam("recipients", expanding=True)),
        outbox.c.kind == bindparam("kind"),
        outbox.c.status == "PENDING",
        outbox.c.attempts == 0,
        outbox.c.created_at == bindparam("now"),
    )
    .with_for_update()  # no worker takes one while it is written anew
)
_TAKE_IN = (
    update(outbox)
    .where(outbox.c.outbox_id == bindparam("key"))
    .values({name: bindparam(name) for name in ("level", "priority", "silence")})
    .values(addressee=None)
)
_ENQUEUE = text("""
    INSERT INTO outbox
        (alert_id, message_status, recipient_id, channel, purpose, kind, version, level, priority,
         message_id, status, attempts, created_at, due_at, silence)
    SELECT a.alert_id, a.status, r.recipient_id, c.name, c.purpose, :kind, v.n, :level, :priority,
           a.identifier || '-' || r.recipient_id || '-' || c.name
               || CASE WHEN v.n = 0 THEN '' ELSE '-' || v.n END,
           'PENDING', 0, :now, :now, :silence
    FROM alert a
    JOIN recipient r ON r.recipient_id = :recipient_id
    JOIN channel c ON c.name = :channel
    JOIN (SELECT COUNT(*) AS n FROM outbox WHERE alert_id = :alert_id
        AND recipient_id = :recipient_id AND channel = :channel) v ON true
    WHERE a.alert_id = :alert_id
""")


@dataclass(frozen=True, slots=True)
class Call:
    """One message about a task; ``kind`` is ESCALATION, or WARNING for its end.

    ``silence`` tells because of whom somebody is called on.
    """

    recipient_id: int
    level: int
    channel: str
    kind: str = "ESCALATION"
    silence: Silence | None = None


def enqueue(connection: Connection, alert_id: int, calls: Sequence[Call], now: datetime) -> None:
    """Write messages into the outbox, numbered after those of the alert to the same person."""
    stamp, changed, new = isoformat(now), [], []
    waiting = {
        (row.recipient_id, row.channel, kind): row
        for kind in dict.fromkeys(call.kind for call in calls)
        for row in _waiting(connection, alert_id, calls, kind, stamp)
    }
    for call in calls:
        found = waiting.get((call.recipient_id, call.channel, call.kind))
        if found is None:
            values = {
                "alert_id": alert_id,
                "recipient_id": call.recipient_id,
                "channel": call.channel,
                "kind": call.kind,
                "now": stamp,
            }
            new.append(values | _said(call.level, call.silence))
        else:
            changed.append({"key": found.outbox_id} | _taken_in(found, call))
    if changed:
        connection.execute(_TAKE_IN, changed)
    if new:
        connection.execute(_ENQUEUE, new)


def _waiting(
    connection: Connection, alert_id: int, calls: Sequence[Call], kind: str, stamp: str
) -> Iterator[Any]:
    """Messages of this moment that nobody has taken yet, to those who are called."""
    asked = {"alert_id": alert_id, "kind": kind, "now": stamp}
    recipients = sorted({call.recipient_id for call in calls if call.kind == kind})
    for begin in range(0, len(recipients), _ASKED):
        some = recipients[begin : begin + _ASKED]
        yield from connection.execute(_WAITING, asked | {"recipients": some})


def _taken_in(found: Any, call: Call) -> dict[str, object]:
    """What a message that waits says from now on."""
    silence = from_json(found.silence) if found.silence is not None else None
    if silence is None or call.silence is None:
        return _said(max(found.level, call.level), silence or call.silence)
    return _said(max(found.level, call.level), silence + call.silence)


def _said(level: int, silence: Silence | None) -> dict[str, object]:
    return {
        "level": level,
        "priority": 5 - level if level else 0,
        "silence": silence.to_json() if silence is not None else None,
    }
