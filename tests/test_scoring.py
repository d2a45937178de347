"""What a cycle scores of what was published before, and what its probabilities learn from it."""

from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from rich.console import Console
from tests.conftest import STEP, TIME, settings_for

from jinghu.grid.fields import State, attrs
from jinghu.grid.scoreboard import ensemble_rows, entered, period, probability_rows, tables
from jinghu.grid.states import load_state, save_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.nowcast.scores import contingency
from jinghu.publish import point_table
from jinghu.scoring import score_published, seen_now
from jinghu.self_calibration import (
    calibrated_leads,
    law_of,
    laws,
    learned_before,
    manifest_entry,
    nothing_learned,
    to_dataset,
)
from jinghu.stages import StageLog

LEADS = 10  # of 6 min
LIMITS = (1.0, 5.0, 10.0, 20.0, 50.0)


def log():
    return StageLog(Console(quiet=True))


def whole(store):
    """All that is on the scoreboard."""
    found = period(store, None, None)
    assert found is not None
    return found


def made(seed, shape):
    return np.random.default_rng(seed).gamma(0.4, 8.0, shape).astype(np.float32)


@pytest.fixture
def settings(tmp_path):
    found = settings_for(tmp_path)
    of = found.nowcast.model_copy(update={"leads": LEADS, "full_every_min": 6})
    return found.model_copy(update={"nowcast": of})


def products_of(settings, rates, state=None):
    spec = settings.grid.product()
    state = np.full(spec.shape, State.WET, np.uint8) if state is None else state
    return xr.Dataset(
        {
            "rainfall_rate": (("lead_time", "y", "x"), rates, attrs("rainfall_rate")),
            "state": (("y", "x"), state, attrs("state")),
        },
        coords={
            **spec.coords(),
            "lead_time": np.arange(len(rates)) * np.timedelta64(STEP).astype("timedelta64[ns]"),
        },
    )


def publish(store, settings, time, rates, shares=None, members=None, learned=None):
    """One part as cycles publish them: full where there are shares."""
    products = products_of(settings, rates)
    if shares is not None:
        dims = ("rate_threshold", "lead_time", "y", "x")
        products["probability_of_rate"] = (dims, shares, attrs("probability_of_rate"))
        products = products.assign_coords(
            rate_threshold=("rate_threshold", list(LIMITS), {"units": "mm h-1"})
        )
    with store.publish(cycle_name(time), "fast" if shares is None else "full") as part:
        columns, table = point_table(products)
        part.array("points.npy", table, {"columns": columns})
        part.manifest(grid=settings.grid.model_dump())
        if members is not None:
            of = products.drop_vars(["state", "probability_of_rate", "rainfall_rate"])
            rate = (("member", "lead_time", "y", "x"), members, attrs("rainfall_rate"))
            part.dataset("members.zarr", of.assign(rainfall_rate=rate))
        if learned is not None:
            minutes = [6.0 * k for k in range(LEADS + 1)]
            part.manifest(probability_calibration=manifest_entry(learned, minutes))


def test_forecasts_are_scored_when_their_time_comes(settings):
    store = Store(settings.store).create()
    shape = settings.grid.product().shape
    said = made(1, (LEADS + 1, *shape))
    publish(store, settings, TIME - timedelta(minutes=30), said)
    now = made(2, (1, *shape))
    state = np.full(shape, State.DRY, np.uint8)
    state[:3], state[3:5], now[0, 5] = State.STALE, State.FILLED, np.nan
    products = products_of(settings, now, state)
    report = log()
    score_published(store, products, TIME, settings, report)
    assert report.degradations == []
    rows = {(r.method, r.lead_min, r.threshold_mm_h): r for r in tables(whole(store))}
    assert {lead for _, lead, _ in rows} == {30.0}
    for method, field in (("nowcast", said[5]), ("persistence", said[0])):
        for limit in LIMITS:
            known = contingency(field[6:], now[0, 6:], limit)
            row = rows[method, 30.0, limit]
            assert (row.hits, row.misses) == (known.hits, known.misses)
            assert row.correct_negatives == known.correct_negatives
    assert np.isnan(seen_now(products)[:6]).all()
    # Again, with another analysis even: it counts once.
    score_published(store, products_of(settings, made(3, (1, *shape))), TIME, settings, report)
    again = tables(whole(store))
    assert [r.hits for r in again] == [r.hits for r in rows.values()]
    assert entered(store, TIME)


