"""Storm cells for others: where they will be, as GeoJSON, and as a state for the next cycle."""

from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import xarray as xr

from jinghu.grid.errors import DataError
from jinghu.nowcast.cell_tracks import CellTracks, Track, TrackParams, TrackPoint
from jinghu.nowcast.cells import StormCell, degrees

LEADS_MIN = (15, 30, 60)
_VERSION = 1
_ROUNDED = {"lon": 5, "lat": 5}


@dataclass(frozen=True, slots=True)
class CellPosition:
    """Where a cell will be: lead time (min), place (m, WGS-84 degrees), radius of error (km)."""

    lead_min: int
    x_m: float
    y_m: float
    lon: float
    lat: float
    radius_km: float


def positions(track: Track, crs: str, params: TrackParams | None = None) -> list[CellPosition]:
    """Where a cell will be in 15, 30 and 60 min; about 70 % of cells come to lie in the radius.

    Parameters
    ----------
    track
        Of the cell.
    crs
        Of the grid, e.g. ``EPSG:4549``.
    params
        Error of forecast positions.
    """
    params = params or TrackParams()
    out = []
    for lead in LEADS_MIN:
        seconds = 60.0 * lead
        x = track.cell.x_m + track.motion_x_m_s * seconds
        y = track.cell.y_m + track.motion_y_m_s * seconds
        lon, lat = degrees(crs, x, y)
        radius = float(np.hypot(params.error_m, params.error_m_s * seconds)) / 1e3
        out.append(CellPosition(lead, x, y, lon, lat, radius))
    return out


def geojson(tracks: CellTracks, crs: str, params: TrackParams | None = None) -> dict[str, Any]:
    """Cells as a GeoJSON FeatureCollection: a point a cell, a line a path of two points or more.

    Parameters
    ----------
    tracks
        Cells with their past.
    crs
        Of the grid.
    params
        Error of forecast positions.

    Returns
    -------
    Numbers are JSON's: what is not known is null, nothing is NaN.
    """
    features = []
    for track in tracks.tracks:
        features.append(_feature("Point", _place(track.cell.lon, track.cell.lat), _told(
            track, tracks.time, crs, params
        )))  # fmt: skip
        if len(track.points) > 1:
            path = [_place(*degrees(crs, p.x_m, p.y_m)) for p in track.points]
            times = [_utc(p.time) for p in track.points]
            features.append(
                _feature("LineString", path, {"kind": "path", "cell": track.number, "times": times})
            )
    return {"type": "FeatureCollection", "time": _utc(tracks.time), "features": features}


def _told(
    track: Track, time: np.datetime64, crs: str, params: TrackParams | None
) -> dict[str, Any]:
    """Properties of a cell."""
    area_trend, rate_trend = track.trend()
    cell = {k: v for k, v in asdict(track.cell).items() if k != "label"}
    told = {
        "kind": "cell",
        "cell": track.number,
        "time": _utc(time),
        "first_seen": _utc(track.born),
        **cell,
        "speed_m_s": track.speed_m_s,
        "direction_deg": track.direction_deg,
        "area_trend_km2_h": area_trend,
        "max_trend_mm_h_h": rate_trend,
        "merged": list(track.merged),
        "split_from": track.split_from or None,
        "forecast": [asdict(p) for p in positions(track, crs, params)],
    }
    plain: dict[str, Any] = _plain(told)
    return plain


