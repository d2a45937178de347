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
from jinghu.radar.radials import Found, following, missing, refuse_if_scattered, scarred, succeeded
from jinghu.radar.rows import copied, records, rows
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Moment, Sweep, Volume

RADIAL_BYTES = 2432
HEADER_BYTES = 128
DATA_BASE = 28  # pointers count from here
MAX_REF_GATES = 460
MAX_DOP_GATES = 920
FIRST_VALID = 2  # 0 below threshold, 1 range folded
SECONDS_PER_DAY = 86400
_MAX_SPAN_S = 1800.0
_VOLUME_END = 4
_FIELDS_WRONG = 2  # of fifteen: a header with so few faults is still known as one
_SPEED_OF_LIGHT_M_S = 299_792_458.0

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
        "itemsize": HEADER_BYTES,
    }
)  # fmt: skip
_LAYOUT = ("first_ref_m", "first_dop_m", "ref_gate_m", "dop_gate_m", "ref_gates", "dop_gates",
           "ref_pointer", "vel_pointer", "width_pointer", "vel_resolution", "nyquist",
           "unambiguous_range")  # fmt: skip
ANGLE_DEG = 180.0 / 4096 / 8
_LIVE_BYTES = (16, 17, 20, 21, 22, 23, 28, 29, 30, 36, 37, 38, 40, 42, 43, 82, *range(84, 91))
# Bytes of a header that do not change from radial to radial: they do so between sweeps at most.
FIXED_BYTES = np.setdiff1d(np.arange(HEADER_BYTES), _LIVE_BYTES)


def looks_like(data: bytes | bytearray) -> bool:
    """Whether the first bytes are a plausible legacy radial."""
    buffer = np.frombuffer(data[:RADIAL_BYTES], np.uint8)
    return len(buffer) == RADIAL_BYTES and bool(_faults(buffer, 0, 0) == 0)


def decode(
    data: bytes | bytearray, source: str, site: RadarSite, damage: tuple[str, ...]
) -> Volume:
    """Decode unpacked legacy bytes; whole, plausible radials are kept, the rest is counted.

    A radial is whole where what follows it is the header of its successor, be it scarred, or the
    end of the data. What else must agree: `jinghu.radar.radials`.

    Raises
    ------
    DataError
        Where there is no whole radial, or so many are damaged that none can be trusted.
    """
    buffer = np.frombuffer(data, np.uint8)
    found, scars, _ = _index(buffer, 0, False)
    if len(found) == 0:
        raise DataError(source, "; ".join(("no whole radial in it", *damage)))
    offsets = _trusted(buffer, found, int(scars), source)
    headers = _headers(buffer, offsets)
    times = _times(headers)
    problems = damage
    if len(offsets) < len(found):
        problems += (f"{len(found) - len(offsets)} radials do not fit the others",)
    dropped = len(data) - len(offsets) * RADIAL_BYTES
    if dropped:
        problems += (f"{dropped} bytes belong to no whole radial",)
    problems += missing(
        headers["elevation_number"].astype(np.int64),
        headers["radial_number"].astype(np.int64),
        headers["state"].astype(np.int64),
    )
    sweeps = _sweeps(buffer, offsets, headers, times)
    if headers["state"][-1] != _VOLUME_END:
        problems += (f"it ends in sweep {len(sweeps)}, before the end of the volume",)
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
def _faults(buffer: NDArray[np.uint8], at: int, most: int) -> int:
    """Count the fields of a radial header that cannot be, up to some more than ``most``."""
    faults = 0
    faults += _u16(buffer, at + 14) != 1
    faults += _u16(buffer, at + 40) > 4
    faults += not 1 <= _u16(buffer, at + 44) <= 32
    faults += not 1 <= _u16(buffer, at + 38) <= 1000
    if faults > most:
        return faults
    ref_gates, dop_gates = _u16(buffer, at + 54), _u16(buffer, at + 56)
    faults += ref_gates > MAX_REF_GATES
    faults += dop_gates > MAX_DOP_GATES
    faults += ref_gates + dop_gates == 0
    faults += not 100 <= _u16(buffer, at + 50) <= 4000
    faults += not 100 <= _u16(buffer, at + 52) <= 4000
    faults += _u16(buffer, at + 70) not in (2, 4)
    faults += _u16(buffer, at + 30) * 65536 > 86_400_000
    faults += _u16(buffer, at + 32) <= 7000  # after 1989
    limit = RADIAL_BYTES - DATA_BASE
    for pointer_at, gates in ((64, ref_gates), (66, dop_gates), (68, dop_gates)):
        pointer = _u16(buffer, at + pointer_at)
        faults += gates > 0 and not (pointer >= 72 and pointer + gates <= limit)
    return faults


@numba.njit(cache=True)
def _goes_on(buffer: NDArray[np.uint8], at: int) -> bool:
    """Whether a radial header, whole, scarred or cut by the end of the data, begins here."""
    left = len(buffer) - at
    if left >= HEADER_BYTES:
        return bool(_faults(buffer, at, _FIELDS_WRONG) <= _FIELDS_WRONG)
    return bool(left < 16 or _u16(buffer, at + 14) == 1)


