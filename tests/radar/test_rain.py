"""Rain of one radar on the grid, from made sweeps whose rain is known."""

from dataclasses import replace

import numpy as np
import pytest
from tests.radar.conftest import SITE, START, volume

from jinghu.grid.fields import State
from jinghu.grid.spec import GridSpec
from jinghu.radar.polar import DRY_DBZ, reflectivity_sweeps
from jinghu.radar.rain import RainParams, rain_on_grid
from jinghu.radar.volume import Moment, Sweep
from jinghu.radar.zr import ZRRelation

X, Y = (
    float(v) for v in GridSpec("EPSG:4549", 0, 0, 1.0, 1, 1).to_xy(SITE.longitude, SITE.latitude)
)
SPEC = GridSpec("EPSG:4549", X - 60e3, Y - 60e3, 1000.0, 120, 120)
ECHO = 136  # code of 35 dBZ
RAIN = float(ZRRelation().rain_rate(np.array([35.0], np.float32))[0])


def sweep(codes, elevation, gate_m=250.0, start_s=0.0):
    rays = len(codes)
    return Sweep(
        elevation,
        (np.arange(rays) * 360 / rays).astype(np.float32),
        np.full(rays, elevation, np.float32),
        START.timestamp() + start_s + np.arange(rays) * 0.05,
        0.0,
        {"DBZH": Moment(codes.astype(np.uint8), 2.0, 66.0, 5, gate_m, gate_m / 2)},
    )


def made(*sweeps):
    return volume(sweeps, "made", "made")


def test_zr_is_published():
    """Z = 300 R^1.4: 23 dBZ is 0.74, 40 is 12.24, 53 and more 103.9 mm/h."""
    rates = ZRRelation().rain_rate(np.array([4.9, 23, 40, 53, 60, np.nan], np.float32))
    np.testing.assert_allclose(rates, [0, 0.747, 12.24, 103.8, 103.8, np.nan], rtol=2e-3)


def test_zr_and_back():
    rates = np.array([0.5, 3.0, 80.0], np.float32)
    np.testing.assert_allclose(
        ZRRelation().rain_rate(ZRRelation().reflectivity(rates)), rates, 1e-5
    )


def test_uniform_echo_is_uniform_rain_and_dry_is_zero():
    codes = np.full((360, 300), ECHO)
    rain = rain_on_grid(made(sweep(codes, 0.5), sweep(codes, 1.5)), SPEC, RainParams())
    rates, states = rain["rainfall_rate"].values, rain["state"].values
    inside = np.hypot(*np.meshgrid(SPEC.x - X, SPEC.y - Y)) < 74e3
    np.testing.assert_allclose(rates[inside], RAIN, rtol=1e-5)
    assert (states[inside] == State.WET).all()
    assert np.isnan(rates[~inside & (np.hypot(*np.meshgrid(SPEC.x - X, SPEC.y - Y)) > 76e3)]).all()
    dry = rain_on_grid(made(sweep(0 * codes, 0.5), sweep(0 * codes, 1.5)), SPEC, RainParams())
    assert (dry["rainfall_rate"].values[inside] == 0).all()
    assert (dry["state"].values[inside] == State.DRY).all()


def test_a_sector_that_was_not_scanned_is_missing_or_seen_from_above():
    low, high = np.full((360, 200), ECHO), np.full((360, 200), ECHO)
    low[80:101] = 2
    both = rain_on_grid(made(sweep(low, 0.5), sweep(high, 1.5)), SPEC, RainParams())
    east = (slice(59, 61), slice(90, 100))  # 30 to 40 km east of the radar
    assert (both["rainfall_rate"].values[east] > 0).all()
    assert (both["beam_height"].values[east] > both["beam_height"].values[59:61, 20:30]).all()
    alone = rain_on_grid(made(sweep(low, 0.5)), SPEC, RainParams())
    assert np.isnan(alone["rainfall_rate"].values[east]).all()
    assert (alone["state"].values[east] == State.MISSING).all()


def test_echo_lies_where_it_is():
    """One ray-and-gate block at azimuth 90, 40 km: the mean place of its rain is there."""
    codes = np.zeros((360, 240))
    codes[86:95, 148:173] = ECHO  # 37 to 43.25 km, 85.5 to 94.5 degrees
    rain = rain_on_grid(made(sweep(codes, 0.5), sweep(codes, 1.5)), SPEC, RainParams())
    rates = rain["rainfall_rate"].fillna(0).values
    x, y = np.meshgrid(SPEC.x - X, SPEC.y - Y)
    assert (rates * x).sum() / rates.sum() == pytest.approx(40e3, abs=300)
    # The plane's north is not the site's: 0.27 degrees are 190 m at 40 km.
    assert (rates * y).sum() / rates.sum() == pytest.approx(0, abs=400)


def test_shallow_strong_echo_is_removed_and_rain_is_not():
    ground, rain_above = np.zeros((360, 200)), np.zeros((360, 200))
    ground[100:140, 40:80] = 186  # 60 dBZ at 10 to 20 km, nothing above
    ground[200:240, 40:80] = rain_above[200:240, 40:80] = ECHO
    rain = rain_on_grid(made(sweep(ground, 0.5), sweep(rain_above, 1.5)), SPEC, RainParams())
    rates = rain["rainfall_rate"].values
    azimuth = np.degrees(np.arctan2(*np.meshgrid(SPEC.x - X, SPEC.y - Y))) % 360
    distance = np.hypot(*np.meshgrid(SPEC.x - X, SPEC.y - Y))
    ring = (distance > 11e3) & (distance < 19e3)
    assert (rates[ring & (azimuth > 103) & (azimuth < 136)] == 0).all()
    assert (rates[ring & (azimuth > 203) & (azimuth < 236)] > 5).all()


def test_speckle_is_dry():
    codes = np.zeros((360, 200))
    codes[45, 100] = ECHO
    rain = rain_on_grid(made(sweep(codes, 0.5), sweep(codes, 1.5)), SPEC, RainParams())
    assert float(rain["rainfall_rate"].max()) == 0


def test_time_is_that_of_the_low_sweeps():
    codes = np.zeros((360, 200))
    rain = rain_on_grid(made(*(sweep(codes, 0.5 + k, start_s=20 * k) for k in range(4))), SPEC,
                        RainParams())  # fmt: skip
    seconds = rain["time"].values.astype("datetime64[ms]").astype(float) / 1000
    # Rays of 0 to 18 s and of 20 to 38 s.
    assert seconds - START.timestamp() == pytest.approx(18.975, abs=0.01)


def test_of_split_cuts_the_longest_gives_reflectivity_and_short_gates_are_averaged():
    fine = np.full((360, 400), ECHO)
    fine[:, 1::2] = 0
    split = sweep(fine, 0.5, gate_m=125.0)
    other = replace(sweep(np.full((360, 50), 90), 0.5), elevation_deg=0.6)
    (found,) = reflectivity_sweeps(made(split, other))
    # 35 dBZ and no echo (-32 dBZ), averaged in linear units: 3.01 dB less.
    np.testing.assert_allclose(found.dbz, 31.99, atol=0.01)
    assert (found.gate_m, found.first_gate_m) == (250.0, 125.0)
    assert DRY_DBZ < 0


def test_a_volume_without_reflectivity_sees_nothing():
    codes = np.full((360, 50), ECHO)
    one = sweep(codes, 0.5)
    blind = replace(one, moments={"VRADH": one.moments["DBZH"]})
    rain = rain_on_grid(made(blind), SPEC, RainParams())
    assert np.isnan(rain["rainfall_rate"].values).all()
    assert (rain["quality"].values == 0).all()
