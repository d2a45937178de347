"""Issuing, holding, ending and approving over HTTP: by the right key, once, and never alone."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import func, select
from tests.api.conftest import TIME, WET, client_of_desk, key_for, make_settings

from jinghu.api.desk import Desk
from jinghu.configs.settings import CONFIGS, Settings
from jinghu.grid.times import isoformat
from jinghu.warnings.cap import validate
from jinghu.warnings.database import open_database, reading, verify_audit
from jinghu.warnings.keys import Scope
from jinghu.warnings.levels import Hazard
from jinghu.warnings.office import Office
from jinghu.warnings.rules import load_rules
from jinghu.warnings.tables import alert, hold
from jinghu.warnings.units import load_units

COUNTY = "330683"  # the wet cell is in Shengzhou
CELL = WET[0] * 12 + WET[1]
ASKED = {"hazard": "rainstorm", "county": COUNTY, "level": "orange", "reason": "巡查发现塌方",
         "cells": [CELL]}  # fmt: skip


@dataclass
class Bureau:
    settings: Settings
    now: datetime = TIME
    handed: list[int] = field(default_factory=list)

    def __post_init__(self):
        spec, city = self.settings.grid.product(), self.settings.city
        units = load_units(city.boundaries, city.code, spec)
        rules = load_rules(CONFIGS / "rules" / "rainstorm.yaml")
        approvals = {Hazard.RAINSTORM: rules.approvals, Hazard.RIVER_FLOOD: rules.approvals}
        self.office = Office(
            spec, units, "绍兴市", "Shaoxing", "jinghu@test.example", "Test", (),
            approvals=approvals,
        )  # fmt: skip
        desk = Desk(lambda: self.office, lambda: self.handed.append(1))
        self.client = client_of_desk(self.settings, lambda: self.now, desk)
        self.keys = {}

    def key(self, scope=Scope.FORECASTER, unit="330600", name="test"):
        known = (scope, unit, name)
        if known not in self.keys:
            self.keys[known] = key_for(self.settings, scope, unit, name=name)
        return self.keys[known]

    def post(self, path, body, key=None, **headers):
        return self.client.post(f"/api/v1{path}", json=body, headers=(key or self.key()) | headers)

    def get(self, path, key=None):
        return self.client.get(f"/api/v1{path}", headers=key or self.key()).json()

    def rows(self, query):
        engine = open_database(self.settings.warnings.database)
        with reading(engine) as connection:
            found = connection.execute(query).all()
        assert verify_audit(engine) is None
        engine.dispose()
        return found


@pytest.fixture
def bureau(tmp_path):
    return Bureau(make_settings(tmp_path))


def test_issued_changed_and_ended(bureau):
    made = bureau.post("/warnings", ASKED)
    assert made.status_code == 201, made.text
    first = made.json()["warnings"][0]
    shown = bureau.client.get(f"/api/v1/warnings/{first}").json()["properties"]
    assert (shown["level"], shown["cells"], shown["active"]) == ("orange", {str(CELL): 3}, True)
    assert "巡查发现塌方" in shown["areas"][0]["description_zh"]
    bureau.now += timedelta(minutes=3)
    lower = bureau.post(f"/warnings/{first}/level", {"level": "yellow", "reason": "已处置"})
    assert lower.status_code == 200, lower.text
    held = bureau.get("/holds")["holds"]
    assert [(h["kind"], h["level"], h["hold"]) for h in held] == [("at_most", "yellow", 2)]
    assert held[0]["author"].startswith("jh_live_")
    second = lower.json()["warnings"][0]
    ended = bureau.post(f"/warnings/{second}/cancel", {"reason": "险情解除"})
    assert len(ended.json()["warnings"]) == 1
    again = bureau.post(f"/warnings/{second}/cancel", {"reason": "险情解除"})
    assert (again.status_code, again.json()["detail"]) == (409, f"{second}: its event has ended")
    assert bureau.post("/holds/3/end", {"reason": "恢复"}).json()["hold"] == 3
    assert bureau.get("/holds")["holds"] == []
    assert bureau.post("/holds/3/end", {"reason": "恢复"}).status_code == 404
    assert len(bureau.handed) == 3
    assert [r.action for r in bureau.rows(select(alert).order_by(alert.c.alert_id))] == [
        "NEW", "DNG", "CAN",
    ]  # fmt: skip
    assert all(validate(r.cap_xml.encode()) == [] for r in bureau.rows(select(alert)))


def test_red_needs_a_second_key(bureau):
    me = bureau.key(Scope.APPROVER, name="王")
    made = bureau.post("/warnings", ASKED | {"level": "red"}, me).json()
    assert made["proposals"] == [1]
    waiting = bureau.get("/proposals")
    one = waiting["proposals"][0]
    assert (one["step"], one["level"], one["state"], one["otherwise"]) == (
        "raise", "red", "OPEN", "issue",
    )  # fmt: skip
    assert one["due_at"] == isoformat(TIME + timedelta(minutes=5))
    assert (one["reason"], one["cells"]) == ("巡查发现塌方", {str(CELL): 4})
    assert bureau.post("/proposals/1/approve", {}, me).status_code == 403
    assert bureau.post("/proposals/1/approve", {}).status_code == 403  # a forecaster
    town = bureau.key(Scope.APPROVER, "330602")
    assert bureau.post("/proposals/1/approve", {}, town).status_code == 403
    assert bureau.client.get("/api/v1/proposals/1", headers=town).status_code == 403
    assert bureau.get("/proposals", town)["proposals"] == []
    second = bureau.key(Scope.APPROVER, COUNTY, "李")
    assert bureau.post("/proposals/1/reject", {"reason": " "}, second).status_code == 422
    done = bureau.post("/proposals/1/approve", {"reason": "同意"}, second)
    assert done.status_code == 200, done.text
    shown = bureau.client.get(f"/api/v1/warnings/{done.json()['warnings'][0]}").json()
    assert shown["properties"]["level"] == "red"
    assert bureau.post("/proposals/1/reject", {"reason": "不同意"}, second).status_code == 409
    assert bureau.get("/proposals")["proposals"] == []
    (past,) = bureau.get("/proposals?waiting=false")["proposals"]
    assert (past["state"], past["decision"]) == ("APPROVED", "同意")
    assert bureau.client.get("/api/v1/proposals/1").status_code == 401


def test_the_same_request_is_done_once(bureau):
    once = {"Idempotency-Key": "a-1"}
    first = bureau.post("/warnings", ASKED, **once)
    assert bureau.post("/warnings", ASKED, **once).json() == first.json()
    other = bureau.post("/warnings", ASKED | {"level": "blue"}, **once)
    assert (other.status_code, "another request" in other.json()["detail"]) == (422, True)
    assert bureau.rows(select(func.count()).select_from(hold))[0][0] == 1
    theirs = bureau.post("/warnings", ASKED, bureau.key(Scope.APPROVER), **once)
    assert theirs.json()["hold"] == 2  # keys of others are others
    failed = bureau.post("/warnings", ASKED | {"county": "330699"}, **{"Idempotency-Key": "b"})
    assert failed.status_code == 422
    assert bureau.post("/warnings", ASKED, **{"Idempotency-Key": "b"}).status_code == 201


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"cells": [0, 10**8]}, "not of this city"),
        ({"county": "330699"}, "there are"),
        ({"reason": "  "}, "reason"),
        ({"level": "purple"}, "level"),
        ({"until": "2030-01-01T00:00:00Z"}, "ends within"),
        ({"hazard": "river_flood"}, "name it"),
        ({"place": {"key": "a", "name_zh": "甲", "name_en": "A"}}, "by county"),
        ({"other": 1}, "other"),
    ],
)
def test_what_cannot_be_issued_is_refused(bureau, change, cause):
    answer = bureau.post("/warnings", ASKED | change)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert cause in answer.json()["detail"]


def test_a_river_is_warned_of_by_name(bureau):
    place = {"key": "dike-7", "name_zh": "七号堤段", "name_en": "dike section 7"}
    asked = ASKED | {"hazard": "river_flood", "place": place}
    made = bureau.post("/warnings", asked).json()
    shown = bureau.client.get(f"/api/v1/warnings/{made['warnings'][0]}").json()["properties"]
    assert (shown["place"], shown["headline_zh"]) == (
        "dike-7", "【测试】嵊州市发布洪水橙色预警（七号堤段）",
    )  # fmt: skip
    lines = bureau.post("/warnings", asked | {"cells": None})
    assert (lines.status_code, "names its cells" in lines.json()["detail"]) == (422, True)


def test_other_scopes_and_units_issue_nothing(bureau):
    for scope in Scope:
        answer = bureau.post("/warnings", ASKED, bureau.key(scope, "330602"))
        assert answer.status_code == 403, scope
    assert bureau.client.post("/api/v1/warnings", json=ASKED).status_code == 401
    bureau.client.app.state.context.desk = None
    assert bureau.post("/warnings", ASKED).status_code == 503
    assert bureau.rows(select(alert)) == []


def test_a_hold_on_what_waits(bureau):
    hold_red = {"hazard": "rainstorm", "county": COUNTY, "kind": "at_least", "level": "red",
                "reason": "上游来水"}  # fmt: skip
    assert bureau.post("/holds", hold_red).json()["proposals"] == [1]
    assert (
        bureau.post("/holds", hold_red | {"kind": "at_least", "level": "none"}).status_code == 422
    )
    calm = hold_red | {"kind": "at_most", "level": "orange", "reason": "误报"}
    assert bureau.post("/holds", calm).json()["proposals"] == []
    (past,) = bureau.get("/proposals?waiting=false")["proposals"]
    assert past["state"] == "LAPSED"
    bureau.office = replace(bureau.office, approvals={})
    assert bureau.post("/holds", hold_red).json()["proposals"] == []
    assert [r.level for r in bureau.rows(select(alert).order_by(alert.c.alert_id))][-1] == 4
