"""Probabilities of exceedance from the members of an ensemble.

Twenty members are few: a cell where three of them exceed a threshold has a probability between 5
and 30 %. What a member holds nearby is as good a guess, the more so the longer the lead, so that
the shares are averaged over a neighbourhood that grows with lead time (Theis et al. 2005,
Meteorol. Appl. 12, 257-268; Schwartz & Sobash 2017, Mon. Weather Rev. 145, 3397-3418).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.errors import ConfigError

_MIN_MEMBERS = 0.5  # share of the members that must know a cell
_BLOCKS_A_SIGMA = 4


@dataclass(frozen=True, slots=True)
class ProbabilityParams:
    """Parameters of the probabilities.

    Parameters
    ----------
    thresholds_mm_h
        Rates whose exceedance is asked for, ascending.
    neighbourhood_km_h
        Growth of the standard deviation of the neighbourhood with lead time; 0 leaves it out.
    """

    thresholds_mm_h: tuple[float, ...] = (0.1, 1.0, 5.0, 10.0, 20.0)
    neighbourhood_km_h: float = 8.0


def probabilities(
    leads: Iterable[tuple[int, NDArray[np.float32]]],
    params: ProbabilityParams,
    cell_km: float,
    step_min: float,
) -> Iterator[tuple[int, NDArray[np.float32]]]:
    """Probabilities of exceedance, lead by lead as the ensemble comes.

    Parameters
    ----------
    leads
        Lead in steps and (members, y, x) rates in mm/h, NaN = missing.
    params, cell_km, step_min
        Thresholds and neighbourhood; size of a cell; time between leads.

    Yields
    ------
    Lead and (threshold, y, x), NaN where less than half of the members know the cell.
    """
    for lead, rates in leads:
        shares = exceedance(rates, params.thresholds_mm_h)
        sigma_km = params.neighbourhood_km_h * lead * step_min / 60.0
        yield lead, neighbourhood(shares, sigma_km / cell_km)


def exceedance(rates: NDArray[np.float32], thresholds_mm_h: Sequence[float]) -> NDArray[np.float32]:
    """Share of the members (members, y, x) at or above each threshold: (threshold, y, x).

    NaN where less than half of the members know the cell. ConfigError where thresholds do not
    ascend or there is none.
    """
    thresholds = np.asarray(thresholds_mm_h, np.float32)
    if thresholds.size == 0 or not (np.diff(thresholds) > 0).all():
        raise ConfigError(f"thresholds must ascend, not {list(thresholds_mm_h)}")
    members = rates.shape[0]
    flat = np.ascontiguousarray(rates, np.float32).reshape(members, -1)
    out = np.zeros((len(thresholds), flat.shape[1]), np.float32)
    _count(flat, thresholds, _MIN_MEMBERS * members, out)
    return out.reshape(len(thresholds), *rates.shape[1:])


@numba.njit(cache=True, nogil=True)
def _count(
    rates: NDArray[np.float32],
    thresholds: NDArray[np.float32],
    least: float,
    out: NDArray[np.float32],
) -> None:
    known = np.zeros(rates.shape[1], np.float32)
    one, zero = np.float32(1), np.float32(0)
    for m in range(rates.shape[0]):
        row = rates[m]
        for i in range(len(row)):
            known[i] += one if row[i] == row[i] else zero
        for t in range(len(thresholds)):
            limit, count = thresholds[t], out[t]
            for i in range(len(row)):
                count[i] += one if row[i] >= limit else zero
    for t in range(len(thresholds)):
        for i in range(len(known)):
            enough = known[i] > zero and known[i] >= least
            out[t, i] = out[t, i] / known[i] if enough else np.float32(np.nan)


def neighbourhood(shares: NDArray[np.float32], sigma_cells: float) -> NDArray[np.float32]:
    """Averages (threshold, y, x) over the known cells around each, with Gaussian weights.

    Missing cells stay missing and count for none of their neighbours. Wide averages are taken of
    blocks of cells, which changes them by less than members differ.
    """
    if sigma_cells < 0.5:
        return shares
    known = np.isfinite(shares)
    weight = np.maximum(_spread(known[:1].astype(np.float32), sigma_cells), np.float32(1e-6))
    out = _spread(np.nan_to_num(shares), sigma_cells)
    out /= weight
    out[~known] = np.nan
    return np.clip(out, 0.0, 1.0, out=out)


def _spread(fields: NDArray[np.float32], sigma_cells: float) -> NDArray[np.float32]:
    """Gaussian average of fields (n, y, x) beyond which there is nothing."""
    block = max(1, int(sigma_cells / _BLOCKS_A_SIGMA))
    ny, nx = fields.shape[1:]
    padded = np.pad(fields, ((0, 0), (0, -ny % block), (0, -nx % block)))
    coarse = padded if block == 1 else coarsen_mean(padded, block)
    # Blocks and the lines between their middles are averages too, of variance a quarter block^2.
    sigma = sigma_cells / block if block == 1 else np.sqrt((sigma_cells / block) ** 2 - 0.25)
    smooth = np.empty_like(coarse)
    _average(coarse, _taps(float(sigma)), smooth)
    if block == 1:
        return smooth
    rows = _between(smooth, block, ny).swapaxes(1, 2)
    return np.ascontiguousarray(_between(rows, block, nx).swapaxes(1, 2))


def _taps(sigma: float) -> NDArray[np.float32]:
    """Gaussian weights out to three standard deviations, which add up to one."""
    reach = int(3.0 * sigma + 0.5)
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(taps / taps.sum(), np.float32)


@numba.njit(cache=True, nogil=True, fastmath={"contract", "nsz"})
def _average(
    fields: NDArray[np.float32], taps: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Weighted averages (n, y, x) along columns and rows, whole rows at a time."""
    n, ny, nx = fields.shape
    reach = len(taps) // 2
    padded = np.zeros(nx + 2 * reach, np.float32)
    inside = padded[reach : reach + nx]
    for k in range(n):
        if not fields[k].any():  # high thresholds: nobody exceeds them
            out[k] = 0
            continue
        for j in range(ny):
            inside[:] = 0
            for t in range(max(0, reach - j), min(len(taps), ny + reach - j)):
                _add(taps[t], fields[k, j + t - reach], inside)
            row = out[k, j]
            row[:] = 0
            for t in range(len(taps)):
                _add(taps[t], padded[t : t + nx], row)


