"""CINRAD standard-format base data: from bytes to a volume. Layouts: `standard_layout`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar import standard_index
from jinghu.radar.radials import (
    Found,
    following,
    missing,
    refuse_if_scattered,
    scarred,
    succeeded,
)
from jinghu.radar.rows import copied, records
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_header import CommonBlock, beam_width, read_common_block, text
from jinghu.radar.standard_index import Index, Place, gather, moment_table
from jinghu.radar.standard_layout import (
    CONVENTIONAL,
    DOPPLER_TYPES,
    FIRST_VALID,
    FOLDED_RESOLUTION,
    MOMENT_NAMES,
    Layout,
)
from jinghu.radar.volume import Moment, Sweep, Volume

_MAX_RAYS = 4096  # of a cut
_MAX_GATE_M = 5000.0
_MAX_FIRST_GATE_M = 50_000.0
_RARE = 0.1  # radials of a cut that scale their moments unlike the others: damage, not a format
_HEIGHT_SCANS = (2, 5)  # scan types: RHI, several RHI


@dataclass(frozen=True, slots=True)
class _Radials:
    """Radials that can be trusted, as far as headers tell, and what was wrong with others."""

    offsets: NDArray[np.int64]
    headers: NDArray[Any]
    problems: tuple[str, ...]


def decode(
    data: bytes | bytearray,
    source: str,
    sites: Mapping[str, RadarSite] | None,
    damage: tuple[str, ...],
) -> Volume:
    """Decode unpacked standard-format bytes; whole rays are kept, the rest is counted.

    What makes a ray whole: `standard_index.index` and `radials`. Codes of one byte are views of
    ``data`` where they can be (`rows`), so that a volume takes hardly more memory than its file.

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
        Products, compressed radials, unknown sites, files without a ray, and files that are
        damaged throughout.
    """
    common = read_common_block(data, source, sites)
    buffer = np.frombuffer(data, np.uint8)
    found = _find(buffer, common, (source, damage))
    radials = _trusted(buffer, found, common, source)
    headers = radials.headers
    sizes = common.layout.fields.header_bytes + headers["length"].astype(np.int64)
    dropped = len(data) - common.start - int(sizes.sum())
    sweeps, lies = _sweeps(buffer, radials, common, source)
    problems = damage + radials.problems + lies + _missing(headers, common.layout)
    if dropped:
        problems += (f"{dropped} bytes belong to no whole radial",)
    if headers["state"][-1] not in (4, 6):
        problems += ("it ends before the end of the volume",)
    times = _times(headers)
    return Volume(
        site=common.site,
        time=datetime.fromtimestamp(float(times.min()), UTC),
        end_time=datetime.fromtimestamp(float(times.max()), UTC),
        sweeps=sweeps,
        source=source,
        format_name=common.layout.format_name,
        task=text(common.task["name"]),
        dropped_bytes=dropped,
        damage=problems,
    )


def find_more(buffer: NDArray[np.uint8], start: int, common: CommonBlock) -> Found:
    """Find the radials from ``start`` on that bytes still to come cannot change."""
    by_task, by_first = _places(buffer, common)
    off = abs(by_first.start_s - by_task.start_s) > standard_index.MAX_OFF_S
    place = replace(by_first if off else by_task, start=start)
    found = standard_index.index(buffer, place, growing=True)
    headers = records(buffer, found.offsets, common.layout.radial)
    end = found.offsets + common.layout.fields.header_bytes + headers["length"]
    whole = succeeded(buffer, headers, end)
    headers = headers[whole]
    return Found(
        at=found.offsets[whole],
        end=end[whole],
        cut=headers["elevation_number"].astype(np.int64),
        state=headers["state"].astype(np.int64),
        searched=found.end,
    )


def _places(buffer: NDArray[np.uint8], common: CommonBlock) -> tuple[Place, Place]:
    """What tells the radials: the start time of the task, or else that of the first radial.

    Some stations write no start time, or a local one.
    """
    layout = common.layout
    by_task = Place(common.start, len(common.cuts), int(common.task["start_time"]), layout.fields)
    if common.start + layout.fields.header_bytes > len(buffer):
        return by_task, by_task
    first = records(buffer, np.array([common.start]), layout.radial)[0]
    return by_task, replace(by_task, start_s=int(first["seconds"]))


def _find(
    buffer: NDArray[np.uint8], common: CommonBlock, name: tuple[str, tuple[str, ...]]
) -> Index:
    """Find the radials; `_places` says near which time."""
    source, damage = name
    by_task, by_first = _places(buffer, common)
    found = standard_index.index(buffer, by_task)
    if len(found.offsets) == 0:
        found = standard_index.index(buffer, by_first)
    if len(found.offsets) == 0:
        cause = (
            "its radials are LZO-compressed, which is not supported"
            if found.compressed
            else "no whole radial in it"
        )
        raise DataError(source, "; ".join((cause, *damage)))
    return found


def _trusted(buffer: NDArray[np.uint8], found: Index, common: CommonBlock, source: str) -> _Radials:
    """Leave out radials whose headers are changed or contradict the others."""
    offsets, layout = found.offsets, common.layout
    raw = copied(buffer, offsets, layout.fields.header_bytes)
    headers = raw.view(layout.radial)[:, 0]
    changed = scarred(raw[:, layout.fixed_bytes])
    changed |= _odd_moments(moment_table(buffer, offsets, layout.fields), headers)
    refuse_if_scattered(found.scarred + int(changed.sum()), len(offsets) + found.scarred, source)
    end = offsets + layout.fields.header_bytes + headers["length"]
    kept = np.flatnonzero(~changed & succeeded(buffer, headers, end))
    if int(common.task["scan_type"]) not in _HEIGHT_SCANS:
        kept = kept[_on_cut(headers[kept], layout.off_cut_deg)]
    kept = kept[_chained(headers[kept], layout)]
    if len(kept) == 0:
        raise DataError(source, "none of its radials fits the others")
    problems: tuple[str, ...] = ()
    if len(kept) < len(offsets):
        problems = (f"{len(offsets) - len(kept)} radials do not fit the others",)
    if found.compressed:
        problems += (f"{found.compressed} radials are LZO-compressed, which is not supported",)
    return _Radials(offsets[kept], headers[kept], problems)


def _chained(headers: NDArray[Any], layout: Layout) -> NDArray[np.bool_]:
    """Mark the radials that follow one another; each cut by itself where an array scans all."""
    cut = headers["elevation_number"].astype(np.int64)
    number = headers["radial_number"].astype(np.int64)
    times = _times(headers)
    if not layout.cuts_together:
        return following(cut, number, headers["azimuth"], times)
    fits = np.zeros(len(headers), bool)
    for one in np.unique(cut):
        mine = np.flatnonzero(cut == one)
        fits[mine] = following(cut[mine], number[mine], headers["azimuth"][mine], times[mine])
    return fits


def _missing(headers: NDArray[Any], layout: Layout) -> tuple[str, ...]:
    """Name radials and ends of cuts that lack."""
    order = np.arange(len(headers))
    if layout.cuts_together:
        order = np.argsort(headers["elevation_number"], kind="stable")
    fields = ("elevation_number", "radial_number", "state")
    cut, number, state = (headers[field][order].astype(np.int64) for field in fields)
    return missing(cut, number, state)


def _odd_moments(table: NDArray[Any], headers: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark radials whose moment headers are unlike those of nearly all others of their cut."""
    cut = headers["elevation_number"]
    position = np.arange(len(table)) - np.searchsorted(table["ray"], table["ray"])
    signature = np.zeros(len(cut), np.int64)
    np.bitwise_xor.at(signature, table["ray"], table["signature"] * (2 * position + 1))
    odd = np.zeros(len(cut), bool)
    for number in np.unique(cut):
        mine = np.flatnonzero(cut == number)
        values, which, count = np.unique(signature[mine], return_inverse=True, return_counts=True)
        if len(values) > 1:
            single = (count == 1) & (count.max() >= 3)
            odd[mine] = ((count / len(mine) < _RARE) | single)[which]
    return odd


