"""A joint release plan for the reservoirs of a basin: a linear programme over blocks of time.

Chosen are the mean releases of every reservoir in every block. Balance and routing are linear in
them: volumes are sums, the river at a control point is what flows there anyway plus each release
by its unit response. So the smallest worst stage, in units of what each control point may carry,
is the optimum of a linear programme (HiGHS by scipy), and the constraints whose shadow price is
not zero are the rules that bind. The plan is then run through the real pools and channels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import coo_array

from jinghu.grid.errors import DataError

Array = NDArray[np.float64]
_HM3 = 1e6  # volumes of the programme are in hm3: its numbers stay near 1
_WORST = 1e4  # price of the worst share; the solver's tolerance is 1e-7
_OVER = 1e7  # of a pool filled above its highest volume, over its span
_ABOVE, _BELOW = 1.0, 10.0  # of leaving a pool above or below its target, over its span
_TOP = 1e-5  # of a m3/s of the largest release: evenly, where nothing else decides
_PRICE = 1e-6  # a shadow price above it binds


@dataclass(frozen=True, slots=True)
class PlannedPool:
    """One reservoir of a plan.

    Parameters
    ----------
    id
        Of the reservoir.
    inflow_m3_s
        (block) means.
    start_m3, target_m3, lowest_m3, highest_m3
        Volume now; to be left at the end (flood limit); never below; not above.
    max_release_m3_s, min_release_m3_s
        (block) limits; a pool that lies below its limits releases nothing it must.
    change_m3_s
        Largest change from block to block.
    before_m3_s
        Release before the first block.
    capacity
        (cut, 2) release <= a + b V at the block's start, with the volume in m3: what gates pass.
    """

    id: str
    inflow_m3_s: Array
    start_m3: float
    target_m3: float
    lowest_m3: float
    highest_m3: float
    max_release_m3_s: Array
    min_release_m3_s: Array
    change_m3_s: float
    before_m3_s: float
    capacity: Array


@dataclass(frozen=True, slots=True)
class ControlPoint:
    """A place in the river that must carry little.

    Parameters
    ----------
    id
        Of the gauge.
    safe_m3_s
        What it can carry.
    alone_m3_s
        (step) without any release.
    response
        (pool, block, step) flow there of 1 m3/s released in a block.
    """

    id: str
    safe_m3_s: float
    alone_m3_s: Array
    response: Array


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan.

    Parameters
    ----------
    release_m3_s
        (pool, block).
    worst_share
        Largest flow at any control point over what it can carry.
    binding
        (pool, block) names of the constraints that bind there, most dearly paid first.
    over_m3
        (pool) volume by which a pool exceeds its highest in spite of all.
    """

    release_m3_s: Array
    worst_share: float
    binding: tuple[tuple[tuple[str, ...], ...], ...]
    over_m3: Array


@dataclass(slots=True)
class _Rows:
    """Inequalities A x <= b, collected."""

    row: list[int]
    column: list[int]
    value: list[float]
    bound: list[float]
    label: list[tuple[str, int, int]]  # what, pool (-1: none), block

    def add(
        self, label: tuple[str, int, int], terms: Sequence[tuple[int, float]], b: float
    ) -> None:
        n = len(self.bound)
        for column, value in terms:
            self.row.append(n)
            self.column.append(column)
            self.value.append(value)
        self.bound.append(b)
        self.label.append(label)


def plan_releases(
    pools: Sequence[PlannedPool], points: Sequence[ControlPoint], block_s: float
) -> Plan:
    """Find the releases with the smallest worst flow over what control points can carry.

    Second to that the pools shall not exceed their highest volume (a heavy price), shall come back
    to their targets at the end, and release evenly where nothing else decides.

    Parameters
    ----------
    pools, points
        Reservoirs and control points.
    block_s
        Length of a block.

    Raises
    ------
    DataError
        Where no release satisfies the limits; the solver's word is named.
    """
    n_pool, n_block = len(pools), len(pools[0].inflow_m3_s)
    n_release = n_pool * n_block
    worst = n_release  # then a pool each: above the highest, above the target, below the target
    over, above, below, top = (worst + 1 + k * n_pool for k in range(4))
    n = worst + 1 + 4 * n_pool
    rows = _Rows([], [], [], [], [])
    for k, pool in enumerate(pools):
        _pool_rows(rows, k, pool, block_s, n_block, (over + k, above + k, below + k))
        for j in range(n_block):
            rows.add(("evenly", k, j), [(k * n_block + j, 1.0), (top + k, -1.0)], 0.0)
    for point in points:
        _point_rows(rows, point, worst, n_pool, n_block)
    cost = np.zeros(n)
    cost[worst] = _WORST
    span = np.array([max(p.highest_m3 - p.lowest_m3, 1.0) for p in pools]) / _HM3
    cost[over : over + n_pool] = _OVER / span
    cost[above : above + n_pool] = _ABOVE / span
    cost[below : below + n_pool] = _BELOW / span
    cost[top : top + n_pool] = _TOP
    limits = [
        (float(low), float(max(low, high)))
        for p in pools
        for low, high in zip(p.min_release_m3_s, p.max_release_m3_s, strict=True)
    ]
    a = coo_array((rows.value, (rows.row, rows.column)), shape=(len(rows.bound), n))
    found = linprog(
        cost,
        A_ub=a.toarray(),
        b_ub=np.array(rows.bound),
        bounds=[*limits, *([(0.0, None)] * (n - n_release))],
        method="highs",
    )
    if found.status != 0 or found.x is None:
        raise DataError("release plan", f"no release satisfies the limits: {found.message}")
    release = found.x[:n_release].reshape(n_pool, n_block)
    upper = found.upper.marginals[:n_release].reshape(n_pool, n_block)
    lower = found.lower.marginals[:n_release].reshape(n_pool, n_block)
    binding = _binding(rows, found.ineqlin.marginals, upper, lower)
    return Plan(release, float(found.x[worst]), binding, found.x[over : over + n_pool] * _HM3)


