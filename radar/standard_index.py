"""Finding radials and moments in standard-format bytes (numba kernels on the raw buffer)."""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.rows import copy_rows, row_view
from jinghu.radar.standard_layout import MAX_GATES, MAX_MOMENTS, RadialFields

_FIELDS_WRONG = 2  # of nine: a header with so few faults is still known as one
_PAST_END = -1
_NOT_SCANNED = 2
MAX_OFF_S = 3600  # of a radial from the start of the task
_MAX_SECONDS = 2**32  # until 2106; phased arrays write 8 bytes

MOMENT_TABLE = np.dtype(
    [("ray", "i8"), ("at", "i8"), ("data_type", "i8"), ("scale", "i8"), ("offset", "i8"),
     ("bin_length", "i8"), ("length", "i8"), ("signature", "i8")]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """What tells a radial of this file: where they begin, their layout, cuts and time.

    Parameters
    ----------
    start
        Offset behind the common block.
    n_cuts, start_s
        Number of cuts, and start of the task in s since 1970-01-01 UTC.
    fields
        Layout of radial headers.
    """

    start: int
    n_cuts: int
    start_s: int
    fields: RadialFields


@dataclass(frozen=True, slots=True)
class Index:
    """Where the whole radials of a file are.

    Parameters
    ----------
    offsets
        (radial,) byte offset of each.
    scarred
        Places where a header begins as it should and one or two of its fields cannot be.
    compressed
        Number of LZO-compressed radials.
    end
        Where the search ended: more bytes could change nothing before it.
    """

    offsets: NDArray[np.int64]
    scarred: int
    compressed: int
    end: int


def index(buffer: NDArray[np.uint8], place: Place, *, growing: bool = False) -> Index:
    """Find all whole, plausible radials.

    A radial is whole where what follows it looks like a header, be it scarred, or is the end of
    the data, or where it ends the volume; whether it is the right header, `radials.succeeded`
    tells. One that is followed by anything else may lack bytes or hold foreign ones, and is left
    out; the search goes on inside it. In ``growing`` data
    the search ends where bytes still to come decide.
    """
    offsets, scarred, compressed, end = _index(
        buffer, place.start, place.n_cuts, place.start_s, place.fields, growing
    )
    return Index(offsets, int(scarred), int(compressed), int(end))


def moment_table(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], fields: RadialFields
) -> NDArray[Any]:
    """List the moments of the radials, one record each, in order."""
    return np.ascontiguousarray(_walk_moments(buffer, offsets, fields)).view(MOMENT_TABLE)[:, 0]


@numba.njit(cache=True)
def _i32(buffer: NDArray[np.uint8], at: int) -> int:
    value = int(
        np.int64(buffer[at])
        | np.int64(buffer[at + 1]) << 8
        | np.int64(buffer[at + 2]) << 16
        | np.int64(buffer[at + 3]) << 24
    )
    return value - 0x1_0000_0000 if value >= 0x8000_0000 else value


@numba.njit(cache=True)
def _u16(buffer: NDArray[np.uint8], at: int) -> int:
    return int(buffer[at]) | int(buffer[at + 1]) << 8


@numba.njit(cache=True)
def _i64(buffer: NDArray[np.uint8], at: int) -> int:
    return (_i32(buffer, at) & 0xFFFF_FFFF) | (_i32(buffer, at + 4) << 32)


@numba.njit(cache=True)
def _degrees(buffer: NDArray[np.uint8], at: int) -> float:
    return float(np.int32(_i32(buffer, at)).view(np.float32))


@numba.njit(cache=True)
def _faults(
    buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int, fields: RadialFields, most: int
) -> int:
    """Count the fields of a radial header that cannot be, up to some more than ``most``."""
    faults = 0
    moments, length = _i32(buffer, at + fields.moments), _i32(buffer, at + fields.length)
    faults += not 0 <= _i32(buffer, at) <= 6
    faults += not 0 <= _i32(buffer, at + 4) <= 1
    faults += not 1 <= moments <= MAX_MOMENTS
    faults += not 32 <= length <= MAX_MOMENTS * (32 + 2 * MAX_GATES)
    if faults > most:
        return faults
    seconds = _i64(buffer, at + 28) if fields.long_seconds else _i32(buffer, at + 28)
    faults += not 1 <= _i32(buffer, at + 16) <= n_cuts
    faults += abs(seconds) >= _MAX_SECONDS or abs(seconds - start_s) > MAX_OFF_S
    faults += not 0 <= _i32(buffer, at + fields.microseconds) < 1_000_000
    if faults > most:
        return faults
    faults += not -0.01 <= _degrees(buffer, at + 20) <= 360.01
    faults += not -10.0 <= _degrees(buffer, at + 24) <= 360.0
    return faults


@numba.njit(cache=True)
def _radial_bytes(
    buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int, fields: RadialFields
) -> int:
    """Size of the plausible radial at this offset; 0 where there is none, -1 past the end."""
    if at + fields.header_bytes > len(buffer):
        return 0
    if _faults(buffer, at, n_cuts, start_s, fields, 0) > 0:
        return 0
    inner = at + fields.header_bytes
    end = inner + _i32(buffer, at + fields.length)
    if end > len(buffer):
        return _PAST_END
    for _ in range(_i32(buffer, at + fields.moments)):
        if inner + 32 > end or not 1 <= _i32(buffer, inner) <= 64:
            return 0
        width, size = _u16(buffer, inner + 12), _i32(buffer, inner + 16)
        if (width != 1 and width != 2) or size < 0 or size > width * MAX_GATES or size % width:
            return 0
        if _i32(buffer, inner + 4) == 0:
            return 0
        inner += 32 + size
    return end - at if inner == end else 0


