"""Release rules of one pool as rows of numbers, for the kernel of `jinghu.hydro.level_pool`."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


class Bound(IntEnum):
    """What set a release beyond the rules."""

    FREE = -1  # no row counts: nothing is released
    CAPACITY = -2  # the gates are wide open
    EMPTY = -3  # there is no more water above the lowest level


class Kind(IntEnum):
    """What a row of a release policy does with its value."""

    AT_MOST = 0  # m3/s
    AT_LEAST = 1  # m3/s
    AIM_VOLUME = 2  # m3 to be reached within `hours`
    AIM_RELEASE = 3  # m3/s; infinite opens all gates, NaN leaves it to the next aim
    RISE = 4  # m3/s a second
    FALL = 5  # m3/s a second


@dataclass(frozen=True, slots=True)
class PolicyRows:
    """Release rules of one pool over the steps of a run, for the kernel.

    Parameters
    ----------
    zone_top_m3
        (time, zone) volume up to which each zone reaches; the last one has no end.
    zones, kind
        (row,) bits of the zones in which a row counts, and a `Kind`; first rows come first.
    value
        (row, time, member or 1) see `Kind`.
    hours
        (row,) of aims at a volume: time to reach it; 0 is one step.
    """

    zone_top_m3: Array
    zones: NDArray[np.int64]
    kind: NDArray[np.int64]
    value: Array
    hours: Array


def no_rules(n_time: int) -> PolicyRows:
    """Policy of a pool that releases nothing of its own: it only spills."""
    return PolicyRows(
        np.full((1, 1), np.inf),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
        np.empty((0, n_time, 1)),
        np.empty(0),
    )
