"""Which cell drains into which: D8 flow directions (pyflwdir) with rivers enforced."""

from dataclasses import dataclass

import numba
import numpy as np
import pyflwdir
from numpy.typing import NDArray
from pyflwdir.dem import fill_depressions

from jinghu.grid.errors import DataError
from jinghu.grid.spec import GridSpec
from jinghu.hydro.rivers import SEA, River, Rivers

_TRENCH_M = 50.0  # how far rivers are burned into the terrain, so that their banks drain to them
_MAX_JOIN_M = 5000.0
_NODATA = np.float32(-9999.0)

Cells = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class FlowTree:
    """Which cell drains into which; cells are counted along the rows.

    Parameters
    ----------
    downstream
        (cell,) next cell, itself at outlets, -1 outside.
    order
        Valid cells, downstream before upstream.
    area_km2
        (cell,) area that drains through the cell.
    height_m
        (cell,) elevation that never rises along the flow.
    river
        (cell,) index of the river, -1 off the lines.
    kept
        (cell,) whether the cell drains into a modelled river.
    step_m
        (cell,) distance to the next cell.
    """

    downstream: Cells
    order: Cells
    area_km2: NDArray[np.float64]
    height_m: NDArray[np.float64]
    river: NDArray[np.int32]
    kept: NDArray[np.bool_]
    step_m: NDArray[np.float64]


def flow_tree(
    elevation: NDArray[np.float32], spec: GridSpec, rivers: Rivers | None, sea_level_m: float
) -> FlowTree:
    """Flow directions of a terrain, made to follow river lines.

    D8 with depressions filled (Wang & Liu 2006, through pyflwdir). Cells on a river line flow
    along the line whatever the elevation says; the rest is steepest descent.

    Parameters
    ----------
    elevation
        (y, x) m; NaN is outside.
    spec
        Its grid.
    rivers
        Lines to follow.
    sea_level_m
        Cells at or below it are outside.
    """
    outside = ~np.isfinite(elevation) | (elevation <= sea_level_m)
    if outside.all():
        raise DataError("terrain", f"no land: all cells are missing or below {sea_level_m} m")
    lines = rivers.lines if rivers is not None else ()
    paths = _river_paths(lines, spec, outside.ravel())
    height = np.where(outside, _NODATA, elevation).astype(np.float32).ravel()
    river = np.full(height.size, -1, np.int32)
    for index, path in paths.items():
        height[path] = np.minimum.accumulate(height[path])
        river[path] = index
    burned = np.where(river >= 0, height - np.float32(_TRENCH_M), height)
    d8 = fill_depressions(burned.reshape(spec.shape), nodata=_NODATA)[1]
    downstream = pyflwdir.from_array(d8, ftype="d8", check_ftype=False).idxs_ds.astype(np.int64)
    for index, path in paths.items():
        downstream[path[:-1]] = path[1:]
        downstream[path[-1]] = _joins(path[-1], lines[index], paths, lines, spec)
    pits = np.flatnonzero((downstream == np.arange(downstream.size)) & ~outside.ravel())
    flow = pyflwdir.FlwdirRaster(downstream, spec.shape, "d8", idxs_pit=pits)
    order = np.asarray(flow.idxs_seq, np.int64)
    area = accumulate(downstream, order) * (spec.spacing_m / 1000.0) ** 2
    modelled = np.array([line.modelled for line in lines] or [True])
    kept = _kept(downstream, order, river, modelled, rivers is None)
    step = np.where(
        (np.abs(downstream - np.arange(downstream.size)) % spec.nx == 0)
        | (np.abs(downstream - np.arange(downstream.size)) == 1),
        spec.spacing_m,
        spec.spacing_m * np.sqrt(2.0),
    )
    return FlowTree(downstream, order, area, _falling(height, downstream, order), river, kept, step)


def _river_paths(
    lines: tuple[River, ...], spec: GridSpec, outside: NDArray[np.bool_]
) -> dict[int, Cells]:
    """Cells of each river from head to mouth, without those of the river it flows into."""
    owned = np.zeros(outside.size, np.bool_)
    paths: dict[int, Cells] = {}
    for index, line in enumerate(lines):
        x, y, _ = line.points(spec, spec.spacing_m / 4)
        cells = spec.cell_of_xy(x, y)
        gone = np.flatnonzero(cells < 0)
        inside = cells[gone[-1] + 1 :] if gone.size and gone[-1] + 1 < cells.size else cells
        path = _without_loops(inside[inside >= 0])
        stop = np.flatnonzero(owned[path] | outside[path])
        path = path[: stop[0]] if stop.size else path
        if path.size:
            owned[path] = True
            paths[index] = path
    return paths


def _without_loops(cells: Cells) -> Cells:
    """Path in which no cell comes twice: what lies between two visits is cut out."""
    last = {int(cell): place for place, cell in enumerate(cells)}
    path, place = [], 0
    while place < len(cells):
        path.append(int(cells[place]))
        place = last[path[-1]] + 1
    return np.array(path, np.int64)


def _joins(
    mouth: int, line: River, paths: dict[int, Cells], lines: tuple[River, ...], spec: GridSpec
) -> int:
    """Return the cell of the next river where this one enters it; its own mouth at the sea."""
    if line.downstream == SEA:
        return mouth
    below = [i for i, other in enumerate(lines) if other.name_zh == line.downstream and i in paths]
    x, y, _ = line.points(spec, spec.spacing_m / 4)
    if not below or spec.cell_of_xy(x[-1], y[-1]) < 0:  # they meet outside this terrain
        return mouth
    path = paths[below[0]]
    row, col = np.divmod(path, spec.nx)
    distance = np.hypot(row - mouth // spec.nx, col - mouth % spec.nx) * spec.spacing_m
    if distance.min() > _MAX_JOIN_M:
        raise DataError(
            "rivers",
            f"{line.name_zh} ends {distance.min() / 1000:.1f} km from {line.downstream}: "
            f"draw its line to within {_MAX_JOIN_M / 1000:g} km",
        )
    return int(path[distance.argmin()])


@numba.njit(cache=True)
def accumulate(downstream: Cells, order: Cells) -> NDArray[np.float64]:
    """Number of cells that drain through each cell."""
    total = np.zeros(downstream.size)
    for k in range(order.size - 1, -1, -1):
        cell = order[k]
        total[cell] += 1.0
        if downstream[cell] != cell:
            total[downstream[cell]] += total[cell]
    return total


@numba.njit(cache=True)
def _falling(height: NDArray[np.float32], downstream: Cells, order: Cells) -> NDArray[np.float64]:
    """Elevation lowered where it would rise along the flow."""
    out = height.astype(np.float64)
    for k in range(order.size - 1, -1, -1):
        cell = order[k]
        below = downstream[cell]
        out[below] = min(out[below], out[cell])
    return out


@numba.njit(cache=True)
def _kept(
    downstream: Cells,
    order: Cells,
    river: NDArray[np.int32],
    modelled: NDArray[np.bool_],
    everything: bool,
) -> NDArray[np.bool_]:
    """Cells whose first named river downstream is a modelled one."""
    kept = np.zeros(downstream.size, np.bool_)
    for cell in order:
        if everything:
            kept[cell] = True
        elif river[cell] >= 0:
            kept[cell] = modelled[river[cell]]
        elif downstream[cell] != cell:
            kept[cell] = kept[downstream[cell]]
    return kept
