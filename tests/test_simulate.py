"""What simulated radars and gauges report is the truth, as far as radars and gauges tell it."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from jinghu.configs.settings import CONFIGS
from jinghu.grid.frames import Frame
from jinghu.grid.spec import GridSpec
from jinghu.grid.stations import read_hourly_rain
from jinghu.radar.decode import decode_volume
from jinghu.radar.rain import RainParams, rain_on_grid
from jinghu.radar.sites import load_sites
from jinghu.simulate import hourly_amounts, make_gauges, scan, write_reports, write_volume
from jinghu.storm import Storm, StormParams, make_storm

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
SPEC = GridSpec("EPSG:4549", 515e3, 3210e3, 1000.0, 110, 110)
SITES = load_sites(CONFIGS / "radar_sites.yaml")


@pytest.fixture(scope="module")
def storm():
    return make_storm(SPEC, START, timedelta(hours=1), 20260620, StormParams())


def one_cell(**changes):
    """A round cell of 50 mm/h that stands still in the middle of its life at second 0."""
    cell = {"birth": -1800, "life": 3600, "x": 570e3, "y": 3265e3, "u": 0, "v": 0, "peak": 50,
            "along": 5000, "across": 5000, "angle": 0} | changes  # fmt: skip
    return Storm(START, np.array([list(cell.values())], np.float64))


def at(storm, x, y, second):
    clock = START.timestamp() + second
    return float(storm.rate(np.array([x]), np.array([y]), np.array([clock]))[0])


def test_a_cell_has_the_shape_it_was_given():
    """R = Rmax (1 - exp(-S / Rmax)), S = peak sin(pi age / life) exp(-d^2 / 2), Rmax = 115."""

    def saturated(s):
        return 115 * (1 - np.exp(-s / 115))

    still = one_cell()
    assert at(still, 570e3, 3265e3, 0) == pytest.approx(saturated(50), rel=1e-5)
    assert at(still, 575e3, 3265e3, 0) == pytest.approx(saturated(50 * np.exp(-0.5)), rel=1e-5)
    assert at(still, 570e3, 3265e3, 900) == pytest.approx(saturated(50 * np.sqrt(0.5)), rel=1e-5)
    assert at(still, 570e3, 3265e3, 1801) == 0
    assert at(still, 600e3, 3265e3, 0) == 0
    moving = one_cell(u=10, v=-5)  # at its birth at (570, 3265) km
    assert at(moving, 570e3 + 18e3, 3265e3 - 9e3, 0) == pytest.approx(saturated(50), rel=1e-5)


def test_the_seed_makes_the_event(storm):
    again = make_storm(SPEC, START, timedelta(hours=1), 20260620, StormParams())
    np.testing.assert_array_equal(storm.cells, again.cells)
    other = make_storm(SPEC, START, timedelta(hours=1), 1, StormParams())
    assert storm.cells.shape != other.cells.shape or (storm.cells != other.cells).any()


def test_the_event_is_what_warnings_need(storm):
    """Peaks of 80 to 115 mm/h all the time, hourly sums above 50 mm, over the headwaters."""
    frames = [storm.on_grid(SPEC, START + k * timedelta(minutes=6)) for k in range(10)]
    assert all(80 <= frame.max() <= 115 for frame in frames)
    hour = np.mean(frames, axis=0)
    assert hour.max() > 50
    row, col = np.unravel_index(hour.argmax(), hour.shape)
    lon, lat = SPEC.to_lonlat(SPEC.x[col], SPEC.y[row])
    assert 120.5 < float(lon) < 121.3
    assert 29.1 < float(lat) < 29.9


@pytest.mark.parametrize("code", ["ZSIM1", "ZSIM4"])
def test_rain_of_the_decoded_file_is_the_truth(storm, code, tmp_path):
    volume = scan(storm, SITES[code], SPEC, START, np.random.default_rng(0))
    path = write_volume(volume, tmp_path)
    found = decode_volume(path.read_bytes(), path.name, SITES)
    assert found.complete
    for one, other in zip(found.sweeps, volume.sweeps, strict=True):
        for name, moment in one.moments.items():
            np.testing.assert_array_equal(moment.codes, other.moments[name].codes)
        np.testing.assert_array_equal(one.azimuth_deg, other.azimuth_deg)
        np.testing.assert_allclose(one.time_s, other.time_s, atol=1e-6, rtol=0)
    rates = rain_on_grid(found, SPEC, RainParams())["rainfall_rate"].values
    truth = storm.on_grid(SPEC, found.mid_time)
    seen = np.isfinite(rates)
    assert seen.mean() > 0.95
    # 1 dB of noise makes the mean of R = (Z / 300)^(1 / 1.4) 1.3 % too large.
    assert rates[seen].sum() / truth[seen].sum() == pytest.approx(1.013, abs=0.02)
    assert np.corrcoef(rates[seen], truth[seen])[0, 1] > 0.98
    assert seen[truth < 0.05].any()  # dry is seen as dry
    assert (rates[seen & (truth == 0)] < 0.3).mean() > 0.99


def test_weak_echo_far_away_is_below_threshold():
    """X band: 0.06 mm/h are 7.7 dBZ; the noise is -28 dBZ + 20 log r: -2 at 20 km, 9.3 at 73 km."""
    weak = one_cell(peak=0.065, along=60e3, across=60e3, life=36000, birth=-18000)
    volume = scan(weak, SITES["ZSIM4"], SPEC, START, np.random.default_rng(0))
    dbz = volume.sweeps[0].moments["DBZH"]
    near, far = np.array([15, 25]) * 1000, np.array([70, 75]) * 1000
    seen = dbz.codes > 0
    inside = [(dbz.range_m > low) & (dbz.range_m < high) for low, high in (near, far)]
    assert seen[:, inside[0]].mean() > 0.99
    assert seen[:, inside[1]].mean() < 0.15


def test_reports_are_read_back_and_near_the_truth(storm, tmp_path):
    gauges = make_gauges((120.2, 29.3, 121.1, 29.9), 150, np.random.default_rng(0))
    end = START + timedelta(hours=1)
    path = write_reports(storm, SPEC, gauges, end, tmp_path, np.random.default_rng(1))
    found = read_hourly_rain(path, Frame.WGS84)
    assert found.refused == 0
    assert len(found.reports) == 150
    assert {r.time for r in found.reports} == {end}
    told = np.array([r.amount_mm for r in found.reports])
    true = hourly_amounts(storm, SPEC, gauges, end)
    works = gauges.factor > 0
    assert 0 < (~works).sum() < 10
    assert (told[~works] == 0).all()
    assert told[works].sum() / true[works].sum() == pytest.approx(0.96, abs=0.03)
    assert np.corrcoef(told[works], true[works])[0, 1] > 0.98


def test_hourly_amounts_are_the_integral():
    """A standing cell: mean of sin over the middle hour of its life of two is 0.900."""
    still = one_cell(birth=-1800 - 1800, life=7200, peak=1.0)
    gauges = make_gauges((120.0, 29.0, 121.0, 30.0), 1, np.random.default_rng(0))
    x, y = (float(v[0]) for v in SPEC.to_xy(gauges.lon, gauges.lat))
    there = one_cell(birth=-1800, life=7200, peak=1.0, x=x, y=y)
    assert still.cells.shape == there.cells.shape
    found = hourly_amounts(there, SPEC, gauges, START + timedelta(seconds=3600))
    # Ages 1800 to 5400 of 7200 s: 2 sqrt(2) / pi = 0.9003, saturation 0.4 % less.
    assert float(found[0]) == pytest.approx(0.9003, rel=6e-3)
