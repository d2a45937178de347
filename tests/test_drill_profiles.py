"""Wind profilers of a drill: what they see is the motion of its rain, and the seed decides it."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from jinghu.drill_profiles import PLACES, Profilers, motion_at, wind_above, write_profiles
from jinghu.drill_rain import make_rain
from jinghu.drill_script import named_drill
from jinghu.grid.frames import Frame
from jinghu.grid.profiles import named_time, read_profile
from jinghu.grid.spec import GridSpec
from jinghu.nowcast.steering import SteeringParams, steering_motion, steering_wind

SPEC = GridSpec("EPSG:4549", 405e3, 3140e3, 5000.0, 60, 60)
STEP = timedelta(minutes=6)


def profilers(name):
    script = named_drill(name)
    return script, Profilers(script.seed, make_rain(script, SPEC, np.zeros(SPEC.shape)), SPEC)


def arrived(name, folder, steps=10):
    script, made = profilers(name)
    start = script.start
    for k in range(steps):
        write_profiles(made, start + k * STEP, start + (k + 1) * STEP, folder)
    return made, sorted(folder.iterdir()), start + steps * STEP


@pytest.mark.parametrize("name", ["convective-line", "typhoon", "dry"])
def test_the_steering_wind_is_near_the_motion_of_the_rain(name, tmp_path):
    made, files, now = arrived(name, tmp_path)
    profiles = [read_profile(file, Frame.WGS84) for file in files]
    assert not any(one.dropped for one in profiles)
    params = SteeringParams()
    winds = [wind for p in profiles if (wind := steering_wind(p, params))]
    assert len(winds) > 0.95 * len(profiles)
    for station, lon, lat, _ in PLACES:
        mine = [w for w in winds if w.station == station]
        found = steering_motion(mine, SPEC, now, params)
        assert found is not None
        x, y = SPEC.to_xy([lon], [lat])
        true = motion_at(made.rain, x, y, now - timedelta(minutes=15))[:, 0]
        row, col = divmod(int(SPEC.cell_of_xy(x, y)[0]), SPEC.nx)
        seen = [float(found[n].values[row, col]) for n in ("motion_x", "motion_y")]
        # In a typhoon the wind over a station turns as the centre passes.
        assert np.hypot(*(seen - true)) < (4.0 if name == "typhoon" else 1.5)


def test_motion_of_a_typhoon_turns_around_its_centre():
    _, made = profilers("typhoon")
    vortex, time = made.rain.vortex, made.rain.start + timedelta(hours=1)
    x, y = vortex.x_m + vortex.u_m_s * 3600, vortex.y_m + vortex.v_m_s * 3600
    east_of_it = motion_at(made.rain, np.array([x, x + 50e3]), np.array([y, y]), time)
    np.testing.assert_allclose(east_of_it[:, 0], [vortex.u_m_s, vortex.v_m_s])
    faster = vortex.v_m_s + 50e3 * vortex.turn_rad_s
    np.testing.assert_allclose(east_of_it[:, 1], [vortex.u_m_s, faster])


@pytest.mark.parametrize(("name", "gain"), [("convective-line", 0.04), ("typhoon", 0.15)])
def test_rain_followed_along_the_motion_stays_alike(name, gain):
    _, made = profilers(name)
    time = made.rain.start + timedelta(hours=3)
    x, y = (p.ravel() for p in np.meshgrid(SPEC.x[15:45], SPEC.y[15:45]))
    end_x, end_y = x.copy(), y.copy()
    for minute in range(20):
        u, v = motion_at(made.rain, end_x, end_y, time + timedelta(minutes=minute + 0.5))
        end_x, end_y = end_x + 60 * u, end_y + 60 * v
    before, after, still = (
        np.log(0.1 + made.rain.rate(at_x, at_y, np.full(x.shape, time.timestamp() + seconds)))
        for at_x, at_y, seconds in ((x, y, 0), (end_x, end_y, 1200), (x, y, 1200))
    )
    assert np.corrcoef(before, after)[0, 1] > np.corrcoef(before, still)[0, 1] + gain


def test_wind_slows_and_backs_to_the_ground_and_grows_above():
    u, v = wind_above(np.array([10.0, 0.0]), np.array([10.0, 800.0, 1500.0, 3500.0, 5500.0]))
    speed = np.hypot(u, v)
    assert (np.diff(speed) > 0).all()
    assert speed[3] == pytest.approx(10.0)
    assert (u[3], v[3]) == pytest.approx((10.0, 0.0))
    # To the left of a wind from the west is a wind from the south-west: northern hemisphere.
    assert np.degrees(np.arctan2(v[0], u[0])) == pytest.approx(35.0)
    assert np.isfinite(wind_above(np.zeros(2), np.array([10.0, 5000.0]))).all()


def test_files_come_some_minutes_late_each_once_and_the_same_again(tmp_path):
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    _, files, _ = arrived("convective-line", folders[0])
    _, again, _ = arrived("convective-line", folders[1])
    assert [f.name for f in files] == [f.name for f in again]
    assert all(a.read_bytes() == b.read_bytes() for a, b in zip(files, again, strict=True))
    for station, *_ in PLACES:
        times = sorted(t for f in files if f"_{station}_" in f.name if (t := named_time(f.name)))
        assert len(times) == pytest.approx(10, abs=2)
        assert {b - a for a, b in pairwise(times)} == {STEP}


def test_confidence_falls_with_height_and_levels_are_missing(tmp_path):
    _, files, _ = arrived("convective-line", tmp_path)
    levels = [read_profile(file, Frame.WGS84).levels for file in files]
    low = np.concatenate([one.confidence[one.height_m < 1000] for one in levels])
    high = np.concatenate([one.confidence[one.height_m > 4000] for one in levels])
    assert np.nanmean(low) > np.nanmean(high) + 10
    assert 0.01 < np.isnan(low).mean() < 0.1
    assert np.isnan(high).mean() > 0.3
