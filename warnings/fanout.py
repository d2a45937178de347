"""From an alert to the people it concerns: who is told what, decided inside the database."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from jinghu.grid.times import isoformat
from jinghu.warnings.levels import Level

# Minutes until somebody who was told must have answered; blue asks for no answer.
_ANSWER_WITHIN = {
    Level.YELLOW: timedelta(minutes=20),
    Level.ORANGE: timedelta(minutes=10),
    Level.RED: timedelta(minutes=5),
}

# The level of every person concerned now (0: was told, and is no longer in the area), where it
# differs from what they were told last. Nobody is told the same thing twice.
_CHANGED = """
    SELECT r.recipient_id AS recipient_id, COALESCE(c.level, 0) AS level
    FROM recipient r
    LEFT JOIN alert_cell c ON c.cell_id = r.cell_id AND c.alert_id = :alert_id
    LEFT JOIN told t ON t.recipient_id = r.recipient_id AND t.event_id = :event_id
    WHERE (c.level IS NOT NULL OR t.level IS NOT NULL)
      AND COALESCE(c.level, 0) <> COALESCE(t.level, 0)
"""

_OUTBOX = f"""
    INSERT INTO outbox
        (alert_id, recipient_id, channel, level, priority, message_id, status, attempts, due_at)
    SELECT :alert_id, n.recipient_id, :channel, n.level,
           CASE WHEN n.level = 0 THEN 0 ELSE 5 - n.level END,
           (SELECT identifier FROM alert WHERE alert_id = :alert_id)
               || '-' || n.recipient_id || '-' || :channel,
           'PENDING', 0, :now
    FROM ({_CHANGED}) n
    WHERE true
    ON CONFLICT DO NOTHING
"""

# What was not delivered yet and is out of date now is never sent late.
_SUPERSEDE = f"""
    UPDATE outbox SET status = 'DROPPED'
    WHERE status = 'PENDING'
      AND alert_id IN (
          SELECT alert_id FROM alert WHERE event_id = :event_id AND alert_id <> :alert_id)
      AND recipient_id IN (SELECT recipient_id FROM ({_CHANGED}) n)
"""

_TASKS = f"""
    INSERT INTO task (event_id, recipient_id, alert_id, level, due_at, status, note)
    SELECT :event_id, n.recipient_id, :alert_id, n.level,
           CASE n.level WHEN 4 THEN :due_red WHEN 3 THEN :due_orange WHEN 2 THEN :due_yellow END,
           CASE WHEN n.level = 0 THEN 'CLOSED' ELSE 'TOLD' END, ''
    FROM ({_CHANGED}) n
    WHERE true
    ON CONFLICT (event_id, recipient_id) DO UPDATE SET
        alert_id = excluded.alert_id,
        status = CASE WHEN excluded.level = 0 THEN 'CLOSED'
                      WHEN excluded.level > task.level THEN 'TOLD' ELSE task.status END,
        due_at = CASE WHEN excluded.level > task.level THEN excluded.due_at ELSE task.due_at END,
        level = excluded.level
"""

_TOLD = f"""
    INSERT INTO told (event_id, recipient_id, level, alert_id)
    SELECT :event_id, n.recipient_id, n.level, :alert_id FROM ({_CHANGED}) n
    WHERE true
    ON CONFLICT (event_id, recipient_id) DO UPDATE SET
        level = excluded.level, alert_id = excluded.alert_id
"""


def fan_out(
    connection: Connection, event_id: str, alert_id: int, channels: Sequence[str], now: datetime
) -> int:
    """Put messages into the outbox for everybody whose level changed; returns how many people.

    Runs inside the caller's transaction, so that an alert and its messages commit together.
    """
    names = {"event_id": event_id, "alert_id": alert_id, "now": isoformat(now)}
    connection.execute(text(_SUPERSEDE), names)
    for channel in channels:
        connection.execute(text(_OUTBOX), {**names, "channel": channel})
    due = {f"due_{level.en}": isoformat(now + wait) for level, wait in _ANSWER_WITHIN.items()}
    connection.execute(text(_TASKS), {**names, **due})
    return int(connection.execute(text(_TOLD), names).rowcount)
