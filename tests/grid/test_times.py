from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.errors import ConfigError
from jinghu.grid.times import (
    BEIJING,
    cycle_name,
    floor_time,
    from_numpy,
    is_cycle_name,
    isoformat,
    parse_cycle_name,
    parse_time,
    to_numpy,
)

TIMES = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))


def test_one_instant_in_three_notations():
    wanted = datetime(2019, 8, 9, 16, 30, tzinfo=UTC)
    for text in ("2019-08-09T16:30Z", "2019-08-10T00:30+08:00", "2019-08-09 16:30:00+00:00"):
        assert parse_time(text) == wanted
        assert parse_time(text).tzinfo is UTC


@pytest.mark.parametrize(
    ("text", "cause"),
    [("2019-08-09T16:30", "no offset"), ("yesterday", "not ISO 8601"), ("", "not ISO 8601")],
)
def test_times_that_could_mean_anything_are_refused(text, cause):
    with pytest.raises(ConfigError, match=cause):
        parse_time(text)


@settings(deadline=None, max_examples=100)
@given(TIMES)
def test_round_trips(time):
    assert from_numpy(to_numpy(time)) == time
    minute = time.replace(second=0, microsecond=0)
    assert parse_cycle_name(cycle_name(time)) == minute
    assert parse_time(isoformat(time)) == time.replace(microsecond=0)


def test_numpy_time_is_utc_and_of_any_container():
    local = datetime(2019, 8, 10, 0, 30, tzinfo=BEIJING)
    assert to_numpy(local) == np.datetime64("2019-08-09T16:30", "ns")
    assert from_numpy(np.array(to_numpy(local))) == local
    assert cycle_name(local) == "20190809T1630Z"


@pytest.mark.parametrize("name", ["20190809T163Z", "2019-08-09", "20190809T1630", "../x", "", "a"])
def test_only_names_as_written_are_cycles(name):
    assert not is_cycle_name(name)
    with pytest.raises(ConfigError, match="not of the form"):
        parse_cycle_name(name)


@settings(deadline=None, max_examples=100)
@given(TIMES, st.integers(1, 90))
def test_floor_is_the_last_step_of_the_day(time, minutes):
    step = timedelta(minutes=minutes)
    floor = floor_time(time, step)
    midnight = time.replace(hour=0, minute=0, second=0, microsecond=0)
    assert timedelta(0) <= time - floor < step
    assert (floor - midnight) % step == timedelta(0)


def test_floor_counts_from_midnight_utc():
    tokyo = datetime(2019, 8, 10, 1, 33, tzinfo=timezone(timedelta(hours=9)))
    assert isoformat(floor_time(tokyo, timedelta(minutes=6))) == "2019-08-09T16:30:00Z"
