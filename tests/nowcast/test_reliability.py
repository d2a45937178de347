import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.reliability import (
    Record,
    ReliabilityParams,
    calibrated,
    coefficients,
    faded,
    no_record,
    remember,
    uncalibrated,
)

PARAMS = ReliabilityParams()
LOOSE = ReliabilityParams(offset_deviation=10.0, slope_deviation=10.0)


def drawn(seed, a, b, shape=(300, 300)):
    """Probabilities, and rain of 2 mm/h with the probability that a law makes of them."""
    rng = np.random.default_rng(seed)
    said = rng.beta(0.5, 1.5, shape).clip(0.01, 0.99)
    true = 1 / (1 + np.exp(-(a + b * np.log(said / (1 - said)))))
    rain = np.where(rng.uniform(size=shape) < true, 2.0, 0.0)
    return said[None].astype(np.float32), rain.astype(np.float32), true


def test_nothing_known_changes_nothing():
    law = coefficients(no_record((30.0, 60.0), (1.0, 5.0)), PARAMS)
    np.testing.assert_array_equal(law, np.broadcast_to([0.0, 1.0], (2, 2, 2)))
    said = np.random.default_rng(0).uniform(0.01, 0.99, (2, 9, 9)).astype(np.float32)
    said[1] = 0.5 * said[0]
    np.testing.assert_allclose(calibrated(said, law[0]), said, rtol=1e-5)


@pytest.mark.parametrize(("a", "b"), [(0.0, 1.0), (-0.7, 0.6), (0.5, 1.4)])
def test_the_law_that_was_is_found(a, b):
    said, rain, true = drawn(1, a, b)
    record = remember(no_record((60.0,), (1.0,)), 0, said, rain, 40.0, LOOSE)
    law = coefficients(record, LOOSE)[0]
    np.testing.assert_allclose(law[0], [a, b], atol=0.05)
    np.testing.assert_allclose(calibrated(said, law)[0], true, atol=0.02)


def test_few_data_are_held_to_no_change():
    """One field of 12 patches moves the offset by a part of what 1,200 of them do."""
    said, rain, _ = drawn(2, -1.0, 1.0, (40, 30))
    few = remember(no_record((60.0,), (1.0,)), 0, said, rain, 0.1 * PARAMS.patch_km, PARAMS)
    many = remember(no_record((60.0,), (1.0,)), 0, said, rain, PARAMS.patch_km, PARAMS)
    np.testing.assert_allclose(few.cells.sum(), 12.0)
    np.testing.assert_allclose(many.cells.sum(), 1200.0)
    offsets = [coefficients(record, PARAMS)[0, 0, 0] for record in (few, many)]
    assert -1.1 < offsets[1] < -0.8
    assert offsets[1] < offsets[0] < 0.0


def test_newton_finds_the_most_likely_law():
    """Against a general minimiser of the same posterior."""
    said, rain, _ = drawn(3, 0.4, 0.7, (60, 50))
    record = remember(no_record((60.0,), (1.0,)), 0, said, rain, 8.0, PARAMS)
    cells, total, was = record.cells[0, 0], record.said[0, 0], record.was[0, 0]
    some = cells > 0
    x = np.log(total[some] / (cells[some] - total[some]))

    def unlikely(ab):
        z = ab[0] + ab[1] * x
        fit = was[some] * z - cells[some] * np.logaddexp(0, z)
        away = ab[0] / PARAMS.offset_deviation, (ab[1] - 1) / PARAMS.slope_deviation
        return -fit.sum() + 0.5 * (away[0] ** 2 + away[1] ** 2)

    best = minimize(unlikely, [0.0, 1.0], method="Nelder-Mead", options={"xatol": 1e-6}).x
    np.testing.assert_allclose(coefficients(record, PARAMS)[0, 0], best, atol=1e-4)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.floats(-2, 2), st.floats(0.2, 2))
