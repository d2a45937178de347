"""Forgetting people: what is personal about events and duties that ended long ago is removed.

Numbers stay: how many were told, when they answered, how deep the water stood. What goes is what
names or shows somebody. The audit is a chain and keeps its entries, looks at phone numbers among
them; they name people by ids, and ids of those who left are replaced, so that nobody is behind them
any more.
"""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, delete, func, or_, select, update

from jinghu.grid.errors import StoreError
from jinghu.grid.times import isoformat
from jinghu.warnings.database import record
from jinghu.warnings.tables import (
    alert,
    event,
    feedback,
    outbox,
    phone_call,
    recipient,
    shift,
    task,
)

GONE = "已删除"
_JUST_SENT = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How much was removed.

    Parameters
    ----------
    reports, tasks, calls
        Reports from the place, tasks and telephone calls whose words and positions are gone.
    photos
        Pictures that no report has any more.
    messages
        Messages that no longer say whom they went to and because of whom.
    people
        People who had left, and have neither name nor place nor id any more.
    shifts
        Shifts that are no longer known.
    """

    reports: int = 0
    tasks: int = 0
    calls: int = 0
    photos: int = 0
    messages: int = 0
    people: int = 0
    shifts: int = 0


def forget(connection: Connection, before: datetime, by: str, now: datetime) -> Forgotten:
    """Remove what is personal about what ended before a time, with an entry in the audit.

    Photographs lose their reports here; `remove_photos` takes the files once this is committed.

    Parameters
    ----------
    connection
        A transaction.
    before
        Events that were closed, people who were removed and shifts that ended before it.
    by, now
        Whom the audit names, and the clock.
    """
    stamp = isoformat(before)
    closed = select(event.c.event_id).where(event.c.closed_at <= stamp)
    tasks = select(task.c.task_id).where(task.c.event_id.in_(closed))
    alerts = select(alert.c.alert_id).where(alert.c.event_id.in_(closed))
    placed = (feedback.c.lon, feedback.c.lat, feedback.c.photo)
    said = or_(feedback.c.note != "", *(column.is_not(None) for column in placed))
    pictures = select(func.count(feedback.c.photo.distinct())).where(feedback.c.task_id.in_(tasks))
    photos = int(connection.execute(pictures).scalar_one())

    def run(statement: object) -> int:
        return int(connection.execute(statement).rowcount)  # type: ignore[call-overload]

    done = Forgotten(
        reports=run(
            update(feedback)
            .where(feedback.c.task_id.in_(tasks), said)
            .values(note="", lon=None, lat=None, photo=None)
        ),
        tasks=run(
            update(task).where(task.c.event_id.in_(closed), task.c.note != "").values(note="")
        ),
        calls=run(
            update(phone_call)
            .where(phone_call.c.task_id.in_(tasks), phone_call.c.note != "")
            .values(note="")
        ),
        photos=photos,
        messages=run(
            update(outbox)
            .where(
                outbox.c.alert_id.in_(alerts),
                or_(outbox.c.silence.is_not(None), outbox.c.addressee.is_not(None)),
            )
            .values(silence=None, addressee=None)
        ),
        people=_people(connection, stamp),
        shifts=run(delete(shift).where(shift.c.ends_at <= stamp)),
    )
    if done != Forgotten():
        record(connection, now, by[:64], "personal data removed", f"before {stamp}", asdict(done))
    return done


def _people(connection: Connection, stamp: str) -> int:
    """Take name, place and id of those who left; their rows stay, for tasks refer to them."""
    left = connection.execute(
        select(recipient.c.recipient_id).where(
            recipient.c.removed_at <= stamp, recipient.c.name != GONE
        )
    ).scalars()
    keys = list(left)
    for key in keys:
        connection.execute(
            update(recipient)
            .where(recipient.c.recipient_id == key)
            .values(person=f"gone-{key}", name=GONE, holder=None, lon=0.0, lat=0.0)
        )
    return len(keys)


def remove_photos(connection: Connection, folder: Path, now: datetime) -> int:
    """Remove the files of photographs that no report has any more; returns how many.

    Those of the last day stay: a picture is written before its report is.

    Raises
    ------
    StoreError
        Where one cannot be removed.
    """
    if not folder.is_dir():
        return 0
    kept = set(connection.execute(select(feedback.c.photo).distinct()).scalars())
    removed = 0
    for path in sorted(folder.iterdir()):
        fresh = path.stat().st_mtime > (now - _JUST_SENT).timestamp()
        if path.suffix not in (".jpg", ".png") or path.name in kept or fresh:
            continue
        try:
            path.unlink()
        except OSError as error:
            raise StoreError(f"photograph {path.name}: {error.strerror or error}") from None
        removed += 1
    return removed
