"""What has been answered between two cycles, and the command that passes the rest on."""

import json
import sqlite3
import sys
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console
from tests.test_alerting import Office, configure

from jinghu.answers import answers_so_far, follow_up
from jinghu.cli import main
from jinghu.configs.settings import load
from jinghu.grid.errors import StoreError
from jinghu.grid.times import isoformat
from jinghu.stages import StageLog


def storm_of_silence(path):
    """A cycle half an hour ago of which every deadline passed a minute ago."""
    office = Office(path)
    office.time = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
    summary = office.cycle(160)
    assert (summary["acknowledged"], summary["escalated"], summary["overdue"]) == (0, 0, 0)
    before = isoformat(datetime.now(UTC) - timedelta(minutes=1))
    connection = sqlite3.connect(office.settings.warnings.database.removeprefix("sqlite:///"))
    with connection:
        late = connection.execute("UPDATE task SET due_at = ? WHERE due_at IS NOT NULL", [before])
    connection.close()
    return office.settings, late.rowcount


def test_what_a_manifest_says_of_answers_is_how_they_stand(tmp_path):
    settings, late = storm_of_silence(configure(tmp_path))
    log, now = StageLog(Console(quiet=True)), datetime.now(UTC)
    none = {"acknowledged": 0, "escalated": 0, "overdue": late}
    assert answers_so_far(settings, now, log) == none
    found = follow_up(settings, now)
    assert found["passed_on"] == late
    assert answers_so_far(settings, now, log) == none | {"escalated": late, "overdue": 0}
    assert log.degradations == []


def test_a_database_that_cannot_tell_is_named_and_stops_nothing(tmp_path):
    settings = load(configure(tmp_path))
    file = tmp_path / "store" / "warnings.db"
    file.parent.mkdir()
    file.write_bytes(b"this was a database once" * 100)
    log = StageLog(Console(quiet=True))
    assert answers_so_far(settings, datetime.now(UTC), log) is None
    (cause,) = log.degradations
    assert cause.startswith("answers are not counted: warnings database")
    assert "\n" not in cause
    with pytest.raises(StoreError, match="warnings database"):
        follow_up(settings, datetime.now(UTC))


def test_the_command_passes_on_what_is_overdue(tmp_path, monkeypatch, capsys):
    path = configure(tmp_path)
    _, late = storm_of_silence(path)
    for expected in (late, 0):
        monkeypatch.setattr(sys, "argv", ["jinghu", "escalate", "-c", str(path), "--json"])
        with pytest.raises(SystemExit, match="0"):
            main()
        found = json.loads(capsys.readouterr().out)
        assert found["passed_on"] == expected
        assert found["escalated"] == late > 20
