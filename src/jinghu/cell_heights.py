"""Mean heights of the cells of the product grid: made once per terrain, then kept in the store."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.configs.settings import Settings
from jinghu.flood import network_key, terrain_of
from jinghu.grid import durable
from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.store import Store


def cell_heights(
    settings: Settings, store: Store, terrain: xr.Dataset | None = None
) -> NDArray[np.float32]:
    """Heights (y, x) in m above sea level; those of a DEM without a value are 0.

    ``terrain`` is that of `jinghu.flood.terrain_of`, where it is at hand.

    Raises
    ------
    DataError
        Where the DEM or the rivers cannot be used.
    """
    shape = settings.grid.product().shape
    path = store.root / "static" / f"heights-{network_key(settings)}.npy"
    try:
        kept: NDArray[np.float32] = np.load(path)
        if kept.shape == shape and kept.dtype == np.float32:
            return kept
    except (OSError, ValueError):
        pass  # not there yet, or damaged: made again
    made = coarsen_mean(working_heights(settings, terrain), settings.grid.working_factor)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = durable.temporary_beside(path)
    with temporary.open("wb") as file:
        np.save(file, made)
    durable.fsync_path(temporary)
    durable.rename_durable(temporary, path)
    return made


def working_heights(settings: Settings, terrain: xr.Dataset | None = None) -> NDArray[np.float32]:
    """Heights (y, x) of the working grid in m: those that the flood model stands on."""
    working = settings.grid.working()
    heights = (terrain_of(settings) if terrain is None else terrain)["elevation"]
    if not all(np.array_equal(heights[c], getattr(working, c)) for c in ("x", "y")):
        heights = heights.interp(x=working.x, y=working.y)
    return np.asarray(heights.fillna(0.0).values, np.float32)
