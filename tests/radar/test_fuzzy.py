"""Made rain and made ground, told apart."""

import numpy as np
import pytest

from jinghu.radar.fuzzy import FuzzyParams, Membership, has_evidence, score, without_non_weather
from jinghu.radar.polar import DRY_DBZ, DualPol, PolarSweep

SHAPE = (90, 120)
GROUND = (slice(None), slice(0, 40))
RAIN = (slice(None), slice(50, 100))
DRY = (slice(None), slice(110, 120))


def made(*, total=False, dual=False):
    """Ground in the near gates, rain farther away, dry beyond."""
    random = np.random.default_rng(5)
    dbz = np.full(SHAPE, DRY_DBZ, np.float32)
    dbz[GROUND] = random.normal(30, 9, dbz[GROUND].shape)
    dbz[RAIN] = random.normal(30, 1, dbz[RAIN].shape)
    velocity = np.full(SHAPE, 8.0, np.float32)
    velocity[GROUND] = 0.2
    unfiltered = dbz.copy()
    unfiltered[GROUND] += 25
    moments = None
    if dual:
        rho, zdr, phi = (np.full(SHAPE, v, np.float32) for v in (0.99, 0.8, 50.0))
        rho[GROUND] = random.uniform(0.4, 0.95, rho[GROUND].shape)
        zdr[GROUND] = random.normal(0, 4, zdr[GROUND].shape)
        phi[GROUND] = random.uniform(0, 360, phi[GROUND].shape)
        phi[RAIN] += random.normal(0, 3, phi[RAIN].shape)
        moments = DualPol(zdr, rho, phi)
    return PolarSweep(0.5, np.arange(90, dtype=np.float32) * 4, dbz, velocity, 250.0, 125.0,
                      unfiltered if total else None, None, moments)  # fmt: skip


@pytest.mark.parametrize(("total", "dual"), [(True, False), (False, True), (True, True)])
def test_ground_goes_rain_and_dry_stay(total, dual):
    sweep = made(total=total, dual=dual)
    assert has_evidence(sweep)
    found = without_non_weather(sweep, score(sweep, None, FuzzyParams()), FuzzyParams())
    assert np.isnan(found[:, 2:38]).mean() > 0.97
    np.testing.assert_array_equal(found[:, 52:98], sweep.dbz[:, 52:98])
    np.testing.assert_array_equal(found[DRY], DRY_DBZ)


def test_scores_are_between_none_and_whole_and_missing_votes_do_not_count():
    sweep = made(dual=True)
    found = score(sweep, None, FuzzyParams())
    assert np.nanmin(found) >= 0
    assert np.nanmax(found) <= 1
    assert np.isnan(found[DRY]).all()
    silent = np.full(SHAPE, np.nan, np.float32)
    np.testing.assert_array_equal(score(sweep, silent, FuzzyParams()), found)


def test_reflectivity_and_velocity_alone_are_left_to_the_gradient():
    assert not has_evidence(made())


def test_ramps_run_either_way():
    values = np.array([0.7, 0.84, 1.0, np.nan], np.float32)
    found = Membership(0.93, 0.75, 1.0).degree(values)
    np.testing.assert_allclose(found, [1, 0.5, 0, np.nan], atol=1e-6)


KINDS = {  # means and deviations of dBZ, rhoHV, ZDR (dB), PhiDP (deg); absolute velocity in m/s
    "insects": ((10, 2.5), (0.75, 0.08), (5.0, 1.2), (60, 10), 8.0),
    "sea": ((18, 5), (0.65, 0.12), (1.0, 2.5), (180, 120), 3.0),
    "drizzle": ((10, 1.5), (0.985, 0.01), (0.3, 0.4), (60, 3), 3.0),
    "weak rain": ((8, 2), (0.90, 0.05), (0.3, 1.2), (60, 10), 3.0),
    "large drops": ((20, 1.5), (0.975, 0.01), (3.5, 0.4), (60, 3), 3.0),
    "melting snow": ((32, 2), (0.88, 0.03), (2.5, 0.6), (60, 5), 3.0),
}


@pytest.mark.parametrize(("kind", "removed"), [
    ("insects", 1), ("sea", 1), ("drizzle", 0), ("weak rain", 0), ("large drops", 0),
    ("melting snow", 0),
])  # fmt: skip
def test_insects_and_sea_go_by_two_polarisations(kind, removed):
    random = np.random.default_rng(3)
    *fields, speed = KINDS[kind]
    dbz, rho, zdr, phi = (random.normal(*f, SHAPE).astype(np.float32) for f in fields)
    dual = DualPol(zdr, np.clip(rho, 0.2, 1.0), phi % 360)
    azimuth = np.arange(90, dtype=np.float32) * 4
    velocity = np.full(SHAPE, speed, np.float32)
    sweep = PolarSweep(0.5, azimuth, dbz, velocity, 250.0, 125.0, dbz, None, dual)
    found = without_non_weather(sweep, score(sweep, None, FuzzyParams()), FuzzyParams())
    assert np.isnan(found).mean() == pytest.approx(removed, abs=0.02)


def test_large_zdr_low_rhohv_and_weak_echo_must_come_together():
    """Each of the three alone takes the vote of insects back."""
    echo, zdr, rho = 10.0, 5.0, 0.8
    for dbz, zdr_db, rhohv in ((30.0, zdr, rho), (echo, 1.0, rho), (echo, zdr, 0.98)):
        flat = [np.full(SHAPE, v, np.float32) for v in (dbz, zdr_db, rhohv, 60.0)]
        azimuth = np.arange(90, dtype=np.float32) * 4
        sweep = PolarSweep(0.5, azimuth, flat[0], 8 + 0 * flat[0], 250.0, 125.0, flat[0], None,
                           DualPol(flat[1], flat[2], flat[3]))  # fmt: skip
        found = score(sweep, None, FuzzyParams())
        assert found.max() < 0.5
