"""Weights with which a nowcast and a model forecast are blended, by scale and lead time.

Two predictors of known skill are combined with least variance (Bowler et al. 2006, Q. J. R.
Meteorol. Soc. 132, 2127-2155, section 2; Seed et al. 2013, Water Resour. Res. 49, 6624-6641,
section 3): the weights solve the normal equations of their correlations with what will be, and
with each other. Written from the equations.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_FEW_WAVES = 50.0
_SAME = 1e-6  # two predictors whose correlation is that near to 1 are one


@dataclass(frozen=True, slots=True)
class SkillParams:
    """What is known of a model's skill beside what it shows now.

    Parameters
    ----------
    climate, climate_km
        Correlation of a model with the rain, in the long run: ``climate`` at the largest scales,
        falling as exp(-climate_km / wavelength) to nothing at the smallest. A cautious guess, not
        a fit: it counts where nothing was measured.
    memory_h
        What was measured in earlier cycles fades to the climate with this e-folding time.
    lead_h
        So does what is measured now with lead time: a model that is wrong now may be right later.
    cycle_share
        Weight of this cycle's measurement beside that of the cycles before, when those are fresh.
    least
        Smaller correlations count as none: where neither forecast knows anything the nowcast stays.
    doubt
        Standard errors of a correlation that are taken off: large scales have few waves in the
        domain, and agree by chance.
    """

    climate: float = 0.5
    climate_km: float = 40.0
    memory_h: float = 6.0
    lead_h: float = 48.0
    cycle_share: float = 0.5
    least: float = 0.05
    doubt: float = 1.0

    def climate_of(self, wavelengths_km: NDArray[np.float64]) -> NDArray[np.float64]:
        """Correlations (levels,) in the long run."""
        return np.asarray(self.climate * np.exp(-self.climate_km / wavelengths_km))


def nowcast_skill(
    gamma: NDArray[np.float64], phi: NDArray[np.float64], leads: int
) -> NDArray[np.float64]:
    """Correlation of the extrapolated levels with what will be: that of the AR(2) process.

    Parameters
    ----------
    gamma
        (levels, 2) correlations at one and two steps.
    phi
        (levels, 3) coefficients (``autoregression.yule_walker``).
    leads
        Number of steps.

    Returns
    -------
    (leads + 1, levels), 1 at lead 0; not below 0.
    """
    out = np.ones((leads + 1, len(gamma)))
    if leads:
        out[1] = gamma[:, 0]
    for k in range(2, leads + 1):
        out[k] = phi[:, 0] * out[k - 1] + phi[:, 1] * out[k - 2]
    return np.clip(out, 0.0, 1.0)


def cautious(
    correlation: NDArray[np.float64], waves: NDArray[np.float64], doubt: float
) -> NDArray[np.float64]:
    """Correlations less ``doubt`` standard errors by Fisher's z, not below 0; NaN stays.

    Large scales, of which the domain holds a few waves only, are worth as much as the next ones,
    or what they show if that is less: whoever places the details right has not misplaced the
    whole.

    Parameters
    ----------
    correlation
        (levels,).
    waves
        (levels,) independent numbers that each was estimated from.

    >>> cautious(np.array([1.0, 0.1]), np.array([9.0, 9.0]), 1.0).round(3).tolist()
    [1.0, 0.0]
    """
    error = doubt / np.sqrt(np.maximum(waves - 3.0, 1.0))
    with np.errstate(divide="ignore"):
        lower = np.tanh(np.arctanh(np.clip(correlation, -1.0, 1.0)) - error)
    least = np.where(np.isnan(lower), np.nan, np.maximum(lower, 0.0))
    few = int(np.searchsorted(waves, _FEW_WAVES)) + 1
    from_below = np.maximum.accumulate(least[:few][::-1])[::-1]
    least[:few] = np.minimum(from_below, np.maximum(correlation[:few], 0.0))
    return least


def model_skill(
    now: NDArray[np.float64], climate: NDArray[np.float64], lead_h: float, params: SkillParams
) -> NDArray[np.float64]:
    """Correlations (levels,) of a model at a lead, from those now."""
    skill = climate + (now - climate) * np.exp(-lead_h / params.lead_h)
    return np.where(skill < params.least, 0.0, skill)


def two_predictors(
    first: NDArray[np.float64], second: NDArray[np.float64], between: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights with least variance of two standardised predictors; neither is below zero.

    Parameters
    ----------
    first, second
        (levels,) correlations of the predictors with what will be.
    between
        (levels,) their correlation with each other.

    Returns
    -------
    (levels,) of the first and of the second. Where one has a weight below zero the other stands
    alone; where both are the same they share.

    >>> two_predictors(np.array([1.0]), np.array([0.5]), np.array([0.5]))
    (array([1.]), array([0.]))
    """
    left = 1.0 - between**2
    same = left < _SAME
    safe = np.where(same, 1.0, left)
    one = (first - second * between) / safe
    two = (second - first * between) / safe
    alone_1, alone_2 = two <= 0, one <= 0
    one, two = np.where(alone_1, first, one), np.where(alone_1, 0.0, two)
    alone_2 &= ~alone_1
    one, two = np.where(alone_2, 0.0, one), np.where(alone_2, second, two)
    half = 0.5 * np.maximum(first, second)
    return np.where(same, half, one), np.where(same, half, two)


