"""Volumes to bytes: genuine CINRAD files, for demos, drills and tests. Compression: the caller's.

The decoder reads back what was encoded: codes, angles to the format's resolution, times to the
microsecond (legacy: millisecond), headers. A volume that is not complete gets no end marker.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar import legacy
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_layout import (
    CONVENTIONAL,
    DOPPLER_TYPES,
    FIRST_VALID,
    FOLDED_RESOLUTION,
    GENERIC,
    MAGIC,
    MAX_CUTS,
    MAX_GATES,
    MOMENT,
    MOMENT_HEADER_BYTES,
    MOMENT_NAMES,
    SITE,
    Layout,
)
from jinghu.radar.volume import Moment, Sweep, Volume

_DATA_TYPES = {name: number for number, name in MOMENT_NAMES.items()}
_FREQUENCY_MHZ = {"S": 2800.0, "C": 5600.0, "X": 9400.0}
_RADAR_TYPE = {"S": 1, "C": 33, "X": 101}
_ARRAY_TYPE = {"S": 8, "C": 44, "X": 70}
_DUAL_POLARISATION = {"ZDR", "LDR", "RHOHV", "PHIDP", "KDP"}
_LEGACY_SCALES = {"DBZH": (2.0, 66.0), "VRADH": (2.0, 129.0), "WRADH": (2.0, 129.0)}
_MAX_LEGACY_CUTS = 32
_LEGACY_POINTER = 100  # of the first moment, counted from byte 28


def encode_standard(volume: Volume) -> bytes:
    """Encode as standard format ("RSTM", conventional).

    Raises
    ------
    DataError
        Where the volume holds what the format cannot: unknown moments, scales that are no
        integers, more than 256 sweeps, gate lengths that differ inside a sweep, gates that do not
        begin at a whole metre.
    """
    check_rays(volume, MAX_CUTS)
    parts = [head(volume, CONVENTIONAL), _task(volume)]
    parts += [_cut(sweep, volume.source) for sweep in volume.sweeps]
    sequence = 0
    for number, sweep in enumerate(volume.sweeps, 1):
        last = number == len(volume.sweeps) and volume.complete
        rows = radial_rows(sweep, CONVENTIONAL, volume.source)
        rows.headers["state"] = states(sweep.n_rays, number, last)
        rows.headers["sequence"] = sequence + 1 + np.arange(sweep.n_rays)
        rows.headers["elevation_number"] = number
        parts.append(rows.tobytes())
        sequence += sweep.n_rays
    return b"".join(parts)


def check_rays(volume: Volume, most: int) -> None:
    """Refuse volumes with no sweep, too many, or one without a ray."""
    if not 1 <= len(volume.sweeps) <= most:
        raise DataError(volume.source, f"{len(volume.sweeps)} sweeps: the format takes 1 to {most}")
    if any(sweep.n_rays == 0 for sweep in volume.sweeps):
        raise DataError(volume.source, "a sweep without a ray")


def head(volume: Volume, layout: Layout) -> bytes:
    """Generic header and site."""
    generic = np.zeros(1, GENERIC)
    generic["magic"], generic["major"], generic["generic_type"] = MAGIC, 2, layout.generic_type
    return generic.tobytes() + _site(volume.site, layout).tobytes()


def describe_task(task: NDArray[np.void], volume: Volume) -> None:
    """Write what the tasks of all layouts say."""
    task["name"] = volume.task.encode("gbk", errors="replace")[:32]
    names = {name for sweep in volume.sweeps for name in sweep.moments}
    task["polarization"] = 3 if names & _DUAL_POLARISATION else 1
    task["start_time"] = int(volume.time.timestamp())
    task["cut_number"] = len(volume.sweeps)


def _task(volume: Volume) -> bytes:
    task = np.zeros(1, CONVENTIONAL.task)
    describe_task(task, volume)
    return task.tobytes()


def _site(site: RadarSite, layout: Layout) -> NDArray[np.void]:
    header = np.zeros(1, SITE)
    header["code"] = site.code.encode("ascii", errors="replace")[:8]
    header["name"] = site.name_en.encode("ascii", errors="replace")[:32]
    header["latitude"], header["longitude"] = site.latitude, site.longitude
    header["antenna_height"] = round(site.antenna_height_m)
    header["ground_height"] = round(site.antenna_height_m)
    header["frequency_mhz"] = _FREQUENCY_MHZ[site.band]
    header["radar_type"] = _RADAR_TYPE[site.band]
    if layout is CONVENTIONAL:  # arrays have integers there, and the widths in their cuts
        header["beam_width_h"] = header["beam_width_v"] = site.beam_width_deg
    else:
        header["radar_type"] = _ARRAY_TYPE[site.band]
    return header


def _cut(sweep: Sweep, source: str) -> bytes:
    """One line of the table of cuts."""
    cut = np.zeros(1, CONVENTIONAL.cut)
    log_m, doppler_m = describe_cut(cut, sweep, source)
    cut["log_resolution"] = _resolution(log_m, source)
    cut["doppler_resolution"] = _resolution(doppler_m, source)
    return cut.tobytes()


def describe_cut(cut: NDArray[np.void], sweep: Sweep, source: str) -> tuple[float, float]:
    """Write what the cuts of all layouts say; returns the gate lengths of Z and of Doppler in m."""
    doppler = {_DATA_TYPES.get(name) in DOPPLER_TYPES: m for name, m in sweep.moments.items()}
    for name, moment in sweep.moments.items():
        if name not in _DATA_TYPES:
            raise DataError(source, f"the format has no moment {name}")
        like = doppler[_DATA_TYPES[name] in DOPPLER_TYPES]
        if moment.gate_m != like.gate_m:
            raise DataError(source, f"{name}: gates of {moment.gate_m} and {like.gate_m} m")
    starts = {round(m.first_gate_m - m.gate_m / 2, 6) for m in sweep.moments.values()}
    if len(starts) != 1 or not (start := starts.pop()).is_integer():
        raise DataError(source, "gates must begin at one range, a whole number of metres")
    cut["process_mode"], cut["dealiasing"] = 1, 1
    cut["wave_form"] = 1 if set(doppler) == {True} else 0
    cut["prf"] = sweep.prf_hz
    cut["elevation"], cut["nyquist"] = sweep.elevation_deg, sweep.nyquist_m_s
    cut["end_angle"], cut["angular_resolution"] = 360.0, 1.0
    cut["start_range"] = int(start)
    cut["maximum_range"] = max(round(m.range_m[-1] + m.gate_m / 2) for m in sweep.moments.values())
    either = next(iter(sweep.moments.values()))
    return doppler.get(False, either).gate_m, doppler.get(True, either).gate_m


def _resolution(gate_m: float, source: str) -> int:
    """Gate length in m, or in hundredths of it above 32768."""
    if float(gate_m).is_integer():
        return int(gate_m)
    hundredths = round(gate_m * 100)
    if abs(hundredths / 100 - gate_m) > 1e-9:
        raise DataError(source, f"gates of {gate_m} m: the format takes hundredths of a metre")
    return FOLDED_RESOLUTION + hundredths


@dataclass(frozen=True, slots=True)
class RadialRows:
    """Radials of a sweep: (ray,) headers and (ray, byte) header and codes of every moment."""

    headers: NDArray[np.void]
    body: NDArray[np.uint8]

    def tobytes(self) -> bytes:
        """Return the radials one after another."""
        heads = self.headers.view(np.uint8).reshape(len(self.headers), -1)
        return np.concatenate([heads, self.body], axis=1).tobytes()


def radial_rows(sweep: Sweep, layout: Layout, source: str) -> RadialRows:
    """Lay out the radials of a sweep; where they stand in the volume is left to the caller."""
    headers = np.zeros(sweep.n_rays, layout.radial)
    headers["radial_number"] = 1 + np.arange(sweep.n_rays)
    headers["azimuth"], headers["elevation"] = sweep.azimuth_deg, sweep.ray_elevation_deg
    headers["seconds"], headers["microseconds"] = _split_seconds(sweep.time_s)
    headers["moments"] = len(sweep.moments)
    blocks = [_moment(name, moment, source) for name, moment in sweep.moments.items()]
    body = np.concatenate(blocks, axis=1)
    headers["length"] = body.shape[1]
    return RadialRows(headers, body)


def states(n_rays: int, number: int, last: bool) -> NDArray[np.int32]:
    """Where in the sweep and the volume each radial stands."""
    marks = np.ones(n_rays, np.int32)
    marks[0] = 0 if number > 1 else 3
    if n_rays > 1 or last:
        marks[-1] = 4 if last else 2
    return marks


def _moment(name: str, moment: Moment, source: str) -> NDArray[np.uint8]:
    """(ray, byte): moment header and codes of every ray."""
    n, gates = moment.codes.shape
    if gates > MAX_GATES:
        raise DataError(source, f"{name}: {gates} gates: {MAX_GATES} can be")
    scale, offset = float(moment.scale), float(moment.offset)
    if not scale.is_integer() or not offset.is_integer() or scale == 0:
        raise DataError(source, f"{name}: scale {scale} and offset {offset} must be integers")
    codes = standard_codes(moment)
    width = codes.dtype.itemsize
    header = np.zeros(1, MOMENT)
    header["data_type"], header["scale"], header["offset"] = _DATA_TYPES[name], scale, offset
    header["bin_length"], header["length"] = width, gates * width
    heads = np.broadcast_to(header.view(np.uint8), (n, MOMENT_HEADER_BYTES))
    data = np.ascontiguousarray(codes.astype(f"<u{width}")).view(np.uint8).reshape(n, -1)
    return np.concatenate([heads, data], axis=1)


def standard_codes(moment: Moment) -> NDArray[np.uint8] | NDArray[np.uint16]:
    """Return codes in which data start at 5; legacy data of 2 to 4 become 5, the weakest echo."""
    if moment.first_valid == FIRST_VALID:
        return moment.codes
    valid = (moment.codes >= moment.first_valid) & (moment.codes < FIRST_VALID)
    raised = np.where(valid, FIRST_VALID, moment.codes)
    return raised.astype(np.uint8) if moment.codes.dtype == np.uint8 else raised.astype(np.uint16)


def _split_seconds(time_s: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    micro = np.rint((time_s - np.floor(time_s)) * 1e6).astype(np.int64)
    return np.floor(time_s).astype(np.int64) + micro // 1_000_000, micro % 1_000_000


def encode_legacy(volume: Volume) -> bytes:
    """Encode as legacy SA/SB radials of 2,432 bytes.

    Raises
    ------
    DataError
        Where the volume holds what the format cannot: other moments than DBZH, VRADH, WRADH, codes
        of two bytes, other scales, too many gates, gate lengths that are no whole metres.
    """
    check_rays(volume, _MAX_LEGACY_CUTS)
    parts = []
    for number, sweep in enumerate(volume.sweeps, 1):
        last = number == len(volume.sweeps) and volume.complete
        parts.append(_legacy_sweep(sweep, number, last, volume))
    return b"".join(parts)


def _legacy_sweep(sweep: Sweep, number: int, last: bool, volume: Volume) -> bytes:
    _check_legacy(sweep, volume.source)
    n = sweep.n_rays
    raw = np.zeros((n, legacy.RADIAL_BYTES), np.uint8)
    headers = np.zeros(n, legacy.HEADER)
    headers["radar_status"] = 1
    days, milliseconds = np.divmod(np.rint(sweep.time_s * 1000).astype(np.int64), 86_400_000)
    headers["milliseconds"], headers["julian_day"] = milliseconds, days + 1
    headers["azimuth"] = np.rint(sweep.azimuth_deg / legacy.ANGLE_DEG) % 65536
    headers["elevation"] = np.rint(sweep.ray_elevation_deg % 360 / legacy.ANGLE_DEG) % 65536
    headers["radial_number"] = 1 + np.arange(n)
    headers["state"] = states(n, number, last)
    headers["elevation_number"], headers["nyquist"] = number, round(sweep.nyquist_m_s * 100)
    headers["unambiguous_range"] = legacy.unambiguous_range(sweep.prf_hz)
    headers["vcp"] = _vcp(volume.task)
    headers["vel_resolution"] = 2
    headers["ref_gate_m"], headers["dop_gate_m"] = 1000, 250
    pointer = _LEGACY_POINTER
    for name, moment in sweep.moments.items():
        gates = moment.codes.shape[1]
        kind = "ref" if name == "DBZH" else "dop"
        headers[f"first_{kind}_m"], headers[f"{kind}_gate_m"] = moment.first_gate_m, moment.gate_m
        headers[f"{kind}_gates"] = gates
        if name == "VRADH":
            headers["vel_resolution"] = 2 if moment.scale == 2 else 4
        headers[{"DBZH": "ref", "VRADH": "vel", "WRADH": "width"}[name] + "_pointer"] = pointer
        raw[:, legacy.DATA_BASE + pointer : legacy.DATA_BASE + pointer + gates] = moment.codes
        pointer += gates
    raw[:, : legacy.HEADER_BYTES] = headers.view(np.uint8).reshape(n, -1)
    return raw.tobytes()


def _check_legacy(sweep: Sweep, source: str) -> None:
    """Refuse what the legacy format cannot hold."""
    for name, moment in sweep.moments.items():
        if name not in _LEGACY_SCALES:
            raise DataError(source, f"the legacy format has no moment {name}")
        most = legacy.MAX_REF_GATES if name == "DBZH" else legacy.MAX_DOP_GATES
        scaled = (moment.scale, moment.offset)
        known = scaled == _LEGACY_SCALES[name] or (name == "VRADH" and scaled == (1.0, 129.0))
        if not known or moment.codes.dtype != np.uint8 or moment.codes.shape[1] > most:
            raise DataError(source, f"{name}: the legacy format takes {most} gates of one byte")
        if not (float(moment.gate_m).is_integer() and float(moment.first_gate_m).is_integer()):
            raise DataError(source, f"{name}: the legacy format takes gates of whole metres")
    doppler = {m.codes.shape[1] for name, m in sweep.moments.items() if name != "DBZH"}
    if len(doppler) > 1:
        raise DataError(source, "VRADH and WRADH must have as many gates")


def _vcp(task: str) -> int:
    digits = task.removeprefix("VCP")[:2]
    return int(digits) if digits.isascii() and digits.isdigit() else 0
