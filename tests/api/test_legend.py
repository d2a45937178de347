"""What a code means must come back: value class, and what it rests on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.api.legend import (
    AMOUNT_LOWER,
    BLOCKED,
    CLASSES,
    MISSING,
    SCALES,
    Mark,
    edges,
    quality_codes,
    rain_codes,
    scale_edges,
)
from jinghu.grid.fields import State

RAIN = ["rate", *(f"amount_{h}h" for h in AMOUNT_LOWER)]


@pytest.mark.parametrize("name", RAIN)
def test_bounds_of_colours_are_bounds_of_classes(name):
    low = scale_edges(name)
    assert low.size == CLASSES
    assert (np.diff(low) > 0).all()
    for found in SCALES[name].breaks:
        assert np.isclose(low, found.lower, rtol=1e-12).any()


def test_classes_are_narrow():
    # 0.1 to 300 mm/h in 80 steps of equal ratio would be 1.105 each.
    low = scale_edges("rate")
    assert (low[1:] / low[:-1]).max() < 1.13


@pytest.mark.parametrize("name", RAIN)
@given(value=st.floats(0, 290, width=32), state=st.sampled_from(State))
@settings(deadline=None, max_examples=60)
def test_value_and_state_come_back(name, value, state):
    code = int(rain_codes(np.array([value], np.float32), np.array([state]), scale_edges(name))[0])
    scale = SCALES[name]
    marks = {State.STALE: Mark.STALE, State.FILLED: Mark.FILLED}
    assert scale.marks[code] == marks.get(state)
    if value < np.float32(0.1):
        assert scale.values[code] == 0.0
        assert scale.colours[code] is None
    else:
        # Within half a class, and the 3 digits that are kept.
        assert scale.values[code] == pytest.approx(value, rel=0.09)
        lower = max(b.lower for b in scale.breaks if np.float32(b.lower) <= np.float32(value))
        assert scale.colours[code] == next(b.colour for b in scale.breaks if b.lower == lower)


def test_nothing_is_not_dry():
    nan = np.full(6, np.nan, np.float32)
    codes = rain_codes(nan, np.array(list(State)), scale_edges("rate"))
    assert codes[State.MISSING] == MISSING
    assert codes[State.BLOCKED] == BLOCKED
    assert SCALES["rate"].marks[MISSING] is Mark.MISSING
    assert SCALES["rate"].marks[BLOCKED] is Mark.BLOCKED
    assert 0 not in codes


def test_extremes_stay_in_the_highest_class():
    low = scale_edges("rate")
    codes = rain_codes(np.array([1e6, np.inf], np.float32), np.zeros(2, int), low)
    assert codes.tolist() == [CLASSES, CLASSES]


def test_quality_to_half_a_percent():
    quality = np.array([0.0, 0.123, 1.0, 1.2, np.nan], np.float32)
    codes = quality_codes(quality)
    values = [SCALES["quality"].values[c] for c in codes]
    assert values[:4] == [0.0, 0.125, 1.0, 1.0]
    assert codes[4] == MISSING


def test_edges_of_one_colour():
    low = edges((1.0,), np.exp(1.0))
    assert low[0] == 1.0
    assert low[40] == pytest.approx(np.exp(0.5))


def test_reflectivity_has_the_national_colours():
    """45 dBZ is red (255, 0, 0) and 30 dBZ yellow (255, 255, 0); below 10 dBZ nothing is drawn."""
    low, scale = scale_edges("reflectivity"), SCALES["reflectivity"]
    values = np.array([-32.0, 9.9, 10.0, 30.1, 45.0, 71.0], np.float32)
    codes = rain_codes(values, np.zeros(6, int), low)
    drawn = [scale.colours[c] for c in codes]
    assert drawn == [None, None, "#01a0f6", "#ffff00", "#ff0000", "#ad90f0"]


@pytest.mark.parametrize("name", ["reflectivity", "echo_top", "liquid"])
def test_no_class_of_a_column_has_two_colours(name):
    low, scale = scale_edges(name), SCALES[name]
    for k, bound in enumerate(low):
        lower = max(b.lower for b in scale.breaks if b.lower <= bound + 1e-9)
        colour = next(b.colour for b in scale.breaks if b.lower == lower)
        assert scale.colours[k + 1] == colour
    for found in scale.breaks:
        assert np.isclose(low, found.lower, atol=1e-6).any()
