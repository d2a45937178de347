"""Wind profiles: what a file says is what is read, and what is damaged is named."""

from dataclasses import fields, replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import DataError
from jinghu.grid.frames import Frame, to_gcj02
from jinghu.grid.profiles import (
    Levels,
    Product,
    WindProfile,
    encode_profile,
    named_time,
    parse_profile,
    profile_name,
    read_profile,
)
from jinghu.grid.times import BEIJING

NAME = "Z_RADA_I_58456_20260620060500_P_WPRD_LC_ROBS.TXT"
TEXT = """\
WNDROBS 01.20
58456 0120.5800 030.0000 00016.2 LC 20260620060500
ROBS
00100 152.4 002.6 -000.2 100 100 2.1E-016
00160 270.0 010.0 0000.1 095 090 1.0E-015
00280 000.0 004.0 ////// 080 /// ////////
10660 ///// ///// ////// /// /// ////////
NNNN
"""


def parse(text, name=NAME, clock=UTC, frame=Frame.WGS84):
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return parse_profile(data, name, frame, clock)


def changed(old, new):
    assert old in TEXT
    return TEXT.replace(old, new)


def test_a_profile():
    found = parse(TEXT)
    assert (found.station, found.kind, found.product, found.version) == (
        "58456", "LC", Product.REAL_TIME, "01.20"
    )  # fmt: skip
    assert (found.lon, found.lat, found.altitude_m) == (120.58, 30.0, 16.2)
    assert found.time == datetime(2026, 6, 20, 6, 5, tzinfo=UTC)
    levels = found.levels
    np.testing.assert_array_equal(levels.height_m, [100, 160, 280, 10660])
    np.testing.assert_array_equal(levels.speed_m_s, [2.6, 10, 4, np.nan])
    np.testing.assert_array_equal(levels.vertical_m_s, [-0.2, 0.1, np.nan, np.nan])
    np.testing.assert_array_equal(levels.confidence, [100, 95, 80, np.nan])
    assert levels.cn2[0] == 2.1e-16
    # From the west: eastward. From the north: southward.
    np.testing.assert_allclose(levels.wind()[:, 1:3], [[10, 0], [0, -4]], atol=1e-12)
    assert found.dropped == 0


@pytest.mark.parametrize("product", list(Product))
def test_products_and_extensions(product):
    text = TEXT.replace("ROBS", product)
    for name in (NAME.replace("ROBS", product), NAME.replace("ROBS.TXT", f"{product}.txt"), "x"):
        assert parse(text, name).product is product


def test_line_ends_and_local_time_and_frames():
    assert parse(TEXT.replace("\n", "\r\n")).levels.height_m.size == 4
    local = parse(TEXT, clock=BEIJING)
    assert local.time == datetime(2026, 6, 19, 22, 5, tzinfo=UTC)
    assert named_time(NAME, BEIJING) == local.time
    lon, lat = to_gcj02(120.58, 30.0)
    shifted = changed("0120.5800 030.0000", f"{lon:.6f} {lat:.6f}")
    assert parse(shifted, frame=Frame.GCJ02).lon == pytest.approx(120.58, abs=2e-6)


def test_names():
    assert named_time(NAME.lower()) == datetime(2026, 6, 20, 6, 5, tzinfo=UTC)
    assert named_time("Z_RADR_I_Z9571_20260620060500_O_DOR_SA_CAP_FMT.bin.bz2") is None
    assert named_time(NAME.replace("20260620", "20261320")) is None
    assert profile_name(parse(TEXT)) == NAME


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "begins with ''"),
        (changed("WNDROBS", "WNDXOBS"), "begins with 'WNDXOBS 01.20'"),
        (changed("NNNN\n", ""), "cut short"),
        (TEXT[: len(TEXT) // 2], "cut short"),
        (changed("\nROBS\n", "\nHOBS\n"), "line 3 is 'HOBS'"),
        ("WNDROBS 01.20\nNNNN", "cut short: 2 lines"),
        (changed(" 00016.2", ""), "line 2 has 5 fields"),
        (changed("00016.2", "///////"), "is not a number"),
        (changed("00016.2", "99999.9"), "altitude 99999.9 m cannot be"),
        (changed("0120.5800", "0nan"), "'0nan' is not a number"),
        (changed("0120.5800", "0520.5800"), "is not on Earth"),
        (changed("LC 2026", "LC 2O26"), "is not yyyymmddhhmmss"),
        (changed("LC 20260620", "LC 20261320"), "is not yyyymmddhhmmss"),
        (changed("LC 2026062006", "LC 2026062014"), "clock wrong"),
        (changed("58456", "58457"), "is named 58456 and says 58457"),
        (changed("00280", "00160"), "height 160 m above 160 m: not ascending"),
        (changed("00280", "00100"), "not ascending"),
        (changed("LC", "雷达"), "is not ASCII"),
        (
            changed("002.6", "nan").replace("010.0", "inf"),
            "2 of 3 levels cannot be: line 4: 'nan' is not a number",
        ),
    ],
)
def test_what_is_no_profile_is_refused_with_its_cause(text, cause):
    with pytest.raises(DataError, match=cause) as refused:
        parse(text)
    assert refused.value.source == NAME


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("002.6", "120.1", "speed 120.1 cannot be"),
        ("002.6", "nan", "'nan' is not a number"),
        ("002.6", "1_0.0", "is not a number"),
        ("002.6", "9e999", "is too large"),
        ("152.4", "360.1", "direction 360.1 cannot be"),
        ("152.4", "-10.0", "direction -10 cannot be"),
        ("-000.2", "-999.9", "vertical speed -999.9 cannot be"),
        ("100 100", "101 100", "confidence 101 cannot be"),
        ("00100 ", "///// ", "no height"),
        (" 2.1E-016", "", "6 columns"),
    ],
)
def test_a_level_that_cannot_be_is_dropped_and_counted(old, new, cause):
    found = parse(TEXT.replace(old, new, 1))
    assert found.dropped == 1
    assert found.examples[0].startswith("line 4: ")
    assert cause in found.examples[0]
    np.testing.assert_array_equal(found.levels.height_m, [160, 280, 10660])


