"""Counties: which cell belongs to which."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import GridSpec


@dataclass(frozen=True, slots=True)
class County:
    """One county of the city."""

    code: str
    name_zh: str
    name_en: str


@dataclass(frozen=True, slots=True)
class Units:
    """The counties and the cell map.

    ``cell_county`` is (ny * nx,): the index of the county with the largest share of the cell,
    -1 where no county reaches into it. A cell counts from the smallest share on: people live in
    its corner too.
    """

    counties: tuple[County, ...]
    cell_county: NDArray[np.int16]
    shapes: tuple[Polygon | MultiPolygon, ...]


def load_units(path: Path, city_code: str, spec: GridSpec) -> Units:
    """Read the counties of a city from GeoJSON (WGS-84) and intersect them with the grid.

    Features need the properties ``code``, ``name_zh`` and ``name_en``; those whose code does not
    begin with the city's are left out.

    Raises
    ------
    ConfigError
        Where the file has no county of the city.
    """
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
        mine = [f for f in features if str(f["properties"]["code"])[:4] == city_code[:4]]
        counties = tuple(
            County(str(p["code"]), str(p["name_zh"]), str(p["name_en"]))
            for p in (f["properties"] for f in mine)
        )
        shapes = [shape(f["geometry"]) for f in mine]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a GeoJSON of counties: {error!r}") from None
    if not counties:
        raise ConfigError(f"{path}: no county of {city_code} in it")
    projected = tuple(_projected(geometry, spec, path) for geometry in shapes)
    return Units(counties, _largest_share(projected, spec), projected)


def _projected(geometry: BaseGeometry, spec: GridSpec, path: Path) -> Polygon | MultiPolygon:
    """The county in the plane of the grid."""

    def project(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack(spec.to_xy(points[:, 0], points[:, 1]))

    moved = shapely.make_valid(shapely.transform(geometry, project))
    if not isinstance(moved, Polygon | MultiPolygon):
        raise ConfigError(f"{path}: a county is a {moved.geom_type}, not a polygon")
    return moved


def _largest_share(shapes: tuple[Polygon | MultiPolygon, ...], spec: GridSpec) -> NDArray[np.int16]:
    half = spec.spacing_m / 2
    cells = np.arange(spec.x.size * spec.y.size)
    x, y = (c.ravel() for c in np.meshgrid(spec.x, spec.y))
    best = np.zeros(x.size)
    county = np.full(x.size, -1, np.int16)
    for k, geometry in enumerate(shapes):
        west, south, east, north = geometry.bounds
        inside = (x > west - half) & (x < east + half) & (y > south - half) & (y < north + half)
        near, px, py = cells[inside], x[inside], y[inside]
        boxes = shapely.box(px - half, py - half, px + half, py + half)
        shapely.prepare(geometry)
        area = np.where(shapely.contains_properly(geometry, boxes), spec.spacing_m**2, 0.0)
        border = (area == 0.0) & shapely.intersects(geometry, boxes)
        area[border] = shapely.area(shapely.intersection(boxes[border], geometry))
        larger = area > best[near]
        best[near[larger]] = area[larger]
        county[near[larger]] = k
    return county
