"""Rain of drills: its texture has the statistics it was given, and its truth is the same always."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from jinghu.drill_cascade import LEVELS_M, at_time, life_s, make_cascade, texture
from jinghu.drill_rain import hills_of, make_rain, rain_amounts
from jinghu.drill_script import LineEvent, TyphoonEvent, named_drill
from jinghu.drill_truth import Vortex
from jinghu.grid.spec import GridSpec

SPEC = GridSpec("EPSG:4549", 480e3, 3190e3, 2000.0, 100, 100)
FLAT = np.zeros(SPEC.shape)


@pytest.fixture(scope="module")
def cascade():
    return make_cascade(3 * 3600.0, 2.7, 7)


def textures(c, x, y, second):
    knots, shares = np.zeros(len(LEVELS_M), np.int64), np.zeros((len(LEVELS_M), 2))
    at_time(c.first, c.step_s, c.weight, c.correlation, second, knots, shares)
    flat = [
        texture(c.fields, c.spacing_m, knots, shares, a, b)
        for a, b in zip(x.ravel(), y.ravel(), strict=True)
    ]
    return np.array(flat).reshape(x.shape)


def test_texture_has_zero_mean_and_unit_variance_at_every_second(cascade):
    at = np.random.default_rng(0).uniform(0, 3e6, (2, 20_000))
    for second in (0.0, 777.0, 5000.5):
        g = textures(cascade, at[0], at[1], second)
        assert abs(g.mean()) < 0.05
        assert 0.8 < g.std() < 1.05  # bilinear reading takes some of the smallest waves


def test_power_falls_as_it_was_asked(cascade):
    """Radial spectrum of 256 km at 500 m between the largest and the smallest waves."""
    x, y = np.meshgrid(np.arange(512) * 500.0, np.arange(512) * 500.0)
    g = textures(cascade, x, y, 1000.0)
    window = np.hanning(512)[:, None] * np.hanning(512)
    power = np.abs(np.fft.fft2((g - g.mean()) * window)) ** 2
    k = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.fftfreq(512)) * 512
    ring = np.rint(k).astype(int).ravel()
    radial = np.bincount(ring, power.ravel()) / np.bincount(ring)
    inside = np.arange(3, 80)  # 85 to 3.2 km
    slope = np.polyfit(np.log(inside), np.log(radial[inside]), 1)[0]
    assert -3.2 < slope < -2.2


def test_small_patterns_die_sooner_than_large_ones(cascade):
    """AR(1): the knots' likeness after a life is near 1/e at every level."""
    for level, size in enumerate(LEVELS_M):
        knots = cascade.fields[cascade.first[level] : cascade.first[level + 1]]
        assert cascade.step_s[level] * 2 == pytest.approx(life_s(size))
        likeness = np.mean([(a * b).mean() for a, b in zip(knots[:-2], knots[2:], strict=True)])
        assert likeness == pytest.approx(np.exp(-1), abs=0.1)
    assert life_s(96_000.0) > 20 * life_s(3_000.0)


def test_hills_add_rain_where_ground_rises_before_the_wind():
    """A ramp of 1 % from west to east: 1 + 0.25 z + 6 * 0.01 for wind from the west."""
    ramp = np.tile((SPEC.x - SPEC.x[0]) * 0.01, (SPEC.ny, 1))
    middle = (50, 50)
    windward = hills_of(SPEC, ramp, (10.0, 0.0)).factor[middle]
    leeward = hills_of(SPEC, ramp, (-10.0, 0.0)).factor[middle]
    assert windward == pytest.approx(1 + 0.25 * 1.0 + 0.06, abs=0.01)
    assert leeward == pytest.approx(1 + 0.25 * 1.0 - 0.06, abs=0.01)
    np.testing.assert_allclose(hills_of(SPEC, FLAT - 8.0, (0.0, 0.0)).factor, 1.0)


@pytest.mark.parametrize("name", ["convective-line", "typhoon", "scattered", "dry"])
def test_the_same_seed_gives_the_same_rain_in_any_order_and_thread(name):
    script = named_drill(name).model_copy(update={"hours": 1.0})
    one, two = make_rain(script, SPEC, FLAT), make_rain(script, SPEC, FLAT)
    times = [script.start + timedelta(minutes=k) for k in (0, 13, 47)]
    expected = [one.on_grid(SPEC, t) for t in times]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda t: two.on_grid(SPEC, t), reversed(times)))
    for a, b in zip(expected, reversed(found), strict=True):
        np.testing.assert_array_equal(a, b)
    other = make_rain(script.model_copy(update={"seed": script.seed + 1}), SPEC, FLAT)
    assert (other.on_grid(SPEC, times[0]) != expected[0]).any()


