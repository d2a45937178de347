"""Quality control of weather stations: values that stand still, that jump, that nobody near shares.

The order follows that of the meteorological services (range on reading, then time, then space:
WMO-No. 8, volume V, chapter 1); the limits are those of hourly reports over hills, wide enough for
what thunderstorms really do: a cold outflow takes ten degrees in minutes, and a downburst is local.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from jinghu.grid.spec import CELL_OUTSIDE, GridSpec
from jinghu.grid.weather_reports import WeatherReport

LAPSE_K_M = 0.0065  # of the standard atmosphere
FRESH = timedelta(minutes=75)  # an hourly report that is late by a quarter of an hour


@dataclass(frozen=True, slots=True)
class CheckParams:
    """Limits of the checks.

    Parameters
    ----------
    stuck_for, stuck_reports
        A value that was the same in so many reports over so long stands still; calm may.
    step_k, step_m_s
        A larger change within an hour needs a neighbour that bears it out.
    near_km, neighbours
        How far neighbours may be, and of how many the nearest are asked; fewer than three say
        nothing.
    apart_k
        Furthest from the neighbours' median, both at sea level; three of their spreads where that
        is more.
    windy_times, windy_m_s
        Most above the strongest of the neighbours: so many times as much, and so much more.
    """

    stuck_for: timedelta = timedelta(hours=3)
    stuck_reports: int = 4
    step_k: float = 12.0
    step_m_s: float = 20.0
    near_km: float = 30.0
    neighbours: int = 8
    apart_k: float = 6.0
    windy_times: float = 3.0
    windy_m_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Stations:
    """The newest report of each station, each array (station,); NaN where there is no value.

    Parameters
    ----------
    names
        Sorted.
    xy_m, altitude_m
        Place on the plane of the grid, (station, 2), and height.
    speed_m_s, gust_m_s, direction_deg, temperature_c
        What it says.
    """

    names: tuple[str, ...]
    xy_m: NDArray[np.float64]
    altitude_m: NDArray[np.float64]
    speed_m_s: NDArray[np.float64]
    gust_m_s: NDArray[np.float64]
    direction_deg: NDArray[np.float64]
    temperature_c: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Checked:
    """What passed, and why values of single stations did not: a line each."""

    stations: Stations
    refused: tuple[str, ...]


def checked(
    reports: Sequence[WeatherReport],
    time: datetime,
    spec: GridSpec,
    params: CheckParams = CheckParams(),
) -> Checked:
    """Newest report of each station of the grid, less what cannot be believed.

    Parameters
    ----------
    reports
        Of the last hours, in any order; of two of one station and time the later one counts. Those
        after ``time`` are passed over, and stations whose newest is older than `FRESH`.
    time, spec
        Analysis time, and the grid.
    params
        Limits.
    """
    series: dict[str, dict[datetime, WeatherReport]] = {}
    for one in reports:
        if one.time <= time:
            series.setdefault(one.station, {})[one.time] = one
    newest = {name: max(of) for name, of in series.items()}
    names = sorted(name for name, last in newest.items() if time - last <= FRESH)
    found = _stations([series[name][newest[name]] for name in names], spec)
    histories = [_history(series[name]) for name in found.names]
    refused: list[str] = []
    steps = _in_time(found, histories, params, refused)
    _in_space(found, steps, params, refused)
    return Checked(found, tuple(refused))


def _history(of: Mapping[datetime, WeatherReport]) -> list[WeatherReport]:
    return [of[when] for when in sorted(of)]


def _stations(reports: Sequence[WeatherReport], spec: GridSpec) -> Stations:
    x, y = spec.to_xy(np.array([r.lon for r in reports]), np.array([r.lat for r in reports]))
    inside = spec.cell_of_xy(x, y) != CELL_OUTSIDE
    kept = [report for report, here in zip(reports, inside, strict=True) if here]

    def values(name: str) -> NDArray[np.float64]:
        return np.array([getattr(report, name) for report in kept], np.float64)

    return Stations(
        tuple(report.station for report in kept),
        np.column_stack([x[inside], y[inside]]),
        values("altitude_m"),
        values("wind_speed_m_s"),
        values("wind_gust_m_s"),
        values("wind_direction_deg"),
        values("air_temperature_c"),
    )


@dataclass(frozen=True, slots=True)
class _Steps:
    """Stations (station,) whose value jumped within the hour before."""

    temperature: NDArray[np.bool_]
    wind: NDArray[np.bool_]


def _in_time(
    found: Stations,
    histories: Sequence[list[WeatherReport]],
    params: CheckParams,
    refused: list[str],
) -> _Steps:
    """Take out what stands still; tell what jumped."""
    n = len(found.names)
    steps = _Steps(np.zeros(n, np.bool_), np.zeros(n, np.bool_))
    for k, history in enumerate(histories):
        if _stands_still(history, "air_temperature_c", params):
            refused.append(f"{found.names[k]}: {found.temperature_c[k]:g} degC has stood for hours")
            found.temperature_c[k] = np.nan
        if found.speed_m_s[k] > 0 and _stands_still(history, "wind_speed_m_s", params):
            refused.append(f"{found.names[k]}: {found.speed_m_s[k]:g} m/s has stood for hours")
            found.speed_m_s[k] = found.gust_m_s[k] = np.nan
        if len(history) > 1 and history[-1].time - history[-2].time <= timedelta(hours=1):
            last, before = history[-1], history[-2]
            change = abs(last.air_temperature_c - before.air_temperature_c)
            steps.temperature[k] = change > params.step_k
            rise = last.wind_speed_m_s - before.wind_speed_m_s
            steps.wind[k] = rise > params.step_m_s
    return steps


def _stands_still(history: Sequence[WeatherReport], name: str, params: CheckParams) -> bool:
    last = getattr(history[-1], name)
    for run, report in enumerate(reversed(history), 1):
        if getattr(report, name) != last:  # a NaN equals nothing
            return False
        if history[-1].time - report.time >= params.stuck_for and run >= params.stuck_reports:
            return True
    return False


def _in_space(found: Stations, steps: _Steps, params: CheckParams, refused: list[str]) -> None:
    """Take out what the neighbours do not share, and jumps that none of them bears out."""
    at_sea = found.temperature_c + LAPSE_K_M * np.nan_to_num(found.altitude_m)
    near = _neighbours(found, at_sea, params)
    few = np.isfinite(near).sum(axis=1) < 3
    wrong = steps.temperature & few
    near, asked = near[~few], np.flatnonzero(~few)
    middle = np.nanmedian(near, axis=1)
    spread = 1.4826 * np.nanmedian(np.abs(near - middle[:, None]), axis=1)
    limit = np.where(steps.temperature[asked], params.apart_k / 2, params.apart_k)
    wrong[asked] = np.abs(at_sea[asked] - middle) > np.maximum(limit, 3.0 * spread)
    for k in np.flatnonzero(wrong & np.isfinite(found.temperature_c)):
        refused.append(f"{found.names[k]}: {found.temperature_c[k]:g} degC, unlike its neighbours")
        found.temperature_c[k] = np.nan
    _winds(found, steps, params, refused)


def _winds(found: Stations, steps: _Steps, params: CheckParams, refused: list[str]) -> None:
    strongest = np.fmax(found.speed_m_s, found.gust_m_s)
    near = _neighbours(found, strongest, params)
    few = np.isfinite(near).sum(axis=1) < 3
    most = np.nan_to_num(near).max(axis=1, initial=0.0)
    wrong = ~few & (strongest > params.windy_times * most + params.windy_m_s)
    wrong |= steps.wind & (few | (strongest > params.windy_times * most))
    for k in np.flatnonzero(wrong):
        refused.append(f"{found.names[k]}: {strongest[k]:g} m/s, unlike its neighbours")
        found.speed_m_s[k] = found.gust_m_s[k] = np.nan


def _neighbours(
    found: Stations, values: NDArray[np.float64], params: CheckParams
) -> NDArray[np.float64]:
    """Values (station, neighbour) of the nearest others that have one; NaN where there are less."""
    n = len(found.names)
    near = np.full((n, params.neighbours + 1), np.nan)
    there = np.flatnonzero(np.isfinite(values))
    if not there.size or not n:
        return near
    ranks = list(range(1, params.neighbours + 2))
    reach = 1000.0 * params.near_km
    _, index = cKDTree(found.xy_m[there]).query(found.xy_m, ranks, distance_upper_bound=reach)
    known = np.append(values[there], np.nan)  # the index of nobody is one past the last
    near = known[index]
    near[np.append(there, -1)[index] == np.arange(n)[:, None]] = np.nan
    return near
