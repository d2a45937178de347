"""Who is told what, once."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text, update

from jinghu.grid.times import isoformat
from jinghu.warnings.tables import outbox, recipient, task


def messages(world, *statuses):
    query = (
        select(recipient.c.person, outbox.c.level, outbox.c.status, outbox.c.priority)
        .join(recipient, recipient.c.recipient_id == outbox.c.recipient_id)
        .order_by(outbox.c.outbox_id)
    )
    rows = world.rows(query)
    return [(r.person, r.level) for r in rows if not statuses or r.status in statuses]


def deliver_all(world):
    """As if a worker had handed over everything."""
    with world.engine.begin() as connection:
        connection.execute(
            update(outbox).where(outbox.c.status == "PENDING").values(status="SENT", attempts=1)
        )


def end_by_waiting(world, cycles=11, **arguments):
    for _ in range(cycles):
        last = world.cycle(**arguments)
    return last


def test_told_once_and_not_again(world):
    world.add_people([5, 6, 7])
    assert world.cycle({5: 2, 6: 2}).recipients == 2
    assert world.cycle({5: 2, 6: 2}).recipients == 0
    assert messages(world) == [("P5", 2), ("P6", 2)]


def test_new_people_get_the_current_message_and_nobody_else_does(world):
    world.add_people([5])
    world.cycle({5: 2, 6: 2})
    deliver_all(world)
    world.add_people([6])
    assert world.cycle({5: 2, 6: 2}).recipients == 1
    assert messages(world, "PENDING") == [("P6", 2)]


def test_an_upgrade_is_told_to_those_it_concerns(world):
    world.add_people([5, 6])
    world.cycle({5: 2, 6: 2})
    deliver_all(world)
    world.cycle({5: 4, 6: 2})
    assert messages(world, "PENDING") == [("P5", 4)]


def test_those_who_leave_are_told_the_end_and_only_they(world):
    world.add_people([5, 6])
    world.cycle({5: 2, 6: 2})
    deliver_all(world)
    end_by_waiting(world, found={6: 2})
    assert messages(world, "PENDING") == [("P5", 0)]


def test_whoever_moves_out_is_told_the_end_and_back_in_is_told_again(world):
    """Three messages about one alert to one person, each with an id of its own."""
    world.add_people([5])
    world.cycle({5: 2})
    deliver_all(world)
    for cell, expected in [(200, 0), (5, 2)]:
        with world.engine.begin() as connection:
            connection.execute(update(recipient).values(cell_id=cell))
        world.cycle({5: 2})
        assert messages(world, "PENDING") == [("P5", expected)]
        deliver_all(world)
    assert messages(world) == [("P5", 2), ("P5", 0), ("P5", 2)]
    ids = [r.message_id for r in world.rows(select(outbox.c.message_id))]
    assert len(set(ids)) == 3


def test_what_is_out_of_date_is_dropped_whatever_it_waits_for(world):
    """Due now, due later after a failure, or held by a worker: none of it is sent late."""
    world.add_people([5, 6, 7])
    world.cycle({5: 2, 6: 2, 7: 2})
    with world.engine.begin() as connection:
        later = "UPDATE outbox SET attempts = 1, due_at = '2026-07-02T00:00:00Z' WHERE outbox_id=1"
        connection.execute(text(later))
        connection.execute(text("UPDATE outbox SET attempts=1, status='LEASED' WHERE outbox_id=2"))
    world.cycle({5: 3, 6: 3, 7: 3})
    assert messages(world, "DROPPED") == [("P5", 2), ("P6", 2), ("P7", 2)]
    assert messages(world, "PENDING") == [("P5", 3), ("P6", 3), ("P7", 3)]


def test_what_never_got_out_needs_no_end(world):
    world.add_people([5, 6])
    world.cycle({5: 2, 6: 2})
    with world.engine.begin() as connection:  # P6's message may have got out
        connection.execute(text("UPDATE outbox SET attempts = 1 WHERE outbox_id = 2"))
    end_by_waiting(world)
    assert messages(world, "DROPPED") == [("P5", 2), ("P6", 2)]
    assert messages(world, "PENDING") == [("P6", 0)]


def test_the_end_goes_first_then_red_to_blue(world):
    world.add_people([5, 6, 7, 8, 9])
    world.cycle({9: 1})
    deliver_all(world)
    end_by_waiting(world, found={5: 1, 6: 2, 7: 3, 8: 4})
    query = select(outbox.c.level).where(outbox.c.status == "PENDING")
    rows = world.rows(query.order_by(outbox.c.priority))
    assert [r.level for r in rows] == [0, 4, 3, 2, 1]


def test_tasks_follow_the_level(world):
    world.add_people([5, 6])
    world.cycle({5: 1, 6: 4})
    due = {r.level: r.due_at for r in world.rows(select(task))}
    assert due == {1: None, 4: "2026-07-01T00:11:00Z"}  # five minutes after the cycle
    with world.engine.begin() as connection:
        connection.execute(
            update(task).values(status="HANDLED", answered_at="x", due_at=None, note="done")
        )
    world.cycle({5: 2, 6: 4})
    raised, same = world.rows(select(task).order_by(task.c.recipient_id))
    assert (raised.status, raised.answered_at, raised.due_at) == (
        "TOLD",
        None,
        "2026-07-01T00:32:00Z",
    )
    assert (same.status, same.due_at) == ("HANDLED", None)
    end_by_waiting(world)
    ended = world.rows(select(task).order_by(task.c.recipient_id))
    assert [(r.status, r.level, r.due_at) for r in ended] == [
        ("CLOSED", 0, None),  # never answered the second time
        ("HANDLED", 0, None),  # what was answered stays known
    ]


@settings(deadline=None, max_examples=12)
@given(
    st.lists(
        st.dictionaries(st.integers(0, 19), st.integers(1, 4), max_size=8), min_size=1, max_size=5
    ),
    st.data(),
)
def test_everybody_is_last_told_the_level_of_where_they_stand(world_class, history, data):
    """Against brute force: people who move, cells that change, one message for every change."""
    world = world_class("sqlite://")
    world.add_people(list(range(20)))
    for found in history:
        moved = data.draw(st.dictionaries(st.integers(1, 20), st.integers(0, 19), max_size=4))
        with world.engine.begin() as connection:
            for person, cell in moved.items():
                connection.execute(
                    update(recipient).where(recipient.c.recipient_id == person).values(cell_id=cell)
                )
        world.cycle(found, minutes=60)
        deliver_all(world)
        standing = np.zeros(400, int)
        for row in world.rows(
            text(
                "SELECT cell_id, c.level FROM event_cell c JOIN event USING (event_id)"
                " WHERE closed_at IS NULL"
            )
        ):
            standing[row.cell_id] = row.level
        last = {}
        for person, level, event in world.rows(
            text(
                "SELECT o.recipient_id, o.level, a.event_id FROM outbox o JOIN alert a"
                " USING (alert_id) WHERE a.event_id NOT IN"
                # cycles an hour apart may miss the last chance to renew: what has expired is over
                " (SELECT event_id FROM alert GROUP BY event_id HAVING MAX(expires) <= :now)"
                " ORDER BY outbox_id"
            ).bindparams(now=isoformat(world.time))
        ):
            last[person, event] = level
        heard: dict[int, int] = {}
        for (person, _), level in last.items():
            heard[person] = max(heard.get(person, 0), level)
        for row in world.rows(select(recipient)):
            assert heard.get(row.recipient_id, 0) == standing[row.cell_id]
    sent = world.rows(
        text(
            "SELECT o.recipient_id, a.event_id, o.level FROM outbox o JOIN alert a USING (alert_id)"
            " ORDER BY outbox_id"
        )
    )
    by_event: dict[tuple[int, str], int] = {}
    for person, event, level in sent:
        assert by_event.get((person, event), 0) != level  # nothing twice in a row
        by_event[person, event] = level
    world.engine.dispose()
