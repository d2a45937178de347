"""Reports with photographs, what is to be done by when, those below and the calls to them."""

import io

import pytest
from PIL import Image
from sqlalchemy import select
from tests.api.test_routes_tasks import NOW, told

from jinghu.warnings.database import reading, verify_audit
from jinghu.warnings.tables import escalation, feedback, phone_call, recipient, task

__all__ = ["told"]


def jpeg() -> bytes:
    out, image = io.BytesIO(), Image.new("RGB", (32, 24), "navy")
    exif = Image.Exif()
    exif[0x010F] = "PhoneMaker"
    image.save(out, "JPEG", exif=exif)
    return out.getvalue()


def rows(engine, table):
    with reading(engine) as connection:
        return connection.execute(select(table)).all()


def test_the_page_says_what_this_role_has_to_do_and_by_when(told):
    client, token, _ = told
    page = client.get(f"/t/{token}").text
    assert "您的任务" in page
    assert "逐户敲门" in page
    assert "<b>01:30前</b>" in page  # told at 00:30 in Shaoxing; orange: an hour
    assert "封闭漫水桥" not in page  # that is for others
    client.app.state.context.clock = lambda: NOW.replace(hour=17, minute=50)
    assert "<li class=late><b>01:30前</b>" in client.get(f"/t/{token}").text


def test_a_report_with_everything_from_a_form(told, tmp_path):
    client, token, engine = told
    form = {
        "answer": "HANDLED",
        "note": "桥头<b>积水</b>",
        "water_depth_cm": "45",
        "people_moved": "12",
        "lon": "120.5",
        "lat": "29.98",
    }
    answer = client.post(
        f"/api/v1/tasks/{token}", data=form, files={"photo": ("照片.jpg", jpeg(), "image/jpeg")}
    )
    assert (answer.status_code, answer.headers["location"]) == (303, f"/t/{token}")
    (row,) = rows(engine, feedback)
    assert (row.answer, row.water_depth_cm, row.people_moved) == ("HANDLED", 45, 12)
    assert (row.lon, row.lat) == (120.5, 29.98)
    (stored,) = (tmp_path / "store" / "photos").iterdir()
    assert stored.name == row.photo
    assert b"PhoneMaker" not in stored.read_bytes()
    page = client.get(f"/t/{token}").text
    assert "桥头&lt;b&gt;积水" in page
    assert "积水45厘米" in page
    assert "转移12人" in page
    picture = client.get(f"/t/{token}/photos/{row.photo}")
    assert (picture.status_code, picture.headers["content-type"]) == (200, "image/jpeg")
    assert picture.headers["cache-control"] == "no-store"
    assert client.get(f"/t/{token}/photos/{'0' * 32}.jpg").status_code == 404
    assert client.get(f"/t/{token}/photos/..%2f..%2fanswer.key").status_code in (404, 422)
    assert verify_audit(engine) is None


def test_an_empty_form_is_an_answer_alone(told):
    client, token, engine = told
    form = {"answer": "ACKNOWLEDGED", "note": "", "water_depth_cm": "", "people_moved": ""}
    empty = {"photo": ("", b"", "application/octet-stream")}
    answer = client.post(f"/api/v1/tasks/{token}", data=form | {"lon": "", "lat": ""}, files=empty)
    assert answer.status_code == 303
    assert rows(engine, feedback) == []
    assert rows(engine, task)[0].status == "ACKNOWLEDGED"


@pytest.mark.parametrize(
    ("fields", "files", "status", "cause"),
    [
        ({"answer": "HANDLED", "water_depth_cm": "-1"}, None, 422, "water_depth_cm"),
        ({"answer": "HANDLED", "water_depth_cm": "deep"}, None, 422, "water_depth_cm"),
        ({"answer": "HANDLED", "lat": "91"}, None, 422, "lat"),
        ({"answer": "HANDLED"}, b"<svg onload=alert(1)>", 422, "neither JPEG nor PNG"),
        ({"answer": "HANDLED"}, jpeg()[:200], 422, "cut short"),
        ({"answer": "HANDLED"}, bytes(9 * 2**20), 413, "longer than"),
    ],
)
def test_what_is_wrong_is_told_and_nothing_is_kept(told, fields, files, status, cause):
    client, token, engine = told
    sent = {"files": {"photo": ("x.jpg", files, "image/jpeg")}} if files else {}
    answer = client.post(f"/api/v1/tasks/{token}", data=fields, **sent)
    assert answer.status_code == status
    assert cause in answer.json()["detail"]
    assert rows(engine, feedback) == []
    assert rows(engine, task)[0].status == "TOLD"


