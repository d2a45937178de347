"""One step of one segment for a row of members; every method keeps its water to rounding.

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

from jinghu.hydro.powers import bits, number

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
DRY_STORAGE = 1e-24
MAX_SHARE = 9.5  # 1 - X, so D <= 18: chosen where the seven channel cases fit best
FAST = {"contract", "nsz"}


@numba.njit(inline="always", error_model="numpy", fastmath=FAST)
def minus_third_power(x: float) -> float:
    """Return x^(-1/3) to 2e-4: enough for coefficients, and no division."""
    r = number(_TO_MINUS_THIRD - (bits(x) >> _HIGH) * _THIRD)
    e = 1.0 - r * r * (r * x)
    return r + r * e * (1.0 / 3.0 + e * (2.0 / 9.0))


@numba.njit(inline="always", error_model="numpy", fastmath=FAST)
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


@numba.njit(inline="always", error_model="numpy", fastmath=FAST)
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
        x = x if x > DRY_STORAGE else DRY_STORAGE
        r = minus_third_power(x)
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
        share = share if share < MAX_SHARE else MAX_SHARE
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
        high = bits(right) + _ONE
        third = number(((high - bits(a)) >> _HIGH) * _THIRD + _TO_THIRD)
        fifth = number(((high - bits(theta)) >> _HIGH) * _FIFTH + _TO_FIFTH)
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


@numba.njit(inline="always", error_model="numpy", fastmath=FAST)
def _kinematic_halley(u: float, cubic: float, right: float) -> float:
    """One step towards the root of ``cubic u^3 + u^5 = right``."""
    u = u if u > _LEAST_ROOT else _LEAST_ROOT
    u2 = u * u
    a = cubic * u2
    slope = 3.0 * a + 5.0 * (u2 * u2)
    f = (a + u2 * u2) * u - right
    return u - f * (slope * u) / (slope * (slope * u) - f * (2.0 * slope - 3.0 * a))


@numba.njit(error_model="numpy", fastmath=FAST)
def _kinematic_afresh(w: Array, lanes: int, cubic: float) -> None:
    """Roots of members marked in row `_REST`, from the smaller of those of either term alone."""
    for k in range(lanes):
        right = w[_RIGHT + k]
        third = number(((bits(right) + _ONE - bits(cubic)) >> _HIGH) * _THIRD + _TO_THIRD)
        fifth = number((bits(right) >> _HIGH) * _FIFTH + _TO_FIFTH)
        u = third if third < fifth else fifth
        u = _kinematic_halley(_kinematic_halley(u, cubic, right), cubic, right)
        u = _kinematic_halley(u, cubic, right)
        w[ROOT + k] = u if w[_REST + k] > 0.0 else w[ROOT + k]


@numba.njit(inline="always", error_model="numpy", fastmath=FAST)
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


@numba.njit(inline="always", error_model="numpy", fastmath=FAST)
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
