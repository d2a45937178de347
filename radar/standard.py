"""CINRAD standard-format base data: from bytes to a volume. Layout: `standard_layout`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from math import cos, hypot, radians
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar import standard_index
from jinghu.radar.radials import following, missing, refuse_if_scattered, scarred
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_index import FIXED_RADIAL_BYTES, Index, gather, moment_table, records
from jinghu.radar.standard_layout import (
    CUT,
    CUT_BYTES,
    CUTS_AT,
    DOPPLER_TYPES,
    FIRST_VALID,
    FOLDED_RESOLUTION,
    GENERIC,
    MAX_CUTS,
    MOMENT_NAMES,
    RADIAL,
    RADIAL_HEADER_BYTES,
    SITE,
    TASK,
)
from jinghu.radar.volume import Moment, Sweep, Volume

_PHASED_ARRAY = 16
_MAX_SITE_OFFSET_M = 2000.0
_MAX_RAYS = 4096  # of a cut
_MAX_GATE_M = 5000.0
_MAX_FIRST_GATE_M = 50_000.0
_OFF_CUT_DEG = 1.0
_RARE = 0.1  # radials of a cut that scale their moments unlike the others: damage, not a format
_HEIGHT_SCANS = (2, 5)  # scan types: RHI, several RHI


@dataclass(frozen=True, slots=True)
class _Radials:
    """Radials that can be trusted, as far as headers tell, and what was wrong with others."""

    offsets: NDArray[np.int64]
    headers: NDArray[Any]
    problems: tuple[str, ...]


def decode(
    data: bytes, source: str, sites: Mapping[str, RadarSite] | None, damage: tuple[str, ...]
) -> Volume:
    """Decode unpacked standard-format bytes; whole rays are kept, the rest is counted.

    What makes a ray whole: `standard_index.index` and `radials`.

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
        Products, phased-array and compressed radials, unknown sites, files without a ray, and
        files that are damaged throughout.
    """
    site, task, cuts = _headers(data, source, sites)
    buffer = np.frombuffer(data, np.uint8)
    start = CUTS_AT + CUT_BYTES * len(cuts)
    found = _find(buffer, start, len(cuts), task, (source, damage))
    radials = _trusted(data, found, int(task["scan_type"]) in _HEIGHT_SCANS, source)
    headers = radials.headers
    sizes = RADIAL_HEADER_BYTES + headers["length"].astype(np.int64)
    dropped = len(data) - start - int(sizes.sum())
    sweeps, lies = _sweeps(buffer, radials, cuts, source)
    problems = damage + radials.problems + lies
    problems += missing(
        headers["elevation_number"].astype(np.int64),
        headers["radial_number"].astype(np.int64),
        headers["state"].astype(np.int64),
    )
    if dropped:
        problems += (f"{dropped} bytes belong to no whole radial",)
    if headers["state"][-1] not in (4, 6):
        problems += ("it ends before the end of the volume",)
    times = _times(headers)
    return Volume(
        site=site,
        time=datetime.fromtimestamp(float(times[0]), UTC),
        end_time=datetime.fromtimestamp(float(times[-1]), UTC),
        sweeps=sweeps,
        source=source,
        format_name="CINRAD standard",
        task=_text(task["name"]),
        dropped_bytes=dropped,
        damage=problems,
    )


def _headers(
    data: bytes, source: str, sites: Mapping[str, RadarSite] | None
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


def _site(header: np.void, source: str, sites: Mapping[str, RadarSite] | None) -> RadarSite:
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
        if not -500 <= height <= 9000:
            raise DataError(source, f"site {code}: an antenna at {height:.0f} m cannot be")
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


def _find(
    buffer: NDArray[np.uint8],
    start: int,
    n_cuts: int,
    task: np.void,
    name: tuple[str, tuple[str, ...]],
) -> Index:
    """Find the radials near the start time of the task, or near that of the first radial.

    Some stations write no start time, or a local one.
    """
    source, damage = name
    found = standard_index.index(buffer, start, n_cuts, int(task["start_time"]))
    if len(found.offsets) == 0 and start + RADIAL_HEADER_BYTES <= len(buffer):
        first = buffer[start : start + RADIAL_HEADER_BYTES].view(RADIAL)[0]
        found = standard_index.index(buffer, start, n_cuts, int(first["seconds"]))
    if len(found.offsets) == 0:
        cause = (
            "its radials are LZO-compressed, which is not supported"
            if found.compressed
            else "no whole radial in it"
        )
        raise DataError(source, "; ".join((cause, *damage)))
    return found


def _trusted(data: bytes, found: Index, height_scan: bool, source: str) -> _Radials:
    """Leave out radials whose headers are changed or contradict the others."""
    offsets = found.offsets
    buffer = np.frombuffer(data, np.uint8)
    headers = records(data, offsets, RADIAL)
    changed = scarred(buffer[offsets[:, None] + np.array(FIXED_RADIAL_BYTES)])
    changed |= _odd_moments(buffer, offsets, headers["elevation_number"])
    refuse_if_scattered(found.scarred + int(changed.sum()), len(offsets) + found.scarred, source)
    kept = np.flatnonzero(~changed)
    fits = following(
        headers["elevation_number"][kept].astype(np.int64),
        headers["radial_number"][kept].astype(np.int64),
        headers["azimuth"][kept],
        _times(headers[kept]),
    )
    kept = kept[fits]
    if not height_scan:
        kept = kept[_on_cut(headers[kept])]
    if len(kept) == 0:
        raise DataError(source, "none of its radials fits the others")
    problems: tuple[str, ...] = ()
    if len(kept) < len(offsets):
        problems = (f"{len(offsets) - len(kept)} radials do not fit the others",)
    if found.compressed:
        problems += (f"{found.compressed} radials are LZO-compressed, which is not supported",)
    return _Radials(offsets[kept], headers[kept], problems)


def _odd_moments(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], cut: NDArray[np.int32]
) -> NDArray[np.bool_]:
    """Mark radials whose moment headers are unlike those of nearly all others of their cut."""
    table = moment_table(buffer, offsets)
    place = np.arange(len(table)) - np.searchsorted(table["ray"], table["ray"])
    signature = np.zeros(len(offsets), np.int64)
    np.bitwise_xor.at(signature, table["ray"], table["signature"] * (2 * place + 1))
    odd = np.zeros(len(offsets), bool)
    for number in np.unique(cut):
        rows = np.flatnonzero(cut == number)
        values, which, count = np.unique(signature[rows], return_inverse=True, return_counts=True)
        if len(values) > 1:
            single = (count == 1) & (count.max() >= 3)
            odd[rows] = ((count / len(rows) < _RARE) | single)[which]
    return odd


def _on_cut(headers: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark radials at the elevation of their cut."""
    fits = np.ones(len(headers), bool)
    elevation = _elevation(headers)
    for number in np.unique(headers["elevation_number"]):
        inside = headers["elevation_number"] == number
        off = np.abs(elevation[inside] - np.median(elevation[inside]))
        fits[inside] = off <= _OFF_CUT_DEG
    return fits


