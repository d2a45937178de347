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
