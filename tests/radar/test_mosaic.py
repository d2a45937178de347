"""Mosaics of made rain: at one time, weighted, with state and age."""

from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from tests.radar.conftest import START

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import Method, State
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy
from jinghu.radar.mosaic import MosaicParams, mosaic

SPEC = GridSpec("EPSG:4549", 500e3, 3200e3, 1000.0, 60, 50)


def rain(code, rate, quality=1.0, ago_s=0.0, state=None, method=Method.Z):
    rates = np.broadcast_to(np.float32(rate), SPEC.shape).copy()
    dims = ("y", "x")
    states = np.where(np.isnan(rates), State.MISSING, State.WET) if state is None else state
    return xr.Dataset(
        {
            "rainfall_rate": (dims, rates),
            "quality": (dims, np.broadcast_to(np.float32(quality), SPEC.shape).copy()),
            "state": (dims, np.broadcast_to(states, SPEC.shape).astype(np.uint8)),
            "method": (
                dims,
                np.where(np.isnan(rates), Method.NONE, method).astype(np.uint8),
            ),
        },
        coords={"time": to_numpy(START - timedelta(seconds=ago_s)), **SPEC.coords()},
        attrs={"radar": code},
    )


def half(value, side):
    """The value in one half of the grid, NaN in the other."""
    field = np.full(SPEC.shape, value, np.float32)
    field[:, 30:] = np.nan
    return field if side == "west" else field[:, ::-1]


def test_weights_follow_quality_and_age():
    """Weight = quality^2 exp(-age / 600 s)."""
    found = mosaic([rain("A", 10.0, 1.0), rain("B", 20.0, 0.5)], START, None, MosaicParams())
    np.testing.assert_allclose(found["rainfall_rate"], (10 + 20 * 0.25) / 1.25, rtol=1e-6)
    found = mosaic([rain("A", 10.0), rain("B", 20.0, ago_s=300)], START, None, MosaicParams())
    late = np.exp(-0.5)
    np.testing.assert_allclose(found["rainfall_rate"], (10 + 20 * late) / (1 + late), rtol=1e-6)
    assert (found["radar_count"] == 2).all()
    assert found.attrs["radars"] == "A B"


def test_halves_meet_and_what_nobody_sees_is_missing():
    west, east = rain("A", half(4.0, "west")), rain("B", half(0.0, "east"))
    found = mosaic([west, east], START, None, MosaicParams())
    assert set(np.unique(found["rainfall_rate"])) == {0.0, 4.0}
    np.testing.assert_array_equal(found["state"][:, :30], State.WET)
    np.testing.assert_array_equal(found["state"][:, 30:], State.DRY)
    alone = mosaic([west], START, None, MosaicParams())
    assert np.isnan(alone["rainfall_rate"].values[:, 30:]).all()
    np.testing.assert_array_equal(alone["state"][:, 30:], State.MISSING)
    assert (alone["quality"].values[:, 30:] == 0).all()


def test_blocked_and_stale_are_told_apart():
    blocked = np.where(np.isnan(half(1.0, "west")), State.BLOCKED, State.WET)
    found = mosaic(
        [rain("A", half(1.0, "west"), ago_s=900, state=blocked)], START, None, MosaicParams()
    )
    np.testing.assert_array_equal(found["state"][:, :30], State.STALE)
    np.testing.assert_array_equal(found["state"][:, 30:], State.BLOCKED)
    np.testing.assert_allclose(found["age"].values[:, :30], 900)


def test_radars_are_brought_to_the_time_of_the_mosaic():
    """An echo that moves 10 m/s east stands 3 cells further after 300 s."""
    field = np.zeros(SPEC.shape, np.float32)
    field[20:30, 10:20] = 8.0
    motion = xr.Dataset(
        {
            "motion_x": (("y", "x"), np.full(SPEC.shape, 10.0, np.float32)),
            "motion_y": (("y", "x"), np.zeros(SPEC.shape, np.float32)),
        },
        coords=SPEC.coords(),
    )
    found = mosaic([rain("A", field, ago_s=300)], START, motion, MosaicParams())
    np.testing.assert_allclose(found["rainfall_rate"].values[:, 3:], field[:, :-3], atol=1e-4)


def test_nothing_and_different_grids_are_refused():
    with pytest.raises(ConfigError, match="at least one radar"):
        mosaic([], START, None, MosaicParams())
    with pytest.raises(ConfigError, match="one grid"):
        mosaic([rain("A", 1.0), rain("B", 1.0).isel(x=slice(5))], START, None, MosaicParams())


