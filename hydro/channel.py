"""Kernels of the channels, float64: every method keeps its water to rounding.

The channel is a wide rectangle: flow area A = Q^0.6 / a with a = (sqrt(S0) / n)^0.6 B^-0.4, so a
reach of length dx holds A dx. Discharges and storages are in m3/s (a storage is a volume over the
step dt), ``kc = a dt / dx``.

The sweeps go over a whole network, from the heads to the outlets, step by step. All take the
segments of `jinghu.hydro.routing.Segments` and lateral inflow (time, reach) in m3/s, and update
the state in place; they return the discharge (time, reach) at the end of each step and the sum of
what left through the outlets, in m3/s times substeps. Steps and sweeps share this file because
numba's cache does not notice a change in another one.
"""

import numba
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_MANTISSA = 1 << 52
_THIRD = np.int64((1.0 - 1.0 / 3.0) * (1023.0 - 0.045) * _MANTISSA)
_FIFTH = np.int64((1.0 - 1.0 / 5.0) * (1023.0 - 0.045) * _MANTISSA)
_DRY = 1e-30  # m3/s; less does not flow (and its powers would underflow)
_MIN_X = -5.0  # a negative weight of the inflow is needed where diffusion is strong


@numba.njit(cache=True, inline="always", error_model="numpy")
def fifth_root(value: float) -> float:
    """Fifth root of a positive number to 1e-9, without ``pow``."""
    if value <= _DRY:
        return 0.0
    u = np.int64(np.float64(value).view(np.int64) // 5 + _FIFTH).view(np.float64)
    for _ in range(2):  # Halley
        p = u * u * u * u * u
        u *= (2.0 * p + 3.0 * value) / (3.0 * p + 2.0 * value)
    return u


@numba.njit(cache=True, inline="always", error_model="numpy")
def solve_storage(cubic: float, quintic: float, water: float) -> float:
    """Root u >= 0 of ``cubic u^3 + quintic u^5 = water``; u is the fifth root of a discharge.

    The seed is the smaller of the roots of the two terms alone, from the bits of the exponent;
    three Halley steps bring it to 1e-12.
    """
    if water <= _DRY:
        return 0.0
    third = water / cubic
    fifth = water / quintic
    u = min(
        np.int64(np.float64(third).view(np.int64) // 3 + _THIRD).view(np.float64),
        np.int64(np.float64(fifth).view(np.int64) // 5 + _FIFTH).view(np.float64),
    )
    for _ in range(3):
        u2 = u * u
        a = cubic * u2
        b = quintic * u2 * u2
        f = (a + b) * u - water
        slope = 3.0 * a + 5.0 * b
        u -= 2.0 * f * slope * u / (2.0 * slope * slope * u - f * (6.0 * a + 20.0 * b))
    return u


@numba.njit(cache=True, inline="always", error_model="numpy")
def kinematic_step(kc: float, storage: float, mean_inflow: float, lateral: float) -> float:
    """Outflow at the end of an implicit kinematic step.

    Chow, Maidment & Mays 1988, section 9.6: ``O1 + O1^0.6 / kc = S0 + I + q``. What stays is
    ``S0 + I + q - O1``.
    """
    water = storage + mean_inflow + lateral
    u = solve_storage(1.0 / kc, 1.0, water)
    return min(u * u * u * u * u, water)


@numba.njit(cache=True, inline="always", error_model="numpy")
def cunge_weights(kc: float, kd: float, reference: float) -> tuple[float, float]:
    """Weights (theta, X) of the end of the step and of the inflow, at a discharge.

    X matches the numerical to the physical diffusion (Cunge 1969): C is the Courant number of
    the celerity, D the cell Reynolds number (Ponce & Yevjevich 1978). Theta rises above 1/2 where
    the flood wave crosses more than the reach in a step.

    Parameters
    ----------
    kc
        ``a dt / dx``.
    kd
        ``dt / (B S0 dx^2)``, so that ``D = kd Q / C``.
    reference
        Discharge at which C and D are taken.
    """
    u = fifth_root(reference)
    courant = max(5.0 / 3.0 * kc * u * u, 1e-9)
    diffusion = kd * reference / courant
    weight = 0.5 * (1.0 - diffusion)
    theta = min(max(0.5, 1.0 - (1.0 - weight) / courant), 1.0)
    weight += courant * (theta - 0.5)
    return theta, max(_MIN_X, min(weight, 0.5, theta * courant))


@numba.njit(cache=True, inline="always", error_model="numpy")
def cunge_step(
    kc: float,
    kd: float,
    storage: float,
    outflow: float,
    inflow: float,
    mean_inflow: float,
    lateral: float,
    reference: float,
) -> tuple[float, float, float]:
    """One step of mass-exact nonlinear Muskingum-Cunge.

    The storage is that of the weighted discharge ``w = X I1 + (1 - X) O1``, the balance is
    ``S1 = S0 + Ibar + q - Obar`` with ``Obar = th O1 + (1 - th) O0``. What stays is taken from
    the balance, never from the storage of ``w``, so that no limit can lose water.

    Parameters
    ----------
    kc, kd
        See `cunge_weights`.
    storage, outflow
        At the start.
    inflow, mean_inflow
        At the end, and over the step.
    lateral
        Over the step.
    reference
        Discharge at which C and D are taken.

    Returns
    -------
    Storage and outflow at the end, and the mean outflow over the step: the next reach needs both.
    """
    theta, weight = cunge_weights(kc, kd, reference)
    rest = storage + mean_inflow + lateral - (1.0 - theta) * outflow
    if rest < 0.0:  # more would leave than there is: the fully implicit step cannot overdraw
        theta = 1.0
        rest = storage + mean_inflow + lateral
    gain = theta / (1.0 - weight)
    u = solve_storage(1.0 / kc, gain, rest + gain * weight * inflow)
    end = (u * u * u * u * u - weight * inflow) / (1.0 - weight)
    end = min(max(end, 0.0), rest / theta)
    left = max(rest - theta * end, 0.0)
    return left, end, storage + mean_inflow + lateral - left


@numba.njit(cache=True, inline="always", error_model="numpy")
def muskingum_step(
    travel: float,
    weight: float,
    outflow: float,
    inflow_before: float,
    inflow: float,
    lateral: float,
) -> float:
    """Outflow at the end of a linear Muskingum step, S = K [X I + (1 - X) O].

    Chow, Maidment & Mays 1988, eq. 8.4.6-8.4.10, with lateral inflow.

    Parameters
    ----------
    travel
        K over the step, dimensionless.
    weight
        X.
    outflow, inflow_before
        At the start.
    inflow
        At the end.
    lateral
        Mean over the step.
    """
    share = travel * (1.0 - weight) + 0.5
    return (
        (0.5 - travel * weight) * inflow
        + (0.5 + travel * weight) * inflow_before
        + (travel * (1.0 - weight) - 0.5) * outflow
        + lateral
    ) / share


@numba.njit(cache=True)
def levels(downstream: NDArray[np.int64]) -> NDArray[np.int64]:
    """Longest way from a head to each segment, in segments."""
    out = np.zeros(len(downstream), np.int64)
    for i in range(len(downstream)):
        if downstream[i] >= 0:
            out[downstream[i]] = max(out[downstream[i]], out[i] + 1)
    return out


@numba.njit(cache=True, error_model="numpy")
def steady_weights(kc: Array, kd: Array, reference: Array) -> Array:
    """X of every segment at a discharge."""
    out = np.empty(len(kc))
    for i in range(len(kc)):
        out[i] = cunge_weights(kc[i], kd[i], reference[i])[1]
    return out


@numba.njit(cache=True, error_model="numpy")
def sweep_cunge(
    downstream: NDArray[np.int64],
    reach: NDArray[np.int64],
    last: NDArray[np.int64],
    share: Array,
    kc: Array,
    kd: Array,
    lateral: Array,
    substeps: int,
    storage: Array,
    outflow: Array,
) -> tuple[Array, float]:
    """Muskingum-Cunge from the heads to the outlets, step by step; updates storage and outflow."""
    n = len(reach)
    discharge = np.empty((len(lateral), len(last)))
    before, now, mean = np.zeros(n), np.zeros(n), np.zeros(n)
    left = 0.0
    for i in range(n):
        if downstream[i] >= 0:
            before[downstream[i]] += outflow[i]
    for t in range(len(lateral)):
        for _ in range(substeps):
            now[:] = 0.0
            mean[:] = 0.0
            for i in range(n):
                storage[i], end, passed = cunge_step(
                    kc[i],
                    kd[i],
                    storage[i],
                    outflow[i],
                    now[i],
                    mean[i],
                    lateral[t, reach[i]] * share[i],
                    (before[i] + now[i] + outflow[i]) / 3.0,
                )
                outflow[i] = end
                if downstream[i] >= 0:
                    now[downstream[i]] += end
                    mean[downstream[i]] += passed
                else:
                    left += passed
            before[:] = now
        for r in range(len(last)):
            discharge[t, r] = outflow[last[r]]
    return discharge, left


@numba.njit(cache=True, error_model="numpy")
def sweep_kinematic(
    downstream: NDArray[np.int64],
    reach: NDArray[np.int64],
    last: NDArray[np.int64],
    share: Array,
    kc: Array,
    lateral: Array,
    substeps: int,
    storage: Array,
    outflow: Array,
) -> tuple[Array, float]:
    """Implicit kinematic wave; updates storage and outflow."""
    n = len(reach)
    discharge = np.empty((len(lateral), len(last)))
    now = np.zeros(n)
    left = 0.0
    for t in range(len(lateral)):
        for _ in range(substeps):
            now[:] = 0.0
            for i in range(n):
                added = lateral[t, reach[i]] * share[i]
                end = kinematic_step(kc[i], storage[i], now[i], added)
                storage[i] = max(storage[i] + now[i] + added - end, 0.0)
                outflow[i] = end
                if downstream[i] >= 0:
                    now[downstream[i]] += end
                else:
                    left += end
        for r in range(len(last)):
            discharge[t, r] = outflow[last[r]]
    return discharge, left


@numba.njit(cache=True, error_model="numpy")
def sweep_muskingum(
    downstream: NDArray[np.int64],
    reach: NDArray[np.int64],
    last: NDArray[np.int64],
    share: Array,
    travel: Array,
    weight: Array,
    lateral: Array,
    substeps: int,
    outflow: Array,
) -> tuple[Array, float]:
    """Linear Muskingum; updates outflow."""
    n = len(reach)
    discharge = np.empty((len(lateral), len(last)))
    before, now = np.zeros(n), np.zeros(n)
    left = 0.0
    for i in range(n):
        if downstream[i] >= 0:
            before[downstream[i]] += outflow[i]
    for t in range(len(lateral)):
        for _ in range(substeps):
            now[:] = 0.0
            for i in range(n):
                start = outflow[i]
                added = lateral[t, reach[i]] * share[i]
                end = muskingum_step(travel[i], weight[i], start, before[i], now[i], added)
                end = max(end, 0.0)  # coefficients at their limit are zero to rounding
                outflow[i] = end
                if downstream[i] >= 0:
                    now[downstream[i]] += end
                else:
                    left += 0.5 * (start + end)
            before[:] = now
        for r in range(len(last)):
            discharge[t, r] = outflow[last[r]]
    return discharge, left
