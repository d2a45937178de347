"""Points against the Datasets that were published."""

import pytest
from tests.api.conftest import LEADS, MISSING, NX, STALE, WET

from jinghu.grid.frames import to_gcj02


def centre(site, cell):
    spec = site.settings.grid.product()
    lon, lat = spec.to_lonlat(spec.x[cell[1]], spec.y[cell[0]])
    return {"lon": float(lon), "lat": float(lat)}


def test_everything_known_of_a_wet_cell(client, site):
    found = client.get("/api/v1/point", params=centre(site, WET)).json()
    assert found["cell_id"] == WET[0] * NX + WET[1]
    assert found["county"] == {"code": "330683", "name_zh": "嵊州市", "name_en": "Shengzhou"}
    assert found["observed"] == {
        "times": ["2019-08-09T16:24:00Z", "2019-08-09T16:30:00Z"],
        "values": [10.0, 20.0],
    }
    assert found["forecast"]["times"][-1] == "2019-08-09T19:30:00Z"
    assert found["forecast"]["values"] == [20.0] * (LEADS + 1)
    assert (found["state"], found["state_zh"], found["quality"]) == ("wet", "有雨", 0.8)
    assert (found["warning_level"], found["warning_level_zh"]) == ("orange", "橙色")
    # 1 mm a step has fallen (30 mm in 3 h), 2 mm will: 50 mm after 20 steps.
    assert found["warning_onset"] == "2019-08-09T18:30:00Z"
    three = next(w for w in found["windows"] if w["hours"] == 3)
    assert three["values"][0] == 30.0
    assert three["values"][-1] == 60.0
    assert three["observed_fraction"] == 1.0
    assert [(t["level"], t["mm"]) for t in three["thresholds"]] == [("orange", 50), ("red", 100)]


def test_missing_is_null_and_named(client, site):
    found = client.get("/api/v1/point", params=centre(site, MISSING)).json()
    assert found["state"] == "missing"
    assert found["observed"]["values"] == [None, None]
    assert set(found["forecast"]["values"]) == {None}
    assert client.get("/api/v1/point", params=centre(site, STALE)).json()["state"] == "stale"


def test_frame_is_declared_and_converted(client, site):
    place = centre(site, WET)
    lon, lat = to_gcj02(place["lon"], place["lat"])
    params = {"lon": float(lon), "lat": float(lat), "frame": "GCJ-02"}
    mine = client.get("/api/v1/point", params=place).json()
    assert client.get("/api/v1/point", params=params).json()["cell_id"] == mine["cell_id"]
    params["frame"] = "Xian80"
    assert client.get("/api/v1/point", params=params).status_code == 422


def test_an_earlier_cycle(client, site):
    params = centre(site, WET) | {"cycle": "20190809T1624Z"}
    assert client.get("/api/v1/point", params=params).json()["time"] == "2019-08-09T16:24:00Z"
    params["cycle"] = "20190809T1600Z"
    assert client.get("/api/v1/point", params=params).status_code == 404


def test_outside_the_grid(client):
    answer = client.get("/api/v1/point", params={"lon": 0, "lat": 0})
    assert answer.status_code == 404
    assert "outside the grid" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("lon", "lat"), [("nan", 30), ("inf", 30), (120, "-inf"), (200, 30), (120, 91), ("x", 30)]
)
def test_bad_numbers(client, lon, lat):
    answer = client.get("/api/v1/point", params={"lon": lon, "lat": lat})
    assert answer.status_code == 422
    body = answer.json()
    assert body["title"] == "Unprocessable Content" or body["title"] == "Unprocessable Entity"
    assert body["errors"][0]["where"] in ("query.lon", "query.lat")
