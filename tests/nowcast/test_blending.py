"""Blends whose answer is known: the same forecast twice, a perfect model, a useless one, none."""

import numpy as np
import pytest
import xarray as xr
from scipy.ndimage import gaussian_filter

from jinghu.grid.advection import advect
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.nowcast import Members, Method, nowcast
from jinghu.nowcast.blend_fields import by_rank
from jinghu.nowcast.blending import blend

SPEC = GridSpec("EPSG:4549", 450e3, 3250e3, 2000.0, 96, 80)
T = np.datetime64("2025-06-09T11:00", "ns")
STEP = np.timedelta64(6, "m")
LEADS = 10


def showers(seed):
    white = np.random.default_rng(seed).standard_normal(SPEC.shape)
    parts = [gaussian_filter(white, s, mode="wrap") * s for s in (2, 4, 8)]
    field = np.sum(parts, axis=0)
    field = (field - field.mean()) / field.std()
    return np.where(field > 0.4, 0.5 * np.exp(1.5 * (field - 0.4)), 0.0).astype(np.float32)


def dataset(rates):
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates.astype(np.float32), attrs("rainfall_rate"))},
        coords={"time": T + np.arange(len(rates)) * STEP, **SPEC.coords()},
    )


@pytest.fixture(scope="module")
def truth():
    """Showers that move east by one cell a step and turn into others within some 20 steps."""
    motion = np.zeros((2, *SPEC.shape), np.float32)
    motion[0] = 1.0
    first, second = (
        np.concatenate([f[None], advect(f, motion, np.arange(1, 20), outside=0.0)])
        for f in (showers(1), showers(2))
    )
    part = (np.arange(20) / 20).astype(np.float32)[:, None, None]
    return (1 - part) * first + part * second


@pytest.fixture(scope="module")
def made(truth):
    rain = dataset(truth[:6])
    return rain, nowcast(rain, leads=LEADS)


def error(forecast, truth, known):
    """Mean square error by lead over cells that the nowcast knows."""
    squared = (forecast["rainfall_rate"].values[1:] - truth[6 : 6 + LEADS]) ** 2
    return np.array([field[there].mean() for field, there in zip(squared, known, strict=True)])


def test_the_nowcast_as_the_model_gives_it_back(made):
    rain, forecast = made
    model = forecast.assign_coords(lead_time=T + 5 * STEP + forecast["lead_time"].values)
    model = model[["rainfall_rate"]].drop_vars("time").rename(lead_time="time")
    found = blend(forecast, rain, model, Method.EXTRAPOLATION).forecast["rainfall_rate"].values
    wanted = forecast["rainfall_rate"].values
    np.testing.assert_array_equal(np.isnan(found), np.isnan(wanted))
    np.testing.assert_allclose(found, np.where(wanted < 0.1, 0, wanted), atol=0.1)


def test_a_perfect_model_wins(made, truth):
    rain, forecast = made
    found = blend(forecast, rain, dataset(truth), Method.EXTRAPOLATION)
    known = np.isfinite(forecast["rainfall_rate"].values[1:])
    before, after = error(forecast, truth, known), error(found.forecast, truth, known)
    assert (after[2:] < 0.05 * before[2:]).all()
    assert found.forecast["model_share"].values[-1] > 0.9
    assert found.degradations == ()
    np.testing.assert_array_equal(
        found.forecast["rainfall_rate"].values[0], forecast["rainfall_rate"].values[0]
    )


def other_storm(seed):
    """Showers of another day, which move north."""
    motion = np.zeros((2, *SPEC.shape), np.float32)
    motion[1] = 1.0
    return dataset(advect(showers(seed), motion, np.arange(20), outside=0.0))


@pytest.mark.parametrize("seed", [20, 21, 22, 23])
def test_a_useless_model_does_no_harm(made, truth, seed):
    rain, forecast = made
    other = other_storm(seed)
    found = blend(forecast, rain, other, Method.EXTRAPOLATION)
    known = np.isfinite(forecast["rainfall_rate"].values[1:])
    before, after = error(forecast, truth, known), error(found.forecast, truth, known)
    assert (after <= 1.02 * before).all()


def test_where_the_nowcast_is_missing_stands_the_model_and_the_other_way_round(made, truth):
    rain, forecast = made
    said = truth + 1.0
    said[:, :20] = np.nan
    found = blend(forecast, rain, dataset(said), Method.EXTRAPOLATION)
    got, had = (d["rainfall_rate"].values[LEADS] for d in (found.forecast, forecast))
    model = said[5 + LEADS]
    gone = np.isnan(had)
    assert gone[20:].any()
    np.testing.assert_array_equal(got[gone & np.isfinite(model)], model[gone & np.isfinite(model)])
    np.testing.assert_array_equal(got[:20], had[:20])


