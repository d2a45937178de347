"""Nowcast of a rain sequence: Dataset in, Dataset out."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect, motion_array
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs, check
from jinghu.nowcast.engines import pysteps_extrapolate, pysteps_motion, pysteps_steps
from jinghu.nowcast.ensemble import EnsembleParams, ensemble, sprog
from jinghu.nowcast.motion import MotionParams, estimate_motion, spacing
from jinghu.nowcast.sequence import check_order, distinct, frames_at_step, step_of


class Method(StrEnum):
    """How the forecast is made."""

    EXTRAPOLATION = "extrapolation"
    SPROG = "sprog"
    STEPS = "steps"


class Engine(StrEnum):
    """Whose code runs."""

    JINGHU = "jinghu"
    PYSTEPS = "pysteps"


@dataclass(frozen=True, slots=True)
class Members:
    """How many members an ensemble has, their seed, and the threads that make them."""

    count: int = 24
    seed: int = 0
    workers: int = 1


def nowcast(
    rain: xr.Dataset,
    *,
    leads: int,
    step: np.timedelta64 | None = None,
    method: Method = Method.EXTRAPOLATION,
    engine: Engine = Engine.JINGHU,
    motion: xr.Dataset | None = None,
    members: Members | None = None,
) -> xr.Dataset:
    """Nowcast from the last fields of a sequence.

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
        Extrapolation of the last field; S-PROG, which drops scales as they lose their memory;
        or STEPS, an ensemble that puts noise in their place. Whose code makes it.
    motion
        ``motion_x``, ``motion_y`` in m s-1; estimated from the last quarter of an hour by
        default.
    members
        Members of STEPS. All of them are held in memory: ``ensemble.ensemble`` gives them lead by
        lead.

    Returns
    -------
    ``rainfall_rate([member,] lead_time, y, x)`` with lead 0 first, ``motion_x``, ``motion_y``;
    scalar ``time`` of the last field; attribute ``degradation`` where something was missing.

    Raises
    ------
    DataError
        Where the sequence is not regular, or the grid not one of square cells in m.
    ConfigError
        Where variables, dimensions or units differ, the lead times are none, or members are asked
        of a method without any.
    """
    check(rain, "rainfall_rate", dims=("time", "y", "x"))
    along_x, _ = spacing(rain)
    step = step_of(rain, step)
    if leads < 1:
        raise ConfigError(f"a nowcast needs at least one lead time, not {leads}")
    if members is not None and method is not Method.STEPS:
        raise ConfigError(f"members are asked of nowcast method {method.value}, which has none")
    seconds = float(step / np.timedelta64(1, "s"))
    last = rain.isel(time=-1)
    named = []
    if motion is None:
        motion, degradation = motion_of(rain, engine)
        named.append(degradation)
    rate = last["rainfall_rate"].values.astype(np.float32)
    per_step = motion_array(motion, seconds)
    if method is Method.EXTRAPOLATION:
        rates = _extrapolated(rate, per_step, leads, engine, seconds)
    else:
        frames, degradation = frames_at_step(rain, step, per_step, 3)
        named.append(degradation)
        chosen = members or Members()
        params = EnsembleParams(
            members=chosen.count, leads=leads, cell_km=abs(along_x) / 1e3, step_min=seconds / 60
        )
        if method is Method.STEPS:
            rates = _steps(frames, per_step, params, chosen, engine)
        else:
            rates = _sprog(frames, per_step, params, engine)
    named = [text for text in named if text]
    return _result(last, rates, motion, step, "; ".join(named))


def _extrapolated(
    rate: NDArray[np.float32],
    motion: NDArray[np.float32],
    leads: int,
    engine: Engine,
    seconds: float,
) -> NDArray[np.float32]:
    """The last field at all leads, (lead, y, x) with lead 0 first."""
    if engine is Engine.PYSTEPS:
        moved = pysteps_extrapolate(rate, motion, leads)
    else:
        moved = advect(rate, motion, np.arange(1, leads + 1), substeps=_substeps(seconds))
    return np.concatenate([rate[None], moved])


def _sprog(
    frames: NDArray[np.float32], motion: NDArray[np.float32], params: EnsembleParams, engine: Engine
) -> NDArray[np.float32]:
    """S-PROG at all leads, (lead, y, x) with lead 0 first."""
    if engine is Engine.PYSTEPS:
        return np.concatenate([frames[-1:], pysteps_steps(frames, motion, params, None)[0]])
    out = np.empty((params.leads + 1, *frames.shape[1:]), np.float32)
    out[0] = frames[-1]
    for lead, rates in sprog(frames, motion, params):
        out[lead] = rates
    return out


def _steps(
    frames: NDArray[np.float32],
    motion: NDArray[np.float32],
    params: EnsembleParams,
    members: Members,
    engine: Engine,
) -> NDArray[np.float32]:
    """STEPS at all leads, (member, lead, y, x) with lead 0 first."""
    out = np.empty((params.members, params.leads + 1, *frames.shape[1:]), np.float32)
    out[:, 0] = frames[-1]
    if engine is Engine.PYSTEPS:
        out[:, 1:] = pysteps_steps(frames, motion, params, members.seed)
        return out
    for lead, rates in ensemble(frames, motion, params, members.seed, members.workers):
        out[:, lead] = rates
    return out


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
    check_order(rain["time"].values)
    fields, repeated = distinct(rain)
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
    dims = ("member", "lead_time", "y", "x")[-rates.ndim :]
    lead_time = (np.arange(rates.shape[-3]) * step).astype("timedelta64[ns]")
    out = xr.Dataset(
        {
            "rainfall_rate": (dims, rates, attrs("rainfall_rate")),
            "motion_x": motion["motion_x"].variable,
            "motion_y": motion["motion_y"].variable,
        },
        coords={
            "lead_time": ("lead_time", lead_time),
            **{n: last[n] for n in ("time", "x", "y", "lat", "lon", "crs") if n in last.coords},
        },
    )
    return out.assign_attrs(degradation=degradation) if degradation else out
