"""Autoregressive models of second order for the levels of a cascade.

Yule-Walker estimates as in ``pysteps.timeseries.autoregression`` (Pulkkinen et al. 2019, Geosci.
Model Dev. 12, 4185-4219, equations 4-6).
"""

import numpy as np
from numpy.typing import NDArray

_LARGEST = 0.9999  # a level that does not change would have no model
_SMALLEST = 0.0001


def scale_correlations(scales_km: NDArray[np.float64], step_min: float) -> NDArray[np.float64]:
    """Correlations at one and two steps where a sequence is too short to show its own.

    The life time of rain grows with its size: 1.6 min km-1.1 along the motion, from the three
    public sequences of ``benchmarks/skill_ensemble.py``.

    Parameters
    ----------
    scales_km
        (levels,) wavelengths.
    step_min
        Time step.

    Returns
    -------
    (levels, 2).
    """
    first = np.exp(-step_min / (1.6 * scales_km**1.1))
    return stationary(np.stack([first, first**2], axis=1))


def stationary(gamma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Correlations at one and two steps, moved to where a stationary process has them.

    Parameters
    ----------
    gamma
        (levels, 2); NaN counts as no correlation.

    Returns
    -------
    (levels, 2).
    """
    first = np.clip(np.nan_to_num(gamma[:, 0]), _SMALLEST, _LARGEST)
    second = np.nan_to_num(gamma[:, 1])
    second = np.maximum(second, 2 * first * second - 1)
    least = (3 * first**2 - 2 + 2 * (1 - first**2) ** 1.5) / first**2
    return np.stack([first, np.clip(second, least, _LARGEST)], axis=1)


def yule_walker(gamma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Coefficients (levels, 3) of the last field, the one before, and the noise.

    Parameters
    ----------
    gamma
        (levels, 2) correlations at one and two steps, of a stationary process.
    """
    first, second = gamma[:, 0], gamma[:, 1]
    below = 1 - first**2
    phi_1 = first * (1 - second) / below
    phi_2 = (second - first**2) / below
    noise = np.sqrt(np.maximum(1 - first * phi_1 - second * phi_2, 0.0))
    return np.stack([phi_1, phi_2, noise], axis=1)


def responses(phi: NDArray[np.float64], leads: int) -> NDArray[np.float64]:
    """What is left of the last field and of the one before after each step without noise.

    Parameters
    ----------
    phi
        (levels, 3) coefficients.
    leads
        Number of steps.

    Returns
    -------
    (leads, 2, levels): factors of the last field and of the one before.
    """
    before = np.stack([np.zeros(len(phi)), np.ones(len(phi))])
    last = before[::-1].copy()
    out = np.empty((leads, 2, len(phi)))
    for k in range(leads):
        before, last = last, phi[:, 0] * last + phi[:, 1] * before
        out[k] = last
    return out
