"""The deterministic forecast of a cycle, extrapolated or with scales that fade."""

from datetime import timedelta

import numpy as np
import pytest
from rich.console import Console
from scipy.ndimage import gaussian_filter
from tests.conftest import STEP, TIME, alone

from jinghu.analysis import dry_analysis
from jinghu.configs.settings import NowcastSettings
from jinghu.cycle import CycleInputs, run_cycle
from jinghu.deterministic import deterministic
from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.fields import attrs
from jinghu.grid.history import empty_history
from jinghu.grid.observations import record_analysis
from jinghu.grid.store import Store
from jinghu.grid.times import to_numpy
from jinghu.nowcast.background import no_motion
from jinghu.rainfall import RECORD, Rainfall
from jinghu.report import cycle_report
from jinghu.stages import StageLog


def changed(settings, **of):
    return settings.model_copy(update={"nowcast": settings.nowcast.model_copy(update=of)})


@pytest.fixture(scope="module")
def showers(event, tmp_path_factory):
    """Settings, rain of showers that move east by 10 m/s with what the store knows, motion."""
    settings = alone(event.settings, tmp_path_factory.mktemp("showers") / "store")
    store = Store(settings.store).create()
    spec = settings.grid.working()
    white = np.random.default_rng(3).standard_normal(spec.shape)
    made = np.sum([gaussian_filter(white, s, mode="wrap") * s for s in (3, 8, 16)], axis=0)
    first = np.maximum(12.0 * (made / made.max() - 0.2), 0).astype(np.float32)
    cells = round(10.0 * STEP.total_seconds() / (spec.x[1] - spec.x[0]))

    def seen(k):
        found = dry_analysis(spec, TIME + k * STEP)
        rate = np.roll(first, cells * (k + 2), axis=1)
        return found.assign(rainfall_rate=(("y", "x"), rate, attrs("rainfall_rate")))

    for k in (-2, -1):
        record_analysis(store, seen(k), TIME + k * STEP, STEP)
    analysis = seen(0)
    motion = no_motion(analysis, to_numpy(TIME))
    motion["motion_x"][:] = cells * (spec.x[1] - spec.x[0]) / STEP.total_seconds()
    best = empty_history(settings.grid.product(), TIME, STEP, RECORD)
    rates = np.stack([seen(-1)["rainfall_rate"].values, analysis["rainfall_rate"].values])
    return settings, Rainfall(analysis, rates, (TIME - STEP, TIME), best, best, None), motion


def forecast(showers, log=None, **of):
    settings, rainfall, motion = showers
    log = log or StageLog(Console(quiet=True))
    return deterministic(rainfall, motion, TIME, changed(settings, leads=10, **of), log)


def test_steady_rain_is_extrapolated_by_both(showers):
    plain, _ = forecast(showers)
    faded, amounts = forecast(showers, deterministic="sprog")
    assert faded.shape == plain.shape
    np.testing.assert_allclose(faded[0], plain[0], rtol=1e-5)
    known = np.isfinite(plain[1]) & np.isfinite(faded[1])
    assert known.mean() > 0.9
    assert np.corrcoef(plain[1][known], faded[1][known])[0, 1] > 0.98
    assert amounts["time"].values[0] == to_numpy(TIME + STEP)
    assert amounts.sizes["time"] == 10


def test_scales_fade_and_ranks_stay(showers):
    plain, _ = forecast(showers)
    faded, _ = forecast(showers, deterministic="sprog")
    inner = (-1, slice(20, -20), slice(80, -20))  # what did not come from beyond the edge
    assert np.isfinite(faded[inner]).all()

    def edges(field):
        return np.abs(np.diff(field, axis=1)).mean()

    assert edges(faded[inner]) < edges(plain[inner])
    for q in (0.7, 0.9, 0.99):
        a, b = np.quantile(faded[0], q), np.quantile(faded[-1][np.isfinite(faded[-1])], q)
        np.testing.assert_allclose(b, a, rtol=0.25, atol=0.2)


def test_amounts_are_those_of_the_rates(showers):
    rates, amounts = forecast(showers, deterministic="sprog")
    hours = STEP / timedelta(hours=1)
    mean = coarsen_mean(0.5 * (rates[:-1] + rates[1:]), showers[0].grid.working_factor) * hours
    found = amounts["rainfall_amount"].values
    known = np.isfinite(found) & np.isfinite(mean)
    np.testing.assert_allclose(found[known].sum(), mean[known].sum(), rtol=0.05)


def test_missing_analyses_are_named(showers, tmp_path):
    settings, *rest = showers
    lone = (alone(settings, tmp_path / "store"), *rest)
    Store(lone[0].store).create()
    log = StageLog(Console(quiet=True))
    rates, _ = forecast(lone, log, deterministic="sprog")
    assert np.isfinite(rates[0]).all()
    assert log.degradations == ["scales of rain from 1 of 3 analyses: their decay is a guess"]


def test_a_cycle_publishes_what_it_says(event, tmp_path):
    settings = changed(alone(event.settings, tmp_path / "store"), leads=6, members=0,
                       deterministic="sprog")  # fmt: skip
    at = CycleInputs(TIME, TIME + STEP, [settings.inputs.radar], [])
    result = run_cycle(settings, at, Console(quiet=True))
    assert cycle_report(result, settings)["nowcast"]["method"] == "sprog"
    rates = Store(settings.store).part(result.cycle, "fast").open("products.zarr")["rainfall_rate"]
    assert rates.sizes["lead_time"] == 7
    assert float(rates.isel(lead_time=-1).max()) > 0.5


def test_pysteps_extrapolates():
    with pytest.raises(ValueError, match="deterministic must be advection"):
        NowcastSettings(engine="pysteps", deterministic="sprog")
