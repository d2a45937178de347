"""What-if and exports on a store with one cycle, its state and members."""

import zipfile
from datetime import UTC, datetime, timedelta
from io import StringIO

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from jinghu.api.dispatch_schemas import DispatchRequest
from jinghu.api.export_schemas import ExportFormat, ExportRequest
from jinghu.configs.settings import CitySettings, InputSettings, Settings
from jinghu.dispatch import AsIs, dispatcher, what_if
from jinghu.exports import FlowService, export_flows
from jinghu.flood import flood
from jinghu.flow_export import flow_export
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs
from jinghu.grid.states import save_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.stages import StageLog

TIME = datetime(2019, 8, 9, 16, 30, tzinfo=UTC)
STEP = timedelta(minutes=6)
CYCLE = cycle_name(TIME)
LEADS = 30


def rates(settings, mm_h):
    """A storm of an hour and a half on the product grid: (lead, y, x)."""
    spec = settings.grid.product()
    found = np.zeros((LEADS + 1, *spec.shape), np.float32)
    found[1:16] = mm_h
    return found


def amounts(settings, first, values):
    times = np.array([to_numpy(first + k * STEP) for k in range(len(values))])
    spec = settings.grid.product()
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), values, attrs("rainfall_amount"))},
        coords={"time": times, **spec.coords()},
    )


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """An installation after one cycle: 4 mm in each of the last 20 steps, a storm to come."""
    root = tmp_path_factory.mktemp("dispatch")
    found = Settings(
        name="test",
        city=CitySettings(
            name_zh="绍兴市", name_en="Shaoxing", code="330600", boundaries=root / "none.geojson"
        ),
        store=root / "store",
        inputs=InputSettings(radar=root),
    )
    store = Store(found.store).create()
    past = np.zeros((240, *found.grid.product().shape), np.float32)
    past[220:] = 4.0
    best = amounts(found, TIME - 239 * STEP, past)
    storm = rates(found, 30.0)
    forecast = amounts(found, TIME + STEP, 0.5 * (storm[1:] + storm[:-1]) / 10)
    outcome = flood(best, forecast, TIME, store, found, StageLog(Console(file=StringIO())))
    assert outcome.dataset is not None
    save_state(store, CYCLE, outcome.state)
    dims = ("lead_time", "y", "x")
    rain = attrs("rainfall_rate")
    fallen = np.full((1, LEADS + 1, *storm.shape[1:]), 80.0, np.float32)
    leads = np.arange(LEADS + 1) * np.timedelta64(6, "m").astype("timedelta64[ns]")
    products = xr.Dataset(
        {
            "rainfall_rate": (dims, storm, rain),
            "rainfall_amount": (("window", *dims), fallen, attrs("rainfall_amount")),
        },
        coords={"lead_time": leads, "window": [3]},
    )
    with store.publish(CYCLE, "fast") as part:
        part.dataset("products.zarr", products)
        part.dataset("hydro.zarr", outcome.dataset)
        part.manifest(time="2019-08-09T16:30:00Z")
    members = np.stack([rates(found, mm) for mm in (10.0, 30.0, 60.0)])
    with store.publish(CYCLE, "full") as part:
        part.dataset("products.zarr", products)
        values = (("member", *dims), members, rain)
        part.dataset("members.zarr", xr.Dataset({"rainfall_rate": values}))
        part.manifest(time="2019-08-09T16:30:00Z")
    return found


def ask(settings, **body):
    return what_if(DispatchRequest.model_validate(body), settings)


def outcome_of(answer, name):
    return next(r for r in answer.reservoirs if r.id == name)


def gauge_of(answer, name):
    return next(g for g in answer.gauges if g.name_zh == name)


def test_what_is_held_back_fills_the_pool_and_spares_the_river(settings):
    releases = [{"since": "2019-08-09T16:30Z", "m3_s": 20.0}]
    answer = ask(
        settings, members=False, schedules=[{"reservoir": "changzhao", "releases": releases}]
    )
    assert (answer.cycle, answer.members, answer.terrain_generated) == (CYCLE, 0, True)
    pool = outcome_of(answer, "changzhao")
    assert pool.level_m.median[-1] > pool.level_before_m[-1] + 1.0
    assert pool.rule[-1] == "schedule"
    assert answer.rule_names["schedule"] == "给定下泄过程"
    assert pool.level_m.low == pool.level_m.median == pool.level_m.high
    below, beside = gauge_of(answer, "新昌"), gauge_of(answer, "澄潭")
    assert below.discharge_m3_s.median[-1] < below.discharge_before_m3_s[-1] - 50
    assert beside.discharge_m3_s.median == beside.discharge_before_m3_s
    assert len(answer.times) == 120


