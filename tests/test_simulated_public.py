"""People who answer by seed: their shares and delays, and a drill in which escalation runs."""

import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests.test_alerting import configure, query, storm

from jinghu.alerting import warn, warning_levels
from jinghu.answers import follow_up
from jinghu.api.serve import listen
from jinghu.configs.settings import load
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import cycle_name
from jinghu.public_process import simulated_public
from jinghu.service_process import service
from jinghu.simulated_public import Behaviour, Public
from jinghu.stages import StageLog
from jinghu.warnings.acknowledge import Answer
from jinghu.warnings.webhook import sign

SECRET = "whsec_c2VjcmV0IG9mIHR3ZW50eSBmb3VyIGI="
T0 = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)


def test_shares_and_delays_are_those_asked_for():
    found = [Behaviour(seed=3).replies(f"m-{k}") for k in range(4000)]
    first = [said[0][1] for said in found if said]
    shares = [
        sum(not said for said in found),
        sum(len(said) == 2 for said in found),
        first.count(Answer.CANNOT_HANDLE),
    ]
    assert np.allclose(np.array(shares) / 4000, (0.3, 0.2, 0.05), atol=0.025)
    minutes = [said[0][0] / timedelta(minutes=1) for said in found if said]
    assert np.median(minutes) == pytest.approx(2.5, rel=0.08)
    waits = [(b[0] - a[0]) / timedelta(minutes=1) for a, b in (s for s in found if len(s) == 2)]
    assert np.median(waits) == pytest.approx(12, rel=0.1)


def test_the_message_and_the_seed_decide():
    assert Behaviour(seed=1).replies("m-1") == Behaviour(seed=1).replies("m-1")
    one, other = ([Behaviour(seed=s).replies(f"m-{k}") for k in range(20)] for s in (1, 2))
    assert one != other


@pytest.mark.parametrize(
    "wrong", [{"acknowledging": 0.9, "unable": 0.2}, {"unable": -0.1}, {"answer_min": 0.0}]
)
def test_impossible_people_are_refused(wrong):
    with pytest.raises(ConfigError, match="behaviour"):
        Behaviour(**wrong)


def test_the_order_of_arrival_changes_nothing(tmp_path, monkeypatch):
    said = []

    def press(_, link, answer, note):
        said.append((link, answer))
        return True

    monkeypatch.setattr("jinghu.simulated_public._Phone.press", press)
    histories = []
    for shuffle in range(3):
        messages = [f"m-{k}" for k in range(60)]
        random.Random(shuffle).shuffle(messages)
        public = Public(SECRET, tmp_path / "record.jsonl", Behaviour(seed=5))
        public.clock.at = T0
        for message_id in messages:
            body = json.dumps({"answer_url": f"http://x/t/{message_id}"}).encode()
            assert public.receive(message_id, "1", sign(SECRET, message_id, 1, body), body)
        said.clear()
        for minute in range(0, 60, 1 + shuffle):  # nor how often they are let answer
            public.answer(T0 + timedelta(minutes=minute))
        public.answer(T0 + timedelta(minutes=60))
        histories.append(list(said))
    assert len(histories[0]) > 30
    assert histories[0] == histories[1] == histories[2]


def drill(folder: Path) -> tuple[list[tuple[Any, ...]], dict[str, Any]]:
    """One cycle of a heavy storm and 20 minutes after it, through the real service."""
    folder.mkdir()
    with (
        listen("127.0.0.1", 0) as listening,
        simulated_public(
            SECRET, folder / "record.jsonl", Behaviour(0.3, 0.15, 0.05, seed=7)
        ) as public,
    ):
        hook = {
            "name": "public",
            "url": public.url,
            "secret": SECRET,
            "allow_private": True,
            "purpose": "drill",
        }
        settings = load(
            configure(
                folder,
                status="Exercise",
                audience={"generated": 800, "seed": 1},
                webhooks=[hook],
                public_url=f"http://127.0.0.1:{listening.getsockname()[1]}",
            )
        )
        with service(settings, public.clock, listening):
            public.clock.at = T0
            levels = warning_levels(storm(settings, T0, 160), settings)
            warn(levels, cycle_name(T0), T0, settings, StageLog(Console(quiet=True)))
            for minute in range(1, 21):
                now = T0 + timedelta(minutes=minute)
                public.answer(now)
                counts = follow_up(settings, now)
    passed = query(
        settings,
        "SELECT f.recipient_id, t.recipient_id, f.tier, t.tier, e.reason, e.at FROM escalation e"
        " JOIN task f ON f.task_id = e.from_task_id JOIN task t ON t.task_id = e.to_task_id"
        " ORDER BY e.escalation_id",
    )
    (open_red,) = query(
        settings,
        "SELECT COUNT(*) FROM task WHERE level = 4 AND tier < 3 AND due_at IS NOT NULL",
    )[0]
    assert open_red == 0  # after 15 minutes every red task is answered or at the county
    return passed, counts


def test_escalation_runs_for_real_in_a_drill_and_again_the_same(tmp_path):
    passed, counts = drill(tmp_path / "one")
    assert {r[4] for r in passed} == {"SILENT", "CANNOT_HANDLE"}
    assert {(r[2], r[3]) for r in passed} >= {(0, 1), (1, 2)}
    assert counts["escalated"] == len(passed)
    assert counts["acknowledged"] > 20
    assert drill(tmp_path / "two")[0] == passed
