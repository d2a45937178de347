"""Which relation each gate's rain comes from, in made sweeps of known KDP and attenuation."""

from dataclasses import replace

import numpy as np
import pytest
from tests.radar.conftest import SITE, START, volume

from jinghu.grid.fields import Method
from jinghu.grid.spec import GridSpec
from jinghu.radar.attenuation import Attenuation
from jinghu.radar.clutter import ClutterParams, clean
from jinghu.radar.decode import decode_volume
from jinghu.radar.phidp import Phase
from jinghu.radar.polar import DRY_DBZ, DualPol, PolarSweep, reflectivity_sweeps
from jinghu.radar.qpe import (
    PhaseProducts,
    QpeParams,
    gate_rain,
    phase_products,
    rate_by_type,
    restored,
)
from jinghu.radar.rain import RainParams, rain_on_grid
from jinghu.radar.rain_type import convective
from jinghu.radar.tuned_zr import TuningParams, tuned_rate
from jinghu.radar.volume import Moment, Sweep
from jinghu.radar.zr import ZRRelation, ZRTable, fit_zr

Z = [DRY_DBZ, np.nan, 30.0, 45.0, 56.0, 56.0]
KDP = [np.nan, np.nan, 0.1, 2.0, 4.0, np.nan]
PARAMS = QpeParams()


def rain(rise_deg, band, path_db=0.0, antenna_m=100.0, zdr_db=np.nan):
    """One ray whose gates repeat five times, so that averages along it are theirs."""
    row = np.repeat(np.array([Z], np.float32), 5, axis=1)
    kdp = np.repeat(np.array([KDP], np.float32), 5, axis=1)
    same = np.ones_like(row)
    sweep = PolarSweep(0.5, np.zeros(1, np.float32), row, row, 250.0, 125.0, None, None,
                       DualPol(zdr_db * same, same, same))  # fmt: skip
    phase = Phase(0.0, same, same, kdp)
    weakened = Attenuation(0.5 * same, path_db * same, 0 * same, rise_deg * same, kdp)
    untuned = replace(PARAMS, tuning=TuningParams(prior_gates=1e9), zdr_window_m=500.0)
    found = gate_rain(sweep, PhaseProducts(phase, weakened), band, antenna_m, ZRTable(), untuned)
    return found.rate[0, 2::5], found.method[0, 2::5].tolist(), found.quality[0, 2::5]


def test_s_band_takes_heavy_rain_and_hail_from_kdp():
    """40.5 x 2^0.85 = 73.0 and 40.5 x 4^0.85 = 131.6 mm/h; weak rain and unknown KDP from Z."""
    rate, method, quality = rain(50.0, "S")
    m = Method
    assert method == [m.Z, m.NONE, m.Z_TUNED, m.KDP, m.KDP, m.Z_CAPPED]
    np.testing.assert_allclose(rate[2:], [2.36, 73.0, 131.6, 103.8], rtol=3e-3)
    np.testing.assert_allclose(quality, [1, 0, 1, 1, 1, 0.5])


def test_with_zdr_s_band_knows_the_size_of_the_drops():
    """30 dBZ: 9.341e-3 x 1000^0.925 / 10^0.487; 144.8 x 2^0.938 / 10^0.287; 56 dBZ is too much."""
    rate, method, _ = rain(50.0, "S", zdr_db=1.0)
    m = Method
    assert method[2:] == [m.Z_ZDR, m.KDP_ZDR, m.KDP, m.Z_CAPPED]
    np.testing.assert_allclose(rate[2:5], [1.813, 143.3, 131.6], rtol=3e-3)


def test_x_band_takes_rain_from_attenuation_where_the_phase_rises_enough():
    """45.5 x 0.5^0.83 = 25.6 mm/h; hail from KDP: 15.81 x 4^0.7992 = 47.9."""
    rate, method, _ = rain(15.0, "X")
    m = Method
    assert method == [m.Z, m.NONE, m.ATTENUATION, m.ATTENUATION, m.KDP, m.Z_CAPPED]
    np.testing.assert_allclose(rate[2:5], [25.6, 25.6, 47.9], rtol=3e-3)
    assert rain(5.0, "X")[1][2:4] == [m.Z_TUNED, m.KDP]
    np.testing.assert_allclose(rain(15.0, "X", path_db=20.0)[2][3], np.exp(-1), rtol=1e-5)


