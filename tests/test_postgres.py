"""An installation on PostgreSQL, from its settings to the audit, by its commands."""

import json
import socket
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from tests.test_alerting import Office, configure
from tests.test_cycle import run

from jinghu.grid.errors import StoreError
from jinghu.grid.store import Store
from jinghu.warnings.database import is_made


@pytest.fixture
def config(tmp_path, postgres):
    return configure(tmp_path, database=postgres.database())


def said_of_database(out: str) -> dict[str, object]:
    return next(f for f in json.loads(out) if f["what"] == "database")


def test_from_an_empty_database_to_answers_and_the_audit(config, jinghu):
    shown = "postgresql+pg8000://office:***@127.0.0.1"
    found = said_of_database(jinghu("doctor", "-c", config, "--json")[1])
    assert found["good"] is True
    assert str(found["text"]).startswith(shown)
    assert str(found["text"]).endswith("made by the first cycle")

    office = Office(config)
    office.time = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
    summary = office.cycle(160)
    assert summary["issued"] > 0
    assert summary["recipients"] > 100
    assert office.cycle(200)["updated"] > 0
    assert office.again(200)["repeated"] is True

    code, out, _ = jinghu("escalate", "-c", config, "--json")
    assert (code, json.loads(out)["passed_on"] > 0) == (0, True)
    code, out, _ = jinghu("deliver", "-c", config, "--json")
    assert (code, json.loads(out)["dead"]) == (0, 0)
    code, out, _ = jinghu("keys", "create", "值班", "--scope", "viewer", "-c", config)
    assert code == 0
    assert "值班" in jinghu("keys", "list", "-c", config)[1]
    people = json.loads(jinghu("audience", "list", "-c", config, "--json")[1])
    assert len(people) == 1200
    code, out, _ = jinghu("audit", "verify", "-c", config)
    assert (code, "whole" in out) == (0, True), out
    found = said_of_database(jinghu("doctor", "-c", config, "--json")[1])
    assert str(found["text"]).endswith("the audit chain is whole")


def test_a_database_that_cannot_be_reached_is_one_line_without_the_password(tmp_path, jinghu):
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = free.getsockname()[1]
    url = f"postgresql+pg8000://office:geheim@127.0.0.1:{nobody}/warnings"
    config = configure(tmp_path, database=url)
    code, out, _ = jinghu("doctor", "-c", config, "--json")
    found = said_of_database(out)
    assert (code, found["good"]) == (1, False)
    assert f"cannot be reached at 127.0.0.1:{nobody}: Connection refused" in str(found["text"])
    assert "geheim" not in out
    code, _, err = jinghu("audit", "verify", "-c", config)
    assert (code, err.count("\n"), "geheim" in err) == (1, 1, False)
    assert f"office:***@127.0.0.1:{nobody}/warnings" in err


def test_an_installation_moves_and_goes_on(tmp_path, postgres, jinghu):
    """Warned with SQLite until now; the storm goes on with PostgreSQL."""
    before = Office(configure(tmp_path))
    before.time = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=30)
    issued = before.cycle(160)["issued"]
    old = before.settings.warnings.database
    config = configure(tmp_path, database=postgres.database())
    code, out, _ = jinghu("database", "move", old, "-c", config, "--json")
    moved = json.loads(out)
    assert (code, moved["recipient"], moved["alert"]) == (0, 1200, issued)
    after = Office(config)
    after.time = before.time
    assert after.again(160)["repeated"] is True
    assert after.cycle(200)["updated"] > 0
    code, out, _ = jinghu("audit", "verify", "-c", config)
    assert (code, "whole" in out) == (0, True), out

    code, _, err = jinghu("database", "move", old, "-c", config)
    assert (code, "it is not empty" in err) == (3, True)
    nothing = f"sqlite:///{tmp_path / 'nothing.db'}"
    code, _, err = jinghu("database", "move", nothing, "-c", config)
    assert (code, "there is none" in err) == (3, True)


@pytest.mark.slow
def test_whole_cycles(event, postgres, tmp_path, jinghu):
    """The rain is published while the database is away; people are told when it is there."""
    url = postgres.database()
    settings = event.alone(tmp_path / "store")
    there = settings.model_copy(
        update={"warnings": settings.warnings.model_copy(update={"database": url})}
    )
    away = settings.model_copy(
        update={
            "warnings": settings.warnings.model_copy(
                update={"database": url.replace(f":{postgres.port}/", ":1/")}
            )
        }
    )
    with pytest.raises(StoreError, match="cannot be reached") as error:
        run(away, event.time)
    assert "sesame" not in str(error.value)
    part = Store(settings.store).latest()
    assert part is not None
    degradations = part.manifest()["degradations"]
    assert any("answers are not counted" in d and "cannot be reached" in d for d in degradations)
    assert not is_made(url)
    result = run(there, event.time + event.step)
    assert "recipients" in result.warnings.summary
    assert is_made(url)
    part = Store(settings.store).latest()
    assert part is not None
    assert part.manifest()["answers"] == {"acknowledged": 0, "escalated": 0, "overdue": 0}
    config = tmp_path / "office.yaml"
    config.write_text(yaml.safe_dump(there.model_dump(mode="json")), "utf-8")
    code, out, _ = jinghu("audit", "verify", "-c", config)
    assert (code, "whole" in out) == (0, True), out
