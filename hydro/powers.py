"""Powers that a compiler turns into vector instructions, where the library's go one by one."""

import numba
import numpy as np

LEAST = 1e-60
"""Smallest base of `power`."""

_FAST = {"contract", "nsz", "nnan"}
_MANTISSA = np.uint64(52)
_ONE = np.uint64(1023 << 52)  # bits of 1.0
_FROM_ROOT_HALF = np.uint64((1023 << 52) - 0x3FE6A09E667F3BCD)  # bits of 1.0 less those of 0.5^0.5
_EXPONENT = np.uint64(0x4330000000000000)  # bits of 2^52: or'ed, an integer becomes a number
_BIAS = 2.0**52 + 1023.0
_ROUND = 1.5 * 2.0**52  # added, a number becomes an integer in the last bits
_LOWEST = -1000.0


@numba.njit(inline="always", error_model="numpy")
def bits(value: float) -> np.uint64:
    """Bits of a number."""
    return np.float64(value).view(np.uint64)


@numba.njit(inline="always", error_model="numpy")
def number(of: np.uint64) -> float:
    """Number that bits stand for."""
    return np.uint64(of).view(np.float64)


@numba.njit(inline="always", error_model="numpy", fastmath=_FAST)
def power(base: float, exponent: float) -> float:
    """Return ``base ** exponent`` to 1e-15 times the larger of 1 and the result's logarithm.

    2^(exponent log2(base)): log2 of m in [0.5^0.5, 2^0.5) as a polynomial of ((m - 1) / (m + 1))^2,
    2^f of f in [-0.5, 0.5] as one of f, both the nearest polynomials of their degree (errors 5e-16
    and 2e-16).

    Parameters
    ----------
    base
        From `LEAST` to 1e60; a smaller one is the caller's to raise.
    exponent
        Any that keeps the result below 2^1000; below 2^-1000 it stays there.
    """
    own = bits(base)
    k = (own + _FROM_ROOT_HALF) >> _MANTISSA
    m = number(own - (k << _MANTISSA) + _ONE)
    s = (m - 1.0) / (m + 1.0)
    z = s * s
    p = 0.2429160853987535
    p = p * z + 0.2614442493522915
    p = p * z + 0.32061638813224547
    p = p * z + 0.4121984020482752
    p = p * z + 0.5770780172463286
    p = p * z + 0.9617966939243345
    p = p * z + 2.885390081777927
    t = exponent * (number(k | _EXPONENT) - _BIAS + s * p)
    t = t if t > _LOWEST else _LOWEST
    n = t + _ROUND
    f = t - (n - _ROUND)
    q = 7.072585949269223e-09
    q = q * f + 1.0208690299958306e-07
    q = q * f + 1.321544258792169e-06
    q = q * f + 1.5252657260200837e-05
    q = q * f + 0.0001540353044173605
    q = q * f + 0.0013333558230164974
    q = q * f + 0.009618129107606888
    q = q * f + 0.05550410866444772
    q = q * f + 0.24022650695910097
    q = q * f + 0.69314718055995
    q = q * f + 1.0
    return number(bits(q) + (bits(n) << _MANTISSA))
