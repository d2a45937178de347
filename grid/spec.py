"""GridSpec: an equidistant grid in a projected CRS."""

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from jinghu.grid.errors import ConfigError

CELL_OUTSIDE = -1


@dataclass(frozen=True, slots=True)
class GridSpec:
    """An equidistant grid; row 0 is the southernmost, column 0 the westernmost.

    Parameters
    ----------
    crs
        Projected CRS in metres, e.g. ``EPSG:4549`` (CGCS2000 / 3-degree Gauss-Kruger CM 120E).
    x0_m, y0_m
        Outer corner of cell (0, 0): the south-western corner of the grid.
    spacing_m
        Cell width and height.
    nx, ny
        Number of columns and rows.
    """

    crs: str
    x0_m: float
    y0_m: float
    spacing_m: float
    nx: int
    ny: int

    def __post_init__(self) -> None:
        """Refuse grids without cells, and CRS that are not in metres."""
        numbers = (self.x0_m, self.y0_m, self.spacing_m)
        if not np.isfinite(numbers).all() or self.spacing_m <= 0 or self.nx < 1 or self.ny < 1:
            raise ConfigError(f"grid {self} needs a positive spacing and at least one cell")
        _check_crs(self.crs)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.ny, self.nx

    @property
    def x(self) -> NDArray[np.float64]:
        """Easting of cell centres in m, shape (nx,)."""
        return np.asarray(self.x0_m + (np.arange(self.nx) + 0.5) * self.spacing_m, np.float64)

    @property
    def y(self) -> NDArray[np.float64]:
        """Northing of cell centres in m, ascending, shape (ny,)."""
        return np.asarray(self.y0_m + (np.arange(self.ny) + 0.5) * self.spacing_m, np.float64)

    def coarsen(self, factor: int) -> "GridSpec":
        """Return the grid whose cells are ``factor`` x ``factor`` of this one's."""
        if self.nx % factor or self.ny % factor:
            raise ConfigError(f"a grid of {self.shape} cells cannot be coarsened by {factor}")
        return GridSpec(
            self.crs,
            self.x0_m,
            self.y0_m,
            self.spacing_m * factor,
            self.nx // factor,
            self.ny // factor,
        )

    def to_xy(self, lon: ArrayLike, lat: ArrayLike) -> tuple[NDArray[np.float64], ...]:
        """Project WGS-84 degrees to metres: (x, y), each shaped like the input."""
        x, y = _transformer("EPSG:4326", self.crs).transform(np.asarray(lon), np.asarray(lat))
        return np.asarray(x, np.float64), np.asarray(y, np.float64)

    def to_lonlat(self, x_m: ArrayLike, y_m: ArrayLike) -> tuple[NDArray[np.float64], ...]:
        """Project metres back to WGS-84 degrees: (lon, lat)."""
        lon, lat = _transformer(self.crs, "EPSG:4326").transform(np.asarray(x_m), np.asarray(y_m))
        return np.asarray(lon, np.float64), np.asarray(lat, np.float64)

    def lonlat(self) -> tuple[NDArray[np.float64], ...]:
        """Longitude and latitude of all cell centres in degrees, each (ny, nx), read-only."""
        return _lonlat(self)

    def cell_of_xy(self, x_m: ArrayLike, y_m: ArrayLike) -> NDArray[np.int64]:
        """``cell_id`` (row * nx + column) of points, ``CELL_OUTSIDE`` (-1) where outside."""
        col = np.floor((np.asarray(x_m, np.float64) - self.x0_m) / self.spacing_m)
        row = np.floor((np.asarray(y_m, np.float64) - self.y0_m) / self.spacing_m)
        with np.errstate(invalid="ignore"):
            inside = (col >= 0) & (col < self.nx) & (row >= 0) & (row < self.ny)
        return np.where(inside, np.where(inside, row * self.nx + col, 0), CELL_OUTSIDE).astype(
            np.int64
        )

    def cell_of_lonlat(self, lon: ArrayLike, lat: ArrayLike) -> NDArray[np.int64]:
        """``cell_id`` of WGS-84 points, ``CELL_OUTSIDE`` (-1) where outside.

        >>> grid = GridSpec("EPSG:4549", 405e3, 3140e3, 2500.0, 120, 120)
        >>> int(grid.cell_of_lonlat(120.58, 30.0))
        8700
        >>> int(grid.cell_of_lonlat(100.0, 30.0))
        -1
        """
        return self.cell_of_xy(*self.to_xy(lon, lat))

    def row_col(self, cell_id: ArrayLike) -> tuple[NDArray[np.int64], ...]:
        """Row and column of cell ids."""
        rows, cols = np.divmod(np.asarray(cell_id, np.int64), self.nx)
        return rows, cols

    def coords(self) -> dict[str, xr.Variable]:
        """CF coordinates ``x``, ``y``, ``lon``, ``lat`` and the grid mapping ``crs``."""
        lon, lat = self.lonlat()
        projected = {"units": "m", "spacing_m": self.spacing_m}
        mapping = {
            **pyproj.CRS.from_user_input(self.crs).to_cf(),
            "horizontal_datum": "CGCS2000",
            "code": self.crs,
        }
        return {
            "x": xr.Variable(
                "x", self.x, {"standard_name": "projection_x_coordinate", **projected}
            ),
            "y": xr.Variable(
                "y", self.y, {"standard_name": "projection_y_coordinate", **projected}
            ),
            "lon": xr.Variable(
                ("y", "x"), lon, {"standard_name": "longitude", "units": "degrees_east"}
            ),
            "lat": xr.Variable(
                ("y", "x"), lat, {"standard_name": "latitude", "units": "degrees_north"}
            ),
            "crs": xr.Variable((), 0, mapping),
        }

    @staticmethod
    def of(dataset: xr.Dataset) -> "GridSpec":
        """Recover the GridSpec from a Dataset with ``x``, ``y`` and ``crs`` coordinates.

        Raises
        ------
        ConfigError
            Where a coordinate is missing or not equidistant.
        """
        for name in ("x", "y", "crs"):
            if name not in dataset.variables:
                raise ConfigError(f"the dataset has no coordinate {name}")
        if "code" not in dataset["crs"].attrs:
            raise ConfigError("the coordinate crs has no attribute code, e.g. EPSG:4549")
        x, y, crs = dataset["x"].values, dataset["y"].values, dataset["crs"].attrs["code"]
        spacing = float(dataset["x"].attrs.get("spacing_m", x[1] - x[0] if x.size > 1 else 0.0))
        spec = GridSpec(
            crs, float(x[0]) - spacing / 2, float(y[0]) - spacing / 2, spacing, x.size, y.size
        )
        if not (np.allclose(spec.x, x, atol=0.01) and np.allclose(spec.y, y, atol=0.01)):
            raise ConfigError(f"x or y is not ascending at a constant {spacing} m")
        return spec


@cache
def _transformer(source: str, target: str) -> pyproj.Transformer:
    return pyproj.Transformer.from_crs(source, target, always_xy=True)


@lru_cache(maxsize=8)  # a grid is asked for the coordinates of its cells many times a cycle
def _lonlat(spec: GridSpec) -> tuple[NDArray[np.float64], ...]:
    found = spec.to_lonlat(*np.meshgrid(spec.x, spec.y))
    for values in found:
        values.setflags(write=False)
    return found


@cache
def _check_crs(text: str) -> None:
    """Refuse what is not a projected CRS in metres."""
    try:
        crs = pyproj.CRS.from_user_input(text)
    except pyproj.exceptions.CRSError as error:
        raise ConfigError(f"grid CRS {text!r}: {error}") from None
    units = {axis.unit_name for axis in crs.axis_info}
    if not crs.is_projected or units != {"metre"}:
        raise ConfigError(f"grid CRS {text!r} is in {', '.join(units)}: a projected one in metres")
