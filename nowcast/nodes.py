"""Motion on nodes some cells apart: it is smooth, so cells take it from the nodes around them."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

_SUBSTEPS = 8  # midpoint steps of a path
_VALID_SHARE = 0.5  # a sample that rests on less than this share of known cells is missing


@dataclass(frozen=True, slots=True)
class Nodes:
    """Values on nodes.

    Parameters
    ----------
    step
        Cells between two nodes; the first lies on the first cell, the last on or beyond the last.
    displacement
        (2, nodes along y, nodes along x) cells, [0] along x, [1] along y.
    quality
        (nodes along y, nodes along x) 0..1.
    """

    step: int
    displacement: NDArray[np.float64]
    quality: NDArray[np.float64]

    def on_cells(self, shape: tuple[int, int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Displacement (2, y, x) and quality (y, x) on every cell."""
        planes = np.concatenate([self.displacement, self.quality[None]])
        out = np.empty((3, *shape), np.float32)
        _on_cells(planes, float(self.step), out)
        return out[:2], out[2]


def node_shape(shape: tuple[int, int], step: int) -> tuple[int, int]:
    """Nodes along y and x that cover a field of cells."""
    return -(-shape[0] // step) + 1, -(-shape[1] // step) + 1


def moved(field: NDArray[np.float32], nodes: Nodes) -> NDArray[np.float32]:
    """Move a field backward along curved paths, as `jinghu.grid.advection.advect` does.

    Parameters
    ----------
    field
        (y, x); NaN = missing.
    nodes
        Displacement of the cells.

    Returns
    -------
    (y, x); missing where it comes from beyond the edge.
    """
    starts = _starts(nodes.displacement, float(nodes.step))
    out = np.empty(field.shape, np.float32)
    _sample(np.ascontiguousarray(field, np.float32), starts, float(nodes.step), out)
    return out


@numba.njit(cache=True, nogil=True)
def _bilinear(plane: NDArray[np.float64], y: float, x: float) -> float:
    """Value between nodes; beyond the edge that of the edge."""
    y = min(max(y, 0.0), plane.shape[0] - 1.0)
    x = min(max(x, 0.0), plane.shape[1] - 1.0)
    j, i = min(int(y), plane.shape[0] - 2), min(int(x), plane.shape[1] - 2)
    fy, fx = y - j, x - i
    low = (1 - fx) * plane[j, i] + fx * plane[j, i + 1]
    high = (1 - fx) * plane[j + 1, i] + fx * plane[j + 1, i + 1]
    return float((1 - fy) * low + fy * high)


@numba.njit(cache=True, parallel=True, nogil=True)
def _on_cells(planes: NDArray[np.float64], step: float, out: NDArray[np.float32]) -> None:
    for r in numba.prange(out.shape[1]):
        for k in range(out.shape[0]):
            _row_between(planes[k], r / step, 1.0 / step, out[k, r])


@numba.njit(cache=True, nogil=True)
def _row_between(
    plane: NDArray[np.float64],
    y: float,
    along: float,
    out: NDArray[np.float32],
) -> None:
    """Values at a row of places ``along`` nodes apart, all at ``y``."""
    j = min(max(int(y), 0), plane.shape[0] - 2)
    fy = min(max(y - j, 0.0), 1.0)
    line = np.empty(plane.shape[1])
    for i in range(len(line)):
        line[i] = plane[j, i] + fy * (plane[j + 1, i] - plane[j, i])
    for c in range(len(out)):
        x = c * along
        i = min(int(x), len(line) - 2)
        out[c] = line[i] + min(x - i, 1.0) * (line[i + 1] - line[i])


@numba.njit(cache=True, nogil=True)
def _starts(displacement: NDArray[np.float64], step: float) -> NDArray[np.float64]:
    """Displacement back to where the path that ends at each node began (midpoint rule)."""
    out = np.zeros_like(displacement)
    part = 1.0 / (_SUBSTEPS * step)
    for j in range(out.shape[1]):
        for i in range(out.shape[2]):
            x, y = float(i), float(j)
            for _ in range(_SUBSTEPS):
                u = _bilinear(displacement[0], y, x) * part
                v = _bilinear(displacement[1], y, x) * part
                x, y, half_x, half_y = x, y, x - u / 2, y - v / 2
                x -= _bilinear(displacement[0], half_y, half_x) * part
                y -= _bilinear(displacement[1], half_y, half_x) * part
            out[0, j, i], out[1, j, i] = (x - i) * step, (y - j) * step
    return out


@numba.njit(cache=True, parallel=True, nogil=True)
def _sample(
    field: NDArray[np.float32],
    starts: NDArray[np.float64],
    step: float,
    out: NDArray[np.float32],
) -> None:
    for r in numba.prange(out.shape[0]):
        _sample_row(field, starts, step, r, out[r])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _sample_row(
    field: NDArray[np.float32],
    starts: NDArray[np.float64],
    step: float,
    row: int,
    out: NDArray[np.float32],
) -> None:
    """Bilinear values over the known cells of the four around each place."""
    ny, nx = field.shape
    back = np.empty((2, len(out)), np.float32)
    for k in range(2):
        _row_between(starts[k], row / step, 1.0 / step, back[k])
    for c in range(len(out)):
        x, y = c + back[0, c], row + back[1, c]
        if not (0 <= x <= nx - 1 and 0 <= y <= ny - 1):
            out[c] = np.nan
            continue
        i, j = min(int(x), nx - 2), min(int(y), ny - 2)
        fx, fy = x - i, y - j
        low = (1 - fx) * field[j, i] + fx * field[j, i + 1]
        high = (1 - fx) * field[j + 1, i] + fx * field[j + 1, i + 1]
        out[c] = (1 - fy) * low + fy * high
        if not np.isnan(out[c]):
            continue
        total, weight = 0.0, 0.0
        for dj in range(2):
            for di in range(2):
                value = field[j + dj, i + di]
                if not np.isnan(value):
                    share = (fy if dj else 1 - fy) * (fx if di else 1 - fx)
                    total += share * value
                    weight += share
        out[c] = total / weight if weight >= _VALID_SHARE else np.nan
