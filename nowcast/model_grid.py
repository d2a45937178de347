"""Rain of a numerical model on the nowcast's grid and at the nowcast's times."""

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs

WIDEST_GAP = np.timedelta64(6, "h")  # between two model fields; beyond it nothing is interpolated
_SOURCE = "model"
_PARTS = 3  # a finer cell is cut so that its parts are at most a third of the nowcast's cells
_HALF = 0.5 - 1e-6  # of the weights must be known
_DEGREE_M = 111_195.0  # of latitude


def crs_of(dataset: xr.Dataset, variable: str, source: str = _SOURCE) -> pyproj.CRS:
    """CRS that a variable's grid mapping declares.

    Parameters
    ----------
    dataset, variable
        The grid mapping is that which the variable names, or a variable ``crs``.
    source
        Named in errors.

    Raises
    ------
    DataError
        Where none is declared, or it cannot be read.
    """
    found = dataset[variable]
    named = found.attrs.get("grid_mapping") or found.encoding.get("grid_mapping") or "crs"
    if named not in dataset.variables:
        raise DataError(source, f"declares no CRS: {variable} has no grid mapping (CF 5.6)")
    given = dict(dataset[named].attrs)
    try:
        for key in ("code", "crs_wkt", "spatial_ref"):
            if given.get(key):
                return pyproj.CRS.from_user_input(given[key])
        return pyproj.CRS.from_cf(given)
    except (pyproj.exceptions.CRSError, KeyError, ValueError, TypeError) as error:
        cause = " ".join(str(error).split())
        raise DataError(source, f"grid mapping {named} tells no CRS: {cause}") from None


def to_grid(model: xr.Dataset, like: xr.Dataset, source: str = _SOURCE) -> xr.Dataset:
    """Bring model rain to a grid.

    Cells coarser than the grid's are interpolated between their centres; finer ones are averaged
    over each cell, so that no water is made or lost.

    Parameters
    ----------
    model
        ``rainfall_rate(time, y, x)`` in mm/h with 1-D coordinates ``y``, ``x`` (m, km or degrees)
        and a grid mapping; NaN = missing.
    like
        Dataset with ``rainfall_rate``, ``x``, ``y`` in m and its grid mapping.
    source
        Named in errors.

    Returns
    -------
    ``rainfall_rate(time, y, x)`` on the grid; NaN where the model does not reach.

    Raises
    ------
    DataError
        Where a CRS is not declared, coordinates are not equidistant, or the grids do not overlap.
    """
    theirs, ours = crs_of(model, "rainfall_rate", source), crs_of(like, "rainfall_rate", "sequence")
    x, y = (_axis(model, name, theirs, source) for name in ("x", "y"))
    rates = model["rainfall_rate"].values.astype(np.float32)
    to = like["x"].values.astype(np.float64), like["y"].values.astype(np.float64)
    ours_m = abs(to[0][1] - to[0][0])
    if _cell_m(x, y, theirs) < 0.99 * ours_m:
        forward = pyproj.Transformer.from_crs(theirs, ours, always_xy=True)
        out = _averaged(rates, (x, y), to, forward)
    else:
        back = pyproj.Transformer.from_crs(ours, theirs, always_xy=True)
        out = _between_centres(rates, (x, y), back.transform(*np.meshgrid(*to)))
    if not np.isfinite(out).any() and np.isfinite(rates).any():
        raise DataError(source, "does not overlap the nowcast's grid")
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), out, attrs("rainfall_rate"))},
        coords={"time": model["time"].values, "y": like["y"], "x": like["x"]},
    )


def at_times(model: xr.Dataset, times: NDArray[np.datetime64]) -> NDArray[np.float32]:
    """Model rain (times, y, x) linear in time; NaN before, after, and in gaps of over 6 hours."""
    has = model["time"].values
    rates = model["rainfall_rate"].values
    out = np.full((len(times), *rates.shape[1:]), np.nan, np.float32)
    for k, time in enumerate(times):
        after = int(np.searchsorted(has, time))
        if after < len(has) and has[after] == time:
            out[k] = rates[after]
        elif 0 < after < len(has) and has[after] - has[after - 1] <= WIDEST_GAP:
            part = np.float32((time - has[after - 1]) / (has[after] - has[after - 1]))
            out[k] = rates[after - 1] + part * (rates[after] - rates[after - 1])
    return out


