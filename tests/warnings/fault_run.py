"""Delivery under seeded faults: workers killed, a bad receiver, locks, clocks, edits, upgrades.

A run is one storm over a town of a few dozen people. What happens is drawn from its seed; when
exactly a process gets the processor is not, so a run that fails may pass when it is run again.

``python -m tests.warnings.fault_run --runs 1000 --record FILE`` runs many from the top of the
checkout, goes on where FILE ends, and prints a table.
"""

import argparse
import asyncio
import base64
import hashlib
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from aiohttp import web
from sqlalchemy import event as sa_event
from sqlalchemy import select, text, update
from tests.warnings.conftest import KEY, World
from tests.warnings.town import WITHIN

from jinghu.grid.errors import DataError
from jinghu.grid.times import parse_time
from jinghu.warnings.acknowledge import LINK_LIFE, Answer, Link, Links, answer
from jinghu.warnings.database import connect, verify_audit
from jinghu.warnings.dead_letters import enable
from jinghu.warnings.delivery import deliver
from jinghu.warnings.escalation import escalate
from jinghu.warnings.outbox import disabled_channels
from jinghu.warnings.tables import alert, escalation, outbox, recipient, task, told
from jinghu.warnings.webhook import Webhook

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
FORK = multiprocessing.get_context("fork")
TABLES = (task, told, outbox, recipient, escalation, alert)


@dataclass
class Mood:
    """How the receiver behaves: shares of each fault, and from which request on it is gone."""

    seed: int = 0
    busy: float = 0.0  # 503
    late: float = 0.0  # takes the message, and its answer never arrives
    slow: float = 0.0
    refused: float = 0.0  # 400
    gone_after: int | None = None  # 410


