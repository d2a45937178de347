"""What the commands of forecasters' holds do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from jinghu.alerting import units_of
from jinghu.configs.settings import Settings, load
from jinghu.grid.errors import ConfigError, StoreError
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.database import one_line, open_database, reading
from jinghu.warnings.holds import Hold, HoldKind, end_hold, place_hold, standing_holds
from jinghu.warnings.levels import Hazard, Level

T = TypeVar("T")
Word = TypeVar("Word", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class HoldRequest:
    """What was asked for, in the words of the command line."""

    hazard: str
    county: str
    place: str
    kind: str
    level: str
    reason: str
    author: str
    until: str


def set_hold(request: HoldRequest, config: Path) -> int:
    """Write down a hold; returns its number.

    Raises
    ------
    ConfigError
        Where a word is none of those that are known, or the hold cannot be.
    StoreError
        Where the database cannot be written.
    """
    settings = load(config)
    hazard = _word(Hazard, request.hazard, "--hazard")
    if (hazard is Hazard.RAINSTORM) == bool(request.place):
        raise ConfigError("--place: is given with river_flood and reservoir, and only with them")
    if request.county not in (codes := [c.code for c in units_of(settings).counties]):
        raise ConfigError(f"--county {request.county}: there are {', '.join(codes)}")
    level = Level.__members__.get(request.level.upper())
    if level is None:
        raise ConfigError(f"--level {request.level}: none of none, blue, yellow, orange, red")
    wanted = Hold(
        hazard,
        request.county,
        request.place,
        _word(HoldKind, request.kind, "--kind"),
        level,
        request.reason,
        request.author,
        parse_time(request.until),
    )
    status, now = settings.warnings.status, datetime.now(UTC)
    return _with(settings, lambda engine: place_hold(engine, wanted, status, now))


def list_holds(config: Path) -> list[dict[str, object]]:
    """Return the holds that count now."""
    settings = load(config)

    def read(engine: Engine) -> list[dict[str, object]]:
        with reading(engine) as connection:
            found = standing_holds(connection, settings.warnings.status, datetime.now(UTC))
        return [
            {
                "hold": number,
                "hazard": one.hazard.value,
                "county": one.county,
                "place": one.subject,
                "kind": one.kind.value,
                "level": one.level.en,
                "until": isoformat(one.until),
                "author": one.author,
                "reason": one.reason,
            }
            for number, one in found
        ]

    return _with(settings, read)


def stop_hold(number: int, author: str, config: Path) -> None:
    """End a hold; DataError where there is none that counts."""
    _with(load(config), lambda engine: end_hold(engine, number, author, datetime.now(UTC)))


def _word(kind: type[Word], text: str, option: str) -> Word:
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"{option} {text}: none of {', '.join(kind)}") from None


def _with(settings: Settings, work: Callable[[Engine], T]) -> T:
    engine = open_database(settings.warnings.database)
    try:
        return work(engine)
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    finally:
        engine.dispose()
