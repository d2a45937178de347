"""Weather stations: reading, quality control, and the analyses of wind and temperature."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame
from jinghu.grid.spec import GridSpec
from jinghu.grid.weather_analysis import KELVIN, weather_analysis
from jinghu.grid.weather_checks import checked
from jinghu.grid.weather_reports import COLUMNS, MEASURED, WeatherReport, read_weather_reports

SPEC = GridSpec("EPSG:4549", 500_000.0, 3_300_000.0, 2500.0, 20, 20)
NOW = datetime(2026, 7, 1, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
FLAT = np.zeros(SPEC.shape, np.float32)
HEADER = ",".join((*COLUMNS, *MEASURED))


def report(name, x_km, y_km, time=NOW, height=0.0, mean=3.0, gust=6.0, warm=30.0, whence=90.0):
    """A report ``x_km`` east and ``y_km`` north of the grid's corner."""
    lon, lat = SPEC.to_lonlat(SPEC.x0_m + 1000.0 * x_km, SPEC.y0_m + 1000.0 * y_km)
    return WeatherReport(name, float(lon), float(lat), height, time, mean, gust, whence, warm)


def village(**odd):
    """Nine stations 5 km apart; values of the one in the middle are given."""
    found = [report(f"S{k}", 20 + 5 * (k % 3), 20 + 5 * (k // 3)) for k in range(9) if k != 4]
    return [*found, report("ODD", 25, 25, **odd)]


def value(fields, name, x_km, y_km):
    cell = int(SPEC.cell_of_xy(SPEC.x0_m + 1000 * x_km, SPEC.y0_m + 1000 * y_km))
    return float(fields[name].values.ravel()[cell])


def write(folder, *rows, header=HEADER, name="weather.csv"):
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def test_values_are_read_and_what_cannot_be_is_named(tmp_path):
    path = write(
        tmp_path,
        "A,30.0,120.5,125,2026-07-01T14:00:00+08:00,5.1,9.8,270,33.4",
        "B,30.0,120.6,,2026-07-01T06:00:00Z,5.1,9.8,270,-99.9",  # a broken thermometer
        "C,30.0,120.7,0,2026-07-01T06:00:00Z,9.0,2.0,0,20",  # a gust below the mean
        "D,30.0,120.8,0,2026-07-01T06:00:00Z,,,,-9999",  # nothing to say, which is no fault
        "E,30.0,120.8,0,2026-07-01 06:00,1,2,3,4",
        "F,30.0",
        "G,30.0,120.9,0,2026-07-01T06:00:00Z,x,,,20",
    )
    found = read_weather_reports(path, Frame.WGS84)
    by_name = {one.station: one for one in found.reports}
    assert list(by_name) == ["A", "B", "C", "G"]
    assert (by_name["A"].time, by_name["A"].altitude_m) == (NOW, 12.5)
    assert by_name["B"].wind_gust_m_s == 9.8
    assert np.isnan(by_name["B"].air_temperature_c)
    assert np.isnan([by_name["C"].wind_speed_m_s, by_name["C"].wind_gust_m_s]).all()
    assert by_name["C"].air_temperature_c == 20.0
    assert found.refused == 5
    assert found.examples == (
        "line 3: station B: air_temperature_c -99.9 cannot be",
        "line 4: station C: gust 2 m/s below the mean 9 m/s",
        "line 6: station E: time '2026-07-01 06:00' has no offset",
        "line 7: cut short",
        "line 8: station G: wind_speed_m_s 'x' is no number",
    )


def test_a_file_may_hold_some_of_the_values_and_others(tmp_path):
    header = "rain_mm_1h,station,time_utc,lat,lon,height_0p1m,air_temperature_c"
    path = write(tmp_path, "0.0,A,2026-07-01T06:00:00Z,30.0,120.5,0,38.2", header=header)
    assert read_weather_reports(path, Frame.WGS84).reports[0].air_temperature_c == 38.2


def test_no_such_table_is_refused_with_its_cause(tmp_path):
    with pytest.raises(DataError, match="lacks the columns height_0p1m, time_utc"):
        read_weather_reports(write(tmp_path, header="station,lat,lon"), Frame.WGS84)
    with pytest.raises(DataError, match="has none of the columns wind_speed_m_s"):
        read_weather_reports(write(tmp_path, header=",".join(COLUMNS)), Frame.WGS84)
    (tmp_path / "b.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match="UTF-8"):
        read_weather_reports(tmp_path / "b.csv", Frame.WGS84)


def test_a_stamp_after_the_file_was_written_is_of_a_wrong_clock(tmp_path):
    row = "A,30.0,120.5,0,2026-07-01T06:00:00Z,5,9,270,30"
    found = read_weather_reports(write(tmp_path, row, name="w_202607010500.csv"), Frame.WGS84)
    assert (found.reports, found.refused) == ((), 1)
    assert "clock wrong" in found.examples[0]


@pytest.mark.parametrize(
    ("odd", "believed"),
    [
        ({"warm": 41.0}, False),  # eleven degrees above all around
        ({"warm": 34.0}, True),
        ({"warm": 24.0, "height": 900.0}, True),  # 29.9 at sea level
        ({"mean": 9.0, "gust": 27.0}, True),  # a downburst may be local
        ({"mean": 9.0, "gust": 60.0}, False),
    ],
)
def test_what_no_neighbour_shares_is_not_believed(odd, believed):
    found = checked(village(**odd), NOW, SPEC)
    k = found.stations.names.index("ODD")
    warm, gust = found.stations.temperature_c[k], found.stations.gust_m_s[k]
    assert (np.isfinite(warm) and np.isfinite(gust)) == believed
    assert len(found.refused) == (not believed)
    assert np.isfinite(np.delete(found.stations.temperature_c, k)).all()


def test_what_stands_still_is_not_believed_and_calm_is():
    odd = [report("ODD", 25, 25, NOW - k * HOUR, mean=7.3, gust=9 + k, warm=31.0) for k in range(4)]
    calm = [report("CALM", 30, 30, NOW - k * HOUR, mean=0.0, warm=30.0 + k) for k in range(4)]
    found = checked([*village()[:-1], *odd, *calm], NOW, SPEC)
    assert found.refused == ("ODD: 31 degC has stood for hours", "ODD: 7.3 m/s has stood for hours")
    assert found.stations.speed_m_s[found.stations.names.index("CALM")] == 0.0
    assert checked([*village()[:-1], *odd[:3]], NOW, SPEC).refused == ()


def test_a_jump_needs_a_neighbour_that_bears_it_out():
    before = report("ODD", 25, 25, NOW - HOUR, warm=20.0, mean=1.0, gust=3.0)
    jumped = {"warm": 34.0, "mean": 22.0, "gust": 23.0}
    alone = checked([before, report("ODD", 25, 25, **jumped)], NOW, SPEC)
    assert len(alone.refused) == 2
    assert not np.isfinite(alone.stations.temperature_c).any()
    around = [
        report(f"S{k}", 20 + 5 * (k % 3), 20 + 5 * (k // 3), mean=20.0, gust=25.0, warm=34.0)
        for k in range(9)
        if k != 4
    ]
    assert checked([before, *around, report("ODD", 25, 25, **jumped)], NOW, SPEC).refused == ()


def test_the_newest_report_counts_and_old_ones_do_not():
    old = report("OLD", 10, 10, NOW - 2 * HOUR)
    late = report("A", 20, 20, NOW + HOUR, warm=99.0)
    found = checked([late, report("A", 20, 20, warm=31.0), old, report("A", 20, 20, NOW - HOUR)],
                    NOW, SPEC)  # fmt: skip
    assert found.stations.names == ("A",)
    assert found.stations.temperature_c[0] == 31.0
    assert checked([report("OFF", -50, 10)], NOW, SPEC).stations.names == ()


def test_temperature_falls_with_height_between_stations():
    height = FLAT.copy()
    height[:, 10:] = 1000.0
    stations = checked([report("A", 10, 10), report("B", 40, 40, warm=29.0)], NOW, SPEC).stations
    fields = weather_analysis(stations, height, SPEC, NOW)
    assert value(fields, "air_temperature", 10, 10) == pytest.approx(KELVIN + 30.0, abs=0.05)
    # 1,000 m take 6.5 K: the station at the foot of the hill reads 29 at sea level.
    assert value(fields, "air_temperature", 40, 40) == pytest.approx(KELVIN + 22.5, abs=0.05)
    assert fields["air_temperature"].attrs["standard_name"] == "air_temperature"
    assert fields["wind_speed_of_gust"].attrs["standard_name"] == "wind_speed_of_gust"


@given(st.lists(st.tuples(st.floats(1, 49), st.floats(1, 49), st.floats(-10, 40)), min_size=1,
                max_size=12))  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_temperature_stays_within_what_was_measured(places):
    reports = [report(f"S{k}", x, y, warm=t) for k, (x, y, t) in enumerate(places)]
    stations = checked(reports, NOW, SPEC).stations
    found = weather_analysis(stations, FLAT, SPEC, NOW)["air_temperature"].values - KELVIN
    known = stations.temperature_c[np.isfinite(stations.temperature_c)]
    if known.size:
        assert np.nanmin(found) >= known.min() - 0.01
        assert np.nanmax(found) <= known.max() + 0.01


def test_wind_is_that_of_the_nearest_station_of_like_height():
    height = FLAT.copy()
    height[:, 10:] = 800.0  # a ridge from 25 km on
    ridge = report("RIDGE", 26, 20, height=800.0, mean=18.0, gust=25.0, whence=180.0)
    valley = report("VALLEY", 18, 20, mean=2.0, gust=4.0)
    fields = weather_analysis(checked([ridge, valley], NOW, SPEC).stations, height, SPEC, NOW)
    # 6 km from the valley's station, 2 km from the ridge's, but 800 m below it.
    assert value(fields, "wind_speed", 24, 20) == 2.0
    assert value(fields, "wind_speed_of_gust", 28, 20) == 25.0
    assert value(fields, "northward_wind", 28, 20) == pytest.approx(18.0)  # from the south
    assert value(fields, "eastward_wind", 18, 20) == pytest.approx(-2.0)  # from the east
    assert np.isnan(value(fields, "wind_speed", 45, 45))  # nobody speaks for it


def test_stations_without_thermometers_make_no_temperature():
    stations = checked([report("A", 10, 10, warm=np.nan)], NOW, SPEC).stations
    fields = weather_analysis(stations, FLAT, SPEC, NOW)
    assert not np.isfinite(fields["air_temperature"]).any()
    assert value(fields, "wind_speed", 10, 10) == 3.0
