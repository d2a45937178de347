"""Rain carried over from the cycle before is the rain that would be made again."""

import shutil
from dataclasses import replace
from datetime import timedelta

import pytest
import xarray as xr
from rich.console import Console
from tests.conftest import STEP, TIME, alone, write_inputs

import jinghu.cycle
from jinghu.carried import Carried, Making, from_dataset, load_carried, makings, to_dataset
from jinghu.cycle import CycleInputs, run_cycle
from jinghu.grid.store import Store
from jinghu.radar.monitor import Correction


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """Three scans of each radar; the last two are those of the cycle at `TIME`."""
    settings = write_inputs(tmp_path_factory.mktemp("carried"), scans=3)
    radar = settings.radar.model_copy(update={"calibration": "monitor"})
    return settings.model_copy(update={"radar": radar})


@pytest.fixture(scope="module")
def first(inputs, tmp_path_factory):
    """Store after the cycle before `TIME`."""
    store = tmp_path_factory.mktemp("first") / "store"
    run(alone(inputs, store), store, TIME - STEP)
    return store


@pytest.fixture(scope="module")
def second(inputs, first, tmp_path_factory):
    """Store after the cycle at `TIME` too, and what it did."""
    store = tmp_path_factory.mktemp("second") / "store"
    shutil.copytree(first, store, symlinks=True)
    return store, run(inputs, store, TIME)


def run(settings, store, *times):
    """Run cycles in a store of their own; returns the last one."""
    mine = settings.model_copy(update={"store": store})
    for time in times:
        now = TIME + STEP  # later than all scans: their clocks are right
        at = CycleInputs(time, now, [settings.inputs.radar], settings.inputs.stations)
        result = run_cycle(mine, at, Console(quiet=True))
    return result


def test_a_cycle_with_carried_scans_is_the_same_as_one_that_makes_them(
    inputs, first, second, tmp_path
):
    store, carried = second
    assert len(carried.ingested.carried) == 5  # the newest of each radar are decoded
    assert len(carried.ingested.volumes) == 3
    assert len(carried.ingested.passed) == 1
    shutil.copytree(first, tmp_path / "other", symlinks=True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(jinghu.cycle, "load_carried", lambda *_: Carried())
        made = run(inputs, tmp_path / "other", TIME)
    assert not made.ingested.carried
    assert carried.log.degradations == made.log.degradations
    for one, other in (
        (carried.products.products, made.products.products),
        (carried.products.working, made.products.working),
        (carried.rainfall.analysis, made.rainfall.analysis),
    ):
        xr.testing.assert_identical(one, other)
    manifests = [Store(path).latest() for path in (store, tmp_path / "other")]
    one, other = (part.manifest()["inputs"] for part in manifests if part is not None)
    assert one == other
    one, other = (part.manifest()["melting_layer"] for part in manifests if part is not None)
    assert one == other
    assert {row["radar"] for row in one} == {"ZSIM1", "ZSIM3", "ZSIM4"}


def test_scans_are_read_back_to_the_bit(inputs, second, tmp_path):
    spec, making = inputs.grid.working(), Making(makings(inputs), {}, 4_500.0)
    carried = load_carried(Store(second[0]), TIME + STEP, spec, making, pytest.fail)
    assert {scan.radar for scan in carried.scans} == {"ZSIM1", "ZSIM3", "ZSIM4"}
    to_dataset(carried, spec).to_netcdf(tmp_path / "again.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "again.nc", engine="netcdf4") as kept:
        found = from_dataset(kept.load(), spec)
        assert found.passed == carried.passed
        for one, again in zip(carried.scans, found.scans, strict=True):
            xr.testing.assert_identical(one.rain, again.rain)
            assert replace(one, rain=again.rain) == again


def test_what_would_be_made_otherwise_is_not_carried(inputs, second):
    def carried(settings, corrected):
        making, spec = Making(makings(settings), corrected, 4_500.0), inputs.grid.working()
        found = load_carried(Store(second[0]), TIME + STEP, spec, making, pytest.fail)
        return {scan.radar for scan in found.scans}

    radar = inputs.radar.model_copy(update={"hail_cap_dbz": 51.0})
    assert carried(inputs.model_copy(update={"radar": radar}), {}) == set()
    assert carried(inputs, {"ZSIM3": Correction(offset_db=-3.0)}) == {"ZSIM1", "ZSIM4"}
    assert "ZSIM3" in carried(inputs, {"ZSIM3": Correction(offset_db=-0.9, trust=0.5)})


def test_a_changed_file_is_read_again_and_a_vanished_one_forgotten(inputs, first, tmp_path):
    folder = tmp_path / "radar"
    shutil.copytree(inputs.inputs.radar, folder, copy_function=shutil.copy2)
    shutil.copytree(first, tmp_path / "store", symlinks=True)
    radar = inputs.inputs.model_copy(update={"radar": folder})
    gone, cut = (next(folder.glob(f"*{code}_202606200604*")) for code in ("ZSIM3", "ZSIM4"))
    gone.unlink()
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    result = run(inputs.model_copy(update={"inputs": radar}), tmp_path / "store", TIME)
    assert gone.name not in [scan.source for scan in result.ingested.scans]
    assert cut.name not in [scan.source for scan in result.ingested.carried]
    assert len(result.ingested.carried) == 3
    assert any(cut.name in said for said in result.log.degradations)


def test_a_silent_radar_is_decoded_for_its_columns(inputs, second, tmp_path):
    """Nothing new of any radar: the newest scan of each is decoded once more."""
    shutil.copytree(second[0], tmp_path / "store", symlinks=True)
    later = run(inputs, tmp_path / "store", TIME + STEP)
    assert sorted(v.radar for v in later.ingested.volumes) == ["ZSIM1", "ZSIM3", "ZSIM4"]
    assert sorted(s.radar for s in later.ingested.carried) == ["ZSIM3", "ZSIM4"]
    assert len(later.ingested.passed) == 4
    assert TIME + STEP - max(v.time for v in later.ingested.volumes) > timedelta(minutes=6)


def test_a_volume_stamped_in_the_future_is_refused_for_good(inputs, first, tmp_path):
    """A radar's clock is 6 min ahead: its volume is not news when that time has come."""
    shutil.copytree(first, tmp_path / "store", symlinks=True)
    ahead = TIME - STEP + timedelta(minutes=1)  # the clock of the cycle that meets it
    mine = inputs.model_copy(update={"store": tmp_path / "store"})
    stations = inputs.inputs.stations
    at = CycleInputs(TIME - STEP, ahead, [inputs.inputs.radar], stations)
    shutil.rmtree(tmp_path / "store" / "state")
    early = run_cycle(mine, at, Console(quiet=True)).ingested
    wrong = [refused.file.name for refused in early.refused]
    assert len(wrong) == 2  # X bands of 06:10, two minutes and more after 06:07
    assert all("clock wrong" in refused.error.cause for refused in early.refused)
    later = run(inputs, tmp_path / "store", TIME).ingested
    assert [refused.file.name for refused in later.refused] == wrong
    assert not set(wrong) & {scan.source for scan in later.scans}


def test_a_state_without_scans_is_kept(inputs, tmp_path):
    spec = inputs.grid.working()
    known = Carried([], {"a 1 2": TIME}, {"b 1 2": "clock wrong"})
    to_dataset(known, spec).to_netcdf(tmp_path / "state.nc", engine="netcdf4")
    with xr.open_dataset(tmp_path / "state.nc", engine="netcdf4") as kept:
        assert from_dataset(kept.load(), spec) == known
