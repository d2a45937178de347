"""Uniform rain through the beam: everything is known."""

import numpy as np
import pytest

from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import GridSpec
from jinghu.radar.simulator.beam import Aim, gather
from jinghu.radar.simulator.ground import draw_ground, ground_of_elevation
from jinghu.radar.simulator.receiver import Receiver, coded, path_integrals, receive
from jinghu.radar.simulator.scattering import drops, rain_scattering
from jinghu.radar.simulator.truth import DropParams, RainTruth, make_drops
from jinghu.radar.sites import HiddenSector, RadarSite

SPEC = GridSpec("EPSG:4549", 450e3, 3200e3, 1000.0, 200, 200)
X_TABLE = rain_scattering(drops(9.4, 15.0))
LON, LAT = (float(v) for v in SPEC.to_lonlat(550e3, 3300e3))
SITE = RadarSite("ZTEST", "", "", LAT, LON, 50.0, "X")
RANGE_M = np.asarray((np.arange(300) + 0.5) * 200.0, np.float64)
OPEN = -90.0


def rain(rate=20.0, drops_log10=4.0, freezing=5000.0):
    field = np.full((2, *SPEC.shape), rate, np.float32)
    return RainTruth(SPEC, 0.0, 60.0, field, np.full_like(field, drops_log10), (0.0, 0.0), freezing)


def aim(elevation=1.0, horizon=OPEN, rays=8):
    azimuth = np.linspace(0, 315, rays)
    return Aim(elevation, azimuth, np.full(rays, 30.0), RANGE_M,
               np.full((rays, len(RANGE_M)), horizon, np.float32))  # fmt: skip


def per_rate(column, rate, log10_drops):
    return rate * np.interp(np.log10(rate) - log10_drops, X_TABLE.log10_rate_per_drops, column)


def test_uniform_rain_fills_the_beam_with_its_own_values():
    found = gather(rain(), SITE, aim(), X_TABLE)
    np.testing.assert_allclose(found.z, per_rate(X_TABLE.z_per_rate, 20, 4.0), rtol=2e-3)
    np.testing.assert_allclose(found.kdp_deg_km, per_rate(X_TABLE.kdp_per_rate, 20, 4.0), rtol=2e-3)
    np.testing.assert_allclose(found.ah_db_km, per_rate(X_TABLE.ah_per_rate, 20, 4.0), rtol=2e-3)
    np.testing.assert_allclose(found.open_share, 1.0, rtol=1e-4)


def test_path_integrals_are_analytic():
    """PIA = 2 A r and phase = 2 K r to the centre of the gate."""
    found = gather(rain(), SITE, aim(), X_TABLE)
    pia, _, phase = path_integrals(found, 200.0)
    r = RANGE_M / 1000
    np.testing.assert_allclose(pia[0], 2 * found.ah_db_km[0, 0] * r, rtol=1e-3)
    np.testing.assert_allclose(phase[3], 2 * found.kdp_deg_km[0, 0] * r, rtol=1e-3)


def test_half_the_beam_below_the_horizon_is_half_the_power():
    clear, half = (gather(rain(), SITE, aim(horizon=h), X_TABLE) for h in (OPEN, 1.0 + 1e-3))
    share = half.z / clear.z
    # the axis just below: what is left are the nodes above it, 0.233 of the power
    np.testing.assert_allclose(share, 0.2333, atol=0.01)
    np.testing.assert_allclose(half.open_share, 0.2333, atol=0.01)
    np.testing.assert_array_equal(half.ah_db_km, clear.ah_db_km)


def test_rain_ends_at_the_melting_layer_and_a_bright_band_lies_in_it():
    light = gather(rain(2.0, freezing=3000.0), SITE, aim(10.0), X_TABLE)
    height = RANGE_M * np.sin(np.radians(10.0)) + 50.0
    below, bright, above = (height < 1800), (height > 2600) & (height < 2900), height > 4500
    dbz = 10 * np.log10(light.z[0])
    assert dbz[bright].max() > dbz[below].mean() + 3
    assert dbz[above].max() < dbz[below].mean() - 5
    assert light.rhohv[0][bright].min() < 0.95
    assert light.kdp_deg_km[0][above].max() == 0


def test_scans_outside_the_known_rain_are_refused():
    late = Aim(1.0, np.zeros(2), np.array([30.0, 90.0]), RANGE_M, np.zeros((2, 300), np.float32))
    with pytest.raises(ConfigError, match=r"00:00:00 to 00:01:00.*00:00:30 to 00:01:30"):
        gather(rain(), SITE, late, X_TABLE)


def measure(truth, receiver, random=None, radome_db=0.0, nyquist=30.0, wind=0.0, clutter=-99.0):
    found = gather(truth, SITE, aim(rays=60), X_TABLE)
    shape = found.z.shape
    return found, receive(
        found, np.full(shape, clutter, np.float32), np.full(shape, wind, np.float32), RANGE_M,
        nyquist, radome_db, receiver, random or np.random.default_rng(0),
    )  # fmt: skip


