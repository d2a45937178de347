"""Scores of probabilities against what happened: Brier, reliability, ROC.

All are taken of one table of fine bins, which adds up over cases (``a + b``).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.scores import known_cells, ratio

BINS = 100


@dataclass(frozen=True, slots=True)
class ProbabilityTable:
    """Forecast probabilities and events by bin.

    Parameters
    ----------
    cells, said, was
        (bin,) cells, sum of their probabilities, and events among them. Bin k of n holds
        probabilities from k / n to below (k + 1) / n, the last also 1.
    squares
        Sum of the squared differences of probability and event (1 or 0).
    """

    cells: NDArray[np.float64]
    said: NDArray[np.float64]
    was: NDArray[np.float64]
    squares: float

    def __add__(self, other: "ProbabilityTable") -> "ProbabilityTable":
        """Of both sets of cases together."""
        return ProbabilityTable(
            self.cells + other.cells,
            self.said + other.said,
            self.was + other.was,
            self.squares + other.squares,
        )

    @property
    def brier(self) -> float:
        """Mean squared difference of probability and event (Brier 1950)."""
        return ratio(self.squares, float(self.cells.sum()))

    @property
    def brier_skill(self) -> float:
        """Brier score against that of the frequency of the event, which knows the future."""
        uncertainty = self.frequency * (1.0 - self.frequency)
        return 1.0 - ratio(self.brier, uncertainty)

    @property
    def frequency(self) -> float:
        """Frequency of the event."""
        return ratio(float(self.was.sum()), float(self.cells.sum()))

    @property
    def reliability(self) -> float:
        """Mean squared distance of the probabilities from the frequencies of their bins.

        Murphy 1973, J. Appl. Meteorol. 12, 595-600; 0 where probabilities mean what they say.
        """
        away = (self.said - self.was) ** 2 / np.maximum(self.cells, 1.0)
        return ratio(float(away.sum()), float(self.cells.sum()))

    @property
    def resolution(self) -> float:
        """Mean squared distance of the frequencies of the bins from that of all."""
        in_bin = self.was / np.maximum(self.cells, 1.0)
        away = self.cells * (in_bin - self.frequency) ** 2
        return ratio(float(away.sum()), float(self.cells.sum()))

    @property
    def roc_area(self) -> float:
        """Area under the curve of detection over false detection; one half is no skill."""
        quiet = self.cells - self.was
        if not self.was.sum() > 0 or not quiet.sum() > 0:
            return float("nan")
        detected, alarmed = (
            np.concatenate([[0.0], np.cumsum(x[::-1])]) / x.sum() for x in (self.was, quiet)
        )
        return float(np.trapezoid(detected, alarmed))

    def diagram(self, bins: int = 10) -> NDArray[np.float64]:
        """Reliability diagram of fewer bins, which must divide those of the table.

        Returns
        -------
        (3, bins): mean probability and frequency of the event (NaN in empty bins), and cells.
        """
        if bins < 1 or len(self.cells) % bins:
            raise ConfigError(f"{bins} bins do not divide the {len(self.cells)} of the table")
        cells, said, was = (
            x.reshape(bins, -1).sum(axis=1) for x in (self.cells, self.said, self.was)
        )
        some = cells > 0
        means = [np.divide(x, cells, out=np.full(bins, np.nan), where=some) for x in (said, was)]
        return np.stack([*means, cells])


def no_table(bins: int = BINS) -> ProbabilityTable:
    """Table of nothing, to add to."""
    return ProbabilityTable(np.zeros(bins), np.zeros(bins), np.zeros(bins), 0.0)


def tabulate(
    probability: NDArray[np.floating],
    observed: NDArray[np.floating],
    threshold: float,
    bins: int = BINS,
) -> ProbabilityTable:
    """Put probabilities of at least a threshold beside what was observed.

    Parameters
    ----------
    probability
        Of any shape, 0 to 1.
    observed
        Of the same shape, in the unit of the threshold. NaN in either is left out.
    threshold
        Of the event.
    bins
        Number of bins.

    Raises
    ------
    ConfigError
        Where the shapes differ, or a probability is none.
    """
    known = known_cells(probability, observed)
    p = probability[known].astype(np.float64)
    if p.size and not (p.min() >= 0.0 and p.max() <= 1.0):
        raise ConfigError(f"probabilities from {p.min():g} to {p.max():g}, not within 0 to 1")
    event = (observed[known] >= threshold).astype(np.float64)
    # Shares of members are fractions: 3/10 must fall into one bin however it was rounded.
    place = np.minimum((p * bins + 1e-5).astype(np.int64), bins - 1)
    return ProbabilityTable(
        np.bincount(place, minlength=bins).astype(np.float64),
        np.bincount(place, p, bins).astype(np.float64),
        np.bincount(place, event, bins).astype(np.float64),
        float(((p - event) ** 2).sum()),
    )


def crps_of_shares(
    shares: NDArray[np.floating],
    thresholds: NDArray[np.floating],
    observed: NDArray[np.floating],
) -> tuple[int, float]:
    """Continuous ranked probability score of a law that is given at some thresholds.

    ``integral of (P(x) - 1{y >= x})^2`` over all x >= 0, with the probability P of at least x
    straight between thresholds, as high below the first as there, and zero above the last.

    Parameters
    ----------
    shares
        (threshold, ...) probabilities of at least each threshold, NaN = missing.
    thresholds
        Ascending, above 0, in the unit of what was observed.
    observed
        (...).

    Returns
    -------
    Number of known cells, and the sum of their scores.
    """
    known = known_cells(shares[0], observed)
    truth = observed[known].astype(np.float64)
    edges = np.concatenate([[0.0], thresholds])
    p = np.concatenate([shares[:1], shares])[:, known].astype(np.float64)
    total = 0.0
    for low, high, at_low, at_high in zip(edges[:-1], edges[1:], p[:-1], p[1:], strict=True):
        cut = np.clip((truth - low) / (high - low), 0.0, 1.0)
        middle = at_low + cut * (at_high - at_low)
        below = _square(1.0 - at_low, 1.0 - middle) * cut
        above = _square(middle, at_high) * (1.0 - cut)
        total += (high - low) * float((below + above).sum())
    return len(truth), total + float(np.maximum(truth - edges[-1], 0.0).sum())


def _square(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean square of what is straight from a to b."""
    return np.asarray((a * a + a * b + b * b) / 3.0)
