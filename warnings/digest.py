"""Several messages of small urgency to one person through one channel become one.

What waits for somebody at the moment when a worker takes the first of it goes out together: blue
and yellow, and ends of warnings. Orange, red and calls never wait for each other and are never put
in with anything. The messages stay what they are in the outbox: one carries the others, which are
``MERGED`` until it is known how it went, and then share its fate. Where one of them is out of date
before that, the rest goes out without it, under another id.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from jinghu.grid.times import isoformat
from jinghu.warnings.levels import Level
from jinghu.warnings.tables import outbox

_lead = outbox.alias("lead")
_ORPHANS = (
    select(outbox.c.outbox_id)
    .where(
        outbox.c.status == "MERGED",
        ~select(_lead.c.outbox_id)
        .where(_lead.c.outbox_id == outbox.c.digest_id, _lead.c.status.in_(("PENDING", "LEASED")))
        .exists(),
    )
    .with_for_update(of=outbox, skip_locked=True)
)
_MERGE = (
    update(outbox)
    .where(outbox.c.outbox_id == bindparam("key"))
    .values(status="MERGED", digest_id=bindparam("lead"))
)


@dataclass(frozen=True, slots=True)
class Digest:
    """Up to which level, and through which channels.

    Raises
    ------
    ValueError
        Where more than yellow would wait.
    """

    up_to: Level
    channels: frozenset[str]

    def __post_init__(self) -> None:
        """Refuse to let what is urgent wait."""
        if not Level.BLUE <= self.up_to <= Level.YELLOW:
            raise ValueError("digests are of blue and yellow alone")


def gather(
    connection: Connection, keys: Sequence[int], digest: Digest, now: datetime
) -> tuple[set[int], set[int]]:
    """Merge messages that are being taken with all else that waits for the same people.

    Returns which are merged into others, and the others, whether or not they are among ``keys``.
    """
    mine = (
        outbox.c.kind == "WARNING",
        outbox.c.level <= int(digest.up_to),
        outbox.c.channel.in_(digest.channels),
        outbox.c.status == "PENDING",
        outbox.c.attempts == 0,
    )
    people = select(outbox.c.recipient_id).where(outbox.c.outbox_id.in_(keys), *mine).distinct()
    recipients = list(connection.execute(people).scalars())
    if not recipients:
        return set(), set()
    to_whom = (outbox.c.recipient_id, outbox.c.channel, outbox.c.message_status)
    waiting = (
        select(*to_whom, outbox.c.outbox_id)
        .where(outbox.c.recipient_id.in_(recipients), *mine, outbox.c.due_at <= isoformat(now))
        .order_by(*to_whom, outbox.c.level.desc(), outbox.c.outbox_id)
        .with_for_update(skip_locked=True)
    )
    found, taken = connection.execute(waiting).all(), set(keys)
    rows, leads = [], set()
    for _, group in groupby(found, key=lambda row: tuple(row[:3])):
        *others, last = [int(row.outbox_id) for row in group]
        if others and taken.intersection((*others, last)):
            leads.add(last)
            rows += [{"key": key, "lead": last} for key in others]
    if rows:
        connection.execute(_MERGE, rows)
    return {row["key"] for row in rows}, leads


def set_free(connection: Connection) -> None:
    """Let messages wait by themselves again whose carrier was dropped, passed on or given up."""
    keys = list(connection.execute(_ORPHANS).scalars())
    if keys:
        connection.execute(
            update(outbox)
            .where(outbox.c.outbox_id.in_(keys))
            .values(status="PENDING", digest_id=None)
        )


def carried(leads: Iterable[int]) -> Any:
    """Those that are merged into the given ones, as a condition."""
    return (outbox.c.digest_id.in_(list(leads))) & (outbox.c.status == "MERGED")


def digest_id(message_ids: Iterable[str], lead: str) -> str:
    """Id of several messages as one: another one where they are others.

    >>> digest_id(["a", "b"], "b") == digest_id(["b", "a"], "b") != digest_id(["b"], "b")
    True
    """
    names = "\x1f".join(sorted(message_ids))
    return f"{lead}-digest-{hashlib.sha256(names.encode()).hexdigest()[:12]}"
