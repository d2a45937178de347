"""Weather stations of a drill: what they report, when it arrives, and that it can be read."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from jinghu.configs.settings import CONFIGS, GridSettings
from jinghu.drill_rain import make_rain
from jinghu.drill_script import load_drill
from jinghu.drill_weather import WeatherStations, season_c, write_weather
from jinghu.grid.frames import Frame
from jinghu.grid.weather_reports import read_weather_reports
from jinghu.simulate_gauges import make_gauges

SPEC = GridSettings(x0_m=535_000.0, y0_m=3_240_000.0, nx=40, ny=40).working()
STEP = timedelta(minutes=6)


@pytest.fixture(scope="module")
def network():
    def of(name):
        script = load_drill(CONFIGS / "drills" / f"{name}.yaml")
        rain = make_rain(script, SPEC, np.zeros(SPEC.shape, np.float32))
        gauges = make_gauges((120.4, 29.4, 121.0, 30.0), 120, np.random.default_rng(3))
        return script, WeatherStations(script.seed, rain, SPEC, gauges)

    return of


def reports(network, name, folder, hours=1):
    script, stations = network(name)
    folder.mkdir(exist_ok=True)
    start = script.start.astimezone(UTC)
    times = [start + k * STEP for k in range(1, 10 * hours + 1)]
    paths = [p for t in times if (p := write_weather(stations, t - STEP, t, folder))]
    assert len(paths) == hours
    files = [read_weather_reports(p, Frame.WGS84) for p in paths]
    assert {f.refused for f in files} == {0}
    return start, [one for f in files for one in f.reports]


def test_reports_of_the_hour_arrive_five_minutes_after_it(network, tmp_path):
    start, found = reports(network, "convective-line", tmp_path, hours=2)
    assert len(found) == 40
    assert {one.time for one in found} == {start, start + timedelta(hours=1)}
    again = reports(network, "convective-line", tmp_path, hours=2)[1]
    assert again == found  # of the seed alone


def test_a_summer_day_is_warm_and_calm_and_a_typhoon_is_not(network, tmp_path):
    _, calm = reports(network, "convective-line", tmp_path / "calm")
    _, storm = reports(network, "typhoon", tmp_path / "storm")
    assert 20 < np.mean([one.air_temperature_c for one in calm]) < 33
    assert max(one.wind_gust_m_s for one in calm) < 13.9  # nothing to warn of
    assert max(one.wind_speed_m_s for one in storm) > 10
    assert all(one.wind_gust_m_s >= one.wind_speed_m_s for one in [*calm, *storm])


def test_the_season_has_its_warmest_hour_in_july():
    hours = [datetime(2026, month, 20, hour, tzinfo=UTC) for month in (1, 4, 7) for hour in (6, 18)]
    found = [season_c(time) for time in hours]
    assert max(found) == found[4]
    assert min(found) == found[1]
