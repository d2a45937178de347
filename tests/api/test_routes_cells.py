def test_cells_of_the_newest_cycle(client):
    found = client.get("/api/v1/cells").json()
    assert (found["type"], found["cycle"]) == ("FeatureCollection", "20190809T1630Z")
    (cell,) = found["features"]
    assert cell["properties"]["max_mm_h"] == 20.0
    assert client.get("/api/v1/cells", params={"cycle": found["cycle"]}).json() == found


def test_a_cycle_without_them_says_so(client):
    answer = client.get("/api/v1/cells", params={"cycle": "20190809T1624Z"})
    assert answer.status_code == 404
    assert "has no storm cells" in answer.json()["detail"]
    answer = client.get("/api/v1/cells", params={"cycle": "20180101T0000Z"})
    assert "is not published" in answer.json()["detail"]
    assert client.get("/api/v1/cells", params={"cycle": "../x"}).status_code == 422
