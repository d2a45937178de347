"""Probabilities that mean what they say: calibrated with the forecasts that have just come true.

A cycle keeps a small record of what was forecast and what came of it, by lead, threshold and
probability, in which the past fades. A logistic law (Platt 1999; Wilks 2011, section 7.3.2) is
fitted to it, ``logit p' = a + b logit p``, and held to ``a = 0, b = 1`` where there are few data:
neighbouring cells rain together, so that a field counts as few cases as it has patches.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.scores import known_cells

BINS = 48
_FURTHEST = 6.0  # logits beyond it are cut: one in 400
_LEAST = 1.0 / (1.0 + np.exp(_FURTHEST))
_STEPS = 12  # of Newton's method
_FLATTEST = 0.2  # slope: the order of probabilities is never turned around


@dataclass(frozen=True, slots=True)
class ReliabilityParams:
    """Parameters of the calibration.

    Parameters
    ----------
    half_life_min
        Time in which a forecast comes to count for half.
    patch_km
        Side of the squares whose rain is taken for independent.
    offset_deviation, slope_deviation
        Standard deviations of a about 0 and of b about 1 before anything is known.
    """

    half_life_min: float = 90.0
    patch_km: float = 80.0
    offset_deviation: float = 0.3
    slope_deviation: float = 0.25


@dataclass(frozen=True, slots=True)
class Record:
    """What was forecast and what came of it.

    Parameters
    ----------
    lead_min, threshold_mm_h
        Leads and thresholds.
    cells, said, was
        (lead, threshold, bin) patches, the sum of their probabilities, and events among them; bins
        are of equal width in the logit of the probability.
    """

    lead_min: tuple[float, ...]
    threshold_mm_h: tuple[float, ...]
    cells: NDArray[np.float64]
    said: NDArray[np.float64]
    was: NDArray[np.float64]


def no_record(lead_min: tuple[float, ...], threshold_mm_h: tuple[float, ...]) -> Record:
    """Record of nothing yet."""
    nothing = np.zeros((len(lead_min), len(threshold_mm_h), BINS))
    return Record(lead_min, threshold_mm_h, nothing, nothing, nothing)


def faded(record: Record, minutes: float, params: ReliabilityParams) -> Record:
    """Record after some minutes: what it holds counts for less."""
    left = 0.5 ** (minutes / params.half_life_min)
    return Record(
        record.lead_min,
        record.threshold_mm_h,
        left * record.cells,
        left * record.said,
        left * record.was,
    )


def remember(
    record: Record,
    lead: int,
    probabilities: NDArray[np.float32],
    observed_mm_h: NDArray[np.float32],
    cell_km: float,
    params: ReliabilityParams,
    share: float = 1.0,
) -> Record:
    """Add a forecast whose time has come.

    Parameters
    ----------
    record
        What is known.
    lead
        Which of the leads of the record it had.
    probabilities
        (threshold, y, x) as they were before any calibration, NaN = missing. Where it is exactly
        zero there is nothing to calibrate, and nothing is counted.
    observed_mm_h
        (y, x), NaN = not observed.
    cell_km
        Side of a cell.
    params
        Parameters.
    share
        For how much of a forecast it counts: those issued soon after one another are much the same.

    Raises
    ------
    ConfigError
        Where shapes, thresholds or the lead do not fit the record.
    """
    _check(record, lead, probabilities)
    weight = share * min(1.0, (cell_km / params.patch_km) ** 2)
    cells, said, was = record.cells.copy(), record.said.copy(), record.was.copy()
    for t, (p, limit) in enumerate(zip(probabilities, record.threshold_mm_h, strict=True)):
        known = known_cells(p, observed_mm_h) & (p > 0)
        values = p[known].astype(np.float64)
        place = _bin(_logit(values))
        event = (observed_mm_h[known] >= limit).astype(np.float64)
        for total, of in ((cells, None), (said, values), (was, event)):
            total[lead, t] += weight * np.bincount(place, of, BINS)
    return Record(record.lead_min, record.threshold_mm_h, cells, said, was)


def coefficients(record: Record, params: ReliabilityParams) -> NDArray[np.float64]:
    """Offsets and slopes (lead, threshold, 2) that make the record the most likely.

    The mode of the posterior of a logistic regression with normal priors, by Newton's method.
    """
    x = _logit(np.divide(record.said, record.cells, out=np.full(record.cells.shape, 0.5),
                         where=record.cells > 0))  # fmt: skip
    prior = np.array([params.offset_deviation, params.slope_deviation]) ** -2.0
    ab = np.zeros((*record.cells.shape[:2], 2))
    ab[..., 1] = 1.0
    start = ab.copy()
    for _ in range(_STEPS):
        q = _expit(ab[..., :1] + ab[..., 1:] * x)
        away = record.was - record.cells * q
        weight = record.cells * q * (1 - q)
        slope = np.stack([away.sum(-1), (away * x).sum(-1)], axis=-1) - prior * (ab - start)
        curve = np.empty((*ab.shape, 2))
        curve[..., 0, 0] = weight.sum(-1) + prior[0]
        curve[..., 1, 1] = (weight * x * x).sum(-1) + prior[1]
        curve[..., 0, 1] = curve[..., 1, 0] = (weight * x).sum(-1)
        move = np.linalg.solve(curve, slope[..., None])[..., 0]
        ab = ab + np.clip(move, -0.5, 0.5)
    ab[..., 1] = np.maximum(ab[..., 1], _FLATTEST)
    return ab


def calibrated(probabilities: NDArray[np.float32], law: NDArray[np.float64]) -> NDArray[np.float32]:
    """Probabilities (threshold, y, x) by a law (threshold, 2) of one lead.

    Zero stays zero, missing stays missing, and a higher threshold never becomes the more likely.
    Probabilities too low for the law to tell anything of them keep their ratios. A law of
    ``a = 0, b = 1`` changes nothing at all.

    Raises
    ------
    ConfigError
        Where the law has other thresholds.
    """
    a, b = _law(law, len(probabilities))
    p = probabilities.astype(np.float64)
    found = _expit(a + b * _logit(p))
    found = np.where(p < _LEAST, _expit(a - b * _FURTHEST) * (p / _LEAST), found)
    found = np.where((a == 0) & (b == 1), p, found)
    return np.minimum.accumulate(found, axis=0).astype(np.float32)


def uncalibrated(
    probabilities: NDArray[np.float32], law: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Probabilities (threshold, y, x) as they were before ``calibrated`` with this law.

    Not those that were lowered to the one of a lower threshold, and those too high for the law to
    tell apart come back as the lowest of them. Errors are those of ``calibrated``.
    """
    a, b = _law(law, len(probabilities))
    q = probabilities.astype(np.float64)
    inside = np.clip(q, 1e-12, 1.0 - 1e-7)
    x = (np.log(inside / (1.0 - inside)) - a) / b
    found = _expit(np.clip(x, -_FURTHEST, _FURTHEST))
    found = np.where(x < -_FURTHEST, q / _expit(a - b * _FURTHEST) * _LEAST, found)
    found = np.where((a == 0) & (b == 1) | np.isnan(q), q, found)
    return found.astype(np.float32)


def _law(
    law: NDArray[np.float64], thresholds: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offsets and slopes (threshold, 1, 1)."""
    if law.shape != (thresholds, 2):
        raise ConfigError(f"a law {law.shape} does not fit {thresholds} thresholds")
    return law[:, 0, None, None], law[:, 1, None, None]


def _check(record: Record, lead: int, probabilities: NDArray[np.float32]) -> None:
    if not 0 <= lead < len(record.lead_min):
        raise ConfigError(f"lead {lead} is not one of the {len(record.lead_min)} of the record")
    if len(probabilities) != len(record.threshold_mm_h):
        raise ConfigError(
            f"probabilities of {len(probabilities)} thresholds do not fit a record of "
            f"{len(record.threshold_mm_h)}"
        )


def _bin(logit: NDArray[np.float64]) -> NDArray[np.int64]:
    place = (logit + _FURTHEST) * (BINS / (2 * _FURTHEST))
    return np.minimum(place.astype(np.int64), BINS - 1)


def _logit(p: NDArray[np.float64]) -> NDArray[np.float64]:
    inside = np.clip(p, _LEAST, 1.0 - _LEAST)
    return np.asarray(np.log(inside / (1.0 - inside)))


def _expit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1.0 / (1.0 + np.exp(-x)))
