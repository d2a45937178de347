"""People, numbers, answers for others and keys over HTTP: a town's key opens its town alone."""

import json
import logging
import re
import shutil
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.api.conftest import TIME, WET, Site, key_for, make_settings, publish_cycle, warn_people
from tests.warnings.leaks import leaked, leaked_in, numbers

from jinghu.api.limits import Limiter
from jinghu.configs.settings import Settings
from jinghu.warnings.audience import Recipient, Roster
from jinghu.warnings.database import open_database, reading, verify_audit
from jinghu.warnings.keys import Scope
from jinghu.warnings.levels import Role
from jinghu.warnings.phone_keys import load_phone_keys, with_new_key, write_phone_keys
from jinghu.warnings.phones import parse_phone
from jinghu.warnings.purposes import Purpose
from jinghu.warnings.reconcile import apply_import, plan_import
from jinghu.warnings.tables import audit, task

NOW = TIME + timedelta(minutes=2)
KNOWN = numbers(200)
MINE, OTHER = "330683001", "330683002"


@dataclass(frozen=True)
class Office:
    settings: Settings
    folder: Path
    client: object

    def key(self, scope=Scope.DUTY, unit=MINE, **how):
        return key_for(self.settings, scope, unit, **how)

    def rows(self, query):
        engine = open_database(self.settings.warnings.database)
        with reading(engine) as connection:
            found = connection.execute(query).all()
        engine.dispose()
        return found


def bring_in(settings):
    """Two hundred people with numbers in the wet cell, half of them in each of two towns."""
    path, spec = settings.warnings.phone_keys_file, settings.grid.product()
    write_phone_keys(path, with_new_key(None))
    lon, lat = spec.to_lonlat(spec.x[WET[1]], spec.y[WET[0]])
    people = tuple(
        Recipient(
            f"P-{k:03d}", f"某人{k}", Role.GRID_OFFICER, f"{(MINE, OTHER)[k % 2]}001{k:03d}",
            f"第{k}网格", float(lon), float(lat), parse_phone(number),
        )
        for k, number in enumerate(KNOWN)
    )  # fmt: skip
    engine = open_database(settings.warnings.database)
    with engine.begin() as connection:
        keys = load_phone_keys(path, "")
        apply_import(
            connection, plan_import(connection, Roster(people), spec, keys=keys), "t", "t", TIME
        )
    engine.dispose()


def settings_of(folder: Path, **changes) -> Settings:
    keys = str(folder / "keys" / "phone.keys")
    return make_settings(folder, phone_keys_file=keys, **changes)


@pytest.fixture(scope="module")
def told_office(tmp_path_factory) -> Path:
    """Folder of an office that has warned its people; tests copy it."""
    folder: Path = tmp_path_factory.mktemp("office")
    settings = settings_of(folder)
    coarse = publish_cycle(settings, TIME, with_flows=False)
    bring_in(settings)
    warn_people(settings, coarse, TIME)
    return folder


@pytest.fixture
def office(told_office, tmp_path):
    shutil.copytree(told_office, tmp_path, dirs_exist_ok=True)
    settings = settings_of(tmp_path)
    with Site(settings, NOW).client() as client:
        yield Office(settings, tmp_path, client)


def test_lists_are_of_the_keys_unit_and_masked(office):
    found = office.client.get("/api/v1/people?limit=60", headers=office.key())
    assert found.status_code == 200
    assert found.headers["cache-control"] == "no-store"
    page = found.json()
    assert len(page["people"]) == 60
    rest = office.client.get(f"/api/v1/people?after={page['next']}", headers=office.key()).json()
    people = page["people"] + rest["people"]
    named = [p for p in people if p["person"].startswith("P-")]
    assert {p["unit_code"][:9] for p in people} == {MINE}
    assert len(named) == 100
    assert all(re.fullmatch(r"1\d\d\*\*\*\*\d{4}", p["phone"]) for p in named)
    assert rest["next"] is None
    city = office.client.get("/api/v1/people?limit=1000", headers=office.key(unit="330600")).json()
    assert len(city["people"]) == 202


