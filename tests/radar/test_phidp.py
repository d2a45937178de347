"""Phases of made rain: offset, folds, noise, and the KDP they were made of."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.radar.phidp import PhaseParams, fit_line, process, smooth, system_offset, unfold

GATE_M = 225.0
RAYS, GATES = 36, 240


def truth(peak=5.0):
    """KDP of a cell 8 km wide at 25 km, and its phase: twice the integral."""
    range_km = (np.arange(GATES) + 0.5) * GATE_M / 1000
    kdp = peak * np.exp(-(((range_km - 25) / 4) ** 2))
    phase = 2 * np.cumsum(kdp) * GATE_M / 1000 - kdp * GATE_M / 1000
    return np.tile(kdp, (RAYS, 1)), np.tile(phase, (RAYS, 1))


def measured(phase, offset, noise_deg, seed=0):
    noise = np.random.default_rng(seed).normal(0, noise_deg, phase.shape)
    return ((phase + offset + noise) % 360).astype(np.float32)


@settings(deadline=None, max_examples=25)
@given(offset=st.floats(0, 359.9), noise=st.floats(0, 4), seed=st.integers(0, 99))
def test_offset_and_folds_are_undone_wherever_they_lie(offset, noise, seed):
    _, phase = truth(peak=16.0)  # rises by more than 200 degrees
    folded = measured(phase, offset, noise, seed)
    good = np.ones(phase.shape, bool)
    found = system_offset(folded, good)
    assert abs((found - offset + 180) % 360 - 180) < 0.2 + noise
    np.testing.assert_allclose(unfold(folded, good, found), phase, atol=6 * noise + 0.5)


def test_kdp_of_a_known_cell():
    """Half a slope over 9 gates with 1.5 deg noise: 1.5 / (0.225 sqrt(9 x 80 / 12)) / 2 = 0.43."""
    kdp, phase = truth()
    dbz = np.full(phase.shape, 45.0, np.float32)
    found = process(measured(phase, 350.0, 1.5), dbz, np.ones(dbz.shape, bool), GATE_M,
                    PhaseParams())  # fmt: skip
    inner = slice(8, -8)
    error = (found.kdp_deg_km - kdp)[:, inner]
    assert abs(error.mean()) < 0.03
    assert np.sqrt((error**2).mean()) == pytest.approx(0.43, rel=0.1)
    assert np.abs(found.phidp_deg - phase)[:, inner].max() < 4.0


def test_lines_are_those_of_an_independent_fit():
    """numpy.polyfit over each window, missing gates left out: half its slope per km."""
    random = np.random.default_rng(3)
    phase = np.cumsum(random.uniform(-1, 3, (2, 60)), axis=1).astype(np.float32)
    phase[random.uniform(size=phase.shape) < 0.2] = np.nan
    fitted, kdp = fit_line(phase, np.full(phase.shape, 4), GATE_M)
    for ray, gate in [(0, 10), (0, 33), (1, 20), (1, 50)]:
        window = np.arange(gate - 4, gate + 5)
        known = window[np.isfinite(phase[ray, window])]
        slope, middle = np.polyfit((known - gate) * GATE_M / 1000, phase[ray, known], 1)
        assert kdp[ray, gate] == pytest.approx(slope / 2, rel=1e-4)
        assert fitted[ray, gate] == pytest.approx(middle, rel=1e-4)


def test_outliers_are_left_out_and_gaps_are_not_filled():
    _, phase = truth()
    phase = phase.astype(np.float32)
    phase[:, 100] += 60
    phase[:, 150:200] = np.nan
    kept = smooth(phase, 4, 12.0)
    assert np.isnan(kept[:, 100]).all()
    assert np.isfinite(kept[:, 90:99]).all()
    assert np.isnan(fit_line(kept, np.full(phase.shape, 4), GATE_M)[1][:, 160:190]).all()


def test_no_weather_has_no_offset():
    phase = np.zeros((4, 50), np.float32)
    nothing = np.zeros(phase.shape, bool)
    assert np.isnan(system_offset(phase, nothing))
    assert np.isnan(process(phase, phase, nothing, GATE_M, PhaseParams()).kdp_deg_km).all()
