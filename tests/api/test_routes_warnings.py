"""Warnings that `process` wrote, through every door."""

import pytest
from lxml import etree
from tests.api.conftest import NX, STEP, TIME, WET, Site

from jinghu.warnings.cap import validate

URL = "/api/v1/warnings"
IDENTIFIER = "rainstorm-330683-20190809T1630Z-test-001"
CELL = WET[0] * NX + WET[1]
ATOM = "{http://www.w3.org/2005/Atom}"


def ids(client, **params):
    answer = client.get(URL, params=params)
    assert answer.status_code == 200, answer.text
    return [feature["id"] for feature in answer.json()["features"]]


def test_one_feature_with_its_cells_and_counts(client):
    (feature,) = client.get(URL).json()["features"]
    p = feature["properties"]
    assert (p["county"], p["level"], p["level_zh"], p["hazard_zh"]) == (
        "330683",
        "orange",
        "橙色",
        "暴雨",
    )
    assert p["cells"] == {str(CELL): 3}
    assert p["deliveries"] == {"PENDING": 1}
    assert p["answers"] == {"TOLD": 1}
    assert p["active"] is True
    assert "转移" in p["areas"][0]["instruction_zh"]
    assert "Move" in p["areas"][0]["instruction_en"]


def test_outline_is_that_of_the_cell(client, site):
    (feature,) = client.get(URL).json()["features"]
    ring = feature["geometry"]["coordinates"][0][0]
    spec = site.settings.grid.product()
    west, south = spec.to_lonlat(
        spec.x0_m + WET[1] * spec.spacing_m, spec.y0_m + WET[0] * spec.spacing_m
    )
    assert ring[0] == ring[-1]
    assert min(lon for lon, _ in ring) == pytest.approx(float(west), abs=3e-4)
    assert min(lat for _, lat in ring) == pytest.approx(float(south), abs=3e-4)


@pytest.mark.parametrize(
    ("params", "found"),
    [
        ({"active": "true"}, True),
        ({"active": "false"}, False),
        ({"level": "orange"}, True),
        ({"level": "red"}, False),
        ({"hazard": "rainstorm"}, True),
        ({"area": "330683"}, True),
        ({"area": "330602"}, False),
        ({"cell": CELL}, True),
        ({"cell": CELL + 1}, False),
        ({"bbox": "120.7,29.5,120.8,29.6"}, True),
        ({"bbox": "118,28,119,29"}, False),
        ({"since": "2019-08-09T16:29:59Z"}, True),
        ({"since": "2019-08-09T16:30:00Z"}, False),
        ({"active": "true", "at": "2019-08-09T16:29:00Z"}, False),
        ({"active": "true", "at": "2019-08-09T19:29:59Z"}, True),
        ({"active": "true", "at": "2019-08-09T19:30:00Z"}, False),
    ],
)
def test_filters(client, params, found):
    assert ids(client, **params) == ([IDENTIFIER] if found else [])


@pytest.mark.parametrize(
    "params",
    [
        {"bbox": "nan,0,1,1"},
        {"bbox": "inf,0,1,1"},
        {"bbox": "1,2,3"},
        {"bbox": "1,2,3,4,5"},
        {"bbox": "10,0,5,1"},
        {"bbox": "a,b,c,d"},
        {"level": "purple"},
        {"hazard": "earthquake"},
        {"area": "' OR 1=1 --"},
        {"cell": "-1"},
        {"cell": str(10**30)},
        {"since": "yesterday"},
        {"since": "2019-08-09T16:30:00"},
        {"since": "0001-01-01T00:00:00+14:00"},
        {"limit": "100000"},
        {"after": "-1"},
    ],
)
def test_bad_questions(client, params):
    answer = client.get(URL, params=params)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_pages_end_without_a_cursor(client):
    page = client.get(URL, params={"limit": 1}).json()
    assert len(page["features"]) == 1
    assert page["next"] is None