def test_order_and_gaps_are_kept(seed, a, b):
    rng = np.random.default_rng(seed)
    said = np.sort(rng.uniform(0, 1, (3, 6, 7)), axis=0)[::-1].astype(np.float32)
    said[:, 0, 0], said[:, 1, 1] = np.nan, 0.0
    law = np.stack([np.full(3, a), np.full(3, b)], axis=1) + rng.normal(0, 0.3, (3, 2)).clip(-0.1)
    found = calibrated(said, law)
    np.testing.assert_array_equal(np.isnan(found), np.isnan(said))
    assert (found[:, 1, 1] == 0).all()
    held = found[:, np.isfinite(found[0])]
    assert (np.diff(held, axis=0) <= 1e-7).all()
    assert (held >= 0).all()
    assert (held <= 1).all()
    order = np.argsort(said[0][np.isfinite(said[0])])
    assert (np.diff(found[0][np.isfinite(said[0])][order]) >= 0).all()


def test_the_past_fades():
    said, rain, _ = drawn(4, 0.0, 1.0, (20, 20))
    record = remember(no_record((60.0,), (1.0,)), 0, said, rain, 1.0, PARAMS)
    later = faded(record, PARAMS.half_life_min, PARAMS)
    for name in ("cells", "said", "was"):
        np.testing.assert_allclose(getattr(later, name), 0.5 * getattr(record, name))


def test_what_was_not_observed_or_could_not_be_does_not_count():
    said = np.array([[[0.5, 0.5, 0.0, np.nan]]], np.float32)
    rain = np.array([[2.0, np.nan, 2.0, 2.0]], np.float32)
    record = remember(no_record((60.0,), (1.0,)), 0, said, rain, 100.0, PARAMS)
    assert record.cells.sum() == record.was.sum() == 1.0
    np.testing.assert_allclose(record.said.sum(), 0.5)


def test_what_does_not_fit_is_refused():
    record: Record = no_record((60.0,), (1.0,))
    field = np.zeros((2, 4, 4), np.float32)
    with pytest.raises(ConfigError, match="lead 1 is not one"):
        remember(record, 1, field[:1], field[0], 1.0, PARAMS)
    with pytest.raises(ConfigError, match="2 thresholds do not fit a record of 1"):
        remember(record, 0, field, field[0], 1.0, PARAMS)
    with pytest.raises(ConfigError, match="does not fit 2 thresholds"):
        calibrated(field, np.zeros((3, 2)))


def test_a_law_of_no_change_changes_nothing():
    said = np.array([[[0.0, 1e-5, 0.3, 0.999, 1.0, np.nan]]], np.float32)
    same = np.array([[0.0, 1.0]])
    np.testing.assert_array_equal(calibrated(said, same), said)
    np.testing.assert_array_equal(uncalibrated(said, same), said)


@given(st.floats(-1.5, 1.5), st.floats(0.3, 2.0))
def test_what_was_before_the_calibration_follows_from_it(offset, slope):
    said = np.array([[[0.0, 1e-6, 1e-3, 0.01, 0.3, 0.7, 0.95, np.nan]]], np.float32)
    law = np.array([[offset, slope]])
    after = calibrated(said, law)
    np.testing.assert_allclose(uncalibrated(after, law), said, rtol=2e-3)
    # A higher probability stays the higher one, and none leaves 0 to 1.
    assert (np.diff(after[0, 0, :7]) >= 0).all()
    assert after[0, 0, 0] == 0.0
    assert np.nanmax(after) <= 1.0


def test_a_share_of_a_forecast_counts_for_as_much():
    said, rain, _ = drawn(4, 0.0, 1.0, (20, 20))
    whole = remember(no_record((60.0,), (1.0,)), 0, said, rain, 1.0, PARAMS)
    part = remember(no_record((60.0,), (1.0,)), 0, said, rain, 1.0, PARAMS, 0.4)
    np.testing.assert_allclose(part.cells, 0.4 * whole.cells)
