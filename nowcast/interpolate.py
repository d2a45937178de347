"""Rain between two analyses: both moved along the motion and faded into one another.

Nielsen et al. 2014, Atmos. Res. 140-141, 49-56: without it, fast rain accumulates in fish bones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.trajectories import follow, nodes_of, sample

_SPACING = 8  # cells between the nodes at which trajectories are followed: motion is smooth


@dataclass(frozen=True, slots=True)
class Instant:
    """A rain field (y, x) in mm/h and its time."""

    time: datetime
    rate_mm_h: NDArray[np.float32]


def rates_at(
    times: Sequence[datetime],
    earlier: Instant | None,
    later: Instant,
    motion_per_s: NDArray[np.float32],
) -> NDArray[np.float32]:
    """Rain rates at given times.

    Parameters
    ----------
    times
        Ascending. Those between the two fields are interpolated, those after the later one
        extrapolated from it, those before the earlier one from that.
    earlier, later
        The fields; without an earlier one everything comes from the later.
    motion_per_s
        (2, y, x) cells per second.

    Returns
    -------
    (len(times), y, x) mm/h, NaN where neither field reaches.
    """
    out = _moved(later, times, motion_per_s)
    if earlier is None:
        return out
    span = (later.time - earlier.time).total_seconds()
    if span <= 0:
        raise ConfigError(f"rain at {earlier.time} is not earlier than rain at {later.time}")
    from_earlier = _moved(earlier, times, motion_per_s)
    for k, time in enumerate(times):
        share = np.float32(np.clip((time - earlier.time).total_seconds() / span, 0.0, 1.0))
        a, b = from_earlier[k], out[k]
        both = (1 - share) * a + share * b
        out[k] = np.where(np.isnan(both), np.where(np.isnan(b), a, b), both)
    return out


def _moved(
    field: Instant, times: Sequence[datetime], motion_per_s: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Move a field to each time, forward and backward."""
    seconds = np.array([(t - field.time).total_seconds() for t in times])
    nodes = nodes_of(motion_per_s, _SPACING)
    away = np.zeros((len(times), *nodes.shape), np.float32)
    after = np.flatnonzero(seconds >= 0)
    before = np.flatnonzero(seconds < 0)[::-1]
    for chosen in (after, before):
        away[chosen] = _trajectories(nodes, seconds[chosen])
    out = np.empty((len(times), *field.rate_mm_h.shape), np.float32)
    rate = np.ascontiguousarray(field.rate_mm_h, np.float32)
    _sample_all(rate, away, _SPACING, bool(np.isnan(rate).any()), out)
    return out


def _trajectories(nodes: NDArray[np.float32], seconds: NDArray[np.float64]) -> NDArray[np.float32]:
    """Cells (time, 2, node, node) from each node to where its air came from; midpoint rule."""
    away = np.zeros(nodes.shape, np.float32)
    out = np.empty((len(seconds), *nodes.shape), np.float32)
    still, workspace = np.zeros_like(away), np.empty_like(away)
    substeps = _substeps(seconds) if seconds.size else 1
    for k, part in enumerate(np.diff(seconds, prepend=0.0) / substeps):
        moved = nodes * np.float32(part)
        for _ in range(substeps):
            follow(moved, still, 0.0, 0.0, _SPACING, away, workspace)
        out[k] = away
    return out


@numba.njit(cache=True, parallel=True)
def _sample_all(
    field: NDArray[np.float32],
    away: NDArray[np.float32],
    spacing: int,
    holes: bool,
    out: NDArray[np.float32],
) -> None:
    """Value of a field at the start of every trajectory of every time; missing beyond the edge."""
    for k in numba.prange(len(away)):
        sample(field, away[k], spacing, np.nan, holes, out[k])


def _substeps(steps: NDArray[np.float64]) -> int:
    """Midpoint steps so that none is longer than three minutes."""
    longest = np.abs(np.diff(steps, prepend=0.0)).max()
    return max(1, int(np.ceil(longest / 180.0)))
