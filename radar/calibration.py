"""Offset of every radar's reflectivity from a network of comparisons, robust to one bad radar."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.overlap import Comparison

_HUBER = 1.345  # normalised residual beyond which a comparison counts less
_ITERATIONS = 20
_MEDIAN_ERROR = 1.2533  # standard error of a median over that of a mean


@dataclass(frozen=True, slots=True)
class Anchor:
    """What is known of one radar by itself: dB that it reads too high, and the standard error.

    From its own polarimetric consistency; or 0, and how well radars are kept, where nothing is
    measured.
    """

    radar: str
    offset_db: float
    error_db: float


@dataclass(frozen=True, slots=True)
class Offset:
    """Calibration of one radar at one time.

    Parameters
    ----------
    radar
        Code of the site.
    offset_db, error_db
        dB that it reads too high, and the standard error.
    comparisons
        Number of radars that it was compared with.
    samples
        Number of samples of these comparisons.
    """

    radar: str
    offset_db: float
    error_db: float
    comparisons: int
    samples: int


def network_offsets(pairs: Sequence[Comparison], anchors: Sequence[Anchor]) -> list[Offset]:
    """Solve for the offset of every radar of a network.

    Differences of pairs tell the offsets up to one constant for every group of radars that are
    linked by pairs: they are solved by least squares with Huber's weights (1964, Ann. Math.
    Statist. 35, 73-101), so that a pair that contradicts all others counts little. The constant is
    the weighted median over what is known of single radars, so that one bad radar among at least
    three shifts none of the others. A group without an anchor has no offsets.

    Parameters
    ----------
    pairs
        Comparisons.
    anchors
        One a radar that is not known to be disturbed; a radar without pairs has its anchor alone.

    Returns
    -------
    Offsets in the order of the codes. Of two radars alone that differ it cannot be told which is
    wrong: their errors are as large as the difference.
    """
    found = []
    for codes in _groups(pairs, anchors):
        inside = [pair for pair in pairs if pair.first in codes]
        held = [anchor for anchor in anchors if anchor.radar in codes]
        if held:
            found += _solve_group(codes, inside, held)
    return sorted(found, key=lambda offset: offset.radar)


def _groups(pairs: Sequence[Comparison], anchors: Sequence[Anchor]) -> list[list[str]]:
    """Codes that are linked by pairs, each group sorted."""
    group = {code: {code} for pair in pairs for code in (pair.first, pair.second)}
    group |= {anchor.radar: {anchor.radar} for anchor in anchors if anchor.radar not in group}
    for pair in pairs:
        joined = group[pair.first] | group[pair.second]
        for code in joined:
            group[code] = joined
    return sorted({tuple(sorted(codes)): sorted(codes) for codes in group.values()}.values())


def _solve_group(
    codes: Sequence[str], pairs: Sequence[Comparison], anchors: Sequence[Anchor]
) -> list[Offset]:
    place = {code: k for k, code in enumerate(codes)}
    relative, covariance = _relative(
        len(codes),
        np.array([(place[p.first], place[p.second]) for p in pairs], np.int64).reshape(-1, 2),
        np.array([p.difference_db for p in pairs]),
        np.array([p.error_db for p in pairs]),
    )
    known = np.array([a.offset_db - relative[place[a.radar]] for a in anchors])
    errors = np.array([a.error_db for a in anchors])
    constant, constant_error = _anchored(known, errors)
    error = np.sqrt(np.maximum(np.diag(covariance), 0.0) + constant_error**2)
    counted = [[p for p in pairs if code in (p.first, p.second)] for code in codes]
    return [
        Offset(
            code,
            float(relative[k] + constant),
            float(error[k]),
            len(counted[k]),
            sum(p.samples for p in counted[k]),
        )
        for k, code in enumerate(codes)
    ]


def _relative(
    n: int, ends: NDArray[np.int64], difference: NDArray[np.float64], error: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offsets with sum zero from differences of pairs: (radar,), and their covariance.

    The covariance grows by as much as the pairs disagree beyond their errors.
    """
    if len(ends) == 0:
        return np.zeros(n), np.zeros((n, n))
    design = np.zeros((len(ends), n))
    design[np.arange(len(ends)), ends[:, 0]] = 1.0
    design[np.arange(len(ends)), ends[:, 1]] = -1.0
    weight = 1.0 / error**2
    solution = np.zeros(n)
    for _ in range(_ITERATIONS):
        normal = np.linalg.pinv(design.T @ (weight[:, None] * design), hermitian=True)
        solution = normal @ (design.T @ (weight * difference))
        off = np.abs(difference - design @ solution) / error
        weight = np.minimum(1.0, _HUBER / np.maximum(off, 1e-9)) / error**2
    spare = len(ends) - (n - 1)
    misfit = float((weight * (difference - design @ solution) ** 2).sum()) / max(spare, 1)
    return solution, np.asarray(normal * max(misfit, 1.0), np.float64)


def _anchored(known: NDArray[np.float64], error: NDArray[np.float64]) -> tuple[float, float]:
    """Weighted median, and its standard error, not less than the values' disagreement tells."""
    weight = 1.0 / error**2
    middle = _weighted_median(known, weight)
    spread = 1.4826 * _weighted_median(np.abs(known - middle) / error, weight)
    return middle, float(_MEDIAN_ERROR * max(spread, 1.0) / np.sqrt(weight.sum()))


def _weighted_median(values: NDArray[np.float64], weight: NDArray[np.float64]) -> float:
    order = np.argsort(values)
    share = np.cumsum(weight[order]) / weight.sum()
    lower = int(np.searchsorted(share, 0.5 - 1e-9))
    upper = int(np.searchsorted(share, 0.5 + 1e-9))
    return float((values[order[lower]] + values[order[min(upper, len(order) - 1)]]) / 2.0)
