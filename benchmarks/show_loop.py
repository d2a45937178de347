"""The Fengqiao loop in a drill: red over a whole city, and some of its officers never answer.

Run ``python benchmarks/show_loop.py [officers] [silent share] [seed]``. Rain is red over all of
Shaoxing at once; the officers get their messages, and answer, or not, as they are drawn; every
minute what nobody answered goes one level up. Prints where the red tasks stand minute by minute,
fails where one is neither acknowledged nor at the county after fifteen minutes, and prints one of
those that came to the county from its alert to its end.

A task is acknowledged where somebody answered for it: who was asked first, or somebody above to
whom it went up. It is at the county where it went up to the officer on duty there.
"""

import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from sqlalchemy import Engine, insert, select, text

from jinghu.alerting import units_of
from jinghu.configs.settings import CONFIGS, load
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import BEIJING, cycle_name, parse_time
from jinghu.simulated_public import Behaviour
from jinghu.warnings.acknowledge import LINK_LIFE, Answer, Link, Links, answer, read_token
from jinghu.warnings.below import CallOutcome, record_call, silent_below
from jinghu.warnings.database import open_database, verify_audit
from jinghu.warnings.delivery import Send, deliver
from jinghu.warnings.escalation import escalate
from jinghu.warnings.generate import generate_recipients
from jinghu.warnings.ledger import Office, process
from jinghu.warnings.levels import Level, Tier
from jinghu.warnings.outgoing import Outgoing
from jinghu.warnings.purposes import Purpose
from jinghu.warnings.reports import Report
from jinghu.warnings.tables import recipient, task
from jinghu.warnings.units import Units
from jinghu.warnings.waiting import AnswerWithin

START = datetime(2026, 7, 1, 6, 0, tzinfo=UTC)
WITHIN = AnswerWithin()
LINKS = Links("https://jinghu.example", bytes(32))
MINUTE = timedelta(minutes=1)


@dataclass
class Phones:
    """A channel to the officers' phones: they hear at once; who is silent is so every time."""

    behaviour: Behaviour
    name: str = "phones"
    purpose: Purpose = Purpose.DRILL
    heard: Counter[str] = field(default_factory=Counter)
    replies: list[tuple[datetime, str, str, Answer, str]] = field(default_factory=list)

    @asynccontextmanager
    async def open(self, concurrent: int) -> AsyncIterator[Send]:
        yield self.hear

    async def hear(self, message: Outgoing, now: datetime) -> str:
        await asyncio.sleep(0)
        self.heard[message.content.kind] += 1
        if message.content.level:
            token = message.content.answer_url.rsplit("/", 1)[1]
            for delay, said, note in self.behaviour.replies(message.content.person):
                self.replies.append((now + delay, message.message_id, token, said, note))
        return "heard"

    def answers_until(self, engine: Engine, now: datetime) -> int:
        """Everybody whose moment has come presses the button behind the link."""
        ready = sorted(r for r in self.replies if r[0] <= now)
        self.replies = [r for r in self.replies if r[0] > now]
        for at, _, token, said, note in ready:
            link = read_token(token, LINKS.key, at)
            report = Report(said.value, note, people_moved=12 if said is Answer.HANDLED else None)
            answer(engine, link, said, note, at, WITHIN, report)
        return len(ready)


def settle(engine: Engine, units: Units, spec: GridSpec, officers: int) -> None:
    """Write made people into the database."""
    people = generate_recipients(units, spec, officers, 1)
    cells = spec.cell_of_xy(*spec.to_xy([p.lon for p in people], [p.lat for p in people]))
    with engine.begin() as connection:
        connection.execute(
            insert(recipient),
            [
                {
                    "person": p.person, "name": p.name, "role": p.role.value,
                    "unit_code": p.unit_code, "unit_name": p.unit_name,
                    "lon": p.lon, "lat": p.lat, "cell_id": int(cell),
                }
                for p, cell in zip(people, cells, strict=True)
            ],
        )  # fmt: skip


def rain(units: Units, spec: GridSpec, level: int) -> xr.Dataset:
    """Rain of one level over every county."""
    city = (units.cell_county >= 0).reshape(spec.ny, spec.nx)
    levels = np.where(city, level, 0).astype(np.uint8)
    fields: dict[str, np.ndarray] = {
        "warning_level": levels,
        "warning_level_kept": levels,
        "warning_onset_lead": np.where(levels > 0, 0.0, np.nan).astype(np.float32),
        "warning_amount": np.where(levels > 0, 110.0, 0.0).astype(np.float32),
        "warning_window": np.where(levels > 0, 3, 0),
        "kept_amount": np.where(levels > 0, 110.0, 0.0).astype(np.float32),
        "kept_window": np.where(levels > 0, 3, 0),
        "known": np.ones(levels.shape, bool),
    }
    return xr.Dataset({k: (("y", "x"), v) for k, v in fields.items()}, attrs={"rules": "show-1"})