def test_without_a_wish_nothing_changes_and_the_cycle_is_met_again(settings):
    answer = ask(settings, members=False)
    published = Store(settings.store).part(CYCLE, "fast").open("hydro.zarr")
    for pool in answer.reservoirs:
        assert pool.level_m.median == pool.level_before_m
    k = list(published["reservoir_id"].values).index("qincun")
    known = published["reservoir_level"].values[:, k]
    times = [np.datetime64(t.replace(tzinfo=None), "ns") for t in answer.times]
    both, here, there = np.intersect1d(times, published["time"].values, return_indices=True)
    if len(both):
        found = np.array(outcome_of(answer, "qincun").level_m.median)[here]
        np.testing.assert_allclose(found, known[there], atol=2e-3)


def test_members_spread_and_constraints_hold(settings):
    answer = ask(
        settings,
        constraints=[
            {"reservoir": "qincun", "max_release_m3_s": 40.0},
            {"reservoir": "tangpu", "aim_level_m": 29.5, "aim_hours": 6},
        ],
    )
    assert answer.members == 3
    held = outcome_of(answer, "qincun")
    assert max(held.outflow_m3_s.high) <= 40.0 + 1e-6
    assert "asked-max" in held.rule
    assert held.level_m.low[-1] < held.level_m.median[-1] < held.level_m.high[-1]
    lowered = outcome_of(answer, "tangpu")
    assert lowered.level_m.median[-1] < lowered.level_before_m[-1] - 0.3


def test_a_level_downstream_is_kept_while_the_reservoir_can(settings):
    quiet = ask(settings, members=False)
    gauge = gauge_of(quiet, "新昌")
    limit = gauge.level_before_m[-1] - 0.4  # when what fell below the dam is gone
    limits = [{"gauge": "新昌", "max_level_m": limit}]
    constraints = [{"reservoir": "changzhao", "gauge_limits": limits}]
    answer = ask(settings, constraints=constraints)
    below, pool = gauge_of(answer, "新昌"), outcome_of(answer, "changzhao")
    assert below.level_before_m[-1] > limit + 0.39
    assert below.level_m.high[-1] < limit + 0.05
    assert "asked-gauge-0" in pool.rule
    assert answer.rule_names["asked-gauge-0"] == "给定新昌上限"
    assert pool.level_m.median[-1] > pool.level_before_m[-1]
    assert pool.free_storage_m3.median[-1] < pool.free_storage_before_m3[-1]
    assert pool.level_before_spread_m.low[-1] < pool.level_before_spread_m.high[-1]
    # Quantiles go through the reservoir: what comes in spreads, and so does what it holds.
    assert pool.inflow_after_m3_s.low[20] < pool.inflow_after_m3_s.high[20]
    assert pool.level_m.low[-1] < pool.level_m.high[-1]
    assert pool.free_storage_m3.low[-1] < pool.free_storage_m3.high[-1]


def test_a_schedule_that_is_not_followed_says_when_and_why(settings):
    releases = [
        {"since": "2019-08-09T16:30Z", "m3_s": 5.0},
        {"since": "2019-08-09T18:30Z", "m3_s": 1200.0},
    ]
    wish = [{"reservoir": "changzhao", "releases": releases}]
    answer = ask(settings, members=False, schedules=wish)
    assert answer.unmet
    assert "安全泄量" in {answer.rule_names[u.rule] for u in answer.unmet}
    first = next(u for u in answer.unmet if u.asked_m3_s == 1200.0)
    assert first.since.isoformat() == "2019-08-09T18:30:00+00:00"
    assert first.released_m3_s < 600.0
    followed = [{"since": "2019-08-09T16:30Z", "m3_s": 20.0}]
    alone: dict[str, object] = {"reservoir": "changzhao", "releases": followed}
    assert ask(settings, members=False, schedules=[alone | {"rules_hold": False}]).unmet == []


