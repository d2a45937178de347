"""Roughness of made fields."""

import numpy as np
import pytest

from jinghu.radar.texture import phase_texture, texture


def test_white_noise_has_the_texture_of_its_differences():
    """Differences of independent values of deviation s have the root mean square s sqrt(2)."""
    noise = np.random.default_rng(1).normal(0, 2.0, (90, 400)).astype(np.float32)
    found = texture(noise, 2, 5)
    assert float(np.sqrt((found**2).mean())) == pytest.approx(2.0 * np.sqrt(2), rel=0.02)


def test_texture_by_hand():
    field = np.array([[0, 3, np.nan, 5, 6, 8]], np.float32)
    # Pairs around gate 4: (5, 6) and (6, 8); around gate 2 only (0, 3): none holds a NaN.
    found = texture(np.repeat(field, 3, axis=0), 1, 1)
    assert found[1, 4] == pytest.approx(np.sqrt((1 + 4) / 2))
    assert found[1, 2] == 3.0
    assert np.isnan(texture(field, 0, 1)).all()  # one or two pairs say nothing


def test_a_steady_rise_through_a_fold_is_smooth():
    phase = np.repeat((300 + 4.0 * np.arange(60))[None] % 360, 4, axis=0).astype(np.float32)
    np.testing.assert_allclose(phase_texture(phase, 1, 3), 0, atol=1e-3)


def test_phase_texture_of_noise_is_that_of_first_differences():
    noise = np.random.default_rng(2).normal(0, 5.0, (90, 400)).astype(np.float32) % 360
    found = phase_texture(noise, 1, 5)
    # Second differences: variance 6 s^2, over 3.
    assert float(np.sqrt((found**2).mean())) == pytest.approx(5.0 * np.sqrt(2), rel=0.03)