def test_with_zdr_x_band_spreads_the_rise_of_the_phase_by_size():
    """43.8 x 2^0.908 / 10^0.228 where ZDR is 1 dB."""
    rate, method, _ = rain(15.0, "X", zdr_db=1.0)
    assert method[2:4] == [Method.KDP_ZDR, Method.KDP_ZDR]
    np.testing.assert_allclose(rate[3], 43.8 * 2**0.908 / 10**0.228, rtol=3e-3)


def test_a_relation_is_tuned_by_polarimetric_rain_nearby():
    """Around gates with twice the rain of the relation it gives twice as much, far away as told."""
    dbz = np.full((60, 400), 35.0, np.float32)
    plain = ZRRelation().rain_rate(dbz)
    rate, known = plain.copy(), np.zeros(dbz.shape, bool)
    known[:, :40] = True
    rate[known] *= 2
    tuned = tuned_rate(plain, rate, known, 250.0, TuningParams())
    assert tuned[30, 20] / plain[30, 20] == pytest.approx(2.0, rel=0.08)
    assert tuned[30, 399] == plain[30, 399]
    untold = tuned_rate(plain, rate, ~(dbz > 0), 250.0, TuningParams())
    np.testing.assert_array_equal(untold, plain)


def test_above_the_melting_layer_reflectivity_alone_counts():
    assert set(rain(50.0, "X", antenna_m=4600.0)[1]) == {
        Method.Z, Method.NONE, Method.Z_CAPPED
    }  # fmt: skip


def dual_volume(elevations=(0.5, 1.5), rays=360, gates=300, kdp=1.5):
    """Everywhere 45 dBZ, and a phase that rises by twice the KDP a kilometre and folds."""
    phase = (340 + 2 * kdp * 0.25 * np.arange(gates)) % 360
    codes = {
        "DBZH": (np.full((rays, gates), 156, np.uint8), 2.0, 66.0),
        "ZDR": (np.full((rays, gates), 150, np.uint8), 16.0, 130.0),
        "RHOHV": (np.full((rays, gates), 203, np.uint8), 200.0, 5.0),
        "PHIDP": (np.tile(np.rint(phase * 100 + 50), (rays, 1)).astype(np.uint16), 100.0, 50.0),
    }
    azimuth = (np.arange(rays) * 360 / rays).astype(np.float32)
    sweeps = [
        Sweep(e, azimuth, np.full(rays, e, np.float32), START.timestamp() + np.arange(rays) * 0.05,
              0.0, {n: Moment(c, s, o, 5, 250.0, 125.0) for n, (c, s, o) in codes.items()})
        for e in elevations
    ]  # fmt: skip
    return volume(sweeps, "made", "made")


def test_kdp_of_a_volume_is_that_of_its_phase():
    sweep = reflectivity_sweeps(dual_volume())[0]
    products = phase_products(sweep, "S", 100.0, PARAMS)
    assert products is not None
    assert products.phase.offset_deg == pytest.approx(343, abs=2)  # of the first ten gates
    np.testing.assert_allclose(products.phase.kdp_deg_km, 1.5, atol=0.02)


def test_the_method_reaches_the_grid():
    x, y = (
        float(v)
        for v in GridSpec("EPSG:4549", 0, 0, 1.0, 1, 1).to_xy(SITE.longitude, SITE.latitude)
    )
    spec = GridSpec("EPSG:4549", x - 60e3, y - 60e3, 1000.0, 120, 120)
    found = rain_on_grid(dual_volume(), spec, RainParams())
    meanings = "none z kdp attenuation z_capped z_zdr kdp_zdr z_tuned"
    assert found["method"].attrs["flag_meanings"] == meanings
    distance = np.hypot(*np.meshgrid(spec.x - x, spec.y - y))
    near = distance < 55e3
    assert (found["method"].values[near] == Method.KDP_ZDR).all()
    rate = 144.8 * 1.5**0.938 / 10 ** (0.287 * 1.25)
    at_radar = distance < 5e3  # farther out ZDR has been given back what attenuation took
    np.testing.assert_allclose(found["rainfall_rate"].values[at_radar], rate, rtol=0.04)
    assert (found["method"].values[distance > 76e3] == Method.NONE).all()


