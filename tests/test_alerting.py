"""From products to told people as the cycle does it, and the commands about warnings."""

import json
import socket
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import yaml
from rich.console import Console

from jinghu.alerting import judge, known_cells, warn, warning_levels
from jinghu.cli import main
from jinghu.configs.settings import Settings, load
from jinghu.desk import deciding, settle_waiting
from jinghu.grid.errors import ConfigError, StoreError
from jinghu.grid.fields import State, attrs
from jinghu.grid.times import cycle_name
from jinghu.people import ImportOptions, import_people
from jinghu.second_persons import approvers
from jinghu.stages import StageLog
from jinghu.warnings.database import open_database
from jinghu.warnings.decisions import decide_hold
from jinghu.warnings.holds import Hold, HoldKind
from jinghu.warnings.levels import Hazard, Level

ROOT = Path(__file__).parents[1]
T0 = datetime(2019, 8, 9, 16, 30, tzinfo=UTC)
WINDOWS_H = (1, 3, 6, 12, 24)
LEADS = np.arange(31) * np.timedelta64(6, "m").astype("timedelta64[ns]")


def configure(tmp_path: Path, **warnings: object) -> Path:
    """A configuration file with its own store and database."""
    settings = {
        "name": "test",
        "city": {
            "name_zh": "绍兴市",
            "name_en": "Shaoxing",
            "code": "330600",
            "boundaries": "configs:boundaries/shaoxing.geojson",
        },
        "store": str(tmp_path / "store"),
        "inputs": {"radar": str(tmp_path)},
        "warnings": {
            "database": f"sqlite:///{tmp_path / 'store' / 'warnings.db'}",
            "sender": "office@jinghu.example",
            "status": "Test",
            "audience": {"generated": 1200, "seed": 1},
        }
        | warnings,
    }
    path = tmp_path / "settings.yaml"
    path.write_text(yaml.safe_dump(settings, allow_unicode=True), encoding="utf-8")
    return path


def storm(settings: Settings, time: datetime, peak_mm: float) -> xr.Dataset:
    """Products with a round storm over the city; ``peak_mm`` in the three hours to come."""
    spec = settings.grid.product()
    lon, lat = spec.lonlat()
    away_km = np.hypot((lon - 120.5) * 96.0, (lat - 29.85) * 111.0)
    rate = (peak_mm / 3 * np.exp(-((away_km / 15.0) ** 2))).astype(np.float32)
    hours = np.arange(31, dtype=np.float32) / 10
    amount = rate * np.minimum(hours[None, :], np.array(WINDOWS_H)[:, None])[:, :, None, None]
    fields = {
        "rainfall_amount": (("window", "lead_time", "y", "x"), amount.astype(np.float32)),
        "rainfall_rate": (("lead_time", "y", "x"), np.broadcast_to(rate, (31, *rate.shape))),
        "quality": (("y", "x"), np.full_like(rate, 0.9)),
        "age": (("y", "x"), np.full_like(rate, 120.0)),
        "state": (("y", "x"), np.full(rate.shape, State.WET, np.uint8)),
    }
    return xr.Dataset(
        {name: (dims, values, attrs(name)) for name, (dims, values) in fields.items()},
        coords={
            "window": list(WINDOWS_H),
            "lead_time": LEADS,
            "time": np.datetime64(time.replace(tzinfo=None), "ns"),
            **spec.coords(),
        },
    )


class Office:
    """Cycles of one configuration, one after another."""

    def __init__(self, path: Path):
        self.settings = load(path)
        self.time = T0

    def cycle(self, peak_mm: float, minutes: float = 6):
        self.time += timedelta(minutes=minutes)
        return self.again(peak_mm)

    def again(self, peak_mm: float):
        self.log = StageLog(Console(quiet=True))
        levels = warning_levels(storm(self.settings, self.time, peak_mm), self.settings)
        now = self.time + timedelta(minutes=4)
        judged = judge(levels, None, self.settings, self.log)
        return warn(levels, cycle_name(self.time), now, self.settings, self.log, judged).summary


def query(settings: Settings, sql: str):
    connection = sqlite3.connect(settings.warnings.database.removeprefix("sqlite:///"))
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


