"""Blend of rain fields of a nowcast and of a numerical model, by scale: on arrays, one lead.

Bowler et al. 2006 and Seed et al. 2013 (``blend_weights``): each level of the cascade is the
combination with least variance of nowcast and model. The nowcast's skill falls as its
autoregression tells; the model's is what its fields of the last hour were worth against the
analyses. The sum is given the amounts of both, by rank. Written from the published equations.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from jinghu.nowcast.blend_weights import (
    SkillParams,
    cautious,
    checked_by_model,
    explained,
    of_member,
    restored,
    share_of_model,
    two_predictors,
)
from jinghu.nowcast.cascade import multiplicity
from jinghu.nowcast.nowcast import Method
from jinghu.nowcast.scales import Scales, transformed

_UNKNOWN_CREDIT = 0.7  # of the amounts of a model that was not measured: a cautious guess
_SHARPNESS = 3.0  # with which the share of the better forecast grows
_WIDEST = 2.0  # a level that S-PROG dropped is not raised to more than so much of the rain's own


@dataclass(frozen=True, slots=True)
class BlendParams:
    """Parameters of a blend: those of the model's skill, and the cascade's."""

    skill: SkillParams = field(default_factory=SkillParams)
    levels: int = 8
    wet_mm_h: float = 0.1
    exponent: float = 0.6


@dataclass(frozen=True, slots=True)
class Levels:
    """The cascade in the half spectrum.

    Parameters
    ----------
    weights
        (levels, n) of all wavenumbers.
    powers
        (levels, n) weight of each wavenumber's power in the level's variance, without the mean.
    waves
        (levels,) independent waves.
    """

    shape: tuple[int, int]
    weights: NDArray[np.float32]
    powers: NDArray[np.float32]
    waves: NDArray[np.float64]

    def spectrum(self, transformed_rain: NDArray[np.float32]) -> NDArray[np.complex64]:
        """Half spectrum (n,)."""
        return np.asarray(fft.rfft2(transformed_rain, self.shape)).astype(np.complex64).ravel()

    def covariance(
        self, first: NDArray[np.complex64], second: NDArray[np.complex64]
    ) -> NDArray[np.float64]:
        """Covariance (levels,) of two spectra."""
        product = first.real * second.real + first.imag * second.imag
        return np.asarray(self.powers @ product, np.float64) / float(np.prod(self.shape)) ** 2


def levels_of(scales: Scales) -> Levels:
    """The cascade of a model of scales, with its powers."""
    weights = scales.weights.reshape(len(scales.weights), -1)
    powers = weights**2 * multiplicity(scales.shape).ravel()
    # As many numbers as would give an average over them the same error (Kish 1965).
    waves = powers.sum(axis=1, dtype=np.float64) ** 2 / np.maximum(
        (powers.astype(np.float64) * weights**2).sum(axis=1), 1e-12
    )
    return Levels(scales.shape, weights, powers.astype(np.float32), waves)


@dataclass(frozen=True, slots=True)
class Measured:
    """What a model's fields of the last hour were worth against the analyses.

    Parameters
    ----------
    skill
        (levels,) correlations, less what chance may give. NaN where both were dry, for then
        nothing is told; 0 where one of them was.
    credit
        How near the model's amounts came to those of the analyses, 0 to 1.
    contrast
        (levels,) variance of the analyses in units of the model's.
    """

    skill: NDArray[np.float64]
    credit: float
    contrast: NDArray[np.float64]


def measured_skill(
    analyses: NDArray[np.float32],
    model: NDArray[np.float32],
    levels: Levels,
    params: BlendParams,
) -> Measured:
    """Compare model fields with the analyses of the same times.

    Parameters
    ----------
    analyses, model
        (time, y, x) mm/h; NaN = missing. Cells missing in either count in neither.
    levels, params
        Cascade and parameters.
    """
    total = np.zeros((3, len(levels.weights)))
    amounts = np.zeros(2)
    for seen, said in zip(analyses, model, strict=True):
        known = np.isfinite(seen) & np.isfinite(said)
        amounts += [seen[known].sum(dtype=np.float64), said[known].sum(dtype=np.float64)]
        a, b = (levels.spectrum(_seen(rain, known, params)) for rain in (seen, said))
        total += [levels.covariance(a, b), levels.covariance(a, a), levels.covariance(b, b)]
    found = _correlation(*total)
    if not total[1:].any():
        return unmeasured(levels, 1.0)  # both were dry
    credit = float(2.0 * amounts.min() / max(amounts.sum(), 1e-9))
    contrast = (total[1] + 1e-9) / (total[2] + 1e-9)
    return Measured(cautious(found, levels.waves, params.skill.doubt), credit, contrast)


def unmeasured(levels: Levels, credit: float = _UNKNOWN_CREDIT) -> Measured:
    """What is known of a model that said nothing of the last hour."""
    count = len(levels.weights)
    return Measured(np.full(count, np.nan), credit, np.ones(count))


def correlation_of(
    first: NDArray[np.float32], second: NDArray[np.float32], levels: Levels, params: BlendParams
) -> NDArray[np.float64]:
    """Correlation (levels,) of two fields (y, x) in mm/h where both are known; 0 where one is dry.

    It is not below zero: what contradicts itself is worth nothing.
    """
    known = np.isfinite(first) & np.isfinite(second)
    a, b = (levels.spectrum(_seen(rain, known, params)) for rain in (first, second))
    of = levels.covariance(a, b), levels.covariance(a, a), levels.covariance(b, b)
    return np.maximum(_correlation(*of), 0.0)


def _seen(
    rain: NDArray[np.float32], known: NDArray[np.bool_], params: BlendParams
) -> NDArray[np.float32]:
    """Rain as the cascade sees it, dry where one of the two is missing."""
    return transformed(np.where(known, rain, np.float32(0)), params.wet_mm_h, params.exponent)[0]


def _correlation(
    covariance: NDArray[np.float64], first: NDArray[np.float64], second: NDArray[np.float64]
) -> NDArray[np.float64]:
    spread = np.sqrt(first * second)
    found = np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    return np.clip(found, -1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Lead:
    """Skills at a lead: of the extrapolated rain and of the model, with those fields' own ones.

    Parameters
    ----------
    nowcast, model
        (levels,) correlations with what will be.
    extrapolated, model_rain
        (y, x) mm/h, NaN = missing.
    now
        What the model's amounts and variances were worth lately.
    """

    nowcast: NDArray[np.float64]
    model: NDArray[np.float64]
    extrapolated: NDArray[np.float32]
    model_rain: NDArray[np.float32]
    now: Measured


def blended(
    fields: NDArray[np.float32], lead: Lead, levels: Levels, method: Method, params: BlendParams
) -> tuple[NDArray[np.float32], float]:
    """Blend the forecasts of one lead.

    Parameters
    ----------
    fields
        (member, y, x) mm/h; NaN where nowcast has nothing.
    lead, levels, method, params
        Skills and the model's field; the cascade; how the fields were made.

    Returns
    -------
    (member, y, x): the model where the nowcast is missing, the nowcast where the model is. The
    model's share in the amounts, 0 to 1.
    """
    known = np.isfinite(lead.extrapolated) & np.isfinite(lead.model_rain)
    model = levels.spectrum(_seen(lead.model_rain, known, params))
    moved = levels.spectrum(_seen(lead.extrapolated, known, params))
    of_model, of_moved = levels.covariance(model, model), levels.covariance(moved, moved)
    # Forecasts of one weather do not contradict each other but by chance, which is not used.
    between = np.maximum(_correlation(levels.covariance(moved, model), of_moved, of_model), 0.0)
    lead = replace(lead, nowcast=checked_by_model(lead.nowcast, lead.model, between))
    weights = two_predictors(lead.nowcast, lead.model, between)
    share = share_of_model(weights)
    overall = _share_of_amounts(share, of_moved, of_model, lead)
    # Levels of which neither knows anything go with the amounts.
    unknown = (weights[0] <= 0) & (weights[1] <= 0)
    share = np.where(unknown, overall, share)
    weights = np.where(unknown, 1.0 - overall, weights[0]), np.where(unknown, overall, weights[1])
    skills = _Combination(weights, share, np.sqrt(of_moved), np.sqrt(of_model), lead)
    out = np.empty_like(fields)
    for k, rain in enumerate(fields):
        there = np.isfinite(rain) & np.isfinite(lead.model_rain)
        spectrum = levels.spectrum(_seen(rain, there, params))
        model = levels.spectrum(_seen(lead.model_rain, there, params))
        one, two = _gains(spectrum, model, skills, levels, method)
        field_now = _summed(spectrum, one, model, two, levels)[: rain.shape[0], : rain.shape[1]]
        out[k] = np.where(np.isfinite(rain), rain, lead.model_rain)
        target = _amounts(rain[there], lead.model_rain[there], overall, params.wet_mm_h)
        out[k][there] = by_rank(field_now[there], target)
    return out, overall


def _share_of_amounts(
    share: NDArray[np.float64],
    of_moved: NDArray[np.float64],
    of_model: NDArray[np.float64],
    lead: Lead,
) -> float:
    """Model's share in the amounts, 0 to 1.

    It is that of two guesses whose weights fall with the mean square errors that are to be
    expected of them. A smooth model is the better in mean square: whose place is not known is not
    worth its sharp peaks. A model whose amounts are not those that fall now is credited with less.
    """
    size = of_model + of_moved
    if not size.sum() > 0:
        return float(share.mean())
    credit = lead.now.credit**2
    told = np.maximum(lead.now.contrast * of_model, 1e-9)
    truth = np.maximum(of_moved, 1e-9) ** (1.0 - credit) * told**credit
    error_nowcast = _error(truth, of_moved, lead.nowcast)
    error_model = _error(truth, of_model, lead.model)
    model = credit * error_nowcast**_SHARPNESS
    nowcast = error_model**_SHARPNESS
    if model + nowcast > 0:
        return float(model / (model + nowcast))
    return float(share @ size / size.sum())


def _error(
    truth: NDArray[np.float64], forecast: NDArray[np.float64], skill: NDArray[np.float64]
) -> float:
    """Mean square error to be expected where truth and forecast have these variances (levels,)."""
    return float(np.sum(truth + forecast - 2.0 * skill * np.sqrt(truth * forecast)))


@dataclass(frozen=True, slots=True)
class _Combination:
    """Weights of a lead, and the deviations of the levels of extrapolated rain and model."""

    weights: tuple[NDArray[np.float64], NDArray[np.float64]]
    share: NDArray[np.float64]
    moved: NDArray[np.float64]
    model: NDArray[np.float64]
    lead: Lead


def _gains(
    rain: NDArray[np.complex64],
    model: NDArray[np.complex64],
    skills: _Combination,
    levels: Levels,
    method: Method,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Factors (levels,) of a forecast's levels and of the model's."""
    deviation = np.sqrt(levels.covariance(rain, rain))
    size = deviation
    if method is Method.SPROG:
        # Its levels are damped to what is left of them: undone, and damped anew by both skills.
        size = np.minimum(deviation / np.maximum(skills.lead.nowcast, 1e-3), _WIDEST * skills.moved)
        one, two = skills.weights
    else:
        variances = deviation**2, skills.model**2
        between = _correlation(levels.covariance(rain, model), *variances)
        if method is Method.STEPS:
            left = 1.0 - explained(skills.weights, skills.lead.nowcast, skills.lead.model)
            one, two = of_member(left, skills.lead.nowcast, between)
        else:
            one, two = restored(skills.weights, between)
    wanted = (1.0 - skills.share) * size + skills.share * skills.model
    return _ratio(one * wanted, deviation), _ratio(two * wanted, skills.model)


