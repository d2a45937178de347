"""CINRAD standard-format base data ("RSTM"), conventional scanning radars.

CMA "Weather radar base data standard format": generic header 32 bytes, site 128, task 256, cuts
256 each, then radials of 64 bytes plus moments of 32 bytes plus data until the end of the file.
"""

from dataclasses import replace
from datetime import UTC, datetime
from math import cos, hypot, radians
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Moment, Sweep, Volume

MAGIC = b"RSTM"
CUTS_AT = 416
CUT_BYTES = 256
RADIAL_HEADER_BYTES = 64
MOMENT_HEADER_BYTES = 32
FIRST_VALID = 5
MAX_CUTS = 256
MAX_MOMENTS = 64
MAX_GATES = 8192
_PHASED_ARRAY = 16
_MAX_SPAN_S = 3600.0
_MAX_SITE_OFFSET_M = 2000.0

GENERIC = np.dtype(
    [("magic", "S4"), ("major", "<i2"), ("minor", "<i2"), ("generic_type", "<i4"),
     ("product_type", "<i4"), ("reserved", "V16")]
)  # fmt: skip
SITE = np.dtype(
    [("code", "S8"), ("name", "S32"), ("latitude", "<f4"), ("longitude", "<f4"),
     ("antenna_height", "<i4"), ("ground_height", "<i4"), ("frequency_mhz", "<f4"),
     ("beam_width_h", "<f4"), ("beam_width_v", "<f4"), ("rda_version", "<i4"),
     ("radar_type", "<i2"), ("reserved", "V54")]
)  # fmt: skip
TASK = np.dtype(
    [("name", "S32"), ("description", "S128"), ("polarization", "<i4"), ("scan_type", "<i4"),
     ("pulse_width", "<i4"), ("start_time", "<i4"), ("cut_number", "<i4"), ("noise", "<f4", 2),
     ("calibration", "<f4", 2), ("noise_temperature", "<f4", 2), ("zdr_calibration", "<f4"),
     ("phidp_calibration", "<f4"), ("ldr_calibration", "<f4"), ("reserved", "V40")]
)  # fmt: skip
CUT = np.dtype(
    {
        "names": ["process_mode", "wave_form", "prf", "dealiasing", "elevation", "start_angle",
                  "end_angle", "angular_resolution", "scan_speed", "log_resolution",
                  "doppler_resolution", "maximum_range", "start_range", "nyquist"],
        "formats": ["<i4", "<i4", ("<f4", 2), "<i4", "<f4", "<f4", "<f4", "<f4", "<f4", "<i4",
                    "<i4", ("<i4", 2), "<i4", "<f4"],
        "offsets": [0, 4, 8, 16, 24, 28, 32, 36, 40, 44, 48, 52, 60, 80],
        "itemsize": CUT_BYTES,
    }
)  # fmt: skip
RADIAL = np.dtype(
    [("state", "<i4"), ("spot_blank", "<i4"), ("sequence", "<i4"), ("radial_number", "<i4"),
     ("elevation_number", "<i4"), ("azimuth", "<f4"), ("elevation", "<f4"), ("seconds", "<i4"),
     ("microseconds", "<i4"), ("length", "<i4"), ("moments", "<i4"), ("reserved", "<i2"),
     ("noise_h", "<i2"), ("noise_v", "<i2"), ("zip_type", "u1"), ("reserved2", "V13")]
)  # fmt: skip
MOMENT = np.dtype(
    [("data_type", "<i4"), ("scale", "<i4"), ("offset", "<i4"), ("bin_length", "<i2"),
     ("flags", "<i2"), ("length", "<i4"), ("reserved", "V12")]
)  # fmt: skip
MOMENT_NAMES = {
    1: "DBTH", 2: "DBZH", 3: "VRADH", 4: "WRADH", 5: "SQIH", 6: "CPA", 7: "ZDR", 8: "LDR",
    9: "RHOHV", 10: "PHIDP", 11: "KDP", 12: "CP", 14: "HCL", 15: "CF", 16: "SNRH", 17: "SNRV",
    32: "DBZHC", 33: "VRADHC", 34: "WRADHC", 35: "ZDRC",
}  # fmt: skip
DOPPLER_TYPES = (3, 4, 33, 34)


