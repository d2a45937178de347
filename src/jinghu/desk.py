"""What people decide between two cycles, as commands and the service use it: decide, then tell."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import Connection, Engine

from jinghu.alerting import deliver_now, office_with, units_of
from jinghu.api.deps import utc_now
from jinghu.api.desk import Desk
from jinghu.channels import channels_of
from jinghu.configs.settings import Settings
from jinghu.grid.errors import JinghuError
from jinghu.people import people_database
from jinghu.warnings.database import reading
from jinghu.warnings.decisions import anything_due, settle_due
from jinghu.warnings.office import Office
from jinghu.warnings.units import Units

_log = logging.getLogger("jinghu.desk")


def desk_of(settings: Settings, clock: Callable[[], datetime] = utc_now) -> Desk:
    """The desk of a service: its office, and how what was decided is handed over.

    ``clock`` is that by which warnings expire; in a drill the drill's.
    """
    units: list[Units] = []  # worked out once, when somebody first decides

    def office() -> Office:
        if not units:
            units.append(units_of(settings))
        return office_with(settings, units[0])

    def hand() -> None:
        try:
            hand_over(settings, clock())
        except JinghuError as error:
            _log.error("delivery after a decision: %s", error)

    return Desk(office, hand)


def hand_over(settings: Settings, now: datetime) -> None:
    """Deliver what is due, and has not expired by ``now``.

    Raises
    ------
    ConfigError
        Where a channel can never work.
    StoreError
        Where the database cannot be read or written.
    """
    with people_database(settings) as engine:
        deliver_now(engine, channels_of(settings), settings, now)


def settle_waiting(engine: Engine, settings: Settings, now: datetime) -> list[str]:
    """Issue what has waited in vain for a second person; returns the identifiers.

    Cycles do so too; between them whoever delivers does it, so that it is not late by a cycle.
    """
    with reading(engine) as connection:
        if not anything_due(connection, settings.warnings.status, now):
            return []
    office = office_with(settings, units_of(settings))
    with engine.begin() as connection:
        return settle_due(connection, office, now).alerts


@contextmanager
def deciding(settings: Settings) -> Iterator[tuple[Connection, Office]]:
    """A transaction of the database and the office; what was decided is handed over afterwards.

    Raises
    ------
    StoreError
        Where the database cannot be read or written.
    """
    office = office_with(settings, units_of(settings))
    with people_database(settings) as engine, engine.begin() as connection:
        yield connection, office
    hand_over(settings, utc_now())


@contextmanager
def reading_database(settings: Settings) -> Iterator[Connection]:
    """A transaction that only reads.

    Raises
    ------
    StoreError
        Where the database cannot be read.
    """
    with people_database(settings) as engine, reading(engine) as connection:
        yield connection
