"""ODIM_H5 and GAMIC volumes (HDF5), read with netCDF4 alone, dry and missing kept apart.

OPERA data information model for HDF5, versions 2.0 to 2.4 (EUMETNET); GAMIC as in the files of
the University of Bonn, whose code 0 is "no signal", dry.
"""

import re
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import netCDF4
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_layout import FIRST_VALID, MAX_GATES, MOMENT_NAMES
from jinghu.radar.volume import Code, Moment, Sweep, Volume

HDF5_LOCK = threading.Lock()  # the HDF5 library is not made for several threads
_NAMES = {
    "TH": "DBTH", "VRAD": "VRADH", "WRAD": "WRADH", "SQI": "SQIH", "SNR": "SNRH",
    "ZH": "DBZH", "UH": "DBTH", "VH": "VRADH", "WH": "WRADH",
    **{name: name for name in MOMENT_NAMES.values()},
}  # fmt: skip
KNOWN = frozenset(MOMENT_NAMES.values())
_MAX_RAYS, _MAX_SWEEPS = 4096, 256


@dataclass(frozen=True, slots=True)
class Packing:
    """How a foreign format packs values: ``value = code * gain + offset``.

    ``dry`` and ``missing`` are the codes of undetected and of unscanned gates, None for no code.
    """

    gain: float
    offset: float
    dry: float | None
    missing: float | None


def moment(
    codes: NDArray[Any], packing: Packing, gate_m: float, first_gate_m: float, source: str
) -> Moment:
    """Moment of foreign codes, shifted behind those codes of ours that are not data.

    Fields of 16 bits that use their last codes for data lose the last bit.

    Parameters
    ----------
    codes
        (ray, gate) unsigned integers.
    packing
        Their meaning.
    gate_m, first_gate_m
        Gate length, and range of the centre of the first gate.
    source
        Name for messages.

    Raises
    ------
    DataError
        Codes or gates that cannot be.
    """
    whole = codes.ndim == 2 and codes.dtype.kind == "u" and codes.dtype.itemsize <= 2
    if not whole or not 1 <= codes.shape[1] <= MAX_GATES or not 1 <= codes.shape[0] <= _MAX_RAYS:
        raise DataError(source, f"a field of {codes.shape} {codes.dtype}: not gates of a sweep")
    if not (np.isfinite(packing.gain) and packing.gain != 0 and np.isfinite(packing.offset)):
        raise DataError(source, f"a gain of {packing.gain} and an offset of {packing.offset}")
    if not (0 < gate_m <= 5000 and abs(first_gate_m) <= 50_000):
        raise DataError(source, f"gates of {gate_m:g} m from {first_gate_m:g} m on cannot be")
    missing = np.zeros(codes.shape, bool) if packing.missing is None else codes == packing.missing
    dry = np.zeros(codes.shape, bool) if packing.dry is None else codes == packing.dry
    gain, offset = packing.gain, packing.offset
    if codes[~(missing | dry)].max(initial=0) > np.iinfo(np.uint16).max - FIRST_VALID:
        codes, gain, offset = codes >> 1, 2 * gain, offset + gain / 2
    shifted = codes.astype(np.uint16) + np.uint16(FIRST_VALID)
    shifted[missing] = Code.NOT_SCANNED
    shifted[dry] = Code.BELOW_THRESHOLD
    return Moment(
        codes=shifted,
        scale=1.0 / gain,
        offset=FIRST_VALID - offset / gain,
        first_valid=FIRST_VALID,
        gate_m=gate_m,
        first_gate_m=first_gate_m,
    )


def read_odim(root: netCDF4.Dataset, source: str) -> Volume:
    """Volume of an ODIM file (PVOL or SCAN); rays in the order of acquisition where it is told.

    Raises
    ------
    DataError
        Names the file and what it lacks.
    """
    what = _group(root, "what", source)
    kind = _attribute(what, "object", source)
    if kind not in ("PVOL", "SCAN"):
        raise DataError(source, f"an ODIM {kind}, not a volume or scan of one radar")
    wavelength_cm = float(_optional(root, "how", "wavelength", 5.3))
    where = _group(root, "where", source)
    named = dict(re.findall(r"(\w+):([^,]+)", str(_attribute(what, "source", source))))
    code = str(named.get("NOD") or named.get("RAD") or named.get("WMO") or "ODIM")
    site = _site(code, str(named.get("PLC", code)), where, wavelength_cm, _beam_width(root), source)
    sweeps = [_odim_sweep(root, group, source) for group in _numbered(root, "dataset", source)]
    return volume_of(site, sweeps, source, "ODIM", str(_optional(root, "how", "task", "")))


