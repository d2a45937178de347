"""A consistent ray of rain is made from computed scattering, miscalibrated, and read back."""

from dataclasses import replace

import numpy as np
import pytest

from jinghu.radar.clutter import ClutterParams, clean
from jinghu.radar.consistency import (
    PHASE_OF_RAIN,
    ConsistencyParams,
    reflectivity_check,
    zdr_check,
)
from jinghu.radar.polar import DualPol, PolarSweep, calibrated
from jinghu.radar.qpe import QpeParams, phase_products, restored
from jinghu.radar.simulator.scan import tables

PARAMS = ConsistencyParams()
TABLES = tables("SX")
RAYS, GATES, GATE_M = 180, 320, 250.0
# Gourley et al. (2009, J. Atmos. Oceanic Technol. 26, 689-703), table 4: 1e5 KDP / Z by ZDR.
GOURLEY = {
    "S": (3.696, -1.963, 0.504, -0.051),
    "C": (6.746, -2.970, 0.711, -0.079),
    "X": (11.74, -4.020, -0.140, 0.130),
}


def rain(band, peak_mm_h, seed=0):
    """Rays through showers of 3 km, of drops that differ from ray to ray; as a radar measures."""
    random = np.random.default_rng(seed)
    range_km = (np.arange(GATES) + 0.5) * GATE_M / 1000
    middle, width = random.uniform(15, 35, (RAYS, 1)), random.uniform(6, 12, (RAYS, 1))
    rate = 0.3 + peak_mm_h * np.exp(-(((range_km - middle) / width) ** 2) / 2)
    table, drops = TABLES[band], random.normal(4.15, 0.3, (RAYS, 1))

    def per_rate(values):
        return np.interp(np.log10(rate) - drops, table.log10_rate_per_drops, values)

    z, zv = rate * per_rate(table.z_per_rate), rate * per_rate(table.zv_per_rate)

    def integral(specific):
        return 2 * GATE_M / 1000 * (np.cumsum(specific, axis=1) - specific / 2)

    lost = integral(rate * per_rate(table.ah_per_rate))
    lost_zdr = integral(rate * per_rate(table.adp_per_rate))
    phase = integral(rate * per_rate(table.kdp_per_rate))
    dbz = 10 * np.log10(z) - lost + random.normal(0, 0.7, rate.shape)
    zdr = 10 * np.log10(z / zv) - lost_zdr + random.normal(0, 0.25, rate.shape)
    phidp = (phase + 60 + random.normal(0, 1.5, rate.shape)) % 360
    dual = DualPol(
        zdr.astype(np.float32), np.full(rate.shape, 0.99, np.float32), phidp.astype(np.float32)
    )
    azimuth = (np.arange(RAYS) * 360 / RAYS).astype(np.float32)
    wind = np.full(rate.shape, 9.0, np.float32)
    return PolarSweep(1.0, azimuth, dbz.astype(np.float32), wind, GATE_M, GATE_M / 2, dual=dual)


def checked(sweep, band, zdr_offset_db=0.0):
    (cleaned,) = clean([sweep], ClutterParams())
    products = phase_products(cleaned, band, 100.0, QpeParams())
    whole = restored(cleaned, products, band)
    found = reflectivity_check([whole], [products], band, 100.0, PARAMS, zdr_offset_db)
    return found, zdr_check([whole], [products], 100.0, PARAMS)


@pytest.mark.parametrize("band", ["S", "X"])
@pytest.mark.parametrize("offset", [-5.0, -1.5, 0.0, 3.0])
def test_an_offset_is_read_back(band, offset):
    sweep = calibrated(rain(band, {"S": 25.0, "X": 8.0}[band]), -offset)
    found, _ = checked(sweep, band)
    assert found.offset_db == pytest.approx(offset, abs=0.8)
    assert found.samples >= PARAMS.least_segments
    assert found.error_db < 1.0


@pytest.mark.parametrize("band", ["S", "X"])
def test_light_rain_shows_the_offset_of_zdr_and_it_is_taken_into_account(band):
    sweep = rain(band, {"S": 25.0, "X": 8.0}[band])
    shifted = replace(sweep, dual=replace(sweep.dual, zdr_db=sweep.dual.zdr_db + np.float32(0.5)))
    right, zdr_right = checked(sweep, band)
    wrong, zdr = checked(shifted, band)
    assert zdr_right.offset_db == pytest.approx(0.0, abs=0.15)
    assert zdr.offset_db - zdr_right.offset_db == pytest.approx(0.5, abs=0.05)
    # 0.5 dB of ZDR are 0.24 to 0.28 x 0.5 x 10 dB of reflectivity.
    assert wrong.offset_db - right.offset_db == pytest.approx(-1.3, abs=0.3)
    again, _ = checked(shifted, band, 0.5)
    assert again.offset_db == pytest.approx(right.offset_db, abs=0.1)


@pytest.mark.parametrize("band", ["S", "C", "X"])
def test_the_relation_is_within_a_decibel_of_a_published_one(band):
    zdr = np.arange(0.3, 2.0, 0.1)
    theirs = 1e-5 * 10**3.5 * np.polynomial.polynomial.polyval(zdr, GOURLEY[band])
    ours = PHASE_OF_RAIN[band].kdp(np.full(zdr.shape, 35.0, np.float32), zdr.astype(np.float32))
    off = 10 * np.log10(ours / theirs)
    assert np.abs(off).max() < 1.3
    assert np.abs(off).mean() < 1.0


def test_too_little_rain_and_one_polarisation_tell_nothing():
    drizzle = calibrated(rain("S", 0.5), 0.0)
    found, _ = checked(drizzle, "S")
    assert found is None
    single = replace(rain("S", 25.0), dual=None)
    assert reflectivity_check([single], [None], "S", 100.0, PARAMS) is None
    assert zdr_check([single], [None], 100.0, PARAMS) is None


def test_hail_does_not_judge():
    found, _ = checked(calibrated(rain("S", 25.0), -20.0), "S")
    assert found is None
