"""What the commands about warnings do: CAP files, recipients, what was issued."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, select
from sqlalchemy.exc import SQLAlchemyError

from jinghu.configs.settings import Settings
from jinghu.grid.errors import DataError, StoreError
from jinghu.warnings.audience import match
from jinghu.warnings.cap import validate
from jinghu.warnings.database import one_line, open_database, reading
from jinghu.warnings.levels import Level
from jinghu.warnings.queries import get_cap, get_cap_cn
from jinghu.warnings.tables import alert, alert_cell, recipient

T = TypeVar("T")


def validate_cap(files: Sequence[Path]) -> Iterator[tuple[Path, list[dict[str, str]]]]:
    """Problems of every file as ``{rule, place, message}``."""
    for file in files:
        try:
            found = validate(file.read_bytes())
        except OSError as error:
            raise DataError(file, error.strerror or str(error)) from None
        yield file, [{"rule": p.rule, "place": p.place, "message": p.message} for p in found]


def export_cap(identifier: str, settings: Settings, *, national: bool = False) -> bytes:
    """One alert as it was issued; DataError where there is none of that identifier.

    ``national`` writes the identifiers and times of the Chinese scheme in place of those of CAP.
    """
    read = get_cap_cn if national else get_cap
    return _reading(settings, lambda connection: read(connection, identifier))


def match_audience(identifier: str, settings: Settings) -> dict[str, Any]:
    """How many recipients stand in the cells of an alert now, by role and by level.

    Counts, no names: who they are is nobody's business on a terminal.
    """
    return _reading(settings, lambda connection: _matched(connection, identifier))


def _matched(connection: Connection, identifier: str) -> dict[str, Any]:
    key = connection.execute(
        select(alert.c.alert_id).where(alert.c.identifier == identifier)
    ).scalar()
    if key is None:
        raise DataError(identifier, "there is no such warning")
    cells = connection.execute(
        select(alert_cell.c.cell_id, alert_cell.c.level).where(alert_cell.c.alert_id == key)
    )
    levels = {int(row.cell_id): int(row.level) for row in cells}
    found = match(connection, levels)
    query = select(recipient.c.recipient_id, recipient.c.role, recipient.c.cell_id)
    wanted = set(found)
    people = [row for row in connection.execute(query) if row.recipient_id in wanted]
    return {
        "alert": identifier,
        "cells": len(levels),
        "recipients": len(found),
        "roles": dict(Counter(str(row.role) for row in people).most_common()),
        "levels": dict(Counter(Level(levels[row.cell_id]).en for row in people).most_common()),
    }


def _reading(settings: Settings, what: Callable[[Connection], T]) -> T:
    engine = open_database(settings.warnings.database)
    try:
        with reading(engine) as connection:
            return what(connection)
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    finally:
        engine.dispose()