def _odim_sweep(root: netCDF4.Dataset, dataset: netCDF4.Group, source: str) -> Sweep:
    where, what = _group(dataset, "where", source), _group(dataset, "what", source)
    rays, gates, gate_m = (
        float(_attribute(where, n, source)) for n in ("nrays", "nbins", "rscale")
    )
    if not (1 <= rays <= _MAX_RAYS and 1 <= gates <= MAX_GATES):
        raise DataError(source, f"{dataset.name}: {rays:g} rays of {gates:g} gates cannot be")
    first_m = 1000.0 * float(_attribute(where, "rstart", source)) + gate_m / 2
    n_rays, elevation = int(rays), float(_attribute(where, "elangle", source))
    order = (np.arange(n_rays) + int(_attribute(where, "a1gate", source))) % n_rays
    start, end = (
        _moment_of(f"{_attribute(what, f'{e}date', source)}{_attribute(what, f'{e}time', source)}",
                   "%Y%m%d%H%M%S", source)
        for e in ("start", "end")
    )  # fmt: skip
    moments = {}
    for data in _numbered(dataset, "data", source):
        name = _NAMES.get(str(_attribute(_group(data, "what", source), "quantity", source)))
        if name is None:
            continue
        codes = _field(data, "data", source)
        if codes.shape != (n_rays, int(gates)):
            raise DataError(source, f"{dataset.name}: {name} is {codes.shape}, not as its header")
        kept = _odim_packing(_group(data, "what", source), source)
        moments[name] = moment(codes[order], kept, gate_m, first_m, source)
    nyquist, prf = (float(_nearest(root, dataset, name)) for name in ("NI", "highprf"))
    return Sweep(
        elevation_deg=round(elevation, 2),
        azimuth_deg=((order + 0.5) * 360.0 / n_rays).astype(np.float32),
        ray_elevation_deg=np.full(n_rays, elevation, np.float32),
        time_s=start + (np.arange(n_rays) + 0.5) * max(end - start, 0.0) / n_rays,
        nyquist_m_s=nyquist,
        moments=moments,
        prf_hz=prf,
    )


def _odim_packing(what: netCDF4.Group, source: str) -> Packing:
    gain, offset, dry, missing = (
        float(_attribute(what, name, source)) for name in ("gain", "offset", "undetect", "nodata")
    )
    return Packing(gain, offset, dry, missing)


def _nearest(root: netCDF4.Dataset, dataset: netCDF4.Group, name: str) -> Any:
    """Attribute of ``how`` of the dataset, else of the file, else 0."""
    return _optional(dataset, "how", name, _optional(root, "how", name, 0.0))


def _beam_width(root: netCDF4.Dataset) -> float:
    width = float(_optional(root, "how", "beamwH", _optional(root, "how", "beamwidth", 1.0)))
    return width if 0.1 <= width <= 5 else 1.0


def read_gamic(root: netCDF4.Dataset, source: str) -> Volume:
    """Volume of a GAMIC file (PPI scans).

    Raises
    ------
    DataError
        Names the file and what it lacks.
    """
    sweeps, wavelength_m = [], 0.0
    for scan in _numbered(root, "scan", source):
        if _attribute(_group(scan, "what", source), "scan_type", source) != "PPI":
            raise DataError(source, f"{scan.name} is no PPI")
        sweeps.append(_gamic_sweep(scan, source))
        wavelength_m = float(_attribute(_group(scan, "how", source), "radar_wave_length", source))
    name = str(_optional(root, "how", "site_name", "GAMIC"))
    width = float(_optional(root, "how", "azimuth_beam", 1.0))
    where = _group(root, "where", source)
    site = _site(name, name, where, 100.0 * wavelength_m, width, source)
    return volume_of(
        site, sweeps, source, "GAMIC", str(_optional(root, "how", "template_name", ""))
    )


