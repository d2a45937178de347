"""Who lives where in a drill: people, their officers, schools and sites. Nobody in it exists.

Units nest as the national ones do: a county has the 6 digits of its code, a town 9, a village 12,
a grid 15. A village is the part of its county that is nearest to its centre, a town is its
villages, and a grid lies in its village: so whoever is in a grid is in its village, its town and
its county.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from jinghu.drill_audience import Clusters, Nested, audience_of
from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import GridSpec
from jinghu.warnings.audience import Recipient
from jinghu.warnings.units import Units

_TOWN_M = 3_800.0  # villages around the middle of their town
_VILLAGE_M = 450.0  # grids around the middle of their village
_LIVABLE_M = 220.0  # height over which the density of people falls by e
_LEAST = 0.03  # density on the highest hills, beside the plain
_SEAT = 4.0  # people of a county's seat beside those of other towns
_ROUNDS = 12
_CLOSER = 0.8  # so much nearer to the middle is tried in the next round
KINDS = ("school", "site")


@dataclass(frozen=True, slots=True)
class WorldParams:
    """How many of everything; the defaults are those of a city like Shaoxing."""

    people: int = 5_000_000
    towns: int = 110
    villages: int = 1_500
    grids: int = 7_500
    schools: int = 620
    sites: int = 280

    def __post_init__(self) -> None:
        """Refuse units without parts."""
        if not 1 <= self.towns <= self.villages <= self.grids <= self.people:
            raise ConfigError(f"every unit needs a part: {self}")


@dataclass(frozen=True, slots=True)
class Places:
    """Places with people in them by day.

    Parameters
    ----------
    kind
        (place,) index into `KINDS`.
    cell
        (place,) cell of the product grid.
    people
        (place,) pupils, or workers.
    """

    kind: NDArray[np.int64]
    cell: NDArray[np.int64]
    people: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class World:
    """Everybody.

    Parameters
    ----------
    towns, villages, grids
        The units.
    people
        (grid,) residents.
    people_of_cell
        (cell,) residents of the cells of the product grid.
    places
        Schools and construction sites.
    recipients
        Those with a role: the audience of warnings.
    """

    towns: Clusters
    villages: Clusters
    grids: Clusters
    people: NDArray[np.int64]
    people_of_cell: NDArray[np.int64]
    places: Places
    recipients: tuple[Recipient, ...]


def make_world(
    units: Units,
    city: tuple[str, str],
    spec: GridSpec,
    height_m: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    reservoirs: NDArray[np.float64],
    params: WorldParams,
    seed: int,
) -> World:
    """Let people settle: many in towns and valleys, few on the hills.

    Parameters
    ----------
    units
        Counties, on ``spec``.
    city
        Code and Chinese name of the city.
    spec
        Product grid.
    height_m
        Height of the ground at (point, 2) places.
    reservoirs
        (reservoir, 2) places in the plane of the grid; each has a warden.
    params, seed
        How many; the same seed gives the same world.
    """
    random = np.random.default_rng([seed, 0x776F])
    towns = _towns(units, height_m, params, random)
    villages, weight = _villages(units, towns, height_m, params, random)
    grids = _grids(units, towns, villages, weight, params, random)
    share = weight[grids.parent] * random.lognormal(0.0, 0.35, params.grids)
    share /= np.bincount(grids.parent, minlength=params.villages)[grids.parent]
    people = np.asarray(random.multinomial(params.people, share / share.sum()), np.int64)
    cell = spec.cell_of_xy(grids.xy[:, 0], grids.xy[:, 1])
    if (cell < 0).any():
        raise ConfigError(f"city {city[0]}: reaches beyond the grid")
    counted = np.bincount(cell, people, minlength=spec.nx * spec.ny)
    recipients = audience_of(units, city, spec, Nested(towns, villages, grids), reservoirs)
    return World(
        towns,
        villages,
        grids,
        people,
        counted.astype(np.int64),
        _places(cell, people, params, random),
        recipients,
    )


def _towns(
    units: Units,
    height_m: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    params: WorldParams,
    random: np.random.Generator,
) -> Clusters:
    """Towns by the area of the counties; the first of each is its seat."""
    areas = np.array([shape.area for shape in units.shapes])
    numbers = _shared(params.towns, areas)
    xy, parent, code = [], [], []
    for k, n in enumerate(numbers):
        xy.append(_settled(units, k, int(n), height_m, random))
        parent += [k] * int(n)
        code += [f"{units.counties[k].code}{t:03d}" for t in range(1, int(n) + 1)]
    return Clusters(np.concatenate(xy), np.array(parent), tuple(code))


def _villages(
    units: Units,
    towns: Clusters,
    height_m: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    params: WorldParams,
    random: np.random.Generator,
) -> tuple[Clusters, NDArray[np.float64]]:
    """Villages around their towns, and how large each is."""
    size = random.lognormal(0.0, 0.6, params.towns)
    size[np.searchsorted(towns.parent, np.arange(len(units.counties)))] *= _SEAT
    parent = np.repeat(np.arange(params.towns), _shared(params.villages, np.sqrt(size)))
    xy = np.full((params.villages, 2), np.nan)
    spread = _TOWN_M
    for _ in range(_ROUNDS):
        open_ = np.flatnonzero(np.isnan(xy[:, 0]))
        tried = towns.xy[parent[open_]] + random.normal(0.0, spread, (len(open_), 2))
        good = _inside(units, towns.parent[parent[open_]], tried)
        good &= random.uniform(size=len(open_)) < _livable(height_m(tried))
        xy[open_[good]] = tried[good]
        spread *= _CLOSER
    for k in range(len(units.counties)):  # who found no place near the town lives elsewhere
        left = np.flatnonzero(np.isnan(xy[:, 0]) & (towns.parent[parent] == k))
        if left.size:
            xy[left] = _settled(units, k, len(left), height_m, random)
    number = np.arange(params.villages) - np.searchsorted(parent, parent)
    code = tuple(f"{towns.code[t]}{v + 1:03d}" for t, v in zip(parent, number, strict=True))
    weight = size[parent] * random.lognormal(0.0, 0.5, params.villages)
    return Clusters(xy, parent, code), weight


def _grids(
    units: Units,
    towns: Clusters,
    villages: Clusters,
    weight: NDArray[np.float64],
    params: WorldParams,
    random: np.random.Generator,
) -> Clusters:
    """Grids in their villages: nearer to the middle of theirs than to any other of the county."""
    parent = np.repeat(np.arange(params.villages), _shared(params.grids, weight))
    county = towns.parent[villages.parent]
    xy = np.full((params.grids, 2), np.nan)
    spread = _VILLAGE_M
    for _ in range(_ROUNDS):
        open_ = np.flatnonzero(np.isnan(xy[:, 0]))
        tried = villages.xy[parent[open_]] + random.normal(0.0, spread, (len(open_), 2))
        good = _inside(units, county[parent[open_]], tried)
        for k in range(len(units.counties)):
            mine = np.flatnonzero(county == k)
            here = county[parent[open_]] == k
            _, nearest = cKDTree(villages.xy[mine]).query(tried[here])
            good[here] &= mine[nearest] == parent[open_][here]
        xy[open_[good]] = tried[good]
        spread *= _CLOSER
    left = np.isnan(xy[:, 0])
    xy[left] = villages.xy[parent[left]]
    number = np.arange(params.grids) - np.searchsorted(parent, parent)
    code = tuple(f"{villages.code[v]}{g + 1:03d}" for v, g in zip(parent, number, strict=True))
    return Clusters(xy, parent, code)


def _places(
    cell: NDArray[np.int64],
    people: NDArray[np.int64],
    params: WorldParams,
    random: np.random.Generator,
) -> Places:
    """Schools and construction sites, where the people are."""
    kind = np.repeat([0, 1], [params.schools, params.sites])
    at = random.choice(len(cell), len(kind), p=people / people.sum())
    inside = np.where(
        kind == 0,
        random.lognormal(np.log(750), 0.5, len(kind)),
        random.lognormal(np.log(90), 0.7, len(kind)),
    )
    return Places(kind, cell[at], np.rint(inside).astype(np.int64))


def _settled(
    units: Units,
    county: int,
    n: int,
    height_m: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    random: np.random.Generator,
) -> NDArray[np.float64]:
    """Places (n, 2) anywhere in a county, few of them on the hills."""
    west, south, east, north = units.shapes[county].bounds
    found = np.empty((0, 2))
    while len(found) < n:
        tried = random.uniform((west, south), (east, north), (8 * n + 64, 2))
        good = _inside(units, np.full(len(tried), county), tried)
        good &= random.uniform(size=len(tried)) < np.maximum(_livable(height_m(tried)), _LEAST)
        found = np.concatenate([found, tried[good]])
    return found[:n]


def _livable(height_m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Density of people by height, 1 in the plain."""
    return np.asarray(np.exp(-np.maximum(height_m, 0.0) / _LIVABLE_M))


def _inside(units: Units, county: NDArray[np.int64], xy: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each place lies in its county."""
    good = np.zeros(len(xy), bool)
    for k, shape in enumerate(units.shapes):
        here = county == k
        good[here] = shapely.contains_xy(shape, xy[here, 0], xy[here, 1])
    return good


def _shared(total: int, weight: NDArray[np.float64]) -> NDArray[np.int64]:
    """Whole shares of a total by weight, each at least one; they sum exactly."""
    exact = (total - len(weight)) * weight / weight.sum()
    shares = np.floor(exact).astype(np.int64)
    short = total - len(weight) - int(shares.sum())
    shares[np.argsort(shares - exact, kind="stable")[:short]] += 1
    return np.asarray(shares + 1, np.int64)
