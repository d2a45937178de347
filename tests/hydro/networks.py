"""Networks made for tests."""

import numpy as np
from numpy.typing import ArrayLike

from jinghu.grid.spec import GridSpec
from jinghu.hydro.network import RiverNetwork, accumulated


def make_network(
    downstream: ArrayLike,
    length_m: ArrayLike = 2000.0,
    slope: ArrayLike = 1e-3,
    width_m: ArrayLike = 30.0,
    manning_n: ArrayLike = 0.035,
    local_area_km2: ArrayLike = 20.0,
) -> RiverNetwork:
    """Network of the given tree; reach i drains the cell (0, i) of a grid of one row."""
    below = np.asarray(downstream, np.int32)
    n = len(below)
    full = [np.broadcast_to(np.asarray(v, np.float64), n).copy() for v in
            (length_m, slope, width_m, manning_n, local_area_km2)]  # fmt: skip
    grid = GridSpec("EPSG:4549", 500_000.0, 3_290_000.0, 2500.0, n, 1)
    return RiverNetwork(
        downstream=below,
        length_m=full[0],
        slope=full[1],
        width_m=full[2],
        manning_n=full[3],
        local_area_km2=full[4],
        upstream_area_km2=accumulated(below, full[4]),
        bed_m=np.zeros(n),
        x_m=grid.x,
        y_m=np.full(n, grid.y[0]),
        start_x_m=grid.x,
        start_y_m=np.full(n, grid.y[0]),
        name_zh=("曹娥江",) * n,
        name_en=("Cao'e",) * n,
        grid=grid,
        cell_reach=np.arange(n, dtype=np.int32)[None],
        terrain_source="made for a test",
    )
