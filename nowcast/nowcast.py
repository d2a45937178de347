"""Nowcast of a rain sequence: Dataset in, Dataset out."""

from enum import StrEnum

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect, motion_array
from jinghu.grid.errors import ConfigError, DataError, NotBuiltError
from jinghu.grid.fields import attrs, check
from jinghu.nowcast.engines import pysteps_extrapolate, pysteps_motion
from jinghu.nowcast.motion import MotionParams, estimate_motion


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
        ``rainfall_rate(time, y, x)`` in mm/h on an equidistant grid in m, times at a constant
        step; NaN = missing.
    leads
        Number of steps ahead.
    step
        Lead-time step; that of the sequence by default. A single field needs it.
    method, engine
        Only extrapolation so far.
    motion
        ``motion_x``, ``motion_y`` in m s-1; estimated from the last two fields by default.

    Returns
    -------
    ``rainfall_rate(lead_time, y, x)`` with lead 0 first, ``motion_x``, ``motion_y``; scalar
    ``time`` of the last field; attribute ``degradation`` where something was missing.

    Raises
    ------
    DataError
        Where the sequence is not regular.
    NotBuiltError
        For methods of the ensemble core, which this version does not have yet.
    """
    if method is not Method.EXTRAPOLATION:
        raise NotBuiltError(f"nowcast method {method.value}: this version only extrapolates")
    check(rain, "rainfall_rate", dims=("time", "y", "x"))
    step = _step(rain, step)
    if leads < 1:
        raise ConfigError(f"a nowcast needs at least one lead time, not {leads}")
    seconds = float(step / np.timedelta64(1, "s"))
    last = rain.isel(time=-1)
    degradation = ""
    if motion is None:
        motion, degradation = _motion(rain, engine, seconds)
    rate = last["rainfall_rate"].values.astype(np.float32)
    per_step = motion_array(motion, seconds)
    if engine is Engine.PYSTEPS:
        moved = pysteps_extrapolate(rate, per_step, leads)
    else:
        moved = advect(rate, per_step, np.arange(1, leads + 1), substeps=_substeps(seconds))
    return _result(last, np.concatenate([rate[None], moved]), motion, step, degradation)


def _step(rain: xr.Dataset, step: np.timedelta64 | None) -> np.timedelta64:
    gaps = np.diff(rain["time"].values)
    if gaps.size and not ((gaps == gaps[0]).all() and gaps[0] > np.timedelta64(0)):
        raise DataError("rain sequence", "its times are not ascending at a constant step")
    if step is not None:
        return step
    if gaps.size == 0:
        raise ConfigError("a single field has no time step: name the lead-time step")
    found: np.timedelta64 = gaps[0]
    return found


def _motion(rain: xr.Dataset, engine: Engine, seconds: float) -> tuple[xr.Dataset, str]:
    """Motion from the sequence, and what was missing for it."""
    if rain.sizes["time"] < 2:
        still = estimate_motion(rain.isel(time=-1), rain.isel(time=-1))
        return still, "one field only: no motion"
    if engine is Engine.PYSTEPS:
        vectors = pysteps_motion(rain["rainfall_rate"].values[-3:])
        cells = (float(rain["x"][1] - rain["x"][0]), float(rain["y"][1] - rain["y"][0]))
        last = rain.isel(time=-1)
        named = {
            "motion_x": (("y", "x"), vectors[0] * cells[0] / seconds, attrs("motion_x")),
            "motion_y": (("y", "x"), vectors[1] * cells[1] / seconds, attrs("motion_y")),
        }
        return last.drop_vars("rainfall_rate").assign(named), ""
    found = estimate_motion(rain.isel(time=-2), rain.isel(time=-1), MotionParams())
    dry = not np.any(found["quality"].values > 0)
    return found, "no rain to take motion from" if dry else ""


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
