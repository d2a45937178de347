from pathlib import Path

import pytest

from jinghu.grid.errors import (
    ConfigError,
    DataError,
    DeliveryError,
    JinghuError,
    NotBuiltError,
    StoreError,
)


def test_a_refused_input_is_named_with_its_cause():
    error = DataError(Path("radar/Z9571.bin"), "no radial in it")
    assert str(error) == "radar/Z9571.bin: no radial in it"
    assert (error.source, error.cause) == ("radar/Z9571.bin", "no radial in it")


def test_deliveries_tell_whether_trying_again_helps():
    assert DeliveryError("timeout", retryable=True).retryable


@pytest.mark.parametrize("kind", [ConfigError, DataError, DeliveryError, NotBuiltError, StoreError])
def test_all_are_reported_in_one_line(kind):
    assert issubclass(kind, JinghuError)
