"""Columns over made sweeps whose echo is known by height."""

from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from tests.radar.conftest import SITE, START, volume

from jinghu.grid.fields import EchoTop, State
from jinghu.grid.spec import GridSpec
from jinghu.radar.column_mosaic import column_mosaic
from jinghu.radar.columns import ColumnParams, columns_on_grid
from jinghu.radar.geometry import beam_height, ground_distance
from jinghu.radar.mosaic import MosaicParams
from jinghu.radar.polar import DRY_DBZ, PolarSweep
from jinghu.radar.rain import CleanScan
from jinghu.radar.volume import Sweep

X, Y = (
    float(v) for v in GridSpec("EPSG:4549", 0, 0, 1.0, 1, 1).to_xy(SITE.longitude, SITE.latitude)
)
SPEC = GridSpec("EPSG:4549", X - 120e3, Y - 120e3, 2000.0, 120, 120)
ELEVATIONS = (0.5, 1.5, 2.4, 3.4, 4.3, 6.0, 9.9, 14.6, 19.5)  # VCP 21
DISTANCE = np.hypot(*np.meshgrid(SPEC.x - X, SPEC.y - Y))
HEIGHTS = ColumnParams(cappi_m=(3_000.0, 6_000.0))
BOTH = (HEIGHTS, MosaicParams())


def height_of(elevation, gates=480, gate_m=250.0):
    """Height above mean sea level of the gates of a sweep."""
    ranges = gate_m / 2 + np.arange(gates) * gate_m
    return np.array([
        beam_height(ground_distance(r, elevation), elevation, SITE.antenna_height_m) for r in ranges
    ])  # fmt: skip


def scan_of(profile, elevations=ELEVATIONS, missing=None):
    """Sweeps whose echo is a function of height alone; one sector may be missing."""
    azimuth = np.arange(360, dtype=np.float32)
    sweeps = []
    for elevation in elevations:
        dbz = np.tile(profile(height_of(elevation)).astype(np.float32), (360, 1))
        if missing is not None:
            dbz[missing] = np.nan
        sweeps.append(PolarSweep(elevation, azimuth, dbz, np.full_like(dbz, np.nan), 250.0, 125.0))
    return CleanScan(sweeps, [np.zeros(360, bool) for _ in sweeps])


def columns(profile, ago_s=0.0, code=None, **options):
    found = columns_on_grid(scanned_at(ago_s), scan_of(profile, **options), SPEC, HEIGHTS)
    return found.assign_attrs(radar=code or SITE.code)


def scanned_at(ago_s=0.0):
    """Volume whose low sweeps are of a given time."""
    seconds = np.array([START.timestamp() - ago_s])
    ray = np.zeros(1, np.float32)
    return volume((Sweep(0.5, ray, ray, seconds, 0.0, {}),), "made", "made")


def uniform(dbz, top):
    return lambda height: np.where(height <= top, dbz, DRY_DBZ)


def falling(height):
    """50 dBZ at sea level, 5 dB/km less: 18 dBZ at 6400 m."""
    return 50.0 - height / 200.0


def test_reflectivity_that_falls_with_height_has_its_top_where_it_is():
    """Linear in height is exact, whatever the beams: 18 dBZ at 6400 m, 35 at 3 km, 20 at 6 km."""
    found = columns(falling)
    between = found["echo_top_flag"].values == EchoTop.BETWEEN
    assert between[(DISTANCE > 25e3) & (DISTANCE < 110e3)].all()
    # Gates are the nearest ones: half a gate (125 m) along a beam of 19.5 degrees is 42 m.
    np.testing.assert_allclose(found["echo_top"].values[between], 6400, atol=60)
    for k, dbz in enumerate((35.0, 20.0)):
        cappi = found["cappi_reflectivity"].values[k]
        np.testing.assert_allclose(cappi[np.isfinite(cappi)], dbz, atol=0.6)
    # At 100 km the lowest beam stands at 2.56 km: its 37.2 dBZ are the largest of the column.
    ring = abs(DISTANCE - 100e3) < 500
    expected = falling(beam_height(100e3, 0.5, SITE.antenna_height_m))
    np.testing.assert_allclose(found["composite_reflectivity"].values[ring], expected, atol=0.1)


