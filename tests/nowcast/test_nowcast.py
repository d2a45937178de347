import contextlib
import io

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.nowcast import Engine, Members, Method, nowcast
from jinghu.nowcast.nowcast import motion_of

STEP = np.timedelta64(5, "m")
ENGINES = [Engine.JINGHU, Engine.PYSTEPS]


def showers(shape=(130, 150), seed=0):
    white = np.random.default_rng(seed).standard_normal(shape)
    parts = [gaussian_filter(white, s, mode="wrap") * s for s in (2, 5, 12)]
    field = np.sum(parts, axis=0)
    field = (field - field.mean()) / field.std()
    return np.where(field > 0.4, 0.3 * np.exp(2.0 * (field - 0.4)), 0.0).astype(np.float32)


def sequence(n=4, dx=3, dy=2, minutes=None, south_up=True):
    """Showers that move by whole cells of 1 km each 5 min, in a ring."""
    spec = GridSpec("EPSG:4549", 450e3, 3250e3, 1000.0, 150, 130)
    first = showers(spec.shape)
    rates = np.stack([np.roll(first, (k * dy, k * dx), (0, 1)) for k in range(n)])
    offsets = np.arange(n) * 5 if minutes is None else np.array(minutes)
    times = np.datetime64("2019-08-09T16:00", "ns") + offsets * np.timedelta64(1, "m")
    rain = xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={"time": times, **spec.coords()},
    )
    return rain if south_up else rain.isel(y=slice(None, None, -1))


@pytest.fixture(params=ENGINES)
def engine(request):
    if request.param is Engine.PYSTEPS:
        with contextlib.redirect_stdout(io.StringIO()):
            pytest.importorskip("pysteps")
            pytest.importorskip("cv2")
    return request.param


def test_the_result_is_as_the_rooms_agreed(engine):
    rain = sequence()
    out = nowcast(rain, leads=6, engine=engine)
    assert out["rainfall_rate"].dims == ("lead_time", "y", "x")
    assert out["rainfall_rate"].dtype == np.float32
    assert out["rainfall_rate"].attrs == attrs("rainfall_rate")
    assert out["motion_x"].attrs["units"] == out["motion_y"].attrs["units"] == "m s-1"
    np.testing.assert_array_equal(out["lead_time"] / STEP, np.arange(7))
    assert out["time"].values == rain["time"].values[-1]
    np.testing.assert_array_equal(out["rainfall_rate"][0], rain["rainfall_rate"][-1])
    assert GridSpec.of(out) == GridSpec.of(rain)
    assert out["lat"].dims == ("y", "x")
    assert "degradation" not in out.attrs


@pytest.mark.parametrize("south_up", [True, False])
def test_known_motion_is_continued(engine, south_up):
    """3 cells east and 2 north each 5 min are 10 and 6.7 m/s; 30 min on the field is known."""
    rain = sequence(south_up=south_up)
    out = nowcast(rain, leads=6, engine=engine)
    inner = out.isel(x=slice(30, -30), y=slice(30, -30))
    np.testing.assert_allclose(inner["motion_x"].mean(), 10.0, atol=0.4)
    np.testing.assert_allclose(inner["motion_y"].mean(), 20.0 / 3, atol=0.4)
    truth = sequence(10, south_up=south_up)["rainfall_rate"].values[-1]
    forecast = out["rainfall_rate"].values[6]
    known = np.isfinite(forecast)
    known[:20] = known[-20:] = False
    known[:, :20] = known[:, -20:] = False
    assert np.corrcoef(forecast[known], truth[known])[0, 1] > 0.9


def test_what_comes_from_outside_is_missing_not_dry(engine):
    out = nowcast(sequence(), leads=3, engine=engine)["rainfall_rate"]
    assert np.isnan(out.values[3][:, :6]).all()
    assert np.isfinite(out.values[0]).all()


def test_missing_cells_move_and_stay_missing(engine):
    rain = sequence()
    rain["rainfall_rate"].values[:, 60:70, 70:80] = np.nan
    rate = nowcast(rain, leads=2, engine=engine)["rainfall_rate"].values[2]
    assert np.isnan(rate[66:72, 78:84]).all()
    assert np.isfinite(rate[30:60, 30:60]).all()


def test_a_given_motion_is_used(engine):
    rain = sequence(1)
    still = np.zeros((130, 150), np.float32)
    motion = rain.isel(time=0, drop=True).assign(
        motion_x=(("y", "x"), still + 20.0), motion_y=(("y", "x"), still)
    )
    out = nowcast(rain, leads=1, step=np.timedelta64(150, "s"), engine=engine, motion=motion)
    np.testing.assert_allclose(
        out["rainfall_rate"].values[1][:, 3:], rain["rainfall_rate"].values[0][:, :-3], atol=1e-4
    )


