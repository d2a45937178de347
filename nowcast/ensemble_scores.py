"""Scores of ensembles against observations: CRPS, spread and error, ranks.

Sums add up over cases (``a + b``). A cell counts where the observation and all members know it.
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.scores import ratio


@dataclass(frozen=True, slots=True)
class EnsembleScore:
    """Sums over the cells of one or more cases, of ensembles of any size.

    Parameters
    ----------
    cells
        Number of cells.
    crps, fair_crps
        Continuous ranked probability score of the members as they are, and of the law they were
        drawn from (Ferro 2014, Q. J. R. Meteorol. Soc. 140, 1917-1923); NaN for one member.
    variance
        Variance of the members times (m + 1) / m: what the squared error of their mean would be
        were the observation one of them (Fortin et al. 2014, J. Hydrometeorol. 15, 1708-1713).
    squares, error
        Squared error of their mean, and its error.
    """

    cells: int = 0
    crps: float = 0.0
    fair_crps: float = 0.0
    variance: float = 0.0
    squares: float = 0.0
    error: float = 0.0

    def __add__(self, other: "EnsembleScore") -> "EnsembleScore":
        """Of both sets of cases together."""
        return EnsembleScore(
            self.cells + other.cells,
            self.crps + other.crps,
            self.fair_crps + other.fair_crps,
            self.variance + other.variance,
            self.squares + other.squares,
            self.error + other.error,
        )

    @property
    def mean_crps(self) -> float:
        """CRPS in the unit of the field; that of one member is its absolute error."""
        return ratio(self.crps, self.cells)

    @property
    def mean_fair_crps(self) -> float:
        """CRPS of an ensemble without end of the same law."""
        return ratio(self.fair_crps, self.cells)

    @property
    def spread_error(self) -> float:
        """Spread over the root mean square error of the mean; 1 where an ensemble knows itself."""
        return float(np.sqrt(ratio(self.variance, self.squares)))

    @property
    def bias(self) -> float:
        """Mean error of the mean."""
        return self.error / self.cells if self.cells else float("nan")


def score_ensemble(members: NDArray[np.floating], observed: NDArray[np.floating]) -> EnsembleScore:
    """Score an ensemble.

    Parameters
    ----------
    members
        (member, ...) in the unit of what was observed.
    observed
        (...).

    Raises
    ------
    ConfigError
        Where the shapes differ or there is no member.
    """
    flat, truth = _known(members, observed)
    return EnsembleScore(len(truth), *(float(x) for x in _sums(flat, truth)))


def crps(
    members: NDArray[np.floating], observed: NDArray[np.floating], fair: bool = False
) -> NDArray[np.float64]:
    """Continuous ranked probability score of each cell, NaN where it is not known.

    ``E|X - y| - E|X - X'| / 2`` (Gneiting & Raftery 2007, J. Am. Stat. Assoc. 102, 359-378,
    equation 21); the second mean is over pairs of different members where it is to be fair.
    Arguments and errors are those of ``score_ensemble``.
    """
    known = np.isfinite(members).all(axis=0) & np.isfinite(observed)
    flat, truth = _known(members, observed)
    out = np.full(observed.shape, np.nan)
    out[known] = _by_cell(flat, truth, fair)
    return out


def rank_histogram(
    members: NDArray[np.floating], observed: NDArray[np.floating], least: float | None = None
) -> NDArray[np.float64]:
    """Count the ranks of the observation among the members: (m + 1,).

    Parameters
    ----------
    members, observed
        As for ``score_ensemble``.
    least
        Values below it are all the same; cells where all are below it do not count.

    An observation that equals some members counts in equal parts for each of the ranks it could
    have (Hamill 2001, Mon. Weather Rev. 129, 550-560, draws one of them).
    """
    flat, truth = _known(members, observed)
    if least is not None:
        any_rain = (truth >= least) | (flat >= least).any(axis=1)
        flat, truth = flat[any_rain], truth[any_rain]
        flat, truth = (np.where(a >= least, a, least - 1.0) for a in (flat, truth))
    m = flat.shape[1]
    below = (flat < truth[:, None]).sum(axis=1)
    equal = (flat == truth[:, None]).sum(axis=1)
    # Each share enters at its first rank and leaves after its last: a running sum gives the counts.
    edges = np.zeros(m + 2)
    share = 1.0 / (equal + 1.0)
    np.add.at(edges, below, share)
    np.add.at(edges, below + equal + 1, -share)
    return np.cumsum(edges)[: m + 1]


def _known(
    members: NDArray[np.floating], observed: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Members (n, member) and observations (n,) of the cells that all know."""
    if members.ndim == 0 or members.shape[1:] != observed.shape or len(members) == 0:
        raise ConfigError(f"members {members.shape} do not fit what was observed {observed.shape}")
    known = np.isfinite(members).all(axis=0) & np.isfinite(observed)
    flat = np.ascontiguousarray(members[:, known].T, np.float64)
    return flat, np.ascontiguousarray(observed[known], np.float64)


@numba.njit(cache=True, nogil=True)
def _cell(ascending: NDArray[np.float64], truth: float) -> tuple[float, float]:
    """Mean distance of the members from the truth, and the sum of their distances, both pairs."""
    m = len(ascending)
    away, apart = 0.0, 0.0
    for k in range(m):
        away += abs(ascending[k] - truth)
        apart += (2 * k + 1 - m) * ascending[k]
    return away / m, 2.0 * apart


@numba.njit(cache=True, nogil=True)
def _by_cell(
    flat: NDArray[np.float64], truth: NDArray[np.float64], fair: bool
) -> NDArray[np.float64]:
    n, m = flat.shape
    pairs = m * (m - 1) if fair else m * m
    out = np.empty(n)
    for i in range(n):
        away, apart = _cell(np.sort(flat[i]), truth[i])
        out[i] = away - 0.5 * apart / pairs if pairs else np.nan
    return out


@numba.njit(cache=True, nogil=True)
def _sums(
    flat: NDArray[np.float64], truth: NDArray[np.float64]
) -> tuple[float, float, float, float, float]:
    n, m = flat.shape
    plain, fair, variance, squares, error = 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(n):
        away, apart = _cell(np.sort(flat[i]), truth[i])
        plain += away - 0.5 * apart / (m * m)
        mean = flat[i].mean()
        error += mean - truth[i]
        squares += (mean - truth[i]) ** 2
        if m > 1:
            fair += away - 0.5 * apart / (m * (m - 1))
            variance += ((flat[i] - mean) ** 2).sum() / (m - 1) * (m + 1) / m
        else:
            fair = np.nan
    return plain, fair, variance, squares, error
