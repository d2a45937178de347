"""Delivery: at least once, the most urgent first, no longer than a bounded time."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from sqlalchemy import Engine, func, select

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.database import reading, record, taking
from jinghu.warnings.digest import Digest
from jinghu.warnings.levels import Level
from jinghu.warnings.outbox import (
    Claim,
    GoneError,
    Outcome,
    claim,
    disable,
    disabled_channels,
    drop_expired,
    failed,
    no_longer_held,
    pass_on_waiting,
    release,
    settle,
)
from jinghu.warnings.outgoing import Outgoing
from jinghu.warnings.purposes import Purpose, require_fit
from jinghu.warnings.tables import outbox

_BATCH = 500
_CONCURRENT = 50
_BATCH_S = 1.0  # a batch is made as large as goes out in this time: red waits no longer for it
_DOWN_AFTER = 20  # failures in a row after which a channel is left alone for this run

Send = Callable[[Outgoing, datetime], Awaitable[str]]


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

    def open(self, concurrent: int) -> AbstractAsyncContextManager[Send]:
        """Open the channel for one run, for so many messages at a time.

        What it gives hands over one message and returns the answer, or raises DeliveryError.
        """
        ...


@dataclass(slots=True)
class DeliverySummary:
    """How many messages went which way in one run.

    What goes out in one digest counts as many times as it holds messages. ``passed`` went on to the
    next channel of their route, ``dropped`` were out of date. ``faults`` is the last cause of
    failure of each channel that had one, ``down`` names those that were given up for this run,
    ``gone`` those that are disabled; ``late`` tells that the time was over before everything was
    tried.
    """

    sent: int = 0
    retry: int = 0
    dead: int = 0
    passed: int = 0
    dropped: int = 0
    faults: dict[str, str] = field(default_factory=dict)
    down: list[str] = field(default_factory=list)
    gone: dict[str, str] = field(default_factory=dict)
    late: bool = False


def deliver(
    engine: Engine,
    channels: Sequence[Channel],
    links: Links,
    clock: Callable[[], datetime],
    seconds: float = 60.0,
    now: datetime | None = None,
    digest: Digest | None = None,
) -> DeliverySummary:
    """Hand over what is due, every message once; what failed is for the next run.

    Every batch is leased in one transaction and settled in another: a worker that dies in between
    loses nothing, and the messages it may have handed over are handed over again with the same id
    when the lease ends. A channel that fails many times in a row is left alone for this run, one
    whose receiver is gone until it is enabled. After ``seconds`` nothing new is begun: what is not
    tried goes back unchanged. Messages of warnings that have expired by ``now``, the clock's time
    where it is None, are dropped; in a drill that is the drill's time.
    """
    if not channels:
        return DeliverySummary()
    run = _Run(engine, links, clock, now or clock(), time.monotonic() + seconds, digest)
    return asyncio.run(run.all_of(channels))


@dataclass(slots=True)
class _Run:
    """One run of delivery."""

    engine: Engine
    links: Links
    clock: Callable[[], datetime]
    now: datetime
    deadline: float
    digest: Digest | None
    summary: DeliverySummary = field(default_factory=DeliverySummary)
    failures: dict[str, int] = field(default_factory=dict)

    async def all_of(self, channels: Sequence[Channel]) -> DeliverySummary:
        begun, limit = self.clock(), _BATCH
        with self.engine.begin() as connection:
            self.summary.dropped = drop_expired(connection, self.now)
            self.summary.gone = disabled_channels(connection)
        async with AsyncExitStack() as stack:
            senders: dict[str, _Sender] = {}
            for channel in channels:
                send = await stack.enter_async_context(channel.open(_CONCURRENT))
                senders[channel.name] = _Sender(channel, send, asyncio.Semaphore(_CONCURRENT))
            while open_names := [n for n in senders if not self._shut(n)]:
                wanted = Claim(open_names, begun, limit, self.digest)
                with taking(self.engine) as connection:
                    batch = claim(connection, wanted, self.links, self.clock())
                if not batch:
                    break
                started = time.monotonic()
                untried = await self._batch(senders, batch)
                took = max(time.monotonic() - started, 1e-3)
                limit = int(min(max(len(batch) * _BATCH_S / took, _CONCURRENT), _BATCH))
                if untried and time.monotonic() >= self.deadline:
                    self.summary.late = True
                    break
        return self.summary

    def _shut(self, name: str) -> bool:
        return name in self.summary.down or name in self.summary.gone

    async def _batch(self, senders: Mapping[str, "_Sender"], batch: Sequence[Outgoing]) -> int:
        """Try one batch and settle it; returns how many were not tried."""
        shut_before = {n for n in senders if self._shut(n)}
        watch = _Watch(self.engine, batch, time.monotonic())
        found = await asyncio.gather(*(self._attempt(senders[m.channel], m, watch) for m in batch))
        outcomes = [o for o in found if o is not None]
        untried = [m for m, o in zip(batch, found, strict=True) if o is None]
        now = self.clock()
        with self.engine.begin() as connection:
            passed = settle(connection, outcomes, now)
            elsewhere = len(passed)
            release(connection, untried)
            for name in senders.keys() - shut_before:
                if name in self.summary.gone:
                    disable(connection, name, self.summary.gone[name], now)
                    detail = {"cause": self.summary.gone[name]}
                    record(connection, now, "delivery", "channel disabled", name, detail)
                elif name in self.summary.down:  # what is urgent does not wait for it
                    elsewhere += pass_on_waiting(connection, name, Level.ORANGE, now)
        self.summary.passed += elsewhere
        ways = [(o.status, key) for o in outcomes for key in (o.outbox_id, *o.members)]
        stayed = [status for status, key in ways if key not in passed]
        self.summary.sent += stayed.count("SENT")
        self.summary.retry += stayed.count("PENDING")
        self.summary.dead += stayed.count("DEAD")
        return len(untried)

    async def _attempt(
        self, sender: "_Sender", message: Outgoing, watch: "_Watch"
    ) -> Outcome | None:
        """Try one message; None where its turn did not come."""
        name = message.channel
        async with sender.turns:
            if self._shut(name) or time.monotonic() >= self.deadline:
                return None
            if watch.dropped(message):
                return None
            now = self.clock()
            try:
                require_fit(name, sender.channel.purpose, message.status)
                answer = await sender.send(message, now)
            except ConfigError as error:  # never sent, and visible among the dead
                self.summary.faults[name] = str(error)
                return _outcome(message, "DEAD", str(error), now)
            except DeliveryError as error:
                self._note(name, error)
                return failed(message, error, self.clock())
        self.failures[name] = 0
        return _outcome(message, "SENT", answer, now)

    def _note(self, name: str, error: DeliveryError) -> None:
        """Count a failure of a channel; give it up where it is gone or fails too often."""
        self.summary.faults[name] = str(error)
        self.failures[name] = self.failures.get(name, 0) + error.retryable
        if isinstance(error, GoneError):
            self.summary.gone.setdefault(name, str(error))
        elif self.failures[name] >= _DOWN_AFTER and not self._shut(name):
            self.summary.down.append(name)


def _outcome(message: Outgoing, status: str, detail: str, now: datetime) -> Outcome:
    return Outcome(message.outbox_id, message.attempts, status, detail, now, message.members)


@dataclass(slots=True)
class _Watch:
    """Looks every second whether messages of a batch were superseded while they waited."""

    engine: Engine
    batch: Sequence[Outgoing]
    looked: float
    lost: set[int] = field(default_factory=set)

    def dropped(self, message: Outgoing) -> bool:
        if time.monotonic() - self.looked >= _BATCH_S:
            with reading(self.engine) as connection:
                self.lost = no_longer_held(connection, self.batch)
            self.looked = time.monotonic()
        return message.outbox_id in self.lost


@dataclass(frozen=True, slots=True)
class _Sender:
    """An open channel; its turns keep what waits from running into its own time limit."""

    channel: Channel
    send: Send
    turns: asyncio.Semaphore


def waiting_of(counts: Mapping[str, int]) -> int:
    """How many messages are not delivered yet."""
    return sum(counts.get(status, 0) for status in ("PENDING", "LEASED", "MERGED"))


def outbox_counts(engine: Engine) -> dict[str, int]:
    """Number of messages by status."""
    with reading(engine) as connection:
        rows = connection.execute(select(outbox.c.status, func.count()).group_by(outbox.c.status))
        return {status: int(n) for status, n in rows}