# Every red task of the nearest, and the highest that it came to, over however many steps.
_STANDING = text("""
    WITH RECURSIVE up (root, task_id) AS (
        SELECT task_id, task_id FROM red_task
        UNION SELECT u.root, e.to_task_id FROM up u JOIN escalation e ON e.from_task_id = u.task_id
    )
    SELECT u.root, MAX(t.tier) AS tier, SUM(t.status IN ('ACKNOWLEDGED', 'HANDLED')) AS answers,
           SUM(t.task_id = u.root AND t.status = 'RELIEVED') AS relieved
    FROM up u JOIN task t ON t.task_id = u.task_id GROUP BY u.root
""")


def standing(engine: Engine) -> Counter[str]:
    """Where the red tasks stand: acknowledged, at the county, or on the way and how far."""
    with engine.connect() as connection:
        rows = connection.execute(_STANDING).all()
    found: Counter[str] = Counter()
    for row in rows:
        if row.answers or row.relieved:
            found["acknowledged"] += 1
        else:
            county = row.tier >= Tier.COUNTY
            found["at the county" if county else f"with the {Tier(row.tier).en}"] += 1
    return found


def remember_red(engine: Engine) -> int:
    """Write down which tasks were asked at first: those with a deadline."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TABLE red_task AS SELECT task_id FROM task"
                f" WHERE level = {int(Level.RED)} AND due_at IS NOT NULL"
            )
        )
        return int(connection.execute(text("SELECT COUNT(*) FROM red_task")).scalar_one())


def call_the_silent(engine: Engine, now: datetime) -> int:
    """Officers on duty in the counties telephone whoever is silent, and write down what came."""
    called = 0
    query = select(task).where(task.c.tier == Tier.COUNTY, task.c.escalated == 1, task.c.level > 0)
    with engine.connect() as connection:
        duties = connection.execute(query).all()
    for duty in duties:
        while one := _first_silent(engine, duty.event_id, duty.recipient_id):
            caller = (duty.event_id, duty.recipient_id)
            with engine.begin() as connection:
                note = "电话叫应 woken by telephone"
                record_call(connection, caller, one, CallOutcome.REACHED, note, now)
                who = connection.execute(
                    select(task.c.recipient_id).where(task.c.task_id == one)
                ).scalar_one()
            link = Link(duty.event_id, who, now + LINK_LIFE, by=f"recipient {duty.recipient_id}")
            note = "已组织转移 people are being moved"
            report = Report("ACKNOWLEDGED", note, water_depth_cm=40, people_moved=31)
            answer(engine, link, Answer.ACKNOWLEDGED, note, now, WITHIN, report)
            called += 1
    return called


def _first_silent(engine: Engine, event_id: str, recipient_id: int) -> int | None:
    with engine.connect() as connection:
        found = silent_below(connection, event_id, recipient_id)
    return found[0].task_id if found else None


_STORY = """
SELECT a.sent AS at, 1 AS n, 'alert' AS what, a.headline_zh || ' / ' || a.headline_en AS words
  FROM alert a WHERE a.event_id = :event
UNION ALL
SELECT x.at, 2, 'message', r.unit_name || r.name || ': ' || o.kind || ' ' || o.message_id
    || CASE WHEN o.silence IS NULL THEN '' ELSE ' because of ' || o.silence END
    || ' -> ' || x.outcome || ' ' || x.detail
  FROM outbox o JOIN alert a ON a.alert_id = o.alert_id JOIN attempt x ON x.outbox_id = o.outbox_id
  JOIN recipient r ON r.recipient_id = o.recipient_id
  WHERE a.event_id = :event AND o.recipient_id IN (SELECT recipient_id FROM chain)
UNION ALL
SELECT e.at, 3, 'goes up', f.unit_name || f.name || ' -> ' || t.unit_name || t.name || ' ('
    || e.reason || ', deadline ' || e.deadline || ')'
  FROM escalation e JOIN task ft ON ft.task_id = e.from_task_id
  JOIN recipient f ON f.recipient_id = ft.recipient_id
  JOIN task tt ON tt.task_id = e.to_task_id JOIN recipient t ON t.recipient_id = tt.recipient_id
  WHERE e.from_task_id IN (SELECT task_id FROM chain) AND e.to_task_id IN
      (SELECT task_id FROM chain)
UNION ALL
SELECT p.at, 4, 'telephone', c.unit_name || c.name || ' calls ' || s.unit_name || s.name || ': '
    || p.outcome || ', ' || p.note
  FROM phone_call p JOIN task st ON st.task_id = p.task_id
  JOIN recipient s ON s.recipient_id = st.recipient_id JOIN task ct ON ct.task_id = p.by_task_id
  JOIN recipient c ON c.recipient_id = ct.recipient_id
  WHERE p.task_id IN (SELECT task_id FROM chain)
