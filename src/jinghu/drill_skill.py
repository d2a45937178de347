"""Forecast rain of a drill against the truth: CSI, bias and FSS by lead time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter


@dataclass(frozen=True, slots=True)
class SkillRow:
    """Skill at one lead and threshold; NaN where it is not defined.

    Parameters
    ----------
    lead_min, threshold_mm_h
        What it is of.
    csi
        Critical success index, hits / (hits + misses + false alarms).
    bias
        Forecast wet cells / true wet cells.
    fss
        Fractions skill score (Roberts and Lean 2008, Mon. Wea. Rev. 136).
    forecasts
        Number of forecasts that were added up.
    """

    lead_min: float
    threshold_mm_h: float
    csi: float
    bias: float
    fss: float
    forecasts: int


def score_forecasts(
    lead_min: float,
    threshold_mm_h: float,
    forecasts: Sequence[NDArray[np.floating]],
    truths: Sequence[NDArray[np.floating]],
    scale_cells: int,
) -> SkillRow:
    """Add up all forecasts of one lead and score them.

    Parameters
    ----------
    lead_min, threshold_mm_h
        Lead, and the rate from which a cell is wet.
    forecasts, truths
        Pairs of (y, x) in mm/h; cells whose forecast is NaN are left out of CSI and bias, and are
        dry on both sides for the FSS.
    scale_cells
        Width of the neighbourhood of the FSS.
    """
    hits = misses = alarms = 0
    squares = reference = 0.0
    for forecast, truth in zip(forecasts, truths, strict=True):
        known = np.isfinite(forecast)
        said = known & (np.nan_to_num(forecast) >= threshold_mm_h)
        was = known & (truth >= threshold_mm_h)
        hits += int((said & was).sum())
        misses += int((was & ~said).sum())
        alarms += int((said & ~was).sum())
        p, o = (_fraction(wet, scale_cells) for wet in (said, was))
        squares += float(((p - o) ** 2).mean())
        reference += float((p**2 + o**2).mean())
    return SkillRow(
        lead_min,
        threshold_mm_h,
        _ratio(hits, hits + misses + alarms),
        _ratio(hits + alarms, hits + misses),
        1.0 - _ratio(squares, reference),
        len(forecasts),
    )


def _fraction(wet: NDArray[np.bool_], cells: int) -> NDArray[np.float64]:
    """Wet share of the neighbourhood; there is nothing beyond the edge."""
    # Running sums of a filter leave tiny negative shares.
    found = uniform_filter(wet.astype(np.float64), cells, mode="constant")
    return np.asarray(np.where(found < 1e-9, 0.0, found))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else float("nan")
