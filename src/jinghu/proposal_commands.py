"""What the commands of second persons do: who decides shows a key, as over HTTP."""

import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from jinghu.configs.settings import Settings, load
from jinghu.desk import deciding, reading_database
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import isoformat
from jinghu.warnings.decisions import decide_proposal
from jinghu.warnings.keys import ApiKey, authenticate
from jinghu.warnings.proposals import Proposal, list_proposals
from jinghu.warnings.purposes import fits

KEY_VARIABLE = "JINGHU_KEY"
_SHOWN = 100


def proposals_of(config: Path, *, waiting: bool) -> list[dict[str, Any]]:
    """Steps that wait for a second person, or the last ones, the newest first."""
    settings = load(config)
    with reading_database(settings) as connection:
        found = list_proposals(connection, settings.warnings.status, "", waiting, _SHOWN)
    return [_row(one) for one in found]


def answer_proposal(
    number: int, config: Path, key_file: Path | None, reason: str, *, approved: bool
) -> dict[str, Any]:
    """Approve or refuse a step; returns what came of it.

    Raises
    ------
    ConfigError
        Where there is no key, or a refusal has no reason.
    DataError
        Where the key, or the proposal, cannot do this.
    """
    settings, now = load(config), datetime.now(UTC)
    with deciding(settings) as (connection, office):
        key = _key(connection, settings, key_file, now)
        done = decide_proposal(connection, office, number, approved, key, reason, now)
    return {"proposal": number, "warnings": done.alerts}


def _key(
    connection: Connection, settings: Settings, key_file: Path | None, now: datetime
) -> ApiKey:
    """Who decides: the holder of the key in a file, or in the environment."""
    token = os.environ.get(KEY_VARIABLE, "")
    if key_file is not None:
        try:
            token = key_file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"--key-file {key_file}: {error}") from None
    if not token.strip():
        raise ConfigError(f"a key is needed: --key-file FILE, or the variable {KEY_VARIABLE}")
    key = authenticate(connection, token.strip(), now)
    if not fits(key.purpose, settings.warnings.status):
        status = settings.warnings.status
        raise ConfigError(f"{key.prefix} is a {key.purpose} key, the installation is {status}")
    return key


def _row(one: Proposal) -> dict[str, Any]:
    place, wanted = one.place, one.wanted
    return {
        "proposal": one.number,
        "state": one.state.value,
        "hazard": place.hazard.value,
        "county": place.county,
        "place": place.subject.key if place.subject else "",
        "step": wanted.step.kind.value,
        "level": wanted.step.level.en,
        "cells": len(wanted.cells),
        "proposed_by": wanted.by,
        "reason": wanted.reason,
        "due_at": isoformat(one.due_at),
        "otherwise": one.otherwise.value,
        "decided_by": one.decided_by,
        "decision": one.decision,
    }
