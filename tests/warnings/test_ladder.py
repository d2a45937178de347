"""Who takes over from whom, decided without a database."""

from datetime import UTC, datetime, timedelta

import pytest

from jinghu.warnings.ladder import Ladder, Overdue, Person, Reason, TaskAbove, unit_of
from jinghu.warnings.levels import Level, Tier
from jinghu.warnings.waiting import AnswerWithin

NOW = datetime(2026, 7, 1, 0, 5, tzinfo=UTC)
SOON, USUAL, LATE = "2026-07-01T00:06:00Z", "2026-07-01T00:10:00Z", "2026-07-01T00:15:00Z"
HEAD = Person(10, Tier.VILLAGE, "330602001001")
RELIEF = Person(11, Tier.VILLAGE, "330602001001")
TOWN = Person(20, Tier.TOWN, "330602001000")  # as the 12-digit extension writes a town
COUNTY = Person(30, Tier.COUNTY, "330602")
CITY = Person(40, Tier.CITY, "330600")
ALL = (HEAD, TOWN, COUNTY, CITY)


def make(people=ALL, tasks=()):
    asked = {t.person.recipient_id: t for t in tasks}
    waited_for = {t.person.unit: t.person for t in tasks if t.due_at}
    return Ladder(AnswerWithin(), NOW, {p.unit: p for p in people}, waited_for, asked)


def overdue(key=1, tier=Tier.GRID, unit="330602001001001", level=4, recipient_id=None):
    recipient_id = key if recipient_id is None else recipient_id
    return Overdue(key, "e", recipient_id, tier, unit, level, "2026-07-01T00:05:00Z")


def handed(ladder):
    return [h.to.recipient_id for h in ladder.handed]


def test_units_nest_however_long_their_codes_are():
    grid = "330602001001001"
    assert [unit_of(p.tier, grid) for p in ALL] == [p.unit for p in ALL]


@pytest.mark.parametrize("k", range(4))
def test_levels_without_anybody_are_skipped(k):
    ladder = make(ALL[k:])
    ladder.pass_on(overdue())
    assert handed(ladder) == [ALL[k].recipient_id]
    assert ladder.changed[ALL[k].recipient_id].due_at == USUAL


def test_nobody_above():
    ladder = make([HEAD])
    ladder.pass_on(overdue(tier=Tier.VILLAGE, unit=HEAD.unit_code))
    assert (handed(ladder), ladder.changed, ladder.calls, ladder.stuck) == ([], {}, {}, 1)


def test_who_is_waited_for_in_a_unit_takes_over_rather_than_the_first_of_the_roster():
    ladder = make(tasks=[TaskAbove(RELIEF, 2, "TOLD", SOON)])
    ladder.pass_on(overdue())
    assert handed(ladder) == [RELIEF.recipient_id]
    changed = ladder.changed[RELIEF.recipient_id]
    assert (changed.level, changed.due_at) == (4, SOON)  # a deadline that runs is not moved


@pytest.mark.parametrize(
    "gone",
    [TaskAbove(HEAD, 4, "CANNOT_HANDLE", None), TaskAbove(HEAD, 4, "TOLD", None, raised_at=SOON)],
)
def test_who_has_passed_it_on_is_not_called_on(gone):
    ladder = make(tasks=[gone])
    ladder.pass_on(overdue())
    assert handed(ladder) == [TOWN.recipient_id]


def test_where_everybody_above_cannot_the_highest_whom_nobody_relieved_is_asked_anew():
    refused = [
        TaskAbove(HEAD, 4, "CANNOT_HANDLE", None, raised_at=SOON),
        TaskAbove(TOWN, 4, "CANNOT_HANDLE", None),
        TaskAbove(COUNTY, 4, "CANNOT_HANDLE", None, raised_at=SOON),
    ]
    ladder = make((HEAD, TOWN, COUNTY), refused)
    ladder.pass_on(overdue())
    assert handed(ladder) == [TOWN.recipient_id]
    assert ladder.changed[TOWN.recipient_id].status == "TOLD"
    assert ladder.stuck == 0


def test_one_who_passes_it_on_in_the_same_step_is_not_called_on_either():
    ladder = make(tasks=[TaskAbove(HEAD, 4, "TOLD", SOON)])
    ladder.pass_on(overdue(7, Tier.VILLAGE, HEAD.unit_code, recipient_id=HEAD.recipient_id))
    ladder.pass_on(overdue(1))
    ladder.pass_on(overdue(2))
    assert handed(ladder) == [TOWN.recipient_id] * 3
    assert ladder.calls == {TOWN.recipient_id: 4}
    assert list(ladder.changed) == [TOWN.recipient_id]


@pytest.mark.parametrize(("level", "asked_again"), [(4, False), (3, False), (2, True)])
def test_an_answer_covers_the_levels_up_to_its_own(level, asked_again):
    """The head answered at a level; a grid's task at orange (3) comes up."""
    ladder = make(tasks=[TaskAbove(HEAD, level, "ACKNOWLEDGED", None)])
    ladder.pass_on(overdue(level=3))
    assert handed(ladder) == [HEAD.recipient_id]
    assert ladder.calls == {HEAD.recipient_id: 3}
    assert (HEAD.recipient_id in ladder.changed) is asked_again
    if asked_again:
        changed = ladder.changed[HEAD.recipient_id]
        assert (changed.status, changed.level, changed.due_at) == ("TOLD", 3, LATE)


def test_the_call_carries_the_highest_level_of_those_below():
    ladder = make()
    for key, level in ((1, 2), (2, 4), (3, 3)):
        ladder.pass_on(overdue(key, level=level))
    assert ladder.calls == {HEAD.recipient_id: 4}
    changed = ladder.changed[HEAD.recipient_id]
    assert (changed.level, changed.due_at) == (4, USUAL)  # the shortest of the waits


def test_a_level_that_asks_for_no_answer_asks_for_none_above():
    ladder = make()
    ladder.within = AnswerWithin(((Level.RED, Tier.GRID, timedelta(minutes=5)),))
    ladder.pass_on(overdue())
    assert handed(ladder) == [HEAD.recipient_id]
    assert ladder.changed[HEAD.recipient_id].due_at is None
    assert HEAD.unit not in ladder.waited_for


def test_silence_is_the_usual_reason():
    assert overdue().reason is Reason.SILENT
