"""Rain sequences as they come: what of them a nowcast can use, and what it must name."""

from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect
from jinghu.grid.errors import ConfigError, DataError


def step_of(rain: xr.Dataset, step: np.timedelta64 | None) -> np.timedelta64:
    """Lead-time step, and whether the times of the sequence are in order.

    Raises
    ------
    DataError
        Where times do not ascend, or are at no one step and none was named.
    ConfigError
        Where a single field leaves the step open, or the step is not positive.
    """
    times = rain["time"].values
    check_order(times)
    gaps = np.diff(times)
    if step is not None:
        if not step > np.timedelta64(0):
            raise ConfigError(f"the lead-time step is {step}, wanted a positive one")
        return step
    if gaps.size == 0:
        raise ConfigError("a single field has no time step: name the lead-time step")
    for time, gap in zip(times[1:], gaps, strict=True):
        if gap != gaps[0]:
            cause = f"the step before {_minute(time)} is another: name the lead-time step"
            raise DataError("rain sequence", cause)
    found: np.timedelta64 = gaps[0]
    return found


def check_order(times: NDArray[np.datetime64]) -> None:
    """Raise DataError where times are none, or do not ascend."""
    if times.size == 0:
        raise DataError("rain sequence", "holds no field")
    if not np.issubdtype(times.dtype, np.datetime64):
        raise DataError("rain sequence", f"its times are {times.dtype}, not times in CF units")
    for time, gap in zip(times[1:], np.diff(times), strict=True):
        if not gap > np.timedelta64(0):
            raise DataError("rain sequence", f"its times do not ascend at {_minute(time)}")


def _minute(time: np.datetime64) -> str:
    return f"{np.datetime_as_string(time, 'm')}Z"


def distinct(rain: xr.Dataset) -> tuple[xr.Dataset, str]:
    """Fields that differ from the one before; a feed that stands still shows no motion.

    Returns
    -------
    Those fields, and a sentence that names the others, empty where there are none.
    """
    rates = rain["rainfall_rate"].values
    same = [np.array_equal(a, b, equal_nan=True) for a, b in pairwise(rates)]
    wet = np.any(rates[1:] > 0, axis=(1, 2))
    repeats = np.array(same, bool) & wet
    if not repeats.any():
        return rain, ""
    kept = np.concatenate([[True], ~repeats])
    return rain.isel(time=kept), f"{int(repeats.sum())} fields repeat the one before"


def frames_at_step(
    rain: xr.Dataset, step: np.timedelta64, motion: NDArray[np.float32], n: int
) -> tuple[NDArray[np.float32], str]:
    """Last fields of a sequence, one step apart, for models with one memory a step.

    Parameters
    ----------
    rain
        ``rainfall_rate(time, y, x)``, times ascending.
    step
        Step wanted.
    motion
        (2, y, x) cells per step: a field that lies up to half a step beside the wanted time is
        moved to it.
    n
        Number of fields wanted.

    Returns
    -------
    (up to n, y, x) with the last field last, and a sentence where there are less.
    """
    fields, _ = distinct(rain)
    rates = fields["rainfall_rate"].values.astype(np.float32)
    ages = (fields["time"].values[-1] - fields["time"].values) / step
    frames = [rates[-1]]
    for age in range(1, n):
        nearest = int(np.abs(ages - age).argmin())
        ahead = float(ages[nearest] - age)
        if abs(ahead) > 0.5 or nearest == len(ages) - 1:
            break
        moved = rates[nearest] if ahead == 0 else advect(rates[nearest], motion, [ahead])[0]
        frames.append(moved)
    missing = n - len(frames)
    named = f"{len(frames)} of {n} fields at the step: the memory of rain is taken from its size"
    return np.stack(frames[::-1]), named if missing else ""
