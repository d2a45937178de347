"""Floods that are expected once in so many years, reach by reach, from design rain.

They come out of the same model as the forecast, so that its errors of terrain, soil and roughness
are on both sides of the comparison, and cancel as far as they can.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.design_rain import DesignRain, areal_share, design_storms
from jinghu.hydro.land import Land, peaks

YEARS = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0)
_AREAS_KM2 = (1.0, 100.0, 500.0, 2000.0, 8000.0)
_STORM_H = 24.0
_AFTER_H = 12.0  # until the peak has passed the mouth


@dataclass(frozen=True, slots=True)
class FloodQuantiles:
    """Peak discharges of floods.

    Parameters
    ----------
    years
        (year,) return periods, ascending.
    discharge_m3_s
        (year, reach) m3/s, ascending.
    source
        Where the design rain came from.
    """

    years: NDArray[np.float64]
    discharge_m3_s: NDArray[np.float64]
    source: str

    def of(self, years: float) -> NDArray[np.float64]:
        """Discharge (reach,) of a return period, between those known by its logarithm."""
        at = np.interp(np.log(years), np.log(self.years), np.arange(len(self.years)))
        low = int(min(at, len(self.years) - 2))
        share = at - low
        below, above = self.discharge_m3_s[low], self.discharge_m3_s[low + 1]
        return np.asarray(below + share * (above - below))


def flood_quantiles(
    land: Land, table: DesignRain, step_s: float, workers: int = 1
) -> FloodQuantiles:
    """Let design storms fall on the land, those of an area on the reaches that drain as much.

    Parameters
    ----------
    land
        As wet as it is wont to be when a storm comes.
    table
        Design rain.
    step_s
        Step of the storms.
    workers
        Threads.
    """
    years, areas = np.array(YEARS), np.array(_AREAS_KM2)
    storms = design_storms(table, years, areas, _STORM_H, step_s / 3600.0)
    rain = np.zeros((len(storms) + round(_AFTER_H * 3600.0 / step_s), len(years) * len(areas)))
    rain[: len(storms)] = storms.reshape(len(storms), -1)
    found = peaks(land, rain, step_s, workers).reshape(-1, len(years), len(areas))
    # Between two areas the share of the rain is what lies between, not the area itself.
    day = np.array([_STORM_H])
    known = areal_share(day, areas)[:, 0]
    wanted = areal_share(day, np.asarray(land.basin.network.upstream_area_km2, np.float64))[:, 0]
    place = np.interp(-wanted, -known, np.arange(len(areas)))
    low = np.minimum(place.astype(int), len(areas) - 2)
    share = (place - low)[:, None]
    reach = np.arange(len(found))
    at_area = found[reach, :, low] * (1 - share) + found[reach, :, low + 1] * share
    return FloodQuantiles(years, np.ascontiguousarray(at_area.T), table.source)


def return_period(quantiles: FloodQuantiles, peak_m3_s: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return period (reach,) in years of peaks; 0 below the least known, capped at the largest.

    Between known ones its logarithm goes with the discharge.
    """
    known, logs = quantiles.discharge_m3_s, np.log(quantiles.years)
    above = (peak_m3_s[None] >= known).sum(axis=0)
    low = np.clip(above - 1, 0, len(logs) - 2)
    reach = np.arange(len(peak_m3_s))
    below, over = known[low, reach], known[low + 1, reach]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(over > below, (peak_m3_s - below) / (over - below), 0.0)
    years = np.exp(logs[low] + np.clip(share, 0.0, 1.0) * (logs[low + 1] - logs[low]))
    return np.where(above > 0, years, 0.0)
