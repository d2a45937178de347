"""Kept what-ifs: one JSON file each beside the cycles, so that two of them can be compared."""

import hashlib
import re
from datetime import datetime
from pathlib import Path

from pydantic import ValidationError

from jinghu.api.dispatch_schemas import (
    DispatchAnswer,
    DispatchRequest,
    Scenario,
    ScenarioList,
    ScenarioNote,
)
from jinghu.grid.durable import write_atomic
from jinghu.grid.errors import DataError, StoreError

FOLDER = "scenarios"
KEPT = 200
ID_PATTERN = r"^[0-9a-f]{12}$"


def keep(
    store: Path, request: DispatchRequest, answer: DispatchAnswer, made_at: datetime, made_by: str
) -> str:
    """Keep a what-if and return its identifier; the oldest beyond 200 go.

    The identifier is that of the wish, its title and its cycle: who wishes the same again writes
    the same file.

    Raises
    ------
    StoreError
        Where it cannot be written.
    """
    wish = request.model_copy(update={"cycle": answer.cycle})
    name = hashlib.sha256(wish.model_dump_json().encode()).hexdigest()[:12]
    told = answer.model_copy(update={"scenario": name})
    note = ScenarioNote(
        scenario=name,
        title=request.save_as or name,
        cycle=answer.cycle,
        made_at=made_at,
        made_by=made_by,
        members=answer.members,
    )
    folder = store / FOLDER
    content = Scenario(note=note, request=wish, answer=told).model_dump_json().encode()
    try:
        folder.mkdir(exist_ok=True)
        write_atomic(folder / f"{name}.json", content)
        for old in _newest_first(folder)[KEPT:]:
            old.unlink(missing_ok=True)
    except OSError as error:
        raise StoreError(f"{folder}: {error.strerror}") from None
    return name


def kept(store: Path) -> ScenarioList:
    """List what is kept, newest first, and name files that hold no scenario."""
    notes, unreadable = [], []
    for path in _newest_first(store / FOLDER):
        try:
            notes.append(_read(path).note)
        except DataError:
            unreadable.append(path.name)
    return ScenarioList(scenarios=notes, unreadable=unreadable)


def find(store: Path, name: str) -> Scenario:
    """Read a kept what-if; DataError where there is none of that name, or its file is damaged."""
    path = store / FOLDER / f"{name}.json"
    if not re.match(ID_PATTERN, name) or not path.exists():
        raise DataError(f"scenario {name}", "is not kept here")
    return _read(path)


def _newest_first(folder: Path) -> list[Path]:
    return sorted(folder.glob("[0-9a-f]*.json"), key=lambda p: (-p.stat().st_mtime, p.name))


def _read(path: Path) -> Scenario:
    try:
        return Scenario.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        raise DataError(path.name, f"holds no scenario: {type(error).__name__}") from None
