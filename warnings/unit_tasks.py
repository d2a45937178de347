"""Tasks of a unit and of those below it: who was asked, who answered, who is silent."""

from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.sql import ColumnElement

from jinghu.warnings.levels import Level, Role
from jinghu.warnings.people import shown_phone
from jinghu.warnings.phones import PhoneKeys
from jinghu.warnings.tables import event, recipient, task


def tasks_of_unit(
    connection: Connection, keys: PhoneKeys | None, unit: str, silent: bool, limit: int
) -> list[dict[str, Any]]:
    """Tasks of open events, those with the earliest deadline first; numbers are masked."""
    query = (
        select(
            task.c.event_id.label("event"),
            task.c.level,
            task.c.status,
            task.c.due_at,
            task.c.answered_at,
            task.c.note,
            recipient,
        )
        .join(recipient, recipient.c.recipient_id == task.c.recipient_id)
        .join(event, event.c.event_id == task.c.event_id)
        .where(*_open(unit))
        .order_by(task.c.due_at.is_(None), task.c.due_at, task.c.level.desc(), task.c.task_id)
        .limit(limit)
    )
    if silent:
        query = query.where(task.c.status == "TOLD")
    return [
        {
            "event": row.event,
            "person": row.person,
            "name": row.name,
            "role_zh": Role(row.role).zh,
            "unit_code": row.unit_code,
            "unit_name": row.unit_name,
            "level": Level(row.level).en,
            "level_zh": Level(row.level).zh,
            "status": row.status,
            "due_at": row.due_at,
            "answered_at": row.answered_at,
            "note": row.note,
            "phone": shown_phone(row, keys),
        }
        for row in connection.execute(query)
    ]


def overdue_of_unit(connection: Connection, unit: str, now: str) -> int:
    """How many tasks of open events nobody answered in time; ``now`` is UTC text."""
    query = (
        select(func.count())
        .select_from(task)
        .join(recipient, recipient.c.recipient_id == task.c.recipient_id)
        .join(event, event.c.event_id == task.c.event_id)
        .where(*_open(unit), task.c.status == "TOLD", task.c.due_at <= now)
    )
    return int(connection.execute(query).scalar_one())


def _open(unit: str) -> tuple[ColumnElement[bool], ...]:
    return (
        event.c.closed_at.is_(None),
        task.c.level > 0,
        func.substr(recipient.c.unit_code, 1, len(unit)) == unit,
    )
