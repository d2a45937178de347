import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from tests.hydro.kernel_rows import cunge, kinematic, muskingum_series, rows


@given(st.floats(1e-4, 1e6), st.floats(1e-20, 1e7))
@settings(max_examples=200, deadline=None)
def test_kinematic_step_against_bracketing(kc, water):
    """The root of O + O^0.6 / kc = water, by bits and Halley, against Brent's method."""
    left, end = kinematic(rows(), kc, water, 0.0, 0.0)
    top = 1.01 * min((water * kc) ** (1 / 3), water**0.2)
    u = brentq(lambda u: u**3 / kc + u**5 - water, 0.0, top, xtol=1e-300, rtol=1e-14)
    assert end == pytest.approx(u**5, rel=1e-11)
    assert left + end == pytest.approx(water, rel=1e-15)


def test_wilson_1974_linear_optimum():
    """Wilson's flood (Engineering Hydrology, 1974): K 29.1646 h, X 0.22106 leaves SSQ 605.633."""
    inflow = [22, 23, 35, 71, 103, 111, 109, 100, 86, 71, 59]
    inflow += [47, 39, 32, 28, 24, 22, 21, 20, 19, 19, 18]
    observed = [22, 21, 21, 26, 34, 44, 55, 66, 75, 82, 85]
    observed += [84, 80, 73, 64, 54, 44, 36, 30, 25, 22, 19]

    def ssq(travel_h, weight):
        routed = muskingum_series(inflow, travel_h / 6.0, weight, 22.0)
        return float(((routed - observed) ** 2).sum())

    assert ssq(29.1646, 0.22106) == pytest.approx(605.633, abs=1e-3)
    assert ssq(29.5, 0.22106) > 605.633
    assert ssq(29.1646, 0.23) > 605.633


def test_ponce_constant_parameter_muskingum_cunge():
    """Ponce, CIVE 445: a triangular wave of 1110 m3/s leaves 14 km with 1093.39 m3/s at 8 h."""
    inflow = np.interp(np.arange(30.0), [0, 7, 21, 29], [60, 1110, 60, 60])
    celerity = 1.58 * 1110 / 440
    courant = celerity * 3600 / 14_000
    diffusion = 1110 / 115 / (0.001 * celerity * 14_000)
    routed = muskingum_series(inflow, 1 / courant, 0.5 * (1 - diffusion), 60.0)
    assert routed.argmax() == 8
    assert routed.max() == pytest.approx(1093.39, abs=0.005)


def test_chow_example_8_4_1():
    """Chow, Maidment & Mays 1988: K 2.3 h, X 0.15, dt 1 h."""
    inflow = [93, 137, 208, 320, 442, 546, 630, 678, 691, 675]
    inflow += [634, 571, 477, 390, 329, 247, 184, 134, 108, 90]
    expected = [85, 91, 114, 160, 233, 324, 420, 509, 578, 623]
    expected += [642, 635, 603, 546, 479, 413, 341, 274, 215, 170]
    np.testing.assert_array_equal(muskingum_series(inflow, 2.3, 0.15, 85.0).round(), expected)


def test_ponce_linear_reservoir():
    """Ponce, linear reservoir K 2 h is Muskingum with X = 0 (S = K O); dt 1 h."""
    routed = muskingum_series([100, 150, 250, 400, 800, 1000, 900, 700, 550], 2.0, 0.0, 100.0)
    published = [100, 110, 146, 217.6, 370.56, 582.336, 729.402, 757.641, 704.585]
    np.testing.assert_allclose(routed, published, atol=5e-4)


def test_wflow_kinematic_kernel():
    """The kernel test of wflow: alpha 2.586, dt 600 s, dx 1061.375 m."""
    kc = 600.0 / (2.586 * 1061.375)
    found = kinematic(rows(), kc, 0.0, 1.104e-6, 1.142e-6 * 1061.375)[1]
    assert found == pytest.approx(1.09308660753423e-6, rel=1e-12)


@given(
    kc=st.floats(1e-3, 10.0),
    kd=st.floats(1e-6, 10.0),
    storage=st.floats(0.0, 1e5),
    outflow=st.floats(0.0, 1e4),
    inflow=st.floats(0.0, 1e4),
    mean_inflow=st.floats(0.0, 1e4),
    lateral=st.floats(0.0, 100.0),
)
@settings(max_examples=300, deadline=None)
def test_cunge_step_keeps_its_water(kc, kd, storage, outflow, inflow, mean_inflow, lateral):
    left, end, passed = cunge(rows(), kc, kd, storage, outflow, inflow, mean_inflow, lateral)
    came = storage + mean_inflow + lateral
    assert left >= 0
    assert end >= 0
    assert passed >= -1e-9 * (came + outflow)
    assert left + passed == pytest.approx(came, rel=1e-12, abs=1e-12)


@given(st.integers(0, 2**32 - 1), st.floats(0.05, 20.0))
@settings(max_examples=30, deadline=None)
def test_kinematic_roots_follow_a_flood_step_by_step(seed, kc):
    """A front, a drought, a slow rise: each root starts from that of the step before."""
    random = np.random.default_rng(seed)
    w, storage = rows(), 0.0
    for inflow in np.concatenate([np.zeros(3), 10 ** random.uniform(-8, 4, 20), np.zeros(5)]):
        water = storage + inflow
        storage, end = kinematic(w, kc, storage, inflow, 0.0)
        assert storage + end == pytest.approx(water, rel=1e-15)
        if water > 1e-12:
            exact = brentq(lambda u: u**5 + u**3 / kc - water, 0.0, 2 * water**0.2, xtol=1e-300)  # noqa: B023
            assert end == pytest.approx(exact**5, rel=2e-12)
