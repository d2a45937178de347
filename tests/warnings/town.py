"""One town of two villages in the small world, and what its tests ask of it."""

from datetime import timedelta

from sqlalchemy import insert, select, text

from jinghu.warnings.acknowledge import LINK_LIFE, Link, answer
from jinghu.warnings.escalation import BATCH, escalate, follow_up_counts
from jinghu.warnings.tables import outbox, recipient, task
from jinghu.warnings.waiting import AnswerWithin

WITHIN = AnswerWithin()
AWAY = 399  # a cell in which nothing happens
# One town of two villages: grids 1 and 2 in the first, 3 in the second.
PEOPLE = (
    ("grid1", "grid_officer", "330602001001001", 5),
    ("grid2", "grid_officer", "330602001001002", 6),
    ("grid3", "grid_officer", "330602001002001", 7),
    ("village1", "village_head", "330602001001", 5),
    ("village2", "village_head", "330602001002", AWAY),
    ("town", "town_duty", "330602001", AWAY),
    ("county", "county_duty", "330602", AWAY),
)
IDS = {person: k for k, (person, *_) in enumerate(PEOPLE, 1)}
RED = {5: 4, 6: 4, 7: 4}


def settle_in(world, people=PEOPLE):
    lon, lat = world.spec.to_lonlat(world.spec.x[0], world.spec.y[0])
    with world.engine.begin() as connection:
        connection.execute(
            insert(recipient),
            [
                {
                    "person": person,
                    "name": person,
                    "role": role,
                    "unit_code": unit,
                    "unit_name": f"{unit}单位",
                    "lon": float(lon),
                    "lat": float(lat),
                    "cell_id": cell,
                }
                for person, role, unit, cell in people
            ],
        )
    return world


def later(world, minutes):
    return world.time + timedelta(minutes=minutes)


def step(world, minutes, batch=BATCH):
    return escalate(world.engine, WITHIN, later(world, minutes), batch)


def say(world, person, said, minutes=1):
    (event_id,) = {r.event_id for r in world.rows(select(task.c.event_id))}
    link = Link(event_id, IDS[person], world.time + LINK_LIFE)
    return answer(world.engine, link, said, "", later(world, minutes), WITHIN)


def tasks(world):
    query = select(recipient.c.person, task).join(recipient)
    return {r.person: r for r in world.rows(query)}


def waited_for(world):
    return {person for person, row in tasks(world).items() if row.due_at is not None}


def passed(world):
    rows = world.rows(
        text(
            "SELECT f.recipient_id AS below, t.recipient_id AS above, e.reason FROM escalation e"
            " JOIN task f ON f.task_id = e.from_task_id JOIN task t ON t.task_id = e.to_task_id"
            " ORDER BY e.escalation_id"
        )
    )
    names = {k: person for person, k in IDS.items()}
    return [(names[r.below], names[r.above], r.reason) for r in rows]


def calls(world):
    query = (
        select(recipient.c.person, outbox.c.level)
        .join(recipient, recipient.c.recipient_id == outbox.c.recipient_id)
        .where(outbox.c.kind == "ESCALATION")
        .order_by(outbox.c.outbox_id)
    )
    return [tuple(r) for r in world.rows(query)]


def counts(world, minutes=0):
    with world.engine.connect() as connection:
        return follow_up_counts(connection, "Actual", later(world, minutes))
