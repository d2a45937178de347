import pytest


def test_gauges_with_flow_now_and_peak(client):
    found = client.get("/api/v1/gauges").json()
    assert found["terrain_generated"] is True
    assert "generated" in found["terrain_source"]
    first = found["gauges"][0]
    assert (first["name_zh"], first["name_en"], first["reach"]) == ("嵊州", "Shengzhou", 11)
    # 100 + 400 exp(-(h - 6)^2 / 9): 107.33 at the analysis, 500 six hours later.
    assert first["discharge_now"] == pytest.approx(107.326, abs=0.001)
    assert first["discharge_peak"] == 500.0
    assert first["peak_time"] == "2019-08-09T22:30:00Z"


def test_hydrograph(client):
    found = client.get("/api/v1/gauges/1").json()
    assert max(found["discharge"]["values"]) == 250.0
    assert len(found["level"]["values"]) == len(found["discharge"]["times"]) == 101
    assert client.get("/api/v1/gauges/7").status_code == 404


def test_reach_by_its_number(client):
    found = client.get("/api/v1/reaches/12").json()
    assert max(found["discharge"]["values"]) == 250.0
    assert found["terrain_source"]
    assert client.get("/api/v1/reaches/99").status_code == 404
    for bad in ("-1", "1.5", "nan", "99999999999999999999"):
        assert client.get(f"/api/v1/reaches/{bad}").status_code == 422


def test_a_cycle_without_flows_says_so(client):
    for path in ("gauges", "gauges/0", "reaches/11", "flash-floods"):
        answer = client.get(f"/api/v1/{path}", params={"cycle": "20190809T1624Z"})
        assert answer.status_code == 404
        assert "has no flows" in answer.json()["detail"]


def test_catchments_by_their_critical_rain(client):
    found = client.get("/api/v1/flash-floods").json()
    assert (found["known"], found["beyond"], found["durations_h"]) == (2, 1, [1, 3, 6])
    assert found["terrain_generated"] is True
    worst, near = found["catchments"]
    assert worst == {
        "reach": 12,
        "downstream": 13,
        "name_zh": None,
        "name_en": None,
        "upstream_area_km2": 12.3,
        "line": [[120.72, 29.51], [120.74, 29.52]],
        "critical_mm": [50.0, 70.0, 100.0],
        "ratio": [1.24, 0.9, 0.4],
        "beyond": True,
        "return_period_years": 8.0,
        "onset_h": 1.5,
    }
    assert (near["reach"], near["downstream"], near["beyond"]) == (13, None, False)
    assert near["onset_h"] is None
    beyond = client.get("/api/v1/flash-floods", params={"min_ratio": 1}).json()
    assert [one["reach"] for one in beyond["catchments"]] == [12]
    listed = client.get("/api/v1/flash-floods", params={"min_ratio": 0, "limit": 1}).json()
    assert [one["reach"] for one in listed["catchments"]] == [12]
    for bad in ({"min_ratio": -1}, {"min_ratio": "nan"}, {"limit": 0}):
        assert client.get("/api/v1/flash-floods", params=bad).status_code == 422
