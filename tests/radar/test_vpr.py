"""Profiles of made volumes whose fall of echo with height is known."""

from dataclasses import replace

import numpy as np
import pytest

from jinghu.radar.geometry import beam_height, ground_distance
from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.vpr import VprParams, brought_down, correction_profile

ELEVATIONS = (0.5, 1.5, 2.4, 3.4, 4.3)
PARAMS = VprParams()


def heights(elevation, gates=600):
    ranges = 125.0 + 250.0 * np.arange(gates)
    ground = [ground_distance(r, elevation) for r in ranges]
    return np.array([beam_height(g, elevation, 0.0) for g in ground])


def made(profile, rays=360):
    """Echo of 35 dBZ at the ground plus a profile in dB of the height."""
    return [
        PolarSweep(e, np.arange(rays, dtype=np.float32),
                   np.tile((35 + profile(heights(e))).astype(np.float32), (rays, 1)),
                   np.full((rays, 600), np.nan, np.float32), 250.0, 125.0)
        for e in ELEVATIONS
    ]  # fmt: skip


def falling(height_m):
    """1 dB a kilometre above 1.2 km."""
    return -np.maximum(height_m - 1200.0, 0) / 1000.0


def test_the_profile_is_found_and_undone():
    sweeps = made(falling)
    profile = correction_profile(sweeps, PARAMS)
    middles = (np.arange(PARAMS.bins) + 0.5) * PARAMS.bin_m
    known = middles < 4000  # higher, the ring holds no beam
    np.testing.assert_allclose(profile[known], -falling(middles[known]), atol=0.15)
    low = heights(2.4) < 4000
    np.testing.assert_allclose(brought_down(sweeps[2], profile, PARAMS)[:, low], 35, atol=0.4)


def test_uniform_echo_bright_bands_and_little_rain_change_nothing():
    assert correction_profile(made(lambda h: 0 * h), PARAMS).max() < 1e-3
    bright = made(lambda h: np.where((h > 2500) & (h < 3200), 8.0, 0.0))
    assert correction_profile(bright, PARAMS).max() < 1e-3
    np.testing.assert_array_equal(correction_profile(made(falling, rays=10), PARAMS), 0)


def test_a_bright_band_is_lowered_in_a_layer_that_was_seen():
    def band(height_m):
        return np.where((height_m > 2400) & (height_m < 3200), 5.0, falling(height_m))

    sweeps = made(band)
    raised = replace(PARAMS, layer_m=(2500.0 + 300.0, 3100.0 + 300.0))
    profile = correction_profile(sweeps, raised, antenna_m=300.0)
    middles = (np.arange(PARAMS.bins) + 0.5) * PARAMS.bin_m
    inside = (middles > 2400) & (middles < 3200)
    np.testing.assert_allclose(profile[inside], -5.0, atol=0.15)
    below = middles < 2400
    np.testing.assert_allclose(profile[below], -falling(middles[below]), atol=0.15)
    assert correction_profile(made(lambda h: 12 * band(h)), raised, 300.0).min() == -PARAMS.max_db


def test_rain_under_a_low_layer_stands_for_the_ground():
    """The bins of the reference that reach into the layer are left out of it."""
    low = made(lambda h: np.where((h > 800) & (h < 1600), 5.0, -3.0 * (h >= 1600)))
    profile = correction_profile(low, replace(PARAMS, layer_m=(900.0, 1500.0)))
    np.testing.assert_allclose(profile[:2], 0, atol=1e-6)
    np.testing.assert_allclose(profile[2:4], -5.0, atol=0.1)
    assert (profile[4:] >= 3.0).all()


def test_snow_above_a_layer_that_was_seen_is_raised():
    """By no less than snow is weaker than rain, even where no profile is known."""
    params = replace(PARAMS, layer_m=(2000.0, 2600.0), snow_db=(2.0, 5.0))
    middles = (np.arange(PARAMS.bins) + 0.5) * PARAMS.bin_m + 300.0  # above sea level
    above = np.where(middles > 2600, 2.0 + 5.0 * (middles - 2600) / 1000.0, 0.0)
    for rays in (360, 10):
        profile = correction_profile(made(lambda h: 0 * h, rays=rays), params, antenna_m=300.0)
        np.testing.assert_allclose(profile, np.minimum(above, PARAMS.max_db), atol=1e-3)


def test_the_correction_is_bounded_and_never_falls():
    profile = correction_profile(made(lambda h: 12 * falling(h)), PARAMS)
    assert profile.max() == pytest.approx(PARAMS.max_db)
    assert (np.diff(profile) >= 0).all()


def test_dry_missing_and_weak_echo_stay():
    (sweep, *_) = made(falling)
    sweep.dbz[:, 400], sweep.dbz[:, 401], sweep.dbz[:, 402] = DRY_DBZ, np.nan, 2.0
    found = brought_down(sweep, np.full(PARAMS.bins, 3.0), PARAMS)
    np.testing.assert_array_equal(found[:, 400:403], sweep.dbz[:, 400:403])
    np.testing.assert_allclose(found[:, 399], sweep.dbz[:, 399] + 3)
