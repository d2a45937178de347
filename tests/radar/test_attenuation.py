"""Rays through made rain, weakened by a known ratio: the correction gives the rain back."""

import numpy as np
import pytest

from jinghu.radar.attenuation import ATTENUATION, attenuation, corrected
from jinghu.radar.polar import DRY_DBZ

GATE_M = 225.0
GATES = 200
X = ATTENUATION["X"]


def ray(ratio, peaks=((12.0, 46.0), (24.0, 50.0))):
    """True Z, measured Z, phase and two-way path attenuation of a ray with Gaussian cells.

    ``A = c Z^0.78``, KDP = A / ratio; all integrals run to the middle of the gates.
    """
    range_km = (np.arange(GATES) + 0.5) * GATE_M / 1000
    dbz = np.full(GATES, 20.0)
    for centre, peak in peaks:
        dbz = np.maximum(dbz, peak - 1.2 * (range_km - centre) ** 2)
    a = 1.37e-4 * 10 ** (0.078 * dbz)
    middle = (np.cumsum(a) - a / 2) * GATE_M / 1000
    path = 2 * middle
    return dbz, dbz - path, 2 * middle / ratio, path


@pytest.mark.parametrize("ratio", [0.20, 0.28, 0.40])
def test_corrected_reflectivity_is_the_true_one(ratio):
    dbz, measured, phase, path = ray(ratio)
    assert path[-1] > 8
    phase = phase + np.random.default_rng(1).normal(0, 1.0, GATES)
    weakened = attenuation(
        measured[None].astype(np.float32), phase[None].astype(np.float32), GATES, GATE_M, X
    )
    found = measured + weakened.path_db[0]
    assert np.abs(found - dbz).max() < 1.0
    np.testing.assert_allclose(weakened.path_zdr_db, weakened.path_db * 0.04 / 0.28, rtol=1e-5)
    assert (weakened.rise_deg > 20).all()


def test_a_little_phase_takes_the_usual_ratio():
    """The whole path attenuation is 0.28 dB for every degree of the rise."""
    _, measured, phase, _ = ray(0.2, peaks=((12.0, 38.0),))
    assert phase[-1] < X.min_rise_deg
    weakened = attenuation(
        measured[None].astype(np.float32), phase[None].astype(np.float32), GATES, GATE_M, X
    )
    assert weakened.path_db[0, -1] == pytest.approx(0.28 * phase[-1], rel=0.02)


def test_segments_are_apart_and_beyond_the_rain_nothing_is_added():
    _, measured, phase, path = ray(0.28)
    z, p = measured[None].astype(np.float32), phase[None].astype(np.float32)
    z[:, 80:100], p[:, 80:100] = DRY_DBZ, np.nan
    two = attenuation(z, p, GATES, GATE_M, X)
    assert (two.rise_deg[0, 80:100] == 0).all()
    assert two.path_db[0, 79] == pytest.approx(path[79], abs=1)
    low = attenuation(z, p, 80, GATE_M, X)
    np.testing.assert_allclose(low.path_db[0, 85:], low.path_db[0, 85])
    assert low.path_db[0, 85] == pytest.approx(path[80], abs=1)


def test_lost_signal_is_missing_and_dry_stays_dry():
    """Noise is -30 dBZ at 1 km, -4 at 20 km: behind 10 dB dry is dry, behind 40 dB it is lost."""
    range_m = np.asarray((np.arange(GATES) + 0.5) * GATE_M, np.float64)
    noise = -30 + 20 * np.log10(range_m / 1000)
    dbz = np.full((3, GATES), DRY_DBZ, np.float32)
    dbz[:, :80] = noise[:80] + 0.1
    path = np.zeros((3, GATES), np.float32)
    path[1, 80:], path[2, 80:] = 10, 40
    found = corrected(dbz, path, range_m, 20.0)
    np.testing.assert_array_equal(found[:2, 80:], DRY_DBZ)
    assert np.isnan(found[2, 80:]).all()
    np.testing.assert_array_equal(found[:, :80], dbz[:, :80])
