"""Critical rain: how much rain it takes now, as wet as the land is, for a small river to flood.

The dynamic critical rain (动态临界雨量) of China's mountain torrent warnings: the depth that,
falling evenly for 1, 3 or 6 h on what the soil holds now, brings the peak at a section to the
discharge at which people are harmed there. It falls as the land gets wetter.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.land import Land, peaks

_DEPTHS_MM = (0.0, 10.0, 20.0, 35.0, 50.0, 70.0, 95.0, 125.0, 165.0, 220.0, 300.0, 400.0)
_AFTER_H = 4.0  # a catchment of 200 km2 has peaked by then


@dataclass(frozen=True, slots=True)
class CriticalRainParams:
    """Of the product.

    Parameters
    ----------
    hours
        Durations.
    largest_km2
        Catchments up to this size: larger ones do not answer to even rain within hours.
    """

    hours: tuple[int, ...] = (1, 3, 6)
    largest_km2: float = 200.0


def critical_rain(
    land: Land,
    critical_m3_s: NDArray[np.float64],
    params: CriticalRainParams,
    step_s: float,
    workers: int = 1,
) -> NDArray[np.float64]:
    """Critical rain of each reach's catchment.

    Parameters
    ----------
    land
        Network, and the soil as it is now.
    critical_m3_s
        (reach,) discharge at which it floods; NaN where there is none to know.
    params
        Durations and sizes.
    step_s
        Step of the rain.
    workers
        Threads.

    Returns
    -------
    (duration, reach) mm; 0 where the water is there already, 400 where as much does not bring it,
    NaN for catchments that are too large or have no critical discharge.
    """
    depths = np.array(_DEPTHS_MM)
    longest = max(params.hours)
    steps = round((longest + _AFTER_H) * 3600.0 / step_s)
    rain = np.zeros((steps, len(params.hours), len(depths)))
    for k, hours in enumerate(params.hours):
        falling = max(1, round(hours * 3600.0 / step_s))
        rain[:falling, k] = depths / falling
    peak = peaks(land, rain.reshape(steps, -1), step_s, workers)
    peak = peak.reshape(-1, len(params.hours), len(depths))
    out = np.stack([_depth_at(peak[:, k], depths, critical_m3_s) for k in range(len(params.hours))])
    network = land.basin.network
    unknown = ~np.isfinite(critical_m3_s) | (network.upstream_area_km2 > params.largest_km2)
    out[:, unknown] = np.nan
    return out


def _depth_at(
    peak: NDArray[np.float64], depths: NDArray[np.float64], wanted: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Depth (reach,) whose peak (reach, depth) is the one wanted, linear between depths."""
    peak = np.maximum.accumulate(peak, axis=1)
    above = (peak < wanted[:, None]).sum(axis=1)  # first depth that brings it
    high = np.clip(above, 1, len(depths) - 1)
    reach = np.arange(len(peak))
    below, over = peak[reach, high - 1], peak[reach, high]
    share = (wanted - below) / np.maximum(over - below, 1e-12)
    found = depths[high - 1] + share * (depths[high] - depths[high - 1])
    return np.where(above == 0, 0.0, np.minimum(found, depths[-1]))


def worst_ratio(
    starts_mm: NDArray[np.float64],
    rain_mm: NDArray[np.float64],
    steps: int,
    first: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Largest share of its critical rain that falls on each reach, over windows of one duration.

    Each window is measured by the critical rain of when it begins: what fell before it is in the
    soil by then, and does not count twice.

    Parameters
    ----------
    starts_mm
        (start, reach) critical rain by when the window begins; NaN where none is known.
    rain_mm
        (time, reach) rain of the catchment in each step, observed, then forecast.
    steps
        Length of the windows.
    first
        (start,) first step of each window in ``rain_mm``.

    Returns
    -------
    (reach,) ratio; NaN where no critical rain is known; infinite where it is 0 and rain falls.
    """
    total = np.concatenate([np.zeros((1, rain_mm.shape[1])), np.cumsum(rain_mm, axis=0)])
    ends = np.minimum(first + steps, len(rain_mm))
    fell = total[ends] - total[first]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(starts_mm > 0, fell / starts_mm, np.where(fell > 0, np.inf, 0.0))
    ratio = np.where(np.isnan(starts_mm), -1.0, ratio)
    worst = ratio.max(axis=0, initial=-1.0)
    return np.where(worst < 0, np.nan, worst)
