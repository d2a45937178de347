"""Unpacking: bzip2, gzip or raw, keeping what comes before damage, within a size limit."""

import bz2
import zlib
from dataclasses import dataclass

from jinghu.grid.errors import DataError

MAX_BYTES = 768 * 2**20  # the largest phased-array volumes are 450 MB
_INPUT_STEP = 4096
_OUTPUT_STEP = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Unpacked:
    """Decompressed bytes and what was wrong with the wrapping."""

    data: bytes
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
    if data[:3] == b"BZh":
        return _bzip2(data, source, max_bytes)
    if data[:2] == b"\x1f\x8b":
        return _gzip(data, source, max_bytes)
    return Unpacked(data, ())


def _bzip2(data: bytes, source: str, max_bytes: int) -> Unpacked:
    """Decompress streams that follow one another.

    Small inputs and room for the whole output of a block make the library check a block's CRC
    before its bytes are handed out, so that nothing of a damaged block is kept.
    """
    out: list[bytes] = []
    total, rest = 0, data
    while rest[:3] == b"BZh":
        stream = bz2.BZ2Decompressor()
        fed = 0
        while not stream.eof:
            chunk = rest[fed : fed + _INPUT_STEP] if stream.needs_input else b""
            fed += len(chunk)
            if not chunk and stream.needs_input:
                return Unpacked(b"".join(out), ("the bzip2 stream is cut short",))
            try:
                piece = stream.decompress(chunk, _OUTPUT_STEP)
            except (OSError, ValueError):
                return Unpacked(b"".join(out), ("the bzip2 stream is damaged",))
            out.append(piece)
            total += len(piece)
            _limit(total, max_bytes, source)
        rest = stream.unused_data + rest[fed:]
    damage = (f"{len(rest)} bytes after the bzip2 stream",) if rest.strip(b"\0") else ()
    return Unpacked(b"".join(out), damage)


def _gzip(data: bytes, source: str, max_bytes: int) -> Unpacked:
    stream = zlib.decompressobj(wbits=31)
    out: list[bytes] = []
    total, pending = 0, data
    while pending and not stream.eof:
        try:
            piece = stream.decompress(pending, _OUTPUT_STEP)
        except zlib.error:
            return Unpacked(b"".join(out), ("the gzip stream is damaged",))
        out.append(piece)
        total += len(piece)
        _limit(total, max_bytes, source)
        pending = stream.unconsumed_tail
    damage = () if stream.eof else ("the gzip stream is cut short",)
    return Unpacked(b"".join(out), damage)


def _limit(total: int, max_bytes: int, source: str) -> None:
    if total > max_bytes:
        raise DataError(source, f"unpacks to more than {max_bytes // 2**20} MiB")
