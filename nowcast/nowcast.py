"""Nowcast of a rain sequence: Dataset in, Dataset out."""

from enum import StrEnum
from itertools import pairwise

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect, motion_array
from jinghu.grid.errors import ConfigError, DataError, NotBuiltError
from jinghu.grid.fields import attrs, check
from jinghu.nowcast.engines import pysteps_extrapolate, pysteps_motion
from jinghu.nowcast.motion import MotionParams, estimate_motion, spacing


class Method(StrEnum):
    """How the forecast is made."""

    EXTRAPOLATION = "extrapolation"
    SPROG = "sprog"
    STEPS = "steps"


class Engine(StrEnum):
    """Whose code runs."""

    JINGHU = "jinghu"
    PYSTEPS = "pysteps"


def nowcast(
    rain: xr.Dataset,
    *,
    leads: int,
    step: np.timedelta64 | None = None,
    method: Method = Method.EXTRAPOLATION,
    engine: Engine = Engine.JINGHU,
    motion: xr.Dataset | None = None,
) -> xr.Dataset:
    """Extrapolate the last field of a sequence.

    Parameters
    ----------
    rain
        ``rainfall_rate(time, y, x)`` in mm/h on a grid of square cells in m, times ascending;
        NaN = missing.
    leads
        Number of steps ahead.
    step
        Lead-time step; that of the sequence by default, whose times must then be at one. A
        single field needs it.
    method, engine
        Only extrapolation so far.
    motion
        ``motion_x``, ``motion_y`` in m s-1; estimated from the last quarter of an hour by
        default.

    Returns
    -------
    ``rainfall_rate(lead_time, y, x)`` with lead 0 first, ``motion_x``, ``motion_y``; scalar
    ``time`` of the last field; attribute ``degradation`` where something was missing.

    Raises
    ------
    DataError
        Where the sequence is not regular, or the grid not one of square cells in m.
    ConfigError
        Where variables, dimensions or units differ, or the lead times are none.
    NotBuiltError
        For methods of the ensemble core, which this version does not have yet.
    """
    if method is not Method.EXTRAPOLATION:
        raise NotBuiltError(f"nowcast method {method.value}: this version only extrapolates")
    check(rain, "rainfall_rate", dims=("time", "y", "x"))
    spacing(rain)
    step = _step(rain, step)
    if leads < 1:
        raise ConfigError(f"a nowcast needs at least one lead time, not {leads}")
    seconds = float(step / np.timedelta64(1, "s"))
    last = rain.isel(time=-1)
    degradation = ""
    if motion is None:
        motion, degradation = motion_of(rain, engine)
    rate = last["rainfall_rate"].values.astype(np.float32)
    per_step = motion_array(motion, seconds)
    if engine is Engine.PYSTEPS:
        moved = pysteps_extrapolate(rate, per_step, leads)
    else:
        moved = advect(rate, per_step, np.arange(1, leads + 1), substeps=_substeps(seconds))
    return _result(last, np.concatenate([rate[None], moved]), motion, step, degradation)


def _step(rain: xr.Dataset, step: np.timedelta64 | None) -> np.timedelta64:
    """Lead-time step, and whether the times of the sequence are in order."""
    times = rain["time"].values
    _check_order(times)
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


def _check_order(times: NDArray[np.datetime64]) -> None:
    if times.size == 0:
        raise DataError("rain sequence", "holds no field")
    if not np.issubdtype(times.dtype, np.datetime64):
        raise DataError("rain sequence", f"its times are {times.dtype}, not times in CF units")
    for time, gap in zip(times[1:], np.diff(times), strict=True):
        if not gap > np.timedelta64(0):
            raise DataError("rain sequence", f"its times do not ascend at {_minute(time)}")


def _minute(time: np.datetime64) -> str:
    return f"{np.datetime_as_string(time, 'm')}Z"


def motion_of(
    rain: xr.Dataset, engine: Engine = Engine.JINGHU, params: MotionParams | None = None
) -> tuple[xr.Dataset, str]:
    """Estimate the motion at the end of a sequence, and name what was missing for it.

    Parameters
    ----------
    rain
        ``rainfall_rate(time, y, x)`` in mm/h, times ascending; fields that repeat the one before
        are passed over.
    engine
        Whose code runs.
    params
        Parameters of ours.

    Returns
    -------
    ``motion_x``, ``motion_y`` (m s-1) on (y, x); a sentence, empty where nothing was missing.

    Raises
    ------
    DataError
        Where times do not ascend, or the grid is not one of square cells in m.
    """
    params = params or MotionParams()
    _check_order(rain["time"].values)
    fields, repeated = _distinct(rain)
    last = fields.isel(time=-1)
    if fields.sizes["time"] < 2:
        cause = "all fields are the same" if repeated else "one field only"
        return estimate_motion(last, last), f"{cause}: no motion"
    if engine is Engine.PYSTEPS:
        return _pysteps_motion(fields), repeated
    age = (last["time"].values - fields["time"].values) / np.timedelta64(1, "s")
    inside = np.flatnonzero(age[:-1] <= params.baseline_s)
    earlier = fields.isel(time=int(inside[0]) if inside.size else -2)
    found = estimate_motion(earlier, last, params)
    if not np.any(found["quality"].values > 0):
        return found, "no rain that could be followed: no motion"
    return found, repeated


def _distinct(rain: xr.Dataset) -> tuple[xr.Dataset, str]:
    """Fields that differ from the one before; a feed that stands still shows no motion."""
    rates = rain["rainfall_rate"].values
    same = [np.array_equal(a, b, equal_nan=True) for a, b in pairwise(rates)]
    wet = np.any(rates[1:] > 0, axis=(1, 2))
    repeats = np.array(same, bool) & wet
    if not repeats.any():
        return rain, ""
    kept = np.concatenate([[True], ~repeats])
    return rain.isel(time=kept), f"{int(repeats.sum())} fields repeat the one before"


def _pysteps_motion(fields: xr.Dataset) -> xr.Dataset:
    """Motion in m s-1 from the last fields, up to three at the step between the last two."""
    gaps = np.diff(fields["time"].values)
    n = 3 if gaps.size > 1 and gaps[-1] == gaps[-2] else 2
    vectors = pysteps_motion(fields["rainfall_rate"].values[-n:])
    seconds = gaps[-1] / np.timedelta64(1, "s")
    along_x, along_y = spacing(fields)
    dims = ("y", "x")
    named = {
        "motion_x": (dims, vectors[0] * np.float32(along_x / seconds), attrs("motion_x")),
        "motion_y": (dims, vectors[1] * np.float32(along_y / seconds), attrs("motion_y")),
    }
    return fields.isel(time=-1).drop_vars("rainfall_rate").assign(named)


def _substeps(seconds: float) -> int:
    return max(1, int(np.ceil(seconds / 600.0)))


def _result(
    last: xr.Dataset,
    rates: NDArray[np.float32],
    motion: xr.Dataset,
    step: np.timedelta64,
    degradation: str,
) -> xr.Dataset:
    lead_time = (np.arange(len(rates)) * step).astype("timedelta64[ns]")
    out = xr.Dataset(
        {
            "rainfall_rate": (("lead_time", "y", "x"), rates, attrs("rainfall_rate")),
            "motion_x": motion["motion_x"].variable,
            "motion_y": motion["motion_y"].variable,
        },
        coords={
            "lead_time": ("lead_time", lead_time),
            **{n: last[n] for n in ("time", "x", "y", "lat", "lon", "crs") if n in last.coords},
        },
    )
    return out.assign_attrs(degradation=degradation) if degradation else out
