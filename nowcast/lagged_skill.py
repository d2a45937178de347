"""What extrapolation was worth lately, by scale: earlier analyses moved to now against what came.

An autoregression that is fitted to steps of a few minutes says that large scales live for many
hours: it knows neither growth, nor rain that turns, nor an error of the motion. Extrapolation over
up to an hour does, and is judged here as the model is: by its correlation with the analysis.
"""

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.advection import advect
from jinghu.nowcast.blend_fields import BlendParams, Levels, correlation_of

_LAGS = 5  # at most, spread over what analyses there are
_LEAST_LAG_MIN = 10.0  # over less nothing is told that the autoregression does not know
_LEAST = 0.02  # correlation below which a level is forgotten
_BEND = 1.3  # above 1: what displaces the rain adds up, so that skill is lost ever faster


def lagged_skill(
    frames: NDArray[np.float32],
    age_steps: NDArray[np.float64],
    motion: NDArray[np.float32],
    step_min: float,
    levels: Levels,
    params: BlendParams,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Correlation by level of earlier analyses, moved along the motion, with the newest.

    Parameters
    ----------
    frames
        (time, y, x) mm/h, the newest last; NaN = missing.
    age_steps
        (time,) age of each in steps, that of the newest 0.
    motion, step_min
        (2, y, x) cells per step; length of a step.
    levels, params
        Cascade and parameters.

    Returns
    -------
    (lag,) ages in steps, none where no analysis is old enough, and (lag, levels) correlations.
    """
    old = np.flatnonzero(age_steps * step_min >= _LEAST_LAG_MIN)
    if len(old) > _LAGS:
        old = old[np.unique(np.linspace(0, len(old) - 1, _LAGS).round().astype(int))]
    ages, found = age_steps[old], np.zeros((len(old), len(levels.weights)))
    for k, of in enumerate(old):
        moved = advect(frames[of], motion, [ages[k]], substeps=max(1, round(ages[k])))[0]
        found[k] = correlation_of(moved, frames[-1], levels, params)
    return ages, found


def extended(
    by_autoregression: NDArray[np.float64],
    ages: NDArray[np.float64],
    measured: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Skill (leads + 1, levels) of the extrapolation: what the measured one becomes at each lead.

    Each level falls as exp(-(a t)^b) with the decay that it showed over the ages (least squares of
    the logarithm), and never slower than its autoregression has it.

    >>> extended(np.ones((2, 1)), np.array([1.0]), np.array([[0.5]])).round(3).ravel().tolist()
    [1.0, 0.5]
    """
    if len(ages) == 0:
        return by_autoregression
    lost = -np.log(np.clip(measured, _LEAST, 1.0))
    bent = ages[:, None] ** _BEND
    per_step = (bent * lost).sum(axis=0) / np.square(bent).sum()
    leads = np.arange(len(by_autoregression))[:, None] ** _BEND
    return np.asarray(np.minimum(by_autoregression, np.exp(-per_step * leads)))
