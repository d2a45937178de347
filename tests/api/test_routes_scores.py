from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from tests.api.conftest import TIME

from jinghu.grid.score_sums import OUTCOMES
from jinghu.grid.scoreboard import enter
from jinghu.grid.store import Store


def sums():
    dims = ("method", "lead_time", "rate_threshold", "tile_y", "tile_x")
    counts = {n: (dims, np.full((2, 1, 1, 1, 2), k + 1)) for k, n in enumerate(OUTCOMES)}
    table = np.zeros((1, 1, 20))
    table[0, 0, 3] = 4.0
    bins = ("lead_time", "rate_threshold", "bin")
    return xr.Dataset(
        counts
        | {
            "forecasts": ("lead_time", [1]),
            "probability_cells": (bins, table),
            "probability_sum": (bins, 0.15 * table),
            "event_count": (bins, 0.25 * table),
            "brier_sum": (bins[:2], [[0.79]]),
        },
        coords={
            "method": ["nowcast", "persistence"],
            "lead_time": np.array([60], "timedelta64[m]").astype("timedelta64[ns]"),
            "rate_threshold": [1.0],
            "tile_y": [3285e3],
            "tile_x": [585e3, 635e3],
        },
    )


@pytest.fixture
def scored(tmp_path):
    from tests.api.conftest import Site, make_settings

    settings = make_settings(tmp_path)
    store = Store(settings.store).create()
    enter(store, TIME, sums())
    enter(store, TIME + timedelta(hours=2), sums())
    with Site(settings, TIME).client() as client:
        yield client


def test_scores_of_a_period(scored):
    whole = scored.get("/api/v1/scores").json()
    assert whole["cycles"] == 2
    assert whole["start"] == "2019-08-09T16:00:00Z"
    first = whole["scores"][0]
    assert (first["method"], first["lead_min"], first["hits"]) == ("nowcast", 60.0, 4)
    assert first["csi"] == pytest.approx(4 / 24, rel=1e-5)
    early = scored.get("/api/v1/scores", params={"end": "2019-08-09T17:00:00Z"}).json()
    assert (early["cycles"], early["scores"][0]["hits"]) == (1, 2)
    said = early["probabilities"][0]
    assert said["brier"] == pytest.approx(0.79 / 4, rel=1e-5)
    assert said["diagram"]["said"][1] == pytest.approx(0.15)
    assert said["diagram"]["was"][0] is None


def test_scores_of_a_place(scored):
    tile = scored.get("/api/v1/scores").json()["tiles"][1]
    found = scored.get("/api/v1/scores", params=tile).json()
    assert found["scores"][0]["hits"] == 2
    assert found["probabilities"] == []


def test_what_is_not_there_is_a_problem(scored, client):
    for params, status in (
        ({"start": "2020-01-01T00:00:00Z"}, 404),
        ({"tile_x": 585e3}, 422),
        ({"tile_x": 1.0, "tile_y": 2.0}, 404),
        ({"start": "yesterday"}, 422),
        ({"start": "2019-08-09T16:00:00"}, 422),
    ):
        answer = scored.get("/api/v1/scores", params=params)
        assert answer.status_code == status, params
        assert answer.headers["content-type"] == "application/problem+json"
    assert client.get("/api/v1/scores").status_code == 404
