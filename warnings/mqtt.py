"""The MQTT channel: village loudspeakers and screens, each on the topic of its unit.

A publisher of MQTT 3.1.1 at quality of service 1 is all that is needed, so it is written here
(OASIS, MQTT Version 3.1.1, sections 3.1 to 3.4). What is published is retained: a screen that was
without power shows what is in force when it comes back.
"""

import asyncio
import json
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from jinghu.grid.errors import ConfigError, DeliveryError
from jinghu.warnings.delivery import Send
from jinghu.warnings.outgoing import Content, Outgoing
from jinghu.warnings.purposes import Purpose

_TIMEOUT_S = 10.0
_CONNECT, _CONNACK, _PUBLISH, _PUBACK, _DISCONNECT = 0x10, 0x20, 0x32, 0x40, 0xE0
_RETAIN, _CLEAN, _HAS_PASSWORD, _HAS_USER = 0x01, 0x02, 0x40, 0x80
_REFUSALS = (
    "",
    "it does not speak MQTT 3.1.1",
    "it does not want our client id",
    "it is unavailable",
    "wrong user or password",
    "we are not authorised",
)
_PLACE = re.compile(r"\{(\w+)\}")
_WORDS = ("status", "county", "unit", "hazard", "role")


@dataclass(frozen=True, slots=True)
class MqttBroker:
    """One broker.

    Parameters
    ----------
    name, purpose
        Name of the channel in the outbox, and what it is for.
    host, port, tls
        The broker.
    topic
        May have ``{status}``, ``{county}``, ``{unit}``, ``{hazard}``, ``{role}``.
    username, password
        Of the login; empty where there is none.

    Raises
    ------
    ConfigError
        Where the topic can never work.
    """

    name: str
    host: str
    port: int = 8883
    tls: bool = True
    topic: str = "jinghu/{status}/{unit}/{hazard}"
    username: str = ""
    password: str = field(default="", repr=False)
    purpose: Purpose = Purpose.PRODUCTION

    def __post_init__(self) -> None:
        """Refuse at once what would fail with every message."""
        for word in _PLACE.findall(self.topic):
            if word not in _WORDS:
                raise ConfigError(f"mqtt {self.name}: {{{word}}} is none of {', '.join(_WORDS)}")
        if not self.topic or set("+#\0") & set(self.topic):
            raise ConfigError(f"mqtt {self.name}: {self.topic!r} is not a topic to publish to")

    @asynccontextmanager
    async def open(self, concurrent: int) -> AsyncIterator[Send]:
        """Open the channel for one run; the connection is made when it is needed."""
        line = _Line(self)

        async def send(message: Outgoing, now: datetime) -> str:
            content = message.content
            payload = content.public() | {"id": message.message_id}
            body = json.dumps(payload, ensure_ascii=False).encode("utf-8")
            return await line.publish(self._topic(content), body)

        try:
            yield send
        finally:
            await line.close()

    def _topic(self, content: Content) -> str:
        words = {
            "status": content.status.lower(),
            "county": content.unit_code[:6],
            "unit": content.unit_code,
            "hazard": content.hazard.value,
            "role": content.role.value,
        }
        return _PLACE.sub(lambda m: words[m.group(1)], self.topic)


@dataclass(slots=True)
class _Line:
    """One connection to the broker, made when it is needed, and made anew when it broke."""

    broker: MqttBroker
    writer: asyncio.StreamWriter | None = None
    reading: asyncio.Task[None] | None = None
    number: int = 0
    waiting: dict[int, asyncio.Future[None]] = field(default_factory=dict)
    connecting: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def publish(self, topic: str, body: bytes) -> str:
        """Publish one message and wait until the broker has it."""
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                async with self.connecting:
                    if self.writer is None:
                        await self._connect()
                await self._publish(topic, body)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            await self.close()
            cause = " ".join(str(error).split()) or type(error).__name__
            raise DeliveryError(f"{self.broker.name}: {cause}", retryable=True) from None
        return "MQTT PUBACK"

    async def _connect(self) -> None:
        broker = self.broker
        context = ssl.create_default_context() if broker.tls else None
        reader, writer = await asyncio.open_connection(broker.host, broker.port, ssl=context)
        try:
            writer.write(_packet(_CONNECT, _connect_body(broker)))
            kind, answer = await _read(reader)
            if kind != _CONNACK or len(answer) != 2:
                raise ValueError("the broker does not speak MQTT")
            if answer[1]:
                said = _REFUSALS[answer[1]] if answer[1] < len(_REFUSALS) else f"code {answer[1]}"
                raise ValueError(f"the broker refused us: {said}")
        except BaseException:
            writer.close()
            raise
        self.writer, self.reading = writer, asyncio.create_task(self._listen(reader))

    async def _publish(self, topic: str, body: bytes) -> None:
        if self.writer is None:  # it broke while this message waited for its turn
            raise EOFError("the connection broke")
        self.number = self.number % 0xFFFF + 1
        number, done = self.number, asyncio.get_running_loop().create_future()
        self.waiting[number] = done
        head = _text(topic) + number.to_bytes(2, "big")
        try:
            self.writer.write(_packet(_PUBLISH | _RETAIN, head + body))
            await self.writer.drain()
            await done
        finally:
            self.waiting.pop(number, None)

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        """Take acknowledgements until the connection ends; whoever waits then has failed."""
        cause: Exception = EOFError("the broker closed the connection")
        try:
            while True:
                kind, body = await _read(reader)
                done = self.waiting.get(int.from_bytes(body[:2], "big"))
                if kind == _PUBACK and done is not None and not done.done():
                    done.set_result(None)
        except (OSError, EOFError, ValueError) as error:
            cause = error
        finally:
            if self.writer is not None:
                self.writer.close()
                self.writer = None
            for done in self.waiting.values():
                if not done.done():
                    done.set_exception(cause)

    async def close(self) -> None:
        """Say goodbye."""
        if self.writer is not None:
            with suppress(OSError):
                self.writer.write(_packet(_DISCONNECT, b""))
                await self.writer.drain()
        if self.reading is not None:
            self.reading.cancel()
            with suppress(asyncio.CancelledError):
                await self.reading
            self.reading = None


def _connect_body(broker: MqttBroker) -> bytes:
    """A clean session under a client id that the broker makes; no keep-alive, runs are short."""
    flags, login = _CLEAN, b""
    if broker.username:
        flags |= _HAS_USER
        login = _text(broker.username)
        if broker.password:
            flags |= _HAS_PASSWORD
            login += _text(broker.password)
    return _text("MQTT") + bytes((4, flags, 0, 0)) + _text("") + login


def _text(value: str) -> bytes:
    data = value.encode("utf-8")
    return len(data).to_bytes(2, "big") + data


def _packet(kind: int, body: bytes) -> bytes:
    length, head = len(body), bytearray((kind,))
    while True:
        length, digit = divmod(length, 128)
        head.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(head) + body


async def _read(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Kind (without flags) and body of the next packet."""
    kind = (await reader.readexactly(1))[0] & 0xF0
    length = shift = 0
    while True:
        digit = (await reader.readexactly(1))[0]
        length |= (digit & 0x7F) << shift
        shift += 7
        if not digit & 0x80:
            break
        if shift > 14:
            raise ValueError("the broker sent a packet that is too long")
    return kind, await reader.readexactly(length)
