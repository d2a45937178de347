"""Storm cells of one field: where, how large, how heavy, of what shape."""

from dataclasses import dataclass
from functools import cache

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, find_objects

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import check
from jinghu.nowcast.cell_regions import cell_regions
from jinghu.nowcast.motion import spacing


@dataclass(frozen=True, slots=True)
class CellParams:
    """What is a storm cell.

    Parameters
    ----------
    outer_mm_h, core_mm_h
        A cell is connected at the outer rate and reaches the core's: 35 and 40 dBZ at
        Z = 300 R^1.4 (Dixon & Wiener 1993, J. Atmos. Ocean. Technol. 10, 785-797, take 35).
    least_km2
        Smaller ones are none.
    prominence
        A peak so many times the pass to a higher one is a cell of its own.
    smooth_m
        Width (standard deviation) over which the field is smoothed to find peaks.
    """

    outer_mm_h: float = 5.4
    core_mm_h: float = 12.2
    least_km2: float = 12.0
    prominence: float = 1.6
    smooth_m: float = 1500.0


@dataclass(frozen=True, slots=True)
class StormCell:
    """One cell in one field.

    Parameters
    ----------
    label
        Its number in the field of labels, from 1.
    x_m, y_m, lon, lat
        Centroid, weighted with the rate; NaN degrees where the grid names no CRS.
    area_km2, max_mm_h, mean_mm_h
        Area, highest and mean rate.
    volume_m3_s
        Rain that falls on the area, m3 of water a second.
    major_km, minor_km, azimuth_deg
        Full axes of the ellipse of equal second moments, and where the major one points,
        clockwise from the grid's north, 0 to 180.
    cut_off
        Whether the cell touches the edge of the grid or what is missing: it may be larger.
    """

    label: int
    x_m: float
    y_m: float
    lon: float
    lat: float
    area_km2: float
    max_mm_h: float
    mean_mm_h: float
    volume_m3_s: float
    major_km: float
    minor_km: float
    azimuth_deg: float
    cut_off: bool


@dataclass(frozen=True, slots=True)
class CellField:
    """Cells of one time.

    Parameters
    ----------
    time
        Of the field, UTC.
    labels
        (y, x): 0 = no cell, else the label of one.
    cells
        In the order of their labels: the heaviest first.
    """

    time: np.datetime64
    labels: NDArray[np.int32]
    cells: tuple[StormCell, ...]


def identify_cells(rain: xr.Dataset, params: CellParams | None = None) -> CellField:
    """Find the storm cells of a field.

    Parameters
    ----------
    rain
        ``rainfall_rate(y, x)`` in mm/h with scalar ``time`` on a grid of square cells in m; NaN =
        missing.
    params
        Parameters.

    Raises
    ------
    ConfigError
        Where variable, dimensions, units or parameters differ.
    DataError
        Where the grid is not one of square cells in m.
    """
    params = params or CellParams()
    check(rain, "rainfall_rate", dims=("y", "x"))
    if not 0 < params.outer_mm_h <= params.core_mm_h or params.prominence < 1:
        raise ConfigError(f"storm cells: {params} has no core within an outer rate")
    if "time" not in rain.coords:
        raise DataError("storm cells", "the field has no time")
    cell_m = abs(spacing(rain)[0])
    rate = np.where(np.isinf(rain["rainfall_rate"].values), np.nan, rain["rainfall_rate"].values)
    least = max(1, round(params.least_km2 * 1e6 / cell_m**2))
    labels = cell_regions(
        rate.astype(np.float32),
        params.outer_mm_h,
        params.core_mm_h,
        least,
        params.prominence,
        params.smooth_m / cell_m,
    )
    rim = np.isnan(rate)
    rim = binary_dilation(rim) if rim.any() else rim
    rim[[0, -1], :] = rim[:, [0, -1]] = True
    boxes = find_objects(labels)
    cells = tuple(
        _measured(rate, labels, rim, rain, cell_m, label, box)
        for label, box in enumerate(boxes, start=1)
    )
    return CellField(rain["time"].values.reshape(1)[0], labels, cells)


def _measured(
    rate: NDArray[np.floating],
    labels: NDArray[np.int32],
    rim: NDArray[np.bool_],
    rain: xr.Dataset,
    cell_m: float,
    label: int,
    box: tuple[slice, ...],
) -> StormCell:
    """Attributes of the cell with a label, whose places lie in a box."""
    row, column = np.nonzero(labels[box] == label)
    row, column = row + box[0].start, column + box[1].start
    inside = rate[row, column].astype(np.float64)
    x, y = rain["x"].values[column], rain["y"].values[row]
    cx, cy = np.average(x, weights=inside), np.average(y, weights=inside)
    lon, lat = _lonlat(rain, cx, cy)
    area_m2 = cell_m**2 * inside.size
    # A square cell has a spread of its own, side^2 / 12.
    covariance = np.cov(np.stack([x, y]), bias=True) + np.eye(2) * cell_m**2 / 12
    spread, axes = np.linalg.eigh(covariance)
    azimuth = np.degrees(np.arctan2(axes[0, 1], axes[1, 1])) % 180.0
    return StormCell(
        label,
        float(cx),
        float(cy),
        lon,
        lat,
        float(area_m2 / 1e6),
        float(inside.max()),
        float(inside.mean()),
        float(inside.mean() / 3.6e6 * area_m2),
        float(4e-3 * np.sqrt(spread[1])),
        float(4e-3 * np.sqrt(spread[0])),
        float(azimuth),
        bool(rim[row, column].any()),
    )


def _lonlat(rain: xr.Dataset, x_m: float, y_m: float) -> tuple[float, float]:
    """Degrees of a place of the grid, NaN where its CRS is not named."""
    code = rain["crs"].attrs.get("code") if "crs" in rain.coords else None
    return (float("nan"), float("nan")) if code is None else degrees(str(code), x_m, y_m)


def degrees(crs: str, x_m: float, y_m: float) -> tuple[float, float]:
    """WGS-84 longitude and latitude of a place in a projected CRS."""
    lon, lat = _transformer(crs).transform(x_m, y_m)
    return float(lon), float(lat)


@cache  # it takes a tenth of a second to make one, and every cell and point of a path needs it
def _transformer(crs: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True)
