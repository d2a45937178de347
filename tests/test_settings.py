"""Settings: read once, checked, and what is wrong is named."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from jinghu.configs.settings import CONFIGS, load
from jinghu.grid.errors import ConfigError

CITY = {
    "name_zh": "绍兴市",
    "name_en": "Shaoxing",
    "code": "330600",
    "boundaries": "configs:boundaries/shaoxing.geojson",
}
MINIMAL = {
    "name": "test",
    "city": CITY,
    "store": "store",
    "inputs": {"radar": "radar"},
}


@pytest.fixture
def written(tmp_path):
    """Write settings, minimal ones with changes or a text; returns the path."""

    def write(text=None, **changes):
        path = tmp_path / "settings.yaml"
        path.write_text(text or yaml.safe_dump(MINIMAL | changes, allow_unicode=True), "utf-8")
        return path

    return write


def test_defaults_are_those_of_shaoxing(written):
    settings = load(written())
    assert settings.city.name_zh == "绍兴市"
    product, working = settings.grid.product(), settings.grid.working()
    assert (product.crs, product.spacing_m, product.shape) == ("EPSG:4549", 2500.0, (120, 120))
    assert (working.spacing_m, working.shape) == (500.0, (600, 600))
    assert working.coarsen(settings.grid.working_factor) == product
    assert int(product.cell_of_lonlat(120.58, 30.0)) >= 0
    assert (settings.nowcast.step_min, settings.nowcast.leads) == (6, 30)


def test_they_are_frozen(written):
    with pytest.raises(ValidationError, match="frozen"):
        load(written()).name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"storr": "x"}, "storr: Extra inputs are not permitted"),
        ({"grid": {"spacing": 1000}}, "grid.spacing: Extra inputs are not permitted"),
        ({"nowcast": {"leads": 0}}, "nowcast.leads: Input should be greater than or equal to 1"),
        ({"nowcast": {"engine": "magic"}}, "nowcast.engine: Input should be 'jinghu' or 'pysteps'"),
        ({"nowcast": {"step_min": "soon"}}, "nowcast.step_min: Input should be a valid integer"),
        ({"grid": {"working_factor": 0}}, "grid.working_factor: Input should be greater"),
        ({"city": CITY | {"code": "33"}}, "city.code: String should match"),
        ({"radar": {"stale_after_min": -1}}, "radar.stale_after_min: Input should be greater"),
        ({"inputs": {}}, "inputs.radar: Field required"),
        ({"warnings": {"webhooks": [{"name": "a"}]}}, "warnings.webhooks.0.url: Field required"),
    ],
)
def test_the_option_that_is_wrong_is_named(written, changes, named):
    path = written(**changes)
    with pytest.raises(ConfigError) as refusal:
        load(path)
    assert str(refusal.value).startswith(f"{path}: ")
    assert named in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_all_wrong_options_are_named_at_once(written):
    with pytest.raises(ConfigError, match=r"leads.*; .*storr|storr.*; .*leads"):
        load(written(storr=1, nowcast={"leads": 0}))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("name: [", "not YAML"),
        ("a: b: c", "not YAML"),
        ("\t- x", "not YAML"),
        ("- 1\n- 2\n", "file: Input should be a valid dictionary"),
        ("just words", "file: Input should be a valid dictionary"),
        ("# nothing\n", "file: Input should be a valid dictionary"),
    ],
)
def test_what_is_no_settings_file_is_refused_in_one_line(written, text, cause):
    with pytest.raises(ConfigError, match=cause) as refusal:
        load(written(text))
    assert "\n" not in str(refusal.value)


def test_files_that_cannot_be_read_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file or directory"):
        load(tmp_path / "none.yaml")
    with pytest.raises(ConfigError, match="Is a directory"):
        load(tmp_path)
    (tmp_path / "gbk.yaml").write_bytes("name: 绍兴".encode("gbk"))
    with pytest.raises(ConfigError, match=r"gbk\.yaml: not UTF-8"):
        load(tmp_path / "gbk.yaml")


def test_variables_come_from_the_environment(written, monkeypatch):
    text = yaml.safe_dump(MINIMAL | {"inputs": {"radar": "${RAIN_DATA:-/srv/data}/radar"}})
    monkeypatch.delenv("RAIN_DATA", raising=False)
    assert load(written(text)).inputs.radar == Path("/srv/data/radar")
    monkeypatch.setenv("RAIN_DATA", "/mnt/rain")
    assert load(written(text)).inputs.radar == Path("/mnt/rain/radar")


def test_an_empty_default_is_a_default(written, monkeypatch):
    monkeypatch.delenv("PREFIX", raising=False)
    assert load(written(name="city${PREFIX:-}")).name == "city"


def test_a_missing_variable_is_named(written, monkeypatch):
    monkeypatch.delenv("WEBHOOK_SECRET", raising=False)
    hook = {"name": "a", "url": "https://a.example", "secret": "${WEBHOOK_SECRET}"}
    with pytest.raises(ConfigError, match="environment variable WEBHOOK_SECRET is not set"):
        load(written(warnings={"webhooks": [hook]}))


def test_variables_in_comments_are_not_asked_for(written, monkeypatch):
    monkeypatch.delenv("UNKNOWN", raising=False)
    text = "# set ${UNKNOWN} to ...\n" + yaml.safe_dump(MINIMAL, allow_unicode=True)
    assert load(written(text)).name == "test"


def test_relative_paths_start_at_the_working_directory(written, monkeypatch, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    path = written()
    monkeypatch.chdir(tmp_path / "elsewhere")
    settings = load(path)
    assert settings.store == tmp_path / "elsewhere" / "store"
    assert settings.inputs.radar == tmp_path / "elsewhere" / "radar"


def test_home_and_absolute_paths(written, monkeypatch):
    monkeypatch.setenv("HOME", "/home/duty")
    settings = load(written(store="~/store", inputs={"radar": "/srv/radar"}))
    assert settings.store == Path("/home/duty/store")
    assert settings.inputs.radar == Path("/srv/radar")


def test_shipped_files_are_named_by_prefix(written):
    assert load(written()).city.boundaries == CONFIGS / "boundaries" / "shaoxing.geojson"


def test_another_store_takes_the_database_along(written, tmp_path):
    settings = load(written())
    assert settings.with_store(None) is settings
    moved = settings.with_store(tmp_path / "other")
    assert moved.store == tmp_path / "other"
    assert moved.warnings.database == f"sqlite:///{tmp_path / 'other' / 'warnings.db'}"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.name)
def test_shipped_settings_are_valid(path, monkeypatch):
    if "sites" in path.name:
        pytest.skip("a table of sites, not settings")
    settings = load(path)
    assert settings.grid.product().shape == (settings.grid.ny, settings.grid.nx)
