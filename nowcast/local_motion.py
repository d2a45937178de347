"""A motion at every node from scattered vectors: local linear fits (Cleveland 1979, loess).

The weights are sums of ever wider and lower Gaussians, so that one filter a width does for any
number of vectors. A Gaussian twice as wide is taken on nodes twice as far apart, so that the
widest costs less than the first. A local mean would flatten shear and rotation.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.nowcast.matching import Matches
from jinghu.nowcast.nodes import Nodes, node_shape

_NODES_A_WIDTH = 4  # nodes along one standard deviation
_WIDER = 0.02  # weight of a Gaussian twice as wide
_RIDGE = 0.1  # in parts of the squared width: keeps slopes from unevenly spread vectors small
_TRUNCATE = 4.0  # standard deviations


def local_motion(found: Matches, shape: tuple[int, int], width: float) -> Nodes:
    """Fit a local linear motion to the vectors around every node.

    Each vector is placed in the middle of its path, which halves the bias in curved motion.

    Parameters
    ----------
    found
        Vectors, one at least.
    shape
        Cells of the field along y and x.
    width
        Standard deviation of the first Gaussian in cells.
    """
    step = max(1, round(width / _NODES_A_WIDTH))
    sigma = width / step
    row, col = (found.row + found.d_row / 2) / step, (found.col + found.d_col / 2) / step
    u, v = found.d_col, found.d_row
    columns = (u * 0 + 1, row, col, row**2, row * col, col**2, u, row * u, col * u, v, row * v,
               col * v)  # fmt: skip
    values = np.stack(columns, axis=1) * (found.correlation**2)[:, None]
    sums, near = _sums(row, col, values, node_shape(shape, step), sigma)
    motion = _local_linear(sums + 1e-9 * values.sum(0)[:, None, None], sigma)
    return Nodes(step, motion, np.clip(near, 0.0, 1.0))


def _sums(
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    values: NDArray[np.float64],
    nodes: tuple[int, int],
    sigma: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weighted sums around each node, (column, y, x), and the first by the narrowest Gaussian."""
    radius = int(_TRUNCATE * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-radius, radius + 1) / sigma) ** 2)
    row, col = np.clip(row, 0, nodes[0] - 1.001), np.clip(col, 0, nodes[1] - 1.001)
    k = values.shape[1]
    shapes = [nodes]  # of the nodes of every width that is narrower than the field
    while sigma * 2 ** len(shapes) < max(nodes) / 2:
        shapes.append((shapes[-1][0] // 2 + 1, shapes[-1][1] // 2 + 1))
    total = np.zeros((shapes[-1][0], shapes[-1][1] * k))
    for level in reversed(range(len(shapes))):
        if level + 1 < len(shapes):
            total = _between(total, k, *shapes[level])
        filtered = _filtered(
            _spread(row / 2**level, col / 2**level, values, *shapes[level]), taps, k
        )
        if sigma * 2**level < max(nodes) / 2:
            total += _WIDER**level / (2 * np.pi) * filtered
    columns = np.moveaxis(total.reshape(*nodes, k), 2, 0)
    return np.ascontiguousarray(columns), filtered.reshape(*nodes, k)[..., 0]


@numba.njit(cache=True, nogil=True)
def _spread(
    row: NDArray[np.float64],
    col: NDArray[np.float64],
    values: NDArray[np.float64],
    ny: int,
    nx: int,
) -> NDArray[np.float64]:
    """Sums (y, x times column) of values given to the four nodes around each place."""
    n, k = values.shape
    out = np.zeros((ny, nx * k))
    for m in range(n):
        j, i = min(int(row[m]), ny - 2), min(int(col[m]), nx - 2)
        fy, fx = row[m] - j, col[m] - i
        for c in range(k):
            value = values[m, c]
            out[j, i * k + c] += (1 - fy) * (1 - fx) * value
            out[j, i * k + k + c] += (1 - fy) * fx * value
            out[j + 1, i * k + c] += fy * (1 - fx) * value
            out[j + 1, i * k + k + c] += fy * fx * value
    return out


@numba.njit(cache=True, nogil=True)
def _between(coarse: NDArray[np.float64], k: int, ny: int, nx: int) -> NDArray[np.float64]:
    """Values on nodes half as far apart."""
    out = np.empty((ny, nx * k))
    for j in range(ny):
        a, b = j // 2, (j + 1) // 2
        for i in range(nx):
            left, right = i // 2 * k, (i + 1) // 2 * k
            for c in range(k):
                low = coarse[a, left + c] + coarse[a, right + c]
                high = coarse[b, left + c] + coarse[b, right + c]
                out[j, i * k + c] = 0.25 * (low + high)
    return out


@numba.njit(cache=True, nogil=True, fastmath={"contract"})
def _filtered(
    planes: NDArray[np.float64], taps: NDArray[np.float64], k: int
) -> NDArray[np.float64]:
    """Sum along y, then x, with the weights of the taps; nothing lies beyond the edge."""
    radius, (ny, n) = len(taps) // 2, planes.shape
    out = np.zeros((ny, n))
    across = np.zeros(n + 2 * radius * k)
    middle = across[radius * k : radius * k + n]
    for j in range(ny):
        middle[:] = 0
        for t in range(max(0, radius - j), min(len(taps), ny + radius - j)):
            row, tap = planes[j + t - radius], taps[t]
            for c in range(n):
                middle[c] += tap * row[c]
        for t in range(len(taps)):
            shifted, tap, total = across[t * k : t * k + n], taps[t], out[j]
            for c in range(n):
                total[c] += tap * shifted[c]
    return out


def _local_linear(sums: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    """Values (2, y, x) at the nodes of the planes fitted around them, from sums of products.

    Slopes are held back where the vectors lie on a line or in a point, and are not followed far
    beyond the vectors.
    """
    row, col, rr, rc, cc = sums[1:6] / sums[0]
    rr, rc, cc = rr - row**2 + _RIDGE * sigma**2, rc - row * col, cc - col**2 + _RIDGE * sigma**2
    at_row, at_col = np.indices(row.shape) - np.stack([row, col])
    damping = np.exp(-(at_row**2 + at_col**2) / (2 * sigma**2))
    values = []
    for mean, row_mean, col_mean in (sums[6:9] / sums[0], sums[9:12] / sums[0]):
        along_row, along_col = row_mean - row * mean, col_mean - col * mean
        slope_row = (along_row * cc - along_col * rc) / (rr * cc - rc**2)
        slope_col = (along_col * rr - along_row * rc) / (rr * cc - rc**2)
        values.append(mean + damping * (slope_row * at_row + slope_col * at_col))
    return np.stack(values)
