"""The forecast of a cycle blended with a numerical model's rain.

Rates on the working grid and step amounts on the product grid are blended each on its own scales,
with one memory of the model's skill. After the nowcast's end the rivers get the model alone: rain
extrapolated so far is worth less than any model (``benchmarks/skill_model_cycle.py``).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.configs.settings import Settings
from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.grid.observations import observed_rate
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.model_inputs import RECENT, ModelInputs, ModelRun
from jinghu.nowcast import Method
from jinghu.nowcast.blend_weights import SkillParams
from jinghu.nowcast.blending import blend
from jinghu.nowcast.intake import minute
from jinghu.nowcast.model_grid import at_times
from jinghu.nowcast.model_skill import skill_state
from jinghu.rainfall import Rainfall
from jinghu.stages import StageLog

STATE = "model_skill"
_TOLD_EVERY_MIN = 30


@dataclass(frozen=True, slots=True)
class Forecast:
    """Forecast rain of a cycle.

    Parameters
    ----------
    rates
        (lead + 1, y, x) mm/h on the working grid, lead 0 first.
    amounts
        ``rainfall_amount(time, y, x)``: step amounts on the product grid.
    outlook
        The same after them, as far as a model reaches; None without one.
    skill
        What is known of the model's skill, for the next cycle; None where nothing is.
    summary
        Of the model, for the manifest.
    """

    rates: NDArray[np.float32]
    amounts: xr.Dataset
    outlook: xr.Dataset | None
    skill: xr.Dataset | None
    summary: dict[str, object]


@dataclass(frozen=True, slots=True)
class Blending:
    """What the blends of one cycle have in common.

    Parameters
    ----------
    run
        The model's rain.
    analyses
        ``rainfall_rate(time, y, x)`` of the last hour on the working grid, the newest last.
    motion
        ``motion_x``, ``motion_y`` in m s-1 on the working grid.
    before
        Model's skill as the cycle before knew it.
    """

    run: ModelRun
    analyses: xr.Dataset
    motion: xr.Dataset
    before: xr.Dataset | None


def blending_of(
    model: ModelInputs,
    rainfall: Rainfall,
    motion: xr.Dataset,
    time: datetime,
    settings: Settings,
    log: StageLog,
) -> Blending | None:
    """Get ready to blend; None where there is no model."""
    if model.run is None:
        return None
    store = Store(settings.store)
    before = _skill_before(store, time, log)
    step = timedelta(minutes=settings.nowcast.step_min)
    analyses = _analyses(store, rainfall, time, step, settings.grid.working())
    return Blending(model.run, analyses, motion, before)


def _skill_before(store: Store, time: datetime, log: StageLog) -> xr.Dataset | None:
    """The model's skill as the cycle before knew it; None where that is of no use."""
    found = load_state(store, cycle_name(time), STATE, report=log.degrade)
    if found is None:
        return None
    try:
        nothing = np.full(1, np.nan)
        skill_state(nothing, np.ones(1), np.array(to_numpy(time)), found[1], SkillParams())
    except ConfigError as error:
        log.degrade(f"{error}: the model's long-run skill is taken")
        return None
    return found[1]


def blended_forecast(
    rates: NDArray[np.float32],
    amounts: xr.Dataset,
    blending: Blending | None,
    settings: Settings,
    log: StageLog,
) -> Forecast:
    """Blend the deterministic forecast; without a model it stays as it is, bit for bit.

    Parameters
    ----------
    rates, amounts
        The nowcast, as `jinghu.rainfall.forecast_amounts` gives it.
    blending
        Of `blending_of`.
    settings, log
        Of the installation; told what the model lacks.
    """
    if blending is None:
        return Forecast(rates, amounts, None, None, {})
    step_min = settings.nowcast.step_min
    nowcast = _dataset(rates, blending, settings.grid.working(), step_min)
    fine = blend(
        nowcast,
        blending.analyses,
        blending.run.working,
        _method(settings),
        state=blending.before,
    )
    for text in fine.degradations:
        log.degrade(text)
    coarse, shares = _on_product_grid(amounts, blending, settings)
    mm = coarse[1:] * np.float32(step_min / 60.0)
    leads = amounts.sizes["time"]
    step = np.timedelta64(step_min, "m").astype("timedelta64[ns]")
    ends = blending.analyses["time"].values[-1] + step * np.arange(1, len(coarse))
    whole = xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), mm, attrs("rainfall_amount"))},
        coords={"time": ends, **settings.grid.product().coords()},
    )
    outlook = whole.isel(time=slice(leads, None)) if len(ends) > leads else None
    return Forecast(
        fine.forecast["rainfall_rate"].values,
        whole.isel(time=slice(0, leads)),
        outlook,
        fine.state,
        _summary(blending, shares, step_min),
    )


def blended_members(
    rates: NDArray[np.float32], blending: Blending, settings: Settings
) -> NDArray[np.float32]:
    """Blend each member on the product grid; what noise it keeps is what both leave open.

    Parameters
    ----------
    rates
        (member, lead + 1, y, x) mm/h, lead 0 first.
    blending, settings
        Of `blending_of`; of the installation.
    """
    spec, factor = settings.grid.product(), settings.grid.working_factor
    members = _dataset(rates, blending, spec, settings.nowcast.step_min)
    made = blend(
        members,
        _coarse_analyses(blending, spec, factor),
        blending.run.product,
        Method.STEPS,
        state=blending.before,
    )
    return np.asarray(made.forecast["rainfall_rate"].values, np.float32)


