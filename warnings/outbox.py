"""The outbox: claiming messages under a lease, and writing down how each went."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, bindparam, insert, literal_column, or_, select, update

from jinghu.grid.errors import DeliveryError
from jinghu.grid.times import isoformat
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.digest import Digest, carried, gather, set_free
from jinghu.warnings.levels import Level
from jinghu.warnings.outgoing import ADDRESSEE, Outgoing, outgoing
from jinghu.warnings.routes import pass_on
from jinghu.warnings.tables import alert, attempt, channel, outbox

LEASE = timedelta(minutes=2)  # longer than a worker may hold a batch
MAX_ATTEMPTS = 8
PASS_ON_AFTER = 2  # failures after which the next channel of the route takes over
_LONGEST_WAIT = timedelta(hours=1)
_BACKOFF = (5, 30, 60, 300, 900, 1800, 3600)  # seconds after the first, second... failure
# Written out: a partial index is not used for a status that is a parameter.
_WAITING = literal_column("outbox.status") == literal_column("'PENDING'")
_HELD = literal_column("outbox.status") == literal_column("'LEASED'")
# Left to itself SQLite finds all that waits for a channel, and sorts it for every batch.
_IN_ORDER = "INDEXED BY ix_outbox_waiting"
_MINE = and_(
    outbox.c.outbox_id == bindparam("key"),
    outbox.c.status == "LEASED",
    outbox.c.attempts == bindparam("held"),
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went: ``SENT``, ``PENDING`` (to be tried again) or ``DEAD``.

    ``attempts`` is the number that the message was claimed with: who lost the lease meanwhile
    cannot write over what its new holder did. ``members`` went out with it.
    """

    outbox_id: int
    attempts: int
    status: str
    detail: str
    due_at: datetime
    members: tuple[int, ...] = ()


class BusyError(DeliveryError):
    """The receiver named the time before which it wants no further attempt."""

    def __init__(self, message: str, wait: timedelta) -> None:
        self.wait = min(max(wait, timedelta(0)), _LONGEST_WAIT)
        super().__init__(message, retryable=True)


class GoneError(DeliveryError):
    """The receiver is gone for good: nothing more may go there until somebody says otherwise."""

    def __init__(self, message: str) -> None:
        super().__init__(message, retryable=True)


@dataclass(frozen=True, slots=True)
class Claim:
    """Which messages a worker asks for: those of its channels that are due.

    ``due_by`` is when the run of the worker began: what failed after that waits for the next run.
    ``digest``: what of small urgency goes out together; nothing where None.
    """

    channels: Sequence[str]
    due_by: datetime
    limit: int
    digest: Digest | None = None


def claim(connection: Connection, wanted: Claim, links: Links, now: datetime) -> list[Outgoing]:
    """Lease the most urgent messages that are due: cancellations first, then red to blue.

    A message whose lease ran out (its worker died) is due again.
    """
    due_at = outbox.c.due_at
    fresh = and_(outbox.c.attempts == 0, due_at <= isoformat(max(now, wanted.due_by)))
    waiting = (_WAITING, or_(due_at <= isoformat(wanted.due_by), fresh))
    abandoned = (_HELD, outbox.c.leased_until < isoformat(wanted.due_by))
    set_free(connection)
    found: list[tuple[int, int]] = []
    for due, by in ((waiting, _IN_ORDER), (abandoned, "")):
        query = (
            select(outbox.c.priority, outbox.c.outbox_id)
            .with_hint(outbox, by, "sqlite")
            .where(*due, outbox.c.channel.in_(wanted.channels))
            .order_by(outbox.c.priority, outbox.c.outbox_id)
            .limit(wanted.limit)
            .with_for_update(of=outbox, skip_locked=True)  # SQLite has one writer at a time anyway
        )
        found += [(int(r.priority), int(r.outbox_id)) for r in connection.execute(query)]
    keys = [key for _, key in sorted(found)[: wanted.limit]]
    if not keys:
        return []
    if wanted.digest is not None:
        merged, leads = gather(connection, keys, wanted.digest, now)
        keys = sorted(leads.union(keys) - merged)
    connection.execute(update(outbox).where(carried(keys)).values(attempts=outbox.c.attempts + 1))
    connection.execute(
        update(outbox)
        .where(outbox.c.outbox_id.in_(keys))
        .values(
            status="LEASED",
            leased_until=isoformat(now + LEASE),
            attempts=outbox.c.attempts + 1,
            addressee=ADDRESSEE,
        )
    )
    return outgoing(connection, keys, links)


def settle(connection: Connection, outcomes: Sequence[Outcome], now: datetime) -> list[int]:
    """Write down how attempts went; returns which messages went on to the next channel.

    What was sent is sent, whoever else holds the message now. A failure counts only for the one
    who holds it: a message that was dropped or leased anew meanwhile stays as it is.
    """
    if not outcomes:
        return []
    sent = [key for o in outcomes if o.status == "SENT" for key in (o.outbox_id, *o.members)]
    others = [o for o in outcomes if o.status != "SENT"]
    if sent:
        connection.execute(
            update(outbox)
            .where(outbox.c.outbox_id.in_(sent))
            .values(status="SENT", leased_until=None, addressee=None)
        )
    mine = []
    for o in others:
        values = {"status": o.status, "due_at": isoformat(o.due_at), "leased_until": None}
        held = {"key": o.outbox_id, "held": o.attempts}
        if connection.execute(update(outbox).where(_MINE).values(values), held).rowcount:
            mine.append(o)
    connection.execute(
        insert(attempt),
        [
            {
                "outbox_id": key,
                "at": isoformat(now),
                "outcome": o.status,
                "detail": f"{o.detail[:450]}{f' (with {o.outbox_id})' if key in o.members else ''}",
            }
            for o in outcomes
            for key in (o.outbox_id, *o.members)
        ],
    )
    _bury(connection, [key for o in mine if o.status == "DEAD" for key in o.members])
    tired = [o for o in mine if o.status == "DEAD" or o.attempts >= PASS_ON_AFTER]
    return pass_on(connection, [key for o in tired for key in (o.outbox_id, *o.members)], now)