def _on_cut(headers: NDArray[Any], most_deg: float) -> NDArray[np.bool_]:
    """Mark radials at the elevation of their cut."""
    fits = np.ones(len(headers), bool)
    elevation = _elevation(headers)
    for number in np.unique(headers["elevation_number"]):
        inside = headers["elevation_number"] == number
        off = np.abs(elevation[inside] - np.median(elevation[inside]))
        fits[inside] = off <= most_deg
    return fits


def _elevation(headers: NDArray[Any]) -> NDArray[np.float32]:
    raw = headers["elevation"]
    return np.where(raw > 180, raw - 360, raw).astype(np.float32)


def _times(headers: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(headers["seconds"] + headers["microseconds"] / 1e6, np.float64)


def _sweeps(
    buffer: NDArray[np.uint8], radials: _Radials, common: CommonBlock, source: str
) -> tuple[tuple[Sweep, ...], tuple[str, ...]]:
    """Sweeps, and what the table of cuts says that the radials contradict."""
    sweeps, lies = [], []
    for number in np.unique(radials.headers["elevation_number"]):
        mine = np.flatnonzero(radials.headers["elevation_number"] == number)
        if len(mine) > _MAX_RAYS:
            raise DataError(source, f"cut {number} has {len(mine)} radials")
        cut = common.cuts[number - 1]
        moments = _moments(buffer, radials.offsets[mine], cut, common.layout)
        _check_gates(moments, int(number), source)
        sweep = _sweep(radials.headers[mine], cut, moments)
        seen = float(np.median(sweep.ray_elevation_deg))
        if not abs(float(cut["elevation"]) - seen) <= common.layout.off_cut_deg:
            lies.append(
                f"the header puts cut {number} at {cut['elevation']:.4g} deg,"
                f" its radials at {seen:.4g}"
            )
            sweep = replace(sweep, elevation_deg=round(seen, 2))
        sweeps.append(sweep)
    return tuple(sweeps), tuple(lies)


def _sweep(headers: NDArray[Any], cut: np.void, moments: Mapping[str, Moment]) -> Sweep:
    nyquist, prf = float(cut["nyquist"]), float(cut["prf"][0])
    has_width = "beam_width_h" in (cut.dtype.names or ())
    return Sweep(
        elevation_deg=round(float(cut["elevation"]), 2),
        azimuth_deg=headers["azimuth"].astype(np.float32),
        ray_elevation_deg=_elevation(headers),
        time_s=_times(headers),
        nyquist_m_s=nyquist if 0 <= nyquist < 1000 else 0.0,
        moments=moments,
        prf_hz=prf if 0 <= prf < 1e5 else 0.0,
        beam_width_deg=beam_width(float(cut["beam_width_h"])) if has_width else 0.0,
    )


def _moments(
    buffer: NDArray[np.uint8], offsets: NDArray[np.int64], cut: np.void, layout: Layout
) -> dict[str, Moment]:
    """Gather each data type of a cut; rays that lack it, or scale it otherwise, are not scanned."""
    table = moment_table(buffer, offsets, layout.fields)
    moments = {}
    for data_type in sorted(MOMENT_NAMES.keys() & set(np.unique(table["data_type"]).tolist())):
        mine = table[table["data_type"] == data_type]
        if mine["length"].max() == 0:
            continue
        first = mine[0]
        same = mine[
            (mine["scale"] == first["scale"])
            & (mine["offset"] == first["offset"])
            & (mine["bin_length"] == first["bin_length"])
        ]
        width = int(first["bin_length"])
        gates = int(same["length"].max()) // width
        gate_m = _gate_m(cut, data_type, layout)
        moments[MOMENT_NAMES[data_type]] = Moment(
            codes=gather(buffer, same, len(offsets), gates, width),
            scale=float(first["scale"]),
            offset=float(first["offset"]),
            first_valid=FIRST_VALID,
            gate_m=gate_m,
            first_gate_m=float(cut["start_range"]) + gate_m / 2,
        )
    return moments


def _gate_m(cut: np.void, data_type: int, layout: Layout) -> float:
    """Gate length of a data type by the table of cuts."""
    gate_m = float(cut["doppler_resolution" if data_type in DOPPLER_TYPES else "log_resolution"])
    folded = layout is CONVENTIONAL and gate_m > FOLDED_RESOLUTION
    return (gate_m - FOLDED_RESOLUTION) / 100 if folded else gate_m


def _check_gates(moments: Mapping[str, Moment], number: int, source: str) -> None:
    """Refuse gates that cannot be: the table of cuts lies, and ranges are in no other place."""
    for moment in moments.values():
        gate_m, first_m = moment.gate_m, moment.first_gate_m
        if not 0 < gate_m <= _MAX_GATE_M or abs(first_m) > _MAX_FIRST_GATE_M:
            cause = f"cut {number}: gates of {gate_m:g} m from {first_m:g} m on cannot be"
            raise DataError(source, cause)
