"""Scripts of drills: those that are shipped are whole, and whatever is wrong is named."""

from datetime import timedelta

import pytest
import yaml

from jinghu.configs.settings import CONFIGS
from jinghu.drill_script import DRILLS, load_drill, named_drill, radar_faults_at
from jinghu.grid.errors import ConfigError
from jinghu.radar.sites import load_sites

NAMES = ("convective-line", "dry", "outage", "scattered", "typhoon")


@pytest.mark.parametrize("name", NAMES)
def test_shipped_drills_are_whole(name):
    script = named_drill(name)
    assert script.name == name
    assert set(script.radars) <= set(load_sites(CONFIGS / "radar_sites.yaml"))
    assert script.start.utcoffset() == timedelta(0)


def test_every_shipped_drill_is_in_this_list():
    assert sorted(path.stem for path in DRILLS.glob("*.yaml")) == list(NAMES)


def test_radars_of_the_outage_drop_out_one_by_one():
    script = named_drill("outage")

    def missing(minute):
        return {
            radar
            for radar in script.radars
            if any(f.kind == "missing" for f in radar_faults_at(script, radar, minute))
        }

    assert missing(59) == set()
    assert missing(60) == {"ZSIM2"}
    assert missing(104) == {"ZSIM2", "ZSIM3", "ZSIM5"}
    assert missing(140) == set(script.radars)  # for half an hour nothing is seen at all
    assert missing(165) == set(script.radars) - {"ZSIM1"}


def good():
    return yaml.safe_load((DRILLS / "outage.yaml").read_text("utf-8"))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"hours": 0}, "hours"),
        ({"seed": -1}, "seed"),
        ({"start": "2026-06-21T06:00:00"}, "start: Input should have timezone info"),
        ({"event": {"kind": "tornado"}}, "event"),
        ({"event": {"kind": "line", "lengthm": 3}}, "event.line.lengthm"),
        ({"radar_faults": [{"radar": "ZSIM9", "kind": "missing"}]}, "ZSIM9 does not take part"),
        ({"radar_faults": [{"radar": "ZSIM1", "kind": "late"}]}, "radar_faults.0.late.delay_s"),
        (
            {"radar_faults": [{"radar": "ZSIM1", "kind": "missing", "from_min": 9, "to_min": 9}]},
            "ends at minute 9, not after 9",
        ),
        (
            {"radar_faults": [{"radar": "ZSIM1", "kind": "missing", "from_min": 180}]},
            "radar_faults.0: begins after the drill has ended",
        ),
        ({"station_faults": [{"kind": "stuck", "stations": 601}]}, "601 of 600 stations"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_what_is_wrong_is_named_in_one_line(tmp_path, change, cause):
    path = tmp_path / "drill.yaml"
    path.write_text(yaml.safe_dump(good() | change), "utf-8")
    with pytest.raises(ConfigError) as found:
        load_drill(path)
    assert str(path) in str(found.value)
    assert cause in str(found.value)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize("content", [b"name: [", b"\xff\xfe", b"", b"- 1"])
def test_files_that_are_no_script_are_refused(tmp_path, content):
    path = tmp_path / "drill.yaml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"drill\.yaml: "):
        load_drill(path)


def test_absent_scripts_are_named(tmp_path):
    with pytest.raises(ConfigError, match="none of convective-line, dry"):
        named_drill("../settings")
    with pytest.raises(ConfigError, match="No such file"):
        load_drill(tmp_path / "none.yaml")
