"""From a warned storm to delivered messages: durable rows, messages a second, red and cancel.

Run ``python benchmarks/bench_delivery.py [people] [database]``; prints CPU seconds and the ratio to
the goal (above 1 is better than the goal). The sink runs in a process of its own and counts and
verifies. The database is a new SQLite file, or what an address names: an empty one of PostgreSQL,
whose own work counts on the wall alone.

Goals: rain grid to 100,000 durable rows in 1 s CPU; 3,000 messages/s from one worker; the first red
message 2 s after publication with 100,000 queued; a cancel overtakes 100,000 queued messages.
"""

import base64
import hashlib
import hmac
import multiprocessing
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

import numpy as np
from bench_fanout import SPEC, fill, make_people, make_storm
from sqlalchemy import Engine, func, insert, select, text

from jinghu.grid.times import isoformat
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.delivery import deliver
from jinghu.warnings.fanout import fan_out
from jinghu.warnings.tables import alert, alert_cell, outbox
from jinghu.warnings.waiting import AnswerWithin
from jinghu.warnings.webhook import Webhook

NOW = datetime(2026, 7, 1, tzinfo=UTC)
SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()
LINKS = Links("https://jinghu.example", bytes(32))


def sink(pipe: Pipe) -> None:
    """A receiver: verifies every signature, tells when asked what came and in which order."""
    import asyncio

    from aiohttp import web

    key, seen, first = base64.b64decode(SECRET[6:]), [], {}

    async def take(request: web.Request) -> web.Response:
        body, headers = await request.read(), request.headers
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
        assert headers["webhook-signature"] == f"v1,{digest}"
        level = body.partition(b'"level":"')[2].partition(b'"')[0].decode()
        first.setdefault(level, (len(seen), time.monotonic()))
        seen.append(headers["webhook-id"])
        return web.Response(status=204)

    async def run() -> None:
        app = web.Application()
        app.router.add_post("/in", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        pipe.send(runner.addresses[0][1])
        while True:
            if pipe.poll():
                pipe.recv()
                pipe.send((len(seen), len(set(seen)), dict(first)))
            await asyncio.sleep(0.02)

    asyncio.run(run())


def queued(engine: Engine) -> int:
    """Messages that wait."""
    with engine.connect() as connection:
        waiting = select(func.count()).select_from(outbox).where(outbox.c.status == "PENDING")
        return int(connection.execute(waiting).scalar_one())


def publish(engine: Engine, key: int, level: int, cells: dict[int, int], now: datetime) -> None:
    """The next alert of the event, and its messages: the one before is superseded."""
    with engine.begin() as connection:
        connection.execute(text("UPDATE alert SET superseded_at = :t"), {"t": isoformat(now)})
        connection.execute(
            insert(alert).values(
                alert_id=key, identifier=f"e-{key:03d}", sender="s", event_id="e", cycle="c",
                action="UPG", level=level, status="Test", sent=isoformat(now),
                expires=isoformat(now + timedelta(hours=3)), headline_zh="", headline_en="",
                cap_xml="",
            )
        )  # fmt: skip
        if cells:
            connection.execute(
                insert(alert_cell),
                [{"alert_id": key, "cell_id": c, "level": of} for c, of in cells.items()],
            )
        fan_out(connection, "e", key, ("sms",), now, AnswerWithin())


def ratio(goal: float, found: float) -> str:
    """How many times better than the goal."""
    return f"goal {goal:g}, {goal / found:.2f} times better"


def main() -> None:
    n_people = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    x, y = make_people(n_people, np.random.default_rng(1))
    cells = [int(c) for c in make_storm(SPEC.nx * SPEC.ny)]
    crowded = np.argsort(np.bincount(SPEC.cell_of_xy(x, y)))[-50:].tolist()
    ours, theirs = multiprocessing.Pipe()
    receiver = multiprocessing.Process(target=sink, args=(theirs,), daemon=True)
    receiver.start()
    hook = Webhook("sms", f"http://127.0.0.1:{ours.recv()}/in", SECRET, allow_private=True)

    def told() -> tuple[int, int, dict[str, tuple[int, float]]]:
        ours.send("count")
        found: tuple[int, int, dict[str, tuple[int, float]]] = ours.recv()
        return found

    with tempfile.TemporaryDirectory() as folder:
        url = sys.argv[2] if len(sys.argv) > 2 else f"sqlite:///{Path(folder) / 'w.db'}"
        engine = fill(url, SPEC.cell_of_xy(x, y), np.array(cells))
        with engine.begin() as connection:  # everything yellow at first
            connection.execute(text("UPDATE alert_cell SET level = 2"))
            connection.execute(text("UPDATE alert SET level = 2"))
        begun, wall = time.process_time(), time.monotonic()
        with engine.begin() as connection:
            fan_out(connection, "e", 1, ("sms",), NOW, AnswerWithin())
        took, rows = time.process_time() - begun, queued(engine)
        goal = rows / 100_000
        wall = time.monotonic() - wall
        print(
            f"{rows} people, tasks and durable rows: {took:.2f} s CPU ({ratio(goal, took)}),"
            f" {wall:.2f} s on the wall"
        )

        begun, wall = time.process_time(), time.monotonic()
        summary = deliver(engine, [hook], LINKS, lambda: NOW, seconds=5.0)
        took, wall = time.process_time() - begun, time.monotonic() - wall
        n = summary.sent
        print(
            f"one worker: {n} messages, {n / took:.0f} a CPU second of it"
            f" (goal 3000, {n / took / 3000:.2f} times better), {n / wall:.0f} a second on the wall"
        )

        now = NOW + timedelta(minutes=6)
        published = time.monotonic()
        publish(engine, 2, 4, dict.fromkeys(cells, 2) | dict.fromkeys(crowded, 4), now)
        committed = time.monotonic()
        deliver(engine, [hook], LINKS, lambda: now, seconds=3.0)
        first = told()[2]["red"][1]
        print(
            f"first red with {queued(engine)} still queued: {first - committed:.2f} s after it was"
            f" published ({ratio(2.0, first - committed)}), {first - published:.2f} s after that"
            " began"
        )

        before, waiting = told()[0], queued(engine)
        publish(engine, 3, 0, {}, now + timedelta(minutes=6))
        deliver(engine, [hook], LINKS, lambda: now + timedelta(minutes=6), seconds=3.0)
        place = told()[2]["none"][0] - before
        print(
            f"cancel with {waiting} queued: its first message is number {place} of those sent since"
        )
        engine.dispose()
        count, different, _ = told()
        print(f"sink: {count} messages, {different} different")
    receiver.terminate()


if __name__ == "__main__":
    main()