def _ratio(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 1e-9)


def _summed(
    rain: NDArray[np.complex64],
    one: NDArray[np.float64],
    model: NDArray[np.complex64],
    two: NDArray[np.float64],
    levels: Levels,
) -> NDArray[np.float32]:
    """Field (y, x) of two spectra whose levels are multiplied."""
    total = (one.astype(np.float32) @ levels.weights) * rain
    total += (two.astype(np.float32) @ levels.weights) * model
    half = total.reshape(levels.shape[0], -1)
    return np.asarray(fft.irfft2(half, levels.shape), np.float32)


def _amounts(
    nowcast: NDArray[np.float32], model: NDArray[np.float32], share: float, wet_mm_h: float
) -> NDArray[np.float32]:
    """Wet rates of the blend in mm/h, the largest first: quantile by quantile between both."""
    ordered = (1.0 - share) * np.sort(nowcast)[::-1] + share * np.sort(model)[::-1]
    return np.asarray(ordered[ordered >= wet_mm_h], np.float32)


def by_rank(values: NDArray[np.float32], target: NDArray[np.float32]) -> NDArray[np.float32]:
    """Give the largest values (n,) the rates of the target, the largest first; the others none.

    >>> by_rank(np.array([3, 1, 2], np.float32), np.array([9, 5], np.float32)).tolist()
    [9.0, 0.0, 5.0]
    """
    out = np.zeros_like(values)
    wet = len(target)
    if wet == 0:
        return out
    first = np.argpartition(-values, wet - 1)[:wet]
    out[first[np.argsort(-values[first], kind="stable")]] = target
    return out
