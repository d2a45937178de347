"""Seeded runs under faults (`fault_run`): nothing is lost, and answers end it."""

from pathlib import Path

import pytest
from tests.warnings.fault_run import one_run, receiver


def run(seeds: range, folder: Path) -> None:
    with receiver() as sink:
        wrong = {seed: found for seed in seeds if (found := one_run(seed, sink, folder).wrong)}
    assert wrong == {}


def test_forty_storms_with_faults(tmp_path):
    run(range(40), tmp_path)


@pytest.mark.slow
def test_two_hundred_storms_with_faults(tmp_path):
    run(range(40, 240), tmp_path)
