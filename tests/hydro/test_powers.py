"""Powers of our own against the library's."""

import numba
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.hydro.powers import LEAST, power


@numba.njit
def powers(base, exponent):
    out = np.empty_like(base)
    for k in range(len(base)):
        out[k] = power(base[k], exponent)
    return out


@settings(deadline=None)
@given(st.floats(-4.0, 6.0), st.integers(0, 2**32 - 1))
def test_powers_are_those_of_the_library(exponent, seed):
    random = np.random.default_rng(seed)
    base = np.concatenate([10.0 ** random.uniform(-12, 12, 200), random.uniform(0, 2, 200) + LEAST])
    wanted = base**exponent
    error = np.abs(powers(base, exponent) / wanted - 1.0)
    assert (error <= 1e-15 * np.maximum(4.0, np.abs(np.log2(wanted)))).all()


def test_powers_at_the_ends():
    base = np.array([1.0, LEAST, 0.5**0.5, 2.0**0.5, np.nextafter(1.0, 0.0), 1e60])
    for exponent in (0.0, 0.77, 1.3, 3.0):
        np.testing.assert_allclose(powers(base, exponent), base**exponent, rtol=2e-13)
    assert powers(np.array([LEAST]), 50.0)[0] < 1e-300  # stays a number, and nearly none
    assert powers(np.array([1.0]), 123.4)[0] == 1.0
