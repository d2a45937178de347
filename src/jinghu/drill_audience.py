"""Those with a role in a drill: one person for each unit, and the wardens. Nobody exists.

Their unit codes nest as the national ones do: a county has 6 digits, a town 9, a village 12, a
grid 15. Names say that they are simulated.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from jinghu.grid.spec import GridSpec
from jinghu.warnings.audience import Recipient
from jinghu.warnings.levels import Role
from jinghu.warnings.units import Units


@dataclass(frozen=True, slots=True)
class Clusters:
    """Units of one kind.

    Parameters
    ----------
    xy
        (unit, 2) middle in the plane of the grid, m.
    parent
        (unit,) index of the unit above: of a town its county, of a village its town, of a grid its
        village.
    code
        Unit code.
    """

    xy: NDArray[np.float64]
    parent: NDArray[np.int64]
    code: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Nested:
    """Units below the counties, each in one above."""

    towns: Clusters
    villages: Clusters
    grids: Clusters


def audience_of(
    units: Units,
    city: tuple[str, str],
    spec: GridSpec,
    nested: Nested,
    reservoirs: NDArray[np.float64],
) -> tuple[Recipient, ...]:
    """One person for each unit, and a warden for each reservoir; the highest first.

    Parameters
    ----------
    units
        Counties, on ``spec``.
    city
        Code and Chinese name.
    spec
        Product grid.
    nested
        Towns, villages and grids; the first town of a county is its seat.
    reservoirs
        (reservoir, 2) places in the plane of the grid.
    """
    towns, villages, grids = nested.towns, nested.villages, nested.grids
    seats = towns.xy[np.searchsorted(towns.parent, np.arange(len(units.counties)))]
    counties = [county.name_zh for county in units.counties]
    of_town = [
        f"{counties[k]}模拟{code[6:9]}镇" for k, code in zip(towns.parent, towns.code, strict=True)
    ]
    of_village = _named(of_town, villages, slice(9, 12), "村")
    of_grid = _named(of_village, grids, slice(12, None), "网格")
    posts = [
        _Post(Role.CITY_DUTY, [city[0]], [city[1]], seats[:1]),
        _Post(Role.COUNTY_DUTY, [c.code for c in units.counties], counties, seats),
        _Post(Role.TOWN_DUTY, towns.code, of_town, towns.xy),
        _Post(Role.VILLAGE_HEAD, villages.code, of_village, villages.xy),
        _Post(Role.GRID_OFFICER, grids.code, of_grid, grids.xy),
        _wardens(villages, reservoirs.reshape(-1, 2)),
    ]
    return tuple(person for post in posts for person in _people_of(post, spec))


@dataclass(frozen=True, slots=True)
class _Post:
    """Everybody of one role: their units' codes and names, and where they stand (person, 2)."""

    role: Role
    codes: Sequence[str]
    names: Sequence[str]
    xy: NDArray[np.float64]


def _wardens(villages: Clusters, xy: NDArray[np.float64]) -> _Post:
    """Wardens belong to the nearest village, in grids of their own."""
    _, nearest = cKDTree(villages.xy).query(xy)
    codes = [f"{villages.code[int(v)]}9{k:02d}" for k, v in enumerate(np.atleast_1d(nearest), 1)]
    names = [f"模拟{k:02d}号水库" for k in range(1, len(xy) + 1)]
    return _Post(Role.RESERVOIR_WARDEN, codes, names, xy)


def _named(above: Sequence[str], units: Clusters, digits: slice, kind: str) -> list[str]:
    """Names of units: that of the unit above, their own digits, their kind."""
    return [
        f"{above[k]}{code[digits]}{kind}" for k, code in zip(units.parent, units.code, strict=True)
    ]


def _people_of(post: _Post, spec: GridSpec) -> Iterator[Recipient]:
    lon, lat = spec.to_lonlat(post.xy[:, 0], post.xy[:, 1])
    places = zip(np.round(lon, 6).tolist(), np.round(lat, 6).tolist(), strict=True)
    for code, name, (x, y) in zip(post.codes, post.names, places, strict=True):
        title = f"模拟{code}"  # the role is named beside it wherever it is shown
        yield Recipient(f"SIM-{code}", title, post.role, code, name, x, y)
