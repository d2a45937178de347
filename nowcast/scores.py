"""Scores of rain forecasts against observations: yes or no by threshold, and by scale.

What is counted adds up over cases (``a + b``), and scores are taken of sums: a mean of ratios would
weigh a nearly dry case like a wet one. Cells that are NaN on either side are left out.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from jinghu.grid.errors import ConfigError

_ROUNDING = 1e-9  # running sums of a filter leave such shares where there is nothing


@dataclass(frozen=True, slots=True)
class Contingency:
    """Forecast and observed events, counted (Wilks 2011, section 8.2).

    Parameters
    ----------
    hits, misses, false_alarms, correct_negatives
        Cells forecast and observed, observed only, forecast only, neither.
    """

    hits: int = 0
    misses: int = 0
    false_alarms: int = 0
    correct_negatives: int = 0

    def __add__(self, other: "Contingency") -> "Contingency":
        """Of both sets of cases together."""
        return Contingency(
            self.hits + other.hits,
            self.misses + other.misses,
            self.false_alarms + other.false_alarms,
            self.correct_negatives + other.correct_negatives,
        )

    @property
    def csi(self) -> float:
        """Critical success index; NaN where nothing was forecast or observed."""
        return ratio(self.hits, self.hits + self.misses + self.false_alarms)

    @property
    def pod(self) -> float:
        """Probability of detection: share of the observed events that were forecast."""
        return ratio(self.hits, self.hits + self.misses)

    @property
    def far(self) -> float:
        """False alarm ratio: share of the forecast events that were not observed."""
        return ratio(self.false_alarms, self.hits + self.false_alarms)

    @property
    def pofd(self) -> float:
        """Probability of false detection: share of the quiet cells that were forecast."""
        return ratio(self.false_alarms, self.false_alarms + self.correct_negatives)

    @property
    def bias(self) -> float:
        """Forecast events a observed event."""
        return ratio(self.hits + self.false_alarms, self.hits + self.misses)


def contingency(
    forecast: NDArray[np.floating], observed: NDArray[np.floating], threshold: float
) -> Contingency:
    """Count events of at least a threshold in two fields of one shape and unit.

    Raises
    ------
    ConfigError
        Where the shapes differ.
    """
    known = known_cells(forecast, observed)
    return count_events(forecast[known] >= threshold, observed[known] >= threshold)


def count_events(said: NDArray[np.bool_], was: NDArray[np.bool_]) -> Contingency:
    """Count forecast and observed events."""
    hits = int(np.count_nonzero(said & was))
    misses = int(np.count_nonzero(was)) - hits
    alarms = int(np.count_nonzero(said)) - hits
    return Contingency(hits, misses, alarms, said.size - hits - misses - alarms)


@dataclass(frozen=True, slots=True)
class Fractions:
    """Sums of the fractions skill score (Roberts & Lean 2008, Mon. Weather Rev. 136, 78-97).

    Parameters
    ----------
    squares
        Sum of the squared differences of the shares of wet cells, equation 5.
    reference
        Sum of the squares of both, equation 7.
    """

    squares: float = 0.0
    reference: float = 0.0

    def __add__(self, other: "Fractions") -> "Fractions":
        """Of both sets of cases together."""
        return Fractions(self.squares + other.squares, self.reference + other.reference)

    @property
    def fss(self) -> float:
        """Fractions skill score, 0 to 1; NaN where nothing was forecast or observed."""
        return 1.0 - ratio(self.squares, self.reference)


def fractions(
    forecast: NDArray[np.floating],
    observed: NDArray[np.floating],
    threshold: float,
    scale_cells: int,
) -> Fractions:
    """Compare the shares of cells at or above a threshold in square neighbourhoods.

    Parameters
    ----------
    forecast, observed
        (y, x) of one unit; a cell that is NaN in one of them is dry in both, and so is what lies
        beyond the edge.
    threshold
        Of an event.
    scale_cells
        Width of the neighbourhood.

    Raises
    ------
    ConfigError
        Where the shapes differ or the width is not positive.
    """
    if scale_cells < 1:
        raise ConfigError(f"a neighbourhood is at least one cell wide, not {scale_cells}")
    known = known_cells(forecast, observed)
    said, was = (
        _shares(known & (np.nan_to_num(field) >= threshold), scale_cells)
        for field in (forecast, observed)
    )
    return Fractions(float(((said - was) ** 2).sum()), float((said**2 + was**2).sum()))


def _shares(wet: NDArray[np.bool_], cells: int) -> NDArray[np.float64]:
    if cells == 1:
        return wet.astype(np.float64)
    found = uniform_filter(wet.astype(np.float64), cells, mode="constant")
    return np.asarray(np.where(found < _ROUNDING, 0.0, found))


def known_cells(
    forecast: NDArray[np.floating], observed: NDArray[np.floating]
) -> NDArray[np.bool_]:
    """Cells that both fields know.

    Raises
    ------
    ConfigError
        Where their shapes differ.
    """
    if forecast.shape != observed.shape:
        raise ConfigError(f"a forecast {forecast.shape} does not fit observed {observed.shape}")
    return np.asarray(np.isfinite(forecast) & np.isfinite(observed))


def ratio(part: float, whole: float) -> float:
    """Part of a whole, NaN where the whole is none."""
    return part / whole if whole > 0 else float("nan")