@pytest.mark.parametrize(
    "body", [b"", b"--x--", b"no boundary at all", b"--x\r\n\r\nhello\r\n--x--"]
)
def test_broken_forms(told, body):
    client, token, _ = told
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    assert client.post(f"/api/v1/tasks/{token}", content=body, headers=kind).status_code == 422


@pytest.fixture
def above(told):
    """The one who is told is a town's; a village's head did not answer, nor a grid's below."""
    client, token, engine = told
    row = rows(engine, task)[0]
    unit = row.unit_code[:9]
    with engine.begin() as connection:
        connection.execute(recipient.update().values(role="town_duty", unit_code=unit))
        connection.execute(task.update().values(tier=2, unit_code=unit))
        for k, (role, tier, code) in enumerate(
            (("village_head", 1, f"{unit}001"), ("grid_officer", 0, f"{unit}001001")), 90
        ):
            who = {"person": f"p{k}", "name": f"人{k}", "role": role, "unit_code": code}
            where = {"unit_name": "某村", "lon": 120.5, "lat": 30.0, "cell_id": 1}
            connection.execute(recipient.insert().values(recipient_id=k, **who, **where))
            connection.execute(
                task.insert().values(
                    task_id=k, event_id=row.event_id, recipient_id=k, alert_id=row.alert_id,
                    level=4, status="TOLD", note="", tier=tier, unit_code=code, escalated=0,
                    raised_at="2019-08-09T16:31:00Z",
                )
            )  # fmt: skip
        for below, to in ((91, 90), (90, row.task_id)):
            connection.execute(
                escalation.insert().values(
                    from_task_id=below, to_task_id=to, reason="SILENT", deadline=f"x{below}", at="x"
                )
            )
    return client, token, engine


def test_who_is_silent_below_is_seen_over_all_steps_and_called(above):
    client, token, engine = above
    page = client.get(f"/t/{token}").text
    assert "下级2人未处置，请您接手并电话核实" in page
    assert page.index("人91") < page.index("人90")  # the nearest first
    assert (
        "<th>网格 <small>grid</small></th><td>1</td><td>0</td><td>0</td><td>0</td><td>1</td>"
        in page
    )
    url = f"/api/v1/tasks/{token}/calls"
    form = {"task_id": "91", "outcome": "NO_ANSWER", "note": "响了两次"}
    assert client.post(url, data=form).headers["location"] == f"/t/{token}"
    answer = client.post(url, json={"task_id": 91, "outcome": "REACHED", "note": "已在转移"})
    assert (answer.status_code, answer.json()) == (200, {"outcome": "REACHED"})
    assert [r.outcome for r in rows(engine, phone_call)] == ["NO_ANSWER", "REACHED"]
    assert "已打2次：已接通" in client.get(f"/t/{token}").text
    assert verify_audit(engine) is None


def test_only_those_who_came_up_can_be_called(above):
    client, token, engine = above
    url = f"/api/v1/tasks/{token}/calls"
    mine = rows(engine, task)[0].task_id
    for key in (mine, 4711):
        answer = client.post(url, json={"task_id": key, "outcome": "REACHED"})
        assert answer.status_code in (404, 422)
    assert client.post(url, json={"task_id": 91, "outcome": "MAYBE"}).status_code == 422
    with engine.begin() as connection:
        connection.execute(task.update().where(task.c.task_id == 91).values(status="HANDLED"))
    answer = client.post(url, json={"task_id": 91, "outcome": "REACHED"})
    assert answer.status_code in (404, 422)
    assert rows(engine, phone_call) == []
