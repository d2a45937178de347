"""Unpacking: bzip2, gzip or raw, keeping what comes before damage, within a size limit."""

import bz2
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from jinghu.grid.errors import DataError

MAX_BYTES = 768 * 2**20  # the largest phased-array volumes are 450 MB
_INPUT_STEP = 4096
_OUTPUT_STEP = 64 * 2**20
_BZIP2, _GZIP = b"BZh", b"\x1f\x8b"
_MAGIC_BYTES = 3


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Decompressed bytes and what was wrong with the wrapping."""

    data: bytes | bytearray
    damage: tuple[str, ...]


def unpack(data: bytes, source: str, max_bytes: int = MAX_BYTES) -> Unpacked:
    """Decompress a file by its first bytes; a damaged stream gives what precedes the damage.

    Raises
    ------
    DataError
        Where the file is empty or decompresses to more than ``max_bytes``.
    """
    if not data:
        raise DataError(source, "the file is empty")
    if not data.startswith((_BZIP2, _GZIP)):
        return Unpacked(data, ())
    unpacker = Unpacker(source, max_bytes)
    unpacker.feed(data)
    damage = unpacker.finish()
    return Unpacked(unpacker.data, damage)


class _Stream(Protocol):
    """One compressed stream; ``unused`` is what was fed behind its end, None before that."""

    name: str
    unused: bytes | None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Output of these bytes."""
        ...


class Unpacker:
    """Decompresses bytes as they arrive; ``data`` is all that has come out of them so far.

    ``data`` grows in place: pieces that are joined in the end take twice the memory.

    Parameters
    ----------
    source
        Name for messages.
    max_bytes
        Limit of ``data``.
    """

    def __init__(self, source: str, max_bytes: int = MAX_BYTES) -> None:
        self.data = bytearray()
        self._source, self._max_bytes = source, max_bytes
        self._magic = b""  # first bytes, too few to tell a stream by
        self._raw = False
        self._stream: _Stream | None = None
        self._last = ""  # kind of the last stream
        self._trailing, self._trailing_zeros = 0, True
        self._damage: tuple[str, ...] = ()

    def feed(self, data: bytes) -> None:
        """Take bytes; those behind damage or behind the last stream are left aside.

        Raises
        ------
        DataError
            Where all of them unpack to more than the limit.
        """
        data, self._magic = self._magic + data if self._magic else data, b""
        while data and not self._damage:
            if self._raw:
                self._put(data)
                return
            self._stream = self._stream or self._begin(data)
            if self._stream is not None:
                data = self._run(self._stream, data)
            elif not self._raw:
                return

    def finish(self) -> tuple[str, ...]:
        """Name what was wrong with the wrapping, when no more bytes come."""
        magic, self._magic = self._magic, b""
        if magic and self._last:
            self._leave(magic)
        elif magic:
            self._put(magic)
        if self._stream is not None and not self._damage:
            self._damage = (f"the {self._stream.name} stream is cut short",)
        if self._trailing and not self._trailing_zeros:
            self._damage += (f"{self._trailing} bytes after the {self._last} stream",)
        return self._damage

    def _begin(self, data: bytes) -> _Stream | None:
        """Stream that these bytes begin; otherwise they are raw, too few, or behind the last."""
        if self._trailing:
            self._leave(data)
        elif len(data) < _MAGIC_BYTES:
            self._magic = data
        elif data.startswith(_BZIP2):
            return _Bzip2Stream()
        elif data.startswith(_GZIP):
            return _GzipStream()
        elif self._last:
            self._leave(data)
        else:
            self._raw = True
        return None

    def _run(self, stream: _Stream, data: bytes) -> bytes:
        """Decompress to the end of the bytes or of the stream; returns what is behind it."""
        try:
            for piece in stream.pieces(data):
                self._put(piece)
        except (OSError, ValueError, zlib.error):
            self._damage = (f"the {stream.name} stream is damaged",)
        if stream.unused is None:
            return b""
        self._stream, self._last = None, stream.name
        return stream.unused

    def _put(self, piece: bytes) -> None:
        if len(self.data) + len(piece) > self._max_bytes:
            limit = self._max_bytes // 2**20
            raise DataError(self._source, f"unpacks to more than {limit} MiB")
        try:
            self.data += piece
        except BufferError:
            # Somebody still looks at the bytes: numba keeps what a kernel was called with until
            # the next garbage collection, if it had to compile the kernel.
            self.data = self.data + piece

    def _leave(self, data: bytes) -> None:
        self._trailing += len(data)
        self._trailing_zeros &= not data.strip(b"\0")


class _Bzip2Stream:
    """A bzip2 stream of which nothing of a damaged block is handed out.

    Small inputs and room for the whole output of a block make the library check its CRC first.
    """

    name = "bzip2"

    def __init__(self) -> None:
        self._stream = bz2.BZ2Decompressor()
        self.unused: bytes | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        stream, fed = self._stream, 0
        while not stream.eof and (fed < len(data) or not stream.needs_input):
            chunk = data[fed : fed + _INPUT_STEP] if stream.needs_input else b""
            fed += len(chunk)
            yield stream.decompress(chunk, _OUTPUT_STEP)
        if stream.eof:
            self.unused = stream.unused_data + data[fed:]


class _GzipStream:
    """A gzip stream; its only checksum stands at the end."""

    name = "gzip"

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)
        self.unused: bytes | None = None

    def pieces(self, data: bytes) -> Iterator[bytes]:
        stream, more = self._stream, True
        while more and not stream.eof:
            piece = stream.decompress(data, _OUTPUT_STEP)
            data = stream.unconsumed_tail
            more = bool(data) or len(piece) == _OUTPUT_STEP
            yield piece
        if stream.eof:
            self.unused = stream.unused_data
