"""Rain between two analyses: both moved along the motion and faded into one another.

Nielsen et al. 2014, Atmos. Res. 140-141, 49-56: without it, fast rain accumulates in fish bones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.advection import advect
from jinghu.grid.errors import ConfigError


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
    out = np.empty((len(times), *field.rate_mm_h.shape), np.float32)
    after = np.flatnonzero(seconds >= 0)
    before = np.flatnonzero(seconds < 0)[::-1]
    for chosen in (after, before):
        if chosen.size:
            steps = seconds[chosen]
            out[chosen] = advect(field.rate_mm_h, motion_per_s, steps, substeps=_substeps(steps))
    return out


def _substeps(steps: NDArray[np.float64]) -> int:
    """Midpoint steps so that none is longer than three minutes."""
    longest = np.abs(np.diff(steps, prepend=0.0)).max()
    return max(1, int(np.ceil(longest / 180.0)))