def checked_by_model(
    nowcast: NDArray[np.float64], model: NDArray[np.float64], between: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Skill (levels,) of the nowcast, joined with what its agreement with the model tells of it.

    Where the errors of both are independent, their correlation is the product of their skills.
    That says how good the nowcast is at its lead the more surely, the better the model is (here:
    by the variance that the model explains); large scales, whose autoregression a few minutes
    cannot tell, need it most.

    Parameters
    ----------
    nowcast, model
        (levels,) correlations with what will be, each by itself.
    between
        (levels,) their correlation with each other, not below 0.

    >>> checked_by_model(np.array([0.9, 0.9]), np.array([1.0, 0.0]), np.array([0.4, 0.0])).tolist()
    [0.4, 0.9]
    """
    told = np.divide(between, model, out=np.zeros_like(model), where=model > 0)
    trust = model**2
    return (1.0 - trust) * nowcast + trust * np.minimum(told, 1.0)


def explained(
    weights: tuple[NDArray[np.float64], NDArray[np.float64]],
    first: NDArray[np.float64],
    second: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Share (levels,) of the variance that the two predictors explain together, below 1."""
    return np.clip(weights[0] * first + weights[1] * second, 0.0, 1.0)


def share_of_model(
    weights: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> NDArray[np.float64]:
    """Part (levels,) that the model has in the variance of both; 0 where neither knows anything."""
    total = weights[0] ** 2 + weights[1] ** 2
    return np.divide(weights[1] ** 2, total, out=np.zeros_like(total), where=total > 1e-9)


def restored(
    weights: tuple[NDArray[np.float64], NDArray[np.float64]], between: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of which the sum of both predictors has variance 1.

    Where both weights vanish, the nowcast stays.
    """
    one, two = weights
    variance = one**2 + two**2 + 2.0 * one * two * between
    known = variance > 1e-12
    scale = 1.0 / np.sqrt(np.where(known, variance, 1.0))
    return np.where(known, one * scale, 1.0), np.where(known, two * scale, 0.0)


def of_member(
    unexplained: NDArray[np.float64], first: NDArray[np.float64], between: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Weights of a member of an ensemble and of the model, of which the sum has variance 1.

    A member is the extrapolated rain, worth its correlation, and noise for the rest. Its weight
    is such that the noise left in the blend has the variance that neither nowcast nor model
    explains, so that the spread stays as wide as the error; the model fills up the variance.

    Parameters
    ----------
    unexplained
        (levels,) share of the variance that nowcast and model leave open.
    first
        (levels,) correlation of the extrapolated rain with what will be.
    between
        (levels,) correlation of the member with the model.
    """
    noise = np.maximum(1.0 - first**2, 1e-9)
    member = np.sqrt(np.clip(unexplained / noise, 0.0, 1.0))
    c = np.clip(between, -1.0, 1.0)
    model = -member * c + np.sqrt(np.maximum(member**2 * c**2 + 1.0 - member**2, 0.0))
    return member, np.maximum(model, 0.0)
