"""What a viewer draws under the rain: outlines, rivers and a lattice of degrees, in metres."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import shapely
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from jinghu.api.schemas import GridGeometry, Lattice, LonLat, MapAnswer, Outline, River
from jinghu.configs.settings import Settings
from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import GridSpec

_LATTICE_POINTS = 25


def city_map(settings: Settings) -> MapAnswer:
    """Put together the map of an installation."""
    city, spec = settings.city, settings.grid.product()
    return MapAnswer(
        city_zh=city.name_zh,
        city_en=city.name_en,
        status=settings.warnings.status,
        grid=geometry(spec),
        outlines=outlines(city.boundaries, city.code, spec),
        rivers=rivers(settings.hydro.rivers, spec),
        lattice=lattice(spec),
    )


def geometry(spec: GridSpec) -> GridGeometry:
    """Geometry of a grid for those who place its frames."""
    east, north = spec.x0_m + spec.nx * spec.spacing_m, spec.y0_m + spec.ny * spec.spacing_m
    x, y = [spec.x0_m, east, east, spec.x0_m], [spec.y0_m, spec.y0_m, north, north]
    lon, lat = spec.to_lonlat(x, y)
    return GridGeometry(
        crs=spec.crs,
        x0_m=spec.x0_m,
        y0_m=spec.y0_m,
        spacing_m=spec.spacing_m,
        nx=spec.nx,
        ny=spec.ny,
        corners=[
            LonLat(lon=round(float(a), 6), lat=round(float(b), 6))
            for a, b in zip(lon, lat, strict=True)
        ],
    )


def outlines(path: Path, city_code: str, spec: GridSpec) -> list[Outline]:
    """Read counties and neighbours from GeoJSON (WGS-84) into the plane of the grid."""
    found = []
    for feature in _features(path):
        named = feature["properties"]
        area = _projected(shape(feature["geometry"]), spec)
        seen = shapely.intersection(shapely.make_valid(area), _box(spec))
        label = shapely.point_on_surface(area if seen.is_empty else seen)
        found.append(
            Outline(
                code=str(named["code"]),
                name_zh=str(named["name_zh"]),
                name_en=str(named["name_en"]),
                mine=str(named["code"])[:4] == city_code[:4],
                label=[round(label.x), round(label.y)],
                rings=[_flat(ring) for ring in _rings(area)],
            )
        )
    return found


def rivers(path: Path, spec: GridSpec) -> list[River]:
    """Read river lines from GeoJSON (WGS-84); none where the installation has no such file."""
    if not path.is_file():
        return []
    found = []
    for feature in _features(path):
        line = shape(feature["geometry"])
        if line.geom_type not in ("LineString", "MultiLineString"):
            continue
        named = feature["properties"]
        projected = _projected(line, spec)
        found.append(
            River(
                name_zh=str(named.get("name_zh", "")),
                name_en=str(named.get("name_en", "")),
                lines=[_flat(part) for part in shapely.get_parts(projected)],
            )
        )
    return found


def lattice(spec: GridSpec) -> Lattice:
    """Degrees at equidistant points: between them they are linear to a few metres."""
    east, north = spec.nx * spec.spacing_m, spec.ny * spec.spacing_m
    x = spec.x0_m + np.linspace(0, east, _LATTICE_POINTS)
    y = spec.y0_m + np.linspace(0, north, _LATTICE_POINTS)
    lon, lat = spec.to_lonlat(*np.meshgrid(x, y))
    return Lattice(
        n=_LATTICE_POINTS,
        lon=np.round(lon, 6).ravel().tolist(),
        lat=np.round(lat, 6).ravel().tolist(),
    )


def _features(path: Path) -> Iterator[dict[str, Any]]:
    try:
        yield from json.loads(path.read_text(encoding="utf-8"))["features"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path}: not a GeoJSON of features: {error!r}") from None


def _projected(geometry: BaseGeometry, spec: GridSpec) -> BaseGeometry:
    moved: BaseGeometry = shapely.transform(
        geometry, lambda points: np.column_stack(spec.to_xy(points[:, 0], points[:, 1]))
    )
    return moved


def _box(spec: GridSpec) -> BaseGeometry:
    box: BaseGeometry = shapely.box(
        spec.x0_m,
        spec.y0_m,
        spec.x0_m + spec.nx * spec.spacing_m,
        spec.y0_m + spec.ny * spec.spacing_m,
    )
    return box


def _rings(area: BaseGeometry) -> Iterator[BaseGeometry]:
    for part in shapely.get_parts(area):
        yield shapely.get_exterior_ring(part)
        yield from (
            shapely.get_interior_ring(part, k)
            for k in range(int(shapely.get_num_interior_rings(part)))
        )


def _flat(line: BaseGeometry) -> list[float]:
    """Flat x, y pairs to a metre."""
    return [float(v) for v in np.round(shapely.get_coordinates(line)).ravel()]