def _pool_rows(
    rows: _Rows,
    k: int,
    pool: PlannedPool,
    block_s: float,
    n_block: int,
    slack: tuple[int, int, int],
) -> None:
    """Volumes, capacity and change of one pool."""
    over, above, below = slack
    first = k * n_block
    natural = pool.start_m3 + np.cumsum(pool.inflow_m3_s) * block_s  # with nothing let out
    let_out = [(first + j, block_s / _HM3) for j in range(n_block)]
    for j in range(n_block):
        so_far = let_out[: j + 1]
        rows.add(("supply", k, j), so_far, max(natural[j] - pool.lowest_m3, 0.0) / _HM3)
        kept = [(c, -v) for c, v in so_far]
        rows.add(
            ("highest-level", k, j), [*kept, (over, -1.0)], (pool.highest_m3 - natural[j]) / _HM3
        )
        start = natural[j] - pool.inflow_m3_s[j] * block_s
        for a, b in pool.capacity:  # Q_j + b sum of earlier releases <= a + b start
            terms = [(first + j, 1.0), *((c, b * v * _HM3) for c, v in let_out[:j])]
            rows.add(("gates-wide-open", k, j), terms, a + b * start)
        if j == 0:
            rows.add(("change", k, j), [(first, 1.0)], pool.before_m3_s + pool.change_m3_s)
            rows.add(("change", k, j), [(first, -1.0)], pool.change_m3_s - pool.before_m3_s)
        else:
            step = [(first + j, 1.0), (first + j - 1, -1.0)]
            rows.add(("change", k, j), step, pool.change_m3_s)
            rows.add(("change", k, j), [(c, -v) for c, v in step], pool.change_m3_s)
    end = (natural[-1] - pool.target_m3) / _HM3
    last = n_block - 1
    rows.add(("flood-limit", k, last), [*[(c, -v) for c, v in let_out], (above, -1.0)], -end)
    rows.add(("flood-limit", k, last), [*let_out, (below, -1.0)], end)


def _point_rows(rows: _Rows, point: ControlPoint, worst: int, n_pool: int, n_block: int) -> None:
    """The flow at a control point over what it can carry is at most the worst."""
    for t, alone in enumerate(point.alone_m3_s):
        terms = [
            (k * n_block + j, float(point.response[k, j, t]) / point.safe_m3_s)
            for k in range(n_pool)
            for j in range(n_block)
            if point.response[k, j, t] != 0.0
        ]
        bound = -float(alone) / point.safe_m3_s
        rows.add((f"downstream {point.id}", -1, t), [*terms, (worst, -1.0)], bound)


def _binding(
    rows: _Rows, price: Array, upper: Array, lower: Array
) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """Names of what binds the release of each pool in each block, by falling shadow price.

    A price on a row counts for the block that the row belongs to; one at a control point counts
    for every release that reaches it then.
    """
    n_pool, n_block = upper.shape
    found: list[list[dict[str, float]]] = [[{} for _ in range(n_block)] for _ in range(n_pool)]

    def count(name: str, k: int, j: int, paid: float) -> None:
        found[k][j][name] = found[k][j].get(name, 0.0) + paid

    for k in range(n_pool):
        for j in range(n_block):
            for name, paid in (("max-release", -upper[k, j]), ("min-release", lower[k, j])):
                if paid > _PRICE:
                    count(name, k, j, float(paid))
    columns: list[list[tuple[int, float]]] = [[] for _ in rows.bound]
    for row, column, value in zip(rows.row, rows.column, rows.value, strict=True):
        columns[row].append((column, value))
    for row, (name, k, j) in enumerate(rows.label):
        paid = -float(price[row])
        if paid <= 0.0:
            continue
        if k >= 0:
            own = max((abs(v) for c, v in columns[row] if c == k * n_block + j), default=1.0)
            if paid * own > _PRICE:
                count(name, k, j, paid * own)
            continue
        for column, value in columns[row]:
            if column < n_pool * n_block and paid * value > _PRICE:
                count(name, column // n_block, column % n_block, paid * value)
    return tuple(
        tuple(tuple(sorted(one, key=lambda name: -one[name])) for one in pool) for pool in found
    )
