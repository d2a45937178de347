"""Clutter maps: counts and means that are known, ground of the simulator, a real mountain radar."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.configs.settings import CONFIGS
from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import GridSpec
from jinghu.radar.clutter import ClutterParams, clean
from jinghu.radar.clutter_map import (
    AZIMUTHS,
    RANGES,
    ClutterMap,
    ElevationMap,
    MapParams,
    cover,
    learn,
    static_share,
    strongest,
)
from jinghu.radar.decode import decode_volume
from jinghu.radar.polar import DRY_DBZ, PolarSweep, reflectivity_sweeps
from jinghu.radar.simulator.scan import X_DRILL
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.simulate import make_network, scan_one
from jinghu.storm import Storm, StormParams, make_storm

PARAMS = MapParams(least_scans=2)
GROUND = (slice(30, 40), slice(40, 60))


def sweep(dbz, elevation=0.5, gate_m=250.0):
    azimuth = (np.arange(len(dbz)) + 0.5).astype(np.float32)
    silent = np.full(dbz.shape, np.nan, np.float32)
    return PolarSweep(elevation, azimuth, dbz.astype(np.float32), silent, gate_m, gate_m / 2)


def dry(gates=200):
    return np.full((AZIMUTHS, gates), DRY_DBZ, np.float32)


def ground(dbz):
    field = dry()
    field[GROUND] = dbz
    return sweep(field)


def learned(*sweeps, params=PARAMS):
    clutter = ClutterMap("ZTEST", params.echo_dbz)
    for one in sweeps:
        clutter = learn(clutter, [one], params)
    return clutter


def test_cells_hold_the_strongest_of_their_gates():
    """Gates of 250 m, two a cell: cell 10 is made of gates 20 and 21."""
    field = dry()
    field[7, 20:22] = 12, 18
    field[9, 20:22] = np.nan
    field[11, 20:22] = np.nan, 5
    found = strongest(sweep(field))
    assert found[7, 10] == 18
    assert np.isnan(found[9, 10])
    assert found[11, 10] == 5
    assert found[8, 10] == DRY_DBZ
    assert np.isnan(found[:, 100:]).all()  # beyond 200 gates


def test_counts_and_means_are_those_of_the_scans():
    """Echo of 20 and 40 dBZ in two scans of three: share 2/3, mean 30; 9 dBZ is no echo."""
    found = learned(ground(20), ground(40), ground(9)).at(0.5)
    assert found is not None
    cells = (slice(30, 40), slice(20, 30))
    assert (found.scans[:, :100] == 3).all()
    assert (found.scans[:, 100:] == 0).all()
    np.testing.assert_allclose(found.share[cells], 2 / 3)
    np.testing.assert_allclose(found.mean_dbz[cells], 30)
    assert found.echoes.sum() == 2 * 10 * 10
    assert np.isnan(found.mean_dbz[found.echoes == 0]).all()


@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(-20, 70), min_size=1, max_size=12))
def test_a_map_is_its_scans_in_any_order(strengths):
    scans = [ground(dbz) for dbz in strengths]
    ahead, back = learned(*scans).at(0.5), learned(*reversed(scans)).at(0.5)
    assert ahead is not None
    assert back is not None
    np.testing.assert_array_equal(ahead.echoes, back.echoes)
    np.testing.assert_allclose(ahead.mean_dbz, back.mean_dbz, atol=1e-3)
    held = [np.float32(dbz) for dbz in strengths if np.float32(dbz) >= 10]
    assert ahead.echoes[35, 25] == len(held)
    if held:
        assert ahead.mean_dbz[35, 25] == pytest.approx(np.mean(held), abs=1e-3)


def test_elevations_are_kept_apart_and_near_ones_are_one():
    found = learned(ground(20), replace(ground(20), elevation_deg=0.55), sweep(dry(), 1.5))
    assert [one.elevation_deg for one in found.elevations] == [0.5, 1.5]
    assert found.elevations[0].scans.max() == 2
    assert found.at(1.0) is None


def test_a_map_of_another_threshold_is_not_carried_on():
    with pytest.raises(ConfigError, match=r"ZTEST: learned with echo from 10 dBZ on, not 15"):
        learn(learned(ground(20)), [ground(20)], MapParams(echo_dbz=15))


def test_cover_is_an_area_and_known_ground_does_not_count():
    """A ring sector: 10 degrees by 10 to 15 km out of all around to 50 km."""
    expected = 10 / 360 * (15**2 - 10**2) / 50**2
    nothing = ClutterMap("ZTEST", 10.0)
    assert cover(nothing, [ground(20)], PARAMS) == pytest.approx(expected, rel=1e-6)
    assert cover(learned(ground(20)), [ground(20)], PARAMS) == pytest.approx(expected, rel=1e-6)
    assert cover(learned(ground(20), ground(20)), [ground(20)], PARAMS) == 0
    assert cover(nothing, [], PARAMS) == 1.0
    both = cover(nothing, [sweep(dry()), replace(ground(20), elevation_deg=1.5)], PARAMS)
    assert both == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(("dbz", "share"), [(-5, 1), (20, 1), (36, 1), (36.5, 0), (DRY_DBZ, 0)])
def test_echo_is_of_the_map_until_it_is_clearly_stronger(dbz, share):
    """Mean 30 dBZ, margin 6 dB."""
    found = static_share(learned(ground(30), ground(30)), ground(dbz), PARAMS)
    assert (found[GROUND] == share).all()
    assert found.sum() == share * 10 * 20


def test_few_scans_make_no_map():
    assert static_share(learned(ground(30)), ground(30), PARAMS).sum() == 0
    seldom = learned(ground(30), *[sweep(dry())] * 19)  # one of twenty is not more than 5 %
    assert static_share(seldom, ground(30), PARAMS).sum() == 0


def made_map(share, dbz=30.0, elevation=0.5):
    scans = np.full((AZIMUTHS, RANGES), 100, np.int32)
    echoes = np.zeros_like(scans)
    echoes[30:40, 20:30] = round(100 * share)
    mean = np.where(echoes > 0, np.float32(dbz), np.float32(np.nan))
    return ClutterMap("ZTEST", 10.0, (ElevationMap(elevation, scans, echoes, mean),))


def test_one_polarisation_keeps_deep_echo_unless_the_ground_is_the_better_guess():
    """Rain of 30 dBZ in both sweeps; ground in 20 % or in 90 % of the dry scans."""
    rain = dry()
    rain[20:60, 20:100] = 30
    sweeps = [sweep(rain), sweep(rain, 1.5)]
    before = clean(sweeps, ClutterParams())[0].dbz
    seldom = clean(sweeps, ClutterParams(), made_map(0.2))[0].dbz
    often = clean(sweeps, ClutterParams(), made_map(0.9))[0].dbz
    np.testing.assert_array_equal(seldom, before)
    assert np.isnan(often[GROUND]).all()
    assert np.isnan(often).sum() == 200
    shallow = [sweep(rain), sweep(np.where(rain > 0, 22, DRY_DBZ), 1.5)]  # falls by 8 dB
    assert np.isnan(clean(shallow, ClutterParams(), made_map(0.2))[0].dbz[GROUND]).all()


START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
SPEC = GridSpec("EPSG:4549", 425e3, 3140e3, 2000.0, 130, 130)


@pytest.fixture(scope="module")
def simulated():
    """Map of 24 dry scans of an X-band radar, and a storm seen with and without the ground."""
    sites = load_sites(CONFIGS / "radar_sites.yaml")
    two_cuts = replace(X_DRILL, cuts=X_DRILL.cuts[:2])
    network = make_network([sites["ZSIM3"]], 1, {"X": two_cuts})
    storm = make_storm(SPEC, START, timedelta(hours=1), 20260620, StormParams())
    drops = make_drops(storm.motion(), DropParams(), np.random.default_rng(5))
    far_away = Storm(START, np.array([[9e6, 3600, 0, 0, 0, 0, 1, 1000, 1000, 0]], np.float64))
    params = MapParams()
    clutter = ClutterMap("ZSIM3", params.echo_dbz)
    for k in range(24):
        at = START - timedelta(days=1) + k * timedelta(minutes=6)
        dry_scan = reflectivity_sweeps(scan_one(far_away, drops, SPEC, network, "ZSIM3", at))
        assert cover(clutter, dry_scan, params) <= params.dry_cover
        clutter = learn(clutter, dry_scan, params)
    bare = network.radars[0].ground
    bare = replace(bare, clutter_dbz=np.full_like(bare.clutter_dbz, -99.0))
    alone = replace(network, radars=(replace(network.radars[0], ground=bare),))
    seen = [
        reflectivity_sweeps(scan_one(storm, drops, SPEC, n, "ZSIM3", START))
        for n in (network, alone)
    ]
    return clutter, *seen


def single(sweeps):
    return [replace(s, dual=None, total_dbz=None) for s in sweeps]


@pytest.mark.parametrize(("kind", "least"), [(list, 0.3), (single, 0.5)])
def test_leaked_ground_goes_and_rain_stays(simulated, kind, least):
    """Gates that the ground lifts by 3 dB are ground; those that it lifts by less than 1, rain."""
    clutter, with_ground, without = simulated
    sweeps = kind(with_ground)
    before = clean(sweeps, ClutterParams())[0].dbz
    after = clean(sweeps, ClutterParams(), clutter)[0].dbz
    lifted = with_ground[0].dbz - np.maximum(without[0].dbz, -10)
    leaked = (with_ground[0].dbz > 10) & (lifted > 3)
    rain = (without[0].dbz > 10) & (lifted < 1)
    left = (leaked & (before > 10)).sum(), (leaked & (after > 10)).sum()
    assert left[0] > 200
    assert left[1] < (1 - least) * left[0]
    lost = rain & (before > 10) & ~(after > 10)
    assert lost.sum() < 0.005 * rain.sum()


def test_a_storm_is_not_dry(simulated):
    clutter, with_ground, _ = simulated
    assert cover(clutter, with_ground, MapParams()) > 0.5


def test_the_real_mountain_radar_knows_its_own_ground(data_folder):
    """The mechanism alone: one dry volume, held against itself, within the range of rain.

    Whether the ground of one day is that of another, one volume cannot tell.
    """
    path = next((data_folder / "cinrad_standard_format").glob("*Z9090*"))
    sweeps = reflectivity_sweeps(decode_volume(path.read_bytes(), path.name, None))
    params = ClutterParams(mapped=MapParams(least_scans=1))
    nothing = ClutterMap("Z9090", 10.0)
    assert cover(nothing, sweeps, params.mapped) > params.mapped.dry_cover
    clutter = learn(nothing, sweeps, params.mapped)
    before, after = clean(sweeps, params)[0], clean(sweeps, params, clutter)[0]
    near = before.range_m < 230e3
    assert (before.dbz[:, near] > 30).sum() > 100
    assert (after.dbz[:, near] > 30).sum() == 0
