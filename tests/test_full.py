"""The full part of a cycle: whole, beside the fast part, and the same for anybody who makes it."""

import shutil
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from tests.conftest import STEP, TIME, alone, write_inputs

from jinghu.configs.settings import NowcastSettings
from jinghu.cycle import CycleInputs, run_cycle
from jinghu.full import full_due
from jinghu.grid.store import Store
from jinghu.publish import WINDOWS_H

CYCLES = (TIME - 2 * STEP, TIME - STEP, TIME)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Settings, and a store after the two cycles before the last."""
    settings = write_inputs(tmp_path_factory.mktemp("full"), scans=3)
    own = alone(settings, tmp_path_factory.mktemp("before") / "store")
    run(own, CYCLES[:2], {"members": 0})
    return own


@pytest.fixture(scope="module")
def ran(made, tmp_path_factory):
    """The last cycle too, with a full part; its store, and the settings."""
    return last_of(made, tmp_path_factory.mktemp("ran") / "store"), made


ENSEMBLE = {"members": 6, "full_every_min": 6}


def last_of(made, folder):
    """The last cycle in a copy of the store that holds those before it."""
    shutil.copytree(made.store, folder, symlinks=True)
    return run(made.with_store(folder), CYCLES[2:], ENSEMBLE)


def run(settings, times, how):
    for time in times:
        nowcast = settings.nowcast.model_copy(update={"leads": 12, **how})
        mine = settings.model_copy(update={"nowcast": nowcast})
        at = CycleInputs(time, TIME + STEP, [settings.inputs.radar], settings.inputs.stations)
        run_cycle(mine, at, Console(quiet=True))
    return Store(settings.store)


@pytest.fixture(scope="module")
def full(ran):
    return ran[0].latest()


@pytest.fixture(scope="module")
def products(full):
    return full.open("products.zarr").load()


def test_the_full_part_is_the_newest_and_whole(ran, full):
    assert full.name == "full"
    assert full.verify() == []
    fast = ran[0].part(full.cycle, "fast")
    assert fast.verify() == []
    manifest = full.manifest()
    assert manifest["ensemble"] == {"members": 6, "seed": int(TIME.timestamp())}
    assert not [text for text in manifest["degradations"] if text.startswith("scales of rain")]
    assert manifest["inputs"] == fast.manifest()["inputs"]
    for name in ("working.zarr", "hydro.zarr"):
        xr.testing.assert_identical(full.open(name).load(), fast.open(name).load())
    with fast.open("products.zarr") as known:
        for name in known.data_vars:
            xr.testing.assert_identical(known[name].load(), full.open("products.zarr")[name].load())


def test_probabilities_follow_from_the_members(full, products):
    """Without neighbourhood, at lead 0 and for one-step leads of the rates: counted by hand."""
    rates = full.open("members.zarr")["rainfall_rate"].load()
    assert rates.sizes == {"member": 6, "lead_time": 13, "y": 40, "x": 40}
    assert float(rates.isel(lead_time=0).std("member").max()) < 1e-6
    assert float(rates.isel(lead_time=-1).std("member").max()) > 0.5
    shares = products["probability_of_rate"].sel(rate_threshold=1.0)
    now = rates.isel(member=0, lead_time=0).values
    clear = np.abs(now - 1.0) > 0.03  # packing rounds to 0.02 mm/h
    np.testing.assert_array_equal(shares.isel(lead_time=0).values[clear], now[clear] >= 1.0)
    # Smoothing moves shares about and neither makes nor loses much of them.
    later = shares.isel(lead_time=1)
    of_members = (rates >= 1.0).mean("member").isel(lead_time=1)
    assert float(later.mean()) == pytest.approx(float(of_members.mean()), rel=0.1)


def test_windows_join_the_observed_past(products):
    """At lead 0 nothing is forecast: the quantiles are what was observed, shares are 0 or 1."""
    now = products.isel(lead_time=0)
    for quantile in (0.1, 0.9):
        np.testing.assert_allclose(
            now["rainfall_amount_quantile"].sel(quantile=quantile),
            now["rainfall_amount"],
            rtol=1e-4,
            atol=1e-3,
        )
    assert tuple(products["window"].values) == WINDOWS_H
    shares = products["probability_of_exceedance"]
    assert set(np.unique(shares.isel(lead_time=0))) <= {0.0, 1.0}
    assert float(shares.min()) >= 0.0
    assert float(shares.max()) <= 1.0
    # A higher amount is never likelier.
    steps = shares.diff("threshold").values
    assert steps.max() <= 1e-3
    middle = products["rainfall_amount_quantile"].sel(quantile=0.5, window=1).isel(lead_time=-1)
    wet = products["rainfall_amount"].sel(window=1).isel(lead_time=-1)
    assert np.corrcoef(middle.values.ravel(), wet.values.ravel())[0, 1] > 0.8


def test_the_same_cycle_gives_the_same_members(ran, full, tmp_path):
    again = last_of(ran[1], tmp_path / "store").latest()
    xr.testing.assert_identical(again.open("members.zarr").load(), full.open("members.zarr").load())


def test_points_name_window_threshold_and_lead(full):
    columns = full.manifest()["products"]["points.npy"]["content"]["columns"]
    assert "rainfall_amount[1h]@60" in columns
    assert "probability_of_rate[5mm/h]@30" in columns


def test_without_earlier_analyses_it_says_so(ran, tmp_path):
    lone = run(alone(ran[1], tmp_path / "store"), CYCLES[2:], ENSEMBLE).latest()
    assert lone.name == "full"
    named = [text for text in lone.manifest()["degradations"] if text.startswith("scales of rain")]
    assert named == ["scales of rain from 1 of 3 analyses: their decay is a guess"]


def test_which_cycles_have_a_full_part():
    midnight = TIME.replace(hour=0, minute=0)
    hourly = NowcastSettings(full_every_min=60)
    due = [k for k in range(0, 180, 6) if full_due(hourly, midnight + timedelta(minutes=k))]
    assert due == [0, 60, 120]
    assert not full_due(NowcastSettings(members=0), midnight)
    with pytest.raises(ValueError, match="must ascend"):
        NowcastSettings(quantiles=(0.5, 0.1))
