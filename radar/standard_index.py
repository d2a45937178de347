"""Finding radials and moments in standard-format bytes (numba kernels on the raw buffer)."""

from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.standard_layout import MAX_GATES, MAX_MOMENTS, RADIAL_HEADER_BYTES

_FIELDS_WRONG = 2  # of nine: a header with so few faults is still known as one
_PAST_END = -1
_NOT_SCANNED = 2

# Bytes of a radial header that are reserved or the high ends of small numbers.
FIXED_RADIAL_BYTES = (1, 2, 3, 5, 6, 7, 11, 14, 15, 17, 18, 19, 30, 31, 35, 39, 41, 42, 43,
                      50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63)  # fmt: skip

MOMENT_TABLE = np.dtype(
    [("ray", "i8"), ("at", "i8"), ("data_type", "i8"), ("scale", "i8"), ("offset", "i8"),
     ("bin_length", "i8"), ("length", "i8"), ("signature", "i8")]
)  # fmt: skip


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
    """

    offsets: NDArray[np.int64]
    scarred: int
    compressed: int


def index(buffer: NDArray[np.uint8], start: int, n_cuts: int, start_s: int) -> Index:
    """Find all whole, plausible radials from ``start`` on.

    A radial is whole where what follows it is the header of the next one, be it scarred, or the
    end of the data, or where it ends the volume. One that is followed by anything else may lack
    bytes or hold foreign ones, and is left out; the search goes on inside it.
    """
    offsets, scarred, compressed = _index(buffer, start, n_cuts, start_s)
    return Index(offsets, int(scarred), int(compressed))


def records(data: bytes, offsets: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Gather equally typed records from scattered offsets."""
    buffer = np.frombuffer(data, np.uint8)
    rows = buffer[offsets[:, None] + np.arange(dtype.itemsize)]
    return np.ascontiguousarray(rows).view(dtype)[:, 0]


def moment_table(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[Any]:
    """List the moments of the radials, one record each, in order."""
    return np.ascontiguousarray(_walk_moments(buffer, offsets)).view(MOMENT_TABLE)[:, 0]


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
def _degrees(buffer: NDArray[np.uint8], at: int) -> float:
    return float(buffer[at : at + 4].copy().view(np.float32)[0])


@numba.njit(cache=True)
def _faults(buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int, most: int) -> int:
    """Count the fields of a radial header that cannot be, up to one more than ``most``."""
    faults = 0
    moments, length = _i32(buffer, at + 40), _i32(buffer, at + 36)
    faults += not 0 <= _i32(buffer, at) <= 6
    faults += not 0 <= _i32(buffer, at + 4) <= 1
    faults += not 1 <= moments <= MAX_MOMENTS
    faults += not 32 <= length <= MAX_MOMENTS * (32 + 2 * MAX_GATES)
    if faults > most:
        return faults
    faults += not 1 <= _i32(buffer, at + 16) <= n_cuts
    faults += abs(_i32(buffer, at + 28) - start_s) > 3600
    faults += not 0 <= _i32(buffer, at + 32) < 1_000_000
    if faults > most:
        return faults
    faults += not -0.01 <= _degrees(buffer, at + 20) <= 360.01
    faults += not -10.0 <= _degrees(buffer, at + 24) <= 360.0
    return faults


@numba.njit(cache=True)
def _radial_bytes(buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int) -> int:
    """Size of the plausible radial at this offset; 0 where there is none, -1 past the end."""
    if at + RADIAL_HEADER_BYTES > len(buffer) or _faults(buffer, at, n_cuts, start_s, 0) > 0:
        return 0
    end = at + RADIAL_HEADER_BYTES + _i32(buffer, at + 36)
    if end > len(buffer):
        return _PAST_END
    inner = at + RADIAL_HEADER_BYTES
    for _ in range(_i32(buffer, at + 40)):
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
def _goes_on(buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int) -> bool:
    """Whether a radial header, whole, scarred or cut by the end of the data, begins here."""
    left = len(buffer) - at
    if left >= RADIAL_HEADER_BYTES:
        return bool(_faults(buffer, at, n_cuts, start_s, _FIELDS_WRONG) <= _FIELDS_WRONG)
    agrees = True
    for high in (1, 2, 3, 5, 6, 7):  # high bytes of two small numbers
        agrees &= high >= left or buffer[at + high] == 0
    return agrees


@numba.njit(cache=True)
def _compressed_bytes(buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int) -> int:
    """Size of the LZO-compressed radial at this offset; 0 where there is none."""
    left = len(buffer) - at
    if left < RADIAL_HEADER_BYTES or buffer[at + 50] != 1:
        return 0
    size = RADIAL_HEADER_BYTES + _i32(buffer, at + 36)
    if _faults(buffer, at, n_cuts, start_s, 0) > 0 or size > left:
        return 0
    return size if _goes_on(buffer, at + size, n_cuts, start_s) else 0


@numba.njit(cache=True)
def _index(
    buffer: NDArray[np.uint8], start: int, n_cuts: int, start_s: int
) -> tuple[NDArray[np.int64], int, int]:
    found = np.empty(max((len(buffer) - start) // 96, 0) + 1, np.int64)
    n, scarred, compressed = 0, 0, 0
    at, expected = start, True
    while at < len(buffer):
        size = _radial_bytes(buffer, at, n_cuts, start_s)
        last = _i32(buffer, at) in (4, 6) if size > 0 else False
        if size > 0 and (last or _goes_on(buffer, at + size, n_cuts, start_s)):
            found[n] = at
            n += 1
            at += size
            expected = True
            continue
        packed = _compressed_bytes(buffer, at, n_cuts, start_s) if size == 0 else 0
        if packed > 0:
            compressed += 1
            at += packed
            continue
        if expected and size == 0 and at + RADIAL_HEADER_BYTES <= len(buffer):
            scarred += _faults(buffer, at, n_cuts, start_s, _FIELDS_WRONG) <= _FIELDS_WRONG
        at += 1
        expected = False
    return found[:n], scarred, compressed


@numba.njit(cache=True)
def _walk_moments(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """List every moment of the rays: ray, offset of its data, its header, and a hash of that.

    The hash (FNV-1a) leaves out the flags, which nobody uses, and the length, which may differ.
    """
    total = 0
    for at in offsets:
        total += _i32(buffer, at + 40)
    rows = np.empty((total, 8), np.int64)
    n = 0
    for ray in range(len(offsets)):
        inner = offsets[ray] + RADIAL_HEADER_BYTES
        for _ in range(_i32(buffer, offsets[ray] + 40)):
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
    """Copy gate codes of 1 or 2 bytes into (ray, gate); what no ray holds has the code 2."""
    codes = np.zeros((n_rays, n_gates * width), np.uint8)
    codes[:, ::width] = _NOT_SCANNED
    _copy_rows(buffer, moments["ray"], moments["at"], moments["length"], codes)
    return codes if width == 1 else codes.view("<u2").astype(np.uint16, copy=False)


@numba.njit(cache=True)
def _copy_rows(
    buffer: NDArray[np.uint8],
    rays: NDArray[np.int64],
    at: NDArray[np.int64],
    length: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> None:
    for row in range(len(rays)):
        out[rays[row], : length[row]] = buffer[at[row] : at[row] + length[row]]