@numba.njit(cache=True)
def _index(
    buffer: NDArray[np.uint8], start: int, growing: bool
) -> tuple[NDArray[np.int64], int, int]:
    """Offsets of all whole, plausible radials, number of scarred headers, end of the search.

    In ``growing`` data it ends where bytes still to come decide.
    """
    found = np.empty((len(buffer) - start) // RADIAL_BYTES, np.int64)
    n, scars = 0, 0
    at, expected = start, True
    while at + RADIAL_BYTES <= len(buffer):
        faults = _faults(buffer, at, _FIELDS_WRONG)
        last = _u16(buffer, at + 40) == _VOLUME_END
        if growing and not last and at + RADIAL_BYTES + HEADER_BYTES > len(buffer):
            break
        if faults == 0 and (last or _goes_on(buffer, at + RADIAL_BYTES)):
            found[n] = at
            n += 1
            at += RADIAL_BYTES
            expected = True
            continue
        scars += expected and 0 < faults <= _FIELDS_WRONG
        at += 1
        expected = False
    return found[:n].copy(), scars, at


def find_more(buffer: NDArray[np.uint8], start: int) -> Found:
    """Find the radials from ``start`` on that bytes still to come cannot change."""
    at, _, searched = _index(buffer, start, True)
    at = at[succeeded(buffer, _headers(buffer, at), at + RADIAL_BYTES)]
    headers = _headers(buffer, at)
    return Found(
        at=at,
        end=at + RADIAL_BYTES,
        cut=headers["elevation_number"].astype(np.int64),
        state=headers["state"].astype(np.int64),
        searched=int(searched),
    )


def _headers(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[Any]:
    return records(buffer, offsets, HEADER)


def _trusted(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], scars: int, source: str
) -> NDArray[np.int64]:
    """Leave out radials whose headers are changed or contradict the others."""
    changed = scarred(copied(buffer, offsets, HEADER_BYTES)[:, FIXED_BYTES])
    refuse_if_scattered(scars + int(changed.sum()), len(offsets) + scars, source)
    whole = succeeded(buffer, _headers(buffer, offsets), offsets + RADIAL_BYTES)
    kept = offsets[~changed & whole]
    headers = _headers(buffer, kept)
    times = _times(headers)
    fits = (np.abs(times - np.median(times)) < _MAX_SPAN_S) & _like_their_sweep(headers)
    kept, headers, times = kept[fits], headers[fits], times[fits]
    chained = following(
        headers["elevation_number"].astype(np.int64),
        headers["radial_number"].astype(np.int64),
        (headers["azimuth"] * ANGLE_DEG).astype(np.float32),
        times,
    )
    if not chained.any():
        raise DataError(source, "none of its radials fits the others")
    return np.asarray(kept[chained])


def _like_their_sweep(headers: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark radials at the elevation and with the layout of their sweep."""
    fits = np.ones(len(headers), bool)
    elevation = _elevation(headers)
    for number in np.unique(headers["elevation_number"]):
        inside = headers["elevation_number"] == number
        fits[inside] &= np.abs(elevation[inside] - np.median(elevation[inside])) < 1.0
        fits[inside] &= _commonest(headers[list(_LAYOUT)][inside])
    return fits


def _commonest(layout: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark the records that are equal to the commonest one; sorting them all is slow."""
    same = np.asarray(layout == layout[len(layout) // 2])
    if 2 * same.sum() > len(layout):
        return same
    _, which, count = np.unique(layout, return_inverse=True, return_counts=True)
    return np.asarray(which == count.argmax())


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
        mine = np.flatnonzero(headers["elevation_number"] == number)
        first = headers[mine[0]]
        sweeps.append(
            Sweep(
                elevation_deg=round(float(np.median(elevation[mine])), 2),
                azimuth_deg=(headers["azimuth"][mine] * ANGLE_DEG).astype(np.float32),
                ray_elevation_deg=elevation[mine],
                time_s=times[mine],
                nyquist_m_s=float(first["nyquist"]) / 100,
                moments=_moments(buffer, offsets[mine], first),
                prf_hz=_prf_hz(int(first["unambiguous_range"])),
            )
        )
    return tuple(sweeps)


def _prf_hz(unambiguous_range_100m: int) -> float:
    """Pulse repetition frequency from the unambiguous range, 0 where there is none."""
    if unambiguous_range_100m == 0:
        return 0.0
    return _SPEED_OF_LIGHT_M_S / (2 * 100.0 * unambiguous_range_100m)


def unambiguous_range(prf_hz: float) -> int:
    """Unambiguous range in units of 100 m, 0 where the pulse repetition frequency is unknown."""
    return round(_SPEED_OF_LIGHT_M_S / (2 * prf_hz) / 100) if prf_hz > 0 else 0


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
        moments[name] = Moment(
            codes=rows(buffer, offsets + DATA_BASE + int(first[pointer]), n),
            scale=scale,
            offset=offset,
            first_valid=FIRST_VALID,
            gate_m=float(first[gate_m]),
            first_gate_m=float(first[first_m]),
        )
    return moments
