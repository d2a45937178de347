"""Weather stations on the grid: temperature by height and distance, wind as the nearest tells it.

Temperature is smooth once its fall with height is taken out: deviations from the standard lapse
are averaged, weighted by distance, and put back to the height of each cell. Wind is not smooth: a
ridge and the valley below it have little in common. A cell has the wind of the nearest station,
where height counts `RISE` times as much as distance, and none where the nearest is far.
"""

from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy
from jinghu.grid.weather_checks import LAPSE_K_M, Stations

KELVIN = 273.15
RISE = 25.0  # 200 m of height part two places as 5 km do
_WIND_REACH_M = 12_500.0
_WARM_REACH_M = 40_000.0
_WARM_SCALE_M = 10_000.0  # of the weights' fall with distance
_WARM_STATIONS = 8


def weather_analysis(
    stations: Stations, height_m: NDArray[np.float32], spec: GridSpec, time: datetime
) -> xr.Dataset:
    """Wind and temperature at 10 m and 2 m of every cell that a station speaks for.

    Parameters
    ----------
    stations
        As `jinghu.grid.weather_checks.checked` leaves them.
    height_m
        Mean height of the cells, (y, x).
    spec, time
        Product grid, and analysis time.

    Returns
    -------
    On (y, x): ``wind_speed``, ``wind_speed_of_gust``, ``eastward_wind``, ``northward_wind``
    (m s-1), ``air_temperature`` (K); NaN where no station that has just reported speaks for a cell.
    """
    x, y = np.meshgrid(spec.x, spec.y)
    cells = np.column_stack([x.ravel(), y.ravel()])
    own = spec.cell_of_xy(stations.xy_m[:, 0], stations.xy_m[:, 1])
    heights = np.where(np.isfinite(stations.altitude_m), stations.altitude_m, height_m.ravel()[own])
    fields = _winds(stations, heights, cells, height_m.ravel())
    fields |= _temperatures(stations, heights, cells, height_m.ravel())
    return xr.Dataset(
        {
            name: (("y", "x"), values.reshape(spec.shape).astype(np.float32), attrs(name))
            for name, values in fields.items()
        },
        coords=spec.coords() | {"time": to_numpy(time)},
    )


def _winds(
    stations: Stations,
    heights: NDArray[np.float64],
    cells: NDArray[np.float64],
    cell_heights: NDArray[np.float32],
) -> dict[str, NDArray[np.float64]]:
    """Wind (cell,) of the nearest station, the nearer the more alike its height."""
    strongest = np.fmax(stations.speed_m_s, stations.gust_m_s)
    there = np.flatnonzero(np.isfinite(strongest))
    nearest = np.full(len(cells), -1)
    if there.size:
        places = np.column_stack([stations.xy_m[there], RISE * heights[there]])
        here = np.column_stack([cells, RISE * cell_heights])
        ranked = cKDTree(places).query(here, distance_upper_bound=2 * _WIND_REACH_M)[1]
        found = np.append(there, -1)[ranked]
        flat = np.hypot(*(stations.xy_m[found] - cells).T)
        nearest = np.where((found >= 0) & (flat <= _WIND_REACH_M), found, -1)
    # The whole turns where the direction blows to, which is opposite to whence it comes.
    angle = np.deg2rad(stations.direction_deg)
    of_station = {
        "wind_speed": stations.speed_m_s,
        "wind_speed_of_gust": stations.gust_m_s,
        "eastward_wind": -stations.speed_m_s * np.sin(angle),
        "northward_wind": -stations.speed_m_s * np.cos(angle),
    }
    return {name: np.append(values, np.nan)[nearest] for name, values in of_station.items()}


def _temperatures(
    stations: Stations,
    heights: NDArray[np.float64],
    cells: NDArray[np.float64],
    cell_heights: NDArray[np.float32],
) -> dict[str, NDArray[np.float64]]:
    """Temperature (cell,) in K: deviations from the lapse, weighted by distance."""
    there = np.flatnonzero(np.isfinite(stations.temperature_c))
    nothing = np.full(len(cells), np.nan)
    if not there.size:
        return {"air_temperature": nothing}
    at_sea = stations.temperature_c[there] + LAPSE_K_M * heights[there]
    ranks = list(range(1, min(_WARM_STATIONS, there.size) + 1))
    distance, index = cKDTree(stations.xy_m[there]).query(
        cells, ranks, distance_upper_bound=_WARM_REACH_M
    )
    weight = np.exp(-0.5 * np.square(np.minimum(distance, _WARM_REACH_M) / _WARM_SCALE_M))
    weight = np.where(np.isfinite(distance), weight, 0.0)
    total = weight.sum(axis=1)
    known = np.append(at_sea, 0.0)[index]
    with np.errstate(invalid="ignore"):
        mean = (weight * known).sum(axis=1) / np.where(total > 0, total, np.nan)
    return {"air_temperature": mean - LAPSE_K_M * cell_heights + KELVIN}
