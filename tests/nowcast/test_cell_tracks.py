"""Tracks of cells whose paths are known."""

import json

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.nowcast.cell_table import geojson, positions, state_of, tracks_of
from jinghu.nowcast.cell_tracks import track_cells
from jinghu.nowcast.cells import identify_cells

SPEC = GridSpec("EPSG:4549", 450e3, 3250e3, 1000.0, 120, 100)
START = np.datetime64("2025-06-09T11:00", "ns")
STEP = np.timedelta64(6, "m")


def hill(x_km, y_km, top=40.0, width_km=5.0):
    x, y = (SPEC.x - SPEC.x0_m) / 1e3, (SPEC.y - SPEC.y0_m) / 1e3
    away = (x[None] - x_km) ** 2 + (y[:, None] - y_km) ** 2
    return top * np.exp(-away / (2 * width_km**2))


def field(rate, step):
    return xr.Dataset(
        {"rainfall_rate": (("y", "x"), rate.astype(np.float32), attrs("rainfall_rate"))},
        coords={"time": START + step * STEP, **SPEC.coords()},
    )


def moving(u=0.0, v=0.0):
    """A motion of the field in m/s."""
    plane = np.ones(SPEC.shape, np.float32)
    named = {
        name: (("y", "x"), plane * np.float32(value), attrs(name))
        for name, value in (("motion_x", u), ("motion_y", v))
    }
    return xr.Dataset(named, coords=SPEC.coords())


def follow(rates, motion, skip=()):
    """Tracks after each field."""
    tracks, out = None, []
    for k, rate in enumerate(rates):
        if k not in skip:
            tracks = track_cells(tracks, identify_cells(field(rate, k)), motion)
            out.append(tracks)
    return out


@pytest.mark.parametrize("told", [(10.0, 5.0), (0.0, 0.0)])
def test_a_moving_cell_keeps_its_number_and_tells_its_velocity(told):
    """3.6 km east and 1.8 km north each 6 min are 10 and 5 m/s, whatever the field's motion."""
    rates = [hill(20 + 3.6 * k, 30 + 1.8 * k) for k in range(11)]
    steps = follow(rates, moving(*told))
    assert [[t.number for t in s.tracks] for s in steps] == [[1]] * 11
    (track,) = steps[-1].tracks
    trust = 1.0 if any(told) else 10 / 13  # ten steps of the track, three of the field that stands
    assert track.motion_x_m_s == pytest.approx(10.0 * trust, rel=0.02)
    assert track.speed_m_s == pytest.approx(np.hypot(10, 5) * trust, rel=0.02)
    assert track.direction_deg == pytest.approx(63.4, abs=1.0)
    assert (track.born, track.steady) == (START, START)
    area, highest = track.trend()
    assert abs(area) < 20
    assert abs(highest) < 2


def test_a_growing_cell_tells_its_trend():
    """The top rises by 2 mm/h each 6 min: 20 mm/h per h; area pi r^2 = 2 pi w^2 ln(top / 5.4)."""
    tops = [20.0 + 2 * k for k in range(6)]
    steps = follow([hill(60.5, 50.5, top) for top in tops], moving())
    area, highest = steps[-1].tracks[0].trend()
    grown = 2 * np.pi * 25 * np.log(tops[-1] / tops[0]) / 0.5
    assert highest == pytest.approx(20.0, rel=0.02)
    assert area == pytest.approx(grown, rel=0.15)
    assert np.isnan(steps[1].tracks[0].trend()).all()


def test_two_cells_that_merge_leave_the_larger_one_with_a_record_of_the_other():
    rates = [hill(40 + 2 * k, 50, 45.0, 6.0) + hill(70 - 2 * k, 50, 35.0, 4.0) for k in range(7)]
    steps = follow(rates, moving())
    assert [t.number for t in steps[0].tracks] == [1, 2]
    (left,) = steps[-1].tracks
    assert (left.number, left.merged) == (1, (2,))
    assert left.steady > START


def test_a_cell_that_splits_gives_one_new_number_with_a_record_of_its_origin():
    rates = [hill(55 - 2 * k, 50, 45.0) + hill(55 + 2 * k, 50, 36.0) for k in range(8)]
    steps = follow(rates, moving())
    assert len(steps[0].tracks) == 1
    first, second = sorted(steps[-1].tracks, key=lambda t: t.number)
    assert (first.number, first.split_from) == (1, 0)
    assert (second.number, second.split_from) == (2, 1)
    assert first.cell.x_m < second.cell.x_m
    assert first.steady == second.born