@numba.njit(cache=True)
def _goes_on(
    buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int, fields: RadialFields
) -> bool:
    """Whether a radial header, whole, scarred or cut by the end of the data, begins here."""
    left = len(buffer) - at
    if left >= fields.header_bytes:
        faults = _faults(buffer, at, n_cuts, start_s, fields, _FIELDS_WRONG)
        return bool(faults <= _FIELDS_WRONG)
    agrees = True
    for high in (1, 2, 3, 5, 6, 7):  # high bytes of two small numbers
        agrees &= high >= left or buffer[at + high] == 0
    return agrees


@numba.njit(cache=True)
def _compressed_bytes(
    buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int, fields: RadialFields
) -> int:
    """Size of the LZO-compressed radial at this offset; 0 where there is none."""
    left = len(buffer) - at
    if fields.zip_type == 0 or left < fields.header_bytes or buffer[at + fields.zip_type] != 1:
        return 0
    size = fields.header_bytes + _i32(buffer, at + fields.length)
    if _faults(buffer, at, n_cuts, start_s, fields, 0) > 0 or size > left:
        return 0
    return size if _goes_on(buffer, at + size, n_cuts, start_s, fields) else 0


@numba.njit(cache=True)
def _index(
    buffer: NDArray[np.uint8],
    start: int,
    n_cuts: int,
    start_s: int,
    fields: RadialFields,
    growing: bool,
) -> tuple[NDArray[np.int64], int, int, int]:
    found = np.empty(max((len(buffer) - start) // (fields.header_bytes + 32), 0) + 1, np.int64)
    n, scarred, compressed = 0, 0, 0
    at, expected = start, True
    while at < len(buffer):
        if growing and at + fields.header_bytes > len(buffer):
            break
        size = _radial_bytes(buffer, at, n_cuts, start_s, fields)
        last = _i32(buffer, at) in (4, 6) if size > 0 else False
        if growing and size < 0:
            break
        if growing and not last and at + size + fields.header_bytes > len(buffer):
            break
        if size > 0 and (last or _goes_on(buffer, at + size, n_cuts, start_s, fields)):
            found[n] = at
            n += 1
            at += size
            expected = True
            continue
        packed = _compressed_bytes(buffer, at, n_cuts, start_s, fields) if size == 0 else 0
        if packed > 0:
            compressed += 1
            at += packed
            continue
        if expected and size == 0 and at + fields.header_bytes <= len(buffer):
            faults = _faults(buffer, at, n_cuts, start_s, fields, _FIELDS_WRONG)
            scarred += faults <= _FIELDS_WRONG
        at += 1
        expected = False
    return found[:n].copy(), scarred, compressed, at


@numba.njit(cache=True)
def _walk_moments(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], fields: RadialFields
) -> NDArray[np.int64]:
    """List every moment of the rays: ray, offset of its data, its header, and a hash of that.

    The hash (FNV-1a) leaves out the flags, which nobody uses, and the length, which may differ.
    """
    total = 0
    for at in offsets:
        total += _i32(buffer, at + fields.moments)
    rows = np.empty((total, 8), np.int64)
    n = 0
    for ray in range(len(offsets)):
        inner = offsets[ray] + fields.header_bytes
        for _ in range(_i32(buffer, offsets[ray] + fields.moments)):
            rows[n, 0], rows[n, 1] = ray, inner + 32
            rows[n, 2], rows[n, 3] = _i32(buffer, inner), _i32(buffer, inner + 4)
            rows[n, 4] = _i32(buffer, inner + 8)
            rows[n, 5], rows[n, 6] = _u16(buffer, inner + 12), _i32(buffer, inner + 16)
            signature = np.uint64(0xCBF29CE484222325)
            for k in range(32):
                if not 14 <= k < 20:
                    signature = (signature ^ np.uint64(buffer[inner + k])) * np.uint64(
                        0x100000001B3
                    )
            rows[n, 7] = np.int64(signature >> np.uint64(1))
            inner += 32 + rows[n, 6]
            n += 1
    return rows


def gather(
    buffer: NDArray[np.uint8], moments: NDArray[Any], n_rays: int, n_gates: int, width: int
) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Gate codes of 1 or 2 bytes as (ray, gate); what no ray holds has the code 2.

    Codes of one byte are seen where they stand in the file, if every ray has them at one step.
    Those of two bytes are copied, because they stand at odd addresses.
    """
    whole = len(moments) == n_rays and (moments["ray"] == np.arange(n_rays)).all()
    if width == 1 and whole and (moments["length"] == n_gates).all():
        seen = row_view(buffer, moments["at"], n_gates)
        if seen is not None:
            return seen
    codes = np.zeros((n_rays, n_gates * width), np.uint8)
    codes[:, ::width] = _NOT_SCANNED
    copy_rows(buffer, moments["ray"], moments["at"], moments["length"], codes)
    return codes if width == 1 else codes.view("<u2").astype(np.uint16, copy=False)
