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
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.simulate import make_network, scan_all, scan_one, write_volume
from jinghu.simulate_gauges import hourly_amounts, make_gauges, write_reports
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


@pytest.fixture(scope="module")
def drops(storm):
    return make_drops(storm.motion(), DropParams(), np.random.default_rng(5))


@pytest.mark.parametrize("code", ["ZSIM1", "ZSIM4"])
def test_the_file_is_read_back_and_its_rain_is_near_the_truth(storm, drops, code, tmp_path):
    network = make_network([SITES[code]], 1)
    volume = scan_one(storm, drops, SPEC, network, code, START)
    path = write_volume(volume, tmp_path)
    found = decode_volume(path.read_bytes(), path.name, SITES)
    assert found.complete
    for one, other in zip(found.sweeps, volume.sweeps, strict=True):
        assert set(one.moments) == set(other.moments)
        for name, moment in one.moments.items():
            np.testing.assert_array_equal(moment.codes, other.moments[name].codes)
        np.testing.assert_array_equal(one.azimuth_deg, other.azimuth_deg)
        np.testing.assert_allclose(one.time_s, other.time_s, atol=1e-6, rtol=0)
    rates = rain_on_grid(found, SPEC, RainParams())["rainfall_rate"].values
    truth = storm.on_grid(SPEC, found.mid_time)
    seen = np.isfinite(rates)
    assert seen.mean() > 0.55
    assert 0.6 < rates[seen].sum() / truth[seen].sum() < 1.3
    assert np.corrcoef(rates[seen], truth[seen])[0, 1] > 0.85
    dry = seen & (truth == 0)
    assert (rates[dry] >= 0.3).sum() <= 0.03 * dry.sum()


def test_radars_do_not_depend_on_one_another(storm, drops):
    """Each has its own generator: the network's volumes are those of single radars."""
    ready = START + timedelta(minutes=6)
    three = make_network([SITES[c] for c in ("ZSIM2", "ZSIM4")], 1)
    alone = make_network([SITES["ZSIM4"]], 1)
    first = scan_all(storm, drops, SPEC, three, ready)[1]
    second = scan_all(storm, drops, SPEC, alone, ready)[0]
    assert first.time == second.time < ready - timedelta(seconds=100)
    for one, other in zip(first.sweeps, second.sweeps, strict=True):
        for name, moment in one.moments.items():
            np.testing.assert_array_equal(moment.codes, other.moments[name].codes)


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
