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
# differs from what they were told last through the channel. Nobody is told the same thing twice;
# a channel that is new tells everybody in the area once. Both halves start from an index: those
# who stand in the cells, and those who were told.
_CHANGED = """
    SELECT r.recipient_id AS recipient_id, c.level AS level
    FROM alert_cell c
    JOIN recipient r ON r.cell_id = c.cell_id
    LEFT JOIN told t ON t.event_id = :event_id AND t.recipient_id = r.recipient_id
        AND t.channel = :channel
    WHERE c.alert_id = :alert_id AND c.level <> COALESCE(t.level, 0)
    UNION ALL
    SELECT t.recipient_id AS recipient_id, 0 AS level
    FROM told t
    JOIN recipient r ON r.recipient_id = t.recipient_id
    WHERE t.event_id = :event_id AND t.channel = :channel AND t.level <> 0
      AND NOT EXISTS (
          SELECT 1 FROM alert_cell c WHERE c.alert_id = :alert_id AND c.cell_id = r.cell_id)
"""
_ANY = f"SELECT 1 FROM ({_CHANGED}) n LIMIT 1"

_UNDELIVERED = "status IN ('PENDING', 'LEASED')"
_OF_EVENT = "alert_id IN (SELECT alert_id FROM alert WHERE event_id = :event_id)"

# What was not delivered yet and is out of date now is never sent late. Of a message that a worker
# holds this minute, the worker writes down whether it got out.
_SUPERSEDE = f"""
    UPDATE outbox SET status = 'DROPPED', leased_until = NULL
    WHERE {_UNDELIVERED} AND channel = :channel AND {_OF_EVENT}
      AND recipient_id IN (SELECT recipient_id FROM ({_CHANGED}) n)
"""

# The end is told to those only to whom something of the event may have got out.
_OUTBOX = f"""
    INSERT INTO outbox
        (alert_id, recipient_id, channel, version, level, priority, message_id, status, attempts,
         created_at, due_at)
    SELECT :alert_id, n.recipient_id, :channel, n.version, n.level,
           CASE WHEN n.level = 0 THEN 0 ELSE 5 - n.level END,
           (SELECT identifier FROM alert WHERE alert_id = :alert_id)
               || '-' || n.recipient_id || '-' || :channel
               || CASE WHEN n.version = 0 THEN '' ELSE '-' || n.version END,
           'PENDING', 0, :now, :now
    FROM (
        SELECT m.recipient_id, m.level,
               (SELECT COUNT(*) FROM outbox o WHERE o.alert_id = :alert_id
                   AND o.recipient_id = m.recipient_id AND o.channel = :channel) AS version
        FROM ({_CHANGED}) m
    ) n
    WHERE n.level > 0 OR EXISTS (
        SELECT 1 FROM outbox o JOIN alert a ON a.alert_id = o.alert_id
        WHERE o.recipient_id = n.recipient_id AND o.channel = :channel AND o.attempts > 0
          AND a.event_id = :event_id)
"""

# An answer stays with its task when the event ends; only who did not answer is closed unanswered.
_TASKS = f"""
    INSERT INTO task (event_id, recipient_id, alert_id, level, due_at, status, note)
    SELECT :event_id, n.recipient_id, :alert_id, n.level,
           CASE n.level WHEN 4 THEN :due_red WHEN 3 THEN :due_orange WHEN 2 THEN :due_yellow END,
           CASE WHEN n.level = 0 THEN 'CLOSED' ELSE 'TOLD' END, ''
    FROM ({_CHANGED}) n
    WHERE true
    ON CONFLICT (event_id, recipient_id) DO UPDATE SET
        alert_id = excluded.alert_id,
        status = CASE WHEN excluded.level > task.level THEN 'TOLD'
                      WHEN excluded.level = 0 AND task.status = 'TOLD' THEN 'CLOSED'
                      ELSE task.status END,
        answered_at = CASE WHEN excluded.level > task.level THEN NULL ELSE task.answered_at END,
        due_at = CASE WHEN excluded.level > task.level THEN excluded.due_at
                      WHEN excluded.due_at IS NULL THEN NULL
                      ELSE task.due_at END,
        level = excluded.level
"""

_TOLD = f"""
    INSERT INTO told (event_id, recipient_id, channel, level, alert_id)
    SELECT :event_id, n.recipient_id, :channel, n.level, :alert_id FROM ({_CHANGED}) n
    WHERE true
    ON CONFLICT (event_id, recipient_id, channel) DO UPDATE SET
        level = excluded.level, alert_id = excluded.alert_id
"""

_END = f"UPDATE outbox SET status = 'DROPPED', leased_until = NULL WHERE {_UNDELIVERED}"
_END_TASKS = """
    UPDATE task SET level = 0, due_at = NULL,
        status = CASE WHEN status = 'TOLD' THEN 'CLOSED' ELSE status END
    WHERE event_id = :event_id
"""


def fan_out(
    connection: Connection, event_id: str, alert_id: int, channels: Sequence[str], now: datetime
) -> int:
    """Put messages into the outbox for everybody whose level changed; returns how many people.

    Runs inside the caller's transaction, so that an alert and its messages commit together.
    People get a task whether or not there is a channel to tell them through.
    """
    names = {"event_id": event_id, "alert_id": alert_id, "now": isoformat(now)}
    due = {f"due_{level.en}": isoformat(now + wait) for level, wait in _ANSWER_WITHIN.items()}
    people = 0
    for channel in (*channels, ""):
        values = names | {"channel": channel}
        if connection.execute(text(_ANY), values).first() is None:
            continue
        if channel:
            connection.execute(text(_SUPERSEDE), values)
            connection.execute(text(_OUTBOX), values)
            connection.execute(text(_TOLD), values)
        else:
            connection.execute(text(_TASKS), values | due)
            people = int(connection.execute(text(_TOLD), values).rowcount)
    return people


def end_tasks(connection: Connection, event_id: str) -> None:
    """End an event that expired: nothing of it is sent late, and nobody is waited for."""
    connection.execute(text(f"{_END} AND {_OF_EVENT}"), {"event_id": event_id})
    connection.execute(text(_END_TASKS), {"event_id": event_id})
