"""The melting layer over cycles: pooled, followed, held still, forgotten, carried."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.radar.conftest import SITE, START
from tests.radar.test_melting import layered

from jinghu.analysis import rain_params
from jinghu.configs.settings import RadarSettings
from jinghu.melting import (
    FollowParams,
    Level,
    Melting,
    Seen,
    Source,
    followed,
    from_dataset,
    melting_now,
    melting_rows,
    nothing_seen,
    pooled,
    settled,
    to_dataset,
)
from jinghu.radar.melting import MeltingLayer

SETTINGS = RadarSettings(freezing_level_m=5_200.0)
PARAMS = FollowParams()
STEP = timedelta(minutes=6)


def seen(bottom_m, error_m=100.0, code="ZSIM1", time=START, depth_m=500.0):
    return Seen(code, MeltingLayer(bottom_m, bottom_m + depth_m, error_m, 1_000), time)


def volume(code, bottom_m, time=START):
    """A radar that sees a layer of 500 m; none where the bottom is beyond its sight."""
    made = layered(bottom_m, bottom_m + 500, site=replace(SITE, code=code))
    return replace(made, time=time, end_time=time + STEP)


def test_radars_that_see_none_take_the_layer_of_those_that_do():
    volumes = [volume("A", 3_000), volume("B", 20_000)]
    found = melting_now(volumes, nothing_seen(SETTINGS), START + STEP, SETTINGS)
    assert set(found.seen) == {"A"}
    assert (found.level.bottom_m, found.level.source) == (3_000.0, Source.MOMENTS)
    assert found.level.top_m == pytest.approx(3_500, abs=100)
    params = rain_params(SETTINGS, 6, found.level)
    assert params.qpe.melting_bottom_m == 3_000.0
    assert params.vpr.layer_m == (3_000.0, found.level.top_m)


def test_the_setting_is_the_first_guess_and_the_last_resort():
    known = melting_now([volume("B", 20_000)], nothing_seen(SETTINGS), START, SETTINGS)
    assert known == Melting({}, Level(4_700.0, 5_200.0, Source.SETTING))
    params = rain_params(SETTINGS, 6)
    assert params.qpe.melting_bottom_m == 4_700.0
    assert params.vpr.layer_m is None  # what nobody saw corrects nothing


def test_a_layer_is_carried_for_three_hours_and_forgotten():
    known = melting_now([volume("A", 3_000)], nothing_seen(SETTINGS), START, SETTINGS)
    later = melting_now([], known, START + timedelta(hours=2.9), SETTINGS)
    assert later.level == replace(known.level, source=Source.CARRIED)
    forgotten = melting_now([], later, START + timedelta(hours=3.1), SETTINGS)
    assert forgotten == nothing_seen(SETTINGS)


def test_a_volume_that_was_looked_at_teaches_nothing_more():
    known = melting_now([volume("A", 3_000)], nothing_seen(SETTINGS), START, SETTINGS)
    again = melting_now([volume("A", 4_000)], known, START + STEP, SETTINGS)
    assert again.seen == known.seen
    assert again.level.source is Source.CARRIED


def test_of_a_radars_volumes_the_newest_is_looked_at():
    volumes = [volume("A", 3_600, START + STEP), volume("A", 3_000)]
    found = melting_now(volumes, nothing_seen(SETTINGS), START + STEP, SETTINGS)
    assert found.level.bottom_m == 3_600.0


def test_surer_and_newer_radars_weigh_more():
    sure, unsure = seen(3_000, 100), seen(3_500, 200, "B")
    assert pooled([sure, unsure], START, PARAMS) == pytest.approx((3_100, 3_600))
    old = replace(sure, time=START - timedelta(hours=2))
    pool = pooled([old, unsure], START, PARAMS)
    assert pool is not None
    weights = 1 / np.array([100**2 + 2 * 150**2, 200**2])
    assert pool[0] == pytest.approx((weights * [3_000, 3_500]).sum() / weights.sum())
    assert pooled([], START, PARAMS) is None


def test_noise_is_smoothed_and_a_jump_believed_the_second_time():
    known = seen(3_000)
    for k in range(1, 30):
        noisy = seen(3_000 + 100 * (-1) ** k, time=START + k * STEP)
        known = followed(known, noisy, PARAMS)
    assert known.layer.bottom_m == pytest.approx(3_000, abs=40)
    assert known.layer.error_m < 100
    fallen = replace(seen(2_000), time=known.time + STEP)
    once = followed(known, fallen, PARAMS)
    assert once.layer.bottom_m == known.layer.bottom_m
    twice = followed(once, replace(fallen, time=once.time + STEP), PARAMS)
    assert twice.layer.bottom_m == pytest.approx(2_000, abs=250)


def test_what_is_old_is_replaced():
    now = seen(2_000, time=START + timedelta(hours=4))
    assert followed(seen(3_000), now, PARAMS) == now
    assert followed(None, now, PARAMS) == now


@given(st.lists(st.floats(2_900, 3_100), min_size=1, max_size=20))
@settings(deadline=None, max_examples=50)
def test_the_level_stays_until_the_layer_is_a_step_away(bottoms):
    level = settled((3_010.0, 3_500.0), nothing_seen(SETTINGS).level, Source.MOMENTS, 100.0)
    assert (level.bottom_m, level.top_m) == (3_000.0, 3_500.0)
    for bottom_m in bottoms:
        before = level
        level = settled((bottom_m, bottom_m + 500), level, Source.MOMENTS, 100.0)
        assert abs(level.bottom_m - bottom_m) < 100
        assert level.bottom_m % 100 == 0
        if abs(bottom_m - before.bottom_m) < 100:
            assert level == before


@pytest.mark.parametrize("radars", [(), ("B", "A")])
def test_what_is_known_is_read_back(radars, tmp_path):
    known = Melting(
        {code: seen(3_000 + 7.25 * k, 80 + k, code) for k, code in enumerate(radars)},
        Level(3_000.0, 3_500.0, Source.CARRIED),
    )
    to_dataset(known).to_netcdf(tmp_path / "state.nc")
    with xr.open_dataset(tmp_path / "state.nc") as state:
        assert from_dataset(state.load()) == known


def test_the_manifest_names_the_level_and_what_each_radar_saw():
    known = Melting({"A": seen(3_012.3, 90, "A")}, Level(3_000.0, 3_500.0, Source.MOMENTS))
    one, other = melting_rows(known, {"A", "B"})
    assert (one["melting_layer_bottom_m"], one["melting_layer_top_m"]) == (3_000.0, 3_500.0)
    assert (one["radar"], one["source"], one["own_bottom_m"]) == ("A", "moments", 3_012)
    assert one["seen"] == "2026-06-20T06:00:00Z"
    assert (other["radar"], other["own_bottom_m"], other["gates"]) == ("B", None, 0)