def test_nothing_published_scores_nothing(settings):
    store = Store(settings.store).create()
    products = products_of(settings, made(1, (1, *settings.grid.product().shape)))
    learned = score_published(store, products, TIME, settings, log())
    assert period(store, None, None) is None
    assert learned.forecasts.sum() == 0.0
    np.testing.assert_array_equal(laws(learned, [0.0, 30.0])[..., 0], 0.0)
    np.testing.assert_array_equal(laws(learned, [0.0, 30.0])[..., 1], 1.0)


def test_a_damaged_part_of_the_past_is_named_and_passed_over(settings):
    store = Store(settings.store).create()
    shape = settings.grid.product().shape
    for minutes in (12, 30):
        publish(store, settings, TIME - timedelta(minutes=minutes), made(1, (LEADS + 1, *shape)))
    broken = store.part(cycle_name(TIME - timedelta(minutes=30)), "fast").folder
    (broken / "points.npy").write_bytes(b"{")
    report = log()
    score_published(store, products_of(settings, made(2, (1, *shape))), TIME, settings, report)
    assert len(report.degradations) == 1
    assert "is not scored" in report.degradations[0]
    assert {r.lead_min for r in tables(whole(store))} == {12.0}


def test_members_and_probabilities_of_full_parts_count(settings):
    store = Store(settings.store).create()
    shape = settings.grid.product().shape
    members = made(1, (4, LEADS + 1, *shape))
    shares = np.stack([(members >= t).mean(axis=0) for t in LIMITS]).astype(np.float32)
    publish(store, settings, TIME - timedelta(hours=1), members[0], shares, members)
    now = products_of(settings, made(2, (1, *shape)))
    learned = score_published(store, now, TIME, settings, log())
    found = whole(store)
    row = ensemble_rows(found)[0]
    assert row["lead_min"] == 60.0
    assert sum(row["ranks"]) > 1000
    assert len(row["ranks"]) == 5
    table = {r["threshold_mm_h"]: r for r in probability_rows(found)}
    event = now["rainfall_rate"].values[0] >= 5.0
    brier = ((shares[1, 10] - event) ** 2).mean()
    assert table[5.0]["brier"] == pytest.approx(brier, rel=1e-5)
    at = learned.record.lead_min.index(60.0)
    assert learned.forecasts[at] == 1.0
    assert learned.record.cells[at].sum() > 0


def overconfident(seed, shape, spread):
    """Probabilities (threshold, lead, y, x) that say too much, and rain of one threshold."""
    rng = np.random.default_rng(seed)
    true = 1 / (1 + np.exp(-(-1.5 + rng.normal(size=shape))))
    logit = np.log(true / (1 - true))
    said = 1 / (1 + np.exp(-(1.0 + spread * logit)))
    rain = np.where(rng.uniform(size=shape) < true, 2.0, 0.0).astype(np.float32)
    shares = np.zeros((len(LIMITS), LEADS + 1, *shape), np.float32)
    shares[0] = said
    return shares, rain


