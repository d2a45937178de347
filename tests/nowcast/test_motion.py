import os
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from jinghu.grid.advection import advect
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.nowcast.motion import MotionParams, dense_motion, displacement, estimate_motion, to_db

DATA = Path(os.environ.get("JINGHU_DATA", Path(__file__).parents[3] / "shared" / "data"))
SHAPE = (160, 180)


def showers(shape=SHAPE, seed=0):
    """Rain of many sizes over a third of the field, mm/h."""
    white = np.random.default_rng(seed).standard_normal(shape)
    parts = [gaussian_filter(white, s, mode="wrap") * s for s in (2, 5, 12)]
    field = np.sum(parts, axis=0)
    field = (field - field.mean()) / field.std()
    return np.where(field > 0.4, 0.3 * np.exp(2.0 * (field - 0.4)), 0.0).astype(np.float32)


def motion_of(kind, speed, shape=SHAPE):
    y, x = (np.indices(shape) / np.array(shape)[:, None, None] - 0.5) * 2.0
    found = {
        "uniform": (0.8 + 0 * x, 0.6 + 0 * x),
        "shear": (0.8 + 0.4 * y, 0.3 + 0 * x),
        "rotation": (-y, x),
    }[kind]
    return (np.stack(found) * speed).astype(np.float32)


def moved(field, motion):
    """The field one step later; rain comes in at the edges as it went out."""
    return advect(field, motion, [1.0], substeps=8, outside=0.0)[0]


def dataset(rate, minutes=0.0, cell_m=1000.0, south_up=True):
    y = np.arange(rate.shape[0]) * cell_m
    time = np.datetime64("2019-08-09T16:00", "ns") + np.timedelta64(int(minutes * 60), "s")
    return xr.Dataset(
        {"rainfall_rate": (("y", "x"), rate, attrs("rainfall_rate"))},
        coords={
            "x": ("x", np.arange(rate.shape[1]) * cell_m, {"units": "m"}),
            "y": ("y", y if south_up else y[::-1], {"units": "m"}),
            "time": time,
        },
    )


def error(found, truth, near=None):
    """Root mean square of the vector error in cells, over the inner cells."""
    off = ((found - truth) ** 2).sum(0)[20:-20, 20:-20]
    return float(np.sqrt(off.mean() if near is None else off[near[20:-20, 20:-20]].mean()))


@pytest.mark.parametrize(
    ("kind", "speed", "limit"),
    [("uniform", 6.0, 0.15), ("shear", 6.0, 0.15), ("rotation", 6.0, 0.4), ("uniform", 0.0, 0.02)],
)
def test_known_motion_is_recovered(kind, speed, limit):
    truth = motion_of(kind, speed)
    first = showers()
    found, quality = displacement(
        to_db(first, 0.2), to_db(moved(first, truth), 0.2), 1000.0, 600.0, MotionParams()
    )
    assert error(found, truth) < limit
    assert quality[20:-20, 20:-20].mean() > 0.8


def test_27_minutes_at_30_m_s():
    """48.6 km between the fields, of which 32 km blocks alone would see nothing."""
    shape = (300, 300)
    truth = motion_of("uniform", 48.6, shape)
    first = showers(shape)
    found = estimate_motion(dataset(first), dataset(moved(first, truth), 27.0))
    inner = (slice(60, -60), slice(60, -60))
    np.testing.assert_allclose(found["motion_x"].values[inner], 24.0, atol=0.5)
    np.testing.assert_allclose(found["motion_y"].values[inner], 18.0, atol=0.5)


@pytest.mark.parametrize("case", ["sector", "stripes", "other coverage"])
def test_missing_cells_do_not_pull_the_motion(case):
    truth = motion_of("uniform", 6.0)
    first = showers()
    second = moved(first, truth)
    rows, cols = np.indices(SHAPE)
    if case == "sector":
        hidden = np.abs(np.arctan2(rows - 80, cols - 90)) < 0.4
        first, second = np.where(hidden, np.nan, first), np.where(hidden, np.nan, second)
    elif case == "stripes":
        first, second = first.copy(), second.copy()
        first[::11] = second[::11] = np.nan
    else:
        first = np.where(cols > 120, np.nan, first)
        second = np.where(cols < 40, np.nan, second)
    found, _ = displacement(to_db(first, 0.2), to_db(second, 0.2), 1000.0, 600.0, MotionParams())
    assert error(found, truth, (cols > 45) & (cols < 115)) < 0.35


def test_a_radar_that_joins_is_not_motion():
    """Rain that stood still outside the first radar's range appears with the second radar."""
    rate = showers()
    rows, cols = np.indices(SHAPE)
    alone = np.where(np.hypot(rows - 80, cols - 60) < 60, rate, np.nan)
    found, _ = displacement(to_db(alone, 0.2), to_db(rate, 0.2), 1000.0, 600.0, MotionParams())
    assert np.hypot(*found).max() < 0.3


def test_units_signs_and_time():
    truth = motion_of("uniform", 6.0)
    first = showers()
    second = moved(first, truth)
    found = estimate_motion(dataset(first), dataset(second, 10.0))
    assert found["motion_x"].attrs["units"] == "m s-1"
    assert found["time"].values == np.datetime64("2019-08-09T16:10", "ns")
    inner = found.isel(x=slice(30, -30), y=slice(30, -30))
    np.testing.assert_allclose(inner["motion_x"], 8.0, atol=0.5)  # 4.8 km in 10 min
    np.testing.assert_allclose(inner["motion_y"], 6.0, atol=0.5)


