"""Backward semi-Lagrangian advection (numba): the kernel that radar and nowcast share.

Germann & Zawadzki 2002, Mon. Weather Rev. 130, 2859-2873; the trajectories are integrated by the
midpoint rule, as pysteps does. The loops run along rows without branches, so that the compiler
makes vector code of them.
"""

import numba
import numpy as np
import xarray as xr
from numpy.typing import ArrayLike, NDArray

from jinghu.grid.errors import ConfigError

_VALID_SHARE = 0.5  # a sample that rests on less than this share of known cells is missing


def advect(
    field: NDArray[np.float32],
    motion: NDArray[np.float32],
    steps: ArrayLike,
    *,
    substeps: int = 1,
    outside: float = np.nan,
) -> NDArray[np.float32]:
    """Move a field along a steady motion.

    Parameters
    ----------
    field
        (y, x); NaN = missing, which stays missing and does not bleed into its neighbours.
    motion
        (2, y, x) cells per unit of ``steps``, [0] along x, [1] along y.
    steps
        (n,) times to move by, growing in size and of one sign; negative moves back in time.
    substeps
        Midpoint steps of the trajectory between two of them.
    outside
        Value of what comes from beyond the edge.

    Returns
    -------
    (n, y, x) float32.

    Raises
    ------
    ConfigError
        Where shapes or steps do not fit, or where the motion is not known everywhere.
    """
    times = np.atleast_1d(np.asarray(steps, np.float64))
    if motion.shape != (2, *field.shape):
        raise ConfigError(f"motion of shape {motion.shape} does not fit a field of {field.shape}")
    if min(field.shape) < 2:
        raise ConfigError(f"a field of {field.shape} cells cannot be moved: 2 x 2 at least")
    if not np.isfinite(motion).all():
        raise ConfigError("the motion has missing values; fill them before moving a field")
    increments = np.diff(times, prepend=0.0)
    if not (np.isfinite(times).all() and ((increments >= 0).all() or (increments <= 0).all())):
        raise ConfigError(f"advection steps must grow in one direction, not {times.tolist()}")
    flat = np.ascontiguousarray(field, np.float32).ravel()
    u, v = np.ascontiguousarray(motion, np.float32).reshape(2, -1)
    parts = np.repeat(increments / max(int(substeps), 1), max(int(substeps), 1))
    shape = (len(times), *field.shape)
    return np.asarray(
        _advect(
            flat,
            u,
            v,
            parts.astype(np.float32),
            shape,
            np.float32(outside),
            bool(np.isnan(flat).any()),
        )
    )


def motion_array(motion: xr.Dataset, per_seconds: float) -> NDArray[np.float32]:
    """Return (2, y, x) motion in cells per ``per_seconds`` from a Dataset in m s-1."""
    x, y = motion["x"].values, motion["y"].values
    dx, dy = float(x[1] - x[0]), float(y[1] - y[0])
    scaled = [
        motion["motion_x"].values * per_seconds / dx,
        motion["motion_y"].values * per_seconds / dy,
    ]
    return np.stack(scaled).astype(np.float32)


