"""What gauges say against the forecast, carried on for some hours: AR(1) of the logarithm of flow.

The residual e = ln(observed) - ln(computed) fades with lead time as e(t + k) = rho^k e(t) (as after
Box & Jenkins 1976). Rho is each gauge's own, estimated with forgetting from its residuals around a
prior. A gauge without a residual is left as it is, to the last bit; no flow stays no flow.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_PRIOR_HOURS = 1.0  # time in which a residual fades to 1/e, where nothing is known
_PRIOR_STEPS = 40.0  # residuals that the prior counts for
_MEMORY_STEPS = 240.0  # a day of steps of 6 min
_PRIOR_SD = 0.15  # of a residual
_LONGEST_HOURS = 0.75  # a residual of a rising limb is one of time: at the peak it is another
_LARGEST = 1.0  # of a residual that is carried on
_SD_NOW, _SD_FAR = 0.10, 0.50  # of the logarithm of a flow: now, and far ahead
_SPREAD_HOURS = 2.5
_STALE_HOURS = 1.0  # a residual older than this says nothing of the next step


@dataclass(frozen=True, slots=True)
class Residuals:
    """What is known of the residuals of each gauge, all (gauge,).

    Parameters
    ----------
    last
        Newest residual, NaN where there is none.
    age_s
        How long before the time of the state it was.
    lagged, squared
        Sums of e(t) e(t-1) and of e(t-1)^2, with forgetting, prior included.
    """

    last: Array
    age_s: Array
    lagged: Array
    squared: Array

    @staticmethod
    def nothing(gauges: int, step_s: float) -> "Residuals":
        """Before any report: the prior alone."""
        rho = np.exp(-step_s / 3600.0 / _PRIOR_HOURS)
        ones = np.ones(gauges)
        return Residuals(
            np.full(gauges, np.nan),
            np.zeros(gauges),
            _PRIOR_STEPS * _PRIOR_SD**2 * rho * ones,
            _PRIOR_STEPS * _PRIOR_SD**2 * ones,
        )

    def fading_hours(self, step_s: float) -> Array:
        """Hours in which a residual fades to 1/e, by gauge."""
        rho = np.clip(self.lagged / self.squared, 1e-3, 0.9999)
        hours = -step_s / 3600.0 / np.log(rho)
        return np.asarray(np.minimum(hours, _LONGEST_HOURS))


def aged(known: Residuals, seconds: float) -> Residuals:
    """The same some time later."""
    return replace(known, age_s=known.age_s + seconds)


def learn(known: Residuals, gauge: int, residual: float, age_s: float, step_s: float) -> Residuals:
    """Take in a residual of one gauge; those of one gauge come oldest first.

    Parameters
    ----------
    known
        Before it.
    gauge, residual
        Of which gauge, and how much: ln(observed) - ln(computed).
    age_s
        How long before the time of the state it was.
    step_s
        Step for which rho is estimated.
    """
    last, age, lagged, squared = (
        v.copy() for v in (known.last, known.age_s, known.lagged, known.squared)
    )
    e = float(np.clip(residual, -_LARGEST, _LARGEST))
    before, gap = float(last[gauge]), float(age[gauge] - age_s)
    if np.isfinite(before) and 0.0 < gap <= 3600.0 * _STALE_HOURS:
        steps = gap / step_s
        keep = np.exp(-steps / _MEMORY_STEPS)
        # Of a pair that is more than a step apart, a step has its share of the change.
        lagged[gauge] = keep * lagged[gauge] + before**2 + (before * e - before**2) / steps
        squared[gauge] = keep * squared[gauge] + before**2
    if not np.isfinite(before) or gap > 0.0:
        last[gauge], age[gauge] = e, age_s
    return Residuals(last, age, lagged, squared)


def foreseen(known: Residuals, lead_s: Array, step_s: float) -> Array:
    """Residual to be expected (lead, gauge) at lead times in s; 0 where there is none."""
    hours = known.fading_hours(step_s)
    after = (lead_s[:, None] + known.age_s) / 3600.0
    found = known.last * np.exp(-after / hours)
    return np.asarray(np.where(np.isfinite(known.last), found, 0.0))


def corrected(flow_m3_s: Array, residual: Array) -> Array:
    """Flow (lead, gauge) with the residual that is foreseen; the same bits where that is 0."""
    return np.asarray(np.where(residual == 0.0, flow_m3_s, flow_m3_s * np.exp(residual)))


def log_sd(known: Residuals, lead_s: Array) -> Array:
    """Standard deviation (lead, gauge) of the logarithm of the flow that is forecast.

    At once it is that of the observation; it grows as what the gauge says fades, up to what the
    model and the rain ahead are worth (`benchmarks/skill_updating.py`).
    """
    hours = np.maximum(lead_s, 0.0)[:, None] / 3600.0 + known.age_s / 3600.0
    heard = np.where(np.isfinite(known.last), 1.0 - np.exp(-hours / _SPREAD_HOURS), 1.0)
    return np.asarray(np.sqrt(_SD_NOW**2 + (_SD_FAR**2 - _SD_NOW**2) * heard))