def test_rows_from_north_to_south_turn_the_sign():
    truth = motion_of("uniform", 6.0)
    first = showers()
    found = estimate_motion(
        dataset(first, south_up=False), dataset(moved(first, truth), 10.0, south_up=False)
    ).isel(x=slice(30, -30), y=slice(30, -30))
    np.testing.assert_allclose(found["motion_x"], 8.0, atol=0.5)
    np.testing.assert_allclose(found["motion_y"], -6.0, atol=0.5)


BLANK = np.zeros(SHAPE, np.float32)


def one_wet_pixel():
    field = BLANK.copy()
    field[80, 90] = 20.0
    return field


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (BLANK, BLANK),
        (BLANK, showers()),
        (showers(), BLANK),
        (one_wet_pixel(), one_wet_pixel()),
        (BLANK + 5, BLANK + 5),
        (BLANK + np.nan, BLANK + np.nan),
        (BLANK + np.nan, showers()),
        (np.where(showers() > 0, np.inf, np.nan), showers()),
        (showers((8, 8)), showers((8, 8))),
        (showers((2, 2)), showers((2, 2))),
        (showers((200, 9)), showers((200, 9))),
    ],
    ids=["dry", "begins", "ends", "one pixel", "constant", "missing", "came back", "infinite",
         "8 x 8", "2 x 2", "narrow"],
)  # fmt: skip
def test_fields_that_show_no_motion_give_a_quiet_answer(first, second):
    found, quality = displacement(
        to_db(first, 0.2), to_db(second, 0.2), 1000.0, 600.0, MotionParams()
    )
    assert np.isfinite(found).all()
    assert np.hypot(*found).max() < 3.0
    assert ((quality >= 0) & (quality <= 1)).all()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000), st.floats(0.0, 0.9), st.integers(9, 60), st.integers(9, 60))
def test_whatever_the_fields_the_motion_is_finite_and_bounded(seed, missing, ny, nx):
    rng = np.random.default_rng(seed)
    fields = rng.gamma(0.2, 5.0, (2, ny, nx)).astype(np.float32)
    fields[rng.random(fields.shape) < missing] = np.nan
    found, _ = displacement(
        to_db(fields[0], 0.2), to_db(fields[1], 0.2), 2000.0, 300.0, MotionParams()
    )
    limit = MotionParams().max_speed_m_s * 300.0 + 2 * MotionParams().fine_search_m
    assert np.isfinite(found).all()
    assert np.hypot(*found).max() * 2000.0 < 1.5 * limit


def test_no_time_between_the_fields_is_no_motion():
    rain = dataset(showers())
    found = estimate_motion(rain, rain)
    assert not found["motion_x"].values.any()
    assert not found["quality"].values.any()


def test_grids_that_differ_or_are_none_are_refused():
    rain = dataset(showers())
    with pytest.raises(DataError, match="not on one grid"):
        estimate_motion(rain, rain.assign_coords(x=rain["x"] + 500.0))
    with pytest.raises(DataError, match="not on one grid"):
        estimate_motion(rain, rain.isel(x=slice(1, None)))
    degrees = rain.assign_coords(x=("x", np.linspace(119, 121, 180), {"units": "degrees_east"}))
    with pytest.raises(DataError, match="'degrees_east', wanted a projected grid in m"):
        estimate_motion(degrees, degrees)
    uneven = rain.assign_coords(x=("x", rain["x"].values ** 1.1))
    with pytest.raises(DataError, match="coordinate x: not equidistant"):
        estimate_motion(uneven, uneven)
    oblong = rain.assign_coords(x=("x", rain["x"].values * 2))
    with pytest.raises(DataError, match="not square"):
        estimate_motion(oblong, oblong)
    other = rain.copy()
    other["rainfall_rate"].attrs["units"] = "dBZ"
    with pytest.raises(ConfigError, match="'dBZ', wanted 'mm h-1'"):
        estimate_motion(other, rain)


def test_a_sequence_gives_cells_per_step():
    truth = motion_of("uniform", 2.0)
    frames = [showers()]
    for _ in range(3):
        frames.append(moved(frames[-1], truth))
    found = dense_motion(np.stack(frames), 1000.0, 300.0)
    assert error(found, truth) < 0.1
    assert not dense_motion(np.stack(frames)[:1]).any()


def test_decibels_above_the_threshold():
    found = to_db(np.array([0.0, 0.2, 2.0, np.nan, np.inf, -1.0], np.float32), 0.2)
    np.testing.assert_allclose(found, [0, 0, 10, np.nan, np.nan, 0], atol=1e-5)


@pytest.mark.skipif(not (DATA / "rain_sequences").exists(), reason=f"no sequences in {DATA}")
def test_real_rain_moves_better_than_it_stands():
    """MeteoSwiss 2016-07-11: half an hour ahead the extrapolation halves the misses."""
    image = pytest.importorskip("PIL.Image")
    files = sorted((DATA / "rain_sequences" / "mch" / "20160711").glob("*.gif"))[10:20]

    def read(file):
        with image.open(file) as picture:
            return np.array(picture).astype(np.float32)

    numbers = np.stack([read(f) for f in files])
    rate = 12 * (10 ** ((numbers - 71.5) / 20) / 316.0) ** (1 / 1.5)
    rate = np.where(numbers == 255, np.nan, np.where(numbers < 2, 0, rate)).astype(np.float32)
    moved_on = advect(rate[3], dense_motion(rate[:4].astype(np.float32)), np.arange(1, 7))[-1]
    known = np.isfinite(moved_on) & np.isfinite(rate[9])

    def csi(forecast):
        f, o = forecast[known] >= 1.0, rate[9][known] >= 1.0
        return (f & o).sum() / (f | o).sum()

    assert csi(moved_on) > 1.5 * csi(rate[3])
