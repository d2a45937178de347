import os
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from jinghu.grid import stations
from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame, to_gcj02
from jinghu.grid.spec import GridSpec
from jinghu.grid.stations import COLUMNS, hourly_rain_on, read_hourly_rain

DATA = Path(os.environ.get("JINGHU_DATA", Path(__file__).parents[3] / "shared" / "data"))
REAL = DATA / "zhejiang_lekima_2019" / "gauges_hourly_20190809T16-17Z.csv"
HEADER = ",".join(COLUMNS)
GOOD = "K0001,30.0,120.5,123,2019-08-09 17:00:00+00:00,6.5"
HOUR = datetime(2019, 8, 9, 17, tzinfo=UTC)
SHAOXING = GridSpec("EPSG:4549", 405e3, 3140e3, 2500.0, 120, 120)


@pytest.fixture
def read(tmp_path):
    def reader(*rows, frame=Frame.WGS84, name="rain.csv"):
        path = tmp_path / name
        path.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
        return read_hourly_rain(path, frame)

    return reader


def test_a_report(read):
    (report,) = read(GOOD).reports
    assert (report.station, report.lon, report.lat) == ("K0001", 120.5, 30.0)
    assert (report.altitude_m, report.amount_mm) == (12.3, 6.5)
    assert report.time == HOUR


def test_beijing_time_and_bom_and_foreign_line_ends(tmp_path):
    text = f"{HEADER}\r\nK1,30,120.5,0,2019-08-10T01:00+08:00,1\r\n"
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert read_hourly_rain(tmp_path / "a.csv", Frame.WGS84).reports[0].time == HOUR


@pytest.mark.parametrize(
    ("row", "cause"),
    [
        ("K1,30,120.5,0,2019-08-09T17:00Z,", "no rain value"),
        ("K1,30,120.5,0,2019-08-09T17:00Z,nan", "no rain value"),
        ("K1,30,120.5,0,2019-08-09T17:00Z,999999", "no rain value"),
        ("K1,30,120.5,0,2019-08-09T17:00Z,-9999", "no rain value"),
        ("K1,30,120.5,0,2019-08-09T17:00Z,-0.1", "-0.1 mm in an hour cannot be"),
        ("K1,30,120.5,0,2019-08-09T17:00Z,251", "251.0 mm in an hour cannot be"),
        ("K1,30,120.5,0,2019-08-09T17:00Z,inf", "inf mm in an hour cannot be"),
        ("K1,30,120.5,0,2019-08-09T17:00Z,wet", "wet"),
        ("K1,120.5,30,0,2019-08-09T17:00Z,1", "is not on Earth"),
        ("K1,nan,120.5,0,2019-08-09T17:00Z,1", "is not on Earth"),
        ("K1,999999,999999,0,2019-08-09T17:00Z,1", "is not on Earth"),
        ("K1,30,120.5,0,2019-08-09T17:00,1", "has no offset"),
        ("K1,30,120.5,0,yesterday,1", "yesterday"),
        ("K1,30,120.5,0,2019-08-09T17:05Z,1", "not the end of an hour"),
        ("K1,30,120.5,0,0001-01-01T00:00+23:00,1", "out of range"),
        (",30,120.5,0,2019-08-09T17:00Z,1", "no station name"),
        ("K1,30,120.5,0", "cut short, no time_utc_end, rain_mm_1h"),
        ("K1", "cut short"),
        ('"' + "x" * 140_000 + '",30,120.5,0,2019-08-09T17:00Z,1', "field larger than"),
    ],
)
def test_a_bad_row_is_refused_alone_and_named(read, row, cause):
    found = read(GOOD, row, GOOD.replace("K0001", "K0002"))
    assert [r.station for r in found.reports] == ["K0001", "K0002"]
    assert found.refused == 1
    assert found.examples[0].startswith("line 3: ")
    assert cause in found.examples[0]


def test_unknown_heights_do_not_cost_the_rain(read):
    rows = (f"K{h},30,120.5,{h},2019-08-09T17:00Z,1" for h in ("-9999", "999999", ""))
    heights = [r.altitude_m for r in read(*rows).reports]
    assert heights[0] == -999.9 or np.isnan(heights[0])
    assert np.isnan(heights[1:]).all()


def test_the_later_of_two_reports_counts(read):
    found = read(GOOD, GOOD.replace(",6.5", ",7.5"))
    assert [r.amount_mm for r in found.reports] == [7.5]


