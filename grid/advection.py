"""Backward semi-Lagrangian advection (numba): the kernel that radar and nowcast share.

Germann & Zawadzki 2002, Mon. Weather Rev. 130, 2859-2873; the trajectories are integrated by the
midpoint rule, as pysteps does.
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
        Where shapes or steps do not fit.
    """
    times = np.atleast_1d(np.asarray(steps, np.float64))
    if motion.shape != (2, *field.shape):
        raise ConfigError(f"motion of shape {motion.shape} does not fit a field of {field.shape}")
    increments = np.diff(times, prepend=0.0)
    if not (np.isfinite(times).all() and ((increments >= 0).all() or (increments <= 0).all())):
        raise ConfigError(f"advection steps must grow in one direction, not {times.tolist()}")
    return np.asarray(
        _advect(
            np.ascontiguousarray(field, np.float32),
            np.ascontiguousarray(motion, np.float32),
            increments.astype(np.float32),
            max(int(substeps), 1),
            np.float32(outside),
        )
    )


def motion_array(motion: xr.Dataset, per_seconds: float) -> NDArray[np.float32]:
    """Return (2, y, x) motion in cells per ``per_seconds`` from a Dataset in m s-1."""
    dx = float(motion["x"][1] - motion["x"][0])
    dy = float(motion["y"][1] - motion["y"][0])
    scaled = [
        motion["motion_x"].values * per_seconds / dx,
        motion["motion_y"].values * per_seconds / dy,
    ]
    return np.stack(scaled).astype(np.float32)


@numba.njit(cache=True, parallel=True, fastmath={"contract", "arcp", "nsz"})
def _advect(
    field: NDArray[np.float32],
    motion: NDArray[np.float32],
    increments: NDArray[np.float32],
    substeps: int,
    outside: np.float32,
) -> NDArray[np.float32]:
    n, ny, nx = len(increments), field.shape[0], field.shape[1]
    out = np.empty((n, ny, nx), np.float32)
    u, v = motion[0], motion[1]
    half = np.float32(0.5)
    for row in numba.prange(ny):
        for col in range(nx):
            x, y = np.float32(col), np.float32(row)
            mx, my = u[row, col], v[row, col]
            for k in range(n):
                dt = increments[k] / np.float32(substeps)
                if dt != 0:
                    for _ in range(substeps):
                        mx, my = _motion_at(u, v, x - half * dt * mx, y - half * dt * my)
                        x -= dt * mx
                        y -= dt * my
                        mx, my = _motion_at(u, v, x, y)
                out[k, row, col] = _sample(field, x, y, outside)
    return out


@numba.njit(inline="always")
def _motion_at(
    u: NDArray[np.float32], v: NDArray[np.float32], x: np.float32, y: np.float32
) -> tuple[np.float32, np.float32]:
    """Bilinear motion, that of the edge beyond it."""
    ny, nx = u.shape
    x = min(max(x, np.float32(0)), np.float32(nx - 1))
    y = min(max(y, np.float32(0)), np.float32(ny - 1))
    i, j = int(x), int(y)
    i1, j1 = min(i + 1, nx - 1), min(j + 1, ny - 1)
    fx, fy = x - np.float32(i), y - np.float32(j)
    gx, gy = np.float32(1) - fx, np.float32(1) - fy
    a, b, c, d = gx * gy, fx * gy, gx * fy, fx * fy
    return (
        a * u[j, i] + b * u[j, i1] + c * u[j1, i] + d * u[j1, i1],
        a * v[j, i] + b * v[j, i1] + c * v[j1, i] + d * v[j1, i1],
    )


@numba.njit(inline="always")
def _sample(
    field: NDArray[np.float32], x: np.float32, y: np.float32, outside: np.float32
) -> np.float32:
    """Bilinear value over the known cells of the four around a point."""
    ny, nx = field.shape
    if not (x >= 0 and y >= 0 and x <= nx - 1 and y <= ny - 1):
        return outside
    i, j = int(x), int(y)
    i1, j1 = min(i + 1, nx - 1), min(j + 1, ny - 1)
    fx, fy = x - np.float32(i), y - np.float32(j)
    gx, gy = np.float32(1) - fx, np.float32(1) - fy
    p, q, r, s = field[j, i], field[j, i1], field[j1, i], field[j1, i1]
    total = gx * gy * p + fx * gy * q + gx * fy * r + fx * fy * s
    if not np.isnan(total):
        return np.float32(total)
    total, weight = np.float32(0), np.float32(0)
    for value, share in ((p, gx * gy), (q, fx * gy), (r, gx * fy), (s, fx * fy)):
        if not np.isnan(value):
            total += share * value
            weight += share
    if weight < np.float32(_VALID_SHARE):
        return np.float32(np.nan)
    return np.float32(total / weight)
