"""Blend a nowcast with a numerical model's rain: Dataset in, Dataset out.

The weights are those of ``blend_weights``, the fields those of ``blend_fields``.
"""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect, motion_array
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.nowcast import autoregression
from jinghu.nowcast.blend_fields import (
    BlendParams,
    Lead,
    Levels,
    Measured,
    blended,
    levels_of,
    measured_skill,
    unmeasured,
)
from jinghu.nowcast.blend_weights import model_skill, nowcast_skill
from jinghu.nowcast.cascade import wavelengths
from jinghu.nowcast.intake import minute
from jinghu.nowcast.lagged_skill import extended, lagged_skill
from jinghu.nowcast.model_grid import at_times
from jinghu.nowcast.model_skill import skill_state
from jinghu.nowcast.motion import spacing
from jinghu.nowcast.nowcast import LEAST_CELLS, Method
from jinghu.nowcast.scales import ScaleParams, scales_of
from jinghu.nowcast.sequence import frames_at_step

_RECENT = np.timedelta64(1, "h")  # analyses that tell the model's skill


@dataclass(frozen=True, slots=True)
class Blend:
    """A blended forecast, what the next cycle needs, and what was missing.

    Parameters
    ----------
    forecast
        The nowcast's Dataset with blended ``rainfall_rate`` and ``model_share(lead_time)``.
    state
        ``skill(level)``; None where the grid has no room for scales.
    degradations
        Sentences, none where all was there.
    """

    forecast: xr.Dataset
    state: xr.Dataset | None
    degradations: tuple[str, ...]


def blend(
    forecast: xr.Dataset,
    rain: xr.Dataset,
    model: xr.Dataset,
    method: Method,
    *,
    state: xr.Dataset | None = None,
    params: BlendParams | None = None,
) -> Blend:
    """Blend a nowcast with a model's rain.

    Parameters
    ----------
    forecast
        What ``nowcast.nowcast`` made: ``rainfall_rate([member,] lead_time, y, x)`` in mm/h,
        ``motion_x``, ``motion_y``, scalar ``time``.
    rain
        The sequence that it was made from, usable: ``rainfall_rate(time, y, x)``.
    model
        ``rainfall_rate(time, y, x)`` in mm/h on the same grid (``model_grid.to_grid``).
    method
        How the nowcast was made.
    state
        Model's skill as earlier cycles knew it.
    params
        Parameters.

    Returns
    -------
    Lead 0 stays the analysis. Where the nowcast is missing stands the model; where or when the
    model is missing, the nowcast alone.

    Raises
    ------
    ConfigError
        Where the grids differ, or the state is of no use.
    """
    params = params or BlendParams()
    _same_grid(forecast, model)
    last = rain["rainfall_rate"].values[-1].astype(np.float32)
    if min(last.shape) < LEAST_CELLS:
        ny, nx = last.shape
        named = f"a grid of {ny} x {nx} cells has no room for scales: the nowcast alone"
        return Blend(forecast, None, (named,))
    steps = forecast["lead_time"].values
    step = (steps[1] - steps[0]).astype("timedelta64[s]")
    per_step = motion_array(forecast, float(step / np.timedelta64(1, "s")))
    frames, _ = frames_at_step(rain, step, per_step, 3)
    cell_km, step_min = abs(spacing(rain)[0]) / 1e3, float(step / np.timedelta64(60, "s"))
    scales = scales_of(
        frames,
        per_step,
        ScaleParams(params.levels, params.wet_mm_h, cell_km, step_min, params.exponent),
    )
    levels = levels_of(scales)
    km = wavelengths(scales.shape, len(scales.weights), cell_km)
    now, about_now = _measured(rain, model, levels, params)
    memory = skill_state(now.skill, km, forecast["time"].values, state, params.skill)
    phi = autoregression.yule_walker(scales.gamma)
    ages, lagged = _lagged(rain, per_step, step, levels, params)
    skills = _Skills(
        extended(nowcast_skill(scales.gamma, phi, len(steps) - 1), ages, lagged),
        memory["skill"].values,
        params.skill.climate_of(km),
        now,
    )
    moved = advect(last, per_step, np.arange(len(steps)), substeps=max(1, round(step_min / 10)))
    rates, shares, about_leads = _all_leads(forecast, model, moved, skills, levels, method, params)
    out = forecast.assign(
        rainfall_rate=(forecast["rainfall_rate"].dims, rates, attrs("rainfall_rate")),
        model_share=(
            "lead_time",
            shares,
            {"units": "1", "long_name": "share of the model in the amounts"},
        ),
    )
    return Blend(out, memory, tuple(text for text in (about_now, about_leads) if text))


