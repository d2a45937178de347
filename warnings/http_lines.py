"""A client of HTTP/1.1 for many small requests to one receiver, over connections that stay open.

It does what deliveries need and no more (RFC 9110, RFC 9112): no redirects, no cookies, no
compression, one request at a time on a connection. That takes a fifth of the processor time of a
general client.
"""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from jinghu.warnings.addresses import GuardedResolver

_HEAD_END = b"\r\n\r\n"
_LONGEST_ANSWER = 20_000  # bytes
_KEPT = "!$&'()*+,/:;=?@%~[]"  # what stands for itself in an address, or is encoded already


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered; names of headers in lower case, the body cut after 20 kB."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    reusable: bool


class _Reader(asyncio.StreamReader):
    """A reader that knows how much it holds that nobody has read."""

    held = 0

    def feed_data(self, data: bytes) -> None:  # type: ignore[override]
        self.held += len(data)
        super().feed_data(data)

    async def readuntil(self, separator: bytes = b"\n") -> bytes:  # type: ignore[override]
        found = await super().readuntil(separator)
        self.held -= len(found)
        return found

    async def readexactly(self, n: int) -> bytes:
        found = await super().readexactly(n)
        self.held -= len(found)
        return found


@dataclass(frozen=True, slots=True)
class _Line:
    """One open connection."""

    reader: _Reader
    writer: asyncio.StreamWriter

    @property
    def idle(self) -> bool:
        """Whether nothing came that was not asked for: such a receiver is closing it."""
        closing = self.reader.at_eof() or self.writer.is_closing()
        return not (closing or self.reader.held)

    def close(self) -> None:
        self.writer.transport.abort()


@dataclass(slots=True)
class HttpLines:
    """Connections to one receiver.

    Parameters
    ----------
    origin
        Scheme, host and port; a user and password in it are sent as Basic authentication.
    resolver
        Finds the addresses of the host, and refuses those that are not allowed.
    """

    origin: str
    resolver: GuardedResolver
    _free: list[_Line] = field(default_factory=list)
    _fixed: str = field(init=False)
    _tls: ssl.SSLContext | None = field(init=False)

    def __post_init__(self) -> None:
        """Prepare what every request shares."""
        parts = urlsplit(self.origin)
        fixed = f"host: {parts.netloc.rpartition('@')[2]}\r\n"
        if parts.username is not None:
            user = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            fixed += f"authorization: Basic {base64.b64encode(user.encode()).decode('ascii')}\r\n"
        self._fixed = fixed
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    async def __aenter__(self) -> "HttpLines":
        """Begin; connections are made when they are needed."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close every connection."""
        while self._free:
            self._free.pop().close()
        await asyncio.sleep(0)

    async def request(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Reply:
        """Make one request; ``path`` is the rest of the address behind the origin.

        A connection that the receiver has closed while nobody used it is no fault of its own: the
        request is made again, once, on a new one.

        Raises
        ------
        OSError, EOFError, ValueError
            Where the connection fails, breaks, or what comes back is no HTTP.
        """
        asked = _head(method, path, self._fixed, headers, len(body)) + body
        while self._free:
            line = self._free.pop()
            if not line.idle:
                line.close()
                continue
            try:
                return await self._on(line, asked, method)
            except (ConnectionError, asyncio.IncompleteReadError) as error:
                if isinstance(error, asyncio.IncompleteReadError) and error.partial:
                    raise
                break
        return await self._on(await self._connect(), asked, method)

    async def _on(self, line: _Line, asked: bytes, method: str) -> Reply:
        kept = False
        try:
            line.writer.write(asked)
            await line.writer.drain()
            reply = await _reply(line.reader, method)
            kept = reply.reusable
        except asyncio.LimitOverrunError:
            raise ValueError("the head of the answer is too long") from None
        finally:
            if kept:
                self._free.append(line)
            else:
                line.close()
        return reply

    async def _connect(self) -> _Line:
        parts = urlsplit(self.origin)
        host, secure = parts.hostname or "", self._tls is not None
        port = parts.port or (443 if secure else 80)
        found = await self.resolver.addresses(host, port)
        for number, address in enumerate(found, 1):
            try:
                return await _open(address, port, self._tls, host if secure else None)
            except OSError:
                if number == len(found):
                    raise
        raise OSError(f"{host}: it has no address")


async def _open(address: str, port: int, tls: ssl.SSLContext | None, name: str | None) -> _Line:
    loop, reader = asyncio.get_running_loop(), _Reader()
    transport, protocol = await loop.create_connection(
        lambda: asyncio.StreamReaderProtocol(reader), address, port, ssl=tls, server_hostname=name
    )
    return _Line(reader, asyncio.StreamWriter(transport, protocol, reader, loop))


def _head(method: str, path: str, fixed: str, headers: Mapping[str, str], length: int) -> bytes:
    target = path.partition("#")[0] or "/"
    target = target if target.startswith("/") else f"/{target}"
    more = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
    if more.count("\r") + more.count("\n") != 2 * len(headers) or "\0" in more:
        raise ValueError("a header has a line break in it")
    head = f"{method} {quote(target, safe=_KEPT)} HTTP/1.1\r\n{fixed}{more}"
    return f"{head}content-length: {length}\r\n\r\n".encode()


async def _reply(reader: _Reader, method: str) -> Reply:
    status = 100
    while 100 <= status < 200:  # "early hints" and the like come before the answer
        head = await reader.readuntil(_HEAD_END)
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        version, _, rest = first.partition(" ")
        if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
            raise ValueError("the answer is no HTTP/1.1")
        status = int(rest[:3])
    headers = {}
    for one in lines:
        name, _, value = one.partition(":")
        headers[name.lower()] = value.strip()
    wish = headers.get("connection", "").lower()
    stays = "close" not in wish and (version == "HTTP/1.1" or "keep-alive" in wish)
    if status in (204, 304) or method == "HEAD":
        return Reply(status, headers, b"", stays)
    body, whole = await _body(reader, headers)
    return Reply(status, headers, body, stays and whole)


async def _body(reader: _Reader, headers: Mapping[str, str]) -> tuple[bytes, bool]:
    """The body, and whether the connection stands at its end."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        return await _chunks(reader)
    if (length := headers.get("content-length")) is None:
        return await _until_it_closes(reader)
    if not length.isdecimal():
        raise ValueError("the answer's length is no number")
    wanted = min(int(length), _LONGEST_ANSWER)
    return await reader.readexactly(wanted), wanted == int(length)


async def _until_it_closes(reader: _Reader) -> tuple[bytes, bool]:
    found = b""
    while len(found) < _LONGEST_ANSWER and (more := await reader.read(_LONGEST_ANSWER)):
        found += more
    return found[:_LONGEST_ANSWER], False


async def _chunks(reader: _Reader) -> tuple[bytes, bool]:
    found = b""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        if len(found) + size > _LONGEST_ANSWER or size < 0:
            return found, False
        found += await reader.readexactly(size)
        await reader.readexactly(2)
    while await reader.readuntil(b"\r\n") != b"\r\n":
        pass
    return found, True
