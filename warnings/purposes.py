"""Drill or production: a message of a drill never leaves through a production channel."""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from sqlalchemy import Connection, insert, select

from jinghu.grid.errors import ConfigError
from jinghu.warnings.tables import channel as channel_table


class Purpose(StrEnum):
    """What a channel is for."""

    PRODUCTION = "production"
    DRILL = "drill"


def fits(purpose: Purpose, status: str) -> bool:
    """Whether messages of a status may go through a channel.

    Exercise goes to drill channels alone and Actual to production alone. Test, by which a receiver
    is tried before it is relied on, goes through either.
    """
    wrong = {"Exercise": Purpose.PRODUCTION, "Actual": Purpose.DRILL}
    return wrong.get(status) is not purpose


def require_fit(name: str, purpose: Purpose | None, status: str) -> None:
    """Raise ConfigError where messages of a status may not go through a channel."""
    if purpose is None:
        raise ConfigError(f"channel {name}: it is not registered")
    if not fits(purpose, status):
        raise ConfigError(f"channel {name}: {status} messages never go to a {purpose} channel")


def register_channels(connection: Connection, declared: Mapping[str, Purpose]) -> None:
    """Write down what channels are for, once and for all.

    Raises
    ------
    ConfigError
        Where a channel was declared to be for something else before: what waits for it would
        reach the wrong people.
    """
    known = channel_purposes(connection, declared)
    for name, purpose in declared.items():
        if name not in known:
            connection.execute(insert(channel_table).values(name=name, purpose=purpose.value))
        elif known[name] is not purpose:
            raise ConfigError(
                f"channel {name}: it is a {known[name]} channel in this database and cannot become"
                f" a {purpose} one; give it another name"
            )


def channel_purposes(connection: Connection, names: Iterable[str]) -> dict[str, Purpose]:
    """What registered channels are for."""
    table = channel_table
    query = select(table.c.name, table.c.purpose).where(table.c.name.in_(list(names)))
    return {name: Purpose(purpose) for name, purpose in connection.execute(query)}
