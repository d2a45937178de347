"""Reservoirs and exports over HTTP; what the umbrella does for them stands in for it."""

import numpy as np
import pytest
import xarray as xr

from jinghu.api.export_schemas import ExportFile, ExportFormat
from jinghu.grid.errors import DataError


class Jobs:
    """Remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def export(self, request):
        self.asked.append(request)
        return ExportFile("flows.csv", "text/csv; charset=utf-8", "流量".encode())

    def members(self, cycle):
        if cycle != "20190809T1630Z":
            raise DataError(f"cycle {cycle}", "has no members")
        values = np.arange(3.0)[:, None, None] * np.ones((1, 101, 1))
        names = ("inflow", "outflow", "level", "free_storage")
        dims = ("quantile", "time", "reservoir")
        return xr.Dataset(
            {f"reservoir_{name}_quantile": (dims, values) for name in names},
            coords={"quantile": [0.1, 0.5, 0.9]},
        )


@pytest.fixture
def jobs():
    return Jobs()


@pytest.fixture
def served(site, jobs):
    with site.client(jobs) as found:
        yield found


def test_reservoirs_now_and_at_their_highest(client):
    found = client.get("/api/v1/reservoirs").json()
    assert found["terrain_generated"] is True
    (one,) = found["reservoirs"]
    assert (one["id"], one["name_zh"], one["datum"]) == (
        "changzhao", "长诏水库", "generated levels",
    )  # fmt: skip
    # The wave is 107.326 m3/s at the analysis and 500 six hours later.
    assert one["inflow_now"] == pytest.approx(107.326 / 4, abs=0.001)
    assert one["outflow_now"] == pytest.approx(10.733, abs=0.001)
    assert (one["level_highest"], one["highest_time"]) == (122.0, "2019-08-09T22:30:00Z")
    assert one["flood_limit_now"] == 121.0


def test_one_reservoir_over_time(client):
    found = client.get("/api/v1/reservoirs/changzhao").json()
    for name in ("inflow", "outflow", "level", "flood_limit", "storage", "free_storage"):
        assert len(found[name]["values"]) == len(found[name]["times"]) == 101
    assert max(found["outflow"]["values"]) == 50.0
    assert min(found["free_storage"]["values"]) == 1.95e8
    assert found["rule_names"][found["rule"][0]] == "泄量变幅"
    assert found["quantiles"] is None


def test_quantiles_are_run_when_asked_for(served, client):
    path = "/api/v1/reservoirs/changzhao?quantiles=true"
    spread = served.get(path).json()["quantiles"]
    assert set(spread) == {"inflow", "outflow", "level", "free_storage"}
    assert [(q["quantile"], q["values"][5]) for q in spread["level"]] == [
        (0.1, 0.0), (0.5, 1.0), (0.9, 2.0)
    ]  # fmt: skip
    refused = client.get(path)
    assert refused.status_code == 503
    assert "not offered" in refused.json()["detail"]


def test_what_is_not_there_is_named(served):
    for path, status, cause in (
        ("reservoirs/west-lake", 404, "no reservoir west-lake; there are changzhao"),
        ("reservoirs?cycle=20190809T1624Z", 404, "has no flows"),
        ("reservoirs/changzhao?cycle=20190809T1600Z", 404, "is not published"),
        ("exports/flows?gauge=7", 404, "no gauge 7"),
        ("exports/flows?reservoir=west-lake", 404, "no reservoir west-lake"),
        ("exports/flows?cycle=20190809T1600Z", 404, "is not published"),
        ("exports/flows?format=xlsx", 422, "format"),
        ("exports/flows?cycle=newest", 422, "cycle"),
    ):
        answer = served.get(f"/api/v1/{path}")
        assert (answer.status_code, cause in answer.json()["detail"]) == (status, True), path


def test_an_export_is_a_file(served, jobs, client):
    path = "/api/v1/exports/flows?format=csv&gauge=1&reservoir=changzhao"
    answer = served.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="flows.csv"'
    assert answer.content.decode() == "流量"
    (asked,) = jobs.asked
    assert (asked.format, asked.cycle) == (ExportFormat.CSV, "20190809T1630Z")
    assert (asked.gauges, asked.reservoirs, asked.members) == (("1",), ("changzhao",), False)
    assert client.get(path).status_code == 503
