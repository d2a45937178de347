"""Rain over windows that reach from the observed past into the forecast."""

from datetime import timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs, check


def step_amounts(rates_mm_h: NDArray[np.float32], step: timedelta) -> NDArray[np.float32]:
    """Rain in each step between consecutive rates (trapezoid rule).

    Parameters
    ----------
    rates_mm_h
        (n, y, x) rates at the ends of the steps; NaN = missing.
    step
        Time between two of them.

    Returns
    -------
    (n - 1, y, x) amounts in mm, right-labelled; NaN where both ends are missing, the known end
    where one is.
    """
    hours = np.float32(step / timedelta(hours=1))
    first, last = rates_mm_h[:-1], rates_mm_h[1:]
    mean = 0.5 * (first + last)
    known = np.where(np.isnan(first), last, first)
    return (np.where(np.isnan(mean), known, mean) * hours).astype(np.float32)


def coarsen_mean(field: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean over blocks of ``factor`` x ``factor`` cells of the last two axes: conserves water.

    Missing cells are left out of the mean; a block without any value is NaN. ConfigError where
    the blocks do not cover the field.
    """
    *lead, ny, nx = field.shape
    if ny % factor or nx % factor:
        raise ConfigError(f"a field of {ny} x {nx} cells cannot be coarsened by {factor}")
    blocks = field.reshape(*lead, ny // factor, factor, nx // factor, factor)
    valid = np.isfinite(blocks)
    count = valid.sum((-3, -1))
    total = np.where(valid, blocks, 0).sum((-3, -1), dtype=np.float64)
    with np.errstate(invalid="ignore"):
        return np.where(count > 0, total / count, np.nan).astype(np.float32)


def window_amounts(
    history: xr.Dataset, forecast: xr.Dataset, windows_h: tuple[int, ...]
) -> xr.Dataset:
    """Rain over each window that ends at each lead time, observed plus forecast.

    Parameters
    ----------
    history
        Step amounts ``rainfall_amount(time, y, x)`` up to the analysis time, right-labelled at a
        constant step; NaN = not observed.
    forecast
        The same after the analysis time, at the same step.
    windows_h
        Window lengths in hours.

    Returns
    -------
    ``rainfall_amount(window, lead_time, y, x)``, ``observed_fraction(window, lead_time)``, lead 0
    first, and ``window_observed(window, y, x)``, the share of the window that ends now. What was
    not observed counts as no rain, so an amount is a lower bound where a share is below 1.
    """
    check(history, "rainfall_amount", dims=("time", "y", "x"))
    check(forecast, "rainfall_amount", dims=("time", "y", "x"))
    times = np.concatenate([history["time"].values, forecast["time"].values])
    steps = np.diff(times)
    if steps.size == 0 or (steps != steps[0]).any():
        raise ConfigError("history and forecast do not follow one another at one time step")
    if np.timedelta64(1, "h") % steps[0]:
        raise ConfigError("the time step of the record does not divide an hour")
    amounts = np.concatenate(
        [history["rainfall_amount"].values, forecast["rainfall_amount"].values]
    )
    known = np.isfinite(amounts)
    past = _running(known[: history.sizes["time"]].astype(np.float32))
    total = _running(np.where(known, amounts, 0).astype(np.float64))
    observed = _running(known.mean((1, 2)))
    n_history = history.sizes["time"]
    ends = np.arange(n_history, len(times) + 1)
    per_hour = int(np.timedelta64(1, "h") / steps[0])
    starts = np.array([np.maximum(ends - hours * per_hour, 0) for hours in windows_h])
    lengths = np.array(windows_h)[:, None] * per_hour
    lead_time = times[ends - 1] - times[n_history - 1]
    amount = (total[ends][None] - total[starts]).astype(np.float32)
    return xr.Dataset(
        {
            "rainfall_amount": (
                ("window", "lead_time", "y", "x"),
                amount,
                attrs("rainfall_amount"),
            ),
            "observed_fraction": (
                ("window", "lead_time"),
                ((observed[ends][None] - observed[starts]) / lengths).astype(np.float32),
                {"units": "1", "long_name": "share of the window for which there is a value"},
            ),
            "window_observed": (
                ("window", "y", "x"),
                ((past[-1] - past[starts[:, 0]]) / lengths[:, :, None]).astype(np.float32),
                {"units": "1", "long_name": "observed share of the window that ends now"},
            ),
        },
        coords={
            "window": ("window", np.array(windows_h, np.int32), {"units": "h"}),
            "lead_time": ("lead_time", lead_time.astype("timedelta64[ns]")),
            "time": times[n_history - 1],
            **{name: history[name] for name in ("x", "y", "lat", "lon", "crs") if name in history},
        },
    )


def _running(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cumulative sum along the first axis, with a zero before the first."""
    return np.concatenate([np.zeros((1, *values.shape[1:])), np.cumsum(values, axis=0)])