def test_the_lead_step_may_differ_from_the_sequence(engine):
    """The motion in m/s is that of the sequence, whatever the leads."""
    coarse = nowcast(sequence(), leads=2, engine=engine)
    fine = nowcast(sequence(), leads=4, step=np.timedelta64(150, "s"), engine=engine)
    np.testing.assert_allclose(fine["motion_x"], coarse["motion_x"], atol=1e-4)
    a, b = fine["rainfall_rate"].values[[2, 4]], coarse["rainfall_rate"].values[1:]
    known = np.isfinite(a) & np.isfinite(b)
    np.testing.assert_allclose(a[known], b[known], atol=0.5)


def test_a_single_field_stands_still_by_name(engine):
    rain = sequence(1)
    out = nowcast(rain, leads=2, step=STEP, engine=engine)
    assert out.attrs["degradation"] == "one field only: no motion"
    for lead in range(3):
        np.testing.assert_array_equal(out["rainfall_rate"][lead], rain["rainfall_rate"][0])


def test_a_dry_sequence_stays_dry_by_name():
    rain = sequence()
    rain["rainfall_rate"].values[:] = 0.0
    out = nowcast(rain, leads=2)
    assert out.attrs["degradation"] == "no rain that could be followed: no motion"
    assert not out["rainfall_rate"].values.any()


def test_a_dry_sequence_is_no_trouble_for_the_peer(engine):
    rain = sequence()
    rain["rainfall_rate"].values[:] = 0.0
    assert not np.nan_to_num(nowcast(rain, leads=2, engine=engine)["rainfall_rate"].values).any()


def test_fields_that_repeat_are_passed_over_by_name():
    rain = sequence()
    rain["rainfall_rate"].values[2] = rain["rainfall_rate"].values[1]
    out = nowcast(rain, leads=2)
    assert out.attrs["degradation"] == "1 fields repeat the one before"
    inner = out.isel(x=slice(30, -30), y=slice(30, -30))
    np.testing.assert_allclose(inner["motion_x"].mean(), 10.0, atol=0.4)


def test_a_feed_that_stands_still_is_named():
    rain = sequence()
    rain["rainfall_rate"].values[:] = rain["rainfall_rate"].values[0]
    assert nowcast(rain, leads=2).attrs["degradation"] == "all fields are the same: no motion"


def test_irregular_times_give_the_right_motion_by_name():
    rain = sequence(5).isel(time=[0, 1, 2, 4])
    out = nowcast(rain, leads=2)
    assert out.attrs["degradation"] == (
        "times are irregular, 5 to 10 min apart: lead-time step of 5 min taken"
    )
    named = nowcast(rain, leads=2, step=STEP)
    assert "degradation" not in named.attrs
    for found in (out, named):
        inner = found.isel(x=slice(30, -30), y=slice(30, -30))
        np.testing.assert_allclose(inner["motion_x"].mean(), 10.0, atol=0.4)
        assert found["lead_time"].values[1] == STEP


@pytest.mark.parametrize("order", [[0, 2, 1, 3], [3, 2, 1, 0], [0, 1, 1, 2, 3]])
def test_fields_in_any_order_give_what_they_give_in_order(order):
    rain = sequence(4)
    out, wanted = nowcast(rain.isel(time=order), leads=2), nowcast(rain, leads=2)
    assert out.attrs.pop("degradation")
    xr.testing.assert_identical(out, wanted)


@pytest.mark.parametrize(
    ("options", "cause"),
    [
        ({"leads": 0}, "at least one lead time, not 0"),
        ({"leads": 2, "step": np.timedelta64(0, "m")}, "wanted a positive one"),
        ({"leads": 2, "step": np.timedelta64(-5, "m")}, "wanted a positive one"),
    ],
)
def test_impossible_requests_are_refused(options, cause):
    with pytest.raises(ConfigError, match=cause):
        nowcast(sequence(), **options)


def test_no_field_at_all_is_refused():
    with pytest.raises(DataError, match="holds no field"):
        nowcast(sequence(2).isel(time=slice(0, 0)), leads=2)


def test_other_dimensions_and_units_are_refused():
    with pytest.raises(ConfigError, match="has dimensions"):
        nowcast(sequence().transpose("y", "x", "time"), leads=2)
    other = sequence()
    other["rainfall_rate"].attrs["units"] = "mm"
    with pytest.raises(ConfigError, match="'mm', wanted 'mm h-1'"):
        nowcast(other, leads=2)


