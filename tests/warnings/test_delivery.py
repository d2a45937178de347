"""Delivery to a real receiver on loopback, and a worker that is killed in the middle of it."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from sqlalchemy import func, select, text

from jinghu.grid.times import parse_time
from jinghu.warnings.acknowledge import Answer, answer, read_token
from jinghu.warnings.delivery import deliver, outbox_counts
from jinghu.warnings.outbox import LEASE, MAX_ATTEMPTS
from jinghu.warnings.tables import attempt, outbox, task
from jinghu.warnings.webhook import Webhook

SECRET = "whsec_" + base64.b64encode(bytes(range(24))).decode()


class Sink:
    """A receiver on loopback in a thread of its own: verifies, and answers as it is told to.

    ``behave`` takes the body of a message and the number of times it came, and returns a status;
    None hangs until the receiver is stopped.
    """

    def __init__(self, behave=lambda body, times: 200):
        self.behave = behave
        self.received: list[tuple[str, dict[str, Any]]] = []
        self.times: Counter[str] = Counter()
        self.badly_signed = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(20)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(20)

    def hook(self, name="sms"):
        return Webhook(name, f"http://127.0.0.1:{self.port}/in", SECRET, allow_private=True)

    async def _run(self):
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        app = web.Application()
        app.router.add_post("/in", self._take)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.port = runner.addresses[0][1]
        self._ready.set()
        await self._stop.wait()
        await runner.cleanup()

    async def _take(self, request):
        body, headers = await request.read(), request.headers
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        key = base64.b64decode(SECRET[6:])
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        if headers["webhook-signature"] != f"v1,{expected}":
            self.badly_signed += 1
        message = json.loads(body)
        self.times[headers["webhook-id"]] += 1
        status = self.behave(message, self.times[headers["webhook-id"]])
        if status is None:
            await self._stop.wait()
            return web.Response(status=500)
        if status < 300:
            self.received.append((headers["webhook-id"], message))
        return web.Response(status=status)


def run(world, *hooks, now=None, seconds=60.0, digest=None):
    now = now or world.time
    return deliver(world.engine, hooks, world.links, lambda: now, seconds, digest=digest)


def test_several_cycles_to_a_faulty_receiver_and_back(world):
    """The whole path: levels -> people -> a receiver with faults -> answers through the links."""
    world.add_people(list(range(8)))

    def behave(body, times):
        person = body["recipient"]["person"]
        if person == "P1":
            return 503 if times < 3 else 200
        return {"P2": 400, "P3": 422}.get(person, 200)

    with Sink(behave) as sink:
        world.cycle({0: 2, 1: 2, 2: 2, 3: 2, 4: 4})
        first = run(world, sink.hook())
        assert (first.sent, first.retry, first.dead, first.down) == (2, 1, 2, [])
        assert "HTTP" in first.faults["sms"]
        assert run(world, sink.hook()).sent == 0  # nothing is due yet: no spinning
        world.cycle({0: 2, 1: 2, 2: 2, 3: 2, 4: 4})
        second = run(world, sink.hook())
        assert (second.sent, second.retry) == (0, 1)
        world.cycle({0: 3, 1: 2, 2: 2, 3: 2, 4: 4})
        third = run(world, sink.hook())
        assert (third.sent, third.retry, third.dead) == (2, 0, 0)
    assert sink.badly_signed == 0
    assert outbox_counts(world.engine) == {"SENT": 4, "DEAD": 2}
    heard = [(m["recipient"]["person"], m["level"]) for _, m in sink.received]
    assert sorted(heard) == [("P0", "orange"), ("P0", "yellow"), ("P1", "yellow"), ("P4", "red")]
    assert len({m["answer_url"] for _, m in sink.received}) == 4
    for _, message in sink.received:
        token = message["answer_url"].removeprefix("https://jinghu.example/t/")
        link = read_token(token, world.key, world.time)
        answer(world.engine, link, Answer.ACKNOWLEDGED, "", world.time)
    counts = world.rows(select(task.c.status, func.count()).group_by(task.c.status))
    assert dict(map(tuple, counts)) == {"ACKNOWLEDGED": 3, "TOLD": 2}
    waiting = world.rows(select(task.c.due_at).where(task.c.status == "ACKNOWLEDGED"))
    assert {r.due_at for r in waiting} == {None}


def test_a_receiver_that_is_down_is_left_alone_and_delays_nobody_else(make_world):
    world = make_world(channels=("mail", "sms"))
    world.add_people(list(range(200)))
    world.cycle(dict.fromkeys(range(200), 3))
    down = Sink(lambda body, times: 503)
    with down, Sink() as sink:
        summary = run(world, down.hook("mail"), sink.hook("sms"))
    assert summary.sent == 200
    assert summary.down == ["mail"]
    assert not summary.late
    assert summary.retry < 100  # given up long before all were tried
    tried = world.rows(select(outbox.c.attempts, outbox.c.status).where(outbox.c.channel == "mail"))
    assert {r.status for r in tried} == {"PENDING"}
    assert sum(r.attempts for r in tried) == summary.retry == sum(down.times.values())
    with Sink() as mended:  # the next cycle, an hour later: everybody is told
        later = world.time + timedelta(hours=1)
        assert run(world, mended.hook("mail"), now=later).sent == 200


def test_after_the_time_given_nothing_new_is_begun(world, monkeypatch):
    """A clock that ticks a second a look: 60 looks are soon over."""
    world.add_people(list(range(120)))
    world.cycle(dict.fromkeys(range(120), 3))
    ticks = itertools.count()
    clock = SimpleNamespace(monotonic=lambda: float(next(ticks)))
    monkeypatch.setattr("jinghu.warnings.delivery.time", clock)
    with Sink() as sink:
        summary = run(world, sink.hook(), seconds=60.0)
    assert summary.late
    assert 0 < summary.sent < 120
    counts = outbox_counts(world.engine)
    assert counts == {"SENT": summary.sent, "PENDING": 120 - summary.sent}
    untried = world.rows(select(outbox.c.attempts).where(outbox.c.status == "PENDING"))
    assert {r.attempts for r in untried} == {0}


def test_nobody_there_ends_in_dead_letters_that_can_be_seen(world):
    world.add_people([5])
    world.cycle({5: 3})
    gone = Webhook("sms", "http://127.0.0.1:1/", SECRET, allow_private=True)
    now = world.time
    for _ in range(MAX_ATTEMPTS):
        assert run(world, gone, now=now).sent == 0
        (due_at,) = (parse_time(r.due_at) for r in world.rows(select(outbox.c.due_at)))
        now = max(now, due_at)
    assert outbox_counts(world.engine) == {"DEAD": 1}
    details = world.rows(select(attempt.c.outcome, attempt.c.detail))
    assert [d.outcome for d in details] == ["PENDING"] * 7 + ["DEAD"]
    assert all("Connect call failed" in d.detail for d in details)


def test_without_channels_nothing_is_claimed(world):
    world.add_people([5])
    world.cycle({5: 3})
    assert run(world).sent == 0
    assert outbox_counts(world.engine) == {"PENDING": 1}


WORKER = """
import sys
from datetime import datetime
from jinghu.warnings.acknowledge import Links
from jinghu.warnings.database import connect
from jinghu.warnings.delivery import deliver
from jinghu.warnings.webhook import Webhook
database, url, secret, now = sys.argv[1:]
hook = Webhook("sms", url, secret, allow_private=True)
links = Links("https://jinghu.example", bytes(range(32)))
print("ready", flush=True)
deliver(connect(database), [hook], links, lambda: datetime.fromisoformat(now))
"""


@pytest.mark.parametrize("after", [1, 60, 140])
def test_a_killed_worker_loses_nothing_and_repeats_under_the_same_id(world, after):
    world.add_people(list(range(150)))
    world.cycle(dict.fromkeys(range(150), 3))
    reached = threading.Event()
    count = 0

    def behave(body, times):
        nonlocal count
        count += 1
        if count >= after:
            reached.set()
        return None if count > after else 200  # hangs from here on: the worker is in the middle

    with Sink(behave) as sink:
        url = world.url
        arguments = [url, sink.hook().url, SECRET, world.time.isoformat()]
        worker = subprocess.Popen(
            [sys.executable, "-c", WORKER, *arguments], stdout=subprocess.PIPE, env=os.environ
        )
        assert reached.wait(60)
        os.kill(worker.pid, signal.SIGKILL)
        worker.communicate()
    got_out = {message_id for message_id, _ in sink.received}
    assert len(got_out) >= min(after, 1)
    assert outbox_counts(world.engine) == {"LEASED": 150}
    with Sink() as second:
        assert run(world, second.hook()).sent == 0  # the lease still holds
        later = world.time + LEASE + timedelta(seconds=1)
        assert run(world, second.hook(), now=later).sent == 150
    assert outbox_counts(world.engine) == {"SENT": 150}
    everything = {r.message_id for r in world.rows(select(outbox.c.message_id))}
    assert {message_id for message_id, _ in second.received} == everything
    assert got_out <= everything  # what came twice came under the same id
    bodies = dict(second.received)
    assert all(bodies[message_id] == body for message_id, body in sink.received)
    if world.engine.dialect.name == "sqlite":
        assert world.rows(text("PRAGMA integrity_check"))[0][0] == "ok"


def test_two_workers_share_the_work(world):
    world.add_people(list(range(300)))
    world.cycle(dict.fromkeys(range(300), 3))
    results = []

    def work():
        results.append(run(world, sink.hook()))

    with Sink() as sink:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sum(r.sent for r in results) == 300
    assert set(sink.times.values()) == {1}
