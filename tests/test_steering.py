"""Wind profiles of a cycle: late, double, damaged and foreign ones are named; the rest is used."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from tests.conftest import alone

from jinghu.analysis import analyse
from jinghu.cycle import CycleInputs, run_cycle
from jinghu.doctor import examine
from jinghu.drill_profiles import sampled_heights, wind_above
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.grid.profiles import Levels, Product, WindProfile, encode_profile, profile_name
from jinghu.grid.states import save_state
from jinghu.grid.store import Store
from jinghu.grid.times import BEIJING, to_numpy
from jinghu.nowcast.background import rests_on
from jinghu.stages import StageLog
from jinghu.steering import clocks_state, known_clocks, read_inputs, steering_of

TIME = datetime(2026, 6, 20, 6, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WIND = (9.0, 4.0)


def profile(time, station="58456", lon=120.6, lat=29.7, product=Product.REAL_TIME):
    height = sampled_heights()
    u, v = wind_above(np.array(WIND), height)
    full = np.full(height.shape, 90.0)
    direction = np.degrees(np.arctan2(-u, -v)) % 360
    levels = Levels(height, direction, np.hypot(u, v), 0 * full, full, full, full * np.nan)
    return WindProfile("", station, "PA", lon, lat, 10.0, product, "01.20", time, levels)


def put(folder, one, name=None, data=None):
    folder.mkdir(exist_ok=True)
    content = encode_profile(one) if data is None else data
    (folder / (name or profile_name(one))).write_bytes(content)


@pytest.fixture
def read(event, tmp_path):
    """Read the profiles in a folder for a cycle; settings, store and log are at hand."""
    inputs = event.settings.inputs.model_copy(update={"profile_frame": "WGS-84"})
    settings = event.settings.model_copy(update={"inputs": inputs})
    store = Store(tmp_path / "store").create()

    def reader(*paths, time=TIME, now=TIME + MINUTE, settings=settings):
        log = StageLog(Console(quiet=True))
        found = read_inputs(paths, settings, (time, now), store, log)
        return found, steering_of(found, settings.grid.working(), time, log), log

    return reader


def causes(found):
    return {one.file.name: one.error.cause for one in found.refused}


def test_all_kinds_of_files_in_one_folder(read, tmp_path):
    folder = tmp_path / "profiles"
    good = [profile(TIME - 8 * MINUTE), profile(TIME - 2 * MINUTE)]
    for one in good:
        put(folder, one)
    put(folder, good[0], name="copy.txt")  # sorts after Z_RADA: named later, used no second time
    put(folder, profile(TIME - 61 * MINUTE))  # too old
    put(folder, profile(TIME + MINUTE))  # the next cycle's
    put(folder, profile(TIME - MINUTE, "SIM09", lon=114.0))
    cut, odd = profile(TIME - 3 * MINUTE), profile(TIME - 4 * MINUTE)
    put(folder, cut, data=encode_profile(cut)[:900])
    put(folder, odd, data=b"\xb7\xe7" * 50)
    ahead = profile(TIME + 20 * MINUTE)
    put(folder, ahead)
    put(folder, profile(TIME - 100 * MINUTE), name="old.txt")
    found, steering, log = read(folder)
    assert sorted(one.time for one in found.used) == [one.time for one in good]
    assert found.duplicates == 1
    assert found.outside == {"SIM09"}
    assert causes(found) == {
        profile_name(cut): "cut short: does not end with NNNN",
        profile_name(odd): "byte 0 is not ASCII text",
        profile_name(ahead): "it is of 2026-06-20T06:32:00Z, yet to come: clock wrong",
        "old.txt": "it is of 2026-06-20T04:32:00Z: clock or name wrong",
    }
    assert steering.summary["stations"] == ["58456"]
    assert steering.motion is not None
    np.testing.assert_allclose(steering.motion["motion_x"], WIND[0], atol=0.4)
    np.testing.assert_allclose(steering.motion["motion_y"], WIND[1], atol=0.4)
    assert log.degradations == []


def test_what_is_missing_is_named(read, tmp_path):
    folder = tmp_path / "profiles"
    _, steering, log = read(folder)
    assert steering.motion is None
    assert log.degradations == [
        f"profile input {folder} does not exist",
        "no wind profile of the last 60 min",
    ]
    put(folder, profile(TIME - 42 * MINUTE))
    _, steering, log = read(folder)
    assert steering.motion is not None
    assert log.degradations == ["profile station 58456: newest wind is 42 min old"]
    assert read()[2].degradations == []  # none configured


def test_profiles_in_beijing_time(read, event, tmp_path):
    put(tmp_path / "p", profile((TIME - 5 * MINUTE).astimezone(BEIJING).replace(tzinfo=UTC)))
    wrong, *_ = read(tmp_path / "p")
    assert "clock wrong" in next(iter(causes(wrong).values()))
    inputs = event.settings.inputs.model_copy(
        update={"profile_frame": "WGS-84", "profile_clock": "Beijing"}
    )
    local = event.settings.model_copy(update={"inputs": inputs})
    found, *_ = read(tmp_path / "p", settings=local)
    assert [one.time for one in found.used] == [TIME - 5 * MINUTE]


def test_a_frame_must_be_declared(read, event, tmp_path):
    put(tmp_path / "p", profile(TIME))
    with pytest.raises(ConfigError, match=r"inputs\.profile_frame"):
        read(tmp_path / "p", settings=event.settings)


def test_what_was_stamped_in_the_future_stays_refused(read, tmp_path):
    put(tmp_path / "p", profile(TIME + 20 * MINUTE))
    first, *_ = read(tmp_path / "p")
    state = clocks_state(first)
    assert len(first.wrong_clock) == 1
    store = Store(tmp_path / "store")
    save_state(store, "20260620T0612Z", {"profiles": state})
    assert known_clocks(store, TIME + 24 * MINUTE) == first.wrong_clock
    later, steering, _ = read(tmp_path / "p", time=TIME + 24 * MINUTE, now=TIME + 25 * MINUTE)
    assert causes(later) == causes(first)
    assert later.wrong_clock == first.wrong_clock
    assert steering.motion is None


def rain(spec, minutes, radar="ZSIM1"):
    """One radar's scan with a shower, or none."""
    rate = np.zeros(spec.shape, np.float32)
    if minutes == 0:
        rate[80:90, 80:90] = 12.0
    fields = {"rainfall_rate": rate, "quality": np.ones_like(rate), "beam_height": 0 * rate + 500}
    flags = {"state": (rate > 0).astype(np.uint8), "method": (rate > 0).astype(np.uint8)}
    return xr.Dataset(
        {n: (("y", "x"), f, attrs(n)) for n, f in (fields | flags).items()},
        coords={"time": to_numpy(TIME - minutes * MINUTE), **spec.coords()},
        attrs={"radar": radar, "source": ""},
    )


