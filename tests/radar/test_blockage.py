"""Beam blockage against areas of circles and a ridge whose shadow is known."""

import numpy as np
import pytest
import xarray as xr

from jinghu.radar.blockage import beam_blockage, partial_blockage, unshaded
from jinghu.radar.geometry import SiteOnGrid, beam_height, ground_distance
from jinghu.radar.polar import DRY_DBZ, PolarSweep

SITE = SiteOnGrid(0.0, 0.0, 0.0)


def terrain(height):
    at = np.arange(-60e3, 60.1e3, 500.0)
    x, y = np.meshgrid(at, at)
    return xr.DataArray(height(x, y).astype(float), dims=("y", "x"), coords={"y": at, "x": at})


@pytest.mark.parametrize("part", [-1.5, -1.0, -0.6, -0.1, 0.0, 0.3, 0.9, 1.0, 2.0])
def test_share_is_the_area_of_the_disc_below_the_terrain(part):
    height = (np.arange(200_000) + 0.5) / 100_000 - 1
    width = np.sqrt(1 - height**2)
    expected = width[height < part].sum() / width.sum()
    found = partial_blockage(np.array([part * 80.0 + 900]), np.array([900.0]), np.array([80.0]))
    assert found[0] == pytest.approx(expected, abs=1e-4)


def test_ridge_in_the_east_shades_what_lies_behind_it():
    """At 30 km a ridge as high as the axis takes half the beam, to the end of the ray."""
    at_ridge = beam_height(ground_distance(30e3, 0.5), 0.5, 100.0)
    ridge = terrain(lambda x, y: np.where((abs(x - 30e3) <= 1000) & (abs(y) < 20e3), at_ridge, 0))
    range_m = np.arange(500.0, 55e3, 500.0)
    azimuth = np.array([0.0, 90.0, 180.0, 270.0])
    share = beam_blockage(ridge, SITE, 100.0, 0.5, azimuth, range_m)
    assert share[[0, 2, 3]].max() < 1e-6
    assert share[1, range_m < 28e3].max() < 1e-6
    first = partial_blockage(  # the foot of the ridge, where the beam is lower
        np.array([at_ridge]),
        np.array([beam_height(29e3, 0.5, 100.0)]),
        np.array([29e3 * np.radians(0.5)]),
    )[0]
    np.testing.assert_allclose(share[1, range_m >= 31e3], first, atol=0.005)
    assert 0.5 < first < 0.6


def test_azimuths_turn_with_the_grid_and_missing_terrain_takes_nothing():
    wall = terrain(lambda x, y: np.where(x > 20e3, 5000.0, 0.0))
    turned = SiteOnGrid(0.0, 0.0, 90.0)
    share = beam_blockage(wall, turned, 100.0, 0.5, np.array([0.0, 90.0]), np.array([10e3, 30e3]))
    np.testing.assert_allclose(share, [[0, 1], [0, 0]], atol=1e-6)
    nothing = xr.full_like(wall, np.nan)
    far = np.array([10e3, 300e3])
    assert not beam_blockage(nothing, SITE, 100.0, 0.5, np.array([45.0]), far).any()


def test_loss_is_given_back_until_too_little_is_left():
    """Half the power is 3.01 dB."""
    dbz = np.array([[20, 20, 20, DRY_DBZ, DRY_DBZ, np.nan]], np.float32)
    sweep = PolarSweep(0.5, np.array([0.5], np.float32), dbz, np.full_like(dbz, np.nan), 500, 250)
    found = unshaded(sweep, np.array([[0.0, 0.5, 0.61, 0.5, 1.0, 0.0]], np.float32)).dbz
    np.testing.assert_allclose(found, [[20, 23.0103, np.nan, DRY_DBZ, np.nan, np.nan]], atol=1e-4)


@pytest.mark.filterwarnings("ignore")
def test_formula_agrees_with_wradlib():
    qual = pytest.importorskip("wradlib.qual", exc_type=ImportError)
    heights, axis, radius = np.array([850.0, 900, 950]), np.full(3, 900.0), np.full(3, 80.0)
    expected = qual.beam_block_frac(heights, axis, radius)
    np.testing.assert_allclose(partial_blockage(heights, axis, radius), expected, atol=1e-6)
