"""Faults do what they say, to the radar and the time that they name, and nothing else."""

from datetime import UTC, datetime, timedelta

import numpy as np

from jinghu.radar.simulator.faults import (
    Fault,
    arrivals,
    clock_error,
    faults_of,
    miscalibrated,
)
from jinghu.radar.simulator.receiver import Receiver

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
DATA = bytes(range(256)) * 400


def fault(kind, amount=0.0):
    return Fault("ZSIM1", kind, START, START + HOUR, amount)


def sent(kind, amount=0.0):
    return arrivals(DATA, [fault(kind, amount)], np.random.default_rng(0))


def test_they_hold_for_their_radar_and_time():
    found = [fault("late", 60), fault("corrupt")]
    assert faults_of(found, "ZSIM1", START) == tuple(found)
    assert faults_of(found, "ZSIM2", START) == ()
    assert faults_of(found, "ZSIM1", START + HOUR) == ()


def test_files_arrive_late_twice_cut_damaged_or_not_at_all():
    assert [a.delay.total_seconds() for a in sent("late", 400)] == [400]
    assert sent("missing") == ()
    (cut,) = sent("truncated", 0.25)
    assert cut.data == DATA[: int(0.75 * len(DATA))]
    (bad,) = sent("corrupt", 0.01)
    changed = np.frombuffer(bad.data, np.uint8) != np.frombuffer(DATA, np.uint8)
    assert 0.009 < changed.mean() <= 0.01
    assert bad.data == sent("corrupt", 0.01)[0].data
    first, second = sent("duplicate")
    assert first.data == second.data == DATA
    assert second.delay > first.delay
    (whole,) = arrivals(DATA, [], np.random.default_rng(0))
    assert whole.data == DATA
    assert whole.delay == timedelta(0)


def test_radars_read_wrong_and_clocks_run_ahead():
    assert miscalibrated(Receiver(-38.0), [fault("miscalibrated", -4.0)]).offset_db == -4.0
    assert clock_error([fault("wrong_clock", 3600), fault("late", 5)]) == HOUR
    assert miscalibrated(Receiver(-38.0), []) == Receiver(-38.0)
