"""Processes beside the drill's: what they send, how they fail, and that they end with the block."""

from multiprocessing.connection import Connection

import pytest

from jinghu.beside import beside
from jinghu.grid.errors import ConfigError, JinghuError


def echo(line: Connection, prefix: str) -> None:
    while True:
        line.send(f"{prefix} {line.recv()}")


def fail(line: Connection) -> None:
    raise ConfigError("the port is in use")


def leave(line: Connection) -> None:
    raise SystemExit(3)


def test_it_answers_and_ends_with_the_block():
    with beside("echo", echo, "heard") as process:
        assert process.ask("one") == "heard one"
        assert process.ask("two") == "heard two"
        process.require_alive()
    assert not process.process.is_alive()


def test_its_error_is_raised_where_it_is_waited_for():
    with beside("service", fail) as process:
        process.process.join()
        with pytest.raises(ConfigError, match="port is in use"):
            process.require_alive()
        with pytest.raises(JinghuError, match="'service' ended, 0"):
            process.ask("still there?")


def test_one_that_ends_is_named():
    with (
        beside("people", leave) as process,
        pytest.raises(JinghuError, match="'people' ended, 3"),
    ):
        process.receive()
