"""Rain sequences in files, brought to the units and the clock of this program."""

from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
import xarray as xr

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import FIELDS, check

_MM_H = FIELDS["rainfall_rate"].units
# Factors to mm/h of the ways in which the unit is written, and of equal units.
_FACTORS = {
    **dict.fromkeys((_MM_H, "mm/h", "mm/hr", "mm hr-1", "mm/hour", "mm h^-1", "mm*h-1"), 1.0),
    **dict.fromkeys(("kg m-2 h-1",), 1.0),
    **dict.fromkeys(("mm s-1", "mm/s", "kg m-2 s-1", "kg/m2/s"), 3.6e3),
    **dict.fromkeys(("m s-1", "m/s"), 3.6e6),
}
_ZONE_NAMES = ("time_zone", "timezone", "tz")


def read_rain(source: Path) -> tuple[xr.Dataset, str]:
    """Rain rates in mm/h at times in UTC, from NetCDF or Zarr.

    Returns
    -------
    ``rainfall_rate(time, y, x)``; a sentence where a local clock was set to UTC.

    Raises
    ------
    DataError
        Names the file and why it was refused.
    """
    opened = open_file(source)
    if "rainfall_rate" not in opened and _holds_reflectivity(opened):
        raise DataError(source, "holds reflectivity in dBZ, wanted rainfall_rate in mm h-1")
    try:
        rain = in_mm_h(opened)
        check(rain, "rainfall_rate", dims=("time", "y", "x"))
    except ConfigError as error:
        raise DataError(source, str(error)) from None
    return in_utc(rain, source)


def open_file(source: Path) -> xr.Dataset:
    """Content of a NetCDF file or of a Zarr folder, loaded; DataError where it cannot be read."""
    try:
        # A folder is Zarr, with its metadata consolidated or not.
        zarr = source.is_dir()
        with xr.open_zarr(source, consolidated=False) if zarr else xr.open_dataset(source) as found:
            return found.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # of HDF5: the last
        cause = getattr(error, "strerror", None) or str(error)
        raise DataError(source, f"cannot be opened: {' '.join(cause.split())}") from None


def _holds_reflectivity(dataset: xr.Dataset) -> bool:
    return any(str(v.attrs.get("units", "")).lower() == "dbz" for v in dataset.values())


def in_mm_h(dataset: xr.Dataset) -> xr.Dataset:
    """The dataset with its rain rate in mm h-1, where it is in an equal unit."""
    if "rainfall_rate" not in dataset:
        return dataset
    rate = dataset["rainfall_rate"]
    factor = _FACTORS.get(str(rate.attrs.get("units", "")).strip())
    if factor is None or rate.attrs["units"] == _MM_H:
        return dataset
    scaled = rate if factor == 1.0 else (rate * factor).astype(rate.dtype)
    return dataset.assign(rainfall_rate=scaled.assign_attrs(rate.attrs | {"units": _MM_H}))


def in_utc(rain: xr.Dataset, source: Path) -> tuple[xr.Dataset, str]:
    """Times in UTC; they are local where an attribute of theirs names a zone.

    An offset in the CF units (``minutes since 2019-08-10 00:00 +08:00``) was heeded in reading.
    """
    if "time" not in rain.coords or not np.issubdtype(rain["time"].dtype, np.datetime64):
        return rain, ""
    zone = next((str(rain["time"].attrs[n]) for n in _ZONE_NAMES if n in rain["time"].attrs), "")
    if zone.upper() in ("", "UTC", "Z", "GMT", "+00:00"):
        return rain, ""
    name = {"Beijing": "Asia/Shanghai", "CST": "Asia/Shanghai"}.get(zone, zone)
    try:
        local = rain.indexes["time"].tz_localize(ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        cause = f"its times are in zone {zone!r}, which cannot be told in UTC"
        raise DataError(source, cause) from None
    utc = local.tz_convert("UTC").tz_localize(None)
    kept = {k: v for k, v in rain["time"].attrs.items() if k not in _ZONE_NAMES}
    named = f"times were in {zone}: set to UTC"
    return rain.assign_coords(time=("time", utc.values, kept)), named