def _plain(value: Any, digits: int = 2) -> Any:
    """Values of JSON, numbers rounded to what they mean."""
    if isinstance(value, dict):
        return {k: _plain(v, _ROUNDED.get(k, 2)) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    if isinstance(value, float):
        return round(value, digits) if np.isfinite(value) else None
    return value


def _feature(kind: str, coordinates: Any, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "Feature",
        "geometry": {"type": kind, "coordinates": coordinates},
        "properties": properties,
    }


def _place(lon: float, lat: float) -> list[float]:
    return [round(lon, 5), round(lat, 5)]


def _utc(time: np.datetime64) -> str:
    return f"{np.datetime_as_string(time, 's')}Z"


_CELL = {f.name: f.type for f in fields(StormCell)}
_POINT = ("x_m", "y_m", "area_km2", "max_mm_h")


def state_of(tracks: CellTracks) -> xr.Dataset:
    """Tracks as a Dataset, from which the next cycle continues them (`tracks_of`).

    ``labels(y, x)``, one value a ``track`` of what a cell and a track are, and their past on
    ``(track, point)``, padded behind.
    """
    points = max((len(t.points) for t in tracks.tracks), default=0)
    merged = max((len(t.merged) for t in tracks.tracks), default=0)
    n = len(tracks.tracks)
    data: dict[str, Any] = {"labels": (("y", "x"), tracks.labels)}
    for name in _CELL:
        values = np.array([getattr(t.cell, name) for t in tracks.tracks], np.float64)
        data[f"cell_{name}"] = ("track", values)
    for name in ("number", "split_from"):
        data[name] = ("track", np.array([getattr(t, name) for t in tracks.tracks], np.int64))
    for name in ("motion_x_m_s", "motion_y_m_s"):
        data[name] = ("track", np.array([getattr(t, name) for t in tracks.tracks], np.float64))
    for name in ("born", "steady"):
        data[name] = ("track", np.array([_ns(getattr(t, name)) for t in tracks.tracks], np.int64))
    past = {name: np.full((n, points), np.nan) for name in _POINT}
    times, ended = np.full((n, points), -1, np.int64), np.zeros((n, merged), np.int64)
    for k, track in enumerate(tracks.tracks):
        for j, point in enumerate(track.points):
            times[k, j] = _ns(point.time)
            for name in _POINT:
                past[name][k, j] = getattr(point, name)
        ended[k, : len(track.merged)] = track.merged
    data |= {f"point_{name}": (("track", "point"), values) for name, values in past.items()}
    data |= {"point_time": (("track", "point"), times), "merged": (("track", "other"), ended)}
    attributes = {
        "time": _ns(tracks.time), "next_number": tracks.next_number, "version": _VERSION
    }  # fmt: skip
    return xr.Dataset(data, attrs=attributes)


def tracks_of(state: xr.Dataset) -> CellTracks:
    """Tracks that `state_of` kept.

    Raises
    ------
    DataError
        Where the Dataset is none of them, or of another version.
    """
    if state.attrs.get("version") != _VERSION or "labels" not in state:
        raise DataError("state of storm cells", f"is none of version {_VERSION}")
    values = {str(name): v.values for name, v in state.variables.items()}
    made = []
    for k in range(state.sizes.get("track", 0)):
        kinds = {"label": int, "cut_off": bool}
        told = {name: kinds.get(name, float)(values[f"cell_{name}"][k]) for name in _CELL}
        cell = StormCell(**told)
        points = tuple(
            TrackPoint(_time(t), *(float(values[f"point_{name}"][k, j]) for name in _POINT))
            for j, t in enumerate(values["point_time"][k])
            if t >= 0
        )
        made.append(
            Track(
                int(values["number"][k]),
                cell,
                _time(values["born"][k]),
                _time(values["steady"][k]),
                points,
                float(values["motion_x_m_s"][k]),
                float(values["motion_y_m_s"][k]),
                tuple(int(m) for m in values["merged"][k] if m > 0),
                int(values["split_from"][k]),
            )
        )
    labels = values["labels"].astype(np.int32)
    time, number = _time(state.attrs["time"]), int(state.attrs["next_number"])
    return CellTracks(time, labels, tuple(made), number)


def _ns(time: np.datetime64) -> int:
    return int(time.astype("datetime64[ns]").astype(np.int64))


def _time(nanoseconds: int | np.integer) -> np.datetime64:
    return np.datetime64(int(nanoseconds), "ns")
