import threading
from datetime import UTC, datetime

import pytest
from tests.api.conftest import key_for

from jinghu.api.dispatch_schemas import DispatchAnswer
from jinghu.grid.errors import ConfigError, DataError
from jinghu.warnings.keys import Scope

ASKED = {
    "schedules": [
        {"reservoir": "changzhao", "releases": [{"since": "2019-08-09T16:30:00Z", "m3_s": 200}]}
    ]
}


def answer(request):
    return DispatchAnswer(
        cycle="20190809T1630Z",
        time=datetime(2019, 8, 9, 16, 30, tzinfo=UTC),
        times=[],
        members=len(request.schedules),
        terrain_source="generated",
        terrain_generated=True,
        rule_names={},
        reservoirs=[],
        gauges=[],
        unmet=[],
        proposal=None,
        degradations=[],
        seconds=0.1,
    )


@pytest.fixture
def client(site):
    with site.client(headers=key_for(site.settings, Scope.WATER)) as found:
        yield found


@pytest.fixture
def offered(client):
    """The client of a service that offers what-ifs, and the way to set what runs them."""
    context = client.app.state.context

    def set_runner(run):
        context.dispatcher = run

    set_runner(answer)
    return client, set_runner


def test_what_is_asked_reaches_the_runner(offered):
    client, _ = offered
    found = client.post("/api/v1/dispatch", json=ASKED)
    assert found.status_code == 200
    assert found.json()["members"] == 1
    assert found.headers["cache-control"] == "no-store"


def test_a_service_without_a_runner_says_so(client):
    found = client.post("/api/v1/dispatch", json={})
    assert found.status_code == 503
    assert found.json()["detail"] == "what-if runs are not offered by this service"


@pytest.mark.parametrize(
    "body",
    [
        {"schedules": [{"reservoir": "changzhao", "releases": []}]},
        {"schedules": [{"reservoir": "../x", "releases": [{"since": "2019-01-01T00:00Z",
                                                          "m3_s": 1}]}]},
        {"schedules": [{"reservoir": "a", "releases": [{"since": "2019-01-01T00:00Z",
                                                       "m3_s": -1}]}]},
        {"schedules": [{"reservoir": "a", "releases": [{"since": "2019-01-01T00:00", "m3_s": 1}]}]},
        {"cycle": "yesterday"},
        {"propose": {"controls": []}},
        {"wish": 1},
    ],
)  # fmt: skip
def test_wrong_bodies_are_problems(offered, body):
    client, _ = offered
    found = client.post("/api/v1/dispatch", json=body)
    assert found.status_code == 422
    assert found.headers["content-type"] == "application/problem+json"


def test_errors_of_the_runner_are_problems(offered):
    client, set_runner = offered
    for error, status in ((ConfigError("no reservoir x"), 422), (DataError("c", "gone"), 404)):

        def fail(_, error=error):
            raise error

        set_runner(fail)
        found = client.post("/api/v1/dispatch", json=ASKED)
        assert found.status_code == status
        assert str(error) in found.json()["detail"]
    set_runner(answer)
    assert client.post("/api/v1/dispatch", json=ASKED).status_code == 200  # let go after errors


def test_what_is_saved_is_listed_and_found_again(offered):
    client, _ = offered
    assert client.post("/api/v1/dispatch", json=ASKED).json()["scenario"] is None
    assert client.get("/api/v1/dispatch/scenarios").json()["scenarios"] == []
    titles = ("控泄 200", "控泄 200，再来", "控泄 200")  # the third is the first again
    names = [
        client.post("/api/v1/dispatch", json=ASKED | {"save_as": t}).json()["scenario"]
        for t in titles
    ]
    assert names[0] == names[2] != names[1]
    listed = client.get("/api/v1/dispatch/scenarios").json()
    assert [s["scenario"] for s in listed["scenarios"]] == [names[0], names[1]]
    assert listed["unreadable"] == []
    found = client.get(f"/api/v1/dispatch/scenarios/{names[1]}").json()
    assert found["note"]["title"] == titles[1]
    assert found["request"]["cycle"] == found["answer"]["cycle"] == "20190809T1630Z"
    assert found["request"]["schedules"][0]["releases"][0]["m3_s"] == 200
    assert found["answer"]["scenario"] == names[1]
    folder = client.app.state.context.store.root / "scenarios"
    (folder / f"{names[1]}.json").write_text("{}")
    listed = client.get("/api/v1/dispatch/scenarios").json()
    assert (len(listed["scenarios"]), listed["unreadable"]) == (1, [f"{names[1]}.json"])
    for name, status in ((names[1], 404), ("0" * 12, 404), ("..%2Fx", 404), ("x", 422)):
        assert client.get(f"/api/v1/dispatch/scenarios/{name}").status_code == status
    for title in ("", "x" * 61, "a\nb"):
        asked = ASKED | {"save_as": title}
        assert client.post("/api/v1/dispatch", json=asked).status_code == 422


def test_scenarios_need_a_key_that_may_ask_for_what_ifs(site, offered):
    client, _ = offered
    viewer = key_for(site.settings, Scope.VIEWER)
    for headers, status in (({"Authorization": ""}, 401), (viewer, 403)):
        assert client.get("/api/v1/dispatch/scenarios", headers=headers).status_code == status


def test_only_the_newest_are_kept(offered, monkeypatch):
    monkeypatch.setattr("jinghu.api.scenarios.KEPT", 2)
    client, _ = offered
    for title in "abc":
        client.post("/api/v1/dispatch", json=ASKED | {"save_as": title})
    listed = client.get("/api/v1/dispatch/scenarios").json()["scenarios"]
    assert [s["title"] for s in listed] == ["c", "b"]


def test_one_runs_at_a_time(offered):
    client, set_runner = offered
    running, end = threading.Event(), threading.Event()

    def slow(request):
        running.set()
        end.wait(20)
        return answer(request)

    set_runner(slow)
    found = []
    first = threading.Thread(
        target=lambda: found.append(client.post("/api/v1/dispatch", json=ASKED).status_code)
    )
    first.start()
    running.wait(20)
    second = client.post("/api/v1/dispatch", json=ASKED)
    end.set()
    first.join()
    assert found == [200]
    assert second.status_code == 503
    assert "another what-if is running" in second.json()["detail"]
