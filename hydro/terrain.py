"""Terrain: read from a DEM, or generated from river lines where there is none."""

from pathlib import Path

import numpy as np
import pyproj
import rasterio
import shapely
import xarray as xr
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.warp import reproject
from scipy.ndimage import distance_transform_edt, gaussian_filter
from scipy.spatial import cKDTree

from jinghu.grid.errors import DataError
from jinghu.grid.spec import GridSpec
from jinghu.hydro.rivers import Rivers

GENERATED = "generated from river lines; not a survey"
TERRAIN_VERSION = 1  # grows when the generated terrain changes: stored networks are built again
SEA_M = -12.0

_BED_M = 400.0
_VALLEY_M = 900.0  # half width of the valley floor
_RISE_M = 4000.0  # e-folding distance of the rise from the valley to the ridge
_RIDGE_M = (350.0, 950.0)  # ridges above the valleys, low and high parts of the mountains
_SMOOTH_M = 1500.0
_PLAIN_EDGE_M = 3000.0


def generate_terrain(spec: GridSpec, rivers: Rivers, seed: int) -> xr.Dataset:
    """Generate a terrain whose valleys follow the river lines.

    Heights rise from the nearest river's bed over a valley floor to ridges whose height changes
    over tens of kilometres; fractal noise carves side valleys; plains are flat and the sea lies
    below 0. The same arguments give the same bits.

    Parameters
    ----------
    spec
        Grid of the result.
    rivers
        River lines, sea and plains.
    seed
        Of the noise.

    Returns
    -------
    ``elevation(y, x)`` in m, attribute ``terrain_source``.
    """
    rng = np.random.default_rng(seed)
    distance, bed = _nearest_bed(spec, rivers)
    broad = _fractal(spec, rng, longest_m=60_000.0, shortest_m=25_000.0)
    fine = _fractal(spec, rng, longest_m=16_000.0, shortest_m=2.0 * spec.spacing_m)
    ridge = _RIDGE_M[0] + (_RIDGE_M[1] - _RIDGE_M[0]) * np.clip(0.5 + 0.3 * broad, 0.0, 1.0)
    share = 1.0 - np.exp(-np.maximum(distance - _VALLEY_M, 0.0) / _RISE_M)
    smooth = _SMOOTH_M / spec.spacing_m
    # The nearest river changes at a divide: without smoothing the beds' difference is a cliff.
    base = gaussian_filter(bed, 2.0 * smooth) + gaussian_filter(share * ridge, smooth)
    hills = base + 0.22 * ridge * share * fine
    edge = _PLAIN_EDGE_M / spec.spacing_m
    plain = gaussian_filter(_inside(spec, rivers.plains).astype(np.float64), edge)
    sea = _inside(spec, rivers.sea)
    shore = distance_transform_edt(~sea) * spec.spacing_m if sea.any() else np.inf
    low = 3.0 + 2e-4 * np.minimum(np.minimum(distance, shore), 20_000.0) + 0.2 * fine
    elevation = (1.0 - plain) * np.maximum(hills, low) + plain * low
    off_line = np.maximum(distance - 0.75 * spec.spacing_m, 0.0)
    in_bed = np.exp(-((off_line / _BED_M) ** 2))
    elevation = (1.0 - in_bed) * elevation + in_bed * bed
    elevation = np.where(sea, SEA_M, elevation)
    return _dataset(spec, elevation, GENERATED)


def read_dem(path: Path, crs: str | None = None) -> xr.Dataset:
    """Read a DEM from GeoTIFF; onto square cells of a projected metric CRS where it is not.

    Parameters
    ----------
    path
        Single-band raster, elevation in m; its nodata value becomes NaN.
    crs
        Target CRS. By default a projected metric CRS is kept, and geographic ones go to the
        CGCS2000 / 3-degree Gauss-Kruger zone of their centre, or UTM outside China.

    Returns
    -------
    ``elevation(y, x)`` in m, rows from south to north.

    Raises
    ------
    DataError
        Where the file cannot be read, has no CRS, is rotated or holds no value.
    """
    try:
        with rasterio.open(path) as source:
            if source.crs is None:
                raise DataError(
                    path, "no coordinate reference system; assign one (gdal_edit -a_srs)"
                )
            if source.transform.b or source.transform.d:
                raise DataError(path, "the raster is rotated; warp it to north-up first")
            values = source.read(1, masked=True).astype(np.float32).filled(np.nan)
            transform, bounds, found = source.transform, source.bounds, source.crs
    except rasterio.errors.RasterioIOError as error:
        raise DataError(path, f"cannot be read as a raster: {error}") from None
    if not np.isfinite(values).any():
        raise DataError(path, "holds no elevation: every cell is nodata")
    source_crs = pyproj.CRS.from_user_input(found.to_wkt())
    code = source_crs.to_epsg()
    square = abs(transform.a + transform.e) <= 1e-6 * abs(transform.a)
    metric = source_crs.is_projected and source_crs.axis_info[0].unit_name == "metre"
    target = crs or (f"EPSG:{code}" if metric and code else _metric_crs(source_crs, bounds))
    if not (metric and square and code and target == f"EPSG:{code}"):
        warped, (height, width) = _square_cells(source_crs, target, bounds, values.size)
        out = np.full((height, width), np.nan, np.float32)
        reproject(
            values,
            out,
            src_transform=transform,
            src_crs=found,
            src_nodata=np.nan,
            dst_transform=warped,
            dst_crs=CRS.from_string(target),
            dst_nodata=np.nan,
            resampling=Resampling.bilinear,
        )
        values, transform = out, warped
    ny, nx = values.shape
    south = transform.f + transform.e * ny
    spec = GridSpec(target, transform.c, south, transform.a, nx, ny)
    return _dataset(spec, values[::-1], f"DEM {path.name}")


