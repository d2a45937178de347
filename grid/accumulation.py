"""Rain over windows that reach from the observed past into the forecast."""

from datetime import timedelta

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs, check


def block_amounts(
    rates_mm_h: NDArray[np.float32], part: timedelta, factor: int, parts: int = 1
) -> NDArray[np.float32]:
    """Rain in each step, from rates several times in it, over blocks of cells.

    Parameters
    ----------
    rates_mm_h
        (n, y, x) rates at the ends of the parts; NaN = missing.
    part
        Time between two of them.
    factor
        Cells along and across a block.
    parts
        Parts of a step, which divide n - 1.

    Returns
    -------
    ((n - 1) / parts, y / factor, x / factor) amounts in mm, right-labelled. Within a part the
    trapezoid rule, or the known end where one is missing; cells missing at both ends are left out
    of the mean of the block. A step is missing in a block where one of its parts is.

    Raises
    ------
    ConfigError
        Where the blocks do not cover the field, or the parts are not whole steps.
    """
    shape = _blocks(rates_mm_h.shape, factor)
    if (len(rates_mm_h) - 1) % parts:
        raise ConfigError(f"{len(rates_mm_h)} rates are not the ends of steps of {parts} parts")
    out = np.empty(((len(rates_mm_h) - 1) // parts, *shape), np.float32)
    rates = np.ascontiguousarray(rates_mm_h, np.float32)
    _block_amounts(rates, part / timedelta(hours=1), factor, parts, out)
    return out


def coarsen_mean(field: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Mean over blocks of ``factor`` x ``factor`` cells of the last two axes: conserves water.

    Missing cells are left out of the mean; a block without any value is NaN. ConfigError where
    the blocks do not cover the field.
    """
    shape = _blocks(field.shape, factor)
    planes = np.ascontiguousarray(field, np.float32).reshape(-1, *field.shape[-2:])
    out = np.empty((len(planes), *shape), np.float32)
    _block_means(planes, factor, out)
    return out.reshape(*field.shape[:-2], *shape)


def _blocks(shape: tuple[int, ...], factor: int) -> tuple[int, int]:
    ny, nx = shape[-2:]
    if ny % factor or nx % factor:
        raise ConfigError(f"a field of {ny} x {nx} cells cannot be coarsened by {factor}")
    return ny // factor, nx // factor


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _block_amounts(
    rates: NDArray[np.float32], hours: float, factor: int, parts: int, out: NDArray[np.float32]
) -> None:
    steps, ny, nx = out.shape
    for j in numba.prange(ny):
        total, known = np.empty(nx), np.empty(nx)
        for k in range(steps * parts):
            total[:], known[:] = 0, 0
            for row in range(j * factor, (j + 1) * factor):
                _add_trapezoids(rates[k, row], rates[k + 1, row], factor, total, known)
            for i in range(nx):
                amount = np.float32(total[i] / known[i] * hours)
                out[k // parts, j, i] = amount if k % parts == 0 else out[k // parts, j, i] + amount


@numba.njit(inline="always")
def _add_trapezoids(
    first: NDArray[np.float32],
    last: NDArray[np.float32],
    factor: int,
    total: NDArray[np.float64],
    known: NDArray[np.float64],
) -> None:
    """Add the mean rates of a row of cells to the totals and counts of its blocks."""
    for i in range(len(total)):
        for c in range(i * factor, (i + 1) * factor):
            a, b = first[c], last[c]
            mean = np.float32(0.5) * ((b if np.isnan(a) else a) + (a if np.isnan(b) else b))
            if not np.isnan(mean):
                total[i] += mean
                known[i] += 1


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _block_means(planes: NDArray[np.float32], factor: int, out: NDArray[np.float32]) -> None:
    n, ny, nx = out.shape
    for at in numba.prange(n * ny):
        k, j = at // ny, at % ny
        for i in range(nx):
            total, known = 0.0, 0
            for row in range(j * factor, (j + 1) * factor):
                for c in range(i * factor, (i + 1) * factor):
                    value = planes[k, row, c]
                    if np.isfinite(value):
                        total += value
                        known += 1
            out[k, j, i] = total / known if known else np.nan


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
