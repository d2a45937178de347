"""Importer plugin of pysteps: one CINRAD volume as a field of rain around its radar."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.spec import GridSpec
from jinghu.radar.decode import decode_volume
from jinghu.radar.geometry import place
from jinghu.radar.rain import RainParams, rain_on_grid
from jinghu.radar.sites import RadarSite, load_sites

_LEAST_MM_H = 0.1  # weaker rain is none


def import_cinrad(
    filename: str | os.PathLike[str],
    *,
    sites: str | os.PathLike[str] | None = None,
    spacing_m: float = 1_000.0,
    reach_m: float = 150_000.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, object]]:
    """Read a volume and make its rain: ``pysteps.io.importers.import_cinrad``.

    Parameters
    ----------
    filename
        File of a volume, compressed or not.
    sites
        Table of radar sites; needed for legacy volumes, in which no coordinates are.
    spacing_m, reach_m
        Cells of the square grid around the radar, and half its side, in the UTM zone of the site.

    Returns
    -------
    Rain rate (y, x) in mm/h, rows from south to north, NaN where it is not known; quality (y, x) 0
    to 1; pysteps' metadata.

    Raises
    ------
    ConfigError
        Where the grid is impossible.
    DataError
        Names the file and the cause.
    """
    if not 0 < spacing_m <= reach_m <= 500_000:
        raise ConfigError(f"spacing_m {spacing_m:g}, reach_m {reach_m:g}: no grid around a radar")
    path = Path(filename)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    volume = decode_volume(data, path.name, None if sites is None else load_sites(Path(sites)))
    spec = _grid_around(volume.site, spacing_m, reach_m)
    rain = rain_on_grid(volume, spec, RainParams())
    rate = rain["rainfall_rate"].values.astype(np.float64)
    rate[rate < _LEAST_MM_H] = 0.0
    metadata = _metadata(spec, volume.site)
    return rate, rain["quality"].values.astype(np.float64), metadata


def _grid_around(site: RadarSite, spacing_m: float, reach_m: float) -> GridSpec:
    zone = _zone(site)
    crs = f"EPSG:{(32600 if site.latitude >= 0 else 32700) + zone}"
    at = place(site, GridSpec(crs, 0.0, 0.0, spacing_m, 1, 1))
    n = 2 * round(reach_m / spacing_m)
    half = n * spacing_m / 2
    return GridSpec(crs, round(at.x_m) - half, round(at.y_m) - half, spacing_m, n, n)


def _zone(site: RadarSite) -> int:
    return int((site.longitude + 180.0) // 6.0) + 1


def _metadata(spec: GridSpec, site: RadarSite) -> dict[str, object]:
    """What pysteps wants to know of a field (its documentation of ``pysteps.io.importers``)."""
    south = "+south " if site.latitude < 0 else ""
    return {
        "projection": f"+proj=utm +zone={_zone(site)} {south}+datum=WGS84 +units=m +no_defs",
        "cartesian_unit": "m",
        "x1": spec.x0_m,
        "y1": spec.y0_m,
        "x2": spec.x0_m + spec.nx * spec.spacing_m,
        "y2": spec.y0_m + spec.ny * spec.spacing_m,
        "xpixelsize": spec.spacing_m,
        "ypixelsize": spec.spacing_m,
        "yorigin": "lower",
        "institution": f"CINRAD {site.code}",
        "accutime": 6.0,
        "unit": "mm/h",
        "transform": None,
        "zerovalue": 0.0,
        "threshold": _LEAST_MM_H,
    }
