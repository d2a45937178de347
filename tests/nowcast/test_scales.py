import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jinghu.nowcast.scales import ScaleParams, lagrangian, scales_of, to_db, transformed

RATES = hnp.arrays(np.float32, (6, 7), elements=st.floats(0, 200, width=32) | st.just(np.nan))


def test_rain_to_a_power_by_hand():
    rates = np.array([[0.0, 0.05, 1.0, 32.0, np.nan]], np.float32)
    found, dry = transformed(rates, 0.1, 0.6)
    np.testing.assert_allclose(found[0], [0.0, 0.0, 10.0, 80.0, 0.0], rtol=1e-6)
    assert dry == 0.0


def test_the_power_of_zero_is_the_logarithm_of_the_peer():
    rates = np.array([[0.0, 0.1, 10.0]], np.float32)
    found, dry = transformed(rates, 0.1, 0.0)
    np.testing.assert_allclose(found[0], [-15.0, -10.0, 10.0], rtol=1e-6)
    np.testing.assert_array_equal(found, to_db(rates, 0.1))
    assert dry == -15.0


@settings(deadline=None, max_examples=40)
@given(RATES, st.sampled_from([0.0, 0.3, 0.6, 1.0]))
def test_rain_stays_in_order_above_what_is_dry(rates, exponent):
    found, dry = transformed(rates, 0.1, exponent)
    wet = np.nan_to_num(rates) >= 0.1
    assert (found[~wet] == np.float32(dry)).all()
    assert (found[wet] > dry).all()
    order = np.argsort(rates[wet])
    assert (np.diff(found[wet][order]) >= 0).all()


@pytest.mark.parametrize("exponent", [0.0, 0.6])
def test_what_comes_from_beyond_the_edge_is_dry(exponent, frames_of):
    frames = frames_of((40, 50)) + 1.0
    motion = np.zeros((2, 40, 50), np.float32)
    motion[0] = 5.0
    fields = lagrangian(frames, motion, ScaleParams(exponent=exponent))
    _, dry = transformed(frames, 0.1, exponent)
    assert (fields[0, :, :9] == np.float32(dry)).all()
    assert (fields[1, :, 6:] > dry).all()


@pytest.mark.parametrize("exponent", [0.0, 0.6])
def test_rain_that_keeps_its_shape_is_remembered_on_all_scales(exponent, frames_of):
    still = np.stack([frames_of((64, 64))[0]] * 3)
    scales = scales_of(still, np.zeros((2, 64, 64), np.float32), ScaleParams(exponent=exponent))
    np.testing.assert_allclose(scales.gamma, 0.9999, atol=1e-4)
    np.testing.assert_allclose(scales.ratios, 1.0, rtol=1e-5)
