"""Delivery: at least once, the most urgent first, no longer than a bounded time."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import aiohttp
from sqlalchemy import Engine, func, select

from jinghu.grid.errors import DeliveryError
from jinghu.warnings.database import reading
from jinghu.warnings.outbox import Outcome, Outgoing, claim, failed, settle
from jinghu.warnings.tables import outbox

_BATCH = 500
_CONCURRENT = 50


class Channel(Protocol):
    """Somewhere messages can be handed over."""

    @property
    def name(self) -> str:
        """Name of the channel in the outbox."""
        ...

    async def send(self, session: aiohttp.ClientSession, message: Outgoing, now: datetime) -> str:
        """Hand over one message or raise DeliveryError."""
        ...


@dataclass(slots=True)
class DeliverySummary:
    """How many messages went which way in one run."""

    sent: int = 0
    retry: int = 0
    dead: int = 0


def deliver(
    engine: Engine, channels: Sequence[Channel], clock: Callable[[], datetime]
) -> DeliverySummary:
    """Hand over everything that is due; returns when nothing is due any more.

    Every batch is leased in one transaction and settled in another: a worker that dies in between
    loses nothing, and the messages it may have handed over are handed over again with the same id
    when the lease ends.
    """
    return asyncio.run(_deliver(engine, {c.name: c for c in channels}, clock))


async def _deliver(
    engine: Engine, channels: Mapping[str, Channel], clock: Callable[[], datetime]
) -> DeliverySummary:
    summary = DeliverySummary()
    if not channels:
        return summary
    connector = aiohttp.TCPConnector(limit=_CONCURRENT)
    async with aiohttp.ClientSession(connector=connector) as session:
        while True:
            with engine.begin() as connection:
                batch = claim(connection, list(channels), clock(), _BATCH)
            if not batch:
                return summary
            outcomes = await asyncio.gather(
                *(_attempt(session, channels[m.channel], m, clock) for m in batch)
            )
            with engine.begin() as connection:
                settle(connection, outcomes, clock())
            summary.sent += sum(o.status == "SENT" for o in outcomes)
            summary.retry += sum(o.status == "PENDING" for o in outcomes)
            summary.dead += sum(o.status == "DEAD" for o in outcomes)


async def _attempt(
    session: aiohttp.ClientSession,
    channel: Channel,
    message: Outgoing,
    clock: Callable[[], datetime],
) -> Outcome:
    now = clock()
    try:
        answer = await channel.send(session, message, now)
    except DeliveryError as error:
        return failed(message, str(error), error.retryable, now)
    return Outcome(message.outbox_id, "SENT", answer, now)


def outbox_counts(engine: Engine) -> dict[str, int]:
    """Number of messages by status."""
    with reading(engine) as connection:
        rows = connection.execute(select(outbox.c.status, func.count()).group_by(outbox.c.status))
        return {status: int(n) for status, n in rows}