def test_where_the_model_ends_the_nowcast_stands_alone_by_name(made, truth):
    rain, forecast = made
    found = blend(forecast, rain, dataset(truth[:11]), Method.EXTRAPOLATION)
    assert found.degradations == (
        "the model has no rain for 5 of 10 leads (2025-06-09T12:06Z to 2025-06-09T12:30Z):"
        " the nowcast alone",
    )
    got, had = (d["rainfall_rate"].values for d in (found.forecast, forecast))
    np.testing.assert_array_equal(got[6:], had[6:])
    assert not np.array_equal(got[5], had[5], equal_nan=True)


def test_a_model_that_starts_after_the_analysis_is_worth_its_long_run(made, truth):
    rain, forecast = made
    late = dataset(truth).isel(time=slice(6, None))
    found = blend(forecast, rain, late, Method.EXTRAPOLATION)
    assert "long-run skill" in found.degradations[0]
    assert found.state is not None
    assert (found.state["skill"].values < 0.5).all()


def test_dry_nowcast_and_dry_model():
    rain = dataset(np.zeros((4, *SPEC.shape)))
    forecast = nowcast(rain, leads=2)
    found = blend(forecast, rain, dataset(np.zeros((9, *SPEC.shape))), Method.EXTRAPOLATION)
    assert not np.nan_to_num(found.forecast["rainfall_rate"].values).any()
    # Both dry tells nothing of the model: its state is the long run.
    assert found.state is not None
    assert (found.state["skill"].values > 0).any()


@pytest.mark.parametrize("method", [Method.SPROG, Method.STEPS])
def test_other_methods_go_to_a_perfect_model_too(truth, method):
    rain = dataset(truth[:6])
    members = Members(3, seed=1) if method is Method.STEPS else None
    forecast = nowcast(rain, leads=LEADS, method=method, members=members)
    found = blend(forecast, rain, dataset(truth), method).forecast["rainfall_rate"]
    assert found.dims == forecast["rainfall_rate"].dims
    last = found.isel(lead_time=-1).values.reshape(-1, *SPEC.shape)
    for field in last:
        assert np.corrcoef(field.ravel(), truth[5 + LEADS].ravel())[0, 1] > 0.95


def test_members_keep_their_spread_beside_a_useless_model(truth):
    rain = dataset(truth[:6])
    forecast = nowcast(rain, leads=4, method=Method.STEPS, members=Members(4, seed=1))
    found = blend(forecast, rain, other_storm(30), Method.STEPS).forecast
    before, after = (
        np.nanmean(np.nanstd(d["rainfall_rate"].values[:, 4, :, 10:], axis=0))
        for d in (forecast, found)
    )
    assert after == pytest.approx(before, rel=0.15)


def test_a_grid_too_small_and_another_grid(truth):
    rain = dataset(truth[:6])
    small = rain.isel(y=slice(0, 6), x=slice(0, 6))
    forecast = nowcast(small, leads=2)
    model = dataset(truth).isel(y=slice(0, 6), x=slice(0, 6))
    found = blend(forecast, small, model, Method.EXTRAPOLATION)
    assert "no room for scales" in found.degradations[0]
    with pytest.raises(ConfigError, match="not the nowcast's"):
        blend(forecast, small, dataset(truth), Method.EXTRAPOLATION)


def test_ranks_give_exactly_the_target():
    values = np.random.default_rng(4).standard_normal(1000).astype(np.float32)
    target = np.sort(np.random.default_rng(5).gamma(0.5, 3, 300).astype(np.float32))[::-1]
    found = by_rank(values, target)
    np.testing.assert_array_equal(np.sort(found)[::-1][:300], target)
    assert (np.diff(found[np.argsort(values)]) >= 0).all()


def test_a_model_that_ends_the_rain_is_believed_though_it_places_it_wrongly(truth):
    """Rain stops after now; the model has said so all along, but 60 km off and smooth."""
    rates = truth.copy()
    fade = np.clip(1.0 - np.arange(20) / 12.0, 0.0, 1.0).astype(np.float32)
    rates *= fade[:, None, None]
    rain = dataset(rates[:6])
    forecast = nowcast(rain, leads=LEADS)
    blurred = [gaussian_filter(np.roll(f, 30, axis=0), 5.0, mode="wrap") for f in rates]
    found = blend(forecast, rain, dataset(np.stack(blurred)), Method.EXTRAPOLATION)
    known = np.isfinite(forecast["rainfall_rate"].values[1:])
    alone, both = error(forecast, rates, known), error(found.forecast, rates, known)
    assert (both <= alone).all()
    assert (both[5:] < 0.6 * alone[5:]).all()
    shares = found.forecast["model_share"].values
    assert shares[-1] > 0.7
    assert (np.diff(shares[1:]) > -0.05).all()


def test_a_model_without_the_rain_that_falls_is_not_believed(made):
    """It is dry where it rains: what it says of later is worth as little."""
    rain, forecast = made
    dry = dataset(np.full((20, *SPEC.shape), 0.0))
    found = blend(forecast, rain, dry, Method.EXTRAPOLATION)
    assert (found.forecast["model_share"].values < 1e-6).all()
