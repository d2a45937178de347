"""Kernels of Xin'anjiang: rows of units, float64; every store gives and takes what another has.

Sixteen units go side by side in rows at constant distances of one array, so that loops over them
become vector instructions: conditions are ternaries, powers are `jinghu.hydro.powers`. Evaporation
and the hillslopes are worked out for all; the curves of the stores, which cost most, only for units
where rain is left after evaporation, gathered from a block of them, slice by slice of their rain.
"""

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.powers import LEAST, power

Array = NDArray[np.float64]

SLICE_MM = 5.0
"""Net rain in one step of the stores; the curves are steep."""
N_STORES = 7

_LANES = 16
_GROUPS = 16  # in a block: rain and runoff of 256 units lie side by side
_DRY = 1e-30  # mm; so little leaves at once (its shares would underflow)
_FAST = {"contract", "nsz", "nnan"}

# Rows of a group: the stores in their order, the step, what the free store gave.
_UPPER, _LOWER, _DEEP, _FREE, _SURFACE, _INTERFLOW, _GROUND = (i * _LANES for i in range(7))
_RAIN, _EVAPORATED, _NET, _OVER, _ASIDE, _BELOW = (i * _LANES for i in range(7, 13))
_ROWS = 13
# Rows of gathered units that differ: net rain of a slice, shares, and values on the way.
_SHARE_ASIDE, _SHARE_BELOW = _SURFACE, _INTERFLOW
_WAY, _LEFT, _AREA = _GROUND, _RAIN, _EVAPORATED


@numba.njit(error_model="numpy", fastmath=_FAST)
def _evapotranspire(w: Array, group: int, potential: float, lm: float, c: float) -> int:
    """Three-layer evapotranspiration; how many units have rain left after it.

    It takes what the rain does not cover out of the stores.
    """
    wet = 0
    for k in range(_LANES):
        rain, upper = w[group, _RAIN + k], w[group, _UPPER + k]
        lower, deep = w[group, _LOWER + k], w[group, _DEEP + k]
        left = upper + rain - potential
        covered = left >= 0.0
        demand = 0.0 if covered else -left
        moist = lower >= c * lm
        from_lower = demand * lower * (1.0 / lm) if moist else c * demand
        from_lower = from_lower if from_lower < lower else lower
        from_deep = 0.0 if moist else c * demand - lower
        from_deep = from_deep if from_deep > 0.0 else 0.0
        from_deep = from_deep if from_deep < deep else deep
        evaporated = potential if covered else upper + rain + from_lower + from_deep
        left = left if covered else 0.0
        net = rain - evaporated
        w[group, _UPPER + k] = upper if rain >= potential else left
        w[group, _LOWER + k] = lower - from_lower
        w[group, _DEEP + k] = deep - from_deep
        w[group, _EVAPORATED + k] = evaporated
        w[group, _NET + k] = net
        w[group, _OVER + k] = 0.0
        w[group, _ASIDE + k] = 0.0
        w[group, _BELOW + k] = 0.0
        wet += net > 0.0
    return wet


@numba.njit(error_model="numpy", fastmath=_FAST)
def _raise(w: Array, per_mm: float, exponent: float) -> None:
    """Row `_WAY` less the net rain times ``per_mm``, raised to a power; from below 0 as from 0."""
    for k in range(_LANES):
        base = w[_WAY + k] - w[_NET + k] * per_mm
        w[_WAY + k] = power(base if base > LEAST else LEAST, exponent)


