"""Rain fields as PNG in the colours of the viewer, with what the standard library has."""

import base64
import struct
import zlib

import numpy as np
from numpy.typing import NDArray

from jinghu.api.legend import SCALES, Break

_LARGEST = 480  # pixels along a side
_DRY, _MISSING = "#f4f7f9", "#b9c0c6"


def breaks() -> tuple[Break, ...]:
    """Colours of rain rates and the rates, in mm/h, from which they hold."""
    return SCALES["rate"].breaks


def rain_png(rates_mm_h: NDArray[np.float32]) -> bytes:
    """PNG of a field (y, x), row 0 the southernmost; large ones show the most rain of each square.

    Missing cells are grey, dry ones nearly white.
    """
    step = -(-max(rates_mm_h.shape) // _LARGEST)
    field = _most(rates_mm_h, step) if step > 1 else rates_mm_h
    lower = np.array([one.lower for one in breaks()], np.float32)
    codes = np.searchsorted(lower, field, side="right").astype(np.uint8)
    codes[np.isnan(field)] = len(lower) + 1
    palette = [_DRY, *(one.colour for one in breaks()), _MISSING]
    return indexed_png(codes[::-1], palette)


def indexed_png(codes: NDArray[np.uint8], palette: list[str]) -> bytes:
    """PNG (ISO/IEC 15948) of colours by number; row 0 is the uppermost."""
    height, width = codes.shape
    colours = b"".join(bytes.fromhex(c.removeprefix("#")) for c in palette)
    lines = np.concatenate([np.zeros((height, 1), np.uint8), codes], axis=1).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    body = (
        (b"IHDR", header),
        (b"PLTE", colours),
        (b"IDAT", zlib.compress(lines, 9)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, data) for name, data in body)


def data_uri(png: bytes) -> str:
    """Address that holds the picture itself."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")


def _chunk(name: bytes, data: bytes) -> bytes:
    check = zlib.crc32(name + data)
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", check)


def _most(field: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """Largest known value of squares of cells; NaN where none of them is known."""
    pad = [(0, -n % step) for n in field.shape]
    filled = np.pad(np.where(np.isnan(field), -1.0, field), pad, constant_values=-1.0)
    ny, nx = (n // step for n in filled.shape)
    found = filled.reshape(ny, step, nx, step).max(axis=(1, 3))
    return np.where(found < 0, np.nan, found).astype(np.float32)
