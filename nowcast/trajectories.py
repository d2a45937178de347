"""Trajectories of the members: every one follows the motion with an error of its own.

The errors grow with lead time as Bowler et al. 2006 (Q. J. R. Meteorol. Soc. 132, 2127-2155)
found them; scheme and figures are those of ``pysteps.noise.motion`` and of
``pysteps.extrapolation.semilagrangian`` (midpoint rule, one iteration). Motion is smooth, so
trajectories are followed on nodes some cells apart and interpolated between them.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from jinghu.nowcast.noise import uniforms

_SPREAD = np.array([(np.sqrt(5) - 1) / 2, np.sqrt(2) - 1])
_SIGNS = ((1, 1), (-1, -1), (1, -1), (-1, 1))
_START = 2**32 - 1  # stands for a member when the start of the sequence is drawn


@dataclass(frozen=True, slots=True)
class MotionError:
    """Standard deviation ``a t^b + c`` in km/h at lead time t in min, along and across."""

    along: tuple[float, float, float] = (10.88, 0.23, -7.68)
    across: tuple[float, float, float] = (5.76, 0.31, -2.72)

    def at(self, minutes: float) -> tuple[float, float]:
        """Standard deviations along and across the motion, in km/h."""
        (a, b, c), (d, e, f) = self.along, self.across
        return a * minutes**b + c, d * minutes**e + f


def error_factors(seed: int, member: int) -> tuple[float, float]:
    """Errors of a member along and across in standard deviations: Laplace distributed.

    Four members have errors of one size and all four pairs of signs, and the sizes are spread
    evenly (Kronecker sequences from a random start). With independent draws the mean of twenty
    members would be moved by a quarter of the error of one, which costs as much skill as the
    members gain.
    """
    size = (uniforms(seed, _START, 2) + (member // 4) * _SPREAD) % 1.0
    drawn = -np.log1p(-np.minimum(size, 1 - 1e-9)) / np.sqrt(2)
    along, across = _SIGNS[member % 4]
    return float(along * drawn[0]), float(across * drawn[1])


def nodes_of(motion: NDArray[np.float32], spacing: int) -> NDArray[np.float32]:
    """Motion (2, y, x) at every ``spacing``-th cell; the last nodes may lie beyond the edge."""
    ny, nx = motion.shape[1:]
    rows = np.minimum(np.arange(-(-(ny - 1) // spacing) + 1) * spacing, ny - 1)
    columns = np.minimum(np.arange(-(-(nx - 1) // spacing) + 1) * spacing, nx - 1)
    return np.ascontiguousarray(motion[:, rows[:, None], columns[None, :]], np.float32)


def smoothed(motion: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Motion (2, y, x) averaged with Gaussian weights; beyond the edge it is that of the edge."""
    width = 0.0, sigma, sigma
    return np.asarray(gaussian_filter(motion, width, mode="nearest", truncate=3), np.float32)


def directions(motion: NDArray[np.float32]) -> NDArray[np.float32]:
    """Unit vectors (2, y, x) along the motion, zero where there is none."""
    speed = np.hypot(motion[0], motion[1])
    return np.where(speed > 1e-12, motion / np.maximum(speed, np.float32(1e-12)), 0).astype(
        np.float32
    )


