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
        total, known = np.empty(nx * factor), np.empty(nx * factor)
        amount = np.empty(nx, np.float32)
        for k in range(steps * parts):
            total[:], known[:] = 0, 0
            for row in range(j * factor, (j + 1) * factor):
                _add_trapezoids(rates[k, row], rates[k + 1, row], total, known)
            _across(total, known, hours, amount)
            if k % parts == 0:
                out[k // parts, j] = amount
            else:
                out[k // parts, j] += amount


@numba.njit(nogil=True)
def _add_trapezoids(
    first: NDArray[np.float32],
    last: NDArray[np.float32],
    total: NDArray[np.float64],
    known: NDArray[np.float64],
) -> None:
    """Add the mean rates of a row of cells to the totals and counts of its columns."""
    for i in range(len(total)):
        a, b = first[i], last[i]
        mean = np.float32(0.5) * ((b if np.isnan(a) else a) + (a if np.isnan(b) else b))
        there = not np.isnan(mean)
        total[i] += np.float64(mean) if there else 0.0
        known[i] += 1.0 if there else 0.0


@numba.njit(error_model="numpy")
def _across(
    total: NDArray[np.float64],
    known: NDArray[np.float64],
    scale: float,
    out: NDArray[np.float32],
) -> None:
    """Means of blocks from the sums of their columns, times a scale; NaN where nothing is known."""
    factor = len(total) // max(len(out), 1)
    for i in range(len(out)):
        of_block, cells = 0.0, 0.0
        for c in range(factor):
            of_block += total[np.uint64(i * factor + c)]
            cells += known[np.uint64(i * factor + c)]
        out[i] = of_block / cells * scale


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _block_means(planes: NDArray[np.float32], factor: int, out: NDArray[np.float32]) -> None:
    n, ny, nx = out.shape
    for at in numba.prange(n * ny):
        k, j = at // ny, at % ny
        total, known = np.empty(nx * factor), np.empty(nx * factor)
        _row_means(planes[k, j * factor : (j + 1) * factor], total, known, out[k, j])


@numba.njit(cache=True, nogil=True, error_model="numpy")
def block_means(field: NDArray[np.float32], factor: int, out: NDArray[np.float32]) -> None:
    """Mean over blocks as `coarsen_mean` has it, of one field (y, x), by the calling thread alone.

    ``out`` (y / factor, x / factor) is written.
    """
    width = out.shape[1] * factor
    total, known = np.empty(width), np.empty(width)
    for j in range(len(out)):
        _row_means(field[j * factor : (j + 1) * factor], total, known, out[j])


@numba.njit(error_model="numpy")
def _row_means(
    rows: NDArray[np.float32],
    total: NDArray[np.float64],
    known: NDArray[np.float64],
    out: NDArray[np.float32],
) -> None:
    """Means of a row of blocks: down the columns first, which becomes vector code."""
    total[:], known[:] = 0, 0
    for row in rows:
        for i in range(len(total)):
            finite = np.isfinite(row[i])
            total[i] += np.float64(row[i]) if finite else 0.0
            known[i] += 1.0 if finite else 0.0
    _across(total, known, 1.0, out)


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
    n_history = history.sizes["time"]
    per_hour = int(np.timedelta64(1, "h") / steps[0])
    lengths = np.array(windows_h, np.int64) * per_hour
    amount, window_observed, observed = _window_sums(amounts, n_history, lengths)
    lead_time = times[n_history - 1 :] - times[n_history - 1]
    return xr.Dataset(
        {
            "rainfall_amount": (
                ("window", "lead_time", "y", "x"),
                amount,
                attrs("rainfall_amount"),
            ),
            "observed_fraction": (
                ("window", "lead_time"),
                observed,
                {"units": "1", "long_name": "share of the window for which there is a value"},
            ),
            "window_observed": (
                ("window", "y", "x"),
                window_observed,
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


@numba.njit(cache=True, nogil=True)
def _window_sums(
    amounts: NDArray[np.float32], n_history: int, lengths: NDArray[np.int64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Sums over windows that end at each lead, from running sums of a row of cells at a time.

    Returns sums (window, lead, y, x), the observed share (window, y, x) of windows that end now,
    and that (window, lead) of all cells together.
    """
    n, ny, nx = amounts.shape
    n_leads = n - n_history + 1
    out = np.empty((len(lengths), n_leads, ny, nx), np.float32)
    now = np.empty((len(lengths), ny, nx), np.float32)
    everywhere = np.zeros(n + 1)
    total = np.zeros((n + 1, nx))
    known = np.zeros((n + 1, nx))
    for j in range(ny):
        for k in range(n):
            for i in range(nx):
                value = amounts[k, j, i]
                there = np.isfinite(value)
                total[k + 1, i] = total[k, i] + (value if there else 0.0)
                known[k + 1, i] = known[k, i] + there
            everywhere[k + 1] += known[k + 1].sum()
        for w in range(len(lengths)):
            for lead in range(n_leads):
                end = n_history + lead
                out[w, lead, j] = total[end] - total[max(end - lengths[w], 0)]
            now[w, j] = (known[n_history] - known[max(n_history - lengths[w], 0)]) / lengths[w]
    share = np.empty((len(lengths), n_leads), np.float32)
    for w in range(len(lengths)):
        for lead in range(n_leads):
            end = n_history + lead
            seen = everywhere[end] - everywhere[max(end - lengths[w], 0)]
            share[w, lead] = seen / (lengths[w] * ny * nx)
    return out, now, share
