"""Two radars over one field of rain: what they differ by is found, and nothing else is compared."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from tests.radar.conftest import SITE, START, volume

from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.radar.geometry import beam_height, place, polar_coordinates, slant_range
from jinghu.radar.overlap import OverlapParams, compare, comparisons, levels_at, levels_on_grid
from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.rain import CleanScan
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Moment, Sweep

OTHER = RadarSite("ZSIM9", "模拟", "Simulated", 29.9, 121.0, 300.0, "S")
X, Y = (
    float(v) for v in GridSpec("EPSG:4549", 0, 0, 1.0, 1, 1).to_xy(SITE.longitude, SITE.latitude)
)
SPEC = GridSpec("EPSG:4549", X - 60e3, Y - 60e3, 1000.0, 150, 150)
PARAMS = OverlapParams()
ELEVATIONS = (0.5, 1.5, 2.5, 4.0)


def uniform(dbz):
    return lambda rays, gates: np.full((rays, gates), dbz, np.float32)


def scan(field, rays=360, gates=400):
    azimuth = (np.arange(rays) * 360.0 / rays).astype(np.float32)
    nothing = np.full((rays, gates), np.nan, np.float32)
    sweeps = [PolarSweep(e, azimuth, field(rays, gates), nothing, 250.0, 125.0) for e in ELEVATIONS]
    return CleanScan(sweeps, [np.zeros(rays, bool) for _ in sweeps])


def at_site(site, seconds=0.0):
    """A volume of which only the site and the time are looked at."""
    ray = Moment(np.full((40, 4), 100, np.uint8), 2.0, 66.0, 5, 250.0, 125.0)
    angles = np.zeros(40, np.float32)
    times = np.full(40, START.timestamp() + seconds)
    return replace(
        volume([Sweep(0.5, angles, angles, times, 0.0, {"DBZH": ray})], "made", "made"), site=site
    )


def seen(site, field, seconds=0.0, applied=0.0):
    return levels_on_grid(at_site(site, seconds), scan(field), SPEC, PARAMS, applied)


def test_the_difference_of_uniform_rain_is_that_of_the_radars():
    found = compare(seen(SITE, uniform(30.0)), seen(OTHER, uniform(33.0)), PARAMS)
    assert found is not None
    assert (found.first, found.second) == ("ZSIM1", "ZSIM9")
    assert found.difference_db == pytest.approx(-3.0, abs=1e-4)
    assert found.spread_db == pytest.approx(0.0, abs=1e-4)
    assert found.error_db == pytest.approx(PARAMS.floor_db)
    assert found.samples > 500


def test_what_was_taken_off_is_put_back():
    once = seen(SITE, uniform(30.0))
    again = seen(SITE, uniform(27.0), applied=3.0)
    np.testing.assert_allclose(again.dbz, once.dbz, atol=1e-5)


def test_a_level_holds_the_beam_that_is_near_it_at_its_range():
    """Reflectivity that is the number of the gate tells at which range a cell was sampled."""
    levels = seen(
        SITE, lambda rays, gates: np.tile(np.arange(gates, dtype=np.float32) / 10, (rays, 1))
    )
    coarse, _ = PARAMS.cells(SPEC)
    _, distance = polar_coordinates(place(SITE, coarse), coarse)
    known = np.argwhere(np.isfinite(levels.dbz))
    assert len(known) > 1000
    for level, row, col in known[::97]:
        ground = float(distance[row, col])
        near = [e for e in ELEVATIONS if e >= PARAMS.least_elevation_deg
                and abs(beam_height(ground, e, SITE.antenna_height_m) - PARAMS.heights_m[level])
                <= PARAMS.half_depth_m]  # fmt: skip
        gates = [(slant_range(ground, e) - 125.0) / 250.0 / 10.0 for e in near]
        # The mean over 2 km of power lies above that of dBZ by at most 0.05 dB here.
        assert any(abs(g - levels.dbz[level, row, col]) < 0.12 for g in gates)
    assert np.isnan(levels.dbz[:, distance < PARAMS.nearest_m]).all()


def test_the_lowest_cuts_hidden_rays_and_missing_gates_are_not_compared():
    blind = scan(uniform(np.nan))
    assert np.isnan(levels_on_grid(at_site(SITE), blind, SPEC, PARAMS).dbz).all()
    whole = scan(uniform(30.0))
    hidden = replace(whole, hidden=[np.ones(360, bool)] * 4)
    assert np.isnan(levels_on_grid(at_site(SITE), hidden, SPEC, PARAMS).dbz).all()
    low = CleanScan(whole.sweeps[:1], whole.hidden[:1])
    assert np.isnan(levels_on_grid(at_site(SITE), low, SPEC, PARAMS).dbz).all()


@pytest.mark.parametrize("dbz", [DRY_DBZ, 12.0, 48.0])
def test_only_rain_is_compared(dbz):
    assert compare(seen(SITE, uniform(dbz)), seen(OTHER, uniform(dbz)), PARAMS) is None


def test_noise_at_the_threshold_does_not_favour_the_radar_that_reads_high():
    """Rain about the lower limit, 4 dB of noise in either radar: the median stays what it is."""
    random = np.random.default_rng(0)
    one, other = seen(SITE, uniform(20.0)), seen(OTHER, uniform(20.0))
    one, other = (
        replace(s, dbz=s.dbz + random.normal(off, 4.0, s.dbz.shape).astype(np.float32))
        for s, off in ((one, 2.0), (other, 0.0))
    )
    found = compare(one, other, PARAMS)
    assert found is not None
    assert found.difference_db == pytest.approx(2.0, abs=0.5)


def test_scans_far_apart_in_time_are_not_compared():
    radars = [seen(SITE, uniform(30.0)), seen(OTHER, uniform(30.0), seconds=601.0)]
    assert comparisons(radars, None, PARAMS) == []
    radars[1] = seen(OTHER, uniform(30.0), seconds=599.0)
    assert len(comparisons(radars, None, PARAMS)) == 1


def test_levels_move_with_the_rain():
    """10 m/s to the east for 400 s are two cells of 2 km."""
    levels = seen(SITE, uniform(30.0))
    marked = replace(levels, dbz=np.zeros_like(levels.dbz))
    marked.dbz[2, 40, 30] = 35.0
    speed = {"motion_x": 10.0, "motion_y": 0.0}
    motion = xr.Dataset(
        {n: (("y", "x"), np.full(SPEC.shape, v, np.float32), attrs(n)) for n, v in speed.items()},
        coords=SPEC.coords(),
    )
    later = levels_at(marked, levels.time + timedelta(seconds=400), motion, PARAMS)
    assert np.argwhere(later.dbz == 35.0).tolist() == [[2, 40, 32]]
    assert levels_at(marked, levels.time, motion, PARAMS).dbz[2, 40, 30] == 35.0


@pytest.mark.parametrize(
    ("spacing", "n", "cells"), [(500.0, 201, 50), (2500.0, 7, 7), (100.0, 5, 1)]
)
def test_any_grid_has_one_of_comparison(spacing, n, cells):
    spec = GridSpec("EPSG:4549", X, Y, spacing, n, n)
    assert PARAMS.cells(spec)[0].shape == (cells, cells)
