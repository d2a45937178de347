"""Generated recipients for demos, drills and hindcasts: nobody in them exists."""

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from jinghu.grid.spec import GridSpec
from jinghu.warnings.audience import Recipient
from jinghu.warnings.levels import Role
from jinghu.warnings.units import County, Units

_PEOPLE_PER_VILLAGE = 8  # grid officers to a village
_VILLAGES_PER_TOWN = 12
_CLUSTER_M = 1500.0


def generate_recipients(units: Units, spec: GridSpec, n: int, seed: int) -> list[Recipient]:
    """Make ``n`` responsible persons clustered in villages inside the counties.

    Every village has grid officers and a head, every dozen villages a town duty officer, every
    county one duty officer; names say that they are generated. Unit codes nest as the national
    ones do: a county has 6 digits, a town 9, a village 12 and a grid 15.

    Parameters
    ----------
    units
        Counties; people are shared out by their area.
    spec
        The grid.
    n
        Number of persons.
    seed
        The same seed makes the same people.
    """
    rng = np.random.default_rng(seed)
    areas = np.array([s.area for s in units.shapes])
    shares = np.floor(n * areas / areas.sum()).astype(int)
    shares[: n - shares.sum()] += 1
    people: list[Recipient] = []
    for k, count in enumerate(shares):
        people += _county(units, k, int(count), spec, rng)
    return people


def _county(
    units: Units, k: int, count: int, spec: GridSpec, rng: np.random.Generator
) -> list[Recipient]:
    county, area = units.counties[k], units.shapes[k]
    n_villages = max(1, count // (_PEOPLE_PER_VILLAGE + 1))
    centres = _points_in(area, n_villages, rng)
    people = []
    for number in range(count):
        village = number % n_villages
        role = _role(number, n_villages)
        at = centres[village]
        if role is Role.GRID_OFFICER:
            moved = at + rng.normal(0.0, _CLUSTER_M, 2)
            at = moved if area.contains(shapely.Point(moved)) else at
        lon, lat = spec.to_lonlat(at[0], at[1])
        people.append(
            Recipient(
                f"SIM-{county.code}-{number:05d}",
                f"模拟{number:05d}",
                role,
                *_unit(county, role, number, village, n_villages),
                round(float(lon), 6),
                round(float(lat), 6),
            )
        )
    return people


def _unit(
    county: County, role: Role, number: int, village: int, n_villages: int
) -> tuple[str, str]:
    """Code and name of the unit somebody is responsible for."""
    towns = max(1, n_villages // _VILLAGES_PER_TOWN)
    town = min(village // _VILLAGES_PER_TOWN, towns - 1)  # the last one takes what is left over
    if role is Role.COUNTY_DUTY:
        return county.code, county.name_zh
    if role is Role.TOWN_DUTY:  # town duty officers are numbered from 1
        return f"{county.code}{number - 1:03d}", f"{county.name_zh}模拟{number - 1:03d}镇"
    code = f"{county.code}{town:03d}{village - town * _VILLAGES_PER_TOWN:03d}"
    name = f"{county.name_zh}模拟{village:03d}村"
    if role is Role.VILLAGE_HEAD:
        return code, name
    grid = number // n_villages
    return f"{code}{grid:03d}", f"{name}{grid}网格"


def _role(number: int, n_villages: int) -> Role:
    """Officials first: county, towns, village heads; everybody else looks after a grid."""
    if number == 0:
        return Role.COUNTY_DUTY
    if number <= n_villages // _VILLAGES_PER_TOWN:
        return Role.TOWN_DUTY
    if number <= n_villages + n_villages // _VILLAGES_PER_TOWN:
        return Role.VILLAGE_HEAD
    return Role.GRID_OFFICER


def _points_in(
    area: Polygon | MultiPolygon, n: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Uniform points inside a shape."""
    west, south, east, north = area.bounds
    found = np.empty((0, 2))
    while len(found) < n:
        tried = rng.uniform((west, south), (east, north), (4 * n, 2))
        inside = shapely.contains_xy(area, tried[:, 0], tried[:, 1])
        found = np.concatenate([found, tried[inside]])
    return found[:n]
