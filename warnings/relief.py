"""Calling off: those above whose turn has passed, and everybody when an event ends."""

from datetime import datetime

from sqlalchemy import Connection, select, text

from jinghu.warnings.calls import Call, enqueue
from jinghu.warnings.tables import alert, outbox, told

# Whoever was called on for others is called off when all of those have answered or are out of it.
# Nobody of the lowest level is called on for others: leaving it out leaves out most tasks.
_RELIEVE = text("""
    UPDATE task SET status = 'RELIEVED', due_at = NULL, raised_at = NULL, escalated = 0
    WHERE event_id = :event_id AND tier > 0 AND escalated = 1 AND status = 'TOLD' AND NOT EXISTS (
        SELECT 1 FROM escalation e JOIN task s ON s.task_id = e.from_task_id
        WHERE e.to_task_id = task.task_id AND s.level > 0
          AND s.status IN ('TOLD', 'CANNOT_HANDLE'))
""")
_DROP = text("""
    UPDATE outbox SET status = 'DROPPED', leased_until = NULL
    WHERE status IN ('PENDING', 'LEASED') AND kind = 'ESCALATION'
      AND alert_id IN (SELECT alert_id FROM alert WHERE event_id = :event_id)
""")


def relieve(connection: Connection, event_id: str) -> None:
    """Call off those above whose turn came for others who have all answered since."""
    while connection.execute(_RELIEVE, {"event_id": event_id}).rowcount:
        pass


def stand_down(connection: Connection, event_id: str, alert_id: int, now: datetime) -> None:
    """Tell the end to those who were called on and are not told it because of where they stand."""
    connection.execute(_DROP, {"event_id": event_id})
    of_event = select(alert.c.alert_id).where(alert.c.event_id == event_id)
    stands = select(told.c.recipient_id).where(
        told.c.event_id == event_id, told.c.channel == outbox.c.channel
    )
    query = (
        select(outbox.c.recipient_id, outbox.c.channel)
        .where(
            outbox.c.alert_id.in_(of_event),
            outbox.c.kind == "ESCALATION",
            outbox.c.attempts > 0,
            outbox.c.recipient_id.not_in(stands),
        )
        .distinct()
    )
    ends = [Call(r.recipient_id, 0, r.channel, "WARNING") for r in connection.execute(query)]
    enqueue(connection, alert_id, ends, now)
