"""What a drill said to whom: warned cells and told people, read out of the warnings database."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, select

from jinghu.drill_score import CellWarning, Told
from jinghu.grid.times import parse_time
from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.levels import Hazard, Role
from jinghu.warnings.tables import alert, alert_cell, event, outbox, recipient, task

_STATUS = "Exercise"


def cell_warnings(connection: Connection, after: timedelta) -> list[CellWarning]:
    """Return every cell of every rain alert of the exercise, with the time for which it stood.

    The danger of cells is judged by the true rain: alerts of rivers are not among them.

    Parameters
    ----------
    connection
        To the warnings database.
    after
        From the analysis time, which an alert carries, until it was sent.
    """
    query = (
        select(alert_cell.c.cell_id, alert.c.sent, alert.c.expires, alert.c.superseded_at)
        .join(alert, alert.c.alert_id == alert_cell.c.alert_id)
        .join(event, event.c.event_id == alert.c.event_id)
        .where(alert.c.status == _STATUS, event.c.hazard == Hazard.RAINSTORM.value)
        .order_by(alert.c.alert_id, alert_cell.c.cell_id)
    )
    return [
        CellWarning(
            int(row.cell_id),
            parse_time(row.sent) + after,
            min(parse_time(row.superseded_at or row.expires), parse_time(row.expires)) + after,
        )
        for row in connection.execute(query)
    ]


def told_people(
    connection: Connection, roles: Sequence[Role], hazards: Sequence[Hazard] = tuple(Hazard)
) -> list[Told]:
    """Return everybody with one of some roles, by person, also who was not told.

    What they were told of are some hazards: all, where none is named.

    A message counts from when it was put into the outbox, if it was handed over: nothing is
    lost or slow on the way to a simulated public.
    """
    delivered = _by_recipient(
        connection,
        select(outbox.c.recipient_id, func.min(outbox.c.created_at))
        .join(alert, alert.c.alert_id == outbox.c.alert_id)
        .join(event, event.c.event_id == alert.c.event_id)
        .where(event.c.hazard.in_([hazard.value for hazard in hazards]))
        .where(alert.c.status == _STATUS, outbox.c.status == "SENT", outbox.c.level > 0)
        .group_by(outbox.c.recipient_id),
    )
    answered = _by_recipient(
        connection,
        select(task.c.recipient_id, func.min(task.c.answered_at))
        .where(task.c.answered_at.is_not(None), task.c.status.in_([a.value for a in Answer]))
        .group_by(task.c.recipient_id),
    )
    escalated = _by_recipient(
        connection,
        select(task.c.recipient_id, func.min(task.c.raised_at))
        .where(task.c.raised_at.is_not(None))
        .group_by(task.c.recipient_id),
    )
    people = connection.execute(
        select(recipient.c.recipient_id, recipient.c.person, recipient.c.cell_id)
        .where(recipient.c.role.in_([role.value for role in roles]))
        .order_by(recipient.c.person)
    )
    return [
        Told(
            row.person,
            int(row.cell_id),
            delivered.get(row.recipient_id),
            answered.get(row.recipient_id),
            row.recipient_id in escalated,
        )
        for row in people
    ]


def _by_recipient(connection: Connection, query: Select[Any]) -> Mapping[int, datetime]:
    return {int(key): parse_time(time) for key, time in connection.execute(query)}
