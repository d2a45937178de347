"""Level pool: dV/dt = I - Q(H) on tables, solved without iteration, exact in volume.

Volume, capacity of the gates and uncontrolled spill are linear between the levels of one table, so
the balance of an implicit step is linear between them too: the interval is found by bisection, the
level in it by division. With weight 1/2 this is modified Puls (storage indication).
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from jinghu.grid.errors import DataError
from jinghu.hydro.policy_rows import Kind, PolicyRows, no_rules

Array = NDArray[np.float64]
PULS = 0.5  # weight of the end of the step: modified Puls
# Members of an enum are no constants to the compiler.
_AT_MOST, _RISE, _FALL = int(Kind.AT_MOST), int(Kind.RISE), int(Kind.FALL)
_AIM_VOLUME, _AIM_RELEASE = int(Kind.AIM_VOLUME), int(Kind.AIM_RELEASE)


@dataclass(frozen=True, slots=True)
class PoolTable:
    """Tables of one pool on common levels, lowest first.

    Parameters
    ----------
    name
        For messages.
    level_m, volume_m3
        (level,) both ascending.
    gates_m3_s
        (level,) what the gates can pass, wide open.
    spill_m3_s
        (level,) what passes uncontrolled.
    """

    name: str
    level_m: Array
    volume_m3: Array
    gates_m3_s: Array
    spill_m3_s: Array

    def __post_init__(self) -> None:
        """Refuse tables on which a level could not be found."""
        tables = (self.level_m, self.volume_m3, self.gates_m3_s, self.spill_m3_s)
        if len({len(t) for t in tables}) > 1 or len(self.level_m) < 2:
            raise DataError(self.name, "tables need at least two levels, all the same")
        if not all(np.isfinite(t).all() for t in tables):
            raise DataError(self.name, "a table holds a value that is not finite")
        for what, values in (("levels", self.level_m), ("volumes", self.volume_m3)):
            if (bad := np.flatnonzero(np.diff(values) <= 0)).size:
                raise DataError(self.name, f"{what} do not ascend after {values[bad[0]]:g}")
        for what, values in (("gates", self.gates_m3_s), ("spill", self.spill_m3_s)):
            if values[0] < 0 or (np.diff(values) < 0).any():
                raise DataError(self.name, f"the rating of the {what} falls or is negative")

    @property
    def stacked(self) -> Array:
        """(4, level) for the kernels."""
        return np.stack([self.level_m, self.volume_m3, self.gates_m3_s, self.spill_m3_s])

    def volume(self, level_m: ArrayLike) -> Array:
        """Volume in m3 at a level; DataError outside the table."""
        return self._looked_up(level_m, self.level_m, self.volume_m3, "level", "m")

    def level(self, volume_m3: ArrayLike) -> Array:
        """Level in m at a volume; DataError outside the table."""
        return self._looked_up(volume_m3, self.volume_m3, self.level_m, "volume", "m3")

    def _looked_up(self, value: ArrayLike, x: Array, y: Array, what: str, unit: str) -> Array:
        values = np.asarray(value, np.float64)
        outside = ~((values >= x[0]) & (values <= x[-1]))
        if outside.any():
            raise DataError(
                self.name,
                f"{what} {values[outside].flat[0]:g} {unit} is outside the table"
                f" ({x[0]:g} to {x[-1]:g} {unit})",
            )
        return np.asarray(np.interp(values, x, y))


@dataclass(frozen=True, slots=True)
class PoolRun:
    """A pool over time: all (time, member), at or over the step that ends at the time.

    Parameters
    ----------
    level_m, volume_m3
        At the end of the step.
    release_m3_s, spill_m3_s
        Means over the step: through the gates, and uncontrolled.
    bound
        Row of the policy that set the release, or a `Bound`.
    above_m
        Highest level beyond the table, 0 where none is.
    """

    level_m: Array
    volume_m3: Array
    release_m3_s: Array
    spill_m3_s: Array
    bound: NDArray[np.int64]
    above_m: float

    @property
    def outflow_m3_s(self) -> Array:
        """Mean outflow over the step."""
        return np.asarray(self.release_m3_s + self.spill_m3_s)


@numba.njit(cache=True, error_model="numpy")
def _segment(x: Array, value: float) -> int:
    """Interval of an ascending table that holds a value; the last one beyond its end."""
    return min(max(int(np.searchsorted(x, value, side="right")) - 1, 0), len(x) - 2)


@numba.njit(cache=True, error_model="numpy")
def _at(x: Array, y: Array, value: float) -> float:
    """Linear table, continued beyond its ends by its outer intervals."""
    k = _segment(x, value)
    return float(y[k] + (value - x[k]) * (y[k + 1] - y[k]) / (x[k + 1] - x[k]))


@numba.njit(cache=True, error_model="numpy")
def pool_step(
    table: Array, volume: float, inflow: float, wanted: float, dt: float, weight: float
) -> tuple[float, float, float, float]:
    """One step of a pool.

    Parameters
    ----------
    table
        (4, level): `PoolTable.stacked`.
    volume
        m3 at the start.
    inflow, wanted
        m3/s over the step: what comes, what shall be released; infinite opens all gates.
    dt
        s.
    weight
        Of the end of the step in the outflow: 1/2 to 1.

    Returns
    -------
    Level and volume at the end, release through the gates, uncontrolled spill (means, m3/s).
    """
    h, v, gates, spill = table[0], table[1], table[2], table[3]
    start = _at(v, h, volume)
    before_gates = (1.0 - weight) * max(_at(h, gates, start), 0.0)
    before_spill = (1.0 - weight) * max(_at(h, spill, start), 0.0)
    water = volume + dt * inflow
    low, high = -1, len(h) - 1  # the last knot at which less water is needed than there is
    while high - low > 1:
        middle = (low + high) // 2
        out = min(wanted, before_gates + weight * gates[middle])
        if v[middle] + dt * (out + before_spill + weight * spill[middle]) <= water:
            low = middle
        else:
            high = middle
    if low < 0:  # even the lowest level needs more: what there is above it flows out
        out = max(water - v[0], 0.0) / dt
        released = min(out, wanted)
        return h[0], water - dt * out, released, out - released
    low = min(low, len(h) - 2)
    rise = h[low + 1] - h[low]
    dv, dg, ds = v[low + 1] - v[low], gates[low + 1] - gates[low], spill[low + 1] - spill[low]
    at_spill = before_spill + weight * spill[low]
    at_gates = before_gates + weight * gates[low]
    # Where the gates pass what is wanted, and where they do not: the less water leaves, the higher.
    limited = (water - v[low] - dt * (at_gates + at_spill)) / (dv + dt * weight * (dg + ds))
    share = limited
    if np.isfinite(wanted):
        as_wanted = (water - v[low] - dt * (wanted + at_spill)) / (dv + dt * weight * ds)
        share = max(as_wanted, limited)
    release = min(wanted, at_gates + weight * dg * share)
    over = at_spill + weight * ds * share
    end = water - dt * (release + over)
    return h[low] + share * rise, end, release, over


@numba.njit(cache=True, error_model="numpy")
def choose_release(
    volume: float,
    inflow: float,
    before: float,
    dt: float,
    tops: Array,
    zones: NDArray[np.int64],
    kind: NDArray[np.int64],
    value: Array,
    hours: Array,
) -> tuple[float, int]:
    """Release wanted over a step, and which row set it.

    Rows of the pool's zone are heard in their order; a later one is held within what earlier ones
    allow. The first aim of the zone is followed as far as the limits let it.

    Parameters
    ----------
    volume, inflow, before
        m3 at the start, m3/s over the step, and the last release in m3/s.
    dt
        s.
    tops, zones, kind, value, hours
        `PolicyRows` at this step.
    """
    here = 0
    while here < len(tops) - 1 and volume >= tops[here]:
        here += 1
    low, high, wanted = 0.0, np.inf, -1.0
    low_by, high_by, aim = -1, -1, -1
    for row in range(len(zones)):
        if (zones[row] >> here) & 1 == 0:
            continue
        what, x = kind[row], value[row]
        if what in (_AIM_VOLUME, _AIM_RELEASE):
            if aim < 0 and not np.isnan(x):
                aim = row
                span = max(hours[row] * 3600.0, dt)
                wanted = max(inflow + (volume - x) / span, 0.0) if what == _AIM_VOLUME else x
            continue
        if what == _RISE:
            x = before + x * dt
        elif what == _FALL:
            x = before - x * dt
        if what in (_AT_MOST, _RISE):
            if x < high:
                high, high_by = max(x, low), row
        elif x > low:
            low, low_by = min(x, high), row
    if aim < 0:
        wanted = 0.0
    if wanted < low:
        return low, low_by
    if wanted > high:
        return high, high_by
    return wanted, aim


@numba.njit(cache=True, error_model="numpy")
def sweep_pool(
    table: Array,
    volume: Array,
    release: Array,
    inflow: Array,
    dt: float,
    weight: float,
    tops: Array,
    zones: NDArray[np.int64],
    kind: NDArray[np.int64],
    value: Array,
    hours: Array,
) -> tuple[Array, Array, Array, Array, NDArray[np.int64], float]:
    """Run a pool by its rules; (time, member) out. Updates volume and release (member)."""
    n_time, n_member = inflow.shape
    levels = np.empty((n_time, n_member))
    volumes, released, spilled = np.empty_like(levels), np.empty_like(levels), np.empty_like(levels)
    bound = np.empty((n_time, n_member), np.int64)
    same, same_zone, above = value.shape[2] == 1, tops.shape[0] == 1, 0.0
    for t in range(n_time):
        for m in range(n_member):
            wanted, by = choose_release(
                volume[m],
                inflow[t, m],
                release[m],
                dt,
                tops[0 if same_zone else t],
                zones,
                kind,
                value[:, t, 0 if same else m],
                hours,
            )
            level, volume[m], let, over = pool_step(
                table, volume[m], inflow[t, m], wanted, dt, weight
            )
            if let < wanted * (1.0 - 1e-12):
                by = -3 if level <= table[0, 0] else -2  # EMPTY, CAPACITY
            release[m] = let
            levels[t, m], volumes[t, m] = level, volume[m]
            released[t, m], spilled[t, m], bound[t, m] = let, over, by
            above = max(above, level - table[0, -1])
    return levels, volumes, released, spilled, bound, above


def run_pool(
    table: PoolTable,
    inflow_m3_s: Array,
    volume_m3: ArrayLike,
    step_s: float,
    policy: PolicyRows | None = None,
    *,
    release_m3_s: ArrayLike = 0.0,
    weight: float = PULS,
    extrapolate: bool = False,
) -> PoolRun:
    """Run a pool from a volume under an inflow.

    Parameters
    ----------
    table
        Of the pool.
    inflow_m3_s
        (time, member) means over the steps; may be negative where evaporation exceeds the inflow.
    volume_m3, release_m3_s
        (member,) or one number: at the start; the release of the step before.
    step_s
        s.
    policy
        Rules; without them the pool only spills.
    weight
        Of the end of the step in the outflow: 1/2 (modified Puls) to 1 (implicit).
    extrapolate
        Whether levels above the table continue its last interval; `PoolRun.above_m` tells how far.

    Raises
    ------
    DataError
        Names the pool: inflow not finite, a volume below its table, or a level above it where it
        is not to be extrapolated.
    """
    inflow = np.asarray(inflow_m3_s, np.float64)
    if inflow.ndim != 2 or not np.isfinite(inflow).all():
        raise DataError(table.name, f"inflow {inflow.shape} is not (time, member) or not finite")
    n_time, n_member = inflow.shape
    rows = no_rules(n_time) if policy is None else policy
    if rows.value.shape[1] != n_time:
        raise DataError(table.name, f"rules for {rows.value.shape[1]} steps, {n_time} of inflow")
    volume = np.broadcast_to(np.asarray(volume_m3, np.float64), n_member).copy()
    if (volume < table.volume_m3[0] * (1.0 - 1e-12)).any() or not np.isfinite(volume).all():
        raise DataError(table.name, f"volume {volume.min():g} m3 is below the table")
    release = np.broadcast_to(np.asarray(release_m3_s, np.float64), n_member).copy()
    found = PoolRun(
        *sweep_pool(
            table.stacked,
            volume,
            release,
            np.ascontiguousarray(inflow),
            step_s,
            weight,
            rows.zone_top_m3,
            rows.zones,
            rows.kind,
            np.ascontiguousarray(rows.value, np.float64),
            rows.hours,
        )
    )
    if found.above_m > 0 and not extrapolate:
        step = int(np.argmax((found.level_m > table.level_m[-1]).any(axis=1)))
        raise DataError(
            table.name,
            f"level {found.level_m[step].max():.2f} m in step {step} is above the table, which"
            f" ends at {table.level_m[-1]:g} m: extend it, or state that it is extrapolated",
        )
    return found
