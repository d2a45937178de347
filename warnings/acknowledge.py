"""Answers of those who were told: a signed, single-purpose link, no login."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, select, update

from jinghu.grid.errors import DataError
from jinghu.grid.times import isoformat
from jinghu.warnings.database import record
from jinghu.warnings.tables import task

_MAX_NOTE = 1000


class Answer(StrEnum):
    """What a responsible person says."""

    ACKNOWLEDGED = "ACKNOWLEDGED"
    HANDLED = "HANDLED"
    CANNOT_HANDLE = "CANNOT_HANDLE"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link lets its holder answer for."""

    event_id: str
    recipient_id: int
    expires: datetime


def make_token(link: Link, key: bytes) -> str:
    """Sign a link."""
    payload = json.dumps([link.event_id, link.recipient_id, int(link.expires.timestamp())])
    body = base64.urlsafe_b64encode(payload.encode()).rstrip(b"=")
    return (body + b"." + _mac(body, key)).decode("ascii")


def read_token(token: str, key: bytes, now: datetime) -> Link:
    """Check a token; DataError where it is forged or expired."""
    try:
        body, mac = token.encode("ascii").split(b".")
        genuine = hmac.compare_digest(mac, _mac(body, key))
        padded = body + b"=" * (-len(body) % 4)
        event_id, recipient_id, stamp = json.loads(base64.urlsafe_b64decode(padded))
        link = Link(str(event_id), int(recipient_id), datetime.fromtimestamp(stamp, now.tzinfo))
    except (ValueError, TypeError):
        raise DataError("answer link", "not a link of ours") from None
    if not genuine:
        raise DataError("answer link", "not a link of ours")
    if link.expires < now:
        raise DataError("answer link", "the link has expired")
    return link


def answer(engine: Engine, link: Link, said: Answer, note: str, now: datetime) -> str:
    """Record an answer; returns the status of the task afterwards.

    A later answer replaces an earlier one; a closed task stays closed. The answer and the end of
    its waiting time commit together, so that nobody who answered is called on again.

    Raises
    ------
    DataError
        Where there is no such task.
    """
    with engine.begin() as connection:
        found = connection.execute(
            select(task).where(
                task.c.event_id == link.event_id, task.c.recipient_id == link.recipient_id
            )
        ).first()
        if found is None:
            raise DataError("answer link", "there is no such task")
        if found.status == "CLOSED":
            return "CLOSED"
        connection.execute(
            update(task)
            .where(task.c.task_id == found.task_id)
            .values(
                status=said.value,
                answered_at=isoformat(now),
                note=note[:_MAX_NOTE],
                due_at=None,
            )
        )
        subject = f"{link.event_id}/{link.recipient_id}"
        record(connection, now, f"recipient {link.recipient_id}", said.value, subject, {})
    return said.value


def _mac(body: bytes, key: bytes) -> bytes:
    digest = hmac.new(key, b"jinghu-answer:" + body, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=")
