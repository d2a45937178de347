"""Columns of several radars at one time, each cell from those that see it well."""

from collections.abc import Sequence
from dataclasses import dataclass
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
_WELL = 0.5  # of the best quality


def column_mosaic(
    columns: Sequence[xr.Dataset],
    time: datetime,
    motion: xr.Dataset | None,
    spec: GridSpec,
    params: tuple[ColumnParams, MosaicParams],
) -> xr.Dataset:
    """Bring the radars to one time and merge them.

    Composite reflectivity is the largest of all radars. Echo top and liquid are the largest of
    those that see the column at least half as well as the best does (most of its depth, at the
    least range): one alone may stand behind a mountain. Reflectivity at a height is that of the
    nearest and narrowest beam. A stale radar counts only where no fresh one sees.

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
    composite = np.full(spec.shape, np.nan, np.float32)
    cappi = np.full((len(heights), *spec.shape), np.nan, np.float32)
    best, nearest = np.zeros(spec.shape, np.float32), np.full(cappi.shape, np.inf, np.float32)
    fresh = np.zeros(spec.shape, bool)
    views: list[_View] = []
    for scanned, stale in _fresh_first(columns, time, merge.stale_after_s):
        at = cells_before(motion, from_numpy(scanned["time"].values), time)
        quality = gathered(scanned["quality"].values, at, 0.0)
        if stale:
            quality = np.where(fresh, np.float32(0), quality)
        here = quality > 0
        strongest = gathered(scanned["composite_reflectivity"].values, at, np.nan)
        composite = np.where(here, np.fmax(composite, strongest), composite)
        for k in range(len(heights)):
            apart = gathered(scanned["beam_distance"].values[k], at, np.inf)
            closer = here & (apart < nearest[k])
            cappi[k][closer] = gathered(scanned["cappi_reflectivity"].values[k], at, 0)[closer]
            nearest[k][closer] = apart[closer]
        best = np.maximum(best, quality)
        views.append(_View(scanned, at, quality))
        if not stale:
            fresh |= here
    top, flag, liquid = _tops(views, best)
    state = _states(composite, fresh)
    return _dataset((composite, top, flag, liquid, state, cappi), heights, time, spec)


@dataclass(frozen=True, slots=True)
class _View:
    """Columns of one radar, where each cell's come from, and their quality (0 where not used)."""

    columns: xr.Dataset
    at: NDArray[np.int32] | None
    quality: NDArray[np.float32]


def _tops(
    views: Sequence[_View], best: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.float32]]:
    """Echo top, its flag and liquid: the largest of the radars that see the column well."""
    top = np.full(best.shape, np.nan, np.float32)
    flag, liquid = np.full(best.shape, EchoTop.MISSING, np.uint8), top.copy()
    for view in views:
        well = (view.quality > 0) & (view.quality >= _WELL * best)
        height = gathered(view.columns["echo_top"].values, view.at, np.nan)
        kind = gathered(view.columns["echo_top_flag"].values, view.at, EchoTop.MISSING)
        higher = well & (~(height <= top) | ((flag == EchoTop.NONE) & (kind > EchoTop.NONE)))
        top[higher], flag[higher] = height[higher], kind[higher]
        held = gathered(view.columns["vertically_integrated_liquid"].values, view.at, np.nan)
        liquid = np.where(well, np.fmax(liquid, held), liquid)
    return top, flag, liquid


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
