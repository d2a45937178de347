"""The deterministic forecast of a cycle: extrapolated, or with scales that fade as they age."""

from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.configs.settings import Settings
from jinghu.full import last_frames, params_of
from jinghu.grid.advection import motion_array
from jinghu.grid.store import Store
from jinghu.nowcast.ensemble import sprog
from jinghu.nowcast.interpolate import Instant, rates_at
from jinghu.rainfall import SUBSTEPS, Rainfall, amounts_dataset, forecast_amounts, step_amounts
from jinghu.stages import StageLog


def deterministic(
    rainfall: Rainfall, motion: xr.Dataset, time: datetime, settings: Settings, log: StageLog
) -> tuple[NDArray[np.float32], xr.Dataset]:
    """Forecast the merged analysis as ``nowcast.deterministic`` says.

    Parameters
    ----------
    rainfall, motion, time
        Of the cycle.
    settings, log
        Of the installation; told where earlier analyses are missing.

    Returns
    -------
    Rates (lead + 1, y, x) in mm/h on the working grid with lead 0 first, and step amounts on the
    product grid.
    """
    if settings.nowcast.deterministic == "advection":
        return forecast_amounts(rainfall.analysis, motion, time, settings)
    step = timedelta(minutes=settings.nowcast.step_min)
    frames = last_frames(Store(settings.store), rainfall, time, step, log)
    per_step = motion_array(motion, step.total_seconds())
    rates = np.empty((settings.nowcast.leads + 1, *frames.shape[1:]), np.float32)
    rates[0] = frames[-1]
    for lead, of_lead in sprog(frames, per_step, params_of(settings)):
        rates[lead] = of_lead
    return rates, amounts_dataset(_amounts(rates, motion, time, settings), time, settings)


def _amounts(
    rates: NDArray[np.float32], motion: xr.Dataset, time: datetime, settings: Settings
) -> NDArray[np.float32]:
    """Step amounts: between two leads both move along the motion and fade into one another."""
    step = timedelta(minutes=settings.nowcast.step_min)
    per_second = motion_array(motion, 1.0)
    found = []
    for k in range(len(rates) - 1):
        ends = Instant(time + k * step, rates[k]), Instant(time + (k + 1) * step, rates[k + 1])
        times = [ends[0].time + part * step / SUBSTEPS for part in range(SUBSTEPS + 1)]
        between = rates_at(times, *ends, per_second)
        found.append(step_amounts(between, step, settings.grid.working_factor))
    return np.concatenate(found)