def test_only_some_refusals_are_kept_as_examples(read):
    found = read(*["K1,30,120.5,0,2019-08-09T17:00Z,nan"] * 1000)
    assert found.refused == 1000
    assert len(found.examples) == 5


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"", "columns .* are missing"),
        (b"name,rain\nK1,2\n", r"columns \['height_0p1m', 'lat', .* are missing"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), "not a UTF-8 text file"),
        (f"{HEADER}\n{GOOD}\n".encode("utf-16-le"), "columns .* are missing"),
        (f"{HEADER}\n绍兴,30,120,0,2019-08-09T17:00Z,1\n".encode("gbk"), "not a UTF-8 text file"),
        (bytes(range(256)), "not a UTF-8 text file"),
        (b"x" * 200_000, "not a CSV table"),
    ],
)
def test_what_is_no_such_table_is_refused(tmp_path, content, cause):
    path = tmp_path / "rain.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"rain\.csv: {cause}"):
        read_hourly_rain(path, Frame.WGS84)


def test_absent_and_huge_files_are_refused(tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"none\.csv: No such file"):
        read_hourly_rain(tmp_path / "none.csv", Frame.WGS84)
    with pytest.raises(DataError, match="Is a directory"):
        read_hourly_rain(tmp_path, Frame.WGS84)
    with (tmp_path / "huge.csv").open("wb") as file:
        file.truncate(65 * 2**20)
    with pytest.raises(DataError, match=r"huge\.csv: larger than 64 MiB"):
        read_hourly_rain(tmp_path / "huge.csv", Frame.WGS84)


def test_a_file_cut_in_a_row_gives_its_whole_rows(tmp_path):
    path = tmp_path / "cut.csv"
    path.write_text(f"{HEADER}\n{GOOD}\nK0002,30.0,120.5,12", encoding="utf-8")
    found = read_hourly_rain(path, Frame.WGS84)
    assert len(found.reports) == 1
    assert found.refused == 1


def test_gcj02_positions_are_converted(read):
    lon, lat = (float(v) for v in to_gcj02(120.5, 30.0))
    report = read(f"K1,{lat!r},{lon!r},0,2019-08-09T17:00Z,1", frame=Frame.GCJ02).reports[0]
    assert (report.lon, report.lat) == pytest.approx((120.5, 30.0), abs=1e-9)


def test_gauges_on_the_grid(read):
    found = read(
        "B,30.0,120.5,100,2019-08-09T17:00Z,2",
        "A,29.9,120.6,200,2019-08-09T17:00Z,1",
        "C,39.9,116.4,0,2019-08-09T17:00Z,3",  # Beijing
        "B,30.0,120.5,100,2019-08-09T16:00Z,9",
    )
    gauges = hourly_rain_on(SHAOXING, [found], HOUR)
    assert gauges["station"].values.tolist() == ["A", "B"]
    assert gauges["rainfall_amount"].values.tolist() == [1.0, 2.0]
    assert gauges.attrs["outside"] == 1
    assert gauges["time"].values == np.datetime64("2019-08-09T17:00", "ns")
    x, y = SHAOXING.to_xy(120.6, 29.9)
    assert (float(gauges["x"][0]), float(gauges["y"][0])) == (float(x), float(y))
    assert int(gauges["cell"][0]) == int(SHAOXING.cell_of_lonlat(120.6, 29.9))


def test_the_later_file_counts(read):
    old = read(GOOD, name="old.csv")
    new = read(GOOD.replace(",6.5", ",7.5"), name="new.csv")
    assert hourly_rain_on(SHAOXING, [old, new], HOUR)["rainfall_amount"].values.tolist() == [7.5]


def test_an_hour_without_reports_is_empty(read):
    gauges = hourly_rain_on(SHAOXING, [read(GOOD)], HOUR.replace(hour=3))
    assert gauges.sizes["station"] == 0
    assert hourly_rain_on(SHAOXING, [], HOUR).sizes["station"] == 0


@pytest.mark.skipif(not REAL.exists(), reason=f"real data absent: {REAL}")
def test_the_real_hour_of_lekima():
    found = read_hourly_rain(REAL, Frame.WGS84)
    assert sum(r.time == HOUR for r in found.reports) == 2930
    assert found.refused == 2
    gauges = hourly_rain_on(SHAOXING, [found], HOUR)
    assert gauges.sizes["station"] == 1969
    assert float(gauges["rainfall_amount"].max()) < stations.MAX_MM_PER_HOUR
