"""What goes out under one id is the same in every attempt, whatever happens in between."""

import json
from datetime import timedelta

from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select, update
from tests.warnings.town import IDS, PEOPLE, RED, WITHIN, say, settle_in, step

from jinghu.grid.errors import DeliveryError
from jinghu.warnings import database
from jinghu.warnings.acknowledge import LINK_LIFE, Answer, Link, answer
from jinghu.warnings.escalation import escalate
from jinghu.warnings.outbox import LEASE, Claim, Outcome, claim, failed, release, settle
from jinghu.warnings.silence import from_json
from jinghu.warnings.tables import escalation, outbox, recipient, task


def take(world, now):
    with world.engine.begin() as connection:
        return claim(connection, Claim(["sms"], now, 99), world.links, now)


def calls_of(taken):
    found = {m.message_id: json.loads(m.body) for m in taken}
    return {key: body for key, body in found.items() if body["type"] == "task.escalated"}


def test_a_call_that_is_tried_again_names_whom_it_named_and_a_later_one_has_its_own(town):
    """The worker dies with the first call; another cannot handle it within the same second."""
    say(town, "grid1", Answer.CANNOT_HANDLE)
    now = town.time + timedelta(minutes=1)
    first = calls_of(take(town, now))
    say(town, "grid2", Answer.CANNOT_HANDLE)
    with town.engine.begin() as connection:  # and the roster is corrected
        connection.execute(update(recipient).values(name="别人", unit_name="别处"))
    again = calls_of(take(town, now + LEASE + timedelta(seconds=1)))
    (key,) = first
    assert again[key] == first[key]
    assert "330602001001001单位网格员grid1报告无法处置" in first[key]["text_zh"]
    (other,) = again.keys() - first.keys()
    assert (key[-6:], other[-6:]) == ("-sms-1", "-sms-2")  # the head was warned first
    assert "330602001001002单位网格员grid2报告无法处置" in again[other]["text_zh"]
    assert again[other]["recipient"]["name"] == "别人"


def test_what_nobody_has_taken_yet_takes_in_who_is_silent_in_the_same_moment(town):
    say(town, "grid1", Answer.CANNOT_HANDLE)
    with town.engine.begin() as connection:  # taken and given back: it was not tried
        release(connection, claim(connection, Claim(["sms"], town.time, 99), town.links, town.time))
    say(town, "grid2", Answer.CANNOT_HANDLE)
    (call,) = calls_of(take(town, town.time + timedelta(minutes=1))).values()
    assert "网格员grid1等2人未答复或无法处置" in call["text_zh"]
    assert "2 below you cannot handle it" in call["text_en"]


def test_whom_a_message_went_to_is_not_kept_once_it_is_sent(town):
    now = town.time
    with town.engine.begin() as connection:
        taken = claim(connection, Claim(["sms"], now, 2), town.links, now)
        settle(connection, [Outcome(taken[0].outbox_id, 1, "SENT", "", now)], now)
    kept = town.rows(select(outbox.c.outbox_id).where(outbox.c.addressee.is_not(None)))
    assert [r.outbox_id for r in kept] == [taken[1].outbox_id]


def test_calls_of_an_older_database_keep_what_they_said(town):
    step(town, 5)
    said = [r.silence for r in town.rows(select(outbox.c.silence)) if r.silence is not None]
    with town.engine.connect() as connection:
        config = Config()
        config.set_main_option("script_location", str(database._MIGRATIONS))
        config.attributes["connection"] = connection
        command.downgrade(config, "-1")
        connection.commit()
    again = database.open_database(town.url)
    with again.connect() as connection:
        kept = connection.execute(select(outbox.c.silence)).scalars()
        assert [found for found in kept if found is not None] == said
    again.dispose()
    assert [from_json(found).number for found in said] == [2, 1]


class Attempts(RuleBasedStateMachine):
    """Rain, silence, refusals, edits of the roster and workers of every fate, in any order."""

    world_class: type

    @initialize()
    def begin(self):
        self.world = settle_in(self.world_class("sqlite://"))
        self.world.cycle(RED)
        self.said: dict[str, bytes] = {}

    @rule(levels=st.dictionaries(st.sampled_from([5, 6, 7]), st.integers(2, 4), max_size=3))
    def cycle(self, levels):
        self.world.cycle(levels)

    @rule(minutes=st.sampled_from([0, 0, 5, 11]), batch=st.integers(1, 3))
    def wait(self, minutes, batch):
        self.world.time += timedelta(minutes=minutes)
        escalate(self.world.engine, WITHIN, self.world.time, batch)

    @rule(k=st.integers(1, len(PEOPLE)))
    def refuse(self, k):
        found = self.world.rows(select(task.c.event_id).where(task.c.recipient_id == k))
        if found:
            link = Link(found[-1].event_id, k, self.world.time + LINK_LIFE)
            now = self.world.time
            answer(self.world.engine, link, Answer.CANNOT_HANDLE, "", now, WITHIN)

    @rule(person=st.sampled_from(sorted(IDS)), name=st.sampled_from(["甲", "乙"]))
    def edit(self, person, name):
        with self.world.engine.begin() as connection:
            mine = update(recipient).where(recipient.c.person == person)
            connection.execute(mine.values(name=name, unit_name=f"{name}村", role="town_duty"))

    @rule(fate=st.sampled_from(["killed", "failed", "untried", "sent"]))
    def worker(self, fate):
        now = self.world.time
        taken = take(self.world, now)
        for message in taken:
            if fate != "untried":  # nobody has seen it then
                assert self.said.setdefault(message.message_id, message.body) == message.body
        with self.world.engine.begin() as connection:
            if fate == "untried":
                release(connection, taken)
            elif fate == "failed":
                error = DeliveryError("503", retryable=True)
                settle(connection, [failed(m, error, now) for m in taken], now)
            elif fate == "sent":
                sent = [Outcome(m.outbox_id, m.attempts, "SENT", "", now) for m in taken]
                settle(connection, sent, now)
        self.world.time += {"killed": LEASE, "failed": timedelta(minutes=1)}.get(fate, timedelta())

    @precondition(lambda self: hasattr(self, "world"))
    @invariant()
    def everybody_who_went_up_is_named_in_one_call(self):
        calls = self.world.rows(select(outbox.c.silence).where(outbox.c.silence.is_not(None)))
        (handed,) = self.world.rows(select(func.count()).select_from(escalation))[0]
        assert sum(from_json(r.silence).number for r in calls) == handed

    def teardown(self):
        if hasattr(self, "world"):
            self.world.engine.dispose()


def test_messages_through_any_history(world_class):
    Attempts.world_class = world_class
    Attempts.TestCase.settings = settings(
        max_examples=12,
        stateful_step_count=14,
        deadline=None,
        phases=(Phase.explicit, Phase.reuse, Phase.generate),  # shrinking such histories is slow
        suppress_health_check=[HealthCheck.too_slow],
    )
    Attempts.TestCase("runTest").runTest()
