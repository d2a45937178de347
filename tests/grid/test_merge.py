from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.grid.kriging import krige
from jinghu.grid.merge import MergeParams, Skill, leave_one_out, merge, sample, skill, suspects
from jinghu.grid.spec import GridSpec

SPEC = GridSpec("EPSG:4549", 450e3, 3250e3, 2500.0, 40, 40)
PARAMS = MergeParams()
EXACT = replace(PARAMS, drift_smooth_m=1.0)  # narrower than a cell: no smoothing


def radar_of(amount):
    return xr.Dataset(
        {"rainfall_amount": (("y", "x"), amount.astype(np.float32), attrs("rainfall_amount"))},
        coords=SPEC.coords(),
    )


def storm(peak=20.0):
    rows, cols = np.indices(SPEC.shape)
    return peak * np.exp(-((rows - 18) ** 2 + (cols - 22) ** 2) / (2 * 8.0**2)) + 1.0


def gauges_at(x, y, amount):
    lon, lat = SPEC.to_lonlat(x, y)
    return xr.Dataset(
        {"rainfall_amount": ("station", np.asarray(amount, "f4"), attrs("rainfall_amount"))},
        coords={
            "station": [f"G{k:03d}" for k in range(len(x))],
            "x": ("station", x),
            "y": ("station", y),
            "lon": ("station", lon),
            "lat": ("station", lat),
        },
    )


def places(n=60, seed=0):
    """Random cell centres, two gauges never in one cell."""
    cells = np.random.default_rng(seed).permutation(40 * 40)[:n]
    rows, cols = SPEC.row_col(cells)
    return SPEC.x[cols], SPEC.y[rows], rows, cols


def scored(found: Skill | None) -> Skill:
    assert found is not None
    return found


def test_gauges_correct_a_radar_that_sees_a_third():
    truth = storm()
    x, y, rows, cols = places()
    result, report = merge(radar_of(truth / 3), gauges_at(x, y, truth[rows, cols]), PARAMS)
    merged = result["rainfall_amount"].values
    assert report.used == 60
    assert report.rejected == ()
    assert np.sqrt(((merged - truth) ** 2).mean()) < 0.1 * truth.std()
    assert scored(report.leave_one_out()).rmse_mm < 0.2 * scored(report.radar_alone()).rmse_mm
    assert scored(report.leave_one_out()).bias == pytest.approx(1.0, abs=0.03)
    assert scored(report.radar_alone()).bias == pytest.approx(1 / 3, abs=0.05)
    near = (truth > 5) & (result["adjustment"].values > 0)
    assert np.median(result["adjustment"].values[near]) == pytest.approx(3.0, abs=0.3)
    assert result["rainfall_amount"].attrs["units"] == "mm"


def test_a_linear_function_of_the_radar_is_reproduced_exactly():
    radar = storm()
    x, y, rows, cols = places()
    truth = 1.5 + 0.8 * radar
    dense = replace(EXACT, reach_m=200_000.0)
    result, _ = merge(radar_of(radar), gauges_at(x, y, truth[rows, cols]), dense)
    np.testing.assert_allclose(result["rainfall_amount"].values, truth, rtol=1e-4)


def test_leave_one_out_is_the_refit_without_that_gauge():
    radar = storm()
    x, y, rows, cols = places(12)
    amount = radar[rows, cols] * np.random.default_rng(2).uniform(0.6, 1.6, 12)
    gauges = gauges_at(x, y, amount)
    drift = sample(radar_of(radar), gauges)
    params = replace(PARAMS, reach_m=1e6)
    found = leave_one_out(gauges, drift, np.ones(12, bool), params)
    points = np.stack([x, y], axis=1)
    values = gauges["rainfall_amount"].values.astype(np.float64)
    for k in range(12):
        others = np.delete(np.arange(12), k)
        alone = krige(
            points[[k]], drift[[k]], points[others], drift[others], values[others],
            np.arange(11)[None], params.length_m, params.nugget,
        )  # fmt: skip
        assert found[k] == pytest.approx(max(alone[0], 0.0), rel=1e-9)


def test_rejected_gauges_help_no_other_but_are_scored():
    radar = storm()
    x, y, rows, cols = places()
    amount = radar[rows, cols].copy()
    amount[7] = 240.0
    gauges = gauges_at(x, y, amount)
    assert np.flatnonzero(suspects(gauges, PARAMS)).tolist() == [7]
    result, report = merge(radar_of(radar), gauges, PARAMS)
    assert report.rejected == ("G007",)
    assert report.used == 59
    assert float(result["rainfall_amount"].max()) < 25
    assert scored(report.leave_one_out()).n == 60
    clean, _ = merge(radar_of(radar), gauges.isel(station=np.arange(60) != 7), PARAMS)
    np.testing.assert_array_equal(result["rainfall_amount"], clean["rainfall_amount"])


def test_a_blocked_gauge_is_rejected_and_the_core_of_a_storm_is_not():
    x, y, rows, cols = places()
    amount = storm()[rows, cols]
    wettest = int(amount.argmax())
    assert not suspects(gauges_at(x, y, amount), PARAMS).any()
    amount[wettest] = 0.0
    assert np.flatnonzero(suspects(gauges_at(x, y, amount), PARAMS)).tolist() == [wettest]


def test_a_gauge_without_a_value_is_left_out():
    radar = storm()
    x, y, rows, cols = places()
    amount = radar[rows, cols].copy()
    amount[[3, 4]] = np.nan
    result, report = merge(radar_of(radar), gauges_at(x, y, amount), PARAMS)
    assert report.rejected == ("G003", "G004")
    assert np.isfinite(result["rainfall_amount"].values).all()
    assert scored(report.leave_one_out()).n == 58


