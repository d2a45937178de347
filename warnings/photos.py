"""Photographs from the place: looked at byte by byte, and rid of all that is not the picture.

Phones write where and with what a picture was taken, and sometimes a film behind it; none of that
is kept, but for which side is up. JPEG: ITU-T T.81, Annex B; PNG: ISO/IEC 15948.
"""

import struct
import zlib

from jinghu.grid.errors import DataError

LARGEST = 8 * 2**20  # bytes
_MOST_PIXELS = 100_000_000
_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"sRGB", b"IDAT", b"IEND")
_SOI, _EOI, _SOS, _APP0, _APP1, _ADOBE, _COMMENT = 0xD8, 0xD9, 0xDA, 0xE0, 0xE1, 0xEE, 0xFE
_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive: what browsers show
_PLAIN = range(0xD0, 0xD8)  # restarts, inside the picture's own bytes
_ORIENTATION = 0x0112
_SOURCE = "photo"


def cleaned(data: bytes) -> tuple[bytes, str]:
    """Return the picture alone, and the ending of its name (``jpg`` or ``png``).

    Raises
    ------
    DataError
        Where it is too large, no JPEG or PNG, or damaged.
    """
    if len(data) > LARGEST:
        raise DataError(_SOURCE, f"larger than {LARGEST >> 20} MB")
    try:
        if data.startswith(b"\xff\xd8\xff"):
            return _jpeg(data), "jpg"
        if data.startswith(_PNG):
            return _png(data), "png"
    except (IndexError, struct.error):
        raise DataError(_SOURCE, "the picture is cut short") from None
    raise DataError(_SOURCE, "neither JPEG nor PNG")


def _jpeg(data: bytes) -> bytes:
    out, place, framed, up = [b"\xff\xd8"], 2, False, 1
    while True:
        if data[place] != 0xFF:
            raise DataError(_SOURCE, "damaged JPEG: a marker is missing")
        marker = data[place + 1]
        if marker == 0xFF:  # fill
            place += 1
            continue
        if marker == _EOI:
            break
        (length,) = struct.unpack_from(">H", data, place + 2)
        segment = data[place : place + 2 + length]
        if length < 2 or len(segment) < 2 + length:
            raise DataError(_SOURCE, "the picture is cut short")
        place += 2 + length
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", segment, 5)
            _check_size(width, height)
            framed = True
        elif marker == _APP1:
            up = _orientation(segment[4:]) or up
        if _kept(marker):
            out.append(segment)
        if marker == _SOS:
            end = _scan_end(data, place)
            out.append(data[place:end])
            place = end
    if not framed:
        raise DataError(_SOURCE, "damaged JPEG: it has no picture")
    if up != 1:
        out.insert(1, _turned(up))
    return b"".join(out) + b"\xff\xd9"


def _kept(marker: int) -> bool:
    """Whether a segment belongs to the picture; texts, maker's notes and colour profiles do not."""
    return marker in (_APP0, _ADOBE) or not (0xE0 <= marker <= 0xEF or marker == _COMMENT)


def _scan_end(data: bytes, place: int) -> int:
    """Where the bytes of a scan end: at the next marker that is not one of its own."""
    while True:
        place = data.find(b"\xff", place)
        if place < 0:
            raise DataError(_SOURCE, "the picture is cut short")
        following = data[place + 1]
        if following != 0 and following not in _PLAIN and following != 0xFF:
            return place
        place += 1 if following == 0xFF else 2


def _orientation(exif: bytes) -> int | None:
    """Which side is up, of an Exif segment; None where it does not say."""
    if not exif.startswith(b"Exif\0\0"):
        return None
    tiff = exif[6:]
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    try:
        if order is None:
            return None
        (begin,) = struct.unpack_from(order + "I", tiff, 4)
        (count,) = struct.unpack_from(order + "H", tiff, begin)
        for k in range(min(count, 64)):
            tag, _, _, value = struct.unpack_from(order + "HHIH", tiff, begin + 2 + 12 * k)
            if tag == _ORIENTATION and 1 <= value <= 8:
                return int(value)
    except struct.error:
        return None
    return None


def _turned(up: int) -> bytes:
    """An Exif segment that says which side is up, and nothing else."""
    entry = struct.pack(">HHIHH", _ORIENTATION, 3, 1, up, 0)
    exif = b"Exif\0\0MM\0\x2a" + struct.pack(">IH", 8, 1) + entry + bytes(4)
    return b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif


def _png(data: bytes) -> bytes:
    out, place = [_PNG], len(_PNG)
    while True:
        length, kind = struct.unpack_from(">I4s", data, place)
        chunk = data[place : place + 12 + length]
        if len(chunk) < 12 + length:
            raise DataError(_SOURCE, "the picture is cut short")
        if zlib.crc32(chunk[4:-4]) != struct.unpack(">I", chunk[-4:])[0]:
            raise DataError(_SOURCE, "damaged PNG: a checksum is wrong")
        if (kind == b"IHDR") != (len(out) == 1):
            raise DataError(_SOURCE, "damaged PNG: it does not begin with its header")
        if kind == b"IHDR":
            _check_size(*struct.unpack_from(">II", chunk, 8))
        if kind in _PNG_KEPT:
            out.append(chunk)
        if kind == b"IEND":
            return b"".join(out)
        place += 12 + length


def _check_size(width: int, height: int) -> None:
    if not 0 < width * height <= _MOST_PIXELS:
        raise DataError(_SOURCE, f"{width} x {height} pixels")