def test_the_relation_is_that_of_the_type_of_rain():
    """A core of 45 dBZ stands in 25 dBZ: it and what is near it are convective."""
    dbz = np.full((360, 200), 25.0, np.float32)
    dbz[10:12, 100:103] = 45.0
    azimuth = np.arange(360, dtype=np.float32)
    sweep = PolarSweep(0.5, azimuth, dbz, dbz, 250.0, 125.0)
    table = ZRTable(ZRRelation(200.0, 1.6), ZRRelation(300.0, 1.4))
    rate = rate_by_type(sweep, table, PARAMS)
    assert rate[10, 101] == pytest.approx((10**4.5 / 300) ** (1 / 1.4), rel=1e-4)
    assert rate[10, 104] == pytest.approx((10**2.5 / 300) ** (1 / 1.4), rel=1e-4)
    assert rate[200, 101] == pytest.approx((10**2.5 / 200) ** (1 / 1.6), rel=1e-4)
    assert (convective(sweep, PARAMS.types).sum(axis=1) > 0).sum() < 20


def test_windows_are_as_wide_in_m_at_all_ranges():
    """Of a field of ones each window holds its number of gates: counted one by one."""
    ones = np.ones((360, 120), np.float32)
    azimuth = np.arange(360, dtype=np.float32)
    sweep = PolarSweep(0.5, azimuth, 30 * ones, ones, 250.0, 125.0)
    lone = np.full((360, 120), DRY_DBZ, np.float32)
    lone[0, 100] = 45.0  # 25 km away: 2.5 km are ten gates and five rays
    spread = convective(replace(sweep, dbz=np.maximum(lone, 0.5 * ones)), PARAMS.types)
    rays, gates = np.nonzero(spread)
    assert set(gates) == set(range(90, 111))
    assert set(rays[gates == 100]) == {*range(6), *range(355, 360)}


def test_a_relation_is_fitted_to_gauges():
    """Amounts made by Z = 200 R^1.6 give it back; noise changes it little; too few are refused."""
    random = np.random.default_rng(0)
    dbz = random.uniform(15, 45, (400, 10))
    caught = ((10 ** (dbz / 10) / 200) ** (1 / 1.6)).mean(axis=1)
    exact = fit_zr(dbz, caught)
    assert exact.b == 1.6
    assert exact.a == pytest.approx(200, rel=1e-6)
    noisy = fit_zr(dbz, caught * random.normal(1, 0.2, 400))
    assert noisy.b == pytest.approx(1.6, abs=0.11)
    with pytest.raises(ValueError, match="10 hours"):
        fit_zr(dbz[:10], caught[:10])


def real(data_folder, code):
    path = next((data_folder / "cinrad_standard_format").glob(f"*{code}*"))
    return decode_volume(path.read_bytes(), path.name, None)


def test_the_real_x_band_volume_gets_its_signal_back(data_folder):
    """Looked at: behind the cell on the radar ZDR falls to -5 dB, and returns to that of rain."""
    sweeps = clean(reflectivity_sweeps(real(data_folder, "ZG170")), ClutterParams())
    products = phase_products(sweeps[1], "X", 100.0, PARAMS)
    assert products is not None
    whole = restored(sweeps[1], products, "X")
    assert products.phase.offset_deg == pytest.approx(49, abs=3)
    weakened = (products.attenuation.path_db > 15) & (sweeps[1].dbz > 10)
    assert weakened.sum() > 1000
    assert sweeps[1].dual is not None
    assert whole.dual is not None
    assert np.nanmedian(sweeps[1].dual.zdr_db[weakened]) < -2
    assert -0.5 < np.nanmedian(whole.dual.zdr_db[weakened]) < 2.5
    behind = np.isnan(whole.dbz) & (sweeps[1].dbz == DRY_DBZ)
    assert (products.attenuation.path_db[behind] > 1).all()
    assert behind.sum() > 10_000


def test_ground_of_the_real_mountain_radar_is_removed(data_folder):
    """A dry day: of 2408 gates above 30 dBZ in the lowest sweep fewer than one in ten stay."""
    before = reflectivity_sweeps(real(data_folder, "Z9090"))
    after = clean(before, ClutterParams())
    assert (before[0].dbz > 30).sum() > 2000
    assert (after[0].dbz > 30).sum() < 200
