"""Rain over windows that reach from the observed past into the members of an ensemble."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError


@dataclass(frozen=True, slots=True)
class MemberWindows:
    """What the members say of each window that ends at each lead, lead 0 first.

    Parameters
    ----------
    shares
        (window, threshold, lead, y, x) of the members at or above the threshold, 0 to 1.
    quantiles_mm
        (window, quantile, lead, y, x) of the members' amounts, interpolated linearly.
    """

    shares: NDArray[np.float32]
    quantiles_mm: NDArray[np.float32]


def member_windows(
    observed_mm: NDArray[np.float32],
    members_mm: NDArray[np.float32],
    windows: tuple[int, ...],
    thresholds_mm: tuple[float, ...],
    quantiles: tuple[float, ...],
) -> MemberWindows:
    """Join what was observed with what each member forecasts.

    Parameters
    ----------
    observed_mm
        (step, y, x) amounts up to now, right-labelled; NaN = not observed.
    members_mm
        (member, step, y, x) amounts after now; NaN = not forecast.
    windows
        Lengths in steps.
    thresholds_mm, quantiles
        Amounts whose exceedance is asked for; quantiles from 0 to 1.

    Returns
    -------
    As `jinghu.grid.accumulation.window_amounts` has it, what is not known counts as no rain: an
    amount is a lower bound.

    Raises
    ------
    ConfigError
        Where shapes, windows, thresholds or quantiles are of no use.
    """
    members, leads = members_mm.shape[:2]
    shape = members_mm.shape[2:]
    if members < 1 or observed_mm.shape[1:] != shape:
        raise ConfigError(f"members of {members_mm.shape} do not fit a past of {observed_mm.shape}")
    if not windows or min(windows) < 1 or max(windows) > len(observed_mm):
        raise ConfigError(f"windows of {windows} steps do not fit a past of {len(observed_mm)}")
    if not all(0.0 <= q <= 1.0 for q in quantiles):
        raise ConfigError(f"quantiles lie between 0 and 1, not {quantiles}")
    cells = int(np.prod(shape))
    past = _past(np.nan_to_num(observed_mm).reshape(len(observed_mm), cells), windows, leads)
    shares = np.empty((len(windows), len(thresholds_mm), leads + 1, cells), np.float32)
    found = np.empty((len(windows), len(quantiles), leads + 1, cells), np.float32)
    _join(
        past,
        np.ascontiguousarray(members_mm, np.float32).reshape(members, leads, cells),
        np.asarray(windows, np.int64),
        np.asarray(thresholds_mm, np.float32),
        np.asarray(quantiles, np.float64),
        shares,
        found,
    )
    return MemberWindows(
        shares.reshape(*shares.shape[:3], *shape), found.reshape(*found.shape[:3], *shape)
    )


def _past(
    observed: NDArray[np.float32], windows: tuple[int, ...], leads: int
) -> NDArray[np.float32]:
    """Observed part (window, lead, cell) of each window that ends at each lead."""
    out = np.zeros((len(windows), leads + 1, observed.shape[1]), np.float32)
    back = np.cumsum(observed[::-1].astype(np.float64), axis=0)  # of the newest steps
    for k, window in enumerate(windows):
        for lead in range(min(window, leads + 1)):
            out[k, lead] = back[window - lead - 1]
    return out


_AT_ONCE = 32  # cells whose members lie in the nearest caches


@numba.njit(cache=True, parallel=True)
def _join(
    past: NDArray[np.float32],
    members_mm: NDArray[np.float32],
    windows: NDArray[np.int64],
    thresholds: NDArray[np.float32],
    quantiles: NDArray[np.float64],
    shares: NDArray[np.float32],
    found: NDArray[np.float32],
) -> None:
    members, leads, cells = members_mm.shape
    for part in numba.prange((cells + _AT_ONCE - 1) // _AT_ONCE):
        first = part * _AT_ONCE
        so_far = _sums(members_mm[:, :, first : min(first + _AT_ONCE, cells)])
        amounts, order = np.empty(members, np.float32), np.empty(members, np.int64)
        for cell in range(first, first + len(so_far)):
            of_cell = so_far[cell - first]
            order[:] = np.arange(members)
            for lead in range(leads + 1):
                _sorted(of_cell[lead], order)
                for k in range(len(windows)):
                    if lead <= windows[k]:  # the window holds all that the members forecast
                        for m in range(members):
                            amounts[m] = past[k, lead, cell] + of_cell[lead, order[m]]
                    else:
                        start = of_cell[lead - windows[k]]
                        for m in range(members):
                            amounts[m] = past[k, lead, cell] + of_cell[lead, m] - start[m]
                        _sort(amounts)
                    _tell(amounts, thresholds, shares[k, :, lead, cell])
                    _between(amounts, quantiles, found[k, :, lead, cell])


@numba.njit(nogil=True)
def _sums(members_mm: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sums (cell, lead + 1, member) up to each lead, of amounts (member, lead, cell)."""
    members, leads, cells = members_mm.shape
    out = np.zeros((cells, leads + 1, members), np.float32)
    for m in range(members):
        for lead in range(leads):
            row = members_mm[m, lead]
            for cell in range(cells):
                amount = np.float32(0) if np.isnan(row[cell]) else row[cell]
                out[cell, lead + 1, m] = out[cell, lead, m] + amount
    return out


@numba.njit(nogil=True)
def _sorted(values: NDArray[np.float32], order: NDArray[np.int64]) -> None:
    """Order of values, ascending, in place; it is quick where it was much the same before."""
    for m in range(1, len(order)):
        at, mine = m, order[m]
        while at > 0 and values[order[at - 1]] > values[mine]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = mine


@numba.njit(nogil=True)
def _sort(amounts: NDArray[np.float32]) -> None:
    for m in range(1, len(amounts)):
        at, mine = m, amounts[m]
        while at > 0 and amounts[at - 1] > mine:
            amounts[at] = amounts[at - 1]
            at -= 1
        amounts[at] = mine


@numba.njit(nogil=True)
def _tell(
    amounts: NDArray[np.float32], thresholds: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Shares of the sorted amounts at or above thresholds."""
    members = len(amounts)
    for t in range(len(thresholds)):
        below = members
        while below > 0 and amounts[below - 1] >= thresholds[t]:
            below -= 1
        out[t] = np.float32(members - below) / np.float32(members)


@numba.njit(nogil=True)
def _between(
    amounts: NDArray[np.float32], quantiles: NDArray[np.float64], out: NDArray[np.float32]
) -> None:
    """Quantiles of the sorted amounts."""
    members = len(amounts)
    for q in range(len(quantiles)):
        place = quantiles[q] * (members - 1)
        low = min(int(place), members - 1)
        high = min(low + 1, members - 1)
        part = np.float32(place - low)
        out[q] = amounts[low] + part * (amounts[high] - amounts[low])
