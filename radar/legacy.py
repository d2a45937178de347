"""Legacy CINRAD SA/SB base data: radials of 2,432 bytes.

CMA "Base data format of the new generation weather radar (SA/SB)"; the radial descends from
NEXRAD message 1. All integers are little-endian; bytes 0-27 are the message header.
"""

from datetime import UTC, datetime
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Moment, Sweep, Volume

RADIAL_BYTES = 2432
DATA_BASE = 28  # pointers count from here
MAX_REF_GATES = 460
MAX_DOP_GATES = 920
FIRST_VALID = 2  # 0 below threshold, 1 range folded
SECONDS_PER_DAY = 86400
_MAX_SPAN_S = 1800.0

HEADER = np.dtype(
    {
        "names": [
            "radar_status", "milliseconds", "julian_day", "unambiguous_range", "azimuth",
            "radial_number", "state", "elevation", "elevation_number", "first_ref_m",
            "first_dop_m", "ref_gate_m", "dop_gate_m", "ref_gates", "dop_gates", "sector",
            "calibration", "ref_pointer", "vel_pointer", "width_pointer", "vel_resolution",
            "vcp", "nyquist",
        ],
        "formats": [
            "<u2", "<u4", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2", "<i2", "<i2",
            "<u2", "<u2", "<u2", "<u2", "<u2", "<f4", "<u2", "<u2", "<u2", "<u2", "<u2", "<u2",
        ],
        "offsets": [
            14, 28, 32, 34, 36, 38, 40, 42, 44, 46, 48, 50, 52, 54, 56, 58, 60, 64, 66, 68, 70,
            72, 88,
        ],
        "itemsize": RADIAL_BYTES,
    }
)  # fmt: skip
ANGLE_DEG = 180.0 / 4096 / 8


def looks_like(data: bytes) -> bool:
    """Whether the first bytes are a plausible legacy radial."""
    buffer = np.frombuffer(data[:RADIAL_BYTES], np.uint8)
    return len(buffer) == RADIAL_BYTES and bool(_plausible(buffer, 0))


def decode(data: bytes, source: str, site: RadarSite, damage: tuple[str, ...]) -> Volume:
    """Decode unpacked legacy bytes; whole, plausible radials are kept, the rest is counted.

    Raises
    ------
    DataError
        Where there is no whole radial, or so many are damaged that none can be trusted.
    """
    buffer = np.frombuffer(data, np.uint8)
    offsets = _index(buffer)
    if len(offsets) == 0:
        raise DataError(source, "; ".join(("no whole radial in it", *damage)))
    headers = (
        np.concatenate([np.frombuffer(data, HEADER, count=1, offset=int(o)) for o in offsets])
        if len(offsets) * RADIAL_BYTES != len(data)
        else np.frombuffer(data, HEADER)
    )
    keep, why = _consistent(headers)
    implausible = len(data) // RADIAL_BYTES - int(keep.sum())
    if implausible > 0.05 * max(len(offsets), 1) + 1:
        cause = (
            f"damaged throughout: {implausible} of {len(data) // RADIAL_BYTES} radials have"
            " implausible headers, and the format has no checksum for the others"
        )
        raise DataError(source, cause)
    offsets, headers = offsets[keep], headers[keep]
    times = _times(headers)
    sweeps = _sweeps(buffer, offsets, headers, times)
    dropped = len(data) - len(offsets) * RADIAL_BYTES
    problems = damage + why
    if dropped and not problems:
        problems = (f"{dropped} bytes belong to no whole radial",)
    if headers["state"][-1] not in (2, 4) or headers["state"][-1] != 4:
        problems += (f"ends in sweep {len(sweeps)}, before the end of the volume",)
    return Volume(
        site=site,
        time=datetime.fromtimestamp(float(times[0]), UTC),
        end_time=datetime.fromtimestamp(float(times[-1]), UTC),
        sweeps=sweeps,
        source=source,
        format_name="CINRAD legacy",
        task=f"VCP{headers['vcp'][0]}",
        dropped_bytes=dropped,
        damage=problems,
    )


@numba.njit(cache=True)
def _u16(buffer: NDArray[np.uint8], at: int) -> int:
    return int(buffer[at]) | int(buffer[at + 1]) << 8


@numba.njit(cache=True)
def _plausible(buffer: NDArray[np.uint8], at: int) -> bool:
    """Check every field of a radial header that has a known range."""
    if _u16(buffer, at + 14) != 1 or _u16(buffer, at + 40) > 4:
        return False
    if not 1 <= _u16(buffer, at + 44) <= 32 or not 1 <= _u16(buffer, at + 38) <= 1000:
        return False
    ref_gates, dop_gates = _u16(buffer, at + 54), _u16(buffer, at + 56)
    if ref_gates > MAX_REF_GATES or dop_gates > MAX_DOP_GATES or ref_gates + dop_gates == 0:
        return False
    if not 100 <= _u16(buffer, at + 50) <= 4000 or not 100 <= _u16(buffer, at + 52) <= 4000:
        return False
    if _u16(buffer, at + 70) not in (2, 4) or _u16(buffer, at + 28 + 2) * 65536 > 86_400_000:
        return False
    limit = RADIAL_BYTES - DATA_BASE
    for pointer_at, gates in ((64, ref_gates), (66, dop_gates), (68, dop_gates)):
        pointer = _u16(buffer, at + pointer_at)
        if gates > 0 and not (pointer >= 72 and pointer + gates <= limit):
            return False
    return _u16(buffer, at + 32) > 7000  # after 1989


