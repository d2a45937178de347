import json
import os
from pathlib import Path

import numpy as np
import pytest

from jinghu.configs.settings import CONFIGS, GridSettings
from jinghu.grid.errors import DataError
from jinghu.hydro.rivers import read_rivers

RIVERS = CONFIGS / "shaoxing" / "rivers.geojson"
DATA = Path(os.environ.get("JINGHU_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
WDBII = DATA / "geography" / "gshhg_wdbii_rivers_zhejiang_N29-31_E119-122.geojson"


def test_shipped_rivers_are_small_and_say_where_they_come_from():
    assert RIVERS.stat().st_size < 150_000
    content = json.loads(RIVERS.read_text(encoding="utf-8"))
    assert "Hand-drawn" in content["source"]
    assert content["licence"].startswith("Apache-2.0")
    assert content["frame"] == "WGS-84"


def test_every_river_comes_after_the_one_it_joins():
    rivers = read_rivers(RIVERS)
    seen = {"sea"}
    for river in rivers.lines:
        assert river.downstream in seen
        seen.add(river.name_zh)
    wanted = "曹娥江 澄潭江 新昌江 长乐江 黄泽江 小舜江 浦阳江 大陈江 开化江 枫桥江 钱塘江"
    assert seen >= set(wanted.split())
    assert {r.name_zh for r in rivers.lines if r.downstream == "浦阳江"} == {
        "大陈江", "开化江", "五泄江", "枫桥江"}  # fmt: skip


def test_points_fall_from_head_to_mouth():
    spec = GridSettings().working()
    for river in read_rivers(RIVERS).lines:
        x, y, bed = river.points(spec, 500.0)
        assert (np.diff(bed) <= 0).all()
        assert bed[0] == pytest.approx(river.head_m)
        assert bed[-1] == pytest.approx(river.mouth_m)
        assert np.hypot(np.diff(x), np.diff(y)).max() <= 500.0 * 1.001


@pytest.mark.skipif(not WDBII.exists(), reason="the independent river lines are not here")
def test_cao_e_and_qiantang_lie_near_an_independent_map():
    """WDBII (1:1,000,000 and coarser) is itself off by up to a few kilometres."""
    spec = GridSettings().working()
    lines = json.loads(WDBII.read_text(encoding="utf-8"))["features"]
    points = np.concatenate([np.array(f["geometry"]["coordinates"]) for f in lines])
    known = np.stack(spec.to_xy(points[:, 0], points[:, 1]), axis=1)
    for river in read_rivers(RIVERS).lines:
        if river.name_zh not in ("曹娥江", "澄潭江", "钱塘江", "东阳江"):
            continue
        inside = river.lonlat[river.lonlat[:, 1] < (30.06 if river.name_zh == "曹娥江" else 30.1)]
        x, y = spec.to_xy(inside[:, 0], inside[:, 1])
        distance = np.hypot(known[:, :1] - x, known[:, 1:] - y).min(axis=0)
        assert distance.max() < 8_000, river.name_zh


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (lambda p: p.pop("downstream"), "has no property 'downstream'"),
        (lambda p: p.update(downstream="黄河"), "flows into 黄河, which never reaches the sea"),
        (lambda p: p.update(head_elevation_m_approximate=-50.0), "does not fall"),
        (lambda p: p.update(profile_exponent=0.5), "below 1"),
        (lambda p: p.update(mouth_elevation_m_approximate="low"), "could not convert"),
    ],
)
def test_a_wrong_river_is_named(tmp_path, change, cause):
    content = json.loads(RIVERS.read_text(encoding="utf-8"))
    properties = next(
        f["properties"] for f in content["features"] if f["properties"]["name_zh"] == "小舜江"
    )
    change(properties)
    path = tmp_path / "rivers.geojson"
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(DataError, match=f"rivers.geojson: river 小舜江:? ?.*{cause}"):
        read_rivers(path)


def test_what_is_no_geojson_is_refused(tmp_path):
    path = tmp_path / "rivers.geojson"
    with pytest.raises(DataError, match="No such file"):
        read_rivers(path)
    path.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="not a GeoJSON"):
        read_rivers(path)
