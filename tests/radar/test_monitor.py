"""Calibration over many cycles: noise is smoothed, drift and jumps are followed, rain is apart."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.store import write_zarr
from jinghu.radar.calibration import Offset
from jinghu.radar.monitor import (
    Calibration,
    Correction,
    MonitorParams,
    correction,
    followed,
    from_dataset,
    sentences,
    to_dataset,
    unseen,
)

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
STEP = timedelta(minutes=6)
PARAMS = MonitorParams()
KNOWN = Calibration("A", -0.2, 0.5, 0.0, 0.0, 4, 900, 0.1, START)


def measured(offset, error=0.7):
    return Offset("A", offset, error, 4, 1000)


def after(known, offsets, wet=False, error=0.7):
    """Calibrations after one measurement a cycle."""
    time = START if known is None else known.time + STEP
    found = []
    for offset in offsets:
        known = followed(known, measured(offset, error), time, wet, PARAMS)
        found.append(known)
        time += STEP
    return found


def test_the_first_measurement_is_believed():
    (known,) = after(None, [-3.1])
    assert (known.offset_db, known.error_db) == (-3.1, 0.7)


def test_a_step_is_followed_with_the_stated_time_constant():
    """From -0.5 to +0.5 dB; 0.7 sqrt(1 h / (0.5 / 24 per h)) = 4.85 h to 1 - 1/e of the way."""
    settled = after(None, np.full(2000, -0.5))[-1]
    rising = after(settled, np.full(100, 0.5))
    reached = next(k for k, c in enumerate(rising, 1) if c.offset_db >= -0.5 + (1 - 1 / math.e))
    hours = reached * STEP / timedelta(hours=1)
    assert hours == pytest.approx(4.85, rel=0.15)


def test_noise_is_smoothed():
    noise = np.random.default_rng(0).normal(0, 0.7, 1500)
    late = [c.offset_db for c in after(None, noise)[300:]]
    assert np.std(late) < 0.25
    assert after(None, noise)[-1].error_db >= PARAMS.least_error_db


def test_a_jump_is_disbelieved_once_and_then_believed():
    once, twice = after(KNOWN, [-5.0, -5.0])
    assert once.offset_db == pytest.approx(KNOWN.offset_db)
    assert once.error_db > 4.0
    assert twice.offset_db == pytest.approx(-5.0, abs=1.0)
    _, back = after(KNOWN, [-5.0, -0.2])
    assert back.offset_db == pytest.approx(-0.2, abs=0.3)


def test_what_rain_on_the_radome_takes_is_not_of_the_calibration():
    wet = after(KNOWN, [-3.2], wet=True)[0]
    assert wet.offset_db == KNOWN.offset_db
    assert wet.radome_db == pytest.approx(-3.0)
    assert wet.radome_error_db == pytest.approx(np.hypot(0.7, 0.5), rel=0.02)
    assert after(KNOWN, [1.0], wet=True)[0].radome_db == 0.0
    dry = after(wet, [-0.2])[0]
    assert (dry.radome_db, dry.radome_error_db) == (0.0, 0.0)
    first = after(None, [-4.0], wet=True)
    assert first[0].offset_db == 0.0
    assert after(first[0], [1.2])[0].offset_db == pytest.approx(1.2)  # dry: now it is measured


def test_a_radar_not_compared_for_long_is_known_less_well():
    later = followed(KNOWN, measured(5.0), START + timedelta(days=60), False, PARAMS)
    assert later.error_db == pytest.approx(5.2)  # a jump: as far as it is from what was known
    slow = followed(KNOWN, measured(1.0, 0.7), START + timedelta(days=60), False, PARAMS)
    assert slow.offset_db == pytest.approx(-0.2 + 1.2 / (1 + 0.49), abs=1e-6)


def test_what_is_done():
    """Sure offsets beyond 2 dB and sure radomes are taken off; the unsure weigh half."""

    def done(apply=True, minutes=6, **known):
        time = START + timedelta(minutes=minutes)
        return correction(replace(KNOWN, **known), time, PARAMS, apply=apply)

    assert done() == Correction()
    assert done(offset_db=-3.1) == Correction(offset_db=-3.1)
    assert done(offset_db=-3.1, apply=False) == Correction()
    assert done(offset_db=-3.1, error_db=1.5) == Correction()
    assert done(error_db=4.8) == Correction(trust=0.5)
    both = done(offset_db=-3.1, radome_db=-1.5, radome_error_db=0.8)
    assert both.total_db == pytest.approx(-4.6)
    assert done(radome_db=-1.5, radome_error_db=1.5) == Correction(trust=0.5)
    assert done(radome_db=-1.5, radome_error_db=0.8, minutes=16) == Correction()
    assert correction(None, START, PARAMS, apply=True) == Correction()


def test_a_wet_radar_without_neighbours_is_in_doubt():
    assert unseen("A", None, START, False, PARAMS) is None
    assert unseen("A", KNOWN, START, False, PARAMS) == KNOWN
    for before in (None, KNOWN):
        wet = unseen("A", before, START + STEP, True, PARAMS)
        assert correction(wet, START + 2 * STEP, PARAMS, apply=True).trust == 0.5
        assert wet is not None
        (text,) = sentences(wet, Correction(trust=0.5), PARAMS)
        assert text == "radar A has rain on it and no neighbour to compare: weighs less"


def test_radars_that_are_off_are_named():
    def said(done, **known):
        return sentences(replace(KNOWN, **known), done, PARAMS)

    assert said(Correction()) == []
    assert said(Correction(-3.1), offset_db=-3.1) == [
        "radar A reads 3.1 dB low against its neighbours: corrected"
    ]
    assert said(Correction(), offset_db=2.4) == [
        "radar A reads 2.4 dB high against its neighbours: not corrected"
    ]
    assert said(Correction(trust=0.5), error_db=4.8) == [
        "radar A has jumped against its neighbours: weighs less"
    ]
    assert said(Correction(0.0, -1.5), radome_db=-1.6, radome_error_db=0.9) == [
        "radar A has rain on it and reads 1.6 dB low: corrected"
    ]


finite = st.floats(-10, 10)
known_radars = st.dictionaries(
    st.from_regex(r"Z[0-9A-Z]{4}", fullmatch=True),
    st.tuples(finite, finite, finite, st.just(float("inf")) | finite, st.integers(0, 9),
              st.integers(0, 10**6), st.just(float("nan")) | finite, st.integers(0, 10**7)),
    max_size=4,
)  # fmt: skip


@given(known_radars)
@settings(deadline=None, max_examples=30)
def test_the_state_is_read_back(rows):
    known = {
        code: Calibration(*(code, *row[:7], START + timedelta(seconds=row[7])))
        for code, row in rows.items()
    }
    found = from_dataset(to_dataset(known))
    assert repr(found) == repr(dict(sorted(known.items())))


@pytest.mark.parametrize("known", [{}, {"A": KNOWN}])
def test_the_state_goes_through_the_store(tmp_path, known):
    import xarray as xr

    write_zarr(tmp_path / "calibration.zarr", to_dataset(known))
    with xr.open_zarr(tmp_path / "calibration.zarr") as lazy:
        assert from_dataset(lazy.load()) == known
