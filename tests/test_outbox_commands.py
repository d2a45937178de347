"""Dead letters and disabled channels, seen and mended from the command line."""

import json
from datetime import timedelta

import pytest
import yaml
from sqlalchemy import select, update
from tests.api.conftest import TIME, make_settings, publish_cycle, warn_people

from jinghu.cli import main
from jinghu.warnings.acknowledge import Answer, Link, answer
from jinghu.warnings.database import open_database
from jinghu.warnings.reports import Report
from jinghu.warnings.tables import channel, outbox, task


@pytest.fixture
def office(tmp_path, capsys, monkeypatch):
    hook = {
        "name": "sms",
        "url": "http://127.0.0.1:1/in",
        "secret": "whsec_" + "A" * 32,
        "allow_private": True,
    }
    settings = make_settings(tmp_path, webhooks=[hook])
    warn_people(settings, publish_cycle(settings, TIME), TIME)
    config = tmp_path / "office.yaml"
    config.write_text(yaml.safe_dump(settings.model_dump(mode="json")), "utf-8")

    def jinghu(*arguments):
        monkeypatch.setattr("sys.argv", ["jinghu", *arguments, "-c", str(config)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return ended.value.code, said.out, said.err

    engine = open_database(settings.warnings.database)
    yield jinghu, engine
    engine.dispose()


def test_dead_letters_are_seen(office):
    jinghu, engine = office
    code, out, _ = jinghu("outbox", "dead", "--json")
    found = json.loads(out)
    assert (code, found["dead"], found["disabled"]) == (0, [], {})
    code, out, _ = jinghu("outbox", "retry", "--json")
    assert (code, json.loads(out)) == (0, {"queued": 0})
    with engine.connect() as connection:
        assert {r.status for r in connection.execute(select(outbox.c.status))} <= {"PENDING"}


def test_a_channel_is_enabled_once(office):
    jinghu, engine = office
    with engine.begin() as connection:
        connection.execute(channel.insert().values(name="gone", purpose="production"))
        connection.execute(
            update(channel).values(disabled_at="2026-07-01T00:00:00Z", disabled_cause="HTTP 410")
        )
    _, out, _ = jinghu("outbox", "dead")
    assert "channel gone is disabled: HTTP 410 (2026-07-01T00:00:00Z)" in out
    assert jinghu("outbox", "enable", "gone")[:2] == (0, "channel gone is enabled\n")
    code, _, err = jinghu("outbox", "enable", "gone")
    assert (code, err) == (3, "jinghu: channel gone: it is not disabled\n")


def test_one_worker_once(office):
    jinghu, _ = office
    code, out, _ = jinghu("deliver", "--json")
    assert (code, json.loads(out)["sent"]) == (0, 0)


def test_looking_back_at_an_event(office):
    jinghu, engine = office
    with engine.connect() as connection:
        row = connection.execute(select(task)).one()
    link = Link(row.event_id, row.recipient_id, TIME + timedelta(hours=6))
    report = Report("HANDLED", "桥头积水", water_depth_cm=45, people_moved=12)
    answer(engine, link, Answer.HANDLED, "桥头积水", TIME + timedelta(minutes=4), report=report)
    code, out, _ = jinghu("review", row.event_id, "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["highest"], found["people_moved"]) == ("orange", 12)
    assert [m["action"] for m in found["issued"]] == ["NEW"]
    assert found["done"][0]["by_status"] == {"HANDLED": 1}
    assert found["done"][0]["median_answer_s"] == 240.0
    assert [r["water_depth_cm"] for r in found["reports"]] == [45]
    _, out, _ = jinghu("review", row.event_id)
    assert "HANDLED: 桥头积水 积水 water 45 cm" in out
    code, _, err = jinghu("review", "nothing")
    assert (code, err) == (3, "jinghu: nothing: there is no such event\n")