UNION ALL
SELECT f.at, 5, 'answer', r.unit_name || r.name || ': ' || f.answer || ', ' || f.note
    || CASE WHEN f.water_depth_cm IS NULL THEN '' ELSE ', water ' || f.water_depth_cm || ' cm' END
    || CASE WHEN f.people_moved IS NULL THEN '' ELSE ', moved ' || f.people_moved END
  FROM feedback f JOIN task t ON t.task_id = f.task_id
  JOIN recipient r ON r.recipient_id = t.recipient_id
  WHERE f.task_id IN (SELECT task_id FROM chain)
UNION ALL
SELECT e.closed_at, 6, 'event closed', e.event_id FROM event e
  WHERE e.event_id = :event AND e.closed_at IS NOT NULL
ORDER BY 1, 2
"""


def longest_way(engine: Engine) -> int:
    """A task that went up all the way to the county, which called; one that could act, if any."""
    with engine.connect() as connection:
        return int(
            connection.execute(
                text(
                    "SELECT a.from_task_id FROM escalation a"
                    " JOIN escalation b ON b.from_task_id = a.to_task_id"
                    " JOIN escalation c ON c.from_task_id = b.to_task_id"
                    " JOIN task t ON t.task_id = c.to_task_id"
                    " WHERE a.from_task_id IN (SELECT task_id FROM red_task)"
                    " AND a.from_task_id IN (SELECT task_id FROM phone_call)"
                    " ORDER BY t.status = 'CANNOT_HANDLE', a.from_task_id LIMIT 1"
                )
            ).scalar_one()
        )


def transcript(engine: Engine, root: int) -> None:
    """Print what happened around one task, in its order."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "CREATE TEMPORARY TABLE chain AS WITH RECURSIVE up (task_id) AS (SELECT :root UNION"
                " SELECT e.to_task_id FROM up u JOIN escalation e ON e.from_task_id = u.task_id)"
                " SELECT t.task_id, t.recipient_id FROM up u JOIN task t ON t.task_id = u.task_id"
            ),
            {"root": root},
        )
        event_id = connection.execute(
            select(task.c.event_id).where(task.c.task_id == root)
        ).scalar_one()
        print(f"task {root} of {event_id}, Beijing time:")
        for row in connection.execute(text(_STORY), {"event": event_id}):
            at = parse_time(row.at).astimezone(BEIJING)
            print(f"  {at:%H:%M:%S}  {row.what:<12} {row.words}")
        for row in connection.execute(
            select(task, recipient.c.name, recipient.c.unit_name)
            .join(recipient)
            .where(text("task_id IN (SELECT task_id FROM chain)"))
            .order_by(task.c.tier)
        ):
            print(f"  at the end   {row.unit_name}{row.name}: {row.status}, level {row.level}")


def main() -> None:
    officers = int(sys.argv[1]) if len(sys.argv) > 1 else 7500
    silent = float(sys.argv[2]) if len(sys.argv) > 2 else 0.3
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    settings = load(CONFIGS / "demo.yaml")
    spec, units, begun = settings.grid.product(), units_of(settings), time.process_time()
    talking = 1.0 - silent
    phones = Phones(Behaviour(0.65 * talking, 0.28 * talking, 0.07 * talking, seed=seed))
    with tempfile.TemporaryDirectory() as folder:
        engine = open_database(f"sqlite:///{Path(folder) / 'loop.db'}?synchronous=off")
        settle(engine, units, spec, officers)
        office = Office(
            spec, units, settings.city.name_zh, settings.city.name_en, "drill@jinghu.example",
            "Exercise", (phones.name,), drills=frozenset((phones.name,)), answer_within=WITHIN,
        )  # fmt: skip
        now = START

        def cycle(level: int) -> None:
            process(engine, rain(units, spec, level), cycle_name(now), now, office, now)

        def hand_over() -> None:
            deliver(engine, [phones], LINKS, lambda: now)

        cycle(4)
        n = remember_red(engine)
        hand_over()
        print(f"{officers} officers, {n} red tasks, {silent:.0%} of them never answer")
        for minute in range(1, 16):
            now = START + minute * MINUTE
            said = phones.answers_until(engine, now)
            done = escalate(engine, WITHIN, now)
            hand_over()
            where = ", ".join(f"{n} {k}" for k, n in sorted(standing(engine).items()))
            print(f"{minute:3d} min: {said:4d} answers, {done.escalated:4d} go up; {where}")
        late = {k: v for k, v in standing(engine).items() if k.startswith("with the")}
        assert not late, f"neither acknowledged nor at the county after 15 minutes: {late}"
        now += MINUTE
        print(f"county officers call: {call_the_silent(engine, now)} silent reached by telephone")
        for minute in range(18, 121, 6):  # the rain ends after 36 minutes
            now = START + minute * MINUTE
            phones.answers_until(engine, now)
            cycle(4 if minute < 36 else 0)
            escalate(engine, WITHIN, now)
            hand_over()
        assert verify_audit(engine) is None
        transcript(engine, longest_way(engine))
        print(f"messages heard: {dict(phones.heard)}; {time.process_time() - begun:.0f} s CPU")
        engine.dispose()


if __name__ == "__main__":
    main()