def test_without_radar_the_gauges_are_interpolated():
    x, y, rows, cols = places()
    truth = storm()
    nothing = radar_of(np.full(SPEC.shape, np.nan))
    result, report = merge(nothing, gauges_at(x, y, truth[rows, cols]), PARAMS)
    merged = result["rainfall_amount"].values
    assert np.isfinite(merged).all()
    assert np.corrcoef(merged.ravel(), truth.ravel())[0, 1] > 0.9
    np.testing.assert_array_equal(result["adjustment"], 1.0)
    assert report.radar_alone() is None
    assert scored(report.leave_one_out()).r > 0.8


def test_where_part_is_seen_the_factor_reaches_beyond_it():
    truth = storm()
    radar = truth / 2
    radar[:, 30:] = np.nan
    x, y, rows, cols = places()
    result, _ = merge(radar_of(radar), gauges_at(x, y, truth[rows, cols]), PARAMS)
    assert np.isfinite(result["rainfall_amount"].values).all()
    np.testing.assert_array_equal(
        result["adjustment"].values[:, 30:], result["adjustment"].values[:, [29]] * np.ones(10)
    )


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_gauges_leave_the_radar(n):
    radar = storm()
    x, y, _, _ = places(n)
    result, report = merge(radar_of(radar), gauges_at(x, y, [3.0] * n), PARAMS)
    np.testing.assert_allclose(result["rainfall_amount"].values, radar, rtol=1e-6)
    np.testing.assert_array_equal(result["adjustment"], 1.0)
    assert (report.used, report.leave_one_out()) == (0, None)


@pytest.mark.parametrize("n", [3, 5, 8])
def test_few_gauges_give_a_sound_field(n):
    radar = storm()
    x, y, rows, cols = places(n, seed=4)
    result, report = merge(radar_of(radar), gauges_at(x, y, 2 * radar[rows, cols]), PARAMS)
    merged = result["rainfall_amount"].values
    assert np.isfinite(merged).all()
    assert merged.min() >= 0
    assert merged.max() < 3 * radar.max()
    assert report.used == n


def test_beyond_reach_of_the_gauges_the_radar_stands_alone_without_an_edge():
    radar = np.full(SPEC.shape, 4.0)
    radar[::2] += 0.5  # the drift varies
    x, y = SPEC.x[[0, 1, 2, 0, 1, 2]], SPEC.y[[0, 0, 0, 2, 2, 2]]
    result, _ = merge(radar_of(radar), gauges_at(x, y, [8, 9, 8, 9, 8, 9]), PARAMS)
    merged = result["rainfall_amount"].values
    far = np.hypot(*np.meshgrid(SPEC.x - SPEC.x[2], SPEC.y - SPEC.y[2])) > 45_000
    smooth, _ = merge(radar_of(radar), gauges_at(x[:0], y[:0], []), PARAMS)
    assert np.abs(merged[far] - smooth["rainfall_amount"].values[far]).max() < 0.5
    assert merged[0, 1] == pytest.approx(8.6, abs=0.5)
    assert np.abs(np.diff(merged[0])).max() < 1.0


def test_dry_radar_and_dry_gauges_are_dry():
    x, y, _, _ = places()
    result, report = merge(radar_of(np.zeros(SPEC.shape)), gauges_at(x, y, np.zeros(60)), PARAMS)
    np.testing.assert_array_equal(result["rainfall_amount"], 0.0)
    np.testing.assert_allclose(result["adjustment"], 1.0)
    assert report.leave_one_out() is None


def test_two_gauges_at_one_place_are_no_trouble():
    radar = storm()
    x, y, rows, cols = places()
    x, y = np.append(x, x[0]), np.append(y, y[0])
    amount = np.append(radar[rows, cols], radar[rows[0], cols[0]] + 1)
    result, _ = merge(radar_of(radar), gauges_at(x, y, amount), PARAMS)
    assert np.isfinite(result["rainfall_amount"].values).all()


def test_radar_is_sampled_between_cell_centres():
    plane = np.add.outer(np.arange(40.0), 2 * np.arange(40.0))
    x, y = SPEC.x[[3, 3, 3]] + [0, 1250, 2000], SPEC.y[[5, 5, 5]] + [0, 1250, 0]
    found = sample(radar_of(plane), gauges_at(x, y, [0, 0, 0]))
    np.testing.assert_allclose(found, [11.0, 12.5, 12.6], rtol=1e-6)
    outside = sample(radar_of(plane), gauges_at(SPEC.x[:3] - 1e5, SPEC.y[:3], [0, 0, 0]))
    assert np.isnan(outside).all()


def test_scores():
    found = skill(np.array([1.0, 2.0, 3.0, np.nan]), np.array([2.0, 4.0, 6.0, 1.0]))
    assert found is not None
    assert (found.bias, found.n) == (0.5, 3)
    assert (found.rmse_mm, found.r) == pytest.approx((np.sqrt(14 / 3), 1.0))
    assert skill(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert skill(np.zeros(5), np.zeros(5)) is None


def test_a_box_narrows_the_score():
    truth = storm()
    x, y, rows, cols = places()
    _, report = merge(radar_of(truth), gauges_at(x, y, truth[rows, cols]), PARAMS)
    lon, lat = report.gauges["lon"].values, report.gauges["lat"].values
    box = (float(lon.min()) - 1, float(lat.min()) - 1, float(np.median(lon)), 90.0)
    assert scored(report.leave_one_out(box)).n == pytest.approx(30, abs=1)


def test_other_units_are_refused():
    radar = radar_of(storm())
    radar["rainfall_amount"].attrs["units"] = "m"
    x, y, _, _ = places(5)
    with pytest.raises(ConfigError, match="'m', wanted 'mm'"):
        merge(radar, gauges_at(x, y, np.ones(5)), PARAMS)
