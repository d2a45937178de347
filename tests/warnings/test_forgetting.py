"""Retention: what names or shows somebody goes after so many days, and nothing else does."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update
from tests.warnings.town import IDS, say, step, tasks

from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.database import verify_audit
from jinghu.warnings.forgetting import GONE, Forgotten, forget, remove_photos
from jinghu.warnings.reports import Report, add_report
from jinghu.warnings.shifts import NewShift, add_shifts
from jinghu.warnings.tables import audit, event, feedback, outbox, recipient, shift, task

DAY = timedelta(days=1)
NOW = datetime.now(UTC) + 2 * DAY  # files are written by the clock


@pytest.fixture
def over(town, tmp_path):
    """An event with a report, a call upwards and a shift; it is closed, and one person has left."""
    task_id = tasks(town)["grid1"].task_id
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "other.png"):
        (tmp_path / "photos" / name).write_bytes(b"picture")
    say(town, "grid1", Answer.ACKNOWLEDGED)
    step(town, 6)
    report = Report("HANDLED", "张三家进水", 40, 3, 120.5, 30.0, "a.jpg")
    begin, end = town.time - DAY, town.time
    with town.engine.begin() as connection:
        add_report(connection, task_id, report, town.time)
        add_shifts(connection, [NewShift("grid2", begin, end)], "t", town.time)
        connection.execute(update(task).values(note="在王五家"))
        connection.execute(update(outbox).values(addressee="{}"))
        ended = town.time.strftime("%Y-%m-%dT%H:%M:%SZ")
        connection.execute(update(event).values(closed_at=ended))
        gone = update(recipient).where(recipient.c.person == "grid3")
        connection.execute(gone.values(removed_at=ended, cell_id=-1))
    return town, tmp_path / "photos"


def forgotten(world, days):
    now = world.time + 40 * DAY
    with world.engine.begin() as connection:
        return forget(connection, now - days * DAY, "tester", now)


def test_names_words_places_and_pictures_go_and_numbers_stay(over):
    world, photos = over
    calls = len([r for r in world.rows(select(outbox)) if r.silence])
    assert calls
    done = forgotten(world, 39)
    assert (done.reports, done.photos, done.people, done.shifts) == (1, 1, 1, 1)
    assert done.tasks == len(tasks(world))
    assert done.messages == len(world.rows(select(outbox)))
    (report,) = world.rows(select(feedback))
    assert (report.note, report.lon, report.lat, report.photo) == ("", None, None, None)
    assert (report.water_depth_cm, report.people_moved) == (40, 3)
    assert {row.note for row in world.rows(select(task))} == {""}
    assert all(r.silence is None and r.addressee is None for r in world.rows(select(outbox)))
    left = next(r for r in world.rows(select(recipient)) if r.removed_at)
    assert (left.person, left.name, left.lon) == (f"gone-{IDS['grid3']}", GONE, 0.0)
    stayed = {r.person for r in world.rows(select(recipient)) if r.removed_at is None}
    assert "grid1" in stayed
    assert world.rows(select(shift)) == []
    with world.engine.connect() as connection:
        assert remove_photos(connection, photos, NOW - 2 * DAY) == 0  # just written
        assert remove_photos(connection, photos, NOW) == 2
    assert list(photos.iterdir()) == []
    assert verify_audit(world.engine) is None
    assert world.rows(select(audit))[-1].action == "personal data removed"


def test_what_is_younger_stays_and_twice_is_once(over):
    world, photos = over
    assert forgotten(world, 41) == Forgotten()
    with world.engine.connect() as connection:
        assert remove_photos(connection, photos, NOW) == 1  # the one that was never reported
    assert [path.name for path in photos.iterdir()] == ["a.jpg"]
    assert forgotten(world, 39) != Forgotten()
    entries = len(world.rows(select(audit)))
    assert forgotten(world, 39) == Forgotten()
    assert len(world.rows(select(audit))) == entries
