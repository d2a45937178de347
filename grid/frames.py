"""Coordinate frames of points that come in: WGS-84, CGCS2000, GCJ-02 and BD-09."""

from collections.abc import Callable
from enum import StrEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

from jinghu.grid.errors import ConfigError

_A = 6378245.0  # Krasovsky 1940, which GCJ-02 is defined on
_EE = 0.00669342162296594323
_Offsets = tuple[NDArray[np.float64], NDArray[np.float64]]
_CHINA = (72.004, 137.8347, 0.8293, 55.8271)  # west, east, south, north of GCJ-02


class Frame(StrEnum):
    """Declared frame of longitudes and latitudes."""

    WGS84 = "WGS-84"
    CGCS2000 = "CGCS2000"  # within centimetres of WGS-84
    GCJ02 = "GCJ-02"  # Chinese map services: 300-700 m off
    BD09 = "BD-09"  # Baidu's, made from GCJ-02: about 1 km off


def parse_frame(text: str | None, source: str) -> Frame:
    """Frame by its name; refuses coordinates whose frame is not declared."""
    known = ", ".join(f.value for f in Frame)
    if not text:
        raise ConfigError(f"{source}: the coordinate frame is not declared; say one of {known}")
    folded = text.upper().replace("-", "").replace("_", "").replace(" ", "")
    names = {frame.value.replace("-", ""): frame for frame in Frame}
    names |= {"EPSG:4326": Frame.WGS84, "EPSG:4490": Frame.CGCS2000}
    if folded in names:
        return names[folded]
    raise ConfigError(f"{source}: unknown coordinate frame {text!r}; say one of {known}")


def to_wgs84(
    lon: ArrayLike, lat: ArrayLike, frame: Frame
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert longitudes and latitudes in degrees to WGS-84.

    GCJ-02 and BD-09 are inverted by fixed-point iteration to below 1e-9 degrees (0.1 mm).
    """
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    if frame is Frame.BD09:
        lon, lat = _inverted(lon, lat, _bd_offset)
    if frame in (Frame.GCJ02, Frame.BD09):
        lon, lat = _inverted(lon, lat, _gcj_offset)
    return lon, lat


def _inverted(
    lon: NDArray[np.float64],
    lat: NDArray[np.float64],
    offset: Callable[[NDArray[np.float64], NDArray[np.float64]], _Offsets],
) -> _Offsets:
    """Places that a shift by ``offset`` (of the place itself) brings to these."""
    out_lon, out_lat = lon.copy(), lat.copy()
    for _ in range(12):
        dlon, dlat = offset(out_lon, out_lat)
        out_lon, out_lat = lon - dlon, lat - dlat
    return out_lon, out_lat


def to_gcj02(lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert WGS-84 to GCJ-02; outside the box of China the two are the same."""
    lon, lat = np.asarray(lon, np.float64), np.asarray(lat, np.float64)
    dlon, dlat = _gcj_offset(lon, lat)
    return lon + dlon, lat + dlat


def to_bd09(lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Convert WGS-84 to BD-09."""
    lon, lat = to_gcj02(lon, lat)
    dlon, dlat = _bd_offset(lon, lat)
    return lon + dlon, lat + dlat


def _bd_offset(lon: NDArray[np.float64], lat: NDArray[np.float64]) -> _Offsets:
    """Offset BD-09 minus GCJ-02 in degrees, of a place in GCJ-02 (the published formula)."""
    beat = np.pi * 3000.0 / 180.0
    radius = np.hypot(lon, lat) + 0.00002 * np.sin(lat * beat)
    angle = np.arctan2(lat, lon) + 0.000003 * np.cos(lon * beat)
    return radius * np.cos(angle) + 0.0065 - lon, radius * np.sin(angle) + 0.006 - lat


def _gcj_offset(
    lon: NDArray[np.float64], lat: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offset GCJ-02 minus WGS-84 in degrees (the published series), 0 outside China."""
    west, east, south, north = _CHINA
    inside = (lon >= west) & (lon <= east) & (lat >= south) & (lat <= north)
    lon, lat = np.where(inside, lon, 105.0), np.where(inside, lat, 35.0)
    x, y = lon - 105.0, lat - 35.0
    root = np.sqrt(np.abs(x))
    waves = (20.0 * np.sin(6.0 * np.pi * x) + 20.0 * np.sin(2.0 * np.pi * x)) * 2.0 / 3.0
    dlat = -100.0 + 2.0 * x + 3.0 * y + 0.2 * y * y + 0.1 * x * y + 0.2 * root + waves
    dlat += (20.0 * np.sin(np.pi * y) + 40.0 * np.sin(np.pi * y / 3.0)) * 2.0 / 3.0
    dlat += (160.0 * np.sin(np.pi * y / 12.0) + 320.0 * np.sin(np.pi * y / 30.0)) * 2.0 / 3.0
    dlon = 300.0 + x + 2.0 * y + 0.1 * x * x + 0.1 * x * y + 0.1 * root + waves
    dlon += (20.0 * np.sin(np.pi * x) + 40.0 * np.sin(np.pi * x / 3.0)) * 2.0 / 3.0
    dlon += (150.0 * np.sin(np.pi * x / 12.0) + 300.0 * np.sin(np.pi * x / 30.0)) * 2.0 / 3.0
    phi = np.deg2rad(lat)
    magic = 1.0 - _EE * np.sin(phi) ** 2
    dlat = np.rad2deg(dlat / (_A * (1.0 - _EE) / (magic * np.sqrt(magic))))
    dlon = np.rad2deg(dlon / (_A / np.sqrt(magic) * np.cos(phi)))
    return np.where(inside, dlon, 0.0), np.where(inside, dlat, 0.0)
