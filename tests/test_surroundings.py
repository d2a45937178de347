"""A ridge in a GeoTIFF and a clutter map, from the files to the rain of a radar."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
from rich.console import Console
from tests.conftest import settings_for
from tests.radar.conftest import SITE, START, volume

from jinghu.analysis import rain_of_radars, scans_of_radars
from jinghu.grid.spec import GridSpec
from jinghu.radar.clutter_file import map_path, write_map
from jinghu.radar.clutter_map import AZIMUTHS, RANGES, ClutterMap, ElevationMap
from jinghu.radar.geometry import beam_height
from jinghu.radar.volume import Moment, Sweep
from jinghu.radar.zr import ZRRelation
from jinghu.stages import StageLog
from jinghu.surroundings import read_surroundings

CRS = "EPSG:4549"
X, Y = (float(v) for v in GridSpec(CRS, 0, 0, 1.0, 1, 1).to_xy(SITE.longitude, SITE.latitude))
SPEC = GridSpec(CRS, X - 60e3, Y - 60e3, 1000.0, 120, 120)
EAST = (slice(55, 65), slice(95, 110))  # 35 to 50 km from the radar, behind the ridge
WEST = (slice(55, 65), slice(10, 25))
ECHO = 136  # code of 35 dBZ


def rain_rate(dbz):
    return float(ZRRelation().rain_rate(np.array([dbz], np.float32))[0])


def cut(codes, elevation):
    return Sweep(
        elevation,
        (np.arange(360) + 0.5).astype(np.float32),
        np.full(360, elevation, np.float32),
        np.asarray(START.timestamp() + np.arange(360) * 0.05, np.float64),
        0.0,
        {"DBZH": Moment(codes.astype(np.uint8), 2.0, 66.0, 5, 250.0, 125.0)},
    )


def scanned(behind, end=240):
    """Rain of 35 dBZ up to a gate; the low sweep holds ``behind`` in the east from 30 km on."""
    low, high = np.full((360, 240), ECHO), np.full((360, 240), ECHO)
    low[60:120, 120:] = behind
    low[:, end:] = high[:, end:] = 0
    return volume([cut(low, 0.5), cut(high, 1.5)], "made", "made")


def write_ridge(path, height_m):
    """A wall from 29.5 to 30.5 km east of the radar, in a GeoTIFF of 250 m from north to south."""
    n, spacing = 400, 250.0
    at = (np.arange(n) + 0.5) * spacing - n * spacing / 2
    x, y = np.meshgrid(at, at[::-1])
    wall = (abs(x - 30e3) <= 500) & (abs(y) < 25e3)
    field = np.where(wall, height_m, 0.0).astype(np.float32)
    west, north = X - n * spacing / 2, Y + n * spacing / 2
    profile = {"driver": "GTiff", "width": n, "height": n, "count": 1, "dtype": "float32"}
    to_plane = rasterio.Affine(spacing, 0.0, west, 0.0, -spacing, north)
    with rasterio.open(path, "w", crs=CRS, transform=to_plane, **profile) as out:
        out.write(field, 1)


@pytest.fixture
def log():
    return StageLog(Console(quiet=True))


def with_dem(folder, dem):
    settings = settings_for(folder)
    return settings.model_copy(update={"hydro": settings.hydro.model_copy(update={"dem": dem})})


def rains(settings, made, log):
    known = read_surroundings(settings, [made], log)
    (found,) = rain_of_radars([made], SPEC, settings.radar, known)
    return found


AXIS = beam_height(30e3, 0.5, SITE.antenna_height_m)


def test_half_a_beam_is_given_back_and_trusted_half(tmp_path, log):
    """A wall as high as the axis takes half the power: 3 dB (code 6) are missing behind it."""
    write_ridge(tmp_path / "dem.tif", AXIS)
    made = scanned(ECHO - 6)
    bare = rains(settings_for(tmp_path), made, log)
    found = rains(with_dem(tmp_path, tmp_path / "dem.tif"), made, log)
    np.testing.assert_allclose(bare["rainfall_rate"].values[EAST], rain_rate(32), rtol=1e-3)
    # Given back: 3.01 dB, and 0.1 more, because at the foot of the wall the beam is 4 m lower.
    np.testing.assert_allclose(found["rainfall_rate"].values[EAST], rain_rate(35.1), rtol=0.02)
    np.testing.assert_allclose(found["rainfall_rate"].values[WEST], rain_rate(35), rtol=1e-3)
    share = found["quality"].values / np.maximum(bare["quality"].values, 1e-9)
    np.testing.assert_allclose(share[EAST], 0.49, atol=0.02)
    np.testing.assert_allclose(share[WEST], 1, atol=1e-6)
    assert not log.degradations


def test_behind_a_wall_the_sweep_above_is_taken(tmp_path, log):
    write_ridge(tmp_path / "dem.tif", AXIS + 250)
    # The low sweep calls the rain dry; too little of it to tell from the echo that it is hidden.
    made = scanned(0, end=180)
    near = (EAST[0], slice(95, 102))
    bare = rains(settings_for(tmp_path), made, log)
    found = rains(with_dem(tmp_path, tmp_path / "dem.tif"), made, log)
    assert (bare["rainfall_rate"].values[near] == 0).all()
    np.testing.assert_allclose(found["rainfall_rate"].values[near], rain_rate(35), rtol=1e-3)
    assert (found["beam_height"].values[near] > bare["beam_height"].values[near] + 400).all()


def test_each_shadow_is_computed_once_and_both_ways_to_rain_agree(tmp_path, log):
    write_ridge(tmp_path / "dem.tif", AXIS)
    settings = with_dem(tmp_path, tmp_path / "dem.tif")
    made = scanned(ECHO - 6)
    later = replace(made, source="later")
    known = read_surroundings(settings, [made, later], log)
    first, second = known.around(made), known.around(later)
    assert [s.elevation_deg for s in first.shadows] == [0.5, 1.5]
    assert all(a is b for a, b in zip(first.shadows, second.shadows, strict=True))
    (one,) = rain_of_radars([made], SPEC, settings.radar, known)
    (other,) = scans_of_radars([made], SPEC, settings.radar, known=known).rains
    assert one.identical(other)


def test_generated_terrain_hides_nothing(tmp_path, log):
    known = read_surroundings(settings_for(tmp_path), [scanned(ECHO)], log)
    assert known.terrain is None
    assert known.around(scanned(ECHO)).shadows == ()
    assert not log.degradations


def test_a_dem_that_cannot_be_read_is_named(tmp_path, log):
    (tmp_path / "dem.tif").write_bytes(b"no raster")
    made = scanned(ECHO)
    found = rains(with_dem(tmp_path, tmp_path / "dem.tif"), made, log)
    assert found.identical(rains(settings_for(tmp_path), made, log))
    (line,) = log.degradations
    assert line.startswith("beams are not checked against terrain:")
    assert "dem.tif" in line


def with_maps(folder, maps):
    settings = settings_for(folder)
    radar = settings.radar.model_copy(update={"clutter_maps": maps})
    return settings.model_copy(update={"radar": radar})


def write_clutter(folder):
    """Ground of 40 dBZ on every dry day, 10 to 20 km north of the radar."""
    scans = np.full((AZIMUTHS, RANGES), 50, np.int32)
    echoes = np.zeros_like(scans)
    echoes[np.r_[0:20, 340:360], 20:40] = 50
    mean = np.where(echoes > 0, np.float32(40), np.float32(np.nan))
    low = ElevationMap(0.5, scans, echoes, mean)
    folder.mkdir()
    write_map(ClutterMap(SITE.code, 10.0, (low,)), map_path(folder, SITE.code))


def test_over_ground_of_the_map_the_sweep_above_is_taken(tmp_path, log):
    write_clutter(tmp_path / "maps")
    made = scanned(ECHO)
    bare = rains(settings_for(tmp_path), made, log)
    found = rains(with_maps(tmp_path, tmp_path / "maps"), made, log)
    north = (slice(72, 77), slice(58, 62))
    raised = found["beam_height"].values > bare["beam_height"].values + 100
    assert raised[north].all()
    assert not raised[EAST].any()
    np.testing.assert_allclose(found["rainfall_rate"].values[north], rain_rate(35), rtol=1e-3)
    assert not log.degradations


def test_maps_that_cannot_be_used_are_named(tmp_path, log):
    made = scanned(ECHO)
    bare = rains(settings_for(tmp_path), made, log)
    write_clutter(tmp_path / "maps")
    path = map_path(tmp_path / "maps", SITE.code)
    path.write_bytes(path.read_bytes()[:500])
    assert rains(with_maps(tmp_path, tmp_path / "maps"), made, log).identical(bare)
    assert rains(with_maps(tmp_path, tmp_path / "none"), made, log).identical(bare)
    damaged, absent = log.degradations
    assert damaged.startswith(f"{SITE.code} without its clutter map: clutter map {path}:")
    assert absent.startswith("no clutter maps:")
