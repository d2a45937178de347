"""Steering wind: the wind that moves rain, from profiles of wind above stations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import attrs
from jinghu.grid.profiles import Levels, WindProfile
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy

_FIELDS = ("motion_x", "motion_y", "quality", "spread")
_LIKE = {"spread": "motion_x"}
_NORTH_DEG = 0.01  # a step to the north, to find where it is on the grid


@dataclass(frozen=True, slots=True)
class SteeringParams:
    """Layer, and how far a wind speaks in space and time.

    Convective cells move with the mean wind of the layer that holds the cloud, for which Corfidi,
    Merritt and Fritsch (1996, Wea. Forecasting 11, 41-46) take 850, 700, 500 and 300 hPa. Boundary
    layer profilers do not reach 300 hPa: the layer is that from 850 to 500 hPa.
    """

    bottom_m: float = 1500.0  # above mean sea level: 850 hPa
    top_m: float = 5600.0  # 500 hPa
    min_share: float = 0.4  # of the layer: down to what a profiler sees that reaches 3.2 km
    gap_m: float = 500.0  # of the layer for which one level speaks at most
    usual_confidence: float = 50.0  # of levels that state none
    reach_m: float = 120_000.0  # standard deviation of the Gaussian of a station's quality
    apart_m: float = 60_000.0  # of that by which stations weigh against one another
    fresh_s: float = 1800.0  # e-folding age
    oldest_s: float = 3600.0


@dataclass(frozen=True, slots=True)
class SteeringWind:
    """Mean wind of the layer at a station.

    Parameters
    ----------
    station, lon, lat, time
        Where, in WGS-84 degrees, and when.
    u_m_s, v_m_s
        Eastward and northward.
    trust
        0 to 1: mean confidence, times the share of the layer that was measured.
    """

    station: str
    lon: float
    lat: float
    time: datetime
    u_m_s: float
    v_m_s: float
    trust: float


def steering_wind(profile: WindProfile, params: SteeringParams) -> SteeringWind | None:
    """Mean wind of the steering layer, weighted by confidence and by what each level stands for.

    Returns
    -------
    None where too little of the layer was measured.
    """
    depth, confidence = _weights(profile.levels, profile.altitude_m, params)
    share = float(depth.sum()) / (params.top_m - params.bottom_m)
    weight = depth * confidence
    if share < params.min_share or weight.sum() <= 0:
        return None
    used = weight > 0
    u, v = (profile.levels.wind()[:, used] * weight[used]).sum(axis=1) / weight.sum()
    trust = share * float(weight.sum() / depth.sum()) / 100.0
    return SteeringWind(
        profile.station, profile.lon, profile.lat, profile.time, float(u), float(v), trust
    )


def _weights(
    levels: Levels, altitude_m: float, params: SteeringParams
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Metres of the layer for which each level speaks, 0 without wind; its confidence 0..100."""
    depth = np.zeros(levels.height_m.shape)
    known = np.flatnonzero(np.isfinite(levels.speed_m_s))
    if known.size:
        height = levels.height_m[known] + altitude_m
        middle = 0.5 * (height[1:] + height[:-1])
        half = 0.5 * params.gap_m
        low = np.maximum(np.concatenate([[-np.inf], middle]), height - half)
        high = np.minimum(np.concatenate([middle, [np.inf]]), height + half)
        inside = np.minimum(high, params.top_m) - np.maximum(low, params.bottom_m)
        depth[known] = np.maximum(inside, 0.0)
    confidence = levels.confidence
    return depth, np.where(np.isnan(confidence), params.usual_confidence, confidence)


def steering_motion(
    winds: Sequence[SteeringWind], spec: GridSpec, time: datetime, params: SteeringParams
) -> xr.Dataset | None:
    """Steering wind on a grid: means of the stations, weighted by Gaussians of the distance.

    Parameters
    ----------
    winds
        Any number a station; the younger weigh more.
    spec
        The grid; the wind is turned from true north to its rows.
    time
        For which it is made. Winds from after it, or older than the parameters allow, are left
        out.
    params
        Parameters.

    Returns
    -------
    ``motion_x``, ``motion_y`` (m s-1), ``quality`` and ``spread`` (m s-1 a component, standard
    deviation between the stations) on (y, x), attribute ``stations``; None where there is no wind.
    """
    oldest = timedelta(seconds=params.oldest_s)
    used = [wind for wind in winds if timedelta(0) <= time - wind.time <= oldest]
    if not used:
        return None
    stations = sorted({wind.station for wind in used})
    found = np.array([_at_station([w for w in used if w.station == s], spec, time, params)
                      for s in stations])  # fmt: skip
    fields = np.zeros((len(_FIELDS), *spec.shape), np.float32)
    _weigh(found, spec.x, spec.y, params.apart_m, params.reach_m, fields)
    return xr.Dataset(
        {
            name: (("y", "x"), field, attrs(_LIKE.get(name, name)))
            for name, field in zip(_FIELDS, fields, strict=True)
        },
        coords={"time": to_numpy(time), **spec.coords()},
        attrs={"stations": " ".join(stations)},
    )


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _weigh(
    found: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    apart_m: float,
    reach_m: float,
    fields: NDArray[np.float32],
) -> None:
    """Set ``fields`` (4, y, x) from stations (station, 5): x, y, wind along x and y, trust.

    Far from all stations all Gaussians are 0: they are taken relative to the nearest one.
    """
    n = len(found)
    square, share = np.empty(n), np.empty(n)
    for row in range(len(y)):
        for column in range(len(x)):
            nearest = np.inf
            for k in range(n):
                dx, dy = x[column] - found[k, 0], y[row] - found[k, 1]
                square[k] = dx * dx + dy * dy
                nearest = min(nearest, square[k])
            total, mean_x, mean_y, quality = 0.0, 0.0, 0.0, 0.0
            for k in range(n):
                trust = found[k, 4]
                share[k] = np.exp((nearest - square[k]) / (2.0 * apart_m * apart_m)) * trust
                quality += np.exp(-square[k] / (2.0 * reach_m * reach_m)) * trust
                total += share[k]
                mean_x += share[k] * found[k, 2]
                mean_y += share[k] * found[k, 3]
            mean_x, mean_y, off = mean_x / total, mean_y / total, 0.0
            for k in range(n):
                apart = (found[k, 2] - mean_x) ** 2 + (found[k, 3] - mean_y) ** 2
                off += share[k] / total * apart
            fields[0, row, column], fields[1, row, column] = mean_x, mean_y
            fields[2, row, column] = min(quality, 1.0)
            fields[3, row, column] = np.sqrt(0.5 * off)


def _at_station(
    winds: Sequence[SteeringWind], spec: GridSpec, time: datetime, params: SteeringParams
) -> tuple[float, float, float, float, float]:
    """Place on the grid, mean wind along its axes, and trust in it."""
    age = np.array([(time - wind.time).total_seconds() for wind in winds])
    weight = np.array([wind.trust for wind in winds]) * np.exp(-age / params.fresh_s)
    u, v = (np.average([(w.u_m_s, w.v_m_s) for w in winds], axis=0, weights=weight)).tolist()
    newest = max(winds, key=lambda wind: wind.time)
    x, y = spec.to_xy([newest.lon] * 2, [newest.lat, newest.lat + _NORTH_DEG])
    north = np.array([x[1] - x[0], y[1] - y[0]]) / np.hypot(x[1] - x[0], y[1] - y[0])
    along = v * north + u * np.array([north[1], -north[0]])
    return float(x[0]), float(y[0]), float(along[0]), float(along[1]), float(weight.max())