def test_probabilities_learn_from_what_came_true(settings):
    """Of a system that says too much: what it publishes comes to mean what it says.

    The record is fed from calibrated probabilities, taken back to the raw ones by the manifest.
    """
    # Cells of 25 km: a field is many independent patches, so that a few cycles tell much.
    grid = settings.grid.model_copy(update={"spacing_m": 25_000.0, "x0_m": 100e3, "y0_m": 2_800e3})
    settings = settings.model_copy(update={"grid": grid})
    store = Store(settings.store).create()
    shape = settings.grid.product().shape
    minutes = [6.0 * k for k in range(LEADS + 1)]
    dry = np.zeros((LEADS + 1, *shape), np.float32)
    brier = {"raw": 0.0, "published": 0.0}
    truth: dict[int, np.ndarray] = {}
    for k in range(9):
        time = TIME + k * STEP
        now = products_of(settings, truth.get(k, dry[0])[None])
        learned = score_published(store, now, time, settings, log())
        save_state(store, cycle_name(time), {"reliability": to_dataset(learned)})
        shares, truth[k + 2] = overconfident(k, shape, 1.6)  # 12 min ahead
        out = calibrated_leads(shares, laws(learned, minutes))
        if k == 0:
            np.testing.assert_array_equal(out, shares)
        publish(store, settings, time, dry, out, learned=learned)
        if k >= 6:
            event = truth[k + 2] >= 1.0
            for name, p in (("raw", shares[0, 2]), ("published", out[0, 2])):
                brier[name] += float(((p - event) ** 2).mean())
    # Most of the Brier score is chance: the true probabilities would have 0.93 of the raw one's.
    assert brier["published"] < 0.96 * brier["raw"]
    law = law_of(store.part(cycle_name(TIME + 8 * STEP), "full").manifest(), 12.0)
    assert law is not None
    # The truth was logit p = (logit said - 1) / 1.6; what is known of it lies before it.
    assert -1 / 1.6 < law[0, 0] < -0.3
    assert 1 / 1.6 < law[0, 1] < 0.8
    assert 6 < learned.forecasts[0] < 7  # seven, the oldest of which have faded


def test_the_same_past_gives_the_same_law(settings):
    store = Store(settings.store).create()
    shape = settings.grid.product().shape
    shares, rain = overconfident(1, shape, 1.6)
    rates = np.zeros((LEADS + 1, *shape), np.float32)
    publish(store, settings, TIME - timedelta(hours=1), rates, shares)
    now = products_of(settings, rain[None])
    one, two = (score_published(store, now, TIME, settings, log()) for _ in range(2))
    xr.testing.assert_identical(to_dataset(one), to_dataset(two))
    save_state(store, cycle_name(TIME), {"reliability": to_dataset(one)})
    held = load_state(store, cycle_name(TIME + STEP), "reliability")
    assert held is not None
    xr.testing.assert_equal(held[1], to_dataset(one))
    later = learned_before(store, TIME + timedelta(minutes=90), settings.nowcast, log())
    np.testing.assert_allclose(later.record.cells, 0.5 * one.record.cells)


def test_new_thresholds_start_from_nothing(settings):
    store = Store(settings.store).create()
    known = nothing_learned(settings.nowcast)
    save_state(store, cycle_name(TIME), {"reliability": to_dataset(known)})
    of = settings.nowcast.model_copy(update={"rate_thresholds_mm_h": (2.0, 7.0)})
    report = log()
    found = learned_before(store, TIME + STEP, of, report)
    assert found.record.threshold_mm_h == (2.0, 7.0)
    assert "calibrated anew" in report.degradations[0]


def test_a_record_of_another_version_is_named_and_left(settings):
    store = Store(settings.store).create()
    other = to_dataset(nothing_learned(settings.nowcast)).drop_vars("said")
    save_state(store, cycle_name(TIME), {"reliability": other})
    report = log()
    found = learned_before(store, TIME + STEP, settings.nowcast, report)
    np.testing.assert_array_equal(found.record.cells, 0.0)
    assert "another version" in report.degradations[0]


def test_valid_times_are_those_of_the_analysis(settings):
    store = Store(settings.store).create()
    shape = settings.grid.product().shape
    publish(store, settings, TIME - timedelta(minutes=12), made(1, (LEADS + 1, *shape)))
    score_published(store, products_of(settings, made(2, (1, *shape))), TIME, settings, log())
    day = xr.load_dataset(store.root / "scores" / f"{TIME:%Y%m%d}.nc", decode_timedelta=True)
    assert day["hour"].values[0] == to_numpy(TIME).astype("datetime64[h]")
    assert day.attrs["cycles"] == cycle_name(TIME)
