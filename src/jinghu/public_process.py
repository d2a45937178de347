"""The people of a drill in a process of their own: their receiver, and the phones they answer with.

What they cost is no part of what an installation does; and in one process with the cycles every
message and answer waits for the interpreter's lock several times.
"""

import socket
import threading
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import uvicorn

from jinghu.api.serve import listen
from jinghu.beside import Beside, beside
from jinghu.simulated_public import Behaviour, Public, SimulatedClock

_USUAL = Behaviour()
_Message = MutableMapping[str, Any]
_Receive = Callable[[], Awaitable[_Message]]
_Send = Callable[[_Message], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Heard:
    """How many messages arrived, were forged, and were answered."""

    received: int
    forged: int
    answered: int


@dataclass(frozen=True, slots=True)
class People:
    """The people of a drill as the drill sees them.

    Parameters
    ----------
    url, secret
        Where they listen, and the shared secret of their messages.
    clock
        Simulated time: a message is heard, and an answer given, at what it shows.
    """

    url: str
    secret: str
    clock: SimulatedClock
    _process: Beside

    def answer(self, until: datetime) -> int:
        """Let everybody answer whose time comes until then, in its order; returns how many did."""
        return int(self._process.ask(until))

    def heard(self) -> Heard:
        """What came to them so far."""
        found: Heard = self._process.ask(None)
        return found


@contextmanager
def simulated_public(secret: str, record: Path, behaviour: Behaviour = _USUAL) -> Iterator[People]:
    """Let people listen on a free port of loopback for as long as the block lasts.

    Parameters
    ----------
    secret
        Shared secret of their messages.
    record
        File that takes one JSON line a message.
    behaviour
        How they answer.

    Raises
    ------
    JinghuError
        Where their process ends before its time.
    """
    clock = SimulatedClock()
    # Opened here: what is sent before they have started waits for them, and nobody else does.
    with listen("127.0.0.1", 0) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/hook"
        of_public = (secret, record, behaviour, clock)
        with beside("people of the drill", _live, of_public, listening) as process:
            listening.close()
            yield People(url, secret, clock, process)


def _live(
    line: Connection,
    of_public: tuple[str, Path, Behaviour, SimulatedClock],
    listening: socket.socket,
) -> None:
    """Listen, and answer when asked to, until the line ends."""
    public = Public(*of_public)
    config = uvicorn.Config(
        _receiver(public), log_level="warning", access_log=False, lifespan="off"
    )
    server = uvicorn.Server(config)
    sockets = {"sockets": [listening]}
    threading.Thread(target=server.run, kwargs=sockets, daemon=True).start()
    while True:
        until = line.recv()
        heard = Heard(public.received, public.forged, public.answered)
        line.send(heard if until is None else public.answer(until))


def _receiver(public: Public) -> Callable[[_Message, _Receive, _Send], Awaitable[None]]:
    """Make the ASGI application that takes messages: 204 for a genuine one, 401 for another."""

    async def take(scope: _Message, receive: _Receive, send: _Send) -> None:
        body, more = b"", True
        while more:
            part = await receive()
            body += part.get("body", b"")
            more = part.get("more_body", False)
        headers = dict(scope["headers"])
        message_id, timestamp, signature = (
            headers.get(b"webhook-" + name, b"").decode("latin-1")
            for name in (b"id", b"timestamp", b"signature")
        )
        known = public.receive(message_id, timestamp, signature, body)
        start = {"type": "http.response.start", "status": 204 if known else 401}
        await send(start | {"headers": [] if known else [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})

    return take