def test_a_wind_is_direction_and_speed_or_none():
    assert np.isnan(parse(changed("002.6", "/////")).levels.direction_deg[0])
    assert np.isnan(parse(changed("152.4", "/")).levels.speed_m_s[0])
    calm = parse(changed("002.6", "000.0")).levels.wind()[:, 0]
    np.testing.assert_array_equal(np.abs(calm), [0, 0])


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(DataError, match="No such file"):
        read_profile(tmp_path / NAME, Frame.WGS84)
    (tmp_path / NAME).write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(DataError, match="larger than 1 MiB"):
        read_profile(tmp_path / NAME, Frame.WGS84)
    (tmp_path / NAME).write_text(TEXT, "ascii")
    assert read_profile(tmp_path / NAME, Frame.WGS84).source == NAME


def tenths(low, high):
    return st.integers(low * 10, high * 10).map(lambda n: n / 10)


def or_missing(values):
    return st.none().map(lambda _: np.nan) | values


@st.composite
def profiles(draw):
    heights = draw(st.lists(st.integers(0, 20_000), max_size=12, unique=True).map(sorted))
    rows = []
    for height in heights:
        wind = draw(
            st.just((np.nan, np.nan)) | st.tuples(tenths(0, 360), tenths(0, 120)),
        )
        cn2 = st.tuples(st.integers(10, 99), st.integers(-30, -5)).map(
            lambda c: float(f"{c[0] / 10}e{c[1]}")
        )
        rows.append(
            (
                float(height), *wind, draw(or_missing(tenths(-40, 40))),
                draw(or_missing(st.integers(0, 100))), draw(or_missing(st.integers(0, 100))),
                draw(or_missing(cn2)),
            )
        )  # fmt: skip
    columns = np.array(rows, np.float64).reshape(-1, 7).T
    time = draw(st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1))).replace(microsecond=0)
    found = WindProfile(
        "", draw(st.from_regex(r"[A-Z0-9]{5}", fullmatch=True)),
        draw(st.sampled_from(["LC", "PB", "PA", "MST"])), draw(tenths(-180, 180)),
        draw(tenths(-90, 90)), draw(tenths(-400, 5000)), draw(st.sampled_from(list(Product))),
        "01.20", time.replace(tzinfo=UTC), Levels(*columns),
    )  # fmt: skip
    return replace(found, source=profile_name(found))


@settings(deadline=None, max_examples=80)
@given(profiles())
def test_what_is_written_is_read_again(profile):
    data = encode_profile(profile)
    found = parse_profile(data, profile.source, Frame.WGS84)
    for field in fields(WindProfile):
        if field.name != "levels":
            assert getattr(found, field.name) == getattr(profile, field.name)
    for field in fields(Levels):
        np.testing.assert_array_equal(
            getattr(found.levels, field.name), getattr(profile.levels, field.name)
        )
    assert encode_profile(found) == data


def test_widths_are_those_of_the_standard():
    rows = encode_profile(parse(TEXT)).decode().split("\n")
    assert rows[3] == "00100 152.4 002.6 -000.2 100 100 2.1E-016"
    assert rows[6] == "10660 ///// ///// ////// /// /// ////////"


@settings(deadline=None, max_examples=200)
@given(st.data())
def test_damage_is_refused_or_dropped_and_nothing_else(data):
    raw = bytearray(TEXT.encode("ascii"))
    for _ in range(data.draw(st.integers(0, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(raw[: data.draw(st.integers(0, len(raw)) | st.just(len(raw)))])
    try:
        found = parse_profile(cut, data.draw(st.sampled_from([NAME, "x.txt"])), Frame.WGS84)
    except DataError:
        return
    levels = found.levels
    assert (np.diff(levels.height_m) > 0).all()
    assert not (levels.speed_m_s > 120).any()
    assert not ((levels.direction_deg < 0) | (levels.direction_deg > 360)).any()