def test_a_proposal_is_no_worse_than_the_rules_and_says_what_binds(settings):
    controls = [{"gauge": "嵊州", "safe_m3_s": 2000.0}]
    answer = ask(settings, members=False, propose={"controls": controls})
    plan = answer.proposal
    assert {p.reservoir for p in plan.reservoirs} == {"changzhao", "nanshan"}
    assert plan.simulated_share <= plan.share_before * 1.001
    assert plan.worst_share == pytest.approx(plan.simulated_share, rel=0.05)
    assert any("downstream 嵊州" in names for p in plan.reservoirs for names in p.binding)
    assert all(len(p.releases.values) == len(p.binding) == 8 for p in plan.reservoirs)


def test_runs_under_the_rules_are_made_once_a_cycle(settings):
    dispatch = dispatcher(settings)
    wish = {"constraints": [{"reservoir": "qincun", "max_release_m3_s": 40.0}]}
    first, again = (dispatch(DispatchRequest.model_validate(wish)) for _ in range(2))
    alone = what_if(DispatchRequest.model_validate(wish | {"members": False}), settings)
    assert again == first.model_copy(update={"seconds": again.seconds})
    known = AsIs()
    for members, count in ((False, 1), (True, 4), (False, 4)):
        ask_with = DispatchRequest(members=members)
        found = what_if(ask_with, settings, known)
        assert (found.members, len(known.runs)) == (3 if members else 0, count)
    pool, other = outcome_of(again, "qincun"), outcome_of(alone, "qincun")
    assert pool.level_before_m == other.level_before_m == other.level_before_spread_m.median


def constraint(**what):
    return {"constraints": [{"reservoir": "qincun", **what}]}


def test_wrong_wishes_are_named(settings):
    since = [{"since": "2019-08-09T16:30Z", "m3_s": 1.0}]
    for body, cause in (
        ({"schedules": [{"reservoir": "west-lake", "releases": since}]}, "no reservoir west-lake"),
        ({"constraints": [{"reservoir": "nowhere"}]}, "no reservoir nowhere"),
        ({"propose": {"controls": [{"gauge": "杭州", "safe_m3_s": 1}]}}, "no gauge 杭州"),
        ({"propose": {"controls": [{"gauge": "澄潭", "safe_m3_s": 1}]}}, "no reservoir lies above"),
        ({"schedules": [{"reservoir": "qincun", "releases": since * 2}]}, "times must ascend"),
        (
            {"schedules": [{"reservoir": "qincun", "releases": [since[0] | {"m3_s": 99999.0}]}]},
            "is more than its gates can pass at any level",
        ),
        (
            {
                "schedules": [
                    {
                        "reservoir": "qincun",
                        "releases": [{"since": "2019-08-12T16:30Z", "m3_s": 1.0}],
                    }
                ]
            },
            "2019-08-12T16:30:00Z is after the forecast, which ends at 2019-08-10T",
        ),
        (
            constraint(max_release_m3_s=10.0, min_release_m3_s=20.0),
            "least release of 20 m3/s above",
        ),
        (constraint(aim_level_m=300.0), "level 300 m is none of this reservoir"),
        (constraint(gauge_limits=[{"gauge": "澄潭", "max_level_m": 9.0}]), "is not downstream"),
        (
            constraint(gauge_limits=[{"gauge": "上浦", "max_level_m": -99.0}]),
            "below the river's bed",
        ),
        (constraint(gauge_limits=[{"gauge": "杭州", "max_level_m": 9.0}]), "no gauge 杭州"),
    ):
        with pytest.raises(ConfigError, match=cause):
            ask(settings, members=False, **body)
    with pytest.raises(DataError, match="cycle 20190809T1624Z: is not published"):
        ask(settings, cycle="20190809T1624Z")
    later = [{"since": "2019-08-09T20:30Z", "m3_s": 1.0}]
    with pytest.raises(DataError, match="without the rules the release of every step"):
        ask(
            settings,
            members=False,
            schedules=[{"reservoir": "qincun", "releases": later, "rules_hold": False}],
        )