def test_points_of_different_seconds_agree_with_the_grid():
    """A radar asks along a ray with a second for each; the grid asks for one second."""
    script = named_drill("typhoon").model_copy(update={"hours": 1.0})
    rain = make_rain(script, SPEC, FLAT)
    times = [script.start + timedelta(seconds=s) for s in (0, 61)]
    x, y = np.meshgrid(SPEC.x, SPEC.y)
    late = np.indices(x.shape).sum(axis=0) % 2
    seconds = np.where(late, times[1].timestamp(), times[0].timestamp())
    early, later = (rain.on_grid(SPEC, t) for t in times)
    np.testing.assert_array_equal(rain.rate(x, y, seconds), np.where(late, later, early))


def test_many_places_of_one_second_are_what_each_of_them_is():
    """More than 20,000 places share a texture that is blended first; single ones do not."""
    rain = make_rain(named_drill("convective-line"), SPEC, np.tile(SPEC.x / 1e3, (SPEC.ny, 1)))
    fine = GridSpec("EPSG:4549", SPEC.x0_m, SPEC.y0_m, 1000.0, 200, 200)
    time = named_drill("convective-line").start
    grid = rain.on_grid(fine, time)
    x, y = np.meshgrid(fine.x, fine.y)
    clock = np.full(fine.nx, time.timestamp())
    few = np.concatenate([rain.rate(x[k], y[k], clock) for k in range(0, 200, 20)])
    np.testing.assert_allclose(grid[::20].ravel(), few, rtol=1e-4, atol=1e-4)
    assert 0.05 < (grid > 0).mean() < 1.0


def test_the_line_rains_on_the_headwaters_and_the_dry_day_rains_nowhere():
    line = named_drill("convective-line")
    assert isinstance(line.event, LineEvent)
    rain = make_rain(line, SPEC, FLAT)
    x, y = SPEC.to_xy(line.event.lon, line.event.lat)
    box = GridSpec("EPSG:4549", float(x) - 20e3, float(y) - 20e3, 1000.0, 40, 40)
    hours = [
        np.mean([rain.on_grid(box, line.start + timedelta(minutes=60 * h + m)) for m in range(60)],
                axis=0)
        for h in range(3)
    ]  # fmt: skip
    assert 30 < max(h.max() for h in hours) < 130
    dry = named_drill("dry")
    quiet = make_rain(dry, SPEC, FLAT)
    hour = np.mean([quiet.on_grid(SPEC, dry.start + timedelta(minutes=m)) for m in range(0, 60, 5)],
                   axis=0)  # fmt: skip
    assert hour.max() < 1.0


def test_amounts_are_the_rates_summed():
    script = named_drill("scattered").model_copy(update={"hours": 1.0})
    rain = make_rain(script, SPEC, FLAT)
    small = GridSpec("EPSG:4549", 560e3, 3260e3, 2500.0, 6, 5)
    step = timedelta(minutes=6)
    found = rain_amounts(rain, small, script.start + step, script.start + 3 * step, step)
    assert found["rainfall_amount"].shape == (3, 5, 6)
    fine = GridSpec("EPSG:4549", 560e3, 3260e3, 1250.0, 12, 10)
    minutes = [script.start + timedelta(seconds=30 + 60 * m) for m in range(18)]
    total = np.sum([rain.on_grid(fine, minute) / 60 for minute in minutes], axis=0)
    coarse = total.reshape(5, 2, 6, 2).mean(axis=(1, 3))
    np.testing.assert_allclose(found["rainfall_amount"].sum("time"), coarse, rtol=1e-4, atol=1e-5)


def test_a_storm_far_away_is_not_felt_and_motion_is_told():
    script = named_drill("typhoon").model_copy(update={"hours": 1.0})
    rain = make_rain(script, SPEC, FLAT)
    assert isinstance(script.event, TyphoonEvent)
    assert rain.motion() == script.event.speed_m_s
    gone = replace(rain, vortex=Vortex(x_m=5e6, y_m=5e6, rate_mm_h=30.0), background_mm_h=0.0)
    assert not gone.on_grid(SPEC, script.start).any()
    assert rain.rate(np.empty((0, 3)), np.empty((0, 3)), np.empty((0, 3))).shape == (0, 3)