@numba.njit(cache=True)
def _index(buffer: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Offsets of all whole, plausible radials; after damage the next one is searched."""
    found = np.empty(len(buffer) // RADIAL_BYTES, np.int64)
    n = 0
    at = 0
    while at + RADIAL_BYTES <= len(buffer):
        if _plausible(buffer, at):
            found[n] = at
            n += 1
            at += RADIAL_BYTES
        else:
            at = _resync(buffer, at)
    return found[:n]


@numba.njit(cache=True)
def _resync(buffer: NDArray[np.uint8], at: int) -> int:
    """Offset of the next plausible radial: the next in step if it is one, else searched for."""
    step = at + RADIAL_BYTES
    if step + RADIAL_BYTES <= len(buffer) and _plausible(buffer, step):
        return step
    at += 1
    while at + RADIAL_BYTES <= len(buffer):
        if buffer[at + 14] == 1 and buffer[at + 15] == 0 and _plausible(buffer, at):
            return at
        at += 1
    return at


def _consistent(headers: NDArray[Any]) -> tuple[NDArray[np.bool_], tuple[str, ...]]:
    """Mark radials that fit their neighbours in time and their sweep in shape."""
    times = _times(headers)
    keep = np.abs(times - np.median(times)) < _MAX_SPAN_S
    for number in np.unique(headers["elevation_number"]):
        inside = headers["elevation_number"] == number
        elevation = _elevation(headers)
        keep &= ~inside | (np.abs(elevation - np.median(elevation[inside])) < 1.0)
        for name in ("ref_gates", "dop_gates", "ref_pointer", "vel_pointer", "ref_gate_m"):
            values = headers[name][inside].astype(np.int64)
            keep[inside] &= values == np.bincount(values).argmax()
    bad = int((~keep).sum())
    return keep, ((f"{bad} radials do not fit their sweep",) if bad else ())


def _times(headers: NDArray[Any]) -> NDArray[np.float64]:
    days = headers["julian_day"].astype(np.float64) - 1
    return np.asarray(days * SECONDS_PER_DAY + headers["milliseconds"] / 1000.0, np.float64)


def _elevation(headers: NDArray[Any]) -> NDArray[np.float32]:
    angle = headers["elevation"] * np.float32(ANGLE_DEG)
    return np.where(angle > 180, angle - 360, angle).astype(np.float32)


def _sweeps(
    buffer: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    headers: NDArray[Any],
    times: NDArray[np.float64],
) -> tuple[Sweep, ...]:
    sweeps = []
    elevation = _elevation(headers)
    for number in np.unique(headers["elevation_number"]):
        rows = np.flatnonzero(headers["elevation_number"] == number)
        first = headers[rows[0]]
        sweeps.append(
            Sweep(
                elevation_deg=round(float(np.median(elevation[rows])), 2),
                azimuth_deg=(headers["azimuth"][rows] * ANGLE_DEG).astype(np.float32),
                ray_elevation_deg=elevation[rows],
                time_s=times[rows],
                nyquist_m_s=float(first["nyquist"]) / 100,
                moments=_moments(buffer, offsets[rows], first),
            )
        )
    return tuple(sweeps)


def _moments(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], first: np.void
) -> dict[str, Moment]:
    velocity_scale = 2.0 if first["vel_resolution"] == 2 else 1.0
    layout = (
        ("DBZH", "ref_pointer", "ref_gates", 2.0, 66.0, "ref_gate_m", "first_ref_m"),
        ("VRADH", "vel_pointer", "dop_gates", velocity_scale, 129.0, "dop_gate_m", "first_dop_m"),
        ("WRADH", "width_pointer", "dop_gates", 2.0, 129.0, "dop_gate_m", "first_dop_m"),
    )
    moments = {}
    for name, pointer, gates, scale, offset, gate_m, first_m in layout:
        n = int(first[gates])
        if n == 0 or int(first[pointer]) == 0:
            continue
        columns = DATA_BASE + int(first[pointer]) + np.arange(n)
        moments[name] = Moment(
            codes=buffer[offsets[:, None] + columns],
            scale=scale,
            offset=offset,
            first_valid=FIRST_VALID,
            gate_m=float(first[gate_m]),
            first_gate_m=float(first[first_m]),
        )
    return moments