def test_what_is_measured_is_what_was_weakened_with_noise_of_known_size():
    found, got = measure(rain(), Receiver(-50.0, samples=40.0), radome_db=2.0)
    pia, pia_zdr, phase = path_integrals(found, 200.0)
    near = RANGE_M < 20e3
    error = (got.dbz - (10 * np.log10(found.z) - pia - 2.0))[:, near]
    assert error.mean() == pytest.approx(0, abs=0.03)
    assert error.std() == pytest.approx(4.34 / np.sqrt(40), rel=0.05)
    zdr = (got.zdr_db - (10 * np.log10(found.z / found.zv) - pia_zdr))[:, near]
    assert abs(zdr.mean()) < 0.02
    assert 0.05 < zdr.std() < 0.4
    turned = (got.phidp_deg - phase - 60.0 + 180.0) % 360.0 - 180.0
    assert abs(turned[:, near].mean()) < 0.2
    assert 0.5 < turned[:, near].std() < 4.0


def test_calibration_and_folding():
    _, low = measure(rain(), Receiver(-50.0, offset_db=-4.0), wind=45.0)
    _, right = measure(rain(), Receiver(-50.0))
    assert (low.dbz - right.dbz).mean() == pytest.approx(-4.0, abs=0.01)
    assert low.velocity_m_s.mean() == pytest.approx(45 - 60, abs=0.1)


def test_dry_is_dry_and_rain_behind_rain_is_lost():
    _, dry = measure(rain(0.0), Receiver(-34.0))
    assert not dry.signal.any()
    assert not dry.faded.any()
    assert (coded(dry.dbz, dry.signal, 2.0, 66.0, 200.0).codes == 0).all()
    _, heavy = measure(rain(60.0), Receiver(-34.0))
    assert not heavy.signal[:, -1].any()
    assert heavy.faded[:, -1].all()
    assert (heavy.faded ^ heavy.signal).all()


def test_ground_echo_stands_still_and_decorrelates():
    _, ground = measure(rain(0.0), Receiver(-34.0, clutter_filter_db=0.0), clutter=40.0, wind=10.0)
    assert ground.dbz.mean() == pytest.approx(40.0, abs=0.1)
    assert abs(ground.velocity_m_s.mean()) < 0.1
    assert ground.rhohv.mean() < 0.75
    assert ground.phidp_deg.std() > 30
    _, filtered = measure(rain(), Receiver(-34.0), clutter=40.0)
    assert (filtered.total_dbz - filtered.dbz)[:, :50].mean() > 2


def test_hidden_sectors_hide_and_hills_cast_shadows():
    ground = draw_ground(60e3, (HiddenSector(350, 10, 1.5),), np.random.default_rng(0))
    seen = ground.horizon_at(np.array([0.0, 90.0]), np.array([1000.0, 30e3]))
    np.testing.assert_array_equal(seen, np.array([[-90, 1.5], [-90, -90]], np.float32))
    again = draw_ground(60e3, (HiddenSector(350, 10, 1.5),), np.random.default_rng(0))
    np.testing.assert_array_equal(ground.clutter_dbz, again.clutter_dbz)
    elevation = np.zeros(SPEC.shape, np.float32)
    elevation[:, 110:112] = 600.0  # a ridge 10 to 12 km east
    ridge = ground_of_elevation(elevation, SPEC, SITE, 60e3, np.random.default_rng(0))
    behind = ridge.horizon_at(np.array([90.0, 270.0]), np.array([5e3, 30e3]))
    assert behind[0, 1] == pytest.approx(np.degrees(np.arctan(545 / 10.75e3)), abs=0.25)
    assert behind[1, 1] < 0
    assert (ridge.clutter_dbz[90] > 20).any()
    assert not (ridge.clutter_dbz[270, 30:] > 0).any()


def test_drops_vary_as_told_and_move():
    params = DropParams(mean_log10=4.1, deviation_log10=0.3, length_m=10e3)
    field = make_drops((10.0, 0.0), params, np.random.default_rng(3))
    big = GridSpec("EPSG:4549", 0.0, 3000e3, 4000.0, 200, 200)
    values = field.on_grid(big, 1.7e9)
    assert values.mean() == pytest.approx(4.1, abs=0.05)
    assert values.std() == pytest.approx(0.3, abs=0.05)
    now, later = field.on_grid(SPEC, 1.7e9), field.on_grid(SPEC, 1.7e9 + 300)
    moved = np.corrcoef(now[:, :-3].ravel(), later[:, 3:].ravel())[0, 1]
    assert moved > 0.95
    assert moved > np.corrcoef(now.ravel(), later.ravel())[0, 1]
