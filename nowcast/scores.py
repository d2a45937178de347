"""Scores of rain forecasts against observations: yes or no by threshold, and by scale.

What is counted adds up over cases (``a + b``), and scores are taken of sums: a mean of ratios would
weigh a nearly dry case like a wet one. Cells that are NaN on either side are left out.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError


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
    return fractions_by_scale(forecast, observed, threshold, [scale_cells])[0]


def fractions_by_scale(
    forecast: NDArray[np.floating],
    observed: NDArray[np.floating],
    threshold: float,
    scales_cells: Sequence[int],
) -> tuple[Fractions, ...]:
    """Compare shares in neighbourhoods of several widths, from one summed-area table.

    Arguments and errors are those of ``fractions``, with the widths of the neighbourhoods; that of
    an even width reaches one cell further to the west and south.
    """
    wrong = [n for n in scales_cells if n < 1]
    if wrong:
        raise ConfigError(f"a neighbourhood is at least one cell wide, not {wrong[0]}")
    known = known_cells(forecast, observed)
    said, was = (_table(known & (np.nan_to_num(field) >= threshold))
                 for field in (forecast, observed))  # fmt: skip
    found = _share_sums(said, was, np.asarray(scales_cells, np.int64))
    return tuple(Fractions(float(squares), float(reference)) for squares, reference in found)


def _table(wet: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Number of wet cells south and west of each corner: (y + 1, x + 1)."""
    table = np.zeros((wet.shape[0] + 1, wet.shape[1] + 1), np.int64)
    np.cumsum(np.cumsum(wet, axis=0, dtype=np.int64), axis=1, out=table[1:, 1:])
    return table


@numba.njit(cache=True, nogil=True)
def _share_sums(
    said: NDArray[np.int64], was: NDArray[np.int64], scales: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Sums of squared differences and of squares (scale, 2) of shares; whole numbers until then."""
    ny, nx = said.shape[0] - 1, said.shape[1] - 1
    out = np.zeros((len(scales), 2))
    for k in range(len(scales)):
        n = scales[k]
        apart, both = 0.0, 0.0
        for i in range(ny):
            a, b = max(i - n // 2, 0), min(i - n // 2 + n, ny)
            for j in range(nx):
                c, d = max(j - n // 2, 0), min(j - n // 2 + n, nx)
                f = said[b, d] - said[a, d] - said[b, c] + said[a, c]
                o = was[b, d] - was[a, d] - was[b, c] + was[a, c]
                apart += (f - o) ** 2
                both += f * f + o * o
        out[k, 0], out[k, 1] = apart / float(n) ** 4, both / float(n) ** 4
    return out


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
