from jinghu.grid.store import Store


def test_newest_first_in_pages(client):
    first = client.get("/api/v1/cycles", params={"limit": 1}).json()
    assert [c["cycle"] for c in first["cycles"]] == ["20190809T1630Z"]
    assert first["cycles"][0]["parts"] == ["fast"]
    assert first["now"] == "2019-08-09T16:35:00Z"
    second = client.get("/api/v1/cycles", params={"limit": 1, "before": first["next"]}).json()
    assert [c["cycle"] for c in second["cycles"]] == ["20190809T1624Z"]
    assert second["next"] is None


def test_manifest_is_the_stored_one(client, site):
    manifest = client.get("/api/v1/cycles/20190809T1630Z/manifest").json()
    assert manifest == Store(site.settings.store).part("20190809T1630Z", "fast").manifest()
    assert manifest["inputs"]["refused"][0]["cause"] == "not a radar volume"
    same = client.get("/api/v1/cycles/20190809T1630Z/manifest", params={"part": "fast"})
    assert same.json() == manifest
    missing = client.get("/api/v1/cycles/20190809T1630Z/manifest", params={"part": "full"})
    assert missing.status_code == 404


def test_names_never_become_paths(client):
    for name in ("..", "%2e%2e", "..%2F..%2Fetc%2Fpasswd", "20190809T1630Z%2F..", "a%00b"):
        answer = client.get(f"/api/v1/cycles/{name}/manifest")
        assert answer.status_code in (404, 422), name
        assert answer.headers["content-type"] == "application/problem+json"
    for path in ("/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py"):
        assert client.get(path).status_code == 404


def test_limits(client):
    for limit in (0, -1, 10**9, "many"):
        assert client.get("/api/v1/cycles", params={"limit": limit}).status_code == 422
