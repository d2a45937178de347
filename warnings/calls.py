"""Messages to those who are called on for others, and to those who no longer are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from jinghu.grid.times import isoformat

_WAITS = """
    o.alert_id = :alert_id AND o.recipient_id = :recipient_id AND o.channel = :channel
    AND o.kind = :kind AND o.status = 'PENDING' AND o.attempts = 0 AND o.created_at = :now
"""

# A message of the same moment that nobody has taken yet says all that is known when it is sent
# (its text is made then): it is given the higher level, and no second one is written.
_RAISE = f"""
    UPDATE outbox AS o SET level = :level, priority = :priority WHERE {_WAITS} AND o.level < :level
"""
_ENQUEUE = f"""
    INSERT INTO outbox
        (alert_id, message_status, recipient_id, channel, purpose, kind, version, level, priority,
         message_id, status, attempts, created_at, due_at)
    SELECT a.alert_id, a.status, r.recipient_id, c.name, c.purpose, :kind, v.n, :level, :priority,
           a.identifier || '-' || r.recipient_id || '-' || c.name
               || CASE WHEN v.n = 0 THEN '' ELSE '-' || v.n END,
           'PENDING', 0, :now, :now
    FROM alert a
    JOIN recipient r ON r.recipient_id = :recipient_id
    JOIN channel c ON c.name = :channel
    JOIN (SELECT COUNT(*) AS n FROM outbox WHERE alert_id = :alert_id
        AND recipient_id = :recipient_id AND channel = :channel) v ON true
    WHERE a.alert_id = :alert_id AND NOT EXISTS (SELECT 1 FROM outbox o WHERE {_WAITS})
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One message about a task; ``kind`` is ESCALATION, or WARNING for its end."""

    recipient_id: int
    level: int
    channel: str
    kind: str = "ESCALATION"


def enqueue(connection: Connection, alert_id: int, calls: Sequence[Call], now: datetime) -> None:
    """Write messages into the outbox, numbered after those of the alert to the same person."""
    if not calls:
        return
    values = [
        {
            "alert_id": alert_id,
            "recipient_id": call.recipient_id,
            "channel": call.channel,
            "kind": call.kind,
            "level": call.level,
            "priority": 5 - call.level if call.level else 0,
            "now": isoformat(now),
        }
        for call in calls
    ]
    connection.execute(text(_RAISE), values)
    connection.execute(text(_ENQUEUE), values)