def _gamic_sweep(scan: netCDF4.Group, source: str) -> Sweep:
    how, header = _group(scan, "how", source), _field(scan, "ray_header", source)
    wanted = ("azimuth_start", "azimuth_stop", "elevation_start", "elevation_stop", "timestamp")
    if header.dtype.names is None or not set(wanted) <= set(header.dtype.names):
        raise DataError(source, f"{scan.name}: its ray headers lack {', '.join(wanted)}")
    gate_m = float(_attribute(how, "range_step", source)) * float(
        _attribute(how, "range_samples", source)
    )
    first_m = float(_attribute(how, "range_start", source)) + gate_m / 2
    start, stop = header["azimuth_start"], header["azimuth_stop"]
    azimuth = (start + ((stop - start + 180.0) % 360.0 - 180.0) / 2.0) % 360.0
    # By the clock: rows are sorted by azimuth in some files.
    order = np.argsort(header["timestamp"], kind="stable")
    moments = {}
    for number in range(len(scan.variables)):
        variable = scan.variables.get(f"moment_{number}")
        name = None if variable is None else _NAMES.get(_attribute(variable, "moment", source))
        if variable is None or name is None:
            continue
        codes = np.asarray(variable[:])
        if codes.shape[0] != len(header):
            raise DataError(source, f"{scan.name}: {name} has not one row for each ray header")
        low, high = (
            float(_attribute(variable, f"dyn_range_{end}", source)) for end in ("min", "max")
        )
        gain = (high - low) / (np.iinfo(codes.dtype).max - 1) if codes.dtype.kind == "u" else 0.0
        packing = Packing(gain, low - gain, dry=0, missing=None)
        moments[name] = moment(codes[order], packing, gate_m, first_m, source)
    elevation = ((header["elevation_start"] + header["elevation_stop"]) / 2.0).astype(np.float32)
    velocity = moments.get("VRADH")
    return Sweep(
        elevation_deg=round(float(_attribute(how, "elevation", source)), 2),
        azimuth_deg=azimuth[order].astype(np.float32),
        ray_elevation_deg=elevation[order],
        time_s=header["timestamp"][order] / 1e6,
        nyquist_m_s=0.0 if velocity is None else -float(_value(velocity, FIRST_VALID + 1)),
        moments=moments,
        prf_hz=float(_optional(scan, "how", "PRF", 0.0)),
    )


def _value(of: Moment, code: int) -> float:
    return (code - of.offset) / of.scale


def _site(
    code: str,
    name: str,
    where: netCDF4.Group,
    wavelength_cm: float,
    beam_width_deg: float,
    source: str,
) -> RadarSite:
    lat, lon, height = (float(_attribute(where, n, source)) for n in ("lat", "lon", "height"))
    if not (abs(lat) <= 90 and abs(lon) <= 180 and -500 <= height <= 9000):
        raise DataError(source, f"site {code}: {lat}, {lon}, {height} is no place")
    band = "S" if wavelength_cm > 7.5 else "C" if wavelength_cm > 3.75 else "X"
    return RadarSite(code, name, name, lat, lon, height, band, beam_width_deg)


def volume_of(
    site: RadarSite, sweeps: list[Sweep], source: str, format_name: str, task: str = ""
) -> Volume:
    """Volume of the sweeps that hold a moment.

    Raises
    ------
    DataError
        Where none does.
    """
    sweeps = [sweep for sweep in sweeps if sweep.moments]
    if not sweeps:
        raise DataError(source, "no moment in it that we know")
    return Volume(
        site=site,
        time=datetime.fromtimestamp(min(float(s.time_s.min()) for s in sweeps), UTC),
        end_time=datetime.fromtimestamp(max(float(s.time_s.max()) for s in sweeps), UTC),
        sweeps=tuple(sweeps),
        source=source,
        format_name=format_name,
        task=task,
    )


def _numbered(parent: netCDF4.Dataset, stem: str, source: str) -> list[netCDF4.Group]:
    """Groups ``stem1``, ``stem2``, ... in the order of their numbers."""
    found = [(int(n[len(stem) :]), g) for n, g in parent.groups.items()
             if n.startswith(stem) and n[len(stem) :].isdecimal()]  # fmt: skip
    if not 1 <= len(found) <= _MAX_SWEEPS:
        raise DataError(source, f"{len(found)} groups {stem}...; 1 to {_MAX_SWEEPS} can be")
    return [group for _, group in sorted(found, key=lambda item: item[0])]


def _group(parent: netCDF4.Dataset, name: str, source: str) -> netCDF4.Group:
    if name not in parent.groups:
        raise DataError(source, f"no group {name!r} in {parent.name!r}")
    return parent.groups[name]


def _field(parent: netCDF4.Group, name: str, source: str) -> NDArray[Any]:
    if name not in parent.variables:
        raise DataError(source, f"no field {name!r} in {parent.name!r}")
    return np.asarray(parent.variables[name][:])


def _attribute(holder: Any, name: str, source: str) -> Any:
    if name not in holder.ncattrs():
        raise DataError(source, f"no attribute {name!r} in {holder.name!r}")
    return holder.getncattr(name)


def _optional(parent: netCDF4.Dataset, group: str, name: str, otherwise: Any) -> Any:
    """Attribute of a group that may not be there."""
    inside = parent.groups.get(group)
    if inside is None or name not in inside.ncattrs():
        return otherwise
    return inside.getncattr(name)


def _moment_of(text: str, pattern: str, source: str) -> float:
    try:
        return datetime.strptime(text, pattern).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise DataError(source, f"{text!r} is no time") from None
