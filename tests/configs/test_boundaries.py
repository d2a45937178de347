"""The shipped outlines against another copy of the same map, and as a coverage."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import shapely
from shapely.geometry import shape

from jinghu.grid.frames import Frame, to_wgs84

ROOT = Path(__file__).parents[2]
FILE = ROOT / "configs" / "boundaries" / "shaoxing.geojson"
DATA = Path(os.environ.get("JINGHU_DATA", ROOT.parent / "shared" / "data"))
COUNTIES = ("330602", "330603", "330604", "330624", "330681", "330683")


@pytest.fixture(scope="module")
def outlines():
    features = json.loads(FILE.read_text(encoding="utf-8"))["features"]
    return {f["properties"]["code"]: shape(f["geometry"]) for f in features}


def test_small_and_with_its_source():
    assert FILE.stat().st_size < 150_000
    source = json.loads(FILE.read_text(encoding="utf-8"))["source"]
    assert "MIT License" in source["licence"]
    assert source["frame"] == "WGS-84"


def test_six_counties_meet_without_gaps(outlines):
    counties = [outlines[code] for code in COUNTIES]
    assert all(county.is_valid for county in counties)
    assert shapely.coverage_is_valid(counties)
    # Whole in one piece: 8,279 km2 is the city's published area.
    city = shapely.union_all(counties)
    degree_km = 111.2
    area_km2 = city.area * degree_km**2 * np.cos(np.deg2rad(29.75))
    assert area_km2 == pytest.approx(8279, rel=0.02)


@pytest.mark.parametrize("code", COUNTIES)
def test_agrees_with_the_full_outline(outlines, code):
    path = DATA / "geography" / f"{code}.geojson"
    if not path.exists():
        pytest.skip(f"{path} is not there: set JINGHU_DATA")

    def convert(points):
        return np.column_stack(to_wgs84(points[:, 0], points[:, 1], Frame.GCJ02))

    raw = shape(json.loads(path.read_text(encoding="utf-8")))
    full = shapely.transform(raw, convert)
    mine = outlines[code]
    assert mine.symmetric_difference(full).area < 0.012 * full.area
    # Left in GCJ-02 the same outline is about 500 m off, which the figure would show.
    assert mine.symmetric_difference(raw).area > 0.03 * full.area