def test_what_is_published_says_what_it_is(tmp_path):
    settings = load(configure(tmp_path))
    found = warning_levels(storm(settings, T0, 120), settings)
    level, onset = found.published["warning_level"], found.published["warning_onset_lead"]
    assert level.dims == onset.dims == ("y", "x")
    assert level.dtype == np.uint8
    assert level.attrs["flag_meanings"] == "none blue yellow orange red"
    assert level.attrs["flag_values"].tolist() == [0, 1, 2, 3, 4]
    assert onset.attrs["units"] == "min"
    centre = settings.grid.product().cell_of_lonlat(120.5, 29.85)
    assert level.values.ravel()[centre] == 4
    # 120 mm in 3 h is 40 mm/h there: 100 mm after 2.5 h
    assert onset.values.ravel()[centre] == pytest.approx(150, abs=6)
    assert np.isnan(onset.values[level.values == 0]).all()
    merged = storm(settings, T0, 120).merge(found.published)
    merged.to_zarr(tmp_path / "products.zarr", consolidated=False)  # plain attributes only


def test_only_what_a_radar_sees_now_is_known():
    grid = xr.Dataset(
        {
            "state": (("x",), np.array([s for s in State] + [1, 1, 0], np.uint8)),
            "age": (("x",), np.array([60.0] * 6 + [721.0, np.nan, 60.0])),
            "quality": (("x",), np.array([0.5] * 6 + [0.5, 0.5, 0.0])),
        }
    )
    expected = [s in (State.DRY, State.WET) for s in State] + [False] * 3
    assert known_cells(grid, 720.0).tolist() == expected


def test_a_storm_from_first_warning_to_repetition(tmp_path):
    office = Office(configure(tmp_path))
    first = office.cycle(60)
    assert first["issued"] > 0
    assert first["candidates"] > 20
    assert 0 < first["recipients"] < 1200
    assert any("no delivery channel" in d for d in office.log.degradations)
    again = office.again(160)
    assert again["repeated"]
    assert {k: again[k] for k in ("issued", "recipients")} == {
        k: first[k] for k in ("issued", "recipients")
    }
    second = office.cycle(160)
    assert second["updated"] > 0
    (tasks,) = query(office.settings, "SELECT COUNT(*) FROM task")[0]
    assert tasks >= first["recipients"]
    assert query(office.settings, "SELECT COUNT(*) FROM recipient") == [(1200,)]
    office.time -= timedelta(minutes=3)
    office.again(0)
    assert any("is older than 20190809T1642Z" in d for d in office.log.degradations)


def webhook(port: int) -> dict[str, object]:
    return {
        "name": "sms",
        "url": f"http://127.0.0.1:{port}/in",
        "secret": "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX",
        "allow_private": True,
    }


def test_a_receiver_that_is_down_degrades_and_keeps_its_messages(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        office = Office(configure(tmp_path, webhooks=[webhook(taken.getsockname()[1])]))
        summary = office.cycle(120)
    assert summary["issued"] > 0
    assert summary["delivered"] == 0
    assert summary["waiting"] == summary["recipients"] > 20
    assert any(
        "channel sms is down: sms: Connect call failed" in d for d in office.log.degradations
    )
    key = Path(office.settings.warnings.database.removeprefix("sqlite:///")).parent / "answer.key"
    assert key.stat().st_mode & 0o777 == 0o600


def test_an_audience_file_needs_a_frame(tmp_path):
    people = tmp_path / "people.csv"
    people.write_text(
        "person,name,role,unit_code,unit_name,lon,lat\n"
        "p1,王一,grid_officer,330602000001,某村,120.5,29.85\n"
        "p2,李二,grid_officer,330602000001,某村,20.5,29.85\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError, match=r"people\.csv: the coordinate frame is not declared"):
        Office(configure(tmp_path, audience={"file": str(people)})).cycle(120)
    audience = {"file": str(people), "frame": "WGS-84"}
    office = Office(configure(tmp_path, audience=audience))
    assert office.cycle(120)["recipients"] == 1
    assert any("1 recipients refused" in d for d in office.log.degradations)
    report = import_people(people, ImportOptions("GCJ-02"), office.settings, T0)
    assert (report.imported, len(report.bad)) == (1, 1)


def test_without_people_alerts_are_issued_and_it_is_said(tmp_path):
    office = Office(configure(tmp_path, audience={}))
    summary = office.cycle(120)
    assert summary["issued"] > 0
    assert summary["recipients"] == 0
    assert any("no audience is configured" in d for d in office.log.degradations)


def test_generated_people_never_pass_for_real_ones(tmp_path):
    office = Office(configure(tmp_path, status="Actual"))
    office.cycle(0)
    assert any("nobody in the audience exists" in d for d in office.log.degradations)


def test_a_broken_database_or_rule_table_is_one_line(tmp_path):
    broken = tmp_path / "letter.db"
    broken.write_text("dear database" * 99)
    with pytest.raises(StoreError, match=r"letter\.db") as error:
        Office(configure(tmp_path, database=f"sqlite:///{broken}")).cycle(120)
    assert "\n" not in str(error.value)
    office = Office(configure(tmp_path, rules=str(tmp_path / "none.yaml")))
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        office.cycle(120)


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"url": "ftp://x"}, "url"),
        ({"secret": "hunter2"}, "secret"),
        ({"name": "短信"}, "name"),
    ],
)
def test_a_receiver_that_cannot_work_is_refused_when_settings_are_read(tmp_path, change, cause):
    path = configure(tmp_path, webhooks=[webhook(80) | change])
    with pytest.raises(ConfigError, match=cause):
        load(path)
    with pytest.raises(ConfigError, match="same name"):
        load(configure(tmp_path, webhooks=[webhook(80), webhook(81)]))


