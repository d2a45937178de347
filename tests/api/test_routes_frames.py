"""Frames against the arrays that were published."""

import gzip
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
import xarray as xr
from tests.api.conftest import (
    BLOCKED as BLOCKED_CELL,
)
from tests.api.conftest import (
    FACTOR,
    FILLED,
    LEADS,
    NX,
    NY,
    STALE,
    STEP,
    TIME,
    WET,
    block,
)
from tests.api.conftest import (
    MISSING as MISSING_CELL,
)

from jinghu.api.legend import BLOCK, BLOCKED, MISSING
from jinghu.grid.times import cycle_name

CYCLE = cycle_name(TIME)


@pytest.fixture
def index(client):
    return client.get(f"/api/v1/frames/{CYCLE}").json()


@pytest.fixture
def legend(client):
    return client.get("/api/v1/frames/legend").json()["scales"]


def layer_of(index, name):
    return next(layer for layer in index["layers"] if layer["id"] == name)


def codes_of(client, index, name, frame):
    layer = layer_of(index, name)
    grid = index["grids"][layer["grid"]]
    body = client.get(layer["frames"][frame]["url"]).content
    return np.frombuffer(body, np.uint8).reshape(grid["ny"], grid["nx"])


def test_index_names_all_frames_in_order(index):
    rate = layer_of(index, "rate")
    times = [frame["time"] for frame in rate["frames"]]
    # Two observed frames, then the leads; 16:24 is in both cycles and comes once.
    assert len(times) == 2 + LEADS
    assert times == sorted(times)
    kinds = [frame["kind"] for frame in rate["frames"]]
    assert kinds == ["observed"] * 2 + ["forecast"] * LEADS
    assert times[1] == "2019-08-09T16:30:00Z"
    assert [len(layer_of(index, f"amount_{h}h")["frames"]) for h in (1, 3, 6, 12, 24)] == [31] * 5
    assert index["grids"]["working"]["nx"] == NX * FACTOR
    assert index["grids"]["product"]["ny"] == NY


def test_corners_are_those_of_the_grid(index, site):
    spec = site.settings.grid.product()
    lon, lat = spec.to_lonlat(spec.x0_m + spec.nx * spec.spacing_m, spec.y0_m)
    south_east = index["grids"]["product"]["corners"][1]
    assert south_east["lon"] == pytest.approx(float(lon), abs=1e-6)
    assert south_east["lat"] == pytest.approx(float(lat), abs=1e-6)


def test_the_first_row_is_the_southernmost(client, index, legend):
    codes = codes_of(client, index, "rate", 1)
    wet = codes[block(WET)]
    assert (wet == wet[0, 0]).all()
    assert legend["rate"]["values"][wet[0, 0]] == pytest.approx(20, rel=0.06)
    assert codes[0, 0] == 0


def test_each_state_has_its_own_code(client, index, legend):
    codes = codes_of(client, index, "rate", 1)
    assert (codes[block(MISSING_CELL)] == MISSING).all()
    assert (codes[block(BLOCKED_CELL)] == BLOCKED).all()
    assert (codes[block(FILLED)] == 2 * BLOCK).all()  # filled with no rain is not dry
    stale = int(codes[block(STALE)][0, 0])
    assert legend["rate"]["marks"][stale] == "stale"
    assert legend["rate"]["values"][stale] == pytest.approx(3, rel=0.06)
    # A forecast knows where nothing was seen; its values are not observations.
    later = codes_of(client, index, "rate", 5)
    assert (later[block(BLOCKED_CELL)] == BLOCKED).all()
    assert legend["rate"]["marks"][later[block(STALE)][0, 0]] is None


def test_amounts_warn_and_never_call_the_unseen_dry(client, index, legend):
    # 1 mm fell in each of the last 10 steps, 2 mm will fall in each of the next 30.
    codes = codes_of(client, index, "amount_1h", 0)
    assert legend["amount_1h"]["values"][codes[WET]] == pytest.approx(10, rel=0.07)
    assert codes[MISSING_CELL] == MISSING
    assert codes[BLOCKED_CELL] == BLOCKED
    codes = codes_of(client, index, "amount_3h", -1)
    assert legend["amount_3h"]["values"][codes[WET]] == pytest.approx(60, rel=0.07)
    # 60 mm in 3 h is orange (>= 50), the other cells are without warning.
    codes = codes_of(client, index, "warning", 0)
    assert codes[WET] == 3
    assert codes.sum() == 3


def test_quality_and_state(client, index, legend):
    quality = codes_of(client, index, "quality", 0)
    assert legend["quality"]["values"][quality[0, 0]] == pytest.approx(0.8)
    state = codes_of(client, index, "state", 0)
    names = [b["en"] for b in legend["state"]["breaks"]]
    cells = (WET, MISSING_CELL, BLOCKED_CELL, STALE, FILLED)
    found = [names[state[block(cell)][0, 0]] for cell in cells]
    assert found == ["wet", "missing", "blocked", "stale", "filled"]


