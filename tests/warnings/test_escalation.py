"""Who is waited for, and where a task goes when nobody answers."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update
from tests.warnings.town import (
    IDS,
    PEOPLE,
    RED,
    WITHIN,
    calls,
    counts,
    later,
    passed,
    say,
    settle_in,
    step,
    tasks,
    waited_for,
)

from jinghu.grid.times import isoformat
from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.below import silent_below
from jinghu.warnings.database import verify_audit
from jinghu.warnings.escalation import due, escalate
from jinghu.warnings.levels import Level, Role, Tier
from jinghu.warnings.outbox import Claim, claim
from jinghu.warnings.tables import audit, outbox
from jinghu.warnings.waiting import AnswerWithin


def test_the_nearest_are_waited_for_and_those_above_are_told_only(town):
    assert waited_for(town) == {"grid1", "grid2", "grid3"}
    told = {r.recipient_id for r in town.rows(select(outbox.c.recipient_id))}
    assert told == {IDS[p] for p in ("grid1", "grid2", "grid3", "village1")}


def test_where_nobody_is_nearer_the_head_is_waited_for(world):
    settle_in(world, PEOPLE[3:])
    world.cycle({5: 4})
    assert waited_for(world) == {"village1"}


def test_of_several_in_one_unit_the_first_is_waited_for_and_one_answer_is_enough(world):
    settle_in(world, [*PEOPLE, ("relief", "grid_officer", "330602001001001", 5)])
    world.cycle(RED)
    assert "relief" not in waited_for(world)
    IDS["relief"] = len(PEOPLE) + 1
    say(world, "relief", Answer.ACKNOWLEDGED)
    assert waited_for(world) == {"grid2", "grid3"}
    assert tasks(world)["grid1"].status == "RELIEVED"
    step(world, 6)
    assert ("grid1", "village1", "SILENT") not in passed(world)


def test_nothing_goes_up_before_its_deadline(town):
    assert step(town, 4.9).escalated == 0
    assert step(town, 5).escalated == 3


def test_silence_goes_up_level_by_level_to_the_county_in_fifteen_minutes(town):
    say(town, "grid3", Answer.ACKNOWLEDGED)
    assert (step(town, 5).escalated, waited_for(town)) == (2, {"village1"})
    assert (step(town, 10).escalated, waited_for(town)) == (1, {"town"})
    assert (step(town, 15).escalated, waited_for(town)) == (1, {"county"})
    assert passed(town) == [
        ("grid1", "village1", "SILENT"),
        ("grid2", "village1", "SILENT"),
        ("village1", "town", "SILENT"),
        ("town", "county", "SILENT"),
    ]
    assert calls(town) == [("village1", 4), ("town", 4), ("county", 4)]  # two below, one message
    assert counts(town, 15) == {"acknowledged": 1, "escalated": 4, "overdue": 0}
    last = step(town, 20)
    assert (last.escalated, last.stuck) == (0, 1)  # above the county there is nobody
    assert counts(town, 20)["overdue"] == 1
    assert calls(town) == [("village1", 4), ("town", 4), ("county", 4)]
    assert verify_audit(town.engine) is None


def test_every_passing_on_stands_in_the_audit(town):
    step(town, 5)
    entries = town.rows(select(audit).where(audit.c.action == "escalated"))
    assert len(entries) == 3
    detail = json.loads(entries[0].detail)
    assert detail == {
        "reason": "SILENT",
        "deadline": isoformat(later(town, 5)),
        "to": IDS["village1"],
        "tier": "village",
    }


def test_a_second_run_finds_nothing(town):
    step(town, 5)
    before = (passed(town), calls(town), tasks(town))
    assert step(town, 5).escalated == 0
    assert (passed(town), calls(town), tasks(town)) == before


def test_a_level_without_anybody_is_skipped(world):
    people = [p for p in PEOPLE if p[0] not in ("village1", "village2")]
    settle_in(world, people)
    world.cycle({5: 4})
    step(world, 5)
    assert [r.person for r in tasks(world).values() if r.due_at] == ["town"]


@pytest.mark.parametrize("said", [Answer.ACKNOWLEDGED, Answer.HANDLED])
def test_who_answered_is_never_passed_on(town, said):
    for person in ("grid1", "grid2", "grid3"):
        say(town, person, said)
    assert step(town, 60).escalated == 0
    assert calls(town) == []


def test_who_cannot_handle_it_passes_it_on_at_once_and_once(town):
    say(town, "grid1", Answer.CANNOT_HANDLE)
    assert passed(town) == [("grid1", "village1", "CANNOT_HANDLE")]
    assert calls(town) == [("village1", 4)]
    say(town, "grid1", Answer.CANNOT_HANDLE, minutes=2)
    assert len(passed(town)) == 1
    say(town, "village1", Answer.CANNOT_HANDLE, minutes=3)
    assert passed(town)[1:] == [("village1", "town", "CANNOT_HANDLE")]
    assert step(town, 5).escalated == 2  # grids 2 and 3; the village's head has passed it on
    assert passed(town)[2:] == [("grid2", "town", "SILENT"), ("grid3", "village2", "SILENT")]


def test_where_nobody_above_can_handle_it_the_highest_is_asked_anew(town):
    """A county that cannot handle one matter is told of the next: nothing stays hidden below."""
    say(town, "grid1", Answer.CANNOT_HANDLE)
    for minutes, person in enumerate(("village1", "town", "county"), 2):
        say(town, person, Answer.CANNOT_HANDLE, minutes=minutes)
    assert tasks(town)["county"].status == "CANNOT_HANDLE"
    step(town, 5)
    assert passed(town)[3:] == [("grid2", "county", "SILENT"), ("grid3", "village2", "SILENT")]
    step(town, 10)
    assert passed(town)[5:] == [("village2", "county", "SILENT")]
    assert waited_for(town) == {"county"}
    assert calls(town)[3:] == [("county", 4), ("village2", 4), ("county", 4)]
    last = step(town, 60)
    assert (last.escalated, last.stuck) == (0, 1)  # above the county there is nobody
    assert counts(town, 60)["overdue"] == 1


def test_a_late_answer_calls_off_everybody_above(town):
    say(town, "grid2", Answer.HANDLED)
    say(town, "grid3", Answer.HANDLED)
    step(town, 5)
    step(town, 10)
    assert waited_for(town) == {"town"}
    say(town, "grid1", Answer.ACKNOWLEDGED, minutes=11)
    assert waited_for(town) == set()
    assert tasks(town)["village1"].status == tasks(town)["town"].status == "RELIEVED"
    assert step(town, 60).escalated == 0
    say(town, "grid1", Answer.CANNOT_HANDLE, minutes=61)  # thinks again: it goes up anew
    assert passed(town)[-1] == ("grid1", "village1", "CANNOT_HANDLE")
    assert waited_for(town) == {"village1"}


def test_one_answer_of_two_below_calls_nobody_off(town):
    step(town, 5)
    say(town, "grid1", Answer.ACKNOWLEDGED, minutes=6)
    assert waited_for(town) == {"village1", "village2"}


def test_who_acknowledged_above_is_told_of_more_and_not_waited_for_again(town):
    say(town, "grid1", Answer.CANNOT_HANDLE)
    say(town, "village1", Answer.ACKNOWLEDGED, minutes=2)
    step(town, 5)
    assert tasks(town)["village1"].status == "ACKNOWLEDGED"
    assert calls(town) == [("village1", 4), ("village1", 4), ("village2", 4)]
    step(town, 60)
    assert not any(below == "village1" for below, *_ in passed(town))


def test_the_end_ends_all_of_it_and_is_told_to_those_who_were_called(town):
    step(town, 5)
    step(town, 10)
    with town.engine.begin() as connection:
        connection.execute(
            update(outbox).where(outbox.c.recipient_id != IDS["town"]).values(attempts=1)
        )
        connection.execute(update(outbox).where(outbox.c.attempts == 1).values(status="SENT"))
    for _ in range(12):
        town.cycle({})
    assert {r.level for r in tasks(town).values()} == {0}
    assert waited_for(town) == set()
    ended = town.rows(select(outbox).where(outbox.c.level == 0))
    # village2 stands outside the area and was told; the town's message never got out
    assert {r.recipient_id for r in ended} == {IDS[p] for p in PEOPLE_TOLD}
    assert len(ended) == len(PEOPLE_TOLD)
    assert escalate(town.engine, WITHIN, town.time + timedelta(days=1)).escalated == 0


PEOPLE_TOLD = ("grid1", "grid2", "grid3", "village1", "village2")


def test_what_has_expired_by_the_clock_is_not_passed_on(town):
    with town.engine.connect() as connection:
        assert len(due(connection, later(town, 30))) == 3
        assert due(connection, later(town, 24 * 60)) == []


def test_who_is_called_on_keeps_the_task_where_the_rain_over_them_ends(town):
    """The head stands in cell 5, which is calm again; grid 2 in cell 6 is not."""
    step(town, 5)
    for _ in range(12):
        town.cycle({6: 4})
    rows = tasks(town)
    assert (rows["grid1"].level, rows["grid2"].level) == (0, 4)
    assert rows["village1"].level == 4
    assert rows["village1"].due_at is not None
    assert rows["village2"].status == "RELIEVED"  # grid 3 is out of it


def test_the_message_says_who_did_not_answer(town):
    say(town, "grid3", Answer.HANDLED)
    step(town, 5)
    now = later(town, 5)
    with town.engine.begin() as connection:
        found = [
            json.loads(m.body) for m in claim(connection, Claim(["sms"], now, 99), town.links, now)
        ]
    (call,) = [m for m in found if m["type"] == "task.escalated"]
    assert "330602001001001单位网格员grid1等2人未答复，请您接手" in call["text_zh"]
    assert "2 below you did not answer" in call["text_en"]
    with town.engine.connect() as connection:
        silent = silent_below(connection, tasks(town)["village1"].event_id, IDS["village1"])
    assert [(s.name, s.unable) for s in silent] == [("grid1", False), ("grid2", False)]


def test_waits_come_from_the_table(world):
    settle_in(world)
    world.office = type(world.office)(
        **{
            name: getattr(world.office, name)
            for name in world.office.__slots__
            if name != "answer_within"
        },
        answer_within=AnswerWithin(((Level.RED, Tier.GRID, timedelta(minutes=2)),)),
    )
    world.cycle({5: 4, 7: 3})
    rows = tasks(world)
    assert rows["grid1"].due_at == isoformat(later(world, 2))
    assert rows["grid3"].due_at is None  # orange is not in this table


def test_every_role_has_a_level_and_levels_name_shrinking_units():
    assert [Role(r).tier for r in ("grid_officer", "town_duty")] == [Tier.GRID, Tier.TOWN]
    assert [t.digits for t in Tier] == sorted((t.digits for t in Tier), reverse=True)
