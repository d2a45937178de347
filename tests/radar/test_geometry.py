"""Beam geometry against Doviak and Zrnic's closed form, places against geodesics."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from tests.radar.conftest import SITE

from jinghu.grid.spec import GridSpec
from jinghu.radar.geometry import (
    beam_height,
    ground_distance,
    place,
    polar_coordinates,
    slant_range,
)

SPEC = GridSpec("EPSG:4549", 405e3, 3140e3, 2500.0, 120, 120)


@settings(deadline=None, max_examples=60)
@given(st.floats(1e3, 460e3), st.floats(-0.5, 30))
def test_ground_and_slant_range_are_inverse(slant, elevation):
    assert slant_range(ground_distance(slant, elevation), elevation) == pytest.approx(slant)


@settings(deadline=None, max_examples=60)
@given(st.floats(1e3, 460e3), st.floats(0, 20), st.floats(0, 2000))
def test_height_is_that_of_doviak_and_zrnic(slant, elevation, antenna):
    """h = sqrt(r^2 + a^2 + 2 r a sin e) - a, a = 4/3 of 6371 km (1993, eq. 2.28b)."""
    a = 4 / 3 * 6_371_000.0
    wanted = np.sqrt(slant**2 + a**2 + 2 * slant * a * np.sin(np.radians(elevation))) - a
    found = beam_height(ground_distance(slant, elevation), elevation, antenna)
    assert found == pytest.approx(wanted + antenna, abs=0.5)


def test_cells_lie_where_geodesics_put_them():
    azimuth, distance = polar_coordinates(place(SITE, SPEC), SPEC)
    geod = Geod(ellps="GRS80")
    for row, col in ((0, 0), (10, 100), (60, 70), (119, 3), (119, 119)):
        lon, lat = (float(v) for v in SPEC.to_lonlat(SPEC.x[col], SPEC.y[row]))
        wanted, _, metres = geod.inv(SITE.longitude, SITE.latitude, lon, lat)
        assert (azimuth[row, col] - wanted + 180) % 360 - 180 == pytest.approx(0, abs=0.02)
        assert distance[row, col] == pytest.approx(metres, rel=5e-4)
