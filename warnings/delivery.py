"""Delivery: at least once, the most urgent first, no longer than a bounded time."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import aiohttp
from sqlalchemy import Engine, func, select

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.database import reading
from jinghu.warnings.outbox import Claim, Outcome, Outgoing, claim, failed, release, settle
from jinghu.warnings.purposes import Purpose, require_fit
from jinghu.warnings.tables import outbox

_BATCH = 500
_CONCURRENT = 50
_DOWN_AFTER = 20  # failures in a row after which a channel is left alone for this run


class Channel(Protocol):
    """Somewhere messages can be handed over."""

    @property
    def name(self) -> str:
        """Name of the channel in the outbox."""
        ...

    @property
    def purpose(self) -> Purpose:
        """Production or drill."""
        ...

    def session(self, concurrent: int) -> aiohttp.ClientSession:
        """Open the session that this channel sends through."""
        ...

    async def send(self, session: aiohttp.ClientSession, message: Outgoing, now: datetime) -> str:
        """Hand over one message or raise DeliveryError."""
        ...


@dataclass(slots=True)
class DeliverySummary:
    """How many messages went which way in one run.

    ``faults`` is the last cause of failure of each channel that had one, ``down`` names those that
    were given up for this run, ``late`` tells that the time was over before everything was tried.
    """

    sent: int = 0
    retry: int = 0
    dead: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    down: list[str] = field(default_factory=list)
    late: bool = False


def deliver(
    engine: Engine,
    channels: Sequence[Channel],
    links: Links,
    clock: Callable[[], datetime],
    seconds: float = 60.0,
) -> DeliverySummary:
    """Hand over what is due when it begins, every message once; the rest is for the next run.

    Every batch is leased in one transaction and settled in another: a worker that dies in between
    loses nothing, and the messages it may have handed over are handed over again with the same id
    when the lease ends. A channel that fails many times in a row is left alone for this run, and
    after ``seconds`` nothing new is begun: what is not tried goes back unchanged.
    """
    if not channels:
        return DeliverySummary()
    return asyncio.run(_Run(engine, links, clock, time.monotonic() + seconds).all_of(channels))


@dataclass(slots=True)
class _Run:
    """One run of delivery."""

    engine: Engine
    links: Links
    clock: Callable[[], datetime]
    deadline: float
    summary: DeliverySummary = field(default_factory=DeliverySummary)
    failures: dict[str, int] = field(default_factory=dict)

    async def all_of(self, channels: Sequence[Channel]) -> DeliverySummary:
        begun = self.clock()
        async with AsyncExitStack() as stack:
            senders: dict[str, _Sender] = {}
            for channel in channels:
                session = await stack.enter_async_context(channel.session(_CONCURRENT))
                senders[channel.name] = _Sender(channel, session, asyncio.Semaphore(_CONCURRENT))
            while open_names := [n for n in senders if n not in self.summary.down]:
                wanted = Claim(open_names, begun, _BATCH)
                with self.engine.begin() as connection:
                    batch = claim(connection, wanted, self.links, self.clock())
                if not batch:
                    break
                untried = await self._batch(senders, batch)
                if untried and time.monotonic() >= self.deadline:
                    self.summary.late = True
                    break
        return self.summary

    async def _batch(self, senders: Mapping[str, "_Sender"], batch: Sequence[Outgoing]) -> int:
        """Try one batch and settle it; returns how many were not tried."""
        found = await asyncio.gather(*(self._attempt(senders[m.channel], m) for m in batch))
        outcomes = [o for o in found if o is not None]
        untried = [m for m, o in zip(batch, found, strict=True) if o is None]
        with self.engine.begin() as connection:
            settle(connection, outcomes, self.clock())
            release(connection, untried)
        self.summary.sent += sum(o.status == "SENT" for o in outcomes)
        self.summary.retry += sum(o.status == "PENDING" for o in outcomes)
        self.summary.dead += sum(o.status == "DEAD" for o in outcomes)
        return len(untried)

    async def _attempt(self, sender: "_Sender", message: Outgoing) -> Outcome | None:
        """Try one message; None where its turn did not come."""
        name = message.channel
        async with sender.turns:
            if name in self.summary.down or time.monotonic() >= self.deadline:
                return None
            now = self.clock()
            try:
                require_fit(name, sender.channel.purpose, message.status)
                answer = await sender.channel.send(sender.session, message, now)
            except ConfigError as error:  # never sent, and visible among the dead
                self.summary.faults[name] = str(error)
                return Outcome(message.outbox_id, message.attempts, "DEAD", str(error), now)
            except DeliveryError as error:
                self.summary.faults[name] = str(error)
                self.failures[name] = self.failures.get(name, 0) + error.retryable
                if self.failures[name] >= _DOWN_AFTER and name not in self.summary.down:
                    self.summary.down.append(name)
                return failed(message, error, self.clock())
        self.failures[name] = 0
        return Outcome(message.outbox_id, message.attempts, "SENT", answer, now)


@dataclass(frozen=True, slots=True)
class _Sender:
    """An open channel; its turns keep what waits from running into its own time limit."""

    channel: Channel
    session: aiohttp.ClientSession
    turns: asyncio.Semaphore


def outbox_counts(engine: Engine) -> dict[str, int]:
    """Number of messages by status."""
    with reading(engine) as connection:
        rows = connection.execute(select(outbox.c.status, func.count()).group_by(outbox.c.status))
        return {status: int(n) for status, n in rows}
