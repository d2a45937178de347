"""Answers of those who were told: a signed, single-purpose link, no login."""

import base64
import hashlib
import hmac
import json
import os
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Connection, Engine, Row, bindparam, make_url, or_, select, text, update

from jinghu.grid import durable
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.times import isoformat
from jinghu.warnings.database import record
from jinghu.warnings.escalation import overdue_of, pass_on
from jinghu.warnings.ladder import Reason
from jinghu.warnings.relief import relieve
from jinghu.warnings.reports import Report, add_report
from jinghu.warnings.tables import task
from jinghu.warnings.waiting import AnswerWithin

LINK_LIFE = timedelta(hours=24)
_MAX_NOTE = 1000
_KEY_BYTES = 32
_USUAL = AnswerWithin()

# Made once: building a statement anew takes as long as SQLite takes to run it.
_FIND = select(task).where(
    task.c.event_id == bindparam("event"), task.c.recipient_id == bindparam("recipient")
)
_WRITE = (
    update(task)
    .where(task.c.task_id == bindparam("key"))
    .values({name: bindparam(name) for name in ("status", "answered_at", "note", "raised_at")})
    .values(due_at=None)
)
_ANSWERED_FOR = (
    update(task)
    .where(
        task.c.event_id == bindparam("event"),
        task.c.tier == bindparam("of_tier"),
        task.c.unit_code == bindparam("unit"),
        task.c.task_id != bindparam("key"),
        task.c.status == "TOLD",
        task.c.level <= bindparam("up_to"),
        or_(task.c.due_at.is_not(None), task.c.raised_at.is_not(None)),
    )
    .values(status="RELIEVED", due_at=None, raised_at=None)
)
# Whoever answers has been told: what still waits to tell them the same is not handed over again.
_HEARD = text("""
    UPDATE outbox SET status = 'DROPPED', leased_until = NULL
    WHERE recipient_id = :recipient AND status IN ('PENDING', 'LEASED', 'MERGED')
      AND level > 0 AND level <= :up_to
      AND alert_id IN (SELECT alert_id FROM alert WHERE event_id = :event)
""")


class Answer(StrEnum):
    """What a responsible person says."""

    ACKNOWLEDGED = "ACKNOWLEDGED"
    HANDLED = "HANDLED"
    CANNOT_HANDLE = "CANNOT_HANDLE"


@dataclass(frozen=True, slots=True)
class Link:
    """What a link lets its holder answer for; ``by`` who answers for them, where they called."""

    event_id: str
    recipient_id: int
    expires: datetime
    by: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """How answer links are made: the address of the service, and the key."""

    public_url: str
    key: bytes

    def url(self, event_id: str, recipient_id: int, made_at: datetime) -> str:
        """Address of a recipient's answer page: the same in every attempt to deliver it."""
        token = make_token(Link(event_id, recipient_id, made_at + LINK_LIFE), self.key)
        return f"{self.public_url.rstrip('/')}/t/{token}"


def answer_key_path(configured: Path | None, database: str, store: Path) -> Path:
    """Where the key that signs answer links lies: as configured, or beside the database."""
    if configured is not None:
        return configured
    url = make_url(database)
    beside = url.get_backend_name() == "sqlite" and url.database not in (None, "", ":memory:")
    return (Path(str(url.database)).parent if beside else store) / "answer.key"


def load_answer_key(path: Path) -> bytes:
    """Read the key; made of random bytes and readable by its owner only on first use.

    Of two processes that make it at the same time one wins, and both use that one's.

    Raises
    ------
    ConfigError
        Where it cannot be read or made, or is too short to be a key.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _make_key(path)
        key = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"answer key {path}: {error.strerror}") from None
    if len(key) < _KEY_BYTES:
        raise ConfigError(f"answer key {path}: {len(key)} bytes, wanted {_KEY_BYTES} random ones")
    return key


def _make_key(path: Path) -> None:
    temporary = path.with_name(f"{durable.TEMPORARY}{path.name}-{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with open(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a rename it never replaces a key that is in use
    except FileExistsError:
        return
    finally:
        temporary.unlink()
    durable.fsync_path(path.parent)


def make_token(link: Link, key: bytes) -> str:
    """Sign a link."""
    payload = json.dumps([link.event_id, link.recipient_id, int(link.expires.timestamp())])
    body = base64.urlsafe_b64encode(payload.encode()).rstrip(b"=")
    return (body + b"." + _mac(body, key)).decode("ascii")


def read_token(token: str, key: bytes, now: datetime) -> Link:
    """Check a token; DataError where it is forged or expired."""
    try:
        body, mac = token.encode("ascii").split(b".")
    except ValueError:
        raise DataError("answer link", "not a link of ours") from None
    if not hmac.compare_digest(mac, _mac(body, key)):  # before anything in it is believed
        raise DataError("answer link", "not a link of ours")
    padded = body + b"=" * (-len(body) % 4)
    event_id, recipient_id, stamp = json.loads(base64.urlsafe_b64decode(padded))
    link = Link(str(event_id), int(recipient_id), datetime.fromtimestamp(stamp, now.tzinfo))
    if link.expires < now:
        raise DataError("answer link", "the link has expired")
    return link


def answer(
    engine: Engine,
    link: Link,
    said: Answer,
    note: str,
    now: datetime,
    within: AnswerWithin = _USUAL,
    report: Report | None = None,
) -> str:
    """Record an answer, and what was reported with it; returns the status of the task afterwards.

    A later answer replaces an earlier one; a task that has ended stays as it is. The answer and
    the end of its waiting time commit together, so that nobody who answered is called on again;
    so do "cannot handle" and the call on the next level above, which happens at once.

    Raises
    ------
    DataError
        Where there is no such task.
    """
    note = note[:_MAX_NOTE]
    with engine.begin() as connection:
        found = connection.execute(
            _FIND, {"event": link.event_id, "recipient": link.recipient_id}
        ).first()
        if found is None:
            raise DataError("answer link", "there is no such task")
        if found.level == 0:
            return str(found.status)
        unable = said is Answer.CANNOT_HANDLE
        connection.execute(
            _WRITE,
            {
                "key": found.task_id,
                "status": said.value,
                "answered_at": isoformat(now),
                "note": note,
                "raised_at": found.raised_at if unable else None,
            },
        )
        heard = {"recipient": link.recipient_id, "event": link.event_id, "up_to": found.level}
        connection.execute(_HEARD, heard)
        detail: dict[str, object] = {"note": note}
        if report is not None and not report.empty:
            add_report(connection, found.task_id, report, now)
            detail |= {"photo": report.photo, "water_depth_cm": report.water_depth_cm}
        subject = f"{link.event_id}/{link.recipient_id}"
        actor = link.by or f"recipient {link.recipient_id}"
        record(connection, now, actor[:64], said.value, subject, detail)
        if not unable:
            _answered_for(connection, found)
            relieve(connection, link.event_id)
        elif found.raised_at is None:
            overdue = replace(overdue_of(found, isoformat(now)), reason=Reason.CANNOT_HANDLE)
            pass_on(connection, [overdue], within, now)
    return said.value


def _answered_for(connection: Connection, found: Row[tuple[object, ...]]) -> None:
    """One answer is enough for the unit: nobody else of it is waited for."""
    connection.execute(
        _ANSWERED_FOR,
        {
            "event": found.event_id,
            "of_tier": found.tier,
            "unit": found.unit_code,
            "key": found.task_id,
            "up_to": found.level,
        },
    )


def _mac(body: bytes, key: bytes) -> bytes:
    digest = hmac.new(key, b"jinghu-answer:" + body, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=")