def _method(settings: Settings) -> Method:
    """How the deterministic forecast is made."""
    return Method.SPROG if settings.nowcast.deterministic == "sprog" else Method.EXTRAPOLATION


def _on_product_grid(
    amounts: xr.Dataset, blending: Blending, settings: Settings
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Mean rates of steps (lead + 1, y, x): the blend, then the model to its or the blend's end.

    Returns them and the model's share (lead + 1,) in them: that of the blend where the nowcast
    tells something, all of it elsewhere.
    """
    spec, factor, of = settings.grid.product(), settings.grid.working_factor, settings.nowcast
    analyses = _coarse_analyses(blending, spec, factor)
    time, last = analyses["time"].values[-1], analyses["rainfall_rate"].values[-1]
    step = np.timedelta64(of.step_min, "m").astype("timedelta64[ns]")
    known = amounts["rainfall_amount"].values * np.float32(60.0 / of.step_min)
    nowcast = _dataset(np.concatenate([last[None], known]), blending, spec, of.step_min)
    # The mean of a step is the rain in its middle.
    model = blending.run.product
    model = model.assign_coords(time=model["time"].values + step // 2)
    made = blend(nowcast, analyses, model, _method(settings), state=blending.before).forecast
    shares = np.zeros(len(known) + 1)
    if "model_share" in made:  # there is room for scales
        shares = made["model_share"].values.astype(np.float64)
    said = np.isfinite(at_times(model, time + step * np.arange(len(known) + 1)))
    alone = (said & np.isnan(nowcast["rainfall_rate"].values)).mean(axis=(1, 2))
    reach = min((blending.run.span.last - time) // step, round(of.blend_until_h * 60 / of.step_min))
    after = at_times(model, time + step * np.arange(len(known) + 1, reach + 1))
    rates = np.concatenate([made["rainfall_rate"].values, after])
    return rates, np.concatenate([alone + (1.0 - alone) * shares, np.ones(len(after))])


def _dataset(
    rates: NDArray[np.float32], blending: Blending, spec: GridSpec, step_min: int
) -> xr.Dataset:
    """A forecast ([member,] lead, y, x) as `jinghu.nowcast.blending.blend` takes it."""
    dims = ("member", "lead_time", "y", "x")[4 - rates.ndim :]
    factor = blending.motion.sizes["x"] // spec.nx
    motion = _coarse_motion(blending.motion, spec, factor) if factor > 1 else blending.motion
    step = np.timedelta64(step_min, "m").astype("timedelta64[ns]")
    return xr.Dataset(
        {
            "rainfall_rate": (dims, rates, attrs("rainfall_rate")),
            "motion_x": (("y", "x"), motion["motion_x"].values, attrs("motion_x")),
            "motion_y": (("y", "x"), motion["motion_y"].values, attrs("motion_y")),
        },
        coords={
            **spec.coords(),
            "time": blending.analyses["time"].values[-1],
            "lead_time": step * np.arange(rates.shape[-3]),
        },
    )


def _coarse_motion(motion: xr.Dataset, spec: GridSpec, factor: int) -> xr.Dataset:
    names = ("motion_x", "motion_y")
    fields = {n: (("y", "x"), coarsen_mean(motion[n].values, factor), attrs(n)) for n in names}
    return xr.Dataset(fields, coords=spec.coords())


def _coarse_analyses(blending: Blending, spec: GridSpec, factor: int) -> xr.Dataset:
    rates = coarsen_mean(blending.analyses["rainfall_rate"].values, factor)
    return _analyses_dataset(rates, blending.analyses["time"].values, spec)


def _analyses(
    store: Store, rainfall: Rainfall, time: datetime, step: timedelta, spec: GridSpec
) -> xr.Dataset:
    """Analyses of the last hour that the store holds, and this cycle's own."""
    times, rates = [time], [rainfall.observed_rates[-1]]
    for back in range(1, int(RECENT / np.timedelta64(step)) + 1):
        found = observed_rate(store, time - back * step)
        if found is not None and found.shape == spec.shape:
            times.insert(0, time - back * step)
            rates.insert(0, found)
    return _analyses_dataset(np.stack(rates), np.array([to_numpy(t) for t in times]), spec)


def _analyses_dataset(
    rates: NDArray[np.float32], times: NDArray[np.datetime64], spec: GridSpec
) -> xr.Dataset:
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={"time": times, **spec.coords()},
    )


def _summary(blending: Blending, shares: NDArray[np.float64], step_min: int) -> dict[str, object]:
    """What a reader of the manifest is told."""
    time, span = blending.analyses["time"].values[-1], blending.run.span
    told: dict[str, object] = {
        "file": blending.run.file,
        "reference_time": minute(span.reference),
        "age_h": round(float((time - span.reference) / np.timedelta64(1, "h")), 2),
        "until": minute(span.last),
    }
    minutes = [k * step_min for k in range(1, len(shares))]
    every = [m for m in minutes if m % _TOLD_EVERY_MIN == 0] or minutes[-1:]
    return told | {
        "share_by_lead_min": {str(m): round(float(shares[m // step_min]), 3) for m in every}
    }