def _serve(pipe: Any) -> None:
    """The receiver, in a process of its own."""
    mood, came = Mood(), Counter[str]()
    log: list[tuple[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        body, key = await request.read(), request.headers["webhook-id"]
        came[key] += 1
        drawn = random.Random(f"{mood.seed}/{key}/{came[key]}")
        fate = drawn.random()
        if mood.gone_after is not None and sum(came.values()) > mood.gone_after:
            return web.Response(status=410)
        if random.Random(f"{mood.seed}/{key}").random() < mood.refused:
            return web.Response(status=400)
        if fate < mood.busy:
            return web.Response(status=503)
        if fate < mood.busy + mood.slow:
            await asyncio.sleep(drawn.uniform(0.0, 0.1))
        log.append((key, hashlib.sha256(body).hexdigest()))
        if fate > 1.0 - mood.late:
            assert request.transport is not None
            request.transport.close()
        return web.Response()

    async def run() -> None:
        nonlocal mood
        app = web.Application()
        app.router.add_post("/in", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        while True:
            if pipe.poll():
                asked = pipe.recv()
                if asked is None:
                    pipe.send(list(log))
                    log.clear()
                    came.clear()
                else:
                    mood = asked
                    pipe.send(True)
            await asyncio.sleep(0.005)

    asyncio.run(run())


@dataclass
class Receiver:
    """The other end of the receiver."""

    pipe: Any
    port: int

    def behave(self, mood: Mood) -> None:
        self.pipe.send(mood)
        assert self.pipe.recv()

    def log(self) -> list[tuple[str, str]]:
        self.pipe.send(None)
        found: list[tuple[str, str]] = self.pipe.recv()
        return found


@contextmanager
def receiver() -> Iterator[Receiver]:
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield Receiver(ours, ours.recv())
    finally:
        process.kill()
        process.join()


def _work(url: str, port: int, now: datetime, die_at: int) -> None:
    """A worker; with ``die_at`` it kills itself after so many statements."""
    engine, left = connect(url), die_at

    def count(*_: Any) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if die_at:
        sa_event.listen(engine, "after_cursor_execute", count)
    hook = Webhook("sms", f"http://127.0.0.1:{port}/in", SECRET, allow_private=True)
    deliver(engine, [hook], Links("https://jinghu.example", KEY), lambda: now, seconds=20.0)
    os._exit(0)


def _same(now: datetime) -> datetime:
    return now


def _lock(path: str, seconds: float) -> None:
    """A foreign writer that holds the database."""
    other = sqlite3.connect(path, timeout=20, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    time.sleep(seconds)
    other.execute("ROLLBACK")
    os._exit(0)


@dataclass
class Report:
    """What one run came to; ``wrong`` names what must not be."""

    seed: int
    people: int = 0
    workers: int = 0
    kills: int = 0
    locks: int = 0
    steps: int = 0
    edits: int = 0
    upgrades: int = 0
    gone: int = 0
    answers: int = 0
    passed_on: int = 0
    messages: int = 0
    repeated: int = 0
    wrong: list[str] = field(default_factory=list)


@dataclass
class Storm:
    """One run."""

    seed: int
    world: World
    sink: Receiver
    path: str

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)
        self.report = Report(self.seed)
        self.levels = {cell: self.draw.choice((2, 3)) for cell in range(self.draw.randint(8, 24))}
        self.world.add_people(list(self.levels))
        heads = [40 + k for k in range(3)]
        self.world.add_people(heads, role="town_duty")
        self.report.people = len(self.levels) + len(heads)

    def run(self) -> Report:
        self.world.cycle(self.levels)
        for _ in range(self.draw.randint(3, 5)):
            self.sink.behave(self.mood())
            self.deliver()
            self.report.passed_on += escalate(self.world.engine, WITHIN, self.now()).escalated
        self.calm_down()
        self.check()
        return self.report

    def mood(self) -> Mood:
        draw = self.draw
        gone = draw.randint(0, 20) if draw.random() < 0.15 else None
        down = draw.random() < 0.1
        return Mood(
            self.seed,
            1.0 if down else draw.choice((0.0, 0.2)),
            draw.choice((0.0, 0.2)),
            draw.choice((0.0, 0.3)),
            0.05 if self.seed % 4 == 0 else 0.0,
            gone,
        )

    def now(self) -> datetime:
        return self.world.time

    def deliver(self) -> None:
        """One or two workers, some of which die, while others lock, edit, upgrade and answer."""
        draw, now = self.draw, self.now()
        if draw.random() < 0.3:
            self.report.steps += 1
            now += draw.choice((-1, 1)) * timedelta(hours=1)
        self.world.engine.dispose()
        running = []
        for _ in range(draw.randint(1, 2)):
            die_at = draw.randint(1, 45) if draw.random() < 0.5 else 0
            args = (f"sqlite:///{self.path}", self.sink.port, now, die_at)
            running.append(FORK.Process(target=_work, args=args))
        if draw.random() < 0.3:
            self.report.locks += 1
            running.append(FORK.Process(target=_lock, args=(self.path, draw.uniform(0.01, 0.2))))
        for process in running:
            process.start()
        for act in draw.sample((self.upgrade, self.edit, self.say, self.say), draw.randint(0, 3)):
            act()
        for process in running:
            process.join()
            self.report.kills += process.exitcode == -signal.SIGKILL
        self.report.workers += len(running)
        self.world.time += timedelta(minutes=draw.choice((1, 3, 6)))

    def upgrade(self) -> None:
        self.report.upgrades += 1
        for cell in self.draw.sample(sorted(self.levels), len(self.levels) // 2):
            self.levels[cell] = min(4, self.levels[cell] + 1)
        self.world.cycle(self.levels)

    def edit(self) -> None:
        """Somebody moves to another cell of the area, or out of it, and is written otherwise."""
        self.report.edits += 1
        cell = self.draw.choice([*self.levels, 300])
        person = f"P{self.draw.choice(sorted(self.levels))}"
        with self.world.engine.begin() as connection:
            connection.execute(
                update(recipient)
                .where(recipient.c.person == person)
                .values(cell_id=cell, name=f"人{cell}", unit_name=f"{cell}号村")
            )
        self.world.cycle(self.levels)

    def say(self) -> None:
        tasks = self.world.rows(select(task).where(task.c.level > 0).order_by(task.c.task_id))
        for row in self.draw.sample(tasks, len(tasks) // 4):
            link = Link(row.event_id, row.recipient_id, self.now() + LINK_LIFE)
            said = self.draw.choice((Answer.ACKNOWLEDGED, Answer.HANDLED, Answer.CANNOT_HANDLE))
            try:
                answer(self.world.engine, link, said, "", self.now(), WITHIN)
            except DataError:
                continue
            self.report.answers += 1

    def calm_down(self) -> None:
        """A receiver that is well again, an operator, and workers until nothing waits."""
        self.sink.behave(Mood(self.seed, refused=0.05 if self.seed % 4 == 0 else 0.0))
        self.world.cycle(self.levels)
        now = self.now() + timedelta(minutes=1)
        with self.world.engine.begin() as connection:
            for name in disabled_channels(connection):
                self.report.gone += 1
                enable(connection, name, now)
        for _ in range(12):
            hook = Webhook("sms", f"http://127.0.0.1:{self.sink.port}/in", SECRET, True)
            deliver(self.world.engine, [hook], self.world.links, partial(_same, now))
            waiting = select(outbox.c.due_at, outbox.c.leased_until).where(
                outbox.c.status.in_(("PENDING", "LEASED"))
            )
            ends = [parse_time(r.leased_until or r.due_at) for r in self.world.rows(waiting)]
            if not ends:
                return
            now = max(now, max(ends)) + timedelta(seconds=1)
        self.report.wrong.append("messages still wait at the end")

    def check(self) -> None:
        wrong, log = self.report.wrong, self.sink.log()
        times = Counter(key for key, _ in log)
        self.report.messages = len(times)
        self.report.repeated = sum(times.values()) - len(times)
        if len({body for body in log}) != len(times):
            wrong.append("two bodies under one id")
        rows = self.world.rows(select(outbox).order_by(outbox.c.outbox_id))
        lost = [r.message_id for r in rows if r.status == "SENT" and r.message_id not in times]
        if lost:
            wrong.append(f"sent and never received: {lost[0]}")
        if times.keys() - {r.message_id for r in rows}:
            wrong.append("received what is not in the outbox")
        self._everybody_knows(rows, set(times))
        self._answers_end_it()
        with self.world.engine.connect() as connection:
            if connection.execute(text("PRAGMA integrity_check")).scalar() != "ok":
                wrong.append("the database is damaged")
            if connection.execute(text("PRAGMA foreign_key_check")).first() is not None:
                wrong.append("rows refer to nothing")
        if verify_audit(self.world.engine) is not None:
            wrong.append("the audit chain is broken")

    def _everybody_knows(self, rows: list[Any], received: set[str]) -> None:
        """Who is in the area was told the level that stands, unless they answered or refused it."""
        events = {r.alert_id: r.event_id for r in self.world.rows(select(alert))}
        stands = self.world.rows(select(told).where(told.c.channel == "sms"))
        answered = {
            (r.event_id, r.recipient_id)
            for r in self.world.rows(select(task))
            if r.answered_at is not None
        }
        for row in stands:
            who, level = (row.event_id, row.recipient_id), row.level
            mine = [
                r
                for r in rows
                if (events[r.alert_id], r.recipient_id) == who and r.kind == "WARNING"
            ]
            heard = [r.level for r in mine if r.message_id in received]
            if any(r.status == "DEAD" for r in mine) or who in answered:
                continue
            if level and (not heard or heard[-1] != level):
                self.report.wrong.append(f"{who} stands at {level}, heard {heard}")
            if not level and heard and heard[-1] != 0:
                self.report.wrong.append(f"{who} was not told the end: {heard}")

    def _answers_end_it(self) -> None:
        """Nothing that was acknowledged and stands so went up, or was told again, after that."""
        for row in self.world.rows(select(task).where(task.c.answered_at.is_not(None))):
            if row.status not in ("ACKNOWLEDGED", "HANDLED"):
                continue
            up = select(escalation).where(
                escalation.c.from_task_id == row.task_id, escalation.c.at > row.answered_at
            )
            if self.world.rows(up):
                self.report.wrong.append(f"task {row.task_id} was answered and went up")
            told_so = self._of_event(row.event_id).where(
                outbox.c.recipient_id == row.recipient_id, outbox.c.kind == "WARNING"
            )
            messages = self.world.rows(told_so.order_by(outbox.c.outbox_id))
            for before, after in pairwise(messages):
                if after.created_at > row.answered_at and after.level == before.level:
                    self.report.wrong.append(f"task {row.task_id} was answered and told again")

    def _of_event(self, event_id: str) -> Any:
        mine = select(alert.c.alert_id).where(alert.c.event_id == event_id)
        return select(outbox).where(outbox.c.alert_id.in_(mine))


def one_run(seed: int, sink: Receiver, folder: Path) -> Report:
    path = folder / f"run{seed}.db"
    world = World(f"sqlite:///{path}")
    try:
        return Storm(seed, world, sink, str(path)).run()
    finally:
        world.engine.dispose()
        path.unlink()


def print_table(reports: list[dict[str, Any]]) -> None:
    names = [n for n in Report.__dataclass_fields__ if n not in ("seed", "wrong")]
    print(f"{len(reports)} runs, of which {sum(bool(r['wrong']) for r in reports)} went wrong")
    for name in names:
        print(f"  {name:<10} {sum(r[name] for r in reports):8d}")
    for report in reports:
        for cause in report["wrong"]:
            print(f"  seed {report['seed']}: {cause}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--record", type=Path, required=True)
    arguments = parser.parse_args()
    record = arguments.record
    done = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    with receiver() as sink, tempfile.TemporaryDirectory() as folder, record.open("a") as file:
        for seed in sorted(set(range(arguments.runs)) - {r["seed"] for r in done}):
            done.append(asdict(one_run(seed, sink, Path(folder))))
            file.write(json.dumps(done[-1]) + "\n")
            file.flush()
    print_table(done)


if __name__ == "__main__":
    main()
