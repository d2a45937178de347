"""A simulated network with a radar 5 dB too low: it is found, named, corrected, no other moves."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from jinghu.analysis import analyse, scans_of_radars
from jinghu.calibrate import (
    calibration_after,
    calibration_before,
    calibration_rows,
    corrections,
    name_calibration,
)
from jinghu.configs.settings import CONFIGS, RadarSettings
from jinghu.cycle import CycleInputs, run_cycle
from jinghu.grid.spec import GridSpec
from jinghu.grid.store import Store
from jinghu.radar.monitor import Calibration
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.simulate import make_network, scan_all
from jinghu.stages import StageLog
from jinghu.storm import StormParams, make_storm

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
TIMES = [START + timedelta(minutes=6), START + timedelta(minutes=12)]
SPEC = GridSpec("EPSG:4549", 500e3, 3200e3, 1000.0, 130, 130)
CODES = ("ZSIM1", "ZSIM2", "ZSIM3", "ZSIM5")
BAD, BAD_DB = "ZSIM1", -5.0


@pytest.fixture(scope="module")
def network():
    sites = load_sites(CONFIGS / "radar_sites.yaml")
    return make_network([sites[code] for code in CODES], 1)


def miscalibrated(network, offset_db):
    radars = tuple(
        replace(r, receiver=replace(r.receiver, offset_db=offset_db)) if r.site.code == BAD else r
        for r in network.radars
    )
    return replace(network, radars=radars)


@pytest.fixture(scope="module")
def volumes(network):
    """Volumes at two times, of the network as it is and with one radar miscalibrated."""
    storm = make_storm(SPEC, START, timedelta(hours=1), 20260620, StormParams())
    drops = make_drops(storm.motion(), DropParams(), np.random.default_rng(5))
    good = [scan_all(storm, drops, SPEC, network, time) for time in TIMES]
    radars = tuple(r for r in miscalibrated(network, BAD_DB).radars if r.site.code == BAD)
    alone = replace(network, radars=radars)  # a radar scans the same whatever others there are
    bad = [
        [*scan_all(storm, drops, SPEC, alone, time), *(v for v in scanned if v.site.code != BAD)]
        for time, scanned in zip(TIMES, good, strict=True)
    ]
    return {"good": good, "bad": bad}


def cycles(volumes, settings):
    """What is known after, and done in, each cycle, and what was named."""
    known: dict[str, Calibration] = {}
    told: list[tuple[object, ...]] = []
    motion = None
    for time, scanned in zip(TIMES, volumes, strict=True):
        log = StageLog(Console(quiet=True))
        done = corrections(known, time, settings)
        scans = scans_of_radars(scanned, SPEC, settings, corrected=done)
        analysis = analyse(scans.rains, time, motion, 720.0, log)
        motion = analysis.motion
        known = calibration_after(scans.seen, analysis.mosaic, motion, known)
        name_calibration(known, scans.seen, done, log)
        rows = {row["radar"]: row for row in calibration_rows(known, done)}
        told.append((known, rows, log.degradations, scans))
    return told


@pytest.fixture(scope="module")
def followed(volumes):
    return {name: cycles(scans, RadarSettings()) for name, scans in volumes.items()}


def test_true_offsets_are_found(followed, network):
    """S band, dry: within 0.5 dB; X band, with the radome's loss: within 1.2 dB."""
    known = followed["good"][-1][0]
    assert sorted(known) == list(CODES)
    for radar in network.radars:
        found, true = known[radar.site.code], radar.receiver.offset_db
        assert found.offset_db == pytest.approx(true, abs=0.5 if radar.site.band == "S" else 1.2)
        assert found.comparisons >= 2
        assert found.zdr_db == pytest.approx(radar.receiver.zdr_offset_db, abs=0.1)


def test_a_miscalibrated_radar_is_found_and_the_others_do_not_move(followed):
    good, bad = followed["good"][0][0], followed["bad"][0][0]
    assert bad[BAD].offset_db == pytest.approx(BAD_DB, abs=1.0)
    for code in CODES[1:]:
        assert bad[code].offset_db == pytest.approx(good[code].offset_db, abs=0.5)


def test_it_is_corrected_from_the_next_cycle_on_and_named(followed):
    (_, first, named, _), (known, second, later, scans) = followed["bad"]
    low = f"radar {BAD} reads {-known[BAD].offset_db:.1f} dB low against its neighbours"
    assert any(d.startswith(f"radar {BAD} reads") and "not corrected" in d for d in named)
    assert f"{low}: corrected" in later
    assert first[BAD]["taken_off_db"] == 0.0
    assert second[BAD]["taken_off_db"] == pytest.approx(BAD_DB, abs=1.0)
    assert not any(BAD in d for d in followed["good"][-1][2])
    # Its rain is that of the radar without the fault, which correcting it brings back.
    whole = next(r for r in followed["good"][1][3].rains if r.attrs["radar"] == BAD)
    mended = next(r for r in scans.rains if r.attrs["radar"] == BAD)
    ratio = float(mended["rainfall_rate"].sum() / whole["rainfall_rate"].sum())
    assert ratio == pytest.approx(1.0, abs=0.1)


def test_monitoring_alone_changes_no_rain(volumes):
    last = cycles(volumes["bad"], RadarSettings(calibration="monitor"))[-1]
    assert any(d.endswith("not corrected") for d in last[2])
    off = scans_of_radars(volumes["bad"][-1], SPEC, RadarSettings(calibration="none"))
    assert off.seen == []
    for one, other in zip(last[3].rains, off.rains, strict=True):
        xr.testing.assert_identical(one, other)


def test_a_scan_teaches_once(volumes):
    settings = RadarSettings()
    scans = scans_of_radars(volumes["good"][0], SPEC, settings)
    log = StageLog(Console(quiet=True))
    analysis = analyse(scans.rains, TIMES[0], None, 720.0, log)
    once = calibration_after(scans.seen, analysis.mosaic, analysis.motion, {})
    assert calibration_after(scans.seen, analysis.mosaic, analysis.motion, once) == once


def test_a_cycle_publishes_and_keeps_it(event, tmp_path):
    settings = event.alone(tmp_path / "store")
    inputs = CycleInputs(event.time, event.time, [settings.inputs.radar], settings.inputs.stations)
    run_cycle(settings, inputs, Console(quiet=True))
    store = Store(settings.store)
    latest = store.latest()
    assert latest is not None
    rows = latest.manifest()["calibration"]
    assert json.dumps(rows, allow_nan=False)
    assert {row["radar"] for row in rows} <= set(event.radars)
    assert rows
    log = StageLog(Console(quiet=True))
    known = calibration_before(store, event.time + event.step, log)
    assert [row["offset_db"] for row in rows] == [round(one.offset_db, 2) for one in known.values()]
    assert calibration_before(store, event.time, log) == {}
