"""Recipients by cell, in memory: who is in any of these cells, or inside this outline.

The database stays the truth (`jinghu.warnings.audience.match`, and the fan-out, which runs inside
its transaction); this answers the same a hundred times as fast where many questions are asked of
one roster: previews, dry runs of rules, drills, outlines of floods.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from jinghu.grid.spec import CELL_OUTSIDE, GridSpec


@dataclass(frozen=True, slots=True)
class AudienceIndex:
    """Recipients by cell in compressed rows: cell c has ``rows[start[c]:start[c + 1]]``."""

    start: NDArray[np.int64]
    rows: NDArray[np.int64]

    @staticmethod
    def build(cell_ids: NDArray[np.int64], n_cells: int) -> "AudienceIndex":
        """Index recipients by their cells; those outside the grid are in none."""
        rows = np.argsort(cell_ids, kind="stable")
        rows = rows[cell_ids[rows] != CELL_OUTSIDE]
        start = np.searchsorted(cell_ids[rows], np.arange(n_cells + 1))
        return AudienceIndex(start.astype(np.int64), rows.astype(np.int64))

    def match(self, cells: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Rows of the recipients in any of the cells, by cell, ascending within each.

        Neighbours in a row of the grid stand together, so a warned area is some tens of slices.
        """
        wanted = np.unique(np.asarray(cells, np.int64))
        if wanted.size == 0:
            return self.rows[:0]
        breaks = np.flatnonzero(np.diff(wanted) != 1)
        first, last = np.r_[0, breaks + 1], np.r_[breaks, wanted.size - 1]
        begin, end = self.start[wanted[first]].tolist(), self.start[wanted[last] + 1].tolist()
        return np.concatenate([self.rows[b:e] for b, e in zip(begin, end, strict=True)])


@dataclass(frozen=True, slots=True)
class PlaceIndex:
    """Recipients by cell with their places in the plane of the grid, ``x`` and ``y`` in m."""

    spec: GridSpec
    index: AudienceIndex
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    @staticmethod
    def build(spec: GridSpec, x: NDArray[np.float64], y: NDArray[np.float64]) -> "PlaceIndex":
        """Index places; those outside the grid are never found."""
        cells = spec.cell_of_xy(x, y)
        return PlaceIndex(spec, AudienceIndex.build(cells, spec.nx * spec.ny), x, y)

    def inside(self, outline: Polygon | MultiPolygon) -> NDArray[np.int64]:
        """Rows of those inside an outline (m, plane of the grid) or on its line.

        Cells that lie in it as a whole are taken as a whole; only where its line runs through a
        cell is each person asked.
        """
        cells = self._near(outline)
        if cells.size == 0:
            return self.index.rows[:0]
        rows, cols = self.spec.row_col(cells)
        size = self.spec.spacing_m
        west, south = self.spec.x0_m + cols * size, self.spec.y0_m + rows * size
        boxes = shapely.box(west, south, west + size, south + size)
        shapely.prepare(outline)
        whole = shapely.contains_properly(outline, boxes)
        border = ~whole & shapely.intersects(outline, boxes)
        near = self.index.match(cells[border])
        in_it = near[shapely.intersects_xy(outline, self.x[near], self.y[near])]
        return np.concatenate([self.index.match(cells[whole]), in_it])

    def _near(self, outline: Polygon | MultiPolygon) -> NDArray[np.int64]:
        """Cells that the box of the outline meets."""
        if outline.is_empty:
            return np.empty(0, np.int64)
        spec, (west, south, east, north) = self.spec, outline.bounds
        cols = self._range(west - spec.x0_m, east - spec.x0_m, spec.nx)
        rows = self._range(south - spec.y0_m, north - spec.y0_m, spec.ny)
        return (rows[:, None] * spec.nx + cols[None, :]).ravel()

    def _range(self, low_m: float, high_m: float, n: int) -> NDArray[np.int64]:
        size = self.spec.spacing_m
        low, high = int(np.floor(low_m / size)), int(np.floor(high_m / size))
        return np.arange(max(0, low), min(n - 1, high) + 1, dtype=np.int64)
