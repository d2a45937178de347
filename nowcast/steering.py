"""Steering wind: the wind that moves rain, from profiles of wind above stations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import attrs
from jinghu.grid.profiles import Levels, WindProfile
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy

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
    x, y, along_x, along_y, trust = found.T
    square = (spec.x[None, None, :] - x[:, None, None]) ** 2
    square = square + (spec.y[None, :, None] - y[:, None, None]) ** 2
    # Far from all stations all Gaussians are 0: they are taken relative to the nearest one.
    near = np.exp((square.min(axis=0) - square) / (2 * params.apart_m**2)) * trust[:, None, None]
    share = near / near.sum(axis=0)
    both = (along_x[:, None, None], along_y[:, None, None])
    mean = [(share * along).sum(axis=0) for along in both]
    off = ((along - m) ** 2 for along, m in zip(both, mean, strict=True))
    reach = np.exp(-square / (2 * params.reach_m**2)) * trust[:, None, None]
    fields = {
        "motion_x": mean[0],
        "motion_y": mean[1],
        "quality": np.minimum(reach.sum(axis=0), 1.0),
        "spread": np.sqrt(0.5 * (share * sum(off)).sum(axis=0)),
    }
    return xr.Dataset(
        {
            name: (("y", "x"), f.astype(np.float32), attrs(_LIKE.get(name, name)))
            for name, f in fields.items()
        },
        coords={"time": to_numpy(time), **spec.coords()},
        attrs={"stations": " ".join(stations)},
    )


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
