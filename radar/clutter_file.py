"""Clutter maps on the disk: one NetCDF a site, written whole or not at all."""

from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid import durable
from jinghu.grid.errors import ConfigError
from jinghu.radar.clutter_map import AZIMUTHS, RANGE_M, RANGES, ClutterMap, ElevationMap

FORMAT_VERSION = 1
_DIMS = ("elevation", "azimuth", "range")


def map_path(folder: Path, site: str) -> Path:
    """File of a site's map in a folder."""
    return folder / f"{site}.nc"


def write_map(clutter: ClutterMap, path: Path) -> None:
    """Replace a map's file, whole or not at all.

    Raises
    ------
    OSError
        Where the file cannot be written; the one before is then as it was.
    """
    temporary = durable.temporary_beside(path)
    try:
        _dataset(clutter).to_netcdf(temporary, engine="netcdf4", encoding=_packed())
        durable.fsync_path(temporary)
        durable.rename_durable(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def read_map(path: Path, site: str) -> ClutterMap:
    """Read the map of a site.

    Raises
    ------
    ConfigError
        Names the file and what is wrong: damaged, not a clutter map, of another site or version.
    """
    try:
        with xr.open_dataset(path, engine="netcdf4", mask_and_scale=False) as opened:
            found = opened.load()
    except (OSError, ValueError, RuntimeError) as error:  # netCDF4 has all three for damage
        raise ConfigError(f"clutter map {path}: cannot be read: {_one_line(error)}") from None
    if problem := _problem(found, site):
        raise ConfigError(f"clutter map {path}: {problem}; learn it again")
    elevations = tuple(
        ElevationMap(
            float(found["elevation"][k]),
            found["scans"].values[k],
            found["echoes"].values[k],
            found["mean_dbz"].values[k],
        )
        for k in range(found.sizes["elevation"])
    )
    return ClutterMap(site, float(found.attrs["echo_dbz"]), elevations)


def _dataset(clutter: ClutterMap) -> xr.Dataset:
    def stacked(name: str) -> NDArray[np.generic]:
        dtype = np.float32 if name == "mean_dbz" else np.int32
        empty = np.empty((0, AZIMUTHS, RANGES), dtype)
        fields = [getattr(one, name) for one in clutter.elevations]
        return np.stack(fields) if fields else empty

    texts = {
        "scans": "dry scans that saw the cell",
        "echoes": "dry scans that held echo in the cell",
    }
    counts = {
        name: (_DIMS, stacked(name), {"units": "1", "long_name": text})
        for name, text in texts.items()
    }
    mean = {"units": "dBZ", "long_name": "mean of the strongest gate over the scans with echo"}
    degrees = {"units": "degrees"}
    return xr.Dataset(
        {**counts, "mean_dbz": (_DIMS, stacked("mean_dbz"), mean)},
        coords={
            "elevation": ("elevation", [e.elevation_deg for e in clutter.elevations], degrees),
            "azimuth": ("azimuth", np.arange(AZIMUTHS) + 0.5, degrees),
            "range": ("range", (np.arange(RANGES) + 0.5) * RANGE_M, {"units": "m"}),
        },
        attrs={
            "jinghu_clutter_map_format": FORMAT_VERSION,
            "radar": clutter.site,
            "echo_dbz": clutter.echo_dbz,
        },
    )


def _packed() -> dict[str, dict[str, object]]:
    names = ("scans", "echoes", "mean_dbz")
    return {name: {"zlib": True, "complevel": 4, "_FillValue": None} for name in names}


def _problem(found: xr.Dataset, site: str) -> str | None:
    """What is wrong with a file as a map of a site."""
    version = found.attrs.get("jinghu_clutter_map_format")
    if version is None:
        return "not a clutter map"
    if version != FORMAT_VERSION:
        return f"format {version}, this version reads {FORMAT_VERSION}"
    if found.attrs.get("radar") != site:
        return f"of radar {found.attrs.get('radar')}, not {site}"
    echo = found.attrs.get("echo_dbz")
    if not isinstance(echo, float | np.floating) or not np.isfinite(echo):
        return "no echo_dbz"
    if "elevation" not in found.coords:
        return "no elevation"
    types = {"scans": np.int32, "echoes": np.int32, "mean_dbz": np.float32}
    for name, dtype in types.items():
        if name not in found or found[name].dims != _DIMS or found[name].dtype != dtype:
            return f"no {name}{_DIMS} of {np.dtype(dtype).name}"
    if found["scans"].shape[1:] != (AZIMUTHS, RANGES):
        return f"cells {found['scans'].shape[1:]}, wanted {(AZIMUTHS, RANGES)}"
    scans, echoes, mean = (found[name].values for name in types)
    if (echoes < 0).any() or (echoes > scans).any():
        return "more scans with echo than scans"
    if (np.isfinite(mean) != (echoes > 0)).any():
        return "mean_dbz and echoes do not go together"
    if not np.isfinite(found["elevation"]).all() or (np.diff(found["elevation"]) <= 0).any():
        return "elevations do not rise"
    return None


def _one_line(error: Exception) -> str:
    return " ".join((getattr(error, "strerror", None) or str(error)).split())
