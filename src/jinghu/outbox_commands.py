"""What the commands about delivery do: the outbox, and looking back at an event."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from jinghu.alerting import links_of
from jinghu.channels import channels_of, digest_of
from jinghu.configs.settings import Settings
from jinghu.desk import settle_waiting
from jinghu.grid.errors import StoreError
from jinghu.warnings import dead_letters as letters
from jinghu.warnings.database import one_line, open_database, reading
from jinghu.warnings.delivery import deliver, outbox_counts, waiting_of
from jinghu.warnings.outbox import disabled_channels
from jinghu.warnings.review import review

_LOOK_EVERY_S = 0.5  # a message waits no longer than this for a worker that has nothing to do


@contextmanager
def _opened(settings: Settings) -> Iterator[Engine]:
    engine = open_database(settings.warnings.database)
    try:
        yield engine
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    finally:
        engine.dispose()


def dead_letters(settings: Settings) -> dict[str, Any]:
    """Dead letters, disabled channels, and how many messages wait."""
    with _opened(settings) as engine:
        counts = outbox_counts(engine)
        with reading(engine) as connection:
            return {
                "dead": [asdict(letter) for letter in letters.list_dead(connection)],
                "disabled": disabled_channels(connection),
                "waiting": waiting_of(counts),
            }


def retry_dead(settings: Settings, now: datetime) -> int:
    """Queue dead letters of warnings in force again; returns how many."""
    with _opened(settings) as engine, engine.begin() as connection:
        return letters.retry_dead(connection, now)


def enable_channel(name: str, settings: Settings, now: datetime) -> None:
    """Use a channel again; DataError where it is not disabled."""
    with _opened(settings) as engine, engine.begin() as connection:
        letters.enable(connection, name, now)


def review_event(event_id: str, settings: Settings) -> dict[str, Any]:
    """Look back at one event; DataError where there is none of that name."""
    with _opened(settings) as engine, reading(engine) as connection:
        found = review(connection, event_id)
    return asdict(found) | {"people_moved": found.people_moved}


def deliver_due(settings: Settings, watch: bool) -> Iterator[dict[str, Any]]:
    """Deliver what is due, once or until stopped; gives what each run came to.

    What has waited in vain for a second person is issued first.
    """
    channels, links, digest = channels_of(settings), links_of(settings), digest_of(settings)
    with _opened(settings) as engine:
        while True:
            settle_waiting(engine, settings, datetime.now(UTC))
            found = deliver(engine, channels, links, lambda: datetime.now(UTC), digest=digest)
            yield asdict(found)
            if not watch:
                return
            time.sleep(_LOOK_EVERY_S)
