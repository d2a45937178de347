"""Learning clutter maps from the command line: volumes in, one file a site out."""

import json
from datetime import UTC, datetime, timedelta

import numpy as np
from tests.radar.conftest import SITE, volume

from jinghu.radar.clutter_file import map_path, read_map
from jinghu.radar.encode import encode_standard
from jinghu.radar.volume import Moment, Sweep

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)


def write_scan(folder, number, rays=slice(0, 10)):
    """A scan with echo of 30 dBZ at 10 to 15 km over some rays: dry if they are few."""
    codes = np.zeros((360, 200), np.uint8)
    codes[rays, 40:60] = 126
    start = START + number * timedelta(minutes=2)  # the made volume's task starts at START
    sweep = Sweep(
        0.5,
        (np.arange(360) + 0.5).astype(np.float32),
        np.full(360, 0.5, np.float32),
        start.timestamp() + np.arange(360) * 0.05,
        27.0,
        {"DBZH": Moment(codes, 2.0, 66.0, 5, 250.0, 125.0)},
        prf_hz=1014.0,
    )
    name = f"Z_RADR_I_{SITE.code}_{start:%Y%m%d%H%M%S}_O_DOR_SA_CAP_FMT.bin"
    path = folder / name
    path.write_bytes(encode_standard(volume([sweep], name, "CINRAD standard")))
    return path


def test_maps_are_learned_and_carried_on(jinghu, tmp_path):
    files = [write_scan(tmp_path, k) for k in range(21)]
    code, out, _ = jinghu("clutter", "learn", *files[:20], files[0], "--out", tmp_path / "m",
                          "--json")  # fmt: skip
    assert code == 0
    (site,) = json.loads(out)["sites"]
    assert (site["radar"], site["learned"], site["scans"], site["needed"]) == ("ZSIM1", 20, 20, 0)
    assert site["cells"] == 10 * 10
    code, out, _ = jinghu("clutter", "learn", files[20], "--out", tmp_path / "m")
    assert code == 0
    assert "ZSIM1: 1 scans learned, 21 in the map, 100 cells with ground" in out
    found = read_map(map_path(tmp_path / "m", "ZSIM1"), "ZSIM1").elevations[0]
    assert (found.echoes[:10, 20:30] == 21).all()


def test_scans_that_are_not_dry_or_not_whole_are_left_out_by_name(jinghu, tmp_path):
    """All around, the ring from 10 to 15 km is 5 % of the area to 50 km."""
    dry, wet, bad = write_scan(tmp_path, 0), write_scan(tmp_path, 1, slice(0, 360)), tmp_path / "x"
    bad.write_bytes(b"nothing")
    code, out, _ = jinghu("clutter", "learn", dry, wet, bad, "--out", tmp_path / "m", "--json")
    assert code == 0
    report = json.loads(out)
    assert report["sites"][0]["learned"] == 1
    assert report["sites"][0]["needed"] == 19
    assert [r["file"] for r in report["refused"]] == [wet.name, "x"]
    assert "not dry: echo over 5.0 %" in report["refused"][0]["cause"]
    code, out, _ = jinghu("clutter", "learn", wet, "--out", tmp_path / "m", "--dry")
    assert code == 0
    assert "2 in the map" in out


def test_where_nothing_is_dry_nothing_is_written(jinghu, tmp_path):
    wet = write_scan(tmp_path, 1, slice(0, 360))
    code, out, err = jinghu("clutter", "learn", wet, "--out", tmp_path / "m")
    assert (code, out) == (3, "")
    assert err.startswith("jinghu: clutter learn: none of 1 scans can be used:")
    assert err.count("\n") == 1
    assert not (tmp_path / "m").exists()


def test_a_damaged_map_is_not_overwritten(jinghu, tmp_path):
    (tmp_path / "m").mkdir()
    path = map_path(tmp_path / "m", "ZSIM1")
    path.write_bytes(b"not a map")
    code, _, err = jinghu("clutter", "learn", write_scan(tmp_path, 0), "--out", tmp_path / "m")
    assert code == 2
    assert str(path) in err
    assert path.read_bytes() == b"not a map"


def test_a_folder_that_cannot_be_written_is_named(jinghu, tmp_path):
    (tmp_path / "m").write_text("a file", encoding="utf-8")
    code, _, err = jinghu("clutter", "learn", write_scan(tmp_path, 0), "--out", tmp_path / "m")
    assert code == 2
    assert f"--out {tmp_path / 'm'} cannot be written" in err
