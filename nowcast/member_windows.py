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
    known = np.nan_to_num(members_mm).reshape(members, leads, cells)
    so_far = np.zeros((cells, members, leads + 1), np.float32)
    np.cumsum(known.transpose(2, 0, 1), axis=2, out=so_far[:, :, 1:])
    past = _past(np.nan_to_num(observed_mm).reshape(len(observed_mm), cells), windows, leads)
    shares = np.empty((len(windows), len(thresholds_mm), leads + 1, cells), np.float32)
    found = np.empty((len(windows), len(quantiles), leads + 1, cells), np.float32)
    _join(
        past,
        so_far,
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


@numba.njit(cache=True, parallel=True)
def _join(
    past: NDArray[np.float32],
    so_far: NDArray[np.float32],
    windows: NDArray[np.int64],
    thresholds: NDArray[np.float32],
    quantiles: NDArray[np.float64],
    shares: NDArray[np.float32],
    found: NDArray[np.float32],
) -> None:
    cells, members, ends = so_far.shape
    for cell in numba.prange(cells):
        amounts = np.empty(members, np.float32)
        for k in range(len(windows)):
            for lead in range(ends):
                start = max(lead - windows[k], 0)
                for m in range(members):
                    amount = past[k, lead, cell] + so_far[cell, m, lead] - so_far[cell, m, start]
                    at = m
                    while at > 0 and amounts[at - 1] > amount:
                        amounts[at] = amounts[at - 1]
                        at -= 1
                    amounts[at] = amount
                for t in range(len(thresholds)):
                    below = np.searchsorted(amounts, thresholds[t])
                    shares[k, t, lead, cell] = np.float32(members - below) / np.float32(members)
                for q in range(len(quantiles)):
                    place = quantiles[q] * (members - 1)
                    low = min(int(place), members - 1)
                    high = min(low + 1, members - 1)
                    part = np.float32(place - low)
                    found[k, q, lead, cell] = amounts[low] + part * (amounts[high] - amounts[low])