def _bury(connection: Connection, members: Sequence[int]) -> None:
    """Give up what went out with a message that is given up, but for what was dropped meanwhile."""
    if members:
        connection.execute(
            update(outbox)
            .where(outbox.c.outbox_id.in_(members), outbox.c.status == "MERGED")
            .values(status="DEAD")
        )


def release(connection: Connection, messages: Sequence[Outgoing]) -> None:
    """Give back messages that were leased and not tried: they are due as they were before."""
    if messages:
        connection.execute(
            update(outbox)
            .where(_MINE)
            .values(status="PENDING", leased_until=None, attempts=outbox.c.attempts - 1),
            [{"key": m.outbox_id, "held": m.attempts} for m in messages],
        )
        connection.execute(
            update(outbox)
            .where(carried(m.outbox_id for m in messages if m.members))
            .values(attempts=outbox.c.attempts - 1)
        )
        untouched = [m.outbox_id for m in messages if m.members and m.attempts == 1]
        connection.execute(
            update(outbox).where(carried(untouched)).values(status="PENDING", digest_id=None)
        )


def failed(message: Outgoing, error: DeliveryError, now: datetime) -> Outcome:
    """Outcome of a failure: again after a growing wait, or dead (visible, counted).

    That the whole receiver is gone is no fault of the message: it waits for the receiver.
    """
    key, attempts = message.outbox_id, message.attempts
    if not isinstance(error, GoneError) and (not error.retryable or attempts >= MAX_ATTEMPTS):
        return Outcome(key, attempts, "DEAD", str(error), now, message.members)
    wait = timedelta(seconds=_BACKOFF[min(attempts, len(_BACKOFF)) - 1])
    if isinstance(error, BusyError):
        wait = max(wait, error.wait)
    return Outcome(key, attempts, "PENDING", str(error), now + wait, message.members)


def no_longer_held(connection: Connection, messages: Sequence[Outgoing]) -> set[int]:
    """Which of the messages somebody else has dropped or taken since they were leased."""
    held = {m.outbox_id: m.attempts for m in messages}
    query = select(outbox.c.outbox_id, outbox.c.attempts).where(
        outbox.c.outbox_id.in_(list(held)), _HELD
    )
    rows = connection.execute(query)
    still = {int(r.outbox_id) for r in rows if held[r.outbox_id] == r.attempts}
    return held.keys() - (still - _changed(connection, messages))


def _changed(connection: Connection, messages: Sequence[Outgoing]) -> set[int]:
    """Which carry something that has been dropped meanwhile."""
    full = {m.outbox_id: set(m.members) for m in messages if m.members}
    if not full:
        return set()
    query = select(outbox.c.digest_id, outbox.c.outbox_id).where(carried(full))
    for lead, key in connection.execute(query):
        full[lead].discard(key)
    return {lead for lead, missing in full.items() if missing}


def drop_expired(connection: Connection, now: datetime) -> int:
    """Drop what waits of warnings that have expired; returns how many. Their end is still told."""
    over = select(alert.c.alert_id).where(alert.c.expires <= isoformat(now))
    dropped = connection.execute(
        update(outbox)
        .where(_WAITING, outbox.c.level > int(Level.NONE), outbox.c.alert_id.in_(over))
        .values(status="DROPPED")
    )
    merged = connection.execute(
        update(outbox)
        .where(
            outbox.c.status == "MERGED",
            outbox.c.level > int(Level.NONE),
            outbox.c.alert_id.in_(over),
        )
        .values(status="DROPPED")
    )
    return int(dropped.rowcount) + int(merged.rowcount)


def pass_on_waiting(connection: Connection, name: str, least: Level, now: datetime) -> int:
    """Give what waits for a channel to the next of its route, from a level up; returns how many.

    The ends of warnings go along: whoever waits for them is waiting for good news only.
    """
    query = (
        select(outbox.c.outbox_id)
        .where(
            or_(_WAITING, outbox.c.status == "MERGED"),
            outbox.c.channel == name,
            or_(outbox.c.level >= int(least), outbox.c.level == 0),
        )
        .with_for_update(skip_locked=True)  # what a worker takes this moment is the worker's
    )
    return len(pass_on(connection, list(connection.execute(query).scalars()), now))


def disable(connection: Connection, name: str, cause: str, now: datetime) -> None:
    """Send nothing more through a channel; what waits for it goes to the next of its route."""
    connection.execute(
        update(channel)
        .where(channel.c.name == name, channel.c.disabled_at.is_(None))
        .values(disabled_at=isoformat(now), disabled_cause=cause[:500])
    )
    pass_on_waiting(connection, name, Level.BLUE, now)


def disabled_channels(connection: Connection) -> dict[str, str]:
    """Channels whose receiver is gone, and what it said."""
    query = select(channel.c.name, channel.c.disabled_cause, channel.c.disabled_at).where(
        channel.c.disabled_at.is_not(None)
    )
    return {r.name: f"{r.disabled_cause} ({r.disabled_at})" for r in connection.execute(query)}