def test_the_first_echo_of_a_dry_day_moves_at_once(read, event, tmp_path):
    put(tmp_path / "p", profile(TIME - 3 * MINUTE))
    steering = read(tmp_path / "p")[1].motion
    spec = event.settings.grid.working()
    scans = [rain(spec, 6), rain(spec, 0)]
    log = StageLog(Console(quiet=True))
    without = analyse(scans, TIME, None, 720.0, log)
    assert not without.motion["motion_x"].values.any()
    assert not any(rests_on(without.motion).values())
    found = analyse(scans, TIME, None, 720.0, log, steering)
    assert rests_on(found.motion) == {"measured": 0.0, "previous": 0.0, "profiles": 1.0}
    hour_on = found.rates_at([TIME + timedelta(minutes=30)])[0]
    rows, cols = np.nonzero(hour_on > 1)
    moved = (np.array([cols.mean(), rows.mean()]) - 84.5) * spec.spacing_m / 1800
    np.testing.assert_allclose(moved, WIND, atol=0.5)
    # One scan: said, with the stations that it rests on.
    analyse(scans[1:], TIME, None, 720.0, log, steering)
    analyse(scans[1:], TIME, None, 720.0, log)
    start = "no radar has two scans and there is no earlier motion: rain "
    assert log.degradations == [
        f"{start}moves with the steering wind of profile stations 58456", f"{start}stands still",
    ]  # fmt: skip


def test_a_cycle_uses_names_and_quarantines_profiles(event, tmp_path):
    folder = tmp_path / "p"
    good, bad = profile(TIME - 4 * MINUTE), profile(TIME - 9 * MINUTE)
    put(folder, good)
    put(folder, bad, data=encode_profile(bad)[:700])
    inputs = event.settings.inputs.model_copy(update={"profile_frame": "WGS-84"})
    settings = alone(event.settings.model_copy(update={"inputs": inputs}), tmp_path / "s")
    at = CycleInputs(TIME, TIME, [event.settings.inputs.radar], [], [folder])
    result = run_cycle(settings, at, Console(quiet=True))
    part = Store(settings.store).latest()
    assert part is not None
    manifest = part.manifest()
    assert manifest["inputs"]["profiles"]["stations"] == ["58456"]
    assert manifest["inputs"]["profiles"]["files"] == [profile_name(good)]
    cause = "cut short: does not end with NNNN"
    assert {"file": profile_name(bad), "cause": cause} in manifest["inputs"]["refused"]
    assert f"refused: {profile_name(bad)}: {cause}" in manifest["degradations"]
    assert [f.name[13:] for f in (settings.store / "quarantine").glob("*.TXT")] == [
        profile_name(bad)
    ]
    shares = manifest["motion"]
    assert shares["previous"] == 0.0
    assert shares["measured"] > 0.3
    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-3)
    assert result.motion == shares


def test_the_doctor_looks_for_them(event, tmp_path):
    inputs = event.settings.inputs.model_copy(update={"profiles": (tmp_path / "none",)})
    settings = event.settings.model_copy(update={"inputs": inputs}).with_store(tmp_path / "s")
    bad = {f.what: f.text for f in examine(settings, TIME) if not f.good}
    assert "none is missing: set inputs.profiles" in bad["profiles none"]
    assert "inputs.profile_frame" in bad["profile frame"]