@numba.njit(error_model="numpy", fastmath=_FAST)
def _infiltrate(w: Array, um: float, lm: float, wm: float, b: float, sm: float, ex: float) -> None:
    """One slice of net rain (row `_NET`) into the tension and free stores, and out of the latter.

    With d the share of the capacity that is not filled, the curve's ordinate over its top is
    1 - d^(1 / (1 + b)), and d after the rain is the power 1 + b of what is left of that.
    """
    for k in range(_LANES):
        room = wm - (w[_UPPER + k] + w[_LOWER + k] + w[_DEEP + k])
        w[_LEFT + k] = room
        w[_WAY + k] = room / wm
    _raise(w, 0.0, 1.0 / (1.0 + b))
    _raise(w, 1.0 / (wm * (1.0 + b)), 1.0 + b)
    for k in range(_LANES):
        net = w[_NET + k]
        stored = w[_LEFT + k] - wm * w[_WAY + k]
        stored = stored if stored > 0.0 else 0.0
        stored = stored if stored < net else net
        upper = um - w[_UPPER + k]
        upper = upper if upper < stored else stored
        lower = lm - w[_LOWER + k]
        lower = lower if lower < stored - upper else stored - upper
        w[_UPPER + k] += upper
        w[_LOWER + k] += lower
        w[_DEEP + k] += stored - upper - lower
        r = net - stored
        area = r / net if r > 0.0 else 1.0
        w[_LEFT + k], w[_AREA + k] = r, area
        w[_WAY + k] = 1.0 - w[_FREE + k] / area * (1.0 / sm)
    _raise(w, 0.0, 1.0 / (1.0 + ex))
    _raise(w, 1.0 / (sm * (1.0 + ex)), 1.0 + ex)
    for k in range(_LANES):
        full = w[_FREE + k] + w[_LEFT + k]
        over = full - sm * (1.0 - w[_WAY + k]) * w[_AREA + k]
        over = over if over > 0.0 else 0.0
        over = over if over < full else full
        over = over if w[_LEFT + k] > 0.0 else 0.0
        free, aside, below = full - over, w[_SHARE_ASIDE + k], w[_SHARE_BELOW + k]
        w[_OVER + k] = over
        w[_ASIDE + k] = aside * free
        w[_BELOW + k] = below * free
        w[_FREE + k] = free * (1.0 - aside - below)


@numba.njit(error_model="numpy", fastmath=_FAST)
def _recede(
    w: Array, group: int, potential: float, aside: float, below: float, p: tuple[float, ...]
) -> None:
    """Outflow of the free stores of units without net rain, of hillslopes and groundwater."""
    im, cs, ci, cg = p
    for k in range(_LANES):
        rain, free = w[group, _RAIN + k], w[group, _FREE + k]
        wet, dry = w[group, _NET + k] > 0.0, free < _DRY
        interflow = w[group, _ASIDE + k] if wet else aside * free
        ground = free - aside * free if dry else below * free
        ground = w[group, _BELOW + k] if wet else ground
        rest = 0.0 if dry else free * (1.0 - aside - below)
        w[group, _FREE + k] = free if wet else rest
        # Impervious ground holds nothing: it evaporates from the rain alone.
        sealed = rain if rain < potential else potential
        over = (1.0 - im) * w[group, _OVER + k] + im * (rain - sealed)
        over += w[group, _SURFACE + k]
        interflow = w[group, _INTERFLOW + k] + (1.0 - im) * interflow
        ground = w[group, _GROUND + k] + (1.0 - im) * ground
        keep_over = cs if over > _DRY else 0.0
        keep_interflow = ci if interflow > _DRY else 0.0
        keep_ground = cg if ground > _DRY else 0.0
        w[group, _SURFACE + k] = keep_over * over
        w[group, _INTERFLOW + k] = keep_interflow * interflow
        w[group, _GROUND + k] = keep_ground * ground
        w[group, _EVAPORATED + k] = (1.0 - im) * w[group, _EVAPORATED + k] + im * sealed
        w[group, _RAIN + k] = (
            (1.0 - keep_over) * over
            + (1.0 - keep_interflow) * interflow
            + (1.0 - keep_ground) * ground
        )


@numba.njit(error_model="numpy")
def _absorb(
    w: Array,
    wet: NDArray[np.int64],
    count: int,
    slices: NDArray[np.int64],
    shares: Array,
    g: Array,
    p: Array,
) -> None:
    """Net rain of the first ``count`` units named in ``wet`` (overwritten), slice by slice."""
    um, lm, wm, b, sm, ex = p[1], p[2], p[1] + p[2] + p[3], p[4], p[7], p[8]
    part = 1
    while count > 0:
        more = 0
        for start in range(0, count, _LANES):
            n = min(_LANES, count - start)
            for k in range(n):
                unit = wet[start + k]
                q, j, parts = unit // _LANES, unit % _LANES, slices[unit]
                g[_UPPER + k], g[_LOWER + k] = w[q, _UPPER + j], w[q, _LOWER + j]
                g[_DEEP + k], g[_FREE + k] = w[q, _DEEP + j], w[q, _FREE + j]
                g[_NET + k] = w[q, _NET + j] / parts
                g[_SHARE_ASIDE + k], g[_SHARE_BELOW + k] = shares[parts, 0], shares[parts, 1]
            _infiltrate(g, um, lm, wm, b, sm, ex)
            for k in range(n):
                unit = wet[start + k]
                q, j = unit // _LANES, unit % _LANES
                w[q, _UPPER + j], w[q, _LOWER + j] = g[_UPPER + k], g[_LOWER + k]
                w[q, _DEEP + j], w[q, _FREE + j] = g[_DEEP + k], g[_FREE + k]
                w[q, _OVER + j] += g[_OVER + k]
                w[q, _ASIDE + j] += g[_ASIDE + k]
                w[q, _BELOW + j] += g[_BELOW + k]
                wet[more] = unit
                more += slices[unit] > part
        part += 1
        count = more