@dataclass(frozen=True, slots=True)
class _Skills:
    """Skill of the nowcast (leads, levels), and of the model now and in the long run (levels,).

    With what the model was worth in the last hour.
    """

    nowcast: NDArray[np.float64]
    model_now: NDArray[np.float64]
    model_climate: NDArray[np.float64]
    measured: Measured


def _same_grid(forecast: xr.Dataset, model: xr.Dataset) -> None:
    for name in ("x", "y"):
        ours, theirs = forecast[name].values, model[name].values
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, atol=0.01):
            raise ConfigError(f"coordinate {name} of the model is not the nowcast's")


def _measured(
    rain: xr.Dataset, model: xr.Dataset, levels: Levels, params: BlendParams
) -> tuple[Measured, str]:
    """What the model was worth over the last hour, and a sentence where there is nothing of it."""
    times = rain["time"].values
    recent = times >= times[-1] - _RECENT
    said = at_times(model, times[recent])
    there = np.isfinite(said).any(axis=(1, 2))
    if not there.any():
        named = "the model has no rain at the last analyses: its long-run skill is taken"
        return unmeasured(levels), named
    seen = rain["rainfall_rate"].values[recent].astype(np.float32)
    return measured_skill(seen[there], said[there], levels, params), ""


def _lagged(
    rain: xr.Dataset,
    per_step: NDArray[np.float32],
    step: np.timedelta64,
    levels: Levels,
    params: BlendParams,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What extrapolation was worth over the analyses of the last hour (``lagged_skill``)."""
    age_steps = (rain["time"].values[-1] - rain["time"].values) / step
    recent = age_steps <= _RECENT / step
    frames = rain["rainfall_rate"].values[recent].astype(np.float32)
    step_min = float(step / np.timedelta64(60, "s"))
    return lagged_skill(frames, age_steps[recent], per_step, step_min, levels, params)


def _all_leads(
    forecast: xr.Dataset,
    model: xr.Dataset,
    moved: NDArray[np.float32],
    skills: _Skills,
    levels: Levels,
    method: Method,
    params: BlendParams,
) -> tuple[NDArray[np.float32], NDArray[np.float32], str]:
    """Blended rates like those of the forecast, the model's shares, and where it was missing."""
    rates = forecast["rainfall_rate"].values.astype(np.float32)
    members = rates if rates.ndim == 4 else rates[None]
    out, shares = members.copy(), np.zeros(members.shape[1], np.float32)
    steps = forecast["lead_time"].values
    alone = []
    for k in range(1, len(steps)):
        said = at_times(model, (forecast["time"].values + steps[k])[None])[0]
        if not np.isfinite(said).any():
            alone.append(k)
            continue
        lead_h = float(steps[k] / np.timedelta64(1, "h"))
        of_model = model_skill(skills.model_now, skills.model_climate, lead_h, params.skill)
        lead = Lead(skills.nowcast[k], of_model, moved[k], said, skills.measured)
        out[:, k], shares[k] = blended(members[:, k], lead, levels, method, params)
    return out.reshape(rates.shape), shares, _about_alone(alone, forecast)


def _about_alone(alone: list[int], forecast: xr.Dataset) -> str:
    """Sentence that names the leads for which the model said nothing."""
    if not alone:
        return ""
    valid = forecast["time"].values + forecast["lead_time"].values[[alone[0], alone[-1]]]
    of = forecast.sizes["lead_time"] - 1
    span = f"{minute(valid[0])} to {minute(valid[1])}"
    return f"the model has no rain for {len(alone)} of {of} leads ({span}): the nowcast alone"