def test_a_top_above_the_highest_or_below_the_lowest_beam_is_flagged():
    found = columns(uniform(40.0, 12_000.0))
    near = DISTANCE < 15e3  # 19.5 degrees is at 6.4 km at 15 km
    assert (found["echo_top_flag"].values[near] == EchoTop.ABOVE_HIGHEST).all()
    highest = beam_height(15e3, 19.5, SITE.antenna_height_m)
    assert found["echo_top"].values[near].max() <= highest + 60
    far = (DISTANCE > 60e3) & (DISTANCE < 110e3)
    assert (found["echo_top_flag"].values[far] == EchoTop.BETWEEN).all()
    # A dry beam above: the top is at the upper edge of the beam, no farther than a beam from it.
    assert (abs(found["echo_top"].values[far] - 12_000.0) < 5_500).all()
    weak = columns(uniform(12.0, 4_000.0))
    assert (weak["echo_top_flag"].values[near] == EchoTop.BELOW_LOWEST).all()
    assert (weak["echo_top"].values[near] == 0).all()


def test_liquid_of_uniform_echo_is_that_of_its_depth():
    """40 dBZ through beams that reach from h0 - w to hn + w: 3.44e-6 Z^(4/7) times that depth."""
    found = columns(uniform(40.0, 30_000.0), elevations=ELEVATIONS[:4])
    ring = abs(DISTANCE - 60e3) < 700
    low, high = (beam_height(60e3, e, SITE.antenna_height_m) for e in (0.5, 3.4))
    depth = high - low + 60e3 * np.radians(1.0)
    expected = 3.44e-6 * 1e4 ** (4 / 7) * depth
    liquid = found["vertically_integrated_liquid"].values[ring]
    np.testing.assert_allclose(liquid, expected, rtol=0.02)
    # Hail above 56 dBZ adds nothing: 10 dB more echo, the same liquid as 56 dBZ.
    hail = columns(uniform(66.0, 30_000.0), elevations=ELEVATIONS[:4])
    capped = 3.44e-6 * (10**5.6) ** (4 / 7) * depth
    found_hail = hail["vertically_integrated_liquid"].values[ring]
    np.testing.assert_allclose(found_hail, capped, rtol=0.02)


def test_dry_and_missing_are_kept_apart():
    found = columns(uniform(0.0, -1.0), missing=slice(80, 101))
    x, y = np.meshgrid(SPEC.x - X, SPEC.y - Y)
    azimuth = np.degrees(np.arctan2(x, y)) % 360
    sector = (azimuth > 83) & (azimuth < 97) & (DISTANCE > 5e3) & (DISTANCE < 110e3)
    rest = ((azimuth > 105) | (azimuth < 75)) & (DISTANCE > 5e3) & (DISTANCE < 110e3)
    assert np.isnan(found["composite_reflectivity"].values[sector]).all()
    assert (found["echo_top_flag"].values[sector] == EchoTop.MISSING).all()
    assert (found["composite_reflectivity"].values[rest] == DRY_DBZ).all()
    assert (found["echo_top_flag"].values[rest] == EchoTop.NONE).all()
    assert (found["vertically_integrated_liquid"].values[rest] == 0).all()
    merged = column_mosaic([found], START, None, SPEC, BOTH)
    assert (merged["column_state"].values[sector] == State.MISSING).all()
    assert (merged["column_state"].values[rest] == State.DRY).all()


def test_a_hidden_ray_says_nothing():
    scan = scan_of(uniform(40.0, 30_000.0), elevations=(0.5, 1.5))
    scan.hidden[0][:] = True
    found = columns_on_grid(scanned_at(), scan, SPEC, HEIGHTS)
    other = columns(uniform(40.0, 30_000.0), elevations=(1.5,))
    xr.testing.assert_equal(found.drop_attrs(), other.drop_attrs())


