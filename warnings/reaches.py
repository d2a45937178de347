"""The cells along a river: whom a gauge or a reservoir stands for."""

from collections.abc import Set
from dataclasses import dataclass

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.spec import GridSpec
from jinghu.warnings.water_rules import Along

_OUTLET = -1


@dataclass(frozen=True, slots=True)
class Reaches:
    """Reaches of a network, as flows carry them, and the cells that may be warned.

    Parameters
    ----------
    downstream, main
        (reach,) next reach, and the largest of those that flow into it; -1 where there is none.
    start, end
        (reach, 2) in the plane of the grid, m.
    spec
        Product grid.
    cells, boxes
        (cell,) ids of the cells of the city, and their outlines.
    """

    downstream: NDArray[np.int64]
    main: NDArray[np.int64]
    start: NDArray[np.float64]
    end: NDArray[np.float64]
    spec: GridSpec
    cells: NDArray[np.int64]
    boxes: NDArray[np.object_]

    @staticmethod
    def of(flows: xr.Dataset, spec: GridSpec, inside: NDArray[np.bool_]) -> "Reaches":
        """Read the reaches out of flows.

        Parameters
        ----------
        flows
            Coordinates ``reach_downstream``, ``reach_upstream_area``, places of the ends.
        spec
            Product grid.
        inside
            (cell,) which cells are of the city.
        """
        downstream = np.asarray(flows["reach_downstream"].values, np.int64)
        area = flows["reach_upstream_area"].values
        main = np.full(len(downstream), _OUTLET, np.int64)
        for reach, below in enumerate(downstream):
            if below != _OUTLET and (main[below] == _OUTLET or area[reach] > area[main[below]]):
                main[below] = reach
        ends = [
            np.column_stack(spec.to_xy(flows[f"{n}_lon"].values, flows[f"{n}_lat"].values))
            for n in ("reach_start", "reach")
        ]
        cells = np.flatnonzero(inside)
        row, column = spec.row_col(cells)
        x, y = spec.x0_m + column * spec.spacing_m, spec.y0_m + row * spec.spacing_m
        boxes = shapely.box(x, y, x + spec.spacing_m, y + spec.spacing_m)
        return Reaches(downstream, main, ends[0], ends[1], spec, cells, np.asarray(boxes))

    def along(self, reach: int, how_far: Along, others: Set[int]) -> list[int]:
        """Reaches up the main stem and down the river, as far as the next of ``others``.

        The first one counts in full.
        """
        found = [reach]
        for following, limit_m in (
            (self.main, how_far.upstream_km * 1e3),
            (self.downstream, how_far.downstream_km * 1e3),
        ):
            walked, here = 0.0, int(following[reach])
            while here != _OUTLET and here not in others and walked < limit_m:
                found.append(here)
                walked += float(np.hypot(*(self.end[here] - self.start[here])))
                here = int(following[here])
        return found

    def cells_along(self, reaches: list[int], buffer_m: float) -> NDArray[np.int64]:
        """Cells of the city that reach to within ``buffer_m`` of the line of some reaches."""
        ends = np.stack([self.start[reaches], self.end[reaches]], axis=1)
        course = shapely.MultiLineString(list(ends))
        near: NDArray[np.bool_] = shapely.dwithin(self.boxes, course, buffer_m)
        return self.cells[near]

    def above(self, reach: int) -> NDArray[np.bool_]:
        """Which reaches flow through this one, itself among them (upstream come first)."""
        drains = np.zeros(len(self.downstream), np.bool_)
        drains[reach] = True
        for k in range(reach - 1, -1, -1):
            below = self.downstream[k]
            drains[k] = below != _OUTLET and drains[below]
        return drains

    def cells_above(self, reach: int) -> NDArray[np.int64]:
        """Cells in which the reaches above end, one entry a reach; those off the grid left out."""
        ends = self.end[self.above(reach)]
        found = self.spec.cell_of_xy(ends[:, 0], ends[:, 1])
        return np.asarray(found[found >= 0], np.int64)