def test_commands_about_warnings(tmp_path, jinghu):
    path = configure(tmp_path)
    office = Office(path)
    first = office.cycle(120)["alerts"][0]
    exported, broken, people = (tmp_path / name for name in ("good.cap", "bad.cap", "people.csv"))
    _, alert, _ = jinghu("cap", "export", first, "-c", path)
    exported.write_text(alert, encoding="utf-8")
    broken.write_text(exported.read_text(encoding="utf-8").replace("Public", "Everybody"))
    code, told, _ = jinghu("cap", "validate", exported, broken, "--json")
    found = json.loads(told)
    assert code == 3
    assert found[str(exported)] == []
    assert [p["rule"] for p in found[str(broken)]] == ["value"]
    assert set(found[str(broken)][0]) == {"rule", "place", "message"}
    _, told, _ = jinghu("audience", "match", "--alert", first, "-c", path, "--json")
    matched = json.loads(told)
    assert matched["recipients"] == sum(matched["roles"].values()) > 0
    assert matched["recipients"] == sum(matched["levels"].values())
    people.write_text(
        "person,name,role,unit_code,unit_name,lon,lat\n"
        "p1,王一,grid_officer,330602000001,某村,120.5,29.85\n",
        encoding="utf-8",
    )
    code, told, _ = jinghu("audience", "import", people, "--frame", "GCJ-02", "-c", path)
    assert code == 0
    assert "1 imported, 0 refused" in told
    assert query(office.settings, "SELECT COUNT(*) FROM recipient") == [(1201,)]


