"""Cells to polygons: unions in integer corner coordinates, without holes, short enough for CAP."""

from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import Polygon

from jinghu.grid.spec import GridSpec

MAX_POINTS = 120
_LONGEST_EDGE = 8  # cells: a chord of 20 km leaves the grid line by less than 5 m
_DECIMALS = 5  # 1 m: nobody is missed or over-alerted by rounding


def cell_polygons(cells: Sequence[int] | NDArray[np.int64], spec: GridSpec) -> list[Polygon]:
    """Union of grid cells as polygons in integer (column, row) corner coordinates.

    Valid, without holes (CAP has none: a polygon with holes is cut through them), each of at most
    `MAX_POINTS` points.
    """
    if len(cells) == 0:
        return []
    rows, cols = spec.row_col(np.asarray(cells))
    union = shapely.union_all(shapely.box(cols, rows, cols + 1, rows + 1))
    union = shapely.normalize(union)
    parts = [p for p in shapely.get_parts(union) if isinstance(p, Polygon)]
    return [piece for part in parts for piece in _cut(part)]


def _cut(polygon: Polygon) -> list[Polygon]:
    """Cut along integer lines until there is no hole and the outline is short."""
    # Points on straight edges are dropped, but for those that keep long edges on the grid line:
    # straight in the plane of the grid is not straight in longitude and latitude.
    plain = shapely.segmentize(shapely.simplify(polygon, 0), _LONGEST_EDGE)
    if not plain.interiors and len(plain.exterior.coords) <= MAX_POINTS:
        return [plain]
    west, south, east, north = plain.bounds
    if plain.interiors:
        hole = plain.interiors[0].bounds
        vertical, at = True, int(hole[0]) + (1 if hole[0] <= west else 0)
    else:
        vertical = east - west >= north - south
        at = int((west + east) / 2 if vertical else (south + north) / 2)
    if vertical:
        halves = (shapely.box(west, south, at, north), shapely.box(at, south, east, north))
    else:
        halves = (shapely.box(west, south, east, at), shapely.box(west, at, east, north))
    pieces = []
    for half in halves:
        for part in shapely.get_parts(shapely.intersection(plain, half)):
            if isinstance(part, Polygon) and part.area > 0:
                pieces += _cut(part)
    return pieces


def to_lonlat(polygon: Polygon, spec: GridSpec) -> list[tuple[float, float]]:
    """Outline of a corner-coordinate polygon as closed (lon, lat) pairs, WGS-84, 1 m."""
    corners = np.array(polygon.exterior.coords)
    lon, lat = spec.to_lonlat(
        spec.x0_m + corners[:, 0] * spec.spacing_m, spec.y0_m + corners[:, 1] * spec.spacing_m
    )
    return [
        (round(float(a), _DECIMALS), round(float(b), _DECIMALS))
        for a, b in zip(lon, lat, strict=True)
    ]
