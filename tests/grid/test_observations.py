import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import StoreError
from jinghu.grid.observations import record_analysis, valid_times
from jinghu.grid.times import BEIJING

STEP = timedelta(minutes=6)


def day(store, name="20190809"):
    return xr.open_zarr(store.root / "obs" / f"{name}.zarr")


def test_an_analysis_lies_at_its_step_and_the_others_are_missing(store, analysis, now):
    record_analysis(store, analysis, now, STEP)
    found = day(store)
    assert found.sizes["time"] == 240
    np.testing.assert_allclose(
        found["rainfall_rate"].sel(time="2019-08-09T16:30").values,
        analysis["rainfall_rate"].values,
        atol=0.01,
    )
    assert found["rainfall_rate"].notnull().any(["y", "x"]).sum() == 1
    assert found["state"].sel(time="2019-08-09T16:30").values.min() == 1
    assert valid_times(store, now) == {"2019-08-09T16:30:00Z"}


def test_the_day_store_is_reopened_and_filled(store, analysis, now):
    for k in range(3):
        record_analysis(store, analysis, now + k * STEP, STEP)
    record_analysis(store, analysis, now + timedelta(days=1), STEP)
    assert len(valid_times(store, now)) == 3
    assert len(valid_times(store, now + timedelta(days=1))) == 1
    assert day(store)["rainfall_rate"].notnull().any(["y", "x"]).sum() == 3


def test_the_day_is_that_of_utc(store, analysis, now):
    record_analysis(store, analysis, now.astimezone(BEIJING), STEP)
    assert valid_times(store, now.astimezone(BEIJING)) == {"2019-08-09T16:30:00Z"}


def test_writing_again_replaces(store, analysis, now):
    record_analysis(store, analysis, now, STEP)
    record_analysis(store, analysis.assign(rainfall_rate=analysis["rainfall_rate"] * 2), now, STEP)
    assert float(day(store)["rainfall_rate"].max()) == pytest.approx(158.0)
    assert len(valid_times(store, now)) == 1


def test_rates_beyond_the_packing_stay_large(store, analysis, now):
    record_analysis(store, analysis.assign(rainfall_rate=analysis["rainfall_rate"] * 20), now, STEP)
    rate = day(store)["rainfall_rate"]
    assert float(rate.max()) == pytest.approx(655.34)
    assert float(rate.min()) == 0.0


def test_another_grid_or_step_is_refused(store, analysis, spec, now):
    record_analysis(store, analysis, now, STEP)
    moved = analysis.assign_coords(replace(spec, x0_m=400e3).coords())
    with pytest.raises(StoreError, match=r"20190809\.zarr: made for another grid"):
        record_analysis(store, moved, now + STEP, STEP)
    with pytest.raises(StoreError, match="another grid"):
        record_analysis(store, analysis.isel(x=slice(0, 5)), now + STEP, STEP)
    with pytest.raises(StoreError, match="another time step"):
        record_analysis(store, analysis, now, timedelta(minutes=10))


def test_times_between_steps_are_refused(store, analysis, now):
    with pytest.raises(StoreError, match="2019-08-09T16:31:00Z is not a multiple of 0:06:00"):
        record_analysis(store, analysis, now + timedelta(minutes=1), STEP)


KILLED = """
import os, signal, sys, numpy as np, xarray as xr
from datetime import datetime, timedelta
from pathlib import Path
from jinghu.grid import durable, observations
from jinghu.grid.observations import record_analysis
from jinghu.grid.store import Store

count, found = 0, observations._array
def killed(group, name):
    global count
    if count == int(sys.argv[3]):
        durable.fsync_tree(Path(sys.argv[1]))
        os.kill(os.getpid(), signal.SIGKILL)
    count += 1
    return found(group, name)

observations._array = killed
analysis = xr.open_dataset(sys.argv[2]).load()
time = datetime.fromisoformat("2019-08-09T16:30Z")
record_analysis(Store(Path(sys.argv[1])), analysis, time, timedelta(minutes=6))
"""


@pytest.mark.parametrize("written", ["1", "2"])
def test_what_a_killed_process_wrote_is_not_named(store, analysis, now, tmp_path, written):
    """Killed with one variable, then two, of three on the disk; once it was named before."""
    analysis.to_netcdf(tmp_path / "analysis.nc")
    if written == "2":
        record_analysis(store, analysis, now, STEP)
    record_analysis(store, analysis, now - STEP, STEP)
    before = {"2019-08-09T16:24:00Z"}
    command = [
        sys.executable,
        "-c",
        KILLED,
        str(store.root),
        str(tmp_path / "analysis.nc"),
        written,
    ]
    assert subprocess.run(command, check=False).returncode == -9
    assert valid_times(store, now) == before
    record_analysis(store, analysis, now, STEP)
    assert valid_times(store, now) == before | {"2019-08-09T16:30:00Z"}
    rate = day(store)["rainfall_rate"].sel(time="2019-08-09T16:30").values
    np.testing.assert_allclose(rate, analysis["rainfall_rate"].values, atol=0.01)


@pytest.mark.parametrize("content", ["{", "3", "[[1]]"])
def test_a_damaged_index_is_named(store, now, content):
    (store.root / "obs" / "20190809.json").write_text(content)
    with pytest.raises(StoreError, match=r"20190809\.json"):
        valid_times(store, now)


def test_the_index_is_json_in_order(store, analysis, now):
    for k in (2, 0, 1):
        record_analysis(store, analysis, now + k * STEP, STEP)
    index = json.loads((store.root / "obs" / "20190809.json").read_text())
    assert index == sorted(index)
    assert len(index) == 3
