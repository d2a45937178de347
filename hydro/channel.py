"""Kernels of the channels: rows of members, float64; every method keeps its water to rounding.

The channel is a wide rectangle: flow area A = Q^0.6 / a with a = (sqrt(S0) / n)^0.6 B^-0.4, so a
reach of length dx holds A dx. Discharges and storages are in m3/s (a storage is a volume over the
step dt), ``kc = a dt / dx``, ``kd = dt / (B S0 dx^2)``.

A kernel works on one flat array ``w`` of rows of `LANES` numbers, one a member: at constant
distances in one array the compiler sees that rows do not overlap, and turns the loops into vector
instructions. Short loops, one after the other, let the processor work on several rows at once.
Conditions are written as ternaries, powers as roots seeded from the bits of the exponent.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LANES = 32
"""Members in a row: eight vectors of four doubles."""
ROWS = 13
STORAGE = 0
OUTFLOW = LANES
LATERAL = 2 * LANES
INFLOW = 3 * LANES
"""Inflow at the end of the step."""
MEAN = 4 * LANES
"""Mean inflow over the step before a kernel, mean outflow after it."""
BEFORE = 5 * LANES
"""Inflow at the start of the step (linear Muskingum alone, whose inflow is in no row)."""
_WATER = 5 * LANES
_THETA = 6 * LANES
_SHARE = 7 * LANES
_CUBIC = 8 * LANES
_RIGHT = 9 * LANES
ROOT = 10 * LANES
"""Fifth root of the outflow at the start of the step, or 0 (kinematic wave alone)."""
_REST = 11 * LANES
_CELERITY = 12 * LANES

_HIGH = np.uint64(32)
_THIRD = np.uint64(0x55555555)  # 2^32 / 3: times the high half of the bits it divides them by 3
_FIFTH = np.uint64(0x33333333)
_ONE = np.uint64(1023 << 52)  # bits of 1.0
_TO_THIRD = np.uint64(int(2 / 3 * (1023 << 52)))
_TO_FIFTH = np.uint64(int(4 / 5 * (1023 << 52)))
_TO_MINUS_THIRD = np.uint64(int(4 / 3 * ((1023 << 52) - 0.043 * (1 << 52))))
_NEAR = 2e-5  # from a root so near, the next step of Halley's method is 1e-13 off
_LEAST_ROOT = 1e-12
_DRY = 1e-30  # m3/s; less does not flow (and its powers would underflow)
_DRY_STORAGE = 1e-24
_MAX_SHARE = 9.5  # 1 - X, so D <= 18: chosen where the seven channel cases fit best
_FAST = {"contract", "nsz"}


@numba.njit(inline="always", error_model="numpy")
def _bits(value: float) -> np.uint64:
    return np.float64(value).view(np.uint64)


@numba.njit(inline="always", error_model="numpy")
def _number(bits: np.uint64) -> float:
    return np.uint64(bits).view(np.float64)


@numba.njit(inline="always", error_model="numpy", fastmath=_FAST)
def _minus_third_power(x: float) -> float:
    """Return x^(-1/3) to 2e-4: enough for coefficients, and no division."""
    r = _number(_TO_MINUS_THIRD - (_bits(x) >> _HIGH) * _THIRD)
    e = 1.0 - r * r * (r * x)
    return r + r * e * (1.0 / 3.0 + e * (2.0 / 9.0))


@numba.njit(inline="always", error_model="numpy", fastmath=_FAST)
def _halley(w: Array, lanes: int, steps: int) -> None:
    """Refine the roots u of ``cubic u^3 + theta u^5 = right``: the error is cubed in a step."""
    for _ in range(steps):
        for k in range(lanes):
            u = w[ROOT + k]
            u2 = u * u
            a = w[_CUBIC + k] * u2
            b = w[_THETA + k] * u2 * u2
            f = (a + b) * u - w[_RIGHT + k]
            slope = 3.0 * a + 5.0 * b
            su = slope * u
            w[ROOT + k] = u - f * su / (slope * su - f * (2.0 * slope - 3.0 * a))


@numba.njit(inline="always", error_model="numpy", fastmath=_FAST)
def cunge_rows(w: Array, lanes: int, kc: float, kd: float) -> None:
    """One step of mass-exact nonlinear Muskingum-Cunge.

    The reach stores what uniform flow of the weighted discharge ``w = X I1 + (1 - X) O1`` stores;
    the balance is ``S1 = S0 + Ibar + q - Obar`` with ``Obar = th O1 + (1 - th) O0``, and both O1
    and Obar go to the next reach. What stays is taken from the balance, so no limit and no error
    of the root can lose water.

    The Courant number C and the cell Reynolds number D (Cunge 1969; Ponce & Yevjevich 1978) are
    taken at the discharge that the storage at mid-step tells. X makes the numerical diffusion
    that of the flood, which depends on the slope of its surface: with e = D (I - O) / Q, the
    normal discharge is Q / sqrt(1 + e), so D counts times 2 / (s (1 + s)), s = sqrt(1 + e), here
    by its Pade approximant. Theta rises above 1/2 where the wave crosses more than the reach.

    Parameters
    ----------
    w
        Rows `STORAGE`, `OUTFLOW` (state, updated), `LATERAL`, `INFLOW`, `MEAN` (inflow over the
        step in, outflow out), all m3/s.
    lanes
        Members in use.
    kc, kd
        See the module.
    """
    cubic = 1.0 / kc
    c_celerity, c_inverse, c_diffusion = 5.0 / 3.0 * kc, 0.6 * cubic, 0.3 * kd * cubic
    for k in range(lanes):
        added = w[MEAN + k] + w[LATERAL + k]
        x = kc * (w[STORAGE + k] + 0.5 * (added - w[OUTFLOW + k]))
        w[_WATER + k] = w[STORAGE + k] + added
        x = x if x > _DRY_STORAGE else _DRY_STORAGE
        r = _minus_third_power(x)
        w[_CUBIC + k] = x
        w[_CELERITY + k] = r
        w[ROOT + k] = x * r * r
    for k in range(lanes):
        r = w[_CELERITY + k]
        inverse = c_inverse * (r * r)  # 1 / C
        e = kd * inverse * (w[MEAN + k] - w[OUTFLOW + k])
        e = e if e < 3.0 else 3.0
        steep = e < -0.75
        w[_RIGHT + k] = (1.875 if steep else 12.0 + e) / (-e if steep else 12.0 + 10.0 * e)
        w[_REST + k] = inverse
    for k in range(lanes):
        x, inverse = w[_CUBIC + k], w[_REST + k]
        share = 0.5 + (c_diffusion * x) * w[_RIGHT + k]  # 1 - X
        courant = c_celerity * (x * w[_CELERITY + k])
        theta = 1.0 - share * inverse
        theta = theta if theta > 0.5 else 0.5
        share = share - courant * (theta - 0.5)
        least = 1.0 - theta * courant
        share = share if share < _MAX_SHARE else _MAX_SHARE
        share = share if share > 0.5 else 0.5
        w[_SHARE + k] = share if share > least else least
        w[_THETA + k] = theta
    for k in range(lanes):
        share, theta = w[_SHARE + k], w[_THETA + k]
        rest = w[_WATER + k] - (1.0 - theta) * w[OUTFLOW + k]
        over = rest < 0.0  # more would leave than there is: fully implicit cannot overdraw
        rest = w[_WATER + k] if over else rest
        theta = 1.0 if over else theta
        a = share * cubic
        right = share * rest + theta * ((1.0 - share) * w[INFLOW + k])
        right = right if right > _DRY else _DRY
        w[_THETA + k], w[_CUBIC + k], w[_RIGHT + k], w[_REST + k] = theta, a, right, rest
        # The root is at most the smaller of those of the two terms alone, at least 0.86 of it.
        high = _bits(right) + _ONE
        third = _number(((high - _bits(a)) >> _HIGH) * _THIRD + _TO_THIRD)
        fifth = _number(((high - _bits(theta)) >> _HIGH) * _FIFTH + _TO_FIFTH)
        top = third if third < fifth else fifth
        low = 0.84 * top
        top = 1.04 * top
        u = w[ROOT + k]
        u = u if u > low else low
        w[ROOT + k] = u if u < top else top
    _halley(w, lanes, 2)
    for k in range(lanes):
        u, share, theta, rest = w[ROOT + k], w[_SHARE + k], w[_THETA + k], w[_REST + k]
        u2 = u * u
        end = (u2 * u2 * u - (1.0 - share) * w[INFLOW + k]) / share
        end = end if end > _DRY else 0.0
        out = theta * end
        over = out > rest
        end = rest if over else end
        left = rest - (theta * rest if over else out)
        w[STORAGE + k] = left
        w[OUTFLOW + k] = end
        w[MEAN + k] = w[_WATER + k] - left


@numba.njit(inline="always", error_model="numpy", fastmath=_FAST)
def _kinematic_halley(u: float, cubic: float, right: float) -> float:
    """One step towards the root of ``cubic u^3 + u^5 = right``."""
    u = u if u > _LEAST_ROOT else _LEAST_ROOT
    u2 = u * u
    a = cubic * u2
    slope = 3.0 * a + 5.0 * (u2 * u2)
    f = (a + u2 * u2) * u - right
    return u - f * (slope * u) / (slope * (slope * u) - f * (2.0 * slope - 3.0 * a))


@numba.njit(error_model="numpy", fastmath=_FAST)
def _kinematic_afresh(w: Array, lanes: int, cubic: float) -> None:
    """Roots of members marked in row `_REST`, from the smaller of those of either term alone."""
    for k in range(lanes):
        right = w[_RIGHT + k]
        third = _number(((_bits(right) + _ONE - _bits(cubic)) >> _HIGH) * _THIRD + _TO_THIRD)
        fifth = _number((_bits(right) >> _HIGH) * _FIFTH + _TO_FIFTH)
        u = third if third < fifth else fifth
        u = _kinematic_halley(_kinematic_halley(u, cubic, right), cubic, right)
        u = _kinematic_halley(u, cubic, right)
        w[ROOT + k] = u if w[_REST + k] > 0.0 else w[ROOT + k]


@numba.njit(inline="always", error_model="numpy", fastmath=_FAST)
def kinematic_rows(w: Array, lanes: int, kc: float) -> None:
    """One implicit kinematic step: ``O1 + O1^0.6 / kc = S0 + I1 + q``.

    Chow, Maidment & Mays 1988, section 9.6. Rows as in `cunge_rows`, without `MEAN`: what passes
    in the step is what passes at its end. The root of the step before (row `ROOT`, 0 where there
    is none) is two steps of Halley's method from that of this one, but where a front comes in.
    """
    cubic, missed = 1.0 / kc, 0
    for k in range(lanes):
        water = w[STORAGE + k] + w[INFLOW + k] + w[LATERAL + k]
        right = water if water > _DRY else _DRY
        w[_WATER + k], w[_RIGHT + k] = water, right
        w[ROOT + k] = _kinematic_halley(w[ROOT + k], cubic, right)
    for k in range(lanes):
        once = w[ROOT + k]
        twice = _kinematic_halley(once, cubic, w[_RIGHT + k])
        miss = not abs(twice - once) <= _NEAR * twice  # also where the root before was none
        missed += miss
        w[ROOT + k], w[_REST + k] = twice, 1.0 if miss else 0.0
    if missed > 0:
        _kinematic_afresh(w, lanes, cubic)
    for k in range(lanes):
        u, water = w[ROOT + k], w[_WATER + k]
        u2 = u * u
        end = u2 * u2 * u
        end = end if end < water else water
        w[STORAGE + k] = water - end
        w[OUTFLOW + k] = end


@numba.njit(inline="always", error_model="numpy", fastmath=_FAST)
def muskingum_rows(
    w: Array, lanes: int, flow: Array, first: int, steps: int, travel: float, weight: float
) -> None:
    """Steps of linear Muskingum, S = K [X I + (1 - X) O].

    Chow, Maidment & Mays 1988, eq. 8.4.6-8.4.10, with lateral inflow. Rows `OUTFLOW` and `BEFORE`
    (updated), `LATERAL`.

    Parameters
    ----------
    w, lanes
        See `cunge_rows`.
    flow
        (step + 1, lane) inflow at the ends of steps; outflow after it.
    first, steps
        Which of them.
    travel
        K over the step, dimensionless.
    weight
        X.
    """
    per = 1.0 / (travel * (1.0 - weight) + 0.5)
    c_now, c_before = (0.5 - travel * weight) * per, (0.5 + travel * weight) * per
    c_out = (travel * (1.0 - weight) - 0.5) * per
    for step in range(first, first + steps):
        for k in range(lanes):
            now = flow[step + 1, k]
            end = (
                c_now * now
                + c_before * w[BEFORE + k]
                + c_out * w[OUTFLOW + k]
                + per * w[LATERAL + k]
            )
            # Coefficients at their limit are zero to rounding.
            end = end if end > 0.0 else 0.0
            w[BEFORE + k], w[OUTFLOW + k], flow[step + 1, k] = now, end, end


@numba.njit(inline="always", error_model="numpy", fastmath=_FAST)
def _steady_power(x: float, kc: float, kd: float, into: float, end: float) -> float:
    """Weighted discharge to the power 0.6 where X is that of x = Q^0.6, as in `cunge_rows`."""
    r = _minus_third_power(x)
    courant, inverse = 5.0 / 3.0 * kc * (x * r), 0.6 / kc * (r * r)
    e = min(kd * inverse * (into - end), 3.0)
    factor = 1.875 / -e if e < -0.75 else (12.0 + e) / (12.0 + 10.0 * e)
    share = 0.5 + 0.3 * kd / kc * x * factor
    theta = max(1.0 - share * inverse, 0.5)
    share = min(share - courant * (theta - 0.5), _MAX_SHARE)
    share = max(share, 0.5, 1.0 - theta * courant)
    return max((1.0 - share) * into + share * end, 0.0) ** 0.6  # type: ignore[no-any-return]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def steady_storage(kc: Array, kd: Array, inflow: Array, outflow: Array) -> Array:
    """Storage (segment, member) of steady flow in Muskingum-Cunge, m3/s.

    Solves ``w = X(w) I + (1 - X(w)) O`` by the secant method.
    """
    out = np.empty_like(outflow)
    for i in range(out.shape[0]):
        for k in range(out.shape[1]):
            into, end = inflow[i, k], outflow[i, k]
            before = max((0.5 * (into + end)) ** 0.6, _DRY_STORAGE)
            error = _steady_power(before, kc[i], kd[i], into, end) - before
            x = max(before + error, _DRY_STORAGE)
            for step in range(100):
                change = _steady_power(x, kc[i], kd[i], into, end) - x
                if abs(change) <= 1e-14 * x or x == before:
                    break
                slope = (change - error) / (x - before)
                move = -change / slope if slope < -0.2 and step < 30 else 0.5 * change
                before, error = x, change
                x = max(x + move, 0.1 * x, _DRY_STORAGE)
            out[i, k] = x / kc[i] if x > _DRY_STORAGE else 0.0
    return out


# Each is compiled on its own, for a whole row and for a few members: in one function the
# compiler would take minutes.


@numba.njit(nogil=True, error_model="numpy", fastmath=_FAST)
def _cunge_full(w: Array, kc: float, kd: float) -> None:
    cunge_rows(w, LANES, kc, kd)


@numba.njit(nogil=True, error_model="numpy", fastmath=_FAST)
def _cunge_few(w: Array, lanes: int, kc: float, kd: float) -> None:
    cunge_rows(w, lanes, kc, kd)


@numba.njit(nogil=True, error_model="numpy", fastmath=_FAST)
def _kinematic_full(w: Array, kc: float) -> None:
    kinematic_rows(w, LANES, kc)


@numba.njit(nogil=True, error_model="numpy", fastmath=_FAST)
def _kinematic_few(w: Array, lanes: int, kc: float) -> None:
    kinematic_rows(w, lanes, kc)


@numba.njit(nogil=True, error_model="numpy", fastmath=_FAST)
def _muskingum_full(
    w: Array, flow: Array, first: int, steps: int, travel: float, weight: float
) -> None:
    muskingum_rows(w, LANES, flow, first, steps, travel, weight)


@numba.njit(nogil=True, error_model="numpy", fastmath=_FAST)
def _muskingum_few(
    w: Array, lanes: int, flow: Array, first: int, steps: int, travel: float, weight: float
) -> None:
    muskingum_rows(w, lanes, flow, first, steps, travel, weight)


CUNGE, MUSKINGUM, KINEMATIC = 0, 1, 2
_STEPS_AT_ONCE = 24


@numba.njit(nogil=True, error_model="numpy")
def _substeps_full(
    scheme: int, w: Array, ends: Array, means: Array, first: int, steps: int, a: float, b: float
) -> None:
    """Take a segment through steps of the kernel, a whole row; hydrographs in, hydrographs out."""
    if scheme == MUSKINGUM:
        _muskingum_full(w, ends, first, steps, a, b)
        return
    for step in range(first, first + steps):
        for k in range(LANES):
            w[INFLOW + k] = ends[step + 1, k]
        if scheme == CUNGE:
            for k in range(LANES):
                w[MEAN + k] = means[step, k]
            _cunge_full(w, a, b)
            for k in range(LANES):
                means[step, k] = w[MEAN + k]
        else:
            _kinematic_full(w, a)
        for k in range(LANES):
            ends[step + 1, k] = w[OUTFLOW + k]


@numba.njit(nogil=True, error_model="numpy")
def _substeps_few(
    scheme: int,
    lanes: int,
    w: Array,
    ends: Array,
    means: Array,
    first: int,
    steps: int,
    a: float,
    b: float,
) -> None:
    """As `_substeps_full`, for a few members."""
    if scheme == MUSKINGUM:
        _muskingum_few(w, lanes, ends, first, steps, a, b)
        return
    for step in range(first, first + steps):
        for k in range(lanes):
            w[INFLOW + k], w[MEAN + k] = ends[step + 1, k], means[step, k]
        if scheme == CUNGE:
            _cunge_few(w, lanes, a, b)
        else:
            _kinematic_few(w, lanes, a)
        for k in range(lanes):
            means[step, k] = w[MEAN + k]
            ends[step + 1, k] = w[OUTFLOW + k]


@numba.njit(nogil=True, error_model="numpy")
def _join(into: Array, other: Array) -> None:
    """Add the rows of a hydrograph to those of another."""
    for step in range(len(into)):
        for k in range(LANES):
            into[step, k] += other[step, k]


@numba.njit(cache=True, nogil=True, error_model="numpy")
def sweep(
    scheme: int,
    tree: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], int],
    channel: tuple[Array, Array],
    source: tuple[NDArray[np.int64], Array, Array, int],
    substeps: int,
    storage: Array,
    outflow: Array,
    discharge: Array,
) -> Array:
    """Route a block of members from the heads to the outlets; updates the state and ``discharge``.

    A segment runs through many steps before the next one has its turn: its state stays in the
    processor, and the hydrographs between segments in the cache.

    Parameters
    ----------
    scheme
        `CUNGE`, `MUSKINGUM` or `KINEMATIC`.
    tree
        Of segments in the order of `stack_order`: number of branches that flow in, next segment
        (-1 outlet), column of ``discharge`` or -1, and how many hydrographs wait at most.
    channel
        (segment,) kc and kd, or travel and weight of `muskingum_rows`.
    source
        (segment,) reach and share of its lateral inflow; inflow (time, reach, member or 1) in
        m3/s; first member of the block.
    substeps
        Steps of the kernel in one of the inflow.
    storage, outflow
        (segment, lane) state.
    discharge
        (time, column, member) m3/s, at the end of each step of the inflow.

    Returns
    -------
    (time, lane) what left through the outlets, m3/s: means over the steps of the inflow.
    """
    branches, downstream, column, depth = tree
    reach, part, lateral, member = source
    n, lanes = storage.shape
    used = min(lanes, discharge.shape[2] - member)
    same = lateral.shape[2] == 1
    together = max(1, _STEPS_AT_ONCE // substeps)
    ends = np.zeros((depth, together * substeps + 1, LANES))
    means = np.zeros((depth, together * substeps, LANES))
    w, left = np.zeros(ROWS * LANES), np.zeros((len(lateral), lanes))
    for start in range(0, len(lateral), together):
        times = min(together, len(lateral) - start)
        top = -1
        for i in range(n):
            if branches[i] == 0:
                top += 1
                ends[top] = 0.0
                if scheme == CUNGE:
                    means[top] = 0.0
            for _ in range(branches[i] - 1):
                _join(ends[top - 1], ends[top])
                if scheme == CUNGE:
                    _join(means[top - 1], means[top])
                top -= 1
            end, mean = ends[top], means[top]
            for k in range(lanes):
                w[STORAGE + k] = storage[i, k]
                w[OUTFLOW + k] = outflow[i, k]
                w[BEFORE + k] = end[0, k]
                w[ROOT + k] = 0.0
                end[0, k] = outflow[i, k]
            step, a, b = 0, channel[0][i], channel[1][i]
            for t in range(start, start + times):
                if same:
                    added = lateral[t, reach[i], 0] * part[i]
                    for k in range(lanes):
                        w[LATERAL + k] = added
                else:
                    row = lateral[t, reach[i], member : member + used]
                    if used == LANES:
                        for k in range(LANES):
                            w[LATERAL + k] = row[k] * part[i]
                    else:
                        for k in range(used):
                            w[LATERAL + k] = row[k] * part[i]
                if lanes == LANES:
                    _substeps_full(scheme, w, end, mean, step, substeps, a, b)
                else:
                    _substeps_few(scheme, lanes, w, end, mean, step, substeps, a, b)
                step += substeps
                if column[i] >= 0:
                    out = discharge[t, column[i], member : member + used]
                    for k in range(used):
                        out[k] = w[OUTFLOW + k]
            if downstream[i] < 0:
                for s in range(step):
                    gone = left[start + s // substeps]
                    for k in range(lanes):
                        if scheme == CUNGE:
                            gone[k] += means[top, s, k] / substeps
                        elif scheme == KINEMATIC:
                            gone[k] += ends[top, s + 1, k] / substeps
                        else:
                            gone[k] += 0.5 * (ends[top, s, k] + ends[top, s + 1, k]) / substeps
                top -= 1
            for k in range(lanes):
                storage[i, k] = w[STORAGE + k]
                outflow[i, k] = w[OUTFLOW + k]
    return left
