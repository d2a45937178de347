"""Runoff of land units by the Xin'anjiang model (Zhao 1992), every drop accounted for."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError, DataError
from jinghu.hydro.xinanjiang import run_units

_DAY_S = 86400.0
STORES = ("upper", "lower", "deep", "free", "surface", "interflow", "groundwater")


@dataclass(frozen=True, slots=True)
class RunoffParams:
    """Parameters, in mm and per day; the defaults are common in the humid hills of Zhejiang.

    Parameters
    ----------
    k, evaporation_mm_day
        Potential evapotranspiration is ``k * evaporation_mm_day``.
    um_mm, lm_mm, dm_mm
        Tension water capacity of the upper, lower and deep layer.
    b, im
        Exponent of the tension capacity curve; impervious share.
    c
        Deep evapotranspiration coefficient.
    sm_mm, ex
        Free water capacity and the exponent of its curve.
    ki, kg
        Daily outflow coefficients of the free store to interflow and groundwater.
    ci, cg
        Daily recession constants of interflow and groundwater.
    surface_lag_h
        Recession time of surface runoff on the hillslopes of one unit.
    """

    k: float = 0.9
    evaporation_mm_day: float = 3.0
    um_mm: float = 20.0
    lm_mm: float = 70.0
    dm_mm: float = 60.0
    b: float = 0.3
    im: float = 0.03
    c: float = 0.15
    sm_mm: float = 25.0
    ex: float = 1.2
    ki: float = 0.4
    kg: float = 0.3
    ci: float = 0.7
    cg: float = 0.98
    surface_lag_h: float = 1.0

    def __post_init__(self) -> None:
        """Refuse parameters outside their range."""
        shares = (self.c, self.ci, self.cg, self.ki, self.kg, self.im)
        if not all(0.0 <= value < 1.0 for value in shares) or not 0.0 < self.ki + self.kg < 1.0:
            raise ConfigError(f"runoff shares must lie in [0, 1), ki + kg in (0, 1): {self}")
        positive = (self.um_mm, self.lm_mm, self.dm_mm, self.sm_mm, self.ex, self.surface_lag_h)
        if min(positive) <= 0.0 or min(self.b, self.kg, self.k, self.evaporation_mm_day) < 0.0:
            raise ConfigError(f"runoff capacities must be positive: {self}")

    @property
    def wm_mm(self) -> float:
        """Tension water capacity of the whole profile."""
        return self.um_mm + self.lm_mm + self.dm_mm


@dataclass(frozen=True, slots=True)
class Runoff:
    """What a run gave.

    Parameters
    ----------
    runoff_mm, evaporation_mm
        (time, unit) in each step.
    stores_mm
        (unit, store) at the end, in the order of `STORES`.
    """

    runoff_mm: NDArray[np.float64]
    evaporation_mm: NDArray[np.float64]
    stores_mm: NDArray[np.float64]


def initial_stores(
    n_units: int, wetness: float, baseflow_m3_s_km2: float, params: RunoffParams
) -> NDArray[np.float64]:
    """Stores (unit, store) in mm at a cold start.

    Parameters
    ----------
    n_units
        Number of units.
    wetness
        Share of the tension water capacity that is filled.
    baseflow_m3_s_km2
        Groundwater flow at the start.
    params
        Parameters.
    """
    stores = np.zeros((n_units, len(STORES)))
    stores[:, :3] = np.array([params.um_mm, params.lm_mm, params.dm_mm]) * wetness
    daily_mm = baseflow_m3_s_km2 * 86.4
    stores[:, STORES.index("groundwater")] = daily_mm / -np.log(max(params.cg, 1e-12))
    return stores


def run(
    rain_mm: NDArray[np.float64],
    stores_mm: NDArray[np.float64],
    step_s: float,
    params: RunoffParams,
    evaporation_mm: NDArray[np.float64] | None = None,
) -> Runoff:
    """Run the model over a sequence of rain.

    Zhao 1992, J. Hydrology 135, 371-381. Stores are depths over the unit's pervious part (tension
    and free water) or over the unit (the rest). The free store is carried as the volume S FR, so
    that a change of the runoff area FR moves no water.

    Parameters
    ----------
    rain_mm
        (time, unit) in each step.
    stores_mm
        (unit, store) at the start.
    step_s
        Step.
    params
        Parameters.
    evaporation_mm
        (time,) evaporation of a pan in each step, taken times ``params.k``; by default
        ``params.evaporation_mm_day`` all the time.

    Raises
    ------
    DataError
        Where rain or evaporation is missing or negative: names the unit or the step.
    """
    rain_mm = np.ascontiguousarray(rain_mm, np.float64)
    most_mm = float(rain_mm.max(initial=0.0))
    if not (rain_mm.min(initial=0.0) >= 0.0 and most_mm < np.inf):
        step, unit = np.argwhere(~(np.isfinite(rain_mm) & (rain_mm >= 0.0)))[0]
        raise DataError("rain", f"unit {unit}: {rain_mm[step, unit]} mm in step {step}")
    if not np.isfinite(stores_mm).all():
        raise DataError("soil state", "holds a store that is not a number")
    steps = _DAY_S / step_s
    if evaporation_mm is None:
        evaporation_mm = np.full(len(rain_mm), params.evaporation_mm_day / steps)
    elif len(evaporation_mm) != len(rain_mm):
        raise DataError("evaporation", f"has {len(evaporation_mm)} steps, the rain {len(rain_mm)}")
    wrong = ~(np.isfinite(evaporation_mm) & (evaporation_mm >= 0.0))
    if wrong.any():
        step = int(np.argmax(wrong))
        raise DataError("evaporation", f"{evaporation_mm[step]} mm in step {step}")
    table = np.array(
        [
            params.k,
            params.um_mm,
            params.lm_mm,
            params.dm_mm,
            params.b,
            params.im,
            params.c,
            params.sm_mm,
            params.ex,
            params.ki,
            params.kg,
            np.exp(-step_s / 3600.0 / params.surface_lag_h),
            params.ci ** (1.0 / steps),
            params.cg ** (1.0 / steps),
            steps,
        ]
    )
    stores = np.array(stores_mm, np.float64)
    pan = np.ascontiguousarray(evaporation_mm, np.float64)
    runoff, evaporation = np.empty_like(rain_mm), np.empty_like(rain_mm)
    run_units(rain_mm, pan, most_mm, table, stores, runoff, evaporation)
    return Runoff(runoff, evaporation, stores)


def stored_mm(stores_mm: NDArray[np.float64], params: RunoffParams) -> NDArray[np.float64]:
    """Water in all stores of each unit, as a depth over the unit."""
    pervious = 1.0 - params.im
    return np.asarray(pervious * stores_mm[:, :4].sum(1) + stores_mm[:, 4:].sum(1))


def soil_dataset(stores_mm: NDArray[np.float64], cell_id: NDArray[np.int64]) -> xr.Dataset:
    """Stores as a Dataset, for the next cycle."""
    return xr.Dataset(
        {
            name: ("unit", stores_mm[:, column], {"units": "mm"})
            for column, name in enumerate(STORES)
        }
        | {"cell_id": ("unit", cell_id)}
    )


def soil_stores(dataset: xr.Dataset, cell_id: NDArray[np.int64]) -> NDArray[np.float64]:
    """Inverse of `soil_dataset`; refuses a state of other units."""
    if not np.array_equal(dataset["cell_id"].values, cell_id):
        raise DataError("soil state", "is of other runoff units")
    return np.stack([dataset[name].values.astype(np.float64) for name in STORES], axis=1)
