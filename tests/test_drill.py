"""Drills end to end: the same seed gives the same inputs and report, and nobody real is told."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from rich.console import Console
from sqlalchemy import select

from jinghu.configs.settings import CONFIGS, load
from jinghu.drill import DrillOptions, rewritten, run_drill
from jinghu.drill_play import drill_settings, prepare
from jinghu.drill_script import DrillScript, named_drill, shipped_drills
from jinghu.drill_world import WorldParams
from jinghu.grid.errors import ConfigError
from jinghu.public_process import simulated_public
from jinghu.warnings.database import open_database, reading
from jinghu.warnings.tables import alert

SECRET = "whsec_c2VjcmV0IG9mIHR3ZW50eSBmb3VyIGI="
SMALL = WorldParams(people=50_000, towns=20, villages=150, grids=900, schools=40, sites=20)
START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def office(tmp_path_factory):
    """Settings of 140 km around the city, with a receiver that no drill may reach."""
    raw = yaml.safe_load((CONFIGS / "demo.yaml").read_text(encoding="utf-8"))
    raw["grid"] = {"x0_m": 500_000.0, "y0_m": 3_225_000.0, "nx": 56, "ny": 56}
    raw["nowcast"] = {"members": 0}
    raw["warnings"] |= {
        "status": "Actual",
        "webhooks": [
            {"name": "mayor", "url": "https://mayor.example/hook", "secret": SECRET},
        ],
    }
    path = tmp_path_factory.mktemp("office") / "office.yaml"
    path.write_text(yaml.safe_dump(raw), encoding="utf-8")
    return path


def tiny(**changes) -> DrillScript:
    """Two cycles, two radars, one of which fails half way."""
    raw = named_drill("convective-line").model_dump() | {
        "name": "tiny",
        "hours": 0.2,
        "radars": ("ZSIM3", "ZSIM4"),
        "stations": 60,
        "radar_faults": [{"radar": "ZSIM3", "kind": "missing", "from_min": 6}],
        "station_faults": [{"kind": "clogged", "stations": 3}],
    }
    return DrillScript.model_validate(raw | changes)


@pytest.fixture(scope="module")
def twice(office, tmp_path_factory):
    """Stores of one drill, with one worker and with two."""
    stores = []
    for workers in (1, 2):
        store = tmp_path_factory.mktemp("drill") / "store"
        options = DrillOptions(store, workers=workers, config=office, world=SMALL)
        run_drill(tiny(), options, Console(quiet=True))
        stores.append(store)
    return stores


def contents(store):
    root = store / "incoming"
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_one_worker_and_two_give_the_same_inputs_and_report(twice):
    one, two = (contents(store) for store in twice)
    assert one.keys() == two.keys()
    assert all(one[name] == two[name] for name in one)
    for name in ("report.json", "script.json"):
        assert (twice[0] / "drill" / name).read_bytes() == (twice[1] / "drill" / name).read_bytes()


def test_the_report_says_what_was_missing_and_who_was_told(twice):
    report = json.loads((twice[0] / "drill" / "report.json").read_text("utf-8"))
    first, second = (c["degradations"] for c in report["cycles"])
    assert "radar ZSIM3: no usable volume" not in first  # one of six minutes before is good
    assert [text for text in second if "ZSIM3" in text and "stale" in text]
    cells, people = report["cells"], report["people"]
    assert cells["hits"] + cells["false_alarms"] > 20
    assert people["in_time"] + people["needlessly"] > 10
    assert 0 < people["acknowledged"] < people["answered"]
    assert people["all_told"] >= people["in_time"] + people["late"] + people["needlessly"]
    assert len(report["gauges"]) == 30
    page = (twice[0] / "drill" / "report.html").read_text("utf-8")
    assert "演练" in page
    assert "EXERCISE" in page


def test_everything_is_an_exercise_and_no_other_receiver_is_told(twice, office):
    store = twice[0]
    lines = (store / "deliveries.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines
    assert {json.loads(line)["status"] for line in lines} == {"Exercise"}
    engine = open_database(f"sqlite:///{store / 'warnings.db'}")
    with reading(engine) as connection:
        assert set(connection.execute(select(alert.c.status)).scalars()) == {"Exercise"}
    engine.dispose()
    with simulated_public(SECRET, store / "none.jsonl") as public:
        made = drill_settings(load(office), store, tiny(), "http://localhost:1", public)
    assert made.warnings.status == "Exercise"
    assert [(h.url, h.purpose) for h in made.warnings.webhooks] == [(public.url, "drill")]
    assert str(store) in made.warnings.database


def test_only_a_drill_is_cleared(tmp_path):
    store = tmp_path / "store"
    prepare(store)
    (store / "cycles").mkdir()
    (store / "cycles" / "x").write_text("old")
    (store / "warnings.db").write_text("old")
    (store / "static").mkdir()
    prepare(store)
    assert not (store / "cycles").exists()
    assert not (store / "warnings.db").exists()
    assert (store / "static").is_dir()  # the river network is the same in the next
    assert (store / "incoming" / "rivers").is_dir()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("keep")
    with pytest.raises(ConfigError, match="is no drill"):
        prepare(tmp_path / "mine")


def test_impossible_drills_are_refused(tmp_path):
    script = tiny()
    for hours in (0.0, -1.0, 25.0, float("nan")):
        with pytest.raises(ConfigError, match="can be simulated"):
            rewritten(script, hours=hours)
    with pytest.raises(ConfigError, match="not a multiple"):
        rewritten(script, start=START + timedelta(minutes=1))
    with pytest.raises(ConfigError, match="not a natural number"):
        rewritten(script, seed=-1)
    later = rewritten(script, start=datetime(2126, 1, 1, tzinfo=UTC))
    with pytest.raises(ConfigError, match="in the future"):
        run_drill(later, DrillOptions(tmp_path / "store"), Console(quiet=True))
    assert not (tmp_path / "store").exists()


def test_a_script_is_cut_to_whole_steps():
    assert rewritten(tiny(), hours=0.34).hours == pytest.approx(0.3)
    assert rewritten(tiny(), seed=5, start=START).seed == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dry", "outage"])
def test_an_hour_of_a_shipped_drill(name, tmp_path):
    """The dry day warns nobody; radars that are out are named in every cycle that misses them."""
    script = rewritten(named_drill(name), hours=1.0)
    if name == "outage":
        faults = [f.model_copy(update={"from_min": f.from_min / 3}) for f in script.radar_faults]
        script = script.model_copy(update={"radar_faults": tuple(faults)})
    said = io.StringIO()
    options = replace(DrillOptions(tmp_path / "store"), workers=2)
    result = run_drill(script, options, Console(file=said, width=200))
    assert len(result.cycles) == 10
    assert len(list((tmp_path / "store" / "cycles").iterdir())) == 10
    if name == "dry":
        assert result.told == 0
        assert result.cells.false_alarms == result.cells.hits == 0
    else:
        last = result.cycles[-1].degradations
        assert "radar ZSIM2: no usable volume" in last
        assert result.told > 100


def test_the_shipped_drills_are_five_and_past():
    names = [script.name for script in shipped_drills()]
    assert names == ["convective-line", "dry", "outage", "scattered", "typhoon"]
