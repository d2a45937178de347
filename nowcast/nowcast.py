"""Nowcast of a rain sequence: Dataset in, Dataset out."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect, motion_array
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.nowcast.engines import pysteps_extrapolate, pysteps_motion, pysteps_steps
from jinghu.nowcast.ensemble import EnsembleParams, ensemble, sprog
from jinghu.nowcast.intake import usable
from jinghu.nowcast.motion import MotionParams, estimate_motion, spacing
from jinghu.nowcast.sequence import check_order, distinct, frames_at_step, step_of

_FOLLOWED_S = 3600.0  # fields farther apart show different rain
_LEAST_TO_MOVE = 2  # cells along and across
LEAST_CELLS = 8  # along and across, that a cascade needs


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
        ``rainfall_rate(time, y, x)`` in mm/h on a grid of square cells in m; NaN = missing.
    leads
        Number of steps ahead.
    step
        Lead-time step; that of the sequence by default.
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
    scalar ``time`` of the last field. Attribute ``degradation`` names, with ``; `` between, what
    was missing or mended: fields out of order, without values or twice, irregular times, rates
    that cannot be, no motion, a grid too small for the method. Dry stays dry, missing stays
    missing, and no rate is below zero or above the highest of the last field.

    Raises
    ------
    DataError
        Where the values are not rain, or the grid not one of square cells in m.
    ConfigError
        Where variables, dimensions or units differ, the lead times are none, or members are asked
        of a method without any.
    """
    if leads < 1:
        raise ConfigError(f"a nowcast needs at least one lead time, not {leads}")
    if members is not None and method is not Method.STEPS:
        raise ConfigError(f"members are asked of nowcast method {method.value}, which has none")
    rain, mended = usable(rain)
    step, about_step = step_of(rain, step)
    named = [*mended, about_step]
    if motion is None:
        motion, about_motion = motion_of(rain, engine)
        named.append(about_motion)
    seconds = float(step / np.timedelta64(1, "s"))
    way = _Way(method, engine, leads, members or Members(), seconds)
    rates, about_rates = _rates(rain, motion, way)
    named.append(about_rates)
    last = rain.isel(time=-1)
    return _result(last, rates, motion, step, "; ".join(text for text in named if text))


@dataclass(frozen=True, slots=True)
class _Way:
    """How a forecast is made."""

    method: Method
    engine: Engine
    leads: int
    members: Members
    seconds: float


def _rates(rain: xr.Dataset, motion: xr.Dataset, way: _Way) -> tuple[NDArray[np.float32], str]:
    """Rates ([member,] lead, y, x) with lead 0 first, and what was missing for the method."""
    last = rain["rainfall_rate"].values[-1].astype(np.float32)
    if min(last.shape) < _LEAST_TO_MOVE:
        still = np.repeat(last[None], way.leads + 1, axis=0)
        return _as_members(still, way), "" if way.method is Method.EXTRAPOLATION else _no_room(last)
    per_step = motion_array(motion, way.seconds)
    if way.method is Method.EXTRAPOLATION:
        return _extrapolated(last, per_step, way), ""
    if min(last.shape) < LEAST_CELLS:
        return _as_members(_extrapolated(last, per_step, way), way), _no_room(last)
    step = np.timedelta64(round(way.seconds), "s")
    frames, named = frames_at_step(rain, step, per_step, 3)
    params = EnsembleParams(
        members=way.members.count,
        leads=way.leads,
        cell_km=abs(spacing(rain)[0]) / 1e3,
        step_min=way.seconds / 60,
    )
    if way.method is Method.STEPS:
        return _steps(frames, per_step, params, way.members, way.engine), named
    return _sprog(frames, per_step, params, way.engine), named


def _no_room(field: NDArray[np.float32]) -> str:
    ny, nx = field.shape
    return f"a grid of {ny} x {nx} cells has no room for scales of rain: extrapolation instead"


def _as_members(rates: NDArray[np.float32], way: _Way) -> NDArray[np.float32]:
    """The one forecast for each of the members that were asked for."""
    if way.method is not Method.STEPS:
        return rates
    return np.repeat(rates[None], way.members.count, axis=0)


def _extrapolated(
    rate: NDArray[np.float32], motion: NDArray[np.float32], way: _Way
) -> NDArray[np.float32]:
    """The last field at all leads, (lead, y, x) with lead 0 first."""
    if way.engine is Engine.PYSTEPS:
        return np.concatenate([rate[None], pysteps_extrapolate(rate, motion, way.leads)])
    return advect(rate, motion, np.arange(way.leads + 1), substeps=_substeps(way.seconds))


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
    ny, nx = last["rainfall_rate"].shape
    if min(ny, nx) < _LEAST_TO_MOVE:
        return _still(last), f"a grid of {ny} x {nx} cells has no room for motion"
    if fields.sizes["time"] < 2:
        cause = "all fields are the same" if repeated else "one field only"
        return estimate_motion(last, last), f"{cause}: no motion"
    if engine is Engine.PYSTEPS:
        return _pysteps_motion(fields), repeated
    age = (last["time"].values - fields["time"].values) / np.timedelta64(1, "s")
    inside = np.flatnonzero(age[:-1] <= params.baseline_s)
    earlier = fields.isel(time=int(inside[0]) if inside.size else -2)
    if age[-2] > _FOLLOWED_S:
        return _still(last), f"the field before is {age[-2] / 60:.0f} min older: no motion"
    found = estimate_motion(earlier, last, params)
    if not np.any(found["quality"].values > 0):
        return found, "no rain that could be followed: no motion"
    return found, repeated


def _still(last: xr.Dataset) -> xr.Dataset:
    """No motion on the grid of a field."""
    zero = np.zeros(last["rainfall_rate"].shape, np.float32)
    named = {name: (("y", "x"), zero, attrs(name)) for name in ("motion_x", "motion_y", "quality")}
    return last.drop_vars("rainfall_rate").assign(named)


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
