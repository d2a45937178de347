"""What holds for all routes: problems, OpenAPI, headers."""

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from tests.api.conftest import TIME, Site, make_settings


def test_unknown_paths_and_methods_are_problems(client):
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("DELETE", "/api/v1/warnings", 405),
        ("POST", "/", 405),
        ("GET", "/static/nothing.js", 404),
    ):
        answer = client.request(method, path)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert set(answer.json()) == {"type", "title", "status", "detail"}
    assert client.delete("/api/v1/warnings").headers["allow"] == "GET"


def test_an_unexpected_error_tells_nothing(site, monkeypatch):
    def broken(*_):
        raise RuntimeError("secret")

    monkeypatch.setattr("jinghu.api.routes_cycles.parse_cycle_name", broken)
    with site.client(raise_server_exceptions=False) as client:
        answer = client.get("/api/v1/cycles")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text


def test_openapi_names_every_path_and_no_default_error(client):
    found = client.get("/openapi.json").json()
    wanted = {
        "/health/live",
        "/health/ready",
        "/metrics",
        "/api/v1/cycles",
        "/api/v1/cycles/{cycle}/manifest",
        "/api/v1/frames/legend",
        "/api/v1/frames/{cycle}",
        "/api/v1/frames/{cycle}/{part}/{layer}/{time}",
        "/api/v1/point",
        "/api/v1/cells",
        "/api/v1/dispatch",
        "/api/v1/dispatch/scenarios",
        "/api/v1/dispatch/scenarios/{scenario}",
        "/api/v1/exports/flows",
        "/api/v1/flash-floods",
        "/api/v1/gauges",
        "/api/v1/gauges/{gauge}",
        "/api/v1/reaches/{reach}",
        "/api/v1/reservoirs",
        "/api/v1/reservoirs/{reservoir}",
        "/api/v1/warnings",
        "/api/v1/warnings/{identifier}",
        "/api/v1/warnings/{identifier}.cap",
        "/api/v1/warnings/bulletin.pdf",
        "/api/v1/warnings/feed.atom",
        "/api/v1/warnings/{identifier}/cancel",
        "/api/v1/warnings/{identifier}/level",
        "/api/v1/holds",
        "/api/v1/holds/{number}/end",
        "/api/v1/proposals",
        "/api/v1/proposals/{number}",
        "/api/v1/proposals/{number}/approve",
        "/api/v1/proposals/{number}/reject",
        "/api/v1/tasks",
        "/api/v1/tasks/{token}",
        "/api/v1/tasks/{token}/calls",
        "/api/v1/people",
        "/api/v1/people/search",
        "/api/v1/people/{person}",
        "/api/v1/people/{person}/answers",
        "/api/v1/people/{person}/phone",
        "/api/v1/shifts",
        "/api/v1/shifts/{shift}",
        "/api/v1/keys",
        "/api/v1/keys/me",
        "/api/v1/keys/{prefix}",
        "/api/v1/audit",
        "/t/{token}",
        "/t/{token}/photos/{name}",
        "/api/v1/map",
        "/api/v1/scores",
    }
    assert set(found["paths"]) == wanted
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            assert operation["summary"], (path, method)
            refused = operation["responses"].get("422")
            if refused:
                assert set(refused["content"]) == {"application/problem+json"}, path
    assert "HTTPValidationError" not in str(found["components"])


def test_every_answer_of_json_fits_its_schema(client):
    """FastAPI checks answers against their models; here that each route is asked once."""
    for path in (
        "/api/v1/cycles",
        "/api/v1/cycles/20190809T1630Z/manifest",
        "/api/v1/frames/legend",
        "/api/v1/frames/20190809T1630Z",
        "/api/v1/map",
        "/api/v1/flash-floods",
        "/api/v1/gauges",
        "/api/v1/reservoirs",
        "/api/v1/reservoirs/changzhao",
        "/api/v1/warnings",
    ):
        assert client.get(path).status_code == 200, path


def test_headers_that_keep_the_page_to_itself(client):
    answer = client.get("/")
    assert "default-src 'self'" in answer.headers["content-security-policy"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    script = client.get("/static/main.js")
    assert script.headers["cache-control"] == "no-cache"
    assert script.headers["content-type"].startswith("text/javascript")


@pytest.mark.parametrize("name", ["index.html", "main.js", "viewer.css", "phone.css"])
def test_static_files_name_nothing_elsewhere(client, name):
    text = client.get(f"/static/{name}").text
    links = re.findall(r"""["'(](?:https?:)?//[^"')]+""", text)
    assert [link for link in links if "w3.org" not in link] == []


def test_map_in_metres_of_the_grid(client, site):
    found = client.get("/api/v1/map").json()
    names = {o["code"]: o for o in found["outlines"]}
    assert names["330683"]["name_zh"] == "嵊州市"
    assert names["330683"]["mine"]
    assert not names["330100"]["mine"]
    n = found["lattice"]["n"]
    assert len(found["lattice"]["lon"]) == n * n
    corner = found["grid"]["corners"][2]
    assert found["lattice"]["lon"][-1] == pytest.approx(corner["lon"], abs=1e-6)
    assert found["lattice"]["lat"][-1] == pytest.approx(corner["lat"], abs=1e-6)


def test_bad_boundaries_are_named(tmp_path):
    settings = make_settings(tmp_path)
    broken = tmp_path / "broken.geojson"
    broken.write_text("{}")
    city = settings.city.model_copy(update={"boundaries": broken})
    with Site(settings.model_copy(update={"city": city}), TIME).client() as client:
        answer = client.get("/api/v1/map")
    assert answer.status_code == 500
    assert "broken.geojson" in answer.json()["detail"]


PLACES = (
    "/api/v1/cycles/{}/manifest",
    "/api/v1/cycles?before={}",
    "/api/v1/frames/{}",
    "/api/v1/frames/20190809T1630Z/{}/rate/20190809T1630Z",
    "/api/v1/frames/20190809T1630Z/fast/{}/20190809T1630Z",
    "/api/v1/frames/20190809T1630Z/fast/rate/{}",
    "/api/v1/point?lon={}&lat=29.5",
    "/api/v1/point?lon=120.8&lat=29.5&frame={}",
    "/api/v1/gauges/{}",
    "/api/v1/reaches/{}",
    "/api/v1/reservoirs/{}",
    "/api/v1/exports/flows?format=csv&cycle={}&gauge={}",
    "/api/v1/warnings?bbox={}",
    "/api/v1/warnings?since={}",
    "/api/v1/warnings?cell={}",
    "/api/v1/warnings?after={}&limit={}",
    "/api/v1/warnings/{}",
    "/api/v1/warnings/{}.cap",
    "/t/{}",
    "/static/{}",
)
TEXTS = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.floats().map(str),
    st.datetimes().map(lambda t: t.isoformat() + "Z"),
    st.sampled_from(["../" * 5 + "etc/passwd", "1,2,3,4", "-1e400,0,0,0", "20190809T9999Z", "%00"]),
)


@pytest.fixture(scope="module")
def lasting(site):
    with site.client(raise_server_exceptions=False) as found:
        yield found


@given(place=st.sampled_from(PLACES), text=TEXTS)
@hypothesis_settings(deadline=None, max_examples=250)
def test_no_text_breaks_the_service(lasting, place, text):
    answer = lasting.get(place.replace("{}", quote(text, safe="")))
    assert answer.status_code < 500, (place, text, answer.text)
    if answer.status_code >= 400 and not place.startswith("/t/"):
        assert answer.headers["content-type"] == "application/problem+json"