@pytest.mark.parametrize(
    ("layer", "unit", "value"),
    [
        ("composite_reflectivity", "dBZ", 47.0),
        ("cappi_3km", "dBZ", 41.0),
        ("echo_top", "km", 9.3),
        ("vil", "kg m-2", 6.2),
    ],
)
def test_columns_are_layers(client, index, legend, layer, unit, value):
    found = layer_of(index, layer)
    assert (found["unit"], len(found["frames"])) == (unit, 1)
    scale = legend[found["scale"]]
    codes = codes_of(client, index, layer, 0)
    wet = codes[block(WET)][0, 0]
    assert scale["values"][wet] == pytest.approx(value, abs=0.5)
    bounds = [b for b in scale["breaks"] if b["lower"] <= value]
    assert scale["colours"][wet] == bounds[-1]["colour"]
    assert codes[0, 0] == 0  # scanned without echo
    assert (codes[block(MISSING_CELL)] == MISSING).all()
    assert scale["marks"][codes[block(STALE)][0, 0]] == "stale"


def test_a_cycle_without_columns_has_no_such_frames(site):
    from jinghu.api.frames import LAYERS, frame_codes, frame_times
    from jinghu.api.published import open_published
    from jinghu.grid.store import Store

    part = Store(site.settings.store).part(CYCLE, "fast")
    whole = open_published(part, None)
    older = replace(whole, fields=whole.fields.drop_vars("column_state"))
    for name in ("composite_reflectivity", "cappi_3km", "echo_top", "vil"):
        assert len(frame_times(whole, LAYERS[name])) == 1
        assert frame_times(older, LAYERS[name]) == []
        assert frame_codes(older, LAYERS[name], TIME) is None
    other = replace(whole, fields=whole.fields.assign_coords(height=[2000.0]))
    assert frame_times(other, LAYERS["cappi_3km"]) == []


def test_probabilities_where_there_is_an_ensemble(site, legend):
    from jinghu.api.frames import LAYERS, frame_codes, frame_times
    from jinghu.api.published import open_published
    from jinghu.grid.store import Store

    fast = open_published(Store(site.settings.store).part(CYCLE, "fast"), None)
    layer = LAYERS["probability_1h_20mm"]
    assert frame_times(fast, layer) == []
    assert frame_codes(fast, layer, TIME) is None
    amounts = fast.products["rainfall_amount"]
    shares = xr.full_like(amounts, 0.42).expand_dims(threshold=[20.0], axis=1)
    full = replace(fast, products=fast.products.assign(probability_of_exceedance=shares))
    assert len(frame_times(full, layer)) == 31
    codes = frame_codes(full, layer, TIME + STEP)
    assert codes is not None
    scale = legend["probability"]
    assert scale["unit"] == "%"
    assert scale["values"][codes[1, 1]] == pytest.approx(42, abs=1)
    assert frame_times(full, LAYERS["probability_3h_50mm"]) == []  # it was not asked for


def test_frames_are_immutable_and_compressed(client, index):
    url = layer_of(index, "rate")["frames"][1]["url"]
    answer = client.get(url)
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["content-encoding"] == "gzip"
    again = client.get(url, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    plain = client.get(url, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == answer.content
    assert len(gzip.compress(plain.content)) < len(plain.content)


def test_an_earlier_cycle_gives_the_observations_before_this_one(site, tmp_path):
    from tests.api.conftest import Site, make_settings, publish_cycle

    settings = make_settings(tmp_path)
    earlier = TIME - 2 * STEP
    publish_cycle(settings, earlier, with_flows=False)
    publish_cycle(settings, TIME, with_flows=False)
    with Site(settings, TIME).client() as client:
        index = client.get(f"/api/v1/frames/{CYCLE}").json()
        first = layer_of(index, "rate")["frames"][0]
        assert first["time"] == "2019-08-09T16:18:00Z"
        assert f"/{cycle_name(earlier)}/" in first["url"]
        assert client.get(first["url"]).status_code == 200
        observed = client.get("/api/v1/point", params={"lon": 120.787, "lat": 29.579}).json()
        assert observed["observed"]["values"] == [20.0, 10.0, 20.0]


@pytest.mark.parametrize(
    "path",
    [
        "20190809T1700Z",
        "20191309T1630Z",
        "20190809T1630Z/full/rate/20190809T1630Z",
        "20190809T1630Z/fast/nothing/20190809T1630Z",
        "20190809T1630Z/fast/rate/20190809T1631Z",
        "20190809T1630Z/fast/rate/20199909T1630Z",
        f"20190809T1630Z/fast/amount_1h/{cycle_name(TIME - timedelta(minutes=6))}",
    ],
)
def test_what_is_not_there_is_a_problem(client, path):
    answer = client.get(f"/api/v1/frames/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == 404