@numba.njit(fastmath={"contract", "nsz"})
def _add(weight: np.float32, row: NDArray[np.float32], total: NDArray[np.float32]) -> None:
    for i in range(len(total)):
        total[i] += weight * row[i]


def _between(rows: NDArray[np.float32], block: int, n: int) -> NDArray[np.float32]:
    """Values (k, n, x) at cells, on straight lines between middles of blocks (k, blocks, x)."""
    at = np.clip((np.arange(n) + 0.5) / block - 0.5, 0, rows.shape[1] - 1)
    below = np.minimum(at.astype(np.int64), max(rows.shape[1] - 2, 0))
    above = np.minimum(below + 1, rows.shape[1] - 1)
    share = (at - below).astype(np.float32)[:, None]
    return np.asarray((1 - share) * rows[:, below] + share * rows[:, above])


def yes_above(probability: NDArray[np.floating]) -> float:
    """Probability from which to say yes, so that the critical success index may be expected best.

    A cell that is said yes adds its probability to the hits and the rest to the false alarms, so
    that after the n likeliest cells the index is ``hits / (n + all expected events - hits)``. It
    is best where the last cell's probability is c / (1 + c) of the index c that is reached: well
    below one half. Nothing of the observation is used, but the probabilities must mean what they
    say.

    Parameters
    ----------
    probability
        Of any shape, NaN = missing.

    Returns
    -------
    Above 1 where no event is expected at all.
    """
    p = np.sort(probability[np.isfinite(probability)].astype(np.float64))[::-1]
    if p.size == 0 or not p[0] > 0:
        return float(np.nextafter(1.0, 2.0))
    hits = np.cumsum(p)
    index = hits / (np.arange(1, p.size + 1) + hits[-1] - hits)
    return float(p[index.argmax()])
