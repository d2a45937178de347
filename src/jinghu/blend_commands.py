"""`jinghu nowcast --model`: the nowcast blended with a numerical model's rain from a file."""

from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jinghu.commands import write_netcdf
from jinghu.grid.errors import ConfigError, DataError
from jinghu.model_file import read_model
from jinghu.nowcast import Method
from jinghu.nowcast.blending import blend
from jinghu.nowcast.intake import minute
from jinghu.nowcast.model_grid import WIDEST_GAP, to_grid
from jinghu.rain_file import open_file


def blend_with_file(
    forecast: xr.Dataset,
    rain: xr.Dataset,
    method: Method,
    model: Path,
    state: Path | None,
) -> tuple[xr.Dataset, dict[str, Any], tuple[str, ...]]:
    """Blend a nowcast with a model file, and keep the model's skill for the next cycle.

    Parameters
    ----------
    forecast, rain, method
        Nowcast, the sequence that it was made from, and how.
    model
        NetCDF or Zarr.
    state
        File of the model's skill: read where it is there, then written.

    Returns
    -------
    The blend; what the summary says of the model; degradations.

    Raises
    ------
    DataError
        Names the file that was refused.
    """
    found = read_model(model)
    ahead = forecast["time"].values + forecast["lead_time"].values[-1]
    needed = _between(found.rain, rain["time"].values[0] - WIDEST_GAP, ahead + WIDEST_GAP)
    if needed.sizes["time"] == 0:
        span = " to ".join(minute(t) for t in found.rain["time"].values[[0, -1]])
        raise DataError(model, f"its rain is of {span}, far from the nowcast's times")
    on_grid = to_grid(needed, rain, str(model))
    before = open_file(state) if state is not None and state.exists() else None
    try:
        made = blend(forecast, rain, on_grid, method, state=before)
    except ConfigError as error:
        raise DataError(model if state is None else state, str(error)) from None
    if state is not None and made.state is not None:
        write_netcdf(made.state, state)
    told: dict[str, Any] = {
        "file": model.name,
        "until": minute(found.rain["time"].values[-1]),
        "share_at_the_end": round(float(_shares(made.forecast)[-1]), 3),
    }
    attributes = dict(made.forecast.attrs) | {"model": model.name}
    if found.reference is not None:
        told["reference_time"] = attributes["model_reference_time"] = minute(found.reference)
    names = tuple(name for name in (found.degradation, *made.degradations) if name)
    return made.forecast.assign_attrs(attributes), {"model": told}, names


def _between(rain: xr.Dataset, first: np.datetime64, last: np.datetime64) -> xr.Dataset:
    times = rain["time"].values
    return rain.isel(time=np.flatnonzero((times >= first) & (times <= last)))


def _shares(forecast: xr.Dataset) -> np.ndarray:
    if "model_share" not in forecast:
        return np.zeros(1)
    return np.asarray(forecast["model_share"].values)
