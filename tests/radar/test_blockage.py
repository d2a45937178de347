"""Beam blockage against areas of circles and a ridge whose shadow is known."""

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from jinghu.radar.blockage import (
    beam_blockage,
    out_of_shadow,
    partial_blockage,
    shadow,
    unshaded,
)
from jinghu.radar.geometry import SiteOnGrid, beam_height, ground_distance
from jinghu.radar.horizon import without_hidden
from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.sites import HiddenSector, RadarSite

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


RADAR = RadarSite("ZTEST", "", "", 30.0, 120.0, 100.0, "S", 1.0, (HiddenSector(170, 190, 0.5),))


def ridge_east_and_south(share):
    """A ridge at 30 km, of which the beam at 0.5 degrees loses this share there, in two sectors."""
    x = np.linspace(-1, 1, 20_001)
    part = x[np.searchsorted(partial_blockage(x, 0 * x, np.ones_like(x)), share)]
    height = beam_height(30e3, 0.5, 100.0) + part * 30e3 * np.radians(0.5)
    out = terrain(lambda x, y: 0 * x)
    at = abs(np.hypot(out.x, out.y) - 30e3) < 800  # cells of 500 m: flat from 29.5 to 30.5 km
    return xr.where(at & ((out.x > 20e3) | (out.y < -20e3)), height, 0.0).transpose("y", "x")


def polar(dbz=30.0):
    field = np.full((360, 200), dbz, np.float32)
    azimuth = np.arange(360, dtype=np.float32)
    return PolarSweep(0.5, azimuth, field, np.full_like(field, np.nan), 250.0, 125.0)


def test_a_shadow_is_the_blockage_at_rays_and_gates():
    hills = ridge_east_and_south(0.4)
    whole = polar()
    direct = beam_blockage(hills, SITE, 100.0, 0.5, whole.azimuth_deg, whole.range_m)
    found = shadow(hills, SITE, RADAR, 0.5)
    assert found.share.shape == (720, 920)
    np.testing.assert_allclose(found.on(whole)[:, 4:], direct[:, 4:], atol=1e-6)
    assert found.share[180, -1] == found.share[180, 150] > 0.3  # the loss lasts to the end
    assert not shadow(hills, SITE, RADAR, 9.9).share.any()
    assert not shadow(xr.full_like(hills, np.nan), SITE, RADAR, 0.5).share.any()


def test_a_hill_under_the_mast_hides_nothing():
    """A DEM whose peak at the site is 20 m too high: nearer than 1 km it is not looked at."""
    peak = terrain(lambda x, y: np.where(np.hypot(x, y) < 600, 120.0, 0.0))
    assert not shadow(peak, SITE, RADAR, 0.5).share.any()


def test_the_larger_of_two_losses_is_given_back_once():
    """In the south the table of sites names half a beam, 3.01 dB, given back before."""
    for share in (0.3, 0.58):
        hills = ridge_east_and_south(share)
        (whole,), _ = without_hidden(RADAR, [polar()])
        lit, taken = out_of_shadow(RADAR, whole, [shadow(hills, SITE, RADAR, 0.5)])
        gain = -10 * np.log10(1 - taken[90, 150])
        assert taken[90, 150] == pytest.approx(share, abs=0.03)
        assert lit.dbz[90, 150] == pytest.approx(30 + gain, abs=0.01)
        assert lit.dbz[180, 150] == pytest.approx(30 + max(gain, 3.0103), abs=0.03)
        np.testing.assert_allclose(lit.dbz[270], 30, atol=1e-4)


def test_a_hidden_ray_is_missing_and_other_elevations_are_left_alone():
    hills = ridge_east_and_south(0.9)
    (whole,), _ = without_hidden(RADAR, [polar()])
    dark = shadow(hills, SITE, RADAR, 0.5)
    lit, taken = out_of_shadow(RADAR, whole, [dark])
    assert np.isnan(lit.dbz[[90, 180], 150]).all()
    assert taken[90, 150] > 0.8
    other = replace(whole, elevation_deg=0.8)
    same, none = out_of_shadow(RADAR, other, [dark])
    assert same is other
    assert not none.any()
