"""What a model's rain was worth lately, by scale: measured now, kept from cycle to cycle."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.blend_weights import SkillParams


def skill_state(
    measured: NDArray[np.float64],
    wavelengths_km: NDArray[np.float64],
    time: NDArray[np.datetime64],
    previous: xr.Dataset | None,
    params: SkillParams,
) -> xr.Dataset:
    """Join what is measured now with what earlier cycles measured.

    Parameters
    ----------
    measured
        (levels,) correlations of the model with the last analyses; NaN where they tell nothing
        (both dry, or no model field then).
    wavelengths_km
        (levels,) from the largest to the smallest.
    time
        () analysis time.
    previous
        State of an earlier cycle, on any grid.
    params
        Parameters.

    Returns
    -------
    ``skill(level)`` with ``wavelength_km(level)`` and scalar ``time``. It does not change when a
    cycle is run again from the state that it was given.

    Raises
    ------
    ConfigError
        Where the earlier state is none, or of a later time.
    """
    climate = params.climate_of(wavelengths_km)
    known = ~np.isnan(measured)
    if previous is None:
        skill = np.where(known, measured, climate)
    else:
        before = _faded(previous, wavelengths_km, climate, time, params)
        share = np.where(known, params.cycle_share, 0.0)
        skill = share * np.where(known, measured, 0.0) + (1.0 - share) * before
    attributes = {"units": "1", "long_name": "correlation of model rain with the analyses"}
    return xr.Dataset(
        {"skill": ("level", skill, attributes)},
        coords={"wavelength_km": ("level", wavelengths_km, {"units": "km"}), "time": time},
    )


def _hours(earlier: NDArray[np.datetime64], later: NDArray[np.datetime64]) -> float:
    return float((later - earlier) / np.timedelta64(1, "s")) / 3600.0


def _faded(
    previous: xr.Dataset,
    wavelengths_km: NDArray[np.float64],
    climate: NDArray[np.float64],
    time: NDArray[np.datetime64],
    params: SkillParams,
) -> NDArray[np.float64]:
    """Skill (levels,) of an earlier cycle on these scales, as much of it as still counts."""
    missing = {"skill", "wavelength_km", "time"} - set(map(str, previous.variables))
    if missing:
        raise ConfigError(f"state of the model's skill has no {', '.join(sorted(missing))}")
    age_h = _hours(previous["time"].values, time)
    if not age_h >= 0:
        raise ConfigError("state of the model's skill is of a later time than the analysis")
    there = previous["wavelength_km"].values
    order = np.argsort(there)
    skill = previous["skill"].values
    if not (np.isfinite(skill).all() and (there > 0).all()):
        raise ConfigError("state of the model's skill holds values that are none")
    held = np.interp(np.log(wavelengths_km), np.log(there[order]), skill[order])
    return np.asarray(climate + (held - climate) * np.exp(-age_h / params.memory_h))