def test_an_export_holds_what_was_published_and_what_members_make_of_it(settings):
    wanted = ExportRequest(
        ExportFormat.NETCDF, gauges=("嵊州",), reservoirs=("changzhao",), members=True
    )
    data = flow_export(wanted, settings).data
    published = Store(settings.store).part(CYCLE, "fast").open("hydro.zarr").load()
    k = list(published["gauge_name_zh"].values).index("嵊州")
    flow = published["gauge_discharge"].values[:, k]
    np.testing.assert_array_equal(data["gauge_discharge"].values[:, 0], flow)
    members = data["gauge_discharge_member"]
    assert (members.dims, members.shape) == (("member", "time", "gauge"), (3, len(flow), 1))
    np.testing.assert_allclose(members.values[1, :, 0], flow, rtol=0.1)  # the same rain
    low, median, high = data["gauge_discharge_quantile"].values[:, -1, 0]
    assert low < median < high
    assert data["reservoir_free_storage_quantile"].sizes["quantile"] == 3
    # 1.5 h of 30 mm/h; of the members 10, 30 and 60 mm/h.
    np.testing.assert_allclose(data["areal_rainfall"].sum("rain_time"), 45.0, rtol=1e-5)
    spread = data["areal_rainfall_total_quantile"].isel(rain_time=-1, basin=0)
    np.testing.assert_allclose(spread, [21.0, 45.0, 81.0], rtol=1e-5)
    np.testing.assert_allclose(data["areal_rainfall_past"], 80.0)
    assert list(data["basin_name_zh"].values) == ["嵊州以上", "长诏水库以上"]
    alone = flow_export(ExportRequest(ExportFormat.CSV, gauges=("嵊州",)), settings).data
    assert "reservoir" not in alone.dims
    assert alone.sizes["basin"] == 1
    service = FlowService(settings)
    assert service.members(CYCLE) is service.members(CYCLE)


def test_exports_from_the_command_line(settings, jinghu, tmp_path):
    config, out = tmp_path / "settings.yaml", tmp_path / "flows.xml"
    config.write_text(settings.model_dump_json())  # JSON is YAML
    common = ("export", "-c", config, "--out", out)
    code, _, err = jinghu(*common, "--format", "pi-xml", "--gauge", "嵊州")
    assert (code, err) == (0, "")
    assert b"<stationName>\xe5\xb5\x8a\xe5\xb7\x9e</stationName>" in out.read_bytes()
    out.unlink()
    rows = settings.hydro.gauges.read_text(encoding="utf-8").splitlines()
    coded = [f"{row},{'70112900' if row.startswith('嵊州,') else ''}" for row in rows[1:]]
    (tmp_path / "gauges.csv").write_text("\n".join([f"{rows[0]},station", *coded]), "utf-8")
    hydro = settings.hydro.model_copy(update={"gauges": tmp_path / "gauges.csv"})
    other = tmp_path / "coded.yaml"
    other.write_text(settings.model_copy(update={"hydro": hydro}).model_dump_json())
    tables = tmp_path / "tables.zip"
    code, _, err = jinghu("export", "-c", other, "--out", tables, "--format", "sl323")
    assert (code, err) == (0, "")
    with zipfile.ZipFile(tables) as archive:
        forecast = archive.read("ST_FORECAST_F.csv").decode("utf-8").splitlines()
    assert len(forecast) == 1 + 121
    assert forecast[1].startswith("70112900,绍兴市,JH-GENERATED-TERRAIN,2019-08-10 00:30:00,")
    for options, cause, wanted in (
        (("--gauge", "杭州"), "gauge 杭州: is not known; there are ", 3),
        (("--reservoir", "west-lake"), "reservoir west-lake: is not known", 3),
        (("--cycle", "20190809T1624Z"), "cycle 20190809T1624Z: is not published", 3),
        (("--cycle", "yesterday"), "'yesterday' is not of the form", 2),
        (("--format", "sl323"), "no station has a code of 8 characters", 3),
        (("--format", "xlsx"), "xlsx", 2),
    ):
        code, told, err = jinghu(*common, *options)
        assert (code, told) == (wanted, "")
        assert cause in err
        assert not out.exists()


def test_a_cycle_that_is_not_there_is_named(settings):
    with pytest.raises(DataError, match="is not published"):
        export_flows(ExportRequest(ExportFormat.CSV, "20190809T1600Z"), settings)