def advect_together(
    fields: NDArray[np.float32],
    kinds: NDArray[np.uint8],
    motion: NDArray[np.float32],
    step: float,
    *,
    substeps: int,
    outside: tuple[NDArray[np.float32], int],
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Move fields of one time by one step, with flags that must not be interpolated.

    The trajectories are followed once for all, and only where they can reach what is known.

    Parameters
    ----------
    fields
        (m, y, x); each is interpolated as `advect` does it.
    kinds
        (y, x) flags; the nearest is taken.
    motion
        (2, y, x) cells per unit of ``step``.
    step
        Time to move by; negative moves back in time.
    substeps
        Midpoint steps of the trajectory.
    outside
        Values (m,) and flag of what comes from beyond the edge; they are also what stands for
        nothing within it.

    Returns
    -------
    (m, y, x) and (y, x).
    """
    beyond, no_kind = outside
    values = np.empty_like(fields)
    values[:] = beyond[:, None, None]
    moved = np.full(kinds.shape, no_kind, np.uint8)
    known = (kinds != no_kind) | _differs(fields, beyond).any(axis=0)
    if not known.any():
        return values, moved
    reach = int(np.ceil(np.abs(motion).max() * abs(step))) + 2
    (top, bottom), (left, right) = (_around(known.any(axis), reach) for axis in (1, 0))
    u, v = np.ascontiguousarray(motion, np.float32).reshape(2, -1)
    _advect_together(
        fields.reshape(len(fields), -1),
        kinds.ravel(),
        (u, v),
        np.full(substeps, step / substeps, np.float32),
        (top, bottom, left, right),
        beyond,
        values,
        moved,
    )
    return values, moved


def _differs(fields: NDArray[np.float32], beyond: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where fields (m, y, x) are not the values (m,), of which some may be NaN."""
    other = beyond[:, None, None]
    return np.where(np.isnan(other), ~np.isnan(fields), fields != other)


def _around(known: NDArray[np.bool_], reach: int) -> tuple[int, int]:
    """First and one past the last place that is known, wider by ``reach``."""
    at = np.flatnonzero(known)
    return max(int(at[0]) - reach, 0), min(int(at[-1]) + 1 + reach, len(known))


@numba.njit(cache=True, parallel=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _advect_together(
    fields: NDArray[np.float32],
    kinds: NDArray[np.uint8],
    motion: tuple[NDArray[np.float32], NDArray[np.float32]],
    parts: NDArray[np.float32],
    box: tuple[int, int, int, int],
    beyond: NDArray[np.float32],
    values: NDArray[np.float32],
    moved: NDArray[np.uint8],
) -> None:
    """Fill ``values`` and ``moved`` within a box of rows and columns."""
    u, v = motion
    ny, nx = moved.shape
    top, bottom, left, right = box
    for row in numba.prange(top, bottom):
        x, y = np.arange(left, right).astype(np.float32), np.full(right - left, np.float32(row))
        here = slice(row * nx + left, row * nx + right)
        mx, my = u[here].copy(), v[here].copy()
        for part in range(len(parts)):
            _follow(u, v, x, y, mx, my, parts[part], ny, nx)
        for m in range(len(fields)):
            _sample(fields[m], x, y, values[m, row, left:right], ny, nx, beyond[m], True)
        for c in range(right - left):
            i, j = round(x[c]), round(y[c])
            if 0 <= i < nx and 0 <= j < ny:
                moved[row, left + c] = kinds[j * nx + i]


def source_cells(
    motion: NDArray[np.float32], step: float, *, substeps: int = 1
) -> NDArray[np.int32]:
    """Cell that each cell's air comes from, for what cannot be interpolated: flags, kinds, maxima.

    Parameters
    ----------
    motion
        (2, y, x) cells per unit of ``step``.
    step
        Time to move by; negative moves back in time.
    substeps
        Midpoint steps of the trajectory.

    Returns
    -------
    (y, x) flat index of the nearest cell at the start, -1 where it lies beyond the edge.
    """
    u, v = np.ascontiguousarray(motion, np.float32).reshape(2, -1)
    parts = np.full(substeps, step / substeps, np.float32)
    return np.asarray(_source_cells(u, v, parts, motion.shape[1:]))


@numba.njit(cache=True, parallel=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _source_cells(
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    parts: NDArray[np.float32],
    shape: tuple[int, int],
) -> NDArray[np.int32]:
    ny, nx = shape
    out = np.empty(shape, np.int32)
    for row in numba.prange(ny):
        x, y = np.arange(nx).astype(np.float32), np.full(nx, np.float32(row))
        here = slice(row * nx, row * nx + nx)
        mx, my = u[here].copy(), v[here].copy()
        for part in range(len(parts)):
            _follow(u, v, x, y, mx, my, parts[part], ny, nx)
        for c in range(nx):
            i, j = round(x[c]), round(y[c])
            inside = 0 <= i < nx and 0 <= j < ny
            out[row, c] = j * nx + i if inside else -1
    return out


@numba.njit(cache=True, parallel=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _advect(
    field: NDArray[np.float32],
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    parts: NDArray[np.float32],
    shape: tuple[int, int, int],
    outside: np.float32,
    holes: bool,
) -> NDArray[np.float32]:
    """Follow each row of cells backward; ``parts`` holds the substeps of all steps in order."""
    n, ny, nx = shape
    substeps = len(parts) // n
    out = np.empty(shape, np.float32)
    for row in numba.prange(ny):
        x, y = np.arange(nx).astype(np.float32), np.full(nx, np.float32(row))
        here = slice(row * nx, row * nx + nx)
        mx, my = u[here].copy(), v[here].copy()
        for k in range(n):
            for part in range(k * substeps, (k + 1) * substeps):
                _follow(u, v, x, y, mx, my, parts[part], ny, nx)
            _sample(field, x, y, out[k, row], ny, nx, outside, holes)
    return out


@numba.njit(fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _follow(
    u: NDArray[np.float32],
    v: NDArray[np.float32],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    mx: NDArray[np.float32],
    my: NDArray[np.float32],
    dt: np.float32,
    ny: int,
    nx: int,
) -> None:
    """One midpoint step of a row, in place; ``mx``, ``my`` hold the motion where it stands."""
    half = np.float32(0.5) * dt
    for c in range(len(x)):
        at, fx, fy = _place(x[c] - half * mx[c], y[c] - half * my[c], ny, nx)
        x[c] -= dt * _bilinear(u, at, fx, fy, nx)
        y[c] -= dt * _bilinear(v, at, fx, fy, nx)
    for c in range(len(x)):
        at, fx, fy = _place(x[c], y[c], ny, nx)
        mx[c] = _bilinear(u, at, fx, fy, nx)
        my[c] = _bilinear(v, at, fx, fy, nx)


@numba.njit(fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _sample(
    field: NDArray[np.float32],
    x: NDArray[np.float32],
    y: NDArray[np.float32],
    out: NDArray[np.float32],
    ny: int,
    nx: int,
    outside: np.float32,
    holes: bool,
) -> None:
    """Bilinear values of a row of points, over the known cells of the four around each."""
    last_x, last_y, zero = np.float32(nx - 1), np.float32(ny - 1), np.float32(0)
    for c in range(len(x)):
        at, fx, fy = _place(x[c], y[c], ny, nx)
        value = _bilinear(field, at, fx, fy, nx)
        inside = (x[c] >= zero) & (x[c] <= last_x) & (y[c] >= zero) & (y[c] <= last_y)
        out[c] = value if inside else outside
    if not holes:
        return
    for c in range(len(x)):
        inside = (x[c] >= zero) & (x[c] <= last_x) & (y[c] >= zero) & (y[c] <= last_y)
        if inside and np.isnan(out[c]):
            at, fx, fy = _place(x[c], y[c], ny, nx)
            out[c] = _known_mean(field, at, fx, fy, nx)


@numba.njit(inline="always")
def _place(
    x: np.float32, y: np.float32, ny: int, nx: int
) -> tuple[np.int32, np.float32, np.float32]:
    """Flat index of the lower left of the four cells around a point, and its place among them.

    Beyond the edge it is that of the nearest point on it.
    """
    x = min(max(x, np.float32(0)), np.float32(nx - 1))
    y = min(max(y, np.float32(0)), np.float32(ny - 1))
    i = np.int32(min(x, np.float32(nx - 2)))
    j = np.int32(min(y, np.float32(ny - 2)))
    return np.int32(j * np.int32(nx) + i), x - np.float32(i), y - np.float32(j)


@numba.njit(inline="always")
def _bilinear(
    values: NDArray[np.float32], at: np.int32, fx: np.float32, fy: np.float32, nx: int
) -> np.float32:
    """Interpolate; unsigned indices spare the compiler the check for negative ones."""
    gx, gy = np.float32(1) - fx, np.float32(1) - fy
    p = np.uint64(np.uint32(at))
    q = np.uint64(np.uint32(at + np.int32(nx)))
    p1 = np.uint64(np.uint32(at + np.int32(1)))
    q1 = np.uint64(np.uint32(at + np.int32(nx) + np.int32(1)))
    low = gx * values[p] + fx * values[p1]
    high = gx * values[q] + fx * values[q1]
    return np.float32(gy * low + fy * high)


@numba.njit(inline="always")
def _known_mean(
    field: NDArray[np.float32], at: np.int32, fx: np.float32, fy: np.float32, nx: int
) -> np.float32:
    """Bilinear mean over the known cells, missing where they are too small a share."""
    gx, gy = np.float32(1) - fx, np.float32(1) - fy
    total, weight = np.float32(0), np.float32(0)
    for step, share in ((0, gx * gy), (1, fx * gy), (nx, gx * fy), (nx + 1, fx * fy)):
        value = field[at + step]
        if not np.isnan(value):
            total += share * value
            weight += share
    if weight < np.float32(_VALID_SHARE):
        return np.float32(np.nan)
    return np.float32(total / weight)