def decode(
    data: bytes, source: str, sites: dict[str, RadarSite] | None, damage: tuple[str, ...]
) -> Volume:
    """Decode unpacked standard-format bytes; whole rays are kept, the rest is counted.

    Parameters
    ----------
    data, source
        Bytes, and the name for messages.
    sites
        Table to check the site against; None trusts the header's coordinates.
    damage
        What was wrong with the wrapping.

    Raises
    ------
    DataError
        Products, phased-array and compressed radials, unknown sites, and files without a ray.
    """
    site, task, cuts = _headers(data, source, sites)
    buffer = np.frombuffer(data, np.uint8)
    start = CUTS_AT + CUT_BYTES * len(cuts)
    offsets, dropped = _index(buffer, start, len(cuts), int(task["start_time"]))
    headers = _records(data, offsets, RADIAL)
    if len(offsets) == 0:
        raise DataError(source, "; ".join(("no whole radial in it", *damage)))
    if (headers["zip_type"] == 1).any():
        raise DataError(source, "its radials are LZO-compressed, which is not supported")
    problems = damage
    if dropped:
        problems += (f"{dropped} bytes belong to no whole radial",)
    if headers["state"][-1] not in (4, 6):
        problems += ("it ends before the end of the volume",)
    times = headers["seconds"] + headers["microseconds"] / 1e6
    return Volume(
        site=site,
        time=datetime.fromtimestamp(float(times[0]), UTC),
        end_time=datetime.fromtimestamp(float(times[-1]), UTC),
        sweeps=_sweeps(buffer, offsets, headers, cuts),
        source=source,
        format_name="CINRAD standard",
        task=_text(task["name"]),
        dropped_bytes=int(dropped),
        damage=problems,
    )


def _headers(
    data: bytes, source: str, sites: dict[str, RadarSite] | None
) -> tuple[RadarSite, np.void, NDArray[Any]]:
    """Read and check the common block: site, task, cuts."""
    if len(data) < CUTS_AT:
        raise DataError(source, f"cut inside the header: {len(data)} of {CUTS_AT} bytes")
    generic = np.frombuffer(data, GENERIC, 1)[0]
    if generic["generic_type"] == 2:
        raise DataError(source, "a radar product, not base data")
    if generic["generic_type"] == _PHASED_ARRAY:
        raise DataError(source, "phased-array base data, which this version cannot read yet")
    if generic["generic_type"] != 1:
        raise DataError(source, f"unknown generic type {generic['generic_type']}")
    task = np.frombuffer(data, TASK, 1, offset=160)[0]
    n_cuts = int(task["cut_number"])
    if not 1 <= n_cuts <= MAX_CUTS:
        raise DataError(source, f"header names {n_cuts} cuts; 1 to {MAX_CUTS} can be")
    if len(data) < CUTS_AT + CUT_BYTES * n_cuts:
        raise DataError(source, "cut inside the table of cuts")
    header = np.frombuffer(data, SITE, 1, offset=32)[0]
    return _site(header, source, sites), task, np.frombuffer(data, CUT, n_cuts, offset=CUTS_AT)


def _site(header: np.void, source: str, sites: dict[str, RadarSite] | None) -> RadarSite:
    """Site from the table where there is one; the header must agree to 2 km."""
    code = _text(header["code"])
    latitude, longitude = float(header["latitude"]), float(header["longitude"])
    if sites is None:
        if not (abs(latitude) <= 90 and abs(longitude) <= 180 and (latitude or longitude)):
            raise DataError(
                source, f"site {code}: {latitude}, {longitude} in the header is no place"
            )
        frequency = float(header["frequency_mhz"])
        band = "S" if frequency < 4000 else "C" if frequency < 8000 else "X"
        name = _text(header["name"])
        height = float(header["antenna_height"])
        beam = float(header["beam_width_h"])
        beam = beam if 0.1 <= beam <= 5 else 1.0
        return RadarSite(code, name, name, latitude, longitude, height, band, beam)
    if code not in sites:
        raise DataError(source, f"unknown site {code!r}: it is not in the table of radar sites")
    known = sites[code]
    off = 111_200 * hypot(
        latitude - known.latitude,
        (longitude - known.longitude) * cos(radians(known.latitude)),
    )
    if not off <= _MAX_SITE_OFFSET_M:
        cause = f"site {code}: header says {latitude:.4f}, {longitude:.4f}, {off / 1000:.0f} km off"
        raise DataError(source, f"{cause} the site table")
    return replace(known)


