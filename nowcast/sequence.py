"""Rain sequences as they come: what of them a nowcast can use, and what it must name."""

from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect
from jinghu.grid.errors import ConfigError, DataError
from jinghu.nowcast.intake import minute

USUAL_STEP_S = 360.0  # volumes of a CINRAD radar
_REGULAR_SHARE = 0.1


def step_of(rain: xr.Dataset, step: np.timedelta64 | None) -> tuple[np.timedelta64, str]:
    """Lead-time step: the one named, or that of the sequence.

    Parameters
    ----------
    rain
        Ascending times.
    step
        Wanted step, if one was named.

    Returns
    -------
    The step, and a sentence where the sequence does not tell it plainly. Times that keep to a
    step within a tenth of it are at one; of others the gap that is there most often is taken.

    Raises
    ------
    ConfigError
        Where the step is not positive.
    """
    if step is not None:
        if not step > np.timedelta64(0):
            raise ConfigError(f"the lead-time step is {step}, wanted a positive one")
        return step, ""
    gaps = np.diff(rain["time"].values) / np.timedelta64(1, "s")
    if gaps.size == 0:
        return _seconds(USUAL_STEP_S), (
            f"one field tells no time step: lead-time step of {USUAL_STEP_S / 60:g} min taken"
        )
    median = float(np.median(gaps))
    if np.abs(gaps - median).max() <= _REGULAR_SHARE * median:
        whole = 60.0 * round(median / 60.0)
        near = whole > 0 and abs(whole - median) <= _REGULAR_SHARE * median
        # A clock that runs a little early or late does not change the step.
        return _seconds(whole if near and np.ptp(gaps) > 0 else median), ""
    lengths, counts = np.unique(np.rint(gaps), return_counts=True)
    found = float(lengths[counts.argmax()])
    return _seconds(found), (
        f"times are irregular, {gaps.min() / 60:g} to {gaps.max() / 60:g} min apart:"
        f" lead-time step of {found / 60:g} min taken"
    )


def _seconds(seconds: float) -> np.timedelta64:
    return np.timedelta64(max(1, round(seconds)), "s")


def check_order(times: NDArray[np.datetime64]) -> None:
    """Raise DataError where times are none, or do not ascend."""
    if times.size == 0:
        raise DataError("rain sequence", "holds no field")
    if not np.issubdtype(times.dtype, np.datetime64):
        raise DataError("rain sequence", f"its times are {times.dtype}, not times in CF units")
    for time, gap in zip(times[1:], np.diff(times), strict=True):
        if not gap > np.timedelta64(0):
            raise DataError("rain sequence", f"its times do not ascend at {minute(time)}")


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