def test_pages_of_several_and_the_order_of_the_feed(tmp_path):
    from tests.api.conftest import make_settings, publish_cycle, warn_people

    settings = make_settings(tmp_path)
    coarse = publish_cycle(settings, TIME, with_flows=False)
    amount = coarse["rainfall_amount"].values
    amount[:, :, 1, 8] = amount[:, :, *WET]  # as much in Xinchang
    coarse["rainfall_rate"].values[:, 1, 8] = 20.0
    warn_people(settings, coarse, TIME)
    with Site(settings, TIME).client() as client:
        whole = ids(client)
        assert len(whole) == 2
        first = client.get(URL, params={"limit": 1}).json()
        second = client.get(URL, params={"limit": 1, "after": first["next"]}).json()
        pages = [first["features"][0]["id"], second["features"][0]["id"]]
        assert (pages, second["next"]) == (whole, None)
        feed = etree.fromstring(client.get(f"{URL}/feed.atom").content)
        entries = [e.findtext(f"{ATOM}id", "").rsplit("/", 1)[1] for e in feed.iter(f"{ATOM}entry")]
        assert entries == whole[::-1]


def test_not_modified_until_something_changes(client):
    first = client.get(URL, params={"active": True})
    tag = first.headers["etag"]
    again = client.get(URL, params={"active": True}, headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    other = client.get(URL, headers={"If-None-Match": tag})
    assert other.status_code == 200


def test_expiry_changes_the_tag(site):
    with site.client() as now, Site(site.settings, TIME + 100 * STEP).client() as later:
        tag = now.get(URL).headers["etag"]
        answer = later.get(URL, headers={"If-None-Match": tag})
        assert answer.status_code == 200
        assert answer.json()["features"][0]["properties"]["active"] is False


def test_one_by_accept(client):
    found = client.get(f"{URL}/{IDENTIFIER}")
    assert found.json()["properties"]["identifier"] == IDENTIFIER
    assert found.headers["vary"].split(", ")[0] == "Accept"
    cap = client.get(f"{URL}/{IDENTIFIER}", headers={"Accept": "application/cap+xml"})
    assert cap.headers["content-type"].startswith("application/cap+xml")
    assert validate(cap.content) == []
    assert client.get(f"{URL}/{IDENTIFIER}.cap").content == cap.content
    rather_json = "application/json, application/cap+xml;q=0.5"
    answer = client.get(f"{URL}/{IDENTIFIER}", headers={"Accept": rather_json})
    assert answer.json()["type"] == "Feature"


@pytest.mark.parametrize("name", ["nothing", "nothing.cap", "a%20b", "%2e%2e%2f"])
def test_unknown_ones(client, name):
    answer = client.get(f"{URL}/{name}")
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"] == "application/problem+json"


def test_feed_leads_to_cap(client):
    answer = client.get(f"{URL}/feed.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    root = etree.fromstring(answer.content)
    (entry,) = root.findall(f"{ATOM}entry")
    assert "嵊州市" in entry.findtext(f"{ATOM}title", "")
    (link,) = (element.get("href") for element in entry.iterfind(f"{ATOM}link"))
    assert validate(client.get(link).content) == []
    tag = answer.headers["etag"]
    assert client.get(f"{URL}/feed.atom", headers={"If-None-Match": tag}).status_code == 304


def test_an_unreachable_database_leaves_the_rain(tmp_path):
    from tests.api.conftest import make_settings, publish_cycle

    settings = make_settings(tmp_path, database="sqlite:////proc/nothing/warnings.db")
    publish_cycle(settings, TIME, with_flows=False)
    with Site(settings, TIME).client() as client:
        assert client.get(URL).status_code == 503
        assert client.get("/api/v1/frames/20190809T1630Z").status_code == 200
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert "database" in ready.json()["causes"][0]
        assert "jinghu_database_up 0" in client.get("/metrics").text