@numba.njit(error_model="numpy")
def _slice_shares(ki: float, kg: float, slices_a_day: float) -> tuple[float, float]:
    """Outflow shares of the free store in one slice, from the daily ones."""
    total = 1.0 - (1.0 - (ki + kg)) ** (1.0 / slices_a_day)
    ground = total * kg / (ki + kg)
    return total - ground, ground


@numba.njit(error_model="numpy")
def _step(
    w: Array,
    rain: Array,
    runoff: Array,
    evaporation: Array,
    wet: NDArray[np.int64],
    slices: NDArray[np.int64],
    shares: Array,
    g: Array,
    potential: float,
    p: Array,
) -> None:
    """One step of the units of a block, (unit,) each."""
    units = len(rain)
    count = int(np.int64(0))  # a literal would have `_absorb` compiled for it
    groups = (units + _LANES - 1) // _LANES
    for q in range(groups):
        first = q * _LANES
        n = min(_LANES, units - first)
        for k in range(n):
            w[q, _RAIN + k] = rain[first + k]
        if _evapotranspire(w, q, potential, p[2], p[6]) > 0:
            for k in range(n):
                net = w[q, _NET + k]
                slices[first + k] = int(np.ceil(net * (1.0 / SLICE_MM)))
                wet[count] = first + k
                count += net > 0.0
    _absorb(w, wet, count, slices, shares, g, p)
    rest = p[5], p[11], p[12], p[13]
    for q in range(groups):
        first = q * _LANES
        _recede(w, q, potential, shares[1, 0], shares[1, 1], rest)
        for k in range(min(_LANES, units - first)):
            runoff[first + k] = w[q, _RAIN + k]
            evaporation[first + k] = w[q, _EVAPORATED + k]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def run_units(
    rain: Array,
    pan: Array,
    most_mm: float,
    p: Array,
    stores: Array,
    runoff: Array,
    evaporation: Array,
) -> None:
    """Run the model over a sequence of rain.

    Parameters
    ----------
    rain
        (time, unit) mm in each step, finite and not negative.
    pan
        (time,) evaporation of a pan in each step, mm.
    most_mm
        Most rain in any step.
    p
        K, UM, LM, DM, B, IM, C, SM, EX, daily KI and KG, recessions of hillslopes, interflow and
        groundwater in a step, steps in a day.
    stores
        (unit, store) mm, updated.
    runoff, evaporation
        (time, unit) mm, filled in.
    """
    n_units = rain.shape[1]
    shares = np.zeros((int(np.ceil(most_mm / SLICE_MM)) + 2, 2))
    for count in range(1, len(shares)):
        shares[count, 0], shares[count, 1] = _slice_shares(p[9], p[10], p[14] * count)
    block = _GROUPS * _LANES
    g = np.zeros(_ROWS * _LANES)
    wet, slices = np.zeros(block, np.int64), np.zeros(block, np.int64)
    for start in range(0, n_units, block):
        units = min(block, n_units - start)
        w = np.zeros((_GROUPS, _ROWS * _LANES))
        for unit in range(units):
            for store in range(N_STORES):
                w[unit // _LANES, store * _LANES + unit % _LANES] = stores[start + unit, store]
        for t in range(len(rain)):
            _step(
                w,
                rain[t, start : start + units],
                runoff[t, start : start + units],
                evaporation[t, start : start + units],
                wet,
                slices,
                shares,
                g,
                p[0] * pan[t],
                p,
            )
        for unit in range(units):
            for store in range(N_STORES):
                stores[start + unit, store] = w[unit // _LANES, store * _LANES + unit % _LANES]