def _metric_crs(crs: pyproj.CRS, bounds: rasterio.coords.BoundingBox) -> str:
    """Code of the metric CRS for the centre of a raster."""
    to_lonlat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
    lon, lat = to_lonlat.transform(
        (bounds.left + bounds.right) / 2, (bounds.bottom + bounds.top) / 2
    )
    if 73.5 <= lon < 136.5 and 0 < lat < 60:
        return f"EPSG:{4534 + round((lon - 75.0) / 3.0)}"  # CM 75E is 4534 ... CM 135E is 4554
    return f"EPSG:{(32600 if lat >= 0 else 32700) + int((lon + 180.0) // 6.0) + 1}"


def _square_cells(
    crs: pyproj.CRS, target: str, bounds: rasterio.coords.BoundingBox, n_cells: int
) -> tuple[rasterio.Affine, tuple[int, int]]:
    """Transform and shape of square cells over a raster's bounds, about as many as it has."""
    to_target = pyproj.Transformer.from_crs(crs, target, always_xy=True)
    west, south, east, north = to_target.transform_bounds(*bounds)
    spacing = float(np.sqrt((east - west) * (north - south) / n_cells))
    shape = (int(np.ceil((north - south) / spacing)), int(np.ceil((east - west) / spacing)))
    return rasterio.Affine(spacing, 0.0, west, 0.0, -spacing, north), shape


def _dataset(spec: GridSpec, elevation: NDArray[np.float64], source: str) -> xr.Dataset:
    attrs = {"units": "m", "long_name": "elevation", "standard_name": "surface_altitude"}
    return xr.Dataset(
        {"elevation": (("y", "x"), np.ascontiguousarray(elevation, np.float32), attrs)},
        coords=spec.coords(),
        attrs={"terrain_source": source},
    )


def _nearest_bed(spec: GridSpec, rivers: Rivers) -> tuple[NDArray[np.float64], ...]:
    """Distance in m to the nearest river, and the elevation of its bed there, each (y, x)."""
    parts = [river.points(spec, spec.spacing_m / 2) for river in rivers.lines]
    x, y, bed = (np.concatenate(column) for column in zip(*parts, strict=True))
    cells = np.stack(np.meshgrid(spec.x, spec.y), axis=-1)
    distance, nearest = cKDTree(np.stack([x, y], axis=1)).query(cells)
    return np.asarray(distance, np.float64), bed[np.asarray(nearest)]


def _fractal(
    spec: GridSpec, rng: np.random.Generator, longest_m: float, shortest_m: float
) -> NDArray[np.float64]:
    """Noise of unit variance whose octaves weigh in proportion to their wavelength."""
    total = np.zeros(spec.shape)
    wavelength = longest_m
    while wavelength >= shortest_m:
        octave = gaussian_filter(
            rng.standard_normal(spec.shape), wavelength / 4.0 / spec.spacing_m, mode="wrap"
        )
        total += octave * (wavelength / longest_m) / max(float(octave.std()), 1e-12)
        wavelength /= 2.0
    return np.asarray(total / max(float(total.std()), 1e-12))


def _inside(spec: GridSpec, rings: tuple[NDArray[np.float64], ...]) -> NDArray[np.bool_]:
    """Cells whose centre lies in one of the polygons."""
    x, y = np.meshgrid(spec.x, spec.y)
    inside = np.zeros(spec.shape, np.bool_)
    for ring in rings:
        polygon = shapely.Polygon(np.stack(spec.to_xy(ring[:, 0], ring[:, 1]), axis=1))
        shapely.prepare(polygon)
        inside |= shapely.contains_xy(polygon, x, y)
    return inside