@numba.njit(cache=True, nogil=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def follow(
    motion: NDArray[np.float32],
    along: NDArray[np.float32],
    error_along: float,
    error_across: float,
    spacing: int,
    displacement: NDArray[np.float32],
    workspace: NDArray[np.float32],
) -> None:
    """Follow a member's motion back by one step from where its trajectories stand, in place.

    Parameters
    ----------
    motion, along
        (2, y, x) cells per step and unit vectors, at the nodes.
    error_along, error_across
        Errors of this member at this lead, in cells per step.
    spacing
        Cells between nodes.
    displacement
        (2, y, x) cells from each node to where its air came from.
    workspace
        (2, y, x).
    """
    ny, nx = motion.shape[1:]
    a, b = np.float32(error_along), np.float32(error_across)
    for j in range(ny):
        for i in range(nx):
            along_x, along_y = along[0, j, i], along[1, j, i]
            workspace[0, j, i] = motion[0, j, i] + a * along_x - b * along_y
            workspace[1, j, i] = motion[1, j, i] + a * along_y + b * along_x
    per_cell = np.float32(1.0 / spacing)
    half = np.float32(0.5)
    for j in range(ny):
        for i in range(nx):
            dx, dy = displacement[0, j, i], displacement[1, j, i]
            x, y = np.float32(i), np.float32(j)
            u, v = _motion_at(workspace, x + dx * per_cell, y + dy * per_cell)
            mid_x, mid_y = dx - half * u, dy - half * v
            u, v = _motion_at(workspace, x + mid_x * per_cell, y + mid_y * per_cell)
            displacement[0, j, i] = dx - u
            displacement[1, j, i] = dy - v


@numba.njit(inline="always")
def _motion_at(
    motion: NDArray[np.float32], x: np.float32, y: np.float32
) -> tuple[np.float32, np.float32]:
    """Both components at a point, by its four nodes; beyond the edge those of the edge."""
    ny, nx = motion.shape[1:]
    x = min(max(x, np.float32(0)), np.float32(nx - 1))
    y = min(max(y, np.float32(0)), np.float32(ny - 1))
    i, j = min(np.int64(x), nx - 2), min(np.int64(y), ny - 2)
    fx, fy = x - np.float32(i), y - np.float32(j)
    gx, gy = np.float32(1) - fx, np.float32(1) - fy
    u = gy * (gx * motion[0, j, i] + fx * motion[0, j, i + 1])
    u += fy * (gx * motion[0, j + 1, i] + fx * motion[0, j + 1, i + 1])
    v = gy * (gx * motion[1, j, i] + fx * motion[1, j, i + 1])
    v += fy * (gx * motion[1, j + 1, i] + fx * motion[1, j + 1, i + 1])
    return u, v


@numba.njit(cache=True, nogil=True, fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def sample(
    field: NDArray[np.float32],
    displacement: NDArray[np.float32],
    spacing: int,
    outside: float,
    holes: bool,
    out: NDArray[np.float32],
) -> None:
    """Value (y, x) of a field at the start of each cell's trajectory, in place of ``out``.

    Parameters
    ----------
    field
        (y, x), NaN where missing; of the four cells around a point the known ones count, where
        they hold at least half of the weight.
    displacement
        (2, y, x) cells, at the nodes.
    spacing
        Cells between nodes.
    outside
        Value of what comes from beyond the edge.
    holes
        Whether the field has missing cells.
    """
    ny, nx = field.shape
    flat = field.ravel()
    rows, columns = displacement.shape[1:]
    edge = np.empty((2, columns + 1), np.float32)
    per_cell = np.float32(1.0 / spacing)
    away = np.empty((2, columns * spacing), np.float32)
    parts, starts = np.empty((2, nx), np.float32), np.empty(nx, np.int32)
    for j in range(ny):
        node = j // spacing
        after, f = min(node + 1, rows - 1), np.float32(j - node * spacing) * per_cell
        for part in range(2):
            for i in range(columns):
                below, above = displacement[part, node, i], displacement[part, after, i]
                edge[part, i] = below + f * (above - below)
            edge[part, columns] = edge[part, columns - 1]
            for i in range(columns):
                slope = (edge[part, i + 1] - edge[part, i]) * per_cell
                for c in range(spacing):
                    away[part, i * spacing + c] = edge[part, i] + np.float32(c) * slope
        _places(nx, ny, j, away[0], away[1], parts, starts)
        _sample_row(flat, nx, starts, parts, outside, out[j])
        if holes:
            _fill_row(field, j, away[0], away[1], out[j])


_BEYOND = 2**30  # start of a cell that came from beyond the edge


@numba.njit(fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _places(
    nx: int,
    ny: int,
    j: int,
    away_x: NDArray[np.float32],
    away_y: NDArray[np.float32],
    parts: NDArray[np.float32],
    starts: NDArray[np.int32],
) -> None:
    """Where the cells of a row came from, without branches so that vector code is made of it.

    ``parts`` (2, x): fractions between the four cells around. ``starts``: place of the first of
    the four less the cell's own column, which is the same for neighbours that came together.
    """
    last_x, last_y, zero = np.float32(nx - 1), np.float32(ny - 1), np.float32(0)
    part_x, part_y = parts[0], parts[1]
    for c in range(nx):
        x, y = np.float32(c) + away_x[c], np.float32(j) + away_y[c]
        inside = (x >= zero) & (x <= last_x) & (y >= zero) & (y <= last_y)
        x, y = min(max(x, zero), last_x), min(max(y, zero), last_y)
        p = np.int32(min(x, np.float32(nx - 2)))
        q = np.int32(min(y, np.float32(ny - 2)))
        part_x[c], part_y[c] = x - np.float32(p), y - np.float32(q)
        starts[c] = q * np.int32(nx) + p - np.int32(c) if inside else np.int32(_BEYOND)


@numba.njit(fastmath={"contract", "arcp", "nsz"}, error_model="numpy")
def _sample_row(
    flat: NDArray[np.float32],
    nx: int,
    starts: NDArray[np.int32],
    parts: NDArray[np.float32],
    outside: float,
    out: NDArray[np.float32],
) -> None:
    """Bilinear values of a row of cells: runs that came together are read in one piece."""
    part_x, part_y, beyond = parts[0], parts[1], np.float32(outside)
    first = 0
    while first < nx:
        start, stop = starts[first], first + 1
        while stop < nx and starts[stop] == start:
            stop += 1
        if start == _BEYOND:
            out[first:stop] = beyond
        else:
            # Unsigned places, for which no sign is looked at, and no slices, which are counted.
            at, cell, one = np.uint64(start + first), np.uint64(first), np.uint64(1)
            above = at + np.uint64(nx)
            for i in range(np.uint64(stop - first)):
                a0, a1, b0, b1 = (
                    flat[at + i],
                    flat[at + i + one],
                    flat[above + i],
                    flat[above + i + one],
                )
                low = a0 + part_x[cell + i] * (a1 - a0)
                high = b0 + part_x[cell + i] * (b1 - b0)
                out[cell + i] = low + part_y[cell + i] * (high - low)
        first = stop


@numba.njit(error_model="numpy")
def _fill_row(
    field: NDArray[np.float32],
    j: int,
    away_x: NDArray[np.float32],
    away_y: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Values beside missing cells, from the known of the four around each point."""
    ny, nx = field.shape
    for c in range(nx):
        if not np.isnan(out[c]):
            continue
        x, y = np.float32(c) + away_x[c], np.float32(j) + away_y[c]
        if not (0 <= x <= nx - 1 and 0 <= y <= ny - 1):
            continue
        p, q = min(np.int64(x), nx - 2), min(np.int64(y), ny - 2)
        total, weight = np.float32(0), np.float32(0)
        for k in range(4):
            value = field[q + k // 2, p + k % 2]
            share = np.float32(1) - abs(x - np.float32(p + k % 2))
            share *= np.float32(1) - abs(y - np.float32(q + k // 2))
            if not np.isnan(value):
                total += share * value
                weight += share
        if weight >= np.float32(0.5):
            out[c] = total / weight
