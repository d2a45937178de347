"""Spokes put into fields and into real volumes are found; rain stays."""

import os
from pathlib import Path

import numpy as np
import pytest

from jinghu.radar.clutter import ClutterParams, clean
from jinghu.radar.decode import decode_volume
from jinghu.radar.interference import SpokeParams, spoke_gates, without_spokes
from jinghu.radar.polar import DRY_DBZ, PolarSweep, reflectivity_sweeps
from jinghu.radar.sites import load_sites

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("JINGHU_DATA", ROOT / "../shared/data"))
REAL = {
    "ZG170": ("cinrad_standard_format", None),
    "Z9570": ("zhejiang_lekima_2019", ROOT / "configs/radar_sites.yaml"),
    "Z9574": ("zhejiang_lekima_2019", ROOT / "configs/radar_sites.yaml"),
}


def field(value=DRY_DBZ, rays=360, gates=400):
    dbz = np.full((rays, gates), value, np.float32)
    azimuth = (np.arange(rays) + 0.5).astype(np.float32) * 360 / rays
    nan = np.full_like(dbz, np.nan)
    return PolarSweep(0.5, azimuth.astype(np.float32), dbz, nan, 500.0, 250.0)


def with_spokes(dbz, range_m, power_dbz, random):
    """Add 1 to 3 rays of constant power (dBZ at 1 km); also where they are the stronger half."""
    out, stronger = dbz.copy(), np.zeros(dbz.shape, bool)
    for first, width in ((20, 1), (100, 2), (200, 3), (300, 1)):
        for ray in range(first, first + width):
            level = power_dbz + 20 * np.log10(np.maximum(range_m, 1.0) / 1000)
            level = level + random.normal(0, 1, len(range_m))
            both = 10 * np.log10(10 ** (dbz[ray] / 10) + 10 ** (level / 10))
            stronger[ray] = (both > dbz[ray] + 3) & (range_m > 10e3)
            out[ray] = both
    return out.astype(np.float32), stronger


def find(dbz, sweep):
    return spoke_gates(dbz, sweep.azimuth_deg, sweep.range_m, SpokeParams())


@pytest.mark.parametrize("power_dbz", [-40, -25, -10])
def test_spokes_in_clear_air_are_missing_and_nothing_else(power_dbz):
    sweep = field()
    dbz, spokes = with_spokes(sweep.dbz, sweep.range_m, power_dbz, np.random.default_rng(1))
    found = find(dbz, sweep)
    assert found[spokes].mean() > 0.99
    assert not found[~spokes].any()


def test_stronger_rain_under_a_spoke_stays():
    sweep = field()
    sweep.dbz[10:40, 100:160] = 45.0
    dbz, _ = with_spokes(sweep.dbz, sweep.range_m, -30, np.random.default_rng(1))
    found = find(dbz, sweep)
    assert found[20, 170:].mean() > 0.99
    assert not found[:, 100:160][10:40].any()


def test_a_line_of_rain_along_a_ray_is_no_spoke():
    """A thin radial line of even rain does not rise with range."""
    sweep = field()
    sweep.dbz[50, 40:350] = 30.0
    assert not find(sweep.dbz, sweep).any()


def test_rain_that_rises_with_range_all_around_is_no_spoke():
    sweep = field()
    sweep.dbz[:] = -20 + 20 * np.log10(sweep.range_m / 1000)
    assert not find(sweep.dbz, sweep).any()


def test_a_short_tongue_that_follows_the_curve_stays():
    """As behind ZG170's rain: beyond two thirds of the range, four rays wide."""
    sweep = field()
    sweep.dbz[:, :290] = 20.0
    sweep.dbz[50:54, 290:] = (-25 + 20 * np.log10(sweep.range_m / 1000))[290:]
    assert not find(sweep.dbz, sweep).any()


def test_missing_rays_and_few_rays_are_borne():
    sweep = field()
    sweep.dbz[100:140] = np.nan
    assert not find(sweep.dbz, sweep).any()
    few = field(rays=6)
    assert without_spokes(few, SpokeParams()) is few


def test_cleaning_takes_spokes_out():
    sweep, above = field(), field()
    dbz, spokes = with_spokes(sweep.dbz, sweep.range_m, -20, np.random.default_rng(1))
    sweep.dbz[:] = dbz
    cleaned = clean([sweep, above], ClutterParams())[0]
    assert np.isnan(cleaned.dbz[spokes]).mean() > 0.99


@pytest.mark.parametrize("code", REAL)
@pytest.mark.parametrize("power_dbz", [-20, -10])
def test_spokes_in_real_volumes(code, power_dbz):
    folder, sites = REAL[code]
    path = next((DATA / folder).rglob(f"*{code}*.bz2"), None)
    if path is None:
        pytest.skip(f"no volume of {code} under {DATA}")
    table = None if sites is None else load_sites(sites)
    for sweep in reflectivity_sweeps(decode_volume(path.read_bytes(), path.name, table))[:4]:
        assert not find(sweep.dbz, sweep).any()
        dbz, spokes = with_spokes(sweep.dbz, sweep.range_m, power_dbz, np.random.default_rng(1))
        found = find(dbz, sweep)
        rain = (sweep.dbz > 15) & ~spokes
        assert found[spokes].mean() >= 0.9
        assert found[rain].mean() < 0.005