@pytest.mark.parametrize(
    ("arguments", "code", "cause"),
    [
        (("cap", "validate", "{tmp}/none.cap"), 3, "none.cap"),
        (("cap", "export", "none", "-c", "{tmp}/settings.yaml"), 3, "no such warning"),
        (("audience", "match", "--alert", "x", "-c", "{tmp}/settings.yaml"), 3, "no such warning"),
        (
            ("audience", "import", "{tmp}/p.csv", "--frame", "Xian80", "-c", "{tmp}/settings.yaml"),
            2,
            "Xian80",
        ),
    ],
)
def test_refusals_are_one_line(tmp_path, monkeypatch, capsys, arguments, code, cause):
    configure(tmp_path)
    monkeypatch.setattr("sys.argv", ["jinghu", *(a.format(tmp=tmp_path) for a in arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == code
    stderr = capsys.readouterr().err
    assert cause in stderr
    assert stderr.count("\n") == 1


def test_drills_need_a_drill_channel_and_nothing_is_sent_without(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        hook = webhook(taken.getsockname()[1])
        office = Office(configure(tmp_path, status="Exercise", webhooks=[hook]))
        summary = office.cycle(120)
        assert summary["issued"] > 0
        assert summary["waiting"] == summary["delivered"] == 0
        assert any("no channel is for Exercise" in d for d in office.log.degradations)
        assert query(office.settings, "SELECT COUNT(*) FROM outbox") == [(0,)]


def test_water_is_judged_held_or_left_out(tmp_path):
    office = Office(configure(tmp_path))
    office.cycle(0)
    assert any("what stands of rivers and reservoirs is held" in d for d in office.log.degradations)
    office = Office(configure(tmp_path, water_rules=None))
    office.cycle(0)
    assert not any("rivers and reservoirs" in d for d in office.log.degradations)
    office = Office(configure(tmp_path, water_rules=str(tmp_path / "none.yaml")))
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        office.cycle(0)


def run_main(monkeypatch, capsys, *arguments):
    monkeypatch.setattr("sys.argv", ["jinghu", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        main()
    return left.value.code, capsys.readouterr()


def test_a_forecaster_holds_and_lets_go(tmp_path, monkeypatch, capsys):
    path = configure(tmp_path)
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    words = ["-c", path, "--county", "330602", "--reason", "雷达受遮挡", "--author", "王"]
    order = ["hold", "set", *words, "--until", until, "--kind", "at_least", "--level", "yellow"]
    code, said = run_main(monkeypatch, capsys, *order, "--hazard", "rainstorm", "--json")
    done = json.loads(said.out)
    assert (code, done["hold"], len(done["warnings"]), done["proposals"]) == (0, 1, 1, [])
    _, said = run_main(monkeypatch, capsys, "hold", "list", "-c", path)
    assert "1: rainstorm 330602  at_least yellow until" in said.out
    office = Office(path)
    office.time = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    assert office.cycle(0)["issued"] == 0  # it stands already
    ended = ["hold", "end", 1, "-c", path, "--author", "李", "--reason", "雷达恢复"]
    assert run_main(monkeypatch, capsys, *ended)[0] == 0
    assert run_main(monkeypatch, capsys, "hold", "list", "-c", path)[1].out == ""
    code, said = run_main(monkeypatch, capsys, *order, "--hazard", "river_flood")
    assert (code, "name it" in said.err) == (2, True)
    code, said = run_main(monkeypatch, capsys, *order, "--hazard", "hail")
    assert (code, "--hazard hail: none of rainstorm, river_flood" in said.err) == (2, True)


def test_a_second_person_answers_with_a_key(tmp_path, monkeypatch, capsys):
    path = configure(tmp_path, approvals=True)
    until = (datetime.now(UTC) + timedelta(hours=2)).isoformat()
    words = ["--county", "330602", "--reason", "河堤渗漏", "--author", "王", "--until", until]
    red = ["--kind", "at_least", "--level", "red", "--hazard", "rainstorm"]
    order = ["hold", "set", "-c", path, *words, *red]
    _, said = run_main(monkeypatch, capsys, *order, "--json")
    assert json.loads(said.out)["proposals"] == [1]
    _, said = run_main(monkeypatch, capsys, "proposals", "list", "-c", path)
    assert "1: OPEN rainstorm 330602  raise red" in said.out
    answer = ["proposals", "approve", 1, "-c", path, "--json"]
    code, said = run_main(monkeypatch, capsys, *answer)
    assert (code, "JINGHU_KEY" in said.err) == (2, True)
    assert approvers(load(path), datetime.now(UTC)) == 0
    for name, expected in (("王", 3), ("李", 0)):
        made = run_main(
            monkeypatch, capsys, "keys", "create", name, "--scope", "approver", "-c", path
        )
        token = tmp_path / name
        token.write_text(made[1].out, encoding="utf-8")
        code, said = run_main(monkeypatch, capsys, *answer, "--key-file", token)
        assert code == expected, said.err
    assert len(json.loads(said.out)["warnings"]) == 1
    assert approvers(load(path), datetime.now(UTC)) == 2
    (found,) = query(Office(path).settings, "SELECT level FROM event")
    assert found == (4,)


def test_what_nobody_answers_is_issued_between_two_cycles(tmp_path):
    settings, now = load(configure(tmp_path, approvals=True)), datetime.now(UTC)
    of = (Hazard.MOUNTAIN_TORRENT, "330602", "", HoldKind.AT_LEAST, Level.RED)
    wanted = Hold(*of, "沟口壅塞", "王", now + timedelta(hours=2))
    with deciding(settings) as (connection, office):
        _, summary = decide_hold(connection, office, wanted, None, now)
    assert (summary.issued, summary.proposed) == (1, [1])
    engine = open_database(settings.warnings.database)
    assert settle_waiting(engine, settings, now + timedelta(minutes=4)) == []
    assert len(settle_waiting(engine, settings, now + timedelta(minutes=5))) == 1
    assert settle_waiting(engine, settings, now + timedelta(minutes=5)) == []
    engine.dispose()
    assert query(settings, "SELECT level FROM alert ORDER BY alert_id") == [(3,), (4,)]