def _elevation(headers: NDArray[Any]) -> NDArray[np.float32]:
    raw = headers["elevation"]
    return np.where(raw > 180, raw - 360, raw).astype(np.float32)


def _times(headers: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(headers["seconds"] + headers["microseconds"] / 1e6, np.float64)


def _sweeps(
    buffer: NDArray[np.uint8], radials: _Radials, cuts: NDArray[Any], source: str
) -> tuple[tuple[Sweep, ...], tuple[str, ...]]:
    """Sweeps, and what the table of cuts says that the radials contradict."""
    sweeps, lies = [], []
    for number in np.unique(radials.headers["elevation_number"]):
        rows = np.flatnonzero(radials.headers["elevation_number"] == number)
        if len(rows) > _MAX_RAYS:
            raise DataError(source, f"cut {number} has {len(rows)} radials")
        cut, mine = cuts[number - 1], radials.headers[rows]
        elevation = _elevation(mine)
        fixed, seen = float(cut["elevation"]), float(np.median(elevation))
        if not abs(fixed - seen) <= _OFF_CUT_DEG:
            lies.append(
                f"the header puts cut {number} at {fixed:.4g} deg, its radials at {seen:.4g}"
            )
            fixed = seen
        moments = _moments(buffer, radials.offsets[rows], cut)
        _check_gates(moments, int(number), source)
        nyquist, prf = float(cut["nyquist"]), float(cut["prf"][0])
        sweeps.append(
            Sweep(
                elevation_deg=round(fixed, 2),
                azimuth_deg=mine["azimuth"].astype(np.float32),
                ray_elevation_deg=elevation,
                time_s=_times(mine),
                nyquist_m_s=nyquist if 0 <= nyquist < 1000 else 0.0,
                moments=moments,
                prf_hz=prf if 0 <= prf < 1e5 else 0.0,
            )
        )
    return tuple(sweeps), tuple(lies)


def _moments(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], cut: np.void
) -> dict[str, Moment]:
    """Gather each data type of a cut; rays that lack it, or scale it otherwise, are not scanned."""
    table = moment_table(buffer, offsets)
    moments = {}
    for data_type, name in MOMENT_NAMES.items():
        mine = table[table["data_type"] == data_type]
        if len(mine) == 0 or mine["length"].max() == 0:
            continue
        first = mine[0]
        same = mine[
            (mine["scale"] == first["scale"])
            & (mine["offset"] == first["offset"])
            & (mine["bin_length"] == first["bin_length"])
        ]
        width = int(first["bin_length"])
        gates = int(same["length"].max()) // width
        codes = gather(buffer, same, len(offsets), gates, width)
        gate_m = _gate_m(cut, data_type)
        moments[name] = Moment(
            codes=codes,
            scale=float(first["scale"]),
            offset=float(first["offset"]),
            first_valid=FIRST_VALID,
            gate_m=gate_m,
            first_gate_m=float(cut["start_range"]) + gate_m / 2,
        )
    return moments


def _gate_m(cut: np.void, data_type: int) -> float:
    """Gate length of a data type by the table of cuts."""
    gate_m = float(cut["doppler_resolution" if data_type in DOPPLER_TYPES else "log_resolution"])
    return (gate_m - FOLDED_RESOLUTION) / 100 if gate_m > FOLDED_RESOLUTION else gate_m


def _check_gates(moments: Mapping[str, Moment], number: int, source: str) -> None:
    """Refuse gates that cannot be: the table of cuts lies, and ranges are in no other place."""
    for moment in moments.values():
        gate_m, first_m = moment.gate_m, moment.first_gate_m
        if not 0 < gate_m <= _MAX_GATE_M or abs(first_m) > _MAX_FIRST_GATE_M:
            cause = f"cut {number}: gates of {gate_m:g} m from {first_m:g} m on cannot be"
            raise DataError(source, cause)
