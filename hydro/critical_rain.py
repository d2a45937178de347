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
_AT_ONCE = 8  # with three durations a row of members; most land floods under these
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
    network = land.basin.network
    unknown = ~np.isfinite(critical_m3_s) | (network.upstream_area_km2 > params.largest_km2)
    wanted = np.where(unknown, 0.0, critical_m3_s)
    depths = np.array(_DEPTHS_MM)
    peak = np.full((network.n_reaches, len(params.hours), len(depths)), np.inf)
    missed = list(range(len(params.hours)))
    for first in range(0, len(depths), _AT_ONCE):
        tried = slice(first, first + _AT_ONCE)
        rain = _even_rain(params, missed, depths[tried], step_s)
        found = peaks(land, rain.reshape(len(rain), -1), step_s, workers)
        peak[:, missed, tried] = found.reshape(-1, len(missed), rain.shape[2])
        highest = peak[:, :, : tried.stop].max(axis=2)
        missed = [k for k in missed if (highest[:, k] < wanted).any()]
        if not missed:
            break
    out = np.stack([_depth_at(peak[:, k], depths, wanted) for k in range(len(params.hours))])
    out[:, unknown] = np.nan
    return out


def _even_rain(
    params: CriticalRainParams, of: list[int], depths: NDArray[np.float64], step_s: float
) -> NDArray[np.float64]:
    """Rain (time, duration, depth) in mm a step, and none until the slowest catchment has peaked.

    Parameters
    ----------
    params
        Durations.
    of
        Numbers of those that are wanted.
    depths
        (depth,) in mm.
    step_s
        Step.
    """
    steps = round((max(params.hours) + _AFTER_H) * 3600.0 / step_s)
    rain = np.zeros((steps, len(of), len(depths)))
    for place, k in enumerate(of):
        falling = max(1, round(params.hours[k] * 3600.0 / step_s))
        rain[:falling, place] = depths / falling
    return rain


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
