"""Foreign volumes by their first bytes: ODIM and GAMIC here, others as trees of xradar."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.radar.by_xradar import open_cfradial, open_nexrad
from jinghu.radar.foreign_hdf5 import (
    HDF5_LOCK,
    KNOWN,
    read_gamic,
    read_odim,
    volume_of,
)
from jinghu.radar.gates import BELOW_THRESHOLD, RANGE_FOLDED
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_layout import FIRST_VALID
from jinghu.radar.volume import Code, Moment, Sweep, Volume

_HDF5 = b"\x89HDF"
_NEXRAD = (b"AR2V", b"ARCH")
_NETCDF = (b"CDF\x01", b"CDF\x02", b"CDF\x05")
_MOST_STEPS = 65_530  # codes for values: 65,536 less those that are not data
_STEP = 0.01  # of values that come unpacked


def is_foreign(data: bytes | bytearray) -> bool:
    """Whether the bytes begin like HDF5, netCDF or NEXRAD level II."""
    return bytes(data[:4]) in (_HDF5, *_NEXRAD, *_NETCDF)


def decode_foreign(
    data: bytes | bytearray, source: str, sites: Mapping[str, RadarSite] | None
) -> Volume:
    """Decode ODIM_H5 and GAMIC; NEXRAD level II and CfRadial where xradar is installed.

    Parameters
    ----------
    data, source
        Content of the file, and its name for messages.
    sites
        Table of known sites, which then places the radar; None trusts the file.

    Raises
    ------
    DataError
        Names the file and the cause: unknown sites, damage, a format without its reader.
    """
    volume = _foreign(bytes(data), source)
    if sites is None:
        return volume
    if volume.site.code not in sites:
        cause = f"unknown site {volume.site.code!r}: it is not in the table of radar sites"
        raise DataError(source, cause)
    return replace(volume, site=sites[volume.site.code])


def _foreign(data: bytes, source: str) -> Volume:
    """Volume of whatever the first bytes say."""
    if data[:4] in _NEXRAD:
        found = from_datatree(open_nexrad(data, source), source)
        # The header of the file names the radar, which the tree does not carry.
        code = data[20:24].decode("ascii", "replace").strip("\0 ")
        return replace(found, site=replace(found.site, code=code or found.site.code))
    volume = _of_hdf5(data, source) if data[:4] == _HDF5 else None
    return volume or from_datatree(open_cfradial(data, source), source)


def _of_hdf5(data: bytes, source: str) -> Volume | None:
    """Volume of ODIM or GAMIC; None where the file is neither."""
    try:
        with HDF5_LOCK, netCDF4.Dataset("in memory", memory=data) as root:
            root.set_auto_maskandscale(False)
            if "scan0" in root.groups:
                return read_gamic(root, source)
            if "dataset1" in root.groups:
                return read_odim(root, source)
    except (OSError, RuntimeError, ValueError, TypeError, UnicodeError) as error:
        raise DataError(source, f"the HDF5 file cannot be read: {error}".split("\n")[0]) from None
    return None


def from_datatree(tree: xr.DataTree, source: str) -> Volume:
    """Volume of a tree in the FM301/CfRadial2 model, as xradar opens it.

    Values are packed in steps of 0.01 or, where their range is wider, in 65,530 steps; NaN is
    missing, unless a field ``<name>_state`` (`jinghu.radar.datatree`) says more.

    Parameters
    ----------
    tree
        Root with ``latitude``, ``longitude``, ``altitude``, and groups ``sweep_0``, ...
    source
        Name for messages.

    Raises
    ------
    DataError
        Where it lacks what a volume needs.
    """
    names = [n for n in tree.children if n.startswith("sweep_") and n[6:].isdecimal()]
    if not names:
        raise DataError(source, "no group sweep_0: not a volume in the CfRadial2 model")
    try:
        sweeps = [
            _sweep(tree[name].to_dataset(), source)
            for name in sorted(names, key=lambda n: int(n[6:]))
        ]
        site = _site(tree, source)
    except KeyError as error:
        raise DataError(source, f"it lacks {error.args[0]!r}") from None
    return volume_of(site, sweeps, source, "FM301")


def _sweep(group: xr.Dataset, source: str) -> Sweep:
    """One sweep, its rays in the order of time."""
    time_s = group["time"].values.astype("datetime64[ns]").astype(np.int64) / 1e9
    order = np.argsort(time_s, kind="stable")
    range_m = group["range"].values.astype(np.float64)
    if len(range_m) < 2:
        raise DataError(source, "a sweep of one gate")
    place = float(range_m[1] - range_m[0]), float(range_m[0])
    moments = {}
    for name in sorted(KNOWN & {str(n) for n in group.data_vars}):
        field = group[name].transpose("azimuth", "range")
        state = group.get(f"{name}_state")
        packed = _of_values(field.values, None if state is None else state.values, place)
        moments[name] = replace(packed, codes=packed.codes[order])
    elevation = group["elevation"].values.astype(np.float32)
    nyquist = group.get("nyquist_velocity")
    return Sweep(
        elevation_deg=round(float(group["sweep_fixed_angle"]), 2),
        azimuth_deg=group["azimuth"].values.astype(np.float32)[order],
        ray_elevation_deg=elevation[order],
        time_s=time_s[order],
        nyquist_m_s=0.0 if nyquist is None else float(np.ravel(nyquist.values)[0]),
        moments=moments,
    )


def _of_values(
    values: NDArray[Any], state: NDArray[np.uint8] | None, place: tuple[float, float]
) -> Moment:
    """Moment of unpacked values; states as in `jinghu.radar.datatree`, without them NaN lacks."""
    seen = np.isfinite(values)
    low, high = (float(values[seen].min()), float(values[seen].max())) if seen.any() else (0.0, 0.0)
    step = max(_STEP, (high - low) / (_MOST_STEPS - 1))
    codes = np.full(values.shape, Code.NOT_SCANNED, np.uint16)
    codes[seen] = FIRST_VALID + np.round((values[seen].astype(np.float64) - low) / step)
    if state is not None:
        codes[~seen & (state == BELOW_THRESHOLD)] = Code.BELOW_THRESHOLD
        codes[~seen & (state == RANGE_FOLDED)] = Code.RANGE_FOLDED
    return Moment(codes, 1.0 / step, FIRST_VALID - low / step, FIRST_VALID, *place)


def _site(tree: xr.DataTree, source: str) -> RadarSite:
    root = tree.to_dataset()
    lat, lon, height = (float(root[axis]) for axis in ("latitude", "longitude", "altitude"))
    code = str(tree.attrs.get("instrument_name") or "FM301")
    if not (abs(lat) <= 90 and abs(lon) <= 180 and -500 <= height <= 9000):
        raise DataError(source, f"site {code}: {lat}, {lon}, {height} is no place")
    name = str(tree.attrs.get("site_name") or code)
    frequency = root.get("frequency")
    hertz = 2.8e9 if frequency is None else float(np.ravel(frequency.values)[0])
    band = "S" if hertz < 4e9 else "C" if hertz < 8e9 else "X"
    return RadarSite(code, name, name, lat, lon, height, band)
