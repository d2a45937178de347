from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.interpolate import Instant, rates_at

T0 = datetime(2019, 8, 9, 16, 3, tzinfo=UTC)
SHAPE = (60, 120)


def blob(x, peak=40.0, y=30.0, width=4.0):
    rows, cols = np.indices(SHAPE)
    return (peak * np.exp(-((rows - y) ** 2 + (cols - x) ** 2) / (2 * width**2))).astype("f4")


def motion(cells_per_minute):
    field = np.zeros((2, *SHAPE), np.float32)
    field[0] = cells_per_minute / 60.0
    return field


def minutes(*values):
    return [T0 + timedelta(minutes=m) for m in values]


EARLIER, LATER = Instant(T0, blob(20)), Instant(T0 + timedelta(minutes=27), blob(74))


def test_between_the_fields_the_rain_is_on_its_way():
    rates = rates_at(minutes(0, 9, 18, 27), EARLIER, LATER, motion(2.0))
    for rate, x in zip(rates, (20, 38, 56, 74), strict=True):
        np.testing.assert_allclose(rate[:, 20:90], blob(x)[:, 20:90], atol=0.1)


def test_growth_is_gradual():
    strong = Instant(LATER.time, blob(74, peak=80.0))
    rates = rates_at(minutes(9, 13.5), EARLIER, strong, motion(2.0))
    np.testing.assert_allclose(rates.max((1, 2)), [40 + 40 / 3, 60], rtol=0.01)


def test_fast_rain_accumulates_without_fish_bones():
    """The sum of moved fields along the track is the analytic one; of two fields alone it is not.

    A Gaussian of peak P and width s that crosses a point at v leaves P s sqrt(2 pi) / v.
    """
    times = minutes(*range(28))
    rates = rates_at(times, EARLIER, LATER, motion(2.0))
    amount = ((rates[1:] + rates[:-1]) / 2).sum(0) / 60.0
    track = amount[30, 35:60]
    analytic = 40.0 * 4.0 * np.sqrt(2 * np.pi) / 2.0 / 60.0
    np.testing.assert_allclose(track, analytic, rtol=0.01)
    still = (EARLIER.rate_mm_h + LATER.rate_mm_h)[30, 35:60] / 2 * 27 / 60
    assert still.min() < 0.01 * analytic


def test_beyond_the_fields_the_nearer_is_extrapolated():
    rates = rates_at(minutes(-5, 32), EARLIER, LATER, motion(2.0))
    np.testing.assert_allclose(rates[0][:, :100], blob(10)[:, :100], atol=0.1)
    np.testing.assert_allclose(rates[1][:, 12:], blob(84)[:, 12:], atol=0.1)


def test_without_an_earlier_field_all_comes_from_the_later():
    rates = rates_at(minutes(21, 27, 30), None, LATER, motion(2.0))
    for rate, x in zip(rates, (62, 74, 80), strict=True):
        np.testing.assert_allclose(rate[:, 20:100], blob(x)[:, 20:100], atol=0.1)


def test_what_one_field_misses_the_other_gives_and_what_both_miss_is_missing():
    early, late = blob(20), blob(20)
    early[:20], late[10:30] = np.nan, np.nan
    rates = rates_at(minutes(13.5), Instant(T0, early), Instant(LATER.time, late), motion(0.0))[0]
    assert np.isnan(rates[10:20]).all()
    assert np.isfinite(rates[:10]).all()
    assert np.isfinite(rates[20:]).all()
    np.testing.assert_allclose(rates[20:], blob(20)[20:], rtol=1e-6, atol=1e-6)


def test_at_their_own_times_the_fields_are_themselves():
    rates = rates_at(minutes(0, 27), EARLIER, LATER, motion(2.0))
    np.testing.assert_allclose(rates[0], EARLIER.rate_mm_h, atol=1e-5)
    np.testing.assert_allclose(rates[1], LATER.rate_mm_h, atol=1e-5)


@pytest.mark.parametrize("gap", [0, -6])
def test_an_earlier_field_must_be_earlier(gap):
    later = Instant(T0 + timedelta(minutes=gap), blob(20))
    with pytest.raises(ConfigError, match="is not earlier"):
        rates_at(minutes(0), EARLIER, later, motion(0.0))
