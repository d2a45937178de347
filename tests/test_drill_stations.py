"""Gauges of a drill: what is wrong with each, and when its report arrives."""

from datetime import timedelta

import numpy as np
import pytest

from jinghu.drill_rain import make_rain
from jinghu.drill_script import named_drill
from jinghu.drill_stations import HOUR, Stations, strike, write_hours
from jinghu.grid.frames import Frame
from jinghu.grid.spec import GridSpec
from jinghu.grid.stations import read_hourly_rain
from jinghu.simulate_gauges import GaugeNetwork, hourly_amounts

SPEC = GridSpec("EPSG:4549", 520e3, 3230e3, 2000.0, 50, 50)
N = 80


def network(*faults):
    """Gauges around the line, without errors of their own."""
    line = named_drill("convective-line")
    raw = line.model_dump() | {"stations": N, "station_faults": faults, "radar_faults": ()}
    script = type(line).model_validate(raw)
    random = np.random.default_rng(3)
    gauges = GaugeNetwork(
        tuple(f"SIM{k:04d}" for k in range(N)),
        random.uniform(120.5, 121.2, N),
        random.uniform(29.3, 29.8, N),
        random.uniform(5, 500, N),
        np.ones(N),
    )
    rain = make_rain(script, SPEC, np.zeros(SPEC.shape))
    return Stations(script, rain, SPEC, gauges, strike(script))


def told(stations, hour, folder):
    (path,) = write_hours(stations, [hour], hour + HOUR, folder)
    reports = read_hourly_rain(path, Frame.WGS84).reports
    return {r.station: r for r in reports}


def test_without_faults_gauges_tell_the_truth(tmp_path):
    stations = network()
    hour = stations.script.start + HOUR
    found = told(stations, hour, tmp_path)
    true = hourly_amounts(stations.rain, SPEC, stations.gauges, hour)
    assert true.max() > 20
    values = np.array([found[name].amount_mm for name in stations.gauges.names])
    assert (np.abs(values - true) <= 0.2 * true + 0.1).all()
    assert values.sum() == pytest.approx(true.sum(), rel=0.02)


def test_faults_strike_the_number_of_stations_that_the_script_says(tmp_path):
    stations = network(
        {"kind": "clogged", "stations": 7, "from_min": 30},
        {"kind": "stuck", "stations": 5, "from_min": 100},
        {"kind": "drifting", "stations": 6, "percent_per_h": 50},
        {"kind": "clock", "stations": 4, "offset_s": -3600},
    )
    start = stations.script.start
    clogged, stuck, drifting, clock = (s.stations for s in stations.struck)
    assert [len(s) for s in (clogged, stuck, drifting, clock)] == [7, 5, 6, 4]
    names = stations.gauges.names
    first, second = (told(stations, start + k * HOUR, tmp_path) for k in (1, 2))
    clean = told(network(), start + 2 * HOUR, tmp_path)
    assert all(first[names[k]].amount_mm == second[names[k]].amount_mm == 0 for k in clogged)
    for k in set(stuck) - set(clogged) - set(drifting):
        assert second[names[k]].amount_mm == first[names[k]].amount_mm
    for k in set(drifting) - set(clogged) - set(stuck):
        assert second[names[k]].amount_mm == pytest.approx(2 * clean[names[k]].amount_mm, abs=0.11)
    for k in clock:
        assert second[names[k]].time == start + HOUR
    assert second[names[next(iter(set(range(N)) - set(clock)))]].time == start + 2 * HOUR


def test_a_file_grows_while_reports_arrive(tmp_path):
    stations = network()
    hour = stations.script.start
    counts = []
    for minutes in (0, 3, 6, 12, 60):
        files = write_hours(stations, [hour], hour + timedelta(minutes=minutes), tmp_path)
        counts.append(len(files) and len(files[0].read_text("ascii").splitlines()) - 1)
    assert counts[0] == 0
    assert counts[-1] == N
    assert counts == sorted(counts)
    assert 0.3 * N < counts[1] < 0.7 * N


def test_hours_are_the_same_in_any_order(tmp_path):
    hours = [named_drill("convective-line").start + k * HOUR for k in range(3)]
    late = hours[-1] + HOUR
    one, two = network(), network()
    write_hours(one, hours, late, tmp_path)
    expected = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    write_hours(two, hours[::-1], late, tmp_path)
    assert expected == {p.name: p.read_bytes() for p in tmp_path.iterdir()}