def test_a_towns_key_cannot_read_or_act_on_another_town(office):
    client, key = office.client, office.key()
    (event,) = {r.event_id for r in office.rows(select(task.c.event_id))}
    for method, path, body, status in (
        ("GET", f"/api/v1/people?unit={OTHER}", None, 403),
        ("GET", "/api/v1/people?unit=330683", None, 403),
        ("GET", f"/api/v1/tasks?unit={OTHER}", None, 403),
        ("GET", "/api/v1/people/P-001", None, 404),
        ("POST", "/api/v1/people/P-001/phone", {"reason": "电话核实"}, 404),
        ("POST", "/api/v1/people/P-001/answers", {"event": event, "answer": "HANDLED"}, 404),
    ):
        answer = client.request(method, path, json=body, headers=key)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"
    found = client.post("/api/v1/people/search", json={"phone": KNOWN[1]}, headers=key)
    assert found.json()["people"] == []
    wrong = client.post("/api/v1/people/search", json={"phone": "12345"}, headers=key)
    assert (wrong.status_code, "12345" in wrong.text) == (422, False)
    mine = client.post("/api/v1/people/search", json={"phone": KNOWN[0]}, headers=key).json()
    assert [p["person"] for p in mine["people"]] == ["P-000"]
    assert client.get("/api/v1/people/P-000", headers=key).status_code == 200
    assert {r.answered_at for r in office.rows(select(task))} == {None}


def test_a_look_at_a_number_is_in_the_audit(office):
    client, key = office.client, office.key()
    path = "/api/v1/people/P-002/phone"
    for body in ({}, {"reason": "x"}, {"reason": "     "}):
        assert client.post(path, json=body, headers=key).status_code == 422
    answer = client.post(path, json={"reason": "无人应答，电话核实"}, headers=key)
    assert answer.json() == {"person": "P-002", "phone": "+86" + KNOWN[2]}
    assert answer.headers["cache-control"] == "no-store"
    (entry,) = office.rows(select(audit).where(audit.c.action == "phone shown"))
    assert entry.subject == "P-002"
    assert entry.actor.startswith("jh_live_")
    assert json.loads(entry.detail)["reason"] == "无人应答，电话核实"
    auditor = office.key(Scope.AUDITOR, "")
    pages = client.get("/api/v1/audit?limit=1000", headers=auditor).json()
    assert [e["subject"] for e in pages["entries"] if e["action"] == "phone shown"] == ["P-002"]


def test_an_answer_for_somebody_who_was_called(office):
    client, key = office.client, office.key(Scope.WATER)
    silent = client.get("/api/v1/tasks?silent=true&limit=1000", headers=key).json()
    assert {t["unit_code"][:9] for t in silent["tasks"]} == {MINE}
    assert {t["status"] for t in silent["tasks"]} == {"TOLD"}
    first = silent["tasks"][0]
    assert first["due_at"] is not None
    body = {"event": first["event"], "answer": "ACKNOWLEDGED", "note": "电话确认"}
    answer = client.post(f"/api/v1/people/{first['person']}/answers", json=body, headers=key)
    assert (answer.status_code, answer.json()) == (200, {"status": "ACKNOWLEDGED"})
    (entry,) = office.rows(select(audit).where(audit.c.action == "ACKNOWLEDGED"))
    assert entry.actor.startswith("jh_live_")
    engine = open_database(office.settings.warnings.database)
    assert verify_audit(engine) is None
    engine.dispose()
    gone = client.post(
        f"/api/v1/people/{first['person']}/answers", json=body | {"event": "x"}, headers=key
    )
    assert gone.status_code == 404


