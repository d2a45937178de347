"""Mountain torrents: shares of critical rain, villages, levels by cell, their warnings, CAP."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from sqlalchemy import select
from tests.warnings.rivers import flows

from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import attrs
from jinghu.grid.frames import to_gcj02
from jinghu.grid.times import cycle_name
from jinghu.warnings.cap import validate
from jinghu.warnings.database import verify_audit
from jinghu.warnings.ledger import process
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.tables import alert, event, event_cell, outbox
from jinghu.warnings.torrent_rules import load_torrent_rules
from jinghu.warnings.torrents import evaluate_torrents

SHIPPED = Path(__file__).parents[2] / "configs" / "rules" / "torrents.yaml"
HOURS = (1, 3, 6)
NONE = (0.0, 0.0, 0.0)


@pytest.fixture
def table(tmp_path):
    def write(old="villages: []", new="villages: []"):
        path = tmp_path / "torrents.yaml"
        text = SHIPPED.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new), encoding="utf-8")
        return load_torrent_rules(path)

    return write


def torrents(world, ratio, critical=60.0, onset_h=np.nan, observed=1.0):
    """Flows of four reaches along row 5; ``ratio`` by reach, for 1, 3 and 6 h."""
    of = flows(world.spec, world.time, [5], [10])
    values = np.array([ratio.get(reach, NONE) for reach in range(4)], np.float32).T
    shape, unit = ("duration", "reach"), attrs("critical_rainfall_ratio")
    of["critical_rainfall_ratio"] = (shape, values, unit)
    of["critical_rainfall"] = (shape, np.full_like(values, critical))
    of["flood_onset"] = (("return_period", "reach"), np.full((2, 4), onset_h, np.float32))
    of = of.assign_coords(
        duration=list(HOURS),
        return_period=[2.0, 5.0],
        reach_name_zh=("reach", np.array(["枫桥江", "", "", ""], object)),
        reach_name_en=("reach", np.array(["Fengqiao", "", "", ""], object)),
    )
    of.attrs |= {"critical_return_period_years": 5.0, "observed_rain_share": observed}
    return of


def rain(world, cell=0, mm=(0.0, 0.0, 0.0)):
    """Amounts of 1, 3 and 6 h in one cell, reached after 1 h."""
    values = np.zeros((3, 3, *world.spec.shape), np.float32)
    values[:, 1:, cell // 20, cell % 20] = np.array(mm)[:, None]
    lead = np.array([0, 60, 120]).astype("timedelta64[m]").astype("timedelta64[ns]")
    dims = ("window", "lead_time", "y", "x")
    return xr.DataArray(values, dims=dims, coords={"window": list(HOURS), "lead_time": lead})


def judge(world, rules, ratio=None, amounts=None, known=True, **more):
    known_cells = np.full(400, known)
    of = torrents(world, ratio or {}, **more)
    amounts = rain(world) if amounts is None else amounts
    return evaluate_torrents(rules, of, amounts, known_cells, world.office.units, world.spec)


def cycle(world, matters, minutes=6):
    world.time += np.timedelta64(minutes, "m").item()
    levels, name = world.levels({}, {}, set()), cycle_name(world.time)
    return process(world.engine, levels, name, world.time, world.office, world.time, (), matters)


def test_the_share_of_the_critical_rain_is_the_level_along_the_river(world, table):
    west, east = judge(world, table(), {0: (0.5, 0.85, 0.3), 1: (1.2, 0.2, 0.1), 2: (0.7, 0, 0)})
    levels = {int(c): int(west.found.level[c]) for c in np.flatnonzero(west.found.level)}
    # Reach 0 lies in columns 0 and 1 of row 5, reach 1 in 2 and 3; with 500 m beside it, it touches
    # those before and after. The third keeps orange, and reaches nothing.
    assert levels == {100: 3, 101: 4, 102: 4, 103: 4, 104: 4}
    assert int(west.found.kept[105]) == 3
    assert east.found is west.found
    onset, found = west.finding.evidence(np.array([102, 103]), Level.RED)
    assert (onset, found.window_h, round(found.share, 2), found.mark_mm) == (0.0, 1, 1.2, 60.0)


def test_what_is_not_known_or_infinite(world, table):
    (west, _) = judge(world, table(), {0: (np.nan, np.nan, np.nan), 1: (np.inf, 0.5, np.nan)},
                      critical=0.0)  # fmt: skip
    assert west.found.level[100] == 0
    assert west.found.level[103] == 4
    assert not judge(world, table(), observed=0.8)[0].found.known.any()


def test_a_warning_from_issue_to_end(world, table):
    rules = table()
    world.add_people([100, 103, 120])
    rain_now = {0: (0.5, 0.85, 0.3), 1: (1.2, 0.2, 0.1)}
    issued = cycle(world, judge(world, rules, rain_now, onset_h=2.0))
    assert (issued.issued, issued.recipients) == (1, 2)  # nobody beside the river
    row = world.rows(select(alert))[0]
    assert row.headline_zh == "越城区发布山洪灾害红色预警"
    for words in (
        "小流域1小时雨量（实况加预报）为当前临界雨量（60毫米）的120%", "立即转移", "10:06起发生",
        "leave at once", "Leave at once for high ground",
    ):  # fmt: skip
        assert words in row.cap_xml, words
    assert validate(row.cap_xml.encode()) == []
    assert {r.level for r in world.rows(select(outbox.c.level))} == {3, 4}
    for _ in range(40):  # no forecast of floods: what stands is held
        cycle(world, None)
    assert {r.action for r in world.rows(select(alert))} == {"NEW", "CON"}
    assert "资料不全，不足以判断山洪危险解除" in world.rows(select(alert))[-1].cap_xml
    for _ in range(6):
        cycle(world, judge(world, rules))
    assert world.rows(select(alert))[-1].action == "CAN"
    assert world.rows(select(event))[0].hazard == Hazard.MOUNTAIN_TORRENT.value
    assert verify_audit(world.engine) is None


def village(world, cell, marks, frame="GCJ-02"):
    row, column = cell // 20, cell % 20
    lon, lat = world.spec.to_lonlat(world.spec.x[column], world.spec.y[row])
    if frame == "GCJ-02":
        lon, lat = to_gcj02(lon, lat)
    place = f"lon: {float(lon)}, lat: {float(lat)}, frame: {frame}, source: its plan"
    names = 'unit: "330602105201", name_zh: 上村, name_en: Shangcun'
    return f"villages:\n  - {{{names}, {place}, {marks}}}"


def test_a_village_has_its_own_marks_in_its_cell(world, table):
    marks = "prepare_mm: {1: 40, 3: 70}, transfer_mm: {1: 60, 3: 100}"
    rules = table(new=village(world, 101, marks))
    red = {0: (1.5, 0, 0)}
    calm = judge(world, rules, red)[0]
    assert (calm.found.level[100], calm.found.level[101]) == (4, 0)
    west = judge(world, rules, red, rain(world, 101, (45.0, 90.0, 90.0)))[0]
    assert (west.found.level[101], west.found.kept[101]) == (3, 4)  # 90 of 100 mm keeps red
    onset, found = west.finding.evidence(np.array([101]), Level.ORANGE)
    assert (onset, found.name_zh, found.village, found.window_h) == (60.0, "上村", True, 3)
    cycle(world, [west])
    assert {r.cell_id: r.level for r in world.rows(select(event_cell))}[101] == 3


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("ratio: 0.8", "ratio: 1.5", "ascend"),
        ("hazard: mountain_torrent", "hazard: rainstorm", "hazard"),
        ("stage: prepare", "stage: flee", "stage"),
        ("level: red, ratio", "level: orange, ratio", "same level"),
        ("buffer_m: 500", "buffer_km: 5", "buffer"),
    ],
)
def test_broken_tables_are_refused_by_row(table, old, new, cause):
    with pytest.raises(ConfigError, match=rf"torrents\.yaml.*{cause}"):
        table(old, new)


def test_broken_villages_are_refused(world, table):
    for marks, cause in (
        ("prepare_mm: {1: 60}, transfer_mm: {1: 60}", "not below"),
        ("prepare_mm: {2: 60}", "prepare_mm"),
    ):
        with pytest.raises(ConfigError, match=cause):
            table(new=village(world, 101, marks))
    with pytest.raises(ConfigError, match="frame"):
        table(new=village(world, 101, "prepare_mm: {1: 60}", "Xian80"))
