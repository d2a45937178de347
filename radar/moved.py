"""Bringing to another time what must not be interpolated: kinds, flags, maxima."""

from datetime import datetime
from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import motion_array, source_cells

Kind = TypeVar("Kind", np.float32, np.uint8)
SUBSTEP_S = 180.0  # trajectories are integrated at this step


def cells_before(
    motion: xr.Dataset | None, scanned: datetime, time: datetime
) -> NDArray[np.int32] | None:
    """Cell that each cell's echo stood in when it was scanned, -1 beyond the edge.

    Parameters
    ----------
    motion
        ``motion_x``, ``motion_y`` in m s-1; None where nothing moves.
    scanned, time
        Time of the scan, and the time to bring it to.

    Returns
    -------
    (y, x) flat index; None where nothing moves.
    """
    seconds = (time - scanned).total_seconds()
    if motion is None or not seconds:
        return None
    substeps = int(np.ceil(abs(seconds) / SUBSTEP_S))
    return source_cells(motion_array(motion, 1.0), seconds, substeps=substeps)


def gathered(
    values: NDArray[Kind], cells: NDArray[np.int32] | None, outside: float
) -> NDArray[Kind]:
    """Values (y, x) at the cells of `cells_before`."""
    if cells is None:
        return values
    found = values.ravel()[np.maximum(cells, 0)]
    found[cells < 0] = outside
    return found