def test_a_grid_in_degrees_is_refused():
    rain = sequence()
    degrees = rain.assign_coords(x=("x", np.linspace(119, 121, 150), {"units": "degrees_east"}))
    with pytest.raises(DataError, match="wanted a projected grid in m"):
        nowcast(degrees, leads=2)


@pytest.fixture(params=["peer", "ours"])
def either(request, quiet):
    return Engine.PYSTEPS if request.param == "peer" else Engine.JINGHU


def test_steps_gives_members(either):
    out = nowcast(
        sequence(), leads=3, method=Method.STEPS, engine=either, members=Members(4, seed=2)
    )
    assert out["rainfall_rate"].dims == ("member", "lead_time", "y", "x")
    assert out["rainfall_rate"].shape == (4, 4, 130, 150)
    assert out["rainfall_rate"].dtype == np.float32
    assert "degradation" not in out.attrs
    first = sequence()["rainfall_rate"].values[-1]
    for member in out["rainfall_rate"].values:
        np.testing.assert_array_equal(member[0], first)
        assert np.nanmax(member[3]) <= first.max() * 1.001
    inner = out["rainfall_rate"].values[:, 3, 30:-30, 30:-30].mean(axis=0)
    truth = sequence(7)["rainfall_rate"].values[-1, 30:-30, 30:-30]
    assert np.corrcoef(inner.ravel(), truth.ravel())[0, 1] > 0.6


def test_sprog_of_rain_that_keeps_its_shape_is_extrapolation(either):
    out = nowcast(sequence(), leads=3, method=Method.SPROG, engine=either)
    moved = nowcast(sequence(), leads=3, engine=either)
    a, b = (o["rainfall_rate"].values[3, 30:-30, 30:-30].ravel() for o in (out, moved))
    assert np.corrcoef(a, b)[0, 1] > 0.9


def test_sprog_is_the_peers(quiet):
    """Same motion, rain that changes: the same scales are dropped, at every lead."""
    rain = sequence(3)
    changing = rain["rainfall_rate"].values
    changing *= np.stack([np.exp(0.5 * showers(seed=k) ** 0.3) for k in (7, 8, 9)])
    motion, _ = motion_of(rain)
    ours, theirs = (
        nowcast(rain, leads=6, method=Method.SPROG, engine=e, motion=motion)["rainfall_rate"]
        for e in (Engine.JINGHU, Engine.PYSTEPS)
    )
    for lead in (1, 6):
        a, b = ours.values[lead], theirs.values[lead]
        known = np.isfinite(a) & np.isfinite(b)
        off = np.log10(np.maximum(a[known], 0.1)) - np.log10(np.maximum(b[known], 0.1))
        assert np.sqrt((off**2).mean()) < 0.1
        assert abs(np.mean(a[known] >= 1.0) - np.mean(b[known] >= 1.0)) < 0.005


def test_the_seed_decides_and_workers_do_not():
    def rates(seed, workers):
        chosen = Members(3, seed, workers)
        return nowcast(sequence(), leads=2, method=Method.STEPS, members=chosen)["rainfall_rate"]

    np.testing.assert_array_equal(rates(1, 1), rates(1, 2))
    assert not np.array_equal(rates(1, 1), rates(2, 1), equal_nan=True)


@pytest.mark.parametrize("n", [1, 2])
def test_an_ensemble_of_few_fields_names_what_it_took_instead(n):
    out = nowcast(sequence(n), leads=2, step=STEP, method=Method.STEPS, members=Members(2))
    assert f"{n} of 3 fields at the step" in out.attrs["degradation"]
    assert np.isfinite(out["rainfall_rate"].values[:, 2, 40:90, 40:110]).all()


def test_an_ensemble_of_irregular_fields_takes_those_near_the_step():
    rain = sequence(6).isel(time=[0, 3, 5])
    out = nowcast(rain, leads=2, step=STEP * 2, method=Method.STEPS, members=Members(2))
    assert "degradation" not in out.attrs
    lone = nowcast(rain, leads=2, step=STEP, method=Method.STEPS, members=Members(2))
    assert "1 of 3 fields" in lone.attrs["degradation"]


def test_members_are_asked_of_steps_only():
    with pytest.raises(ConfigError, match="nowcast method sprog, which has none"):
        nowcast(sequence(), leads=2, method=Method.SPROG, members=Members(3))


def test_the_peer_needs_three_fields(quiet):
    with pytest.raises(ConfigError, match="three fields are needed, not 2"):
        nowcast(sequence(2), leads=2, method=Method.STEPS, engine=Engine.PYSTEPS)


def test_the_input_is_left_alone():
    rain = sequence()
    before = rain.copy(deep=True)
    nowcast(rain, leads=2)
    xr.testing.assert_identical(rain, before)