def _text(raw: bytes) -> str:
    return raw.split(b"\0")[0].decode("gbk", errors="ignore").strip()


def _records(data: bytes, offsets: NDArray[np.int64], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Gather equally typed records from scattered offsets."""
    buffer = np.frombuffer(data, np.uint8)
    rows = buffer[offsets[:, None] + np.arange(dtype.itemsize)]
    return np.ascontiguousarray(rows).view(dtype)[:, 0]


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
def _degrees(buffer: NDArray[np.uint8], at: int) -> float:
    return float(buffer[at : at + 4].copy().view(np.float32)[0])


@numba.njit(cache=True)
def _radial_bytes(buffer: NDArray[np.uint8], at: int, n_cuts: int, start_s: int) -> int:
    """Size of the whole, plausible radial at this offset; 0 where there is none."""
    if at + 64 > len(buffer) or not 0 <= _i32(buffer, at) <= 6:
        return 0
    if not 1 <= _i32(buffer, at + 16) <= n_cuts or not 0 <= _i32(buffer, at + 4) <= 1:
        return 0
    moments, length = _i32(buffer, at + 40), _i32(buffer, at + 36)
    if not 1 <= moments <= 64 or not 32 * moments <= length <= 64 * (32 + 2 * 8192):
        return 0
    if at + 64 + length > len(buffer) or abs(_i32(buffer, at + 28) - start_s) > 3600:
        return 0
    if not 0 <= _i32(buffer, at + 32) < 1_000_000:
        return 0
    azimuth, elevation = _degrees(buffer, at + 20), _degrees(buffer, at + 24)
    if not -0.01 <= azimuth <= 360.01 or not -10.0 <= elevation <= 360.0:
        return 0
    inner = at + 64
    for _ in range(moments):
        if inner + 32 > at + 64 + length or not 1 <= _i32(buffer, inner) <= 64:
            return 0
        bin_length = np.int64(buffer[inner + 12]) | np.int64(buffer[inner + 13]) << 8
        size = _i32(buffer, inner + 16)
        if (bin_length != 1 and bin_length != 2) or size < 0 or size > bin_length * 8192:
            return 0
        if _i32(buffer, inner + 4) == 0:
            return 0
        inner += 32 + size
    return 64 + length if inner == at + 64 + length else 0


@numba.njit(cache=True)
def _index(
    buffer: NDArray[np.uint8], start: int, n_cuts: int, start_s: int
) -> tuple[NDArray[np.int64], int]:
    """Offsets of all whole, plausible radials, and how many bytes belong to none."""
    found = np.empty(max((len(buffer) - start) // 96, 0) + 1, np.int64)
    n, dropped = 0, 0
    at = start
    while at < len(buffer):
        size = _radial_bytes(buffer, at, n_cuts, start_s)
        if size > 0:
            found[n] = at
            n += 1
            at += size
        else:
            at += 1
            dropped += 1
    return found[:n], dropped


def _sweeps(
    buffer: NDArray[np.uint8],
    offsets: NDArray[np.int64],
    headers: NDArray[Any],
    cuts: NDArray[Any],
) -> tuple[Sweep, ...]:
    sweeps = []
    for number in np.unique(headers["elevation_number"]):
        rows = np.flatnonzero(headers["elevation_number"] == number)
        cut, mine = cuts[number - 1], headers[rows]
        elevation = np.where(mine["elevation"] > 180, mine["elevation"] - 360, mine["elevation"])
        sweeps.append(
            Sweep(
                elevation_deg=round(float(cut["elevation"]), 2),
                azimuth_deg=mine["azimuth"].astype(np.float32),
                ray_elevation_deg=elevation.astype(np.float32),
                time_s=mine["seconds"] + mine["microseconds"] / 1e6,
                nyquist_m_s=float(cut["nyquist"]),
                moments=_moments(buffer, offsets[rows], cut),
            )
        )
    return tuple(sweeps)


def _moments(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], cut: np.void
) -> dict[str, Moment]:
    """Gather each data type of a cut; rays that lack it, or scale it otherwise, are not scanned."""
    table = _moment_table(buffer, offsets)
    moments = {}
    for data_type, name in MOMENT_NAMES.items():
        mine = table[table["data_type"] == data_type]
        if len(mine) == 0:
            continue
        first = mine[0]
        same = mine[
            (mine["scale"] == first["scale"])
            & (mine["offset"] == first["offset"])
            & (mine["bin_length"] == first["bin_length"])
        ]
        width = int(first["bin_length"])
        gates = int(same["length"].max()) // width
        codes = _gather(
            buffer, same["ray"], same["at"], same["length"] // width, len(offsets), gates, width
        )
        resolution = cut["doppler_resolution" if data_type in DOPPLER_TYPES else "log_resolution"]
        gate_m = float(resolution)
        if gate_m > 32768:  # hundredths of a metre
            gate_m = (gate_m - 32768) / 100
        moments[name] = Moment(
            codes=codes if width == 2 else codes.astype(np.uint8),
            scale=float(first["scale"]),
            offset=float(first["offset"]),
            first_valid=FIRST_VALID,
            gate_m=gate_m,
            first_gate_m=float(cut["start_range"]) + gate_m / 2,
        )
    return moments


_TABLE = np.dtype(
    [("ray", "i8"), ("at", "i8"), ("data_type", "i8"), ("scale", "i8"), ("offset", "i8"),
     ("bin_length", "i8"), ("length", "i8")]
)  # fmt: skip


def _moment_table(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[Any]:
    rows = _walk_moments(buffer, offsets)
    return np.ascontiguousarray(rows).view(_TABLE)[:, 0]


@numba.njit(cache=True)
def _walk_moments(buffer: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """List every moment of the rays: ray, offset of its data, and its header."""
    total = 0
    for at in offsets:
        total += _i32(buffer, at + 40)
    rows = np.empty((total, 7), np.int64)
    n = 0
    for ray in range(len(offsets)):
        inner = offsets[ray] + 64
        for _ in range(_i32(buffer, offsets[ray] + 40)):
            rows[n, 0], rows[n, 1] = ray, inner + 32
            rows[n, 2], rows[n, 3] = _i32(buffer, inner), _i32(buffer, inner + 4)
            rows[n, 4] = _i32(buffer, inner + 8)
            rows[n, 5] = np.int64(buffer[inner + 12]) | np.int64(buffer[inner + 13]) << 8
            rows[n, 6] = _i32(buffer, inner + 16)
            inner += 32 + rows[n, 6]
            n += 1
    return rows


@numba.njit(cache=True)
def _gather(
    buffer: NDArray[np.uint8],
    rays: NDArray[np.int64],
    at: NDArray[np.int64],
    gates: NDArray[np.int64],
    n_rays: int,
    n_gates: int,
    width: int,
) -> NDArray[np.uint16]:
    """Copy gate codes into (ray, gate); what no ray holds has the code 2, not scanned."""
    codes = np.full((n_rays, n_gates), 2, np.uint16)
    for row in range(len(rays)):
        start = at[row]
        for gate in range(gates[row]):
            if width == 1:
                codes[rays[row], gate] = buffer[start + gate]
            else:
                low, high = buffer[start + 2 * gate], buffer[start + 2 * gate + 1]
                codes[rays[row], gate] = np.uint16(low) | np.uint16(high) << 8
    return codes
