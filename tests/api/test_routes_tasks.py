"""The signed link of a responsible person: reading changes nothing, answering does."""

from datetime import timedelta

import pytest
from sqlalchemy import select
from tests.api.conftest import TIME, Site

from jinghu.warnings.acknowledge import Link, answer_key_path, load_answer_key, make_token
from jinghu.warnings.database import open_database, reading, verify_audit
from jinghu.warnings.tables import audit, escalation, recipient, task

NOW = TIME + timedelta(minutes=2)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def told(warned):
    """Own site: answers change the database. Yields client, token and engine."""
    settings = warned
    engine = open_database(settings.warnings.database)
    key = load_answer_key(answer_key_path(None, settings.warnings.database, settings.store))
    with reading(engine) as connection:
        row = connection.execute(select(task)).one()
    token = make_token(Link(row.event_id, row.recipient_id, NOW + timedelta(hours=6)), key)
    with Site(settings, NOW).client(follow_redirects=False) as client:
        yield client, token, engine
    engine.dispose()


def row_of(engine):
    with reading(engine) as connection:
        return connection.execute(select(task)).one()


def test_the_page_says_what_where_and_what_to_do(told):
    client, token, _ = told
    answer = client.get(f"/t/{token}")
    assert answer.status_code == 200
    text = answer.text
    for words in ("暴雨橙色", "测试村", "立即转移", "Move people", "收到", "已处置", "无法处置"):
        assert words in text
    assert "测试，不是真实预警" in text
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"


def test_reading_changes_nothing(told):
    client, token, engine = told
    with reading(engine) as connection:
        before = len(connection.execute(select(audit)).all())
    for _ in range(2):
        client.get(f"/t/{token}")
    assert client.get(f"/api/v1/tasks/{token}").status_code == 405
    with reading(engine) as connection:
        assert len(connection.execute(select(audit)).all()) == before
    assert row_of(engine).status == "TOLD"


def test_json_then_form_then_page(told):
    client, token, engine = told
    tag = client.get("/api/v1/warnings").headers["etag"]
    answer = client.post(f"/api/v1/tasks/{token}", json={"answer": "ACKNOWLEDGED"})
    assert (answer.status_code, answer.json()) == (200, {"status": "ACKNOWLEDGED"})
    assert row_of(engine).due_at is None
    changed = client.get("/api/v1/warnings", headers={"If-None-Match": tag})
    assert changed.json()["features"][0]["properties"]["answers"] == {"ACKNOWLEDGED": 1}
    tag = changed.headers["etag"]
    note = "道路被淹，<b>去不了</b>"
    form = {"answer": "CANNOT_HANDLE", "note": note}
    answer = client.post(f"/api/v1/tasks/{token}", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, f"/t/{token}")
    assert (row_of(engine).status, row_of(engine).note) == ("CANNOT_HANDLE", note)
    assert client.get("/api/v1/warnings", headers={"If-None-Match": tag}).status_code == 200
    page = client.get(f"/t/{token}").text
    assert "&lt;b&gt;去不了" in page
    assert "<b>去不了" not in page
    assert verify_audit(engine) is None


def test_a_closed_task_stays_closed(told):
    client, token, engine = told
    with engine.begin() as connection:
        connection.execute(task.update().values(status="CLOSED", level=0, due_at=None))
    answer = client.post(f"/api/v1/tasks/{token}", json={"answer": "HANDLED"})
    assert answer.json() == {"status": "CLOSED"}
    assert "无需答复" in client.get(f"/t/{token}").text


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"answer": "YES"}', "application/json", 422),
        (b'{"answer": "HANDLED", "more": 1}', "application/json", 422),
        (b'{"note": "x"}', "application/json", 422),
        (b"[1]", "application/json", 422),
        (b"{", "application/json", 422),
        (b"[" * 16000, "application/json", 422),
        (b"\xff\xfe", "application/x-www-form-urlencoded", 422),
        (b"answer=HANDLED", "text/plain", 415),
        (b"answer=HANDLED", "", 415),
        (b'{"answer": "HANDLED", "note": "' + b"x" * 1001 + b'"}', "application/json", 422),
        (b"x" * 20000, "application/json", 413),
    ],
)
def test_bad_answers_are_problems(told, content, kind, status):
    client, token, engine = told
    url = f"/api/v1/tasks/{token}"
    answer = client.post(url, content=content, headers={"Content-Type": kind})
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert row_of(engine).status == "TOLD"


def test_forged_and_expired_links(told):
    client, token, engine = told
    row = row_of(engine)
    other = make_token(Link(row.event_id, row.recipient_id, NOW + timedelta(hours=6)), b"k" * 32)
    body, mac = token.split(".")
    for bad in (other, body, f"{body}.{mac[:-2]}AA", f"W10.{mac}", "x" * 300, "中文.a"):
        page = client.get(f"/t/{bad}")
        assert page.status_code == 404
        assert "链接无效" in page.text
        answer = client.post(f"/api/v1/tasks/{bad}", json={"answer": "HANDLED"})
        assert answer.status_code == 404
    assert row_of(engine).status == "TOLD"
    client.app.state.context.clock = lambda: NOW + timedelta(hours=7)
    assert "expired" in client.get(f"/t/{token}").text


def test_the_page_of_an_escalated_task_says_who_did_not_answer(told):
    client, token, engine = told
    row = row_of(engine)
    with engine.begin() as connection:
        who = {
            "name": "<i>张三</i>",
            "unit_name": "越城区某村",
            "lon": 120.5,
            "lat": 30.0,
            "cell_id": 1,
        }
        for k, role, unit in ((90, "grid_officer", "330624001001001"), (91, "village_head", "x")):
            connection.execute(
                recipient.insert().values(
                    recipient_id=k, person=f"p{k}", role=role, unit_code=unit, **who
                )
            )
            connection.execute(
                task.insert().values(
                    task_id=k,
                    event_id=row.event_id,
                    recipient_id=k,
                    alert_id=row.alert_id,
                    level=4,
                    status="TOLD",
                    note="",
                    tier=k - 90,
                    unit_code=unit,
                    escalated=0,
                )
            )
            connection.execute(
                escalation.insert().values(
                    from_task_id=k, to_task_id=row.task_id, reason="SILENT", deadline="x", at="x"
                )
            )
    page = client.get(f"/t/{token}").text
    assert "下级2人未处置，请您接手并电话核实" in page
    assert page.index("下级2人未处置") < page.index("2 below you did not act")
    assert "<b>&lt;i&gt;张三&lt;/i&gt;</b> 网格员，越城区某村 <span>未答复" in page
    with engine.begin() as connection:
        connection.execute(task.update().where(task.c.task_id == 90).values(status="HANDLED"))
    assert "下级1人未处置，请您接手" in client.get(f"/t/{token}").text
    client.post(f"/api/v1/tasks/{token}", json={"answer": "HANDLED"})
    page = client.get(f"/t/{token}").text
    assert "下级1人未处置</b>" in page  # who has handled it is not asked to again