@pytest.mark.parametrize(
    ("method", "path", "able"),
    [
        ("GET", "/api/v1/people", {Scope.DUTY, Scope.ADMIN}),
        ("POST", "/api/v1/people/P-000/phone", {Scope.DUTY}),
        ("POST", "/api/v1/people/P-000/answers", {Scope.DUTY, Scope.WATER}),
        ("POST", "/api/v1/dispatch", {Scope.WATER, Scope.FORECASTER, Scope.APPROVER}),
        ("GET", "/api/v1/keys", {Scope.ADMIN}),
        ("GET", "/api/v1/audit", {Scope.AUDITOR}),
        ("GET", "/api/v1/keys/me", set(Scope)),
    ],
)
def test_what_a_scope_may_not_do_is_refused(office, method, path, able):
    bodies = {"phone": {"reason": "测试测试"}, "answers": {"event": "x", "answer": "HANDLED"}}
    body = bodies.get(path.rsplit("/", 1)[1], {}) if method == "POST" else None
    assert office.client.request(method, path, json=body).status_code == 401
    for scope in Scope:
        answer = office.client.request(method, path, json=body, headers=office.key(scope))
        assert (answer.status_code == 403) == (scope not in able), (scope, answer.text)


def test_keys_that_open_nothing(office):
    client = office.client
    for header in ("", "Bearer", "Bearer jh_live_x", "Basic abc", "Bearer " + "x" * 9999):
        answer = client.get("/api/v1/people", headers={"Authorization": header})
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert "xxx" not in answer.text
    expired = office.key(expires=TIME + timedelta(minutes=1))
    assert "expired at" in client.get("/api/v1/people", headers=expired).json()["detail"]


@pytest.mark.parametrize(
    ("status", "purpose", "code"),
    [
        ("Exercise", Purpose.PRODUCTION, 403),
        ("Exercise", Purpose.DRILL, 200),
        ("Actual", Purpose.DRILL, 403),
        ("Actual", Purpose.PRODUCTION, 200),
    ],
)
def test_keys_of_drills_are_apart(tmp_path, status, purpose, code):
    settings = make_settings(tmp_path, status=status)
    headers = key_for(settings, Scope.DUTY, purpose=purpose)
    with Site(settings, NOW).client() as client:
        assert client.get("/api/v1/people", headers=headers).status_code == code


def test_an_administrator_makes_and_ends_keys_of_the_unit(office):
    client, admin = office.client, office.key(Scope.ADMIN, "330683")
    asked = {"name": "某镇值班", "scope": "duty", "unit": MINE}
    made = client.post("/api/v1/keys", json=asked, headers=admin)
    assert made.status_code == 201
    headers = {"Authorization": f"Bearer {made.json()['key']}"}
    me = client.get("/api/v1/keys/me", headers=headers).json()
    assert (me["unit"], me["scope_zh"], me["name"]) == (MINE, "值班", "某镇值班")
    assert (
        client.post("/api/v1/keys", json=asked | {"unit": "330602"}, headers=admin).status_code
        == 403
    )
    assert (
        client.post("/api/v1/keys", json=asked | {"unit": "33068"}, headers=admin).status_code
        == 422
    )
    assert client.post("/api/v1/keys", json=asked | {"name": " "}, headers=admin).status_code == 422
    listed = client.get("/api/v1/keys", headers=admin)
    assert me["prefix"] in [k["prefix"] for k in listed.json()["keys"]]
    assert made.json()["key"] not in listed.text
    assert client.delete(f"/api/v1/keys/{me['prefix']}", headers=admin).status_code == 204
    assert client.get("/api/v1/keys/me", headers=headers).status_code == 401
    assert client.delete("/api/v1/keys/nothing", headers=admin).status_code == 404


def test_public_reading_is_open_unless_the_settings_close_it(office):
    paths = ("/api/v1/warnings", "/api/v1/map", "/api/v1/cycles", "/api/v1/frames/legend")
    for path in paths:
        assert office.client.get(path).status_code == 200
    closed = office.settings.model_copy(
        update={"api": office.settings.api.model_copy(update={"require_key": True})}
    )
    with Site(closed, NOW).client() as client:
        for path in paths:
            assert client.get(path).status_code == 401
            answer = client.get(path, headers=office.key(Scope.VIEWER))
            assert answer.status_code == 200
            assert "public" not in answer.headers["cache-control"]
        assert client.get("/health/live").status_code == 200
        assert client.get("/").status_code == 200
        assert client.get("/t/nothing").status_code == 404  # links are keys of their own


