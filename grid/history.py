"""The rolling record of observed rain that one cycle hands to the next."""

from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy

_TRACE_MM = 0.05


def empty_history(spec: GridSpec, time: datetime, step: timedelta, length: timedelta) -> xr.Dataset:
    """Return a record of ``length`` up to ``time`` in which nothing was observed."""
    n = length // step
    times = to_numpy(time) - np.arange(n)[::-1] * np.timedelta64(step)
    amounts = np.full((n, *spec.shape), np.nan, np.float32)
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
        coords={"time": times, **spec.coords()},
    )


def rolled(history: xr.Dataset, previous: xr.Dataset | None) -> xr.Dataset:
    """Return the record with the steps that an earlier record knows filled in.

    Raises
    ------
    ConfigError
        Where the earlier record is on another grid or has another time step.
    """
    if previous is None:
        return history
    if GridSpec.of(previous) != GridSpec.of(history) or _step(previous) != _step(history):
        raise ConfigError("the earlier rain record is on another grid or has another time step")
    aligned = previous["rainfall_amount"].reindex(time=history["time"])
    values = np.where(
        np.isnan(history["rainfall_amount"].values), aligned.values, history["rainfall_amount"]
    )
    return _with_amounts(history, values.astype(np.float32))


def recorded(
    history: xr.Dataset, times: NDArray[np.datetime64], amounts: NDArray[np.float32]
) -> xr.Dataset:
    """Return the record with these step amounts; NaN leaves what is there."""
    values = history["rainfall_amount"].values.copy()
    row_of = {time: row for row, time in enumerate(history["time"].values)}
    for time, amount in zip(times, amounts, strict=True):
        row = row_of.get(time)
        if row is not None:
            values[row] = np.where(np.isnan(amount), values[row], amount)
    return _with_amounts(history, values)


def fitted_to_hour(
    history: xr.Dataset, hour_end: datetime, amount_mm: NDArray[np.float32]
) -> xr.Dataset:
    """Return the record with the steps of one hour adding up to a merged hourly amount.

    Steps keep their share of the hour where they recorded rain; where nothing was recorded the
    amount is spread evenly. Cells whose amount is NaN keep what they hold.

    Parameters
    ----------
    history
        The record; an hour that reaches beyond its end is left alone.
    hour_end
        End of the hour.
    amount_mm
        (y, x) merged amount.
    """
    end = to_numpy(hour_end)
    times = history["time"].values
    inside = (times > end - np.timedelta64(1, "h")) & (times <= end)
    step = times[1] - times[0]
    if end > times[-1] or inside.sum() * step < np.timedelta64(1, "h"):
        return history
    values = history["rainfall_amount"].values.copy()
    hour = values[inside]
    steps = np.float32(len(hour))
    known = np.isfinite(hour)
    mean = np.where(known, hour, 0).sum(0) / np.maximum(known.sum(0), 1)
    even = np.broadcast_to(amount_mm / steps, hour.shape)
    scaled = hour * (amount_mm / np.maximum(mean * steps, _TRACE_MM))
    fitted = np.where(known & (mean * steps > _TRACE_MM), scaled, even)
    values[inside] = np.where(np.isnan(fitted), hour, fitted)
    return _with_amounts(history, values)


def _step(record: xr.Dataset) -> np.timedelta64:
    times = record["time"].values
    step: np.timedelta64 = times[1] - times[0]
    return step


def _with_amounts(history: xr.Dataset, values: NDArray[np.float32]) -> xr.Dataset:
    return history.assign(rainfall_amount=(("time", "y", "x"), values, attrs("rainfall_amount")))
