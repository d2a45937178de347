"""Columns of several radars at one time: each cell from the radar that sees it best."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.fields import EchoTop, State, attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import from_numpy, to_numpy
from jinghu.radar.columns import ColumnParams
from jinghu.radar.mosaic import MosaicParams
from jinghu.radar.moved import cells_before, gathered

_ECHO_DBZ = 0.0


def column_mosaic(
    columns: Sequence[xr.Dataset],
    time: datetime,
    motion: xr.Dataset | None,
    spec: GridSpec,
    params: tuple[ColumnParams, MosaicParams],
) -> xr.Dataset:
    """Bring the radars to one time and merge them.

    Composite reflectivity is the largest of all radars. Echo top and liquid are those of the radar
    that sees most of the column at the least range; reflectivity at a height that of the nearest
    and narrowest beam. A stale radar counts only where no fresh one sees.

    Parameters
    ----------
    columns
        One Dataset a radar, as `jinghu.radar.columns.columns_on_grid` gives it; may be empty.
    time, motion
        Time of the mosaic; ``motion_x``, ``motion_y`` (m s-1) to move along, None for none.
    spec
        The grid of all of them.
    params
        Of the columns, and of the mosaic (age from which a radar is stale).

    Returns
    -------
    Dataset on (y, x): ``composite_reflectivity``, ``echo_top``, ``echo_top_flag``,
    ``vertically_integrated_liquid``, ``column_state``, and ``cappi_reflectivity`` on
    (height, y, x); NaN where no radar scanned; scalar ``time``.
    """
    heights, merge = params[0].cappi_m, params[1]
    nan = np.full(spec.shape, np.nan, np.float32)
    composite, top, liquid = nan, nan.copy(), nan.copy()
    flag = np.full(spec.shape, EchoTop.MISSING, np.uint8)
    cappi = np.full((len(heights), *spec.shape), np.nan, np.float32)
    best, nearest = np.zeros(spec.shape, np.float32), np.full(cappi.shape, np.inf, np.float32)
    fresh = np.zeros(spec.shape, bool)
    for scanned, stale in _fresh_first(columns, time, merge.stale_after_s):
        at = cells_before(motion, from_numpy(scanned["time"].values), time)
        quality = gathered(scanned["quality"].values, at, 0.0)
        here = (quality > 0) & ~(fresh if stale else np.False_)
        strongest = gathered(scanned["composite_reflectivity"].values, at, np.nan)
        composite = np.where(here, np.fmax(composite, strongest), composite)
        better = here & (quality > best)
        for into, name in (
            (top, "echo_top"),
            (flag, "echo_top_flag"),
            (liquid, "vertically_integrated_liquid"),
        ):
            into[better] = gathered(scanned[name].values, at, 0)[better]
        best[better] = quality[better]
        for k in range(len(heights)):
            apart = gathered(scanned["beam_distance"].values[k], at, np.inf)
            closer = here & (apart < nearest[k])
            cappi[k][closer] = gathered(scanned["cappi_reflectivity"].values[k], at, 0)[closer]
            nearest[k][closer] = apart[closer]
        if not stale:
            fresh |= here
    state = _states(composite, fresh)
    return _dataset((composite, top, flag, liquid, state, cappi), heights, time, spec)


def _fresh_first(
    columns: Sequence[xr.Dataset], time: datetime, stale_after_s: float
) -> list[tuple[xr.Dataset, bool]]:
    """Radars with whether they are stale, fresh ones first, then by code."""
    ages = [(time - from_numpy(c["time"].values)).total_seconds() for c in columns]
    marked = [(c, age > stale_after_s) for c, age in zip(columns, ages, strict=True)]
    return sorted(marked, key=lambda pair: (pair[1], str(pair[0].attrs["radar"])))


def _states(composite: NDArray[np.float32], fresh: NDArray[np.bool_]) -> NDArray[np.uint8]:
    with np.errstate(invalid="ignore"):
        found = np.where(composite > _ECHO_DBZ, State.WET, State.DRY)
    found = np.where(fresh, found, State.STALE)
    return np.where(np.isnan(composite), State.MISSING, found).astype(np.uint8)


def _dataset(
    fields: tuple[NDArray[np.generic], ...],
    heights: Sequence[float],
    time: datetime,
    spec: GridSpec,
) -> xr.Dataset:
    names = (
        "composite_reflectivity",
        "echo_top",
        "echo_top_flag",
        "vertically_integrated_liquid",
        "column_state",
        "cappi_reflectivity",
    )
    dims = {"cappi_reflectivity": ("height", "y", "x")}
    altitude = {"units": "m", "standard_name": "altitude", "positive": "up"}
    return xr.Dataset(
        {
            name: (dims.get(name, ("y", "x")), field, attrs(name))
            for name, field in zip(names, fields, strict=True)
        },
        coords={
            "time": to_numpy(time),
            "height": ("height", np.asarray(heights, np.float64), altitude),
            **spec.coords(),
        },
    )