def test_a_key_may_ask_so_often(office):
    now = [0.0]
    limiter = Limiter(3, lambda: now[0])
    assert [limiter.wait_s("a") for _ in range(4)] == [0, 0, 0, 20.0]
    assert limiter.wait_s("b") == 0
    now[0] = 20.0
    assert limiter.wait_s("a") == 0
    assert limiter.wait_s("a") == 20.0
    office.client.app.state.context.limiter = limiter
    key = office.key()
    codes = [office.client.get("/api/v1/people", headers=key).status_code for _ in range(4)]
    assert codes == [200, 200, 200, 429]


def test_known_numbers_are_in_no_answer_log_or_file(office, caplog):
    """But the one that was asked for, in its answer alone."""
    caplog.set_level(logging.DEBUG)
    client, seen = office.client, {n.encode() for n in KNOWN}
    everything = [
        client.get(path, headers=office.key(scope, "")).text
        for scope in (Scope.DUTY, Scope.AUDITOR, Scope.ADMIN)
        for path in (
            "/api/v1/people?limit=1000", "/api/v1/people/P-003", "/api/v1/tasks?limit=1000",
            "/api/v1/audit?limit=1000", "/api/v1/keys", "/api/v1/warnings", "/openapi.json",
            "/metrics", "/health/ready", "/api/v1/warnings/feed.atom",
        )
    ]  # fmt: skip
    path, key = "/api/v1/people/P-003/phone", office.key(unit="")
    everything.append(client.post(path, json={"reason": f"call {KNOWN[3]}"}, headers=key).text)
    found = client.post("/api/v1/people/search", json={"phone": KNOWN[4]}, headers=key)
    everything.append(found.text)
    assert found.json()["people"][0]["person"] == "P-004"
    assert leaked("\n".join(everything).encode(), seen) == {KNOWN[3].encode()}
    assert leaked("\n".join(everything[:-2]).encode(), seen) == set()
    assert leaked(caplog.text.encode(), seen) == set()
    assert leaked_in(office.folder, seen) == {}


def test_a_roster_is_kept_over_http(office):
    start, end = "2019-08-09T16:00:00Z", "2019-08-10T00:00:00+00:00"
    wish = [{"person": "P-000", "starts": start, "ends": end}]
    viewer = office.client.post("/api/v1/shifts", json=wish, headers=office.key(Scope.VIEWER))
    assert viewer.status_code == 403
    added = office.client.post("/api/v1/shifts", json=wish, headers=office.key())
    assert (added.status_code, len(added.json()["shifts"])) == (201, 1)
    other = office.client.post("/api/v1/shifts", json=wish, headers=office.key(unit=OTHER))
    assert other.status_code == 404
    clash = [wish[0] | {"starts": "2019-08-09T17:00:00Z"}]
    refused = office.client.post("/api/v1/shifts", json=clash, headers=office.key())
    assert refused.status_code == 422
    assert "is on shift from" in refused.json()["detail"]
    page = office.client.get("/api/v1/shifts", headers=office.key()).json()
    assert [(s["person"], s["role_zh"]) for s in page["shifts"]] == [("P-000", "网格员")]
    assert page["gaps"] == []
    number = added.json()["shifts"][0]
    url = f"/api/v1/shifts/{number}"
    assert office.client.delete(url, headers=office.key(unit=OTHER)).status_code == 404
    assert office.client.delete(url, headers=office.key()).status_code == 204
    assert office.client.get("/api/v1/shifts", headers=office.key()).json()["shifts"] == []
    engine = open_database(office.settings.warnings.database)
    assert verify_audit(engine) is None
    engine.dispose()