def _axis(model: xr.Dataset, name: str, crs: pyproj.CRS, source: str) -> NDArray[np.float64]:
    """Coordinate in the units of the CRS."""
    if name not in model.coords or model[name].ndim != 1:
        raise DataError(source, f"has no 1-D coordinate {name}")
    units = str(model[name].attrs.get("units", "")).strip()
    values = model[name].values.astype(np.float64)
    degrees = units.lower().startswith("degree")
    if crs.is_geographic != degrees or (not degrees and units not in ("m", "metre", "meter", "km")):
        kind = "degrees" if crs.is_geographic else "m"
        raise DataError(source, f"coordinate {name} is in {units!r}, its CRS wants {kind}")
    steps = np.diff(values)
    if steps.size == 0 or steps[0] == 0 or not np.allclose(steps, steps.mean(), rtol=1e-2):
        raise DataError(source, f"coordinate {name} is not equidistant")
    if degrees and name == "x":
        values = (values + 180.0) % 360.0 - 180.0
        if not np.allclose(np.diff(values), steps.mean(), rtol=1e-2):
            raise DataError(source, "longitudes go over 180 degrees")
    return values * 1000.0 if units == "km" else values


def _cell_m(x: NDArray[np.float64], y: NDArray[np.float64], crs: pyproj.CRS) -> float:
    """Longer side of the model's cells."""
    along_x, along_y = abs(x[1] - x[0]), abs(y[1] - y[0])
    if not crs.is_geographic:
        return float(max(along_x, along_y))
    return float(_DEGREE_M * max(along_x * np.cos(np.radians(y.mean())), along_y))


def _between_centres(
    rates: NDArray[np.float32],
    axes: tuple[NDArray[np.float64], NDArray[np.float64]],
    at: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float32]:
    """Bilinear between the centres of cells; the outer half cells keep the value of the edge."""
    (x, y), (ny, nx) = axes, rates.shape[1:]
    col = (np.asarray(at[0]) - x[0]) / (x[-1] - x[0]) * (nx - 1)
    row = (np.asarray(at[1]) - y[0]) / (y[-1] - y[0]) * (ny - 1)
    inside = (col >= -0.5) & (col <= nx - 0.5) & (row >= -0.5) & (row <= ny - 0.5)
    col, row = (np.where(inside, p, 0.0) for p in (col, row))
    col, row = np.clip(col, 0, nx - 1), np.clip(row, 0, ny - 1)
    i, j = np.minimum(row.astype(int), ny - 2), np.minimum(col.astype(int), nx - 2)
    fy, fx = (row - i).astype(np.float32), (col - j).astype(np.float32)
    known = np.isfinite(rates)
    values = np.where(known, rates, np.float32(0))
    total, held = np.zeros((2, len(rates), *col.shape), np.float32)
    corners = (
        ((1 - fy) * (1 - fx), i, j),
        ((1 - fy) * fx, i, j + 1),
        (fy * (1 - fx), i + 1, j),
        (fy * fx, i + 1, j + 1),
    )
    for weight, a, b in corners:
        total += weight * values[:, a, b]
        held += weight * known[:, a, b]
    told = inside & (held >= _HALF)
    mean = np.divide(total, held, out=total, where=told)
    return np.where(told, mean, np.float32(np.nan)).astype(np.float32)


def _averaged(
    rates: NDArray[np.float32],
    axes: tuple[NDArray[np.float64], NDArray[np.float64]],
    to: tuple[NDArray[np.float64], NDArray[np.float64]],
    forward: pyproj.Transformer,
) -> NDArray[np.float32]:
    """Mean over the parts of model cells that lie in each cell of the grid."""
    (x, y), (tx, ty) = axes, to
    px, py = _cut(x, _PARTS), _cut(y, _PARTS)
    east, north = forward.transform(*np.meshgrid(px, py))
    col = np.floor((np.asarray(east) - tx[0]) / (tx[1] - tx[0]) + 0.5)
    row = np.floor((np.asarray(north) - ty[0]) / (ty[1] - ty[0]) + 0.5)
    inside = (col >= 0) & (col < tx.size) & (row >= 0) & (row < ty.size)
    cell = (row[inside] * tx.size + col[inside]).astype(np.int64)
    i, j = np.nonzero(inside)
    i, j = i // _PARTS, j // _PARTS
    size = ty.size * tx.size
    parts = np.bincount(cell, minlength=size)
    out = np.full((len(rates), size), np.nan, np.float32)
    for k, field in enumerate(rates):
        values = field[i, j].astype(np.float64)
        known = np.isfinite(values)
        held = np.bincount(cell[known], minlength=size)
        total = np.bincount(cell[known], weights=values[known], minlength=size)
        # Known from half of a cell on, as in an analysis that is averaged.
        told = (held > 0) & (2 * held >= parts)
        out[k, told] = total[told] / held[told]
    return out.reshape(len(rates), ty.size, tx.size)


def _cut(centres: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    """Centres of the parts of cells."""
    step = (centres[-1] - centres[0]) / (len(centres) - 1)
    offsets = ((np.arange(parts) + 0.5) / parts - 0.5) * step
    return np.asarray((centres[:, None] + offsets).ravel())
