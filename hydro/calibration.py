"""Calibration of runoff parameters, and the verification of floods by the Chinese standard."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from scipy.optimize import differential_evolution

from jinghu.grid.errors import DataError
from jinghu.hydro import runoff
from jinghu.hydro.runoff import RunoffParams

Array = NDArray[np.float64]

_ALLOWED_SHARE = 0.2
_DEPTH_LIMITS_MM = (3.0, 20.0)


@dataclass(frozen=True, slots=True)
class Record:
    """What a basin received and gave, step by step.

    Parameters
    ----------
    rain_mm, evaporation_mm
        (time,) mean rain over the basin and evaporation of a pan.
    discharge_mm
        (time,) observed discharge as a depth over the basin, NaN where missing.
    step_s
        Length of a step.
    """

    rain_mm: Array
    evaporation_mm: Array
    discharge_mm: Array
    step_s: float


@dataclass(frozen=True, slots=True)
class Bounds:
    """Ranges in which parameters are sought: (least, most), those of `RunoffParams`.

    Impervious share, exponents and deep evapotranspiration matter little and stay as they are.
    ``free`` is ki + kg, ``interflow`` the share of ki in it.
    """

    k: tuple[float, float] = (0.4, 1.4)
    um_mm: tuple[float, float] = (5.0, 30.0)
    lm_mm: tuple[float, float] = (50.0, 110.0)
    dm_mm: tuple[float, float] = (20.0, 140.0)
    b: tuple[float, float] = (0.1, 0.6)
    sm_mm: tuple[float, float] = (1.0, 100.0)
    free: tuple[float, float] = (0.2, 0.95)
    interflow: tuple[float, float] = (0.0, 1.0)
    ci: tuple[float, float] = (0.1, 0.95)
    cg: tuple[float, float] = (0.9, 0.999)
    surface_lag_h: tuple[float, float] = (1.0, 96.0)
    lag_h: tuple[float, float] = (0.0, 48.0)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """Parameters of a basin as one unit, and the time its rivers take to the gauge."""

    runoff: RunoffParams
    lag_h: float


def simulated(record: Record, basin: Calibrated) -> Array:
    """Discharge (time,) in mm of a basin as one unit; starts with its soil 80 % full.

    Runoff comes ``basin.lag_h`` late, shared between the two steps it falls into.
    """
    params = basin.runoff
    start = runoff.initial_stores(1, 0.8, 0.01, params)
    found = runoff.run(record.rain_mm[:, None], start, record.step_s, params, record.evaporation_mm)
    late, share = divmod(basin.lag_h * 3600.0 / record.step_s, 1.0)
    flow = found.runoff_mm[:, 0]
    padded = np.concatenate([np.full(int(late) + 1, flow[0]), flow])
    return (1.0 - share) * padded[1 : len(flow) + 1] + share * padded[: len(flow)]


def efficiency(computed: Array, observed: Array) -> float:
    """Nash-Sutcliffe efficiency (the standard's coefficient of determination DC)."""
    known = np.isfinite(observed)
    error = float(((computed - observed)[known] ** 2).sum())
    return 1.0 - error / float(((observed[known] - observed[known].mean()) ** 2).sum())


def calibrate(
    record: Record,
    use: NDArray[np.bool_],
    floods: Sequence[tuple[int, int]] = (),
    bounds: Bounds | None = None,
    *,
    seed: int = 0,
    iterations: int = 60,
) -> Calibrated:
    """Seek the parameters that give the observed discharge best.

    The objective is 1 - NSE of the steps in use, plus half the relative error of their volume,
    plus the mean relative errors of peak and volume of the floods; it is minimised by differential
    evolution (Storn & Price 1997, of SciPy).

    Parameters
    ----------
    record
        The basin; steps before those in use warm the model up.
    use
        (time,) steps that count.
    floods
        Windows (start, end) of floods to calibrate on.
    bounds
        Ranges.
    seed, iterations
        Of the optimiser; the same seed gives the same parameters.

    Raises
    ------
    DataError
        Where nothing was observed in the steps in use.
    """
    bounds = bounds or Bounds()
    known = use & np.isfinite(record.discharge_mm)
    if floods and max(last for _, last in floods) > len(use):
        raise DataError("floods", "end after the record")
    if not known.any() or record.discharge_mm[known].sum() <= 0.0:
        raise DataError("record", "no discharge was observed in the steps to calibrate on")
    end = max([int(np.flatnonzero(known)[-1]) + 1, *(last for _, last in floods)])
    part = Record(
        record.rain_mm[:end], record.evaporation_mm[:end], record.discharge_mm[:end], record.step_s
    )
    observed = record.discharge_mm[known]

    def loss(values: Array) -> float:
        everything = simulated(part, _params(values))
        computed = everything[known[:end]]
        volume = abs(float(computed.sum() / observed.sum()) - 1.0)
        loss = 1.0 - efficiency(computed, observed) + 0.5 * volume
        for first, last in floods:
            check = check_flood(everything[first:last], record.discharge_mm[first:last])
            loss += (abs(check.peak_error) + abs(check.depth_error)) / len(floods)
        return loss

    ranges = np.array([getattr(bounds, item.name) for item in fields(bounds)])
    within = scipy.optimize.Bounds(ranges[:, 0], ranges[:, 1])
    found = differential_evolution(
        loss, within, seed=seed, maxiter=iterations, popsize=8, tol=1e-6, polish=False
    )
    return _params(found.x)


def _params(values: Array) -> Calibrated:
    """Parameters at a point of the space of `Bounds`."""
    k, um, lm, dm, b, sm, free, interflow, ci, cg, surface, lag = map(float, values)
    params = replace(
        RunoffParams(),
        k=k,
        um_mm=um,
        lm_mm=lm,
        dm_mm=dm,
        b=b,
        sm_mm=sm,
        ki=free * interflow,
        kg=free * (1.0 - interflow),
        ci=ci,
        cg=cg,
        surface_lag_h=surface,
    )
    return Calibrated(params, lag)


@dataclass(frozen=True, slots=True)
class FloodCheck:
    """One flood by GB/T 22482: errors, and which of them are allowed.

    Parameters
    ----------
    peak_error, depth_error
        Relative errors of the peak and of the runoff depth.
    timing_steps
        Steps by which the peak comes late.
    dc
        Nash-Sutcliffe efficiency of the flood.
    peak_good, depth_good, timing_good
        Peak within 20 %; depth within 20 %, at least 3 and at most 20 mm; peak within one step.
    """

    peak_error: float
    depth_error: float
    timing_steps: int
    dc: float
    peak_good: bool
    depth_good: bool
    timing_good: bool


def check_flood(computed_mm: Array, observed_mm: Array) -> FloodCheck:
    """Compare a flood, (time,) mm each, with what was observed."""
    peak = float(computed_mm.max() / observed_mm.max()) - 1.0
    depth, found = float(observed_mm.sum()), float(computed_mm.sum())
    late = int(computed_mm.argmax()) - int(observed_mm.argmax())
    allowed = float(np.clip(_ALLOWED_SHARE * depth, *_DEPTH_LIMITS_MM))
    return FloodCheck(
        peak,
        found / depth - 1.0,
        late,
        efficiency(computed_mm, observed_mm),
        abs(peak) <= _ALLOWED_SHARE,
        abs(found - depth) <= allowed,
        abs(late) <= 1,
    )


def grade(qualified_share: float, dc: float) -> str:
    """Grade of a scheme by GB/T 22482: the worse of its qualified share and its DC; D is below C.

    >>> grade(0.9, 0.8)
    'B'
    """
    limits = ((0.85, 0.90, "A"), (0.70, 0.70, "B"), (0.60, 0.50, "C"))
    for share, efficiency_limit, name in limits:
        if qualified_share >= share and dc >= efficiency_limit:
            return name
    return "D"


def largest_floods(
    discharge_mm: Array, number: int, before: int, after: int
) -> list[tuple[int, int]]:
    """Windows (start, end) of the largest floods, apart from one another, in the order of time.

    Parameters
    ----------
    discharge_mm
        (time,) observed; NaN where missing.
    number
        How many.
    before, after
        Steps of a window before and after its peak.
    """
    left = np.where(np.isfinite(discharge_mm), discharge_mm, -1.0)
    windows: list[tuple[int, int]] = []
    while len(windows) < number and left.max() > 0.0:
        peak = int(left.argmax())
        start, end = peak - before, peak + after + 1
        inside = start >= 0 and end <= len(left)
        if inside and np.isfinite(discharge_mm[start:end]).all() and left[start:end].min() >= 0.0:
            windows.append((start, end))
        left[max(start, 0) : end] = -1.0
    return sorted(windows)
