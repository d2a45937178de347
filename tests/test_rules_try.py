"""A changed table over past cycles: what would have been issued, beside what was."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console
from tests.test_alerting import T0, configure, storm

from jinghu.alerting import warn, warning_levels
from jinghu.cli import main
from jinghu.configs.settings import CONFIGS, load
from jinghu.grid.errors import ConfigError
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name
from jinghu.rules_try import try_table, with_table
from jinghu.stages import StageLog

SHIPPED = CONFIGS / "rules" / "rainstorm.yaml"
QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def office(tmp_path_factory) -> Path:
    """Three cycles of a growing storm, as they were published and warned of."""
    path = configure(tmp_path_factory.mktemp("office"))
    settings = load(path)
    for k, peak_mm in enumerate((40, 60, 120)):
        time = T0 + k * timedelta(minutes=6)
        products = storm(settings, time, peak_mm)
        with Store(settings.store).create().publish(cycle_name(time), "fast") as part:
            part.dataset("products.zarr", products)
            part.manifest(time=str(time))
        levels = warning_levels(products, settings)
        warn(levels, cycle_name(time), datetime.now(UTC), settings, StageLog(QUIET))
    return path


def test_the_table_as_it_was_gives_what_was_issued_and_touches_nothing(office):
    settings = load(office)
    database = Path(settings.warnings.database.removeprefix("sqlite:///"))
    files = sorted(settings.store.rglob("*"))
    before = database.read_bytes()
    found = try_table(SHIPPED, settings, None, None, QUIET)
    assert found["would"] == found["issued"]
    assert found["cycles"] == 3
    assert found["would"]["messages"] == len(found["would"]["list"]) > 3
    assert 0 < found["would"]["people"] <= found["would"]["told"]
    assert database.read_bytes() == before
    assert sorted(settings.store.rglob("*")) == files


def test_a_changed_table_is_beside_it(office, tmp_path, monkeypatch, capsys):
    table = tmp_path / "rain.yaml"
    text = SHIPPED.read_text(encoding="utf-8")
    table.write_text(text.replace("threshold_mm: 100}", "threshold_mm: 200}"), encoding="utf-8")
    first = (T0 + timedelta(minutes=6)).isoformat()
    command = ["jinghu", "rules", "try", str(table), "-c", str(office), "--from", first]
    monkeypatch.setattr("sys.argv", [*command, "--json"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cycles"] == 2
    assert "red" in found["issued"]["by_level"]
    assert "red" not in found["would"]["by_level"]
    assert found["would"]["cells"] == found["issued"]["cells"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit):
        main()
    assert "people by level red" in capsys.readouterr().out


def test_without_a_database_there_is_nothing_beside_it(office, tmp_path):
    settings = load(office)
    warnings = settings.warnings.model_copy(update={"database": f"sqlite:///{tmp_path / 'no.db'}"})
    alone = settings.model_copy(update={"warnings": warnings})
    found = try_table(SHIPPED, alone, None, None, QUIET)
    assert found["issued"] is None
    assert (found["would"]["messages"] > 0, found["would"]["people"]) == (True, 0)
    assert not (tmp_path / "no.db").exists()


def test_what_cannot_be_tried_is_refused_by_name(office, tmp_path):
    settings = load(office)
    with pytest.raises(ConfigError, match=r"none\.yaml"):
        try_table(tmp_path / "none.yaml", settings, None, None, QUIET)
    with pytest.raises(ConfigError, match="no published cycle"):
        try_table(SHIPPED, settings, T0 + timedelta(days=1), None, QUIET)
    broken = tmp_path / "rivers.yaml"
    broken.write_text("river: {}\nversion: t\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"rivers\.yaml"):
        try_table(broken, settings, None, None, QUIET)


def test_a_table_takes_the_place_of_the_one_of_its_kind(office):
    settings = load(office)
    for name, kind in (("rivers", "water_rules"), ("torrents", "torrent_rules")):
        table = CONFIGS / "rules" / f"{name}.yaml"
        changed = with_table(settings, table).warnings
        assert (getattr(changed, kind), changed.rules) == (table, settings.warnings.rules)
