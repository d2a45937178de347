"""Words of `jinghu drill` that cannot be are refused in one line, before anything is written."""

import json
from datetime import timedelta

import pytest

from jinghu.drill_play import Pace


def test_the_drills_are_listed(jinghu):
    code, out, _ = jinghu("drill", "list")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == [
        "convective-line", "dry", "outage", "scattered", "typhoon"
    ]  # fmt: skip
    code, out, _ = jinghu("drill", "list", "--json")
    assert {row["name"]: row["hours"] for row in json.loads(out)}["typhoon"] == 6


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["flood-of-noah"], "none of convective-line, dry"),
        (["dry", "--speed", "0"], "--speed 0"),
        (["dry", "--speed", "fast"], "a number above 0, or asap"),
        (["dry", "--hours", "99"], "can be simulated"),
        (["dry", "--start", "yesterday"], "yesterday"),
        (["nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_cannot_be_is_refused(jinghu, tmp_path, arguments, words):
    code, _, err = jinghu("drill", "run", *arguments, "--store", tmp_path / "store")
    assert code in (2, 3)
    assert words in err
    assert len(err.strip().splitlines()) == 1
    assert not (tmp_path / "store").exists()


def test_a_drill_that_may_run_as_fast_as_possible_never_waits(monkeypatch):
    waited = []
    monkeypatch.setattr("threading.Event.wait", lambda _, seconds: waited.append(seconds))
    Pace().wait(timedelta(hours=9))
    assert waited == []
    Pace(60.0).wait(timedelta(hours=1))
    assert waited == [pytest.approx(60.0, abs=0.5)]