def test_every_cell_names_the_radar_that_weighs_most():
    """Places in the sorted codes, whatever the order of the radars; 255 where nobody sees."""
    west, good = rain("B", half(4.0, "west"), quality=0.3), rain("A", half(1.0, "east"))
    both = mosaic([west, good, rain("C", half(2.0, "west"))], START, None, MosaicParams())
    assert both.attrs["radars"] == "A B C"
    np.testing.assert_array_equal(both["source_radar"][:, :30], 2)
    np.testing.assert_array_equal(both["source_radar"][:, 30:], 0)
    alone = mosaic([west], START, None, MosaicParams())
    np.testing.assert_array_equal(alone["source_radar"][:, 30:], 255)


def test_method_is_that_of_the_radar_that_weighs_most():
    far = rain("A", 1.0, quality=0.4, method=Method.Z)
    near = rain("B", half(4.0, "west"), method=Method.KDP)
    found = mosaic([far, near], START, None, MosaicParams())
    np.testing.assert_array_equal(found["method"][:, :30], Method.KDP)
    np.testing.assert_array_equal(found["method"][:, 30:], Method.Z)
    alone = mosaic([near], START, None, MosaicParams())
    np.testing.assert_array_equal(alone["method"][:, 30:], Method.NONE)
    assert alone["method"].attrs["flag_meanings"].split()[Method.KDP] == "kdp"


def test_method_moves_with_the_rain():
    """10 m/s east for 300 s: 3 cells of 1 km; a kind is never a mean of kinds."""
    kinds = np.full(SPEC.shape, Method.Z)
    kinds[20:30, 10:20] = Method.KDP
    moving = {"motion_x": 10.0, "motion_y": 0.0}
    motion = xr.Dataset(
        {n: (("y", "x"), np.full(SPEC.shape, v, np.float32)) for n, v in moving.items()},
        coords=SPEC.coords(),
    )
    found = mosaic([rain("A", 5.0, ago_s=300, method=kinds)], START, motion, MosaicParams())
    np.testing.assert_array_equal(found["method"][:, 3:], kinds[:, :-3])
    assert set(np.unique(found["method"])) == {Method.NONE, Method.Z, Method.KDP}


def five_radars():
    """A on the whole grid, B to E each on one quarter, with rain and quality of their own."""
    random = np.random.default_rng(7)
    made = [rain("A", random.uniform(0, 20, SPEC.shape), quality=0.3)]
    for k, code in enumerate("BCDE"):
        field = np.full(SPEC.shape, np.nan)
        rows, columns = (
            slice(25 * (k // 2), 25 + 25 * (k // 2)),
            slice(30 * (k % 2), 30 + 30 * (k % 2)),
        )
        field[rows, columns] = random.uniform(0, 20, (25, 30))
        made.append(rain(code, field, quality=0.9))
    return made


@pytest.mark.parametrize("dead", ["B", "C", "D", "E", "A"])
def test_a_dead_radar_degrades_its_cells_and_nothing_else(dead):
    radars = five_radars()
    whole = mosaic(radars, START, None, MosaicParams())
    without = mosaic([r for r in radars if r.attrs["radar"] != dead], START, None, MosaicParams())
    lost = next(r for r in radars if r.attrs["radar"] == dead)
    its = np.isfinite(lost["rainfall_rate"].values)
    for name in ("rainfall_rate", "quality", "age", "state", "radar_count", "method"):
        a, b = whole[name].values[~its], without[name].values[~its]
        assert a.tobytes() == b.tobytes(), name
    codes = whole.attrs["radars"].split()
    if dead != "A":  # the next radar takes over, with its lower quality
        np.testing.assert_allclose(
            without["rainfall_rate"].values[its], radars[0]["rainfall_rate"].values[its], rtol=1e-6
        )
        assert (whole["source_radar"].values[its] == codes.index(dead)).all()
        assert (without["source_radar"].values[its] == 0).all()
        assert (without["quality"].values[its] < whole["quality"].values[its]).all()
    else:  # every cell has another radar, none turns dry that was not scanned
        assert (without["radar_count"].values == 1).all()


def test_cells_of_a_dead_radar_that_nobody_else_sees_are_missing():
    radars = five_radars()[1:]
    without = mosaic(radars[1:], START, None, MosaicParams())
    its = np.isfinite(radars[0]["rainfall_rate"].values)
    assert (without["state"].values[its] == State.MISSING).all()
    assert np.isnan(without["rainfall_rate"].values[its]).all()
    late = mosaic([rain("B", radars[0]["rainfall_rate"].values, ago_s=1200), *radars[1:]],
                  START, None, MosaicParams())  # fmt: skip
    assert (late["state"].values[its] == State.STALE).all()
    others = mosaic(radars, START, None, MosaicParams())
    assert (late["state"].values[~its] == others["state"].values[~its]).all()
    for name in ("rainfall_rate", "quality", "age"):
        assert late[name].values[~its].tobytes() == others[name].values[~its].tobytes()