def test_cells_that_pass_each_other_keep_their_numbers():
    """Both are in every field apart; the nearer at each time is not always the same one."""
    rates = [hill(20 + 6 * k, 40) + hill(80 - 6 * k, 62, 30.0) for k in range(9)]
    steps = follow(rates, moving())
    for step in steps:
        assert sorted(t.number for t in step.tracks) == [1, 2]
    assert {t.number: t.cell.max_mm_h > 35 for t in steps[-1].tracks} == {1: True, 2: False}


def test_a_fast_small_cell_is_found_again_without_overlap():
    """9 km a step at 3 km radius: its own velocity, once known, brings it there."""
    rates = [hill(10 + 7 * k, 50, 30.0, 2.0) for k in range(10)]
    assert [t.number for t in follow(rates, moving())[-1].tracks] == [1]


def test_a_lost_field_does_not_end_a_track_and_an_hour_does():
    rates = [hill(20 + 3.6 * k, 50) for k in range(8)]
    assert follow(rates, moving(10.0), skip=(3, 4))[-1].tracks[0].number == 1
    first = track_cells(None, identify_cells(field(rates[0], 0)), moving())
    later = track_cells(first, identify_cells(field(rates[0], 10)), moving())
    assert [t.number for t in later.tracks] == [2]


def test_a_cell_that_ends_and_one_that_begins_are_two():
    rates = [hill(20, 20)] * 3 + [hill(100, 80)] * 3
    assert [[t.number for t in s.tracks] for s in follow(rates, moving())] == [[1]] * 3 + [[2]] * 3


def test_no_cells_are_no_trouble():
    nothing = np.zeros(SPEC.shape)
    steps = follow([nothing, hill(60, 50), nothing, nothing, hill(60, 50)], moving())
    assert [len(s.tracks) for s in steps] == [0, 1, 0, 0, 1]
    assert steps[-1].tracks[0].number == 2


def test_a_field_that_is_not_later_is_refused():
    found = identify_cells(field(hill(60, 50), 0))
    with pytest.raises(ConfigError, match="tracks end at"):
        track_cells(track_cells(None, found, moving()), found, moving())


def test_the_next_cycle_continues_from_the_state_as_if_it_had_not_ended(tmp_path):
    rates = [hill(55 - 2 * k, 50, 45.0) + hill(55 + 2 * k, 50, 36.0) for k in range(8)]
    whole = follow(rates, moving(1.0))
    part = whole[4]
    state_of(part).to_netcdf(tmp_path / "cells.nc")
    with xr.open_dataset(tmp_path / "cells.nc") as opened:
        kept = tracks_of(opened.load())
    assert kept.tracks == part.tracks
    for k in range(5, 8):
        kept = track_cells(kept, identify_cells(field(rates[k], k)), moving(1.0))
    assert kept.tracks == whole[-1].tracks
    assert kept.next_number == whole[-1].next_number


def test_a_state_without_cells_is_one():
    empty = follow([np.zeros(SPEC.shape)], moving())[-1]
    assert tracks_of(state_of(empty)).tracks == ()
    with pytest.raises(DataError, match="is none of version"):
        tracks_of(xr.Dataset())


def test_positions_go_with_the_velocity_and_their_radius_grows():
    (track,) = follow([hill(20 + 3.6 * k, 50) for k in range(4)], moving(10.0))[-1].tracks
    ahead = positions(track, SPEC.crs)
    assert [p.lead_min for p in ahead] == [15, 30, 60]
    assert ahead[2].x_m - track.cell.x_m == pytest.approx(36e3, rel=0.02)
    assert ahead[0].radius_km < ahead[1].radius_km < ahead[2].radius_km
    lon, lat = SPEC.to_lonlat(ahead[2].x_m, ahead[2].y_m)
    assert (ahead[2].lon, ahead[2].lat) == pytest.approx((float(lon), float(lat)))


def test_geojson_holds_cells_and_paths_in_degrees_without_nan():
    steps = follow([hill(20 + 3.6 * k, 50) for k in range(2)], moving(10.0))
    text = json.dumps(geojson(steps[-1], SPEC.crs), allow_nan=False)
    told = json.loads(text)
    cell, path = told["features"]
    assert cell["geometry"]["type"] == "Point"
    assert path["geometry"]["type"] == "LineString"
    assert len(path["geometry"]["coordinates"]) == 2
    assert 118 < cell["geometry"]["coordinates"][0] < 122
    of = cell["properties"]
    assert (of["cell"], of["time"], of["area_trend_km2_h"]) == (1, "2025-06-09T11:06:00Z", None)
    assert of["direction_deg"] == pytest.approx(90, abs=1)
    assert len(of["forecast"]) == 3