def test_the_largest_echo_wins_and_the_best_view_gives_the_top():
    good = columns(uniform(30.0, 30_000.0), code="A")
    poor = columns(uniform(45.0, 30_000.0), code="B", elevations=(0.5, 1.5))
    merged = column_mosaic([poor, good], START, None, SPEC, BOTH)
    seen = (DISTANCE > 10e3) & (DISTANCE < 110e3)
    assert (merged["composite_reflectivity"].values[seen] == 45).all()
    # Two low beams see less than half of what nine do where those reach high.
    near = (DISTANCE > 10e3) & (DISTANCE < 60e3)
    for name in ("echo_top", "echo_top_flag", "vertically_integrated_liquid"):
        np.testing.assert_array_equal(merged[name].values[near], good[name].values[near])
    assert merged["composite_reflectivity"].attrs["units"] == "dBZ"


def test_a_stale_radar_counts_only_where_no_fresh_one_sees():
    late = columns(uniform(55.0, 30_000.0), ago_s=1500.0, code="A")
    fresh = columns(uniform(20.0, 30_000.0), code="B", missing=slice(0, 180))
    merged = column_mosaic([late, fresh], START, None, SPEC, BOTH)
    x, _ = np.meshgrid(SPEC.x - X, SPEC.y - Y)
    near = (DISTANCE < 110e3) & (DISTANCE > 20e3)
    west, east = near & (x < -10e3), near & (x > 10e3)
    assert (merged["composite_reflectivity"].values[west] == 20).all()
    assert (merged["column_state"].values[west] == State.WET).all()
    assert (merged["composite_reflectivity"].values[east] == 55).all()
    assert (merged["column_state"].values[east] == State.STALE).all()


def test_columns_move_whole_with_the_motion():
    """10 m/s east for 600 s are 3 cells of 2 km: values move, none is mixed with another."""
    scan = columns(falling, ago_s=600.0)
    moving = {"motion_x": 10.0, "motion_y": 0.0}
    motion = xr.Dataset(
        {n: (("y", "x"), np.full(SPEC.shape, v, np.float32)) for n, v in moving.items()},
        coords=SPEC.coords(),
    )
    still = column_mosaic([scan], START - timedelta(seconds=600), None, SPEC, BOTH)
    moved = column_mosaic([scan], START, motion, SPEC, BOTH)
    for name in ("composite_reflectivity", "echo_top", "echo_top_flag"):
        np.testing.assert_array_equal(moved[name].values[:, 3:], still[name].values[:, :-3])
    assert np.isnan(moved["composite_reflectivity"].values[:, :3]).all()


def test_one_radar_behind_a_mountain_does_not_hide_the_top():
    """Of two that see equally well the one that finds no echo is overruled, in either order."""
    behind, sees = columns(uniform(0.0, -1.0), code="A"), columns(falling, code="B")
    for pair in ([behind, sees], [sees, behind]):
        merged = column_mosaic(pair, START, None, SPEC, BOTH)
        for name in ("echo_top", "echo_top_flag", "vertically_integrated_liquid"):
            np.testing.assert_array_equal(merged[name], sees[name])


@pytest.mark.parametrize("stale", [False, True])
def test_no_radar_is_all_missing(stale):
    blind = columns_on_grid(scanned_at(1500.0 * stale), CleanScan([], []), SPEC, HEIGHTS)
    for found in (column_mosaic([], START, None, SPEC, BOTH),
                  column_mosaic([blind], START, None, SPEC, BOTH)):  # fmt: skip
        assert (found["column_state"].values == State.MISSING).all()
        assert np.isnan(found["cappi_reflectivity"].values).all()
        assert (found["echo_top_flag"].values == EchoTop.MISSING).all()
        assert found["cappi_reflectivity"].dims == ("height", "y", "x")
