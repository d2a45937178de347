import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import ConfigError
from jinghu.grid.frames import Frame, parse_frame, to_bd09, to_gcj02, to_wgs84

# WGS-84 and GCJ-02 (lon, lat) of Shanghai, Shenzhen and Beijing as the open converter
# eviltransform publishes them with its tests.
PUBLISHED = [
    ((121.5272106, 31.1774276), (121.531541859215, 31.17530398364597)),
    ((113.912316, 22.543847), (113.9171764808363, 22.540796131694766)),
    ((116.377817, 39.911954), (116.38404722455657, 39.91334545536069)),
]


def metres(lon, lat, other_lon, other_lat):
    dy = (lat - other_lat) * 111_320.0
    dx = (lon - other_lon) * 111_320.0 * np.cos(np.deg2rad(lat))
    return float(np.hypot(dx, dy))


# GCJ-02 and BD-09 of Beijing as the open converter coordtransform publishes them.
BAIDU = ((116.404, 39.915), (116.41036949371029, 39.92133699351021))


@pytest.mark.parametrize(("wgs", "gcj"), PUBLISHED)
def test_published_pairs_come_back_to_a_tenth_of_a_millimetre(wgs, gcj):
    back = to_wgs84(gcj[0], gcj[1], Frame.GCJ02)
    assert metres(*back, *wgs) < 1e-4


def test_a_published_pair_of_baidu():
    (gcj_lon, gcj_lat), (bd_lon, bd_lat) = BAIDU
    wgs = to_wgs84(gcj_lon, gcj_lat, Frame.GCJ02)
    np.testing.assert_allclose(to_bd09(*wgs), (bd_lon, bd_lat), rtol=0, atol=1e-11)
    assert metres(*to_wgs84(bd_lon, bd_lat, Frame.BD09), *wgs) < 1e-4


@pytest.mark.parametrize(("wgs", "gcj"), PUBLISHED)
def test_published_pairs(wgs, gcj):
    np.testing.assert_allclose(to_gcj02(*wgs), gcj, rtol=0, atol=1e-11)
    np.testing.assert_allclose(to_wgs84(gcj[0], gcj[1], Frame.GCJ02), wgs, rtol=0, atol=1e-9)


@settings(deadline=None, max_examples=200)
@given(st.floats(73.7, 135.0), st.floats(18.0, 53.5))
def test_the_inverse_is_exact(lon, lat):
    gcj_lon, gcj_lat = to_gcj02(lon, lat)
    back_lon, back_lat = to_wgs84(gcj_lon, gcj_lat, Frame.GCJ02)
    assert float(back_lon) == pytest.approx(lon, abs=1e-9)
    assert float(back_lat) == pytest.approx(lat, abs=1e-9)


def test_read_as_wgs84_it_would_be_half_a_kilometre_off():
    off = metres(120.58, 30.0, *to_gcj02(120.58, 30.0))
    assert 400 < off < 700


def test_other_frames_pass_unchanged_and_shapes_are_kept():
    lon, lat = np.full((2, 3), 120.0), np.full((2, 3), 30.0)
    for frame in (Frame.WGS84, Frame.CGCS2000):
        np.testing.assert_array_equal(to_wgs84(lon, lat, frame), (lon, lat))
    assert to_wgs84(lon, lat, Frame.GCJ02)[0].shape == (2, 3)


@pytest.mark.parametrize("place", [(-0.12, 51.5), (120.0, 90.0), (120.0, -90.0), (np.nan, 30.0)])
def test_nothing_is_shifted_outside_china(place):
    np.testing.assert_array_equal(to_wgs84(place[0], place[1], Frame.GCJ02), place)


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        ("WGS-84", Frame.WGS84),
        ("wgs84", Frame.WGS84),
        ("WGS 84", Frame.WGS84),
        ("EPSG:4326", Frame.WGS84),
        ("cgcs2000", Frame.CGCS2000),
        ("EPSG:4490", Frame.CGCS2000),
        ("gcj_02", Frame.GCJ02),
        ("bd09", Frame.BD09),
    ],
)
def test_names_of_frames(text, frame):
    assert parse_frame(text, "x.csv") is frame


@pytest.mark.parametrize("text", ["", None])
def test_undeclared_frames_are_refused(text):
    with pytest.raises(ConfigError, match=r"x\.csv: the coordinate frame is not declared; say one"):
        parse_frame(text, "x.csv")


def test_unknown_frames_are_refused():
    with pytest.raises(ConfigError, match=r"x\.csv: unknown coordinate frame 'Xian80'"):
        parse_frame("Xian80", "x.csv")
