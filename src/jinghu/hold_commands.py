"""What the commands of forecasters' holds do."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from jinghu.configs.settings import load
from jinghu.desk import deciding, reading_database
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.decisions import decide_hold, release_hold
from jinghu.warnings.holds import Hold, HoldKind, standing_holds
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
    cells: str = ""


def set_hold(request: HoldRequest, config: Path) -> dict[str, object]:
    """Write down a hold and act on it; returns its number, and what came of it.

    Raises
    ------
    ConfigError
        Where a word is none of those that are known, or the hold cannot be.
    StoreError
        Where the database cannot be written.
    """
    settings = load(config)
    level = Level.__members__.get(request.level.upper())
    if level is None:
        raise ConfigError(f"--level {request.level}: none of none, blue, yellow, orange, red")
    wanted = Hold(
        _word(Hazard, request.hazard, "--hazard"),
        request.county,
        request.place,
        _word(HoldKind, request.kind, "--kind"),
        level,
        request.reason,
        request.author,
        parse_time(request.until),
        _cells(request.cells),
    )
    with deciding(settings) as (connection, office):
        number, summary = decide_hold(connection, office, wanted, None, datetime.now(UTC))
    return {"hold": number, "warnings": summary.alerts, "proposals": summary.proposed}


def _cells(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(word) for word in text.split(",") if word.strip()}))
    except ValueError:
        raise ConfigError(f"--cells {text}: wanted numbers of cells, with commas") from None


def list_holds(config: Path) -> list[dict[str, object]]:
    """Return the holds that count now."""
    settings = load(config)
    with reading_database(settings) as connection:
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
            "cells": list(one.cells),
        }
        for number, one in found
    ]


def stop_hold(number: int, author: str, reason: str, config: Path) -> None:
    """End a hold; DataError where there is none that counts."""
    with deciding(load(config)) as (connection, office):
        release_hold(connection, office, number, author, reason, datetime.now(UTC))


def _word(kind: type[Word], text: str, option: str) -> Word:
    try:
        return kind(text)
    except ValueError:
        raise ConfigError(f"{option} {text}: none of {', '.join(kind)}") from None
