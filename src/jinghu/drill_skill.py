"""Forecast rain of a drill against the truth: CSI, bias and FSS by lead time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.nowcast.scores import Contingency, Fractions, contingency, fractions


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
    counts, shares = Contingency(), Fractions()
    for forecast, truth in zip(forecasts, truths, strict=True):
        counts += contingency(forecast, truth, threshold_mm_h)
        shares += fractions(forecast, truth, threshold_mm_h, scale_cells)
    return SkillRow(lead_min, threshold_mm_h, counts.csi, counts.bias, shares.fss, len(forecasts))
