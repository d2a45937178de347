from tests.api.conftest import TIME, Site, make_settings


def test_ready_with_the_age_of_the_cycle(client):
    assert client.get("/health/live").json() == {"status": "live"}
    answer = client.get("/health/ready")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "ready",
        "cycle": "20190809T1630Z",
        "cycle_age_s": 300.0,
        "causes": [],
        "dead_letters": 0,
        "disabled_channels": [],
    }


def test_metrics_are_prometheus_text(client):
    answer = client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    lines = answer.text.splitlines()
    for wanted in (
        "jinghu_store_up 1",
        "jinghu_database_up 1",
        "jinghu_cycle_age_seconds 300",
        "jinghu_cycles 2",
        'jinghu_warnings_active{level="orange"} 1',
        'jinghu_warnings_active{level="red"} 0',
        'jinghu_outbox{status="PENDING"} 1',
    ):
        assert wanted in lines
    named = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert {line.split("{")[0].split()[0] for line in lines if not line.startswith("#")} == named


def test_an_empty_store_is_named(tmp_path):
    with Site(make_settings(tmp_path), TIME).client() as client:
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert answer.json()["causes"] == ["no cycle is published yet"]
        assert client.get("/api/v1/cycles").json()["cycles"] == []
        assert client.get("/api/v1/point", params={"lon": 120, "lat": 30}).status_code == 404
        assert client.get("/").status_code == 200


def test_a_damaged_store_is_named(tmp_path):
    settings = make_settings(tmp_path)
    settings.store.mkdir()
    (settings.store / "LATEST").write_text("nonsense\n")
    with Site(settings, TIME).client() as client:
        answer = client.get("/health/ready")
        assert answer.status_code == 503
        assert "LATEST" in answer.json()["causes"][0]
        assert "jinghu_store_up 0" in client.get("/metrics").text
        point = client.get("/api/v1/point", params={"lon": 120, "lat": 30})
        assert point.status_code == 503
        assert point.headers["content-type"] == "application/problem+json"
