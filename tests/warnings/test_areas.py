import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from jinghu.grid.spec import GridSpec
from jinghu.warnings.areas import MAX_POINTS, cell_polygons, to_lonlat

SPEC = GridSpec("EPSG:4549", 405_000.0, 3_140_000.0, 2500.0, 40, 40)


def boxes(cells):
    rows, cols = SPEC.row_col(np.array(sorted(cells)))
    return shapely.union_all(shapely.box(cols, rows, cols + 1, rows + 1))


def agree(cells) -> list[shapely.Polygon]:
    found = cell_polygons(sorted(cells), SPEC)
    assert all(p.is_valid and not p.interiors for p in found)
    assert all(len(p.exterior.coords) <= MAX_POINTS for p in found)
    assert shapely.union_all(found).symmetric_difference(boxes(cells)).area == 0
    assert sum(p.area for p in found) == len(cells)  # no two of them overlap
    return found


@settings(deadline=None, max_examples=60)
@given(st.sets(st.integers(0, 143), min_size=1))
def test_any_set_of_cells_is_covered_exactly(cells):
    """Packed into 12 x 12 so that holes and corners that touch are common."""
    found = agree({(c // 12) * 40 + c % 12 for c in cells})
    for polygon in found:
        outline = to_lonlat(polygon, SPEC)
        assert outline[0] == outline[-1]
        assert shapely.Polygon(outline).is_valid


def test_a_checkerboard_and_its_rings():
    agree({r * 40 + c for r in range(20) for c in range(20) if (r + c) % 2})
    agree({r * 40 + c for r in range(21) for c in range(21) if r % 2 == 0 or c % 2 == 0})


def test_rings_within_rings():
    def ring(k):
        return {
            r * 40 + c
            for r in range(k, 39 - k)
            for c in range(k, 39 - k)
            if r in (k, 38 - k) or c in (k, 38 - k)
        }

    agree(set().union(*(ring(k) for k in range(0, 18, 2))))


def test_a_long_comb_is_cut_short():
    """A comb of 20 teeth has more corners than CAP readers want in one polygon."""
    cells = {c for c in range(40)} | {r * 40 + c for r in range(1, 30) for c in range(0, 40, 2)}
    assert len(agree(cells)) > 1


def test_no_cells_no_polygons():
    assert cell_polygons([], SPEC) == []


def test_outlines_stay_on_the_grid_line():
    """A straight line of the plane is a curve in degrees; its chords leave it by less than 5 m."""
    (polygon,) = cell_polygons(list(range(40)), SPEC)
    outline = np.array(to_lonlat(polygon, SPEC))
    dense = shapely.get_coordinates(shapely.segmentize(shapely.LineString(outline), 0.001))
    x, y = SPEC.to_xy(dense[:, 0], dense[:, 1])
    inside = shapely.box(SPEC.x0_m, SPEC.y0_m, SPEC.x0_m + 100_000, SPEC.y0_m + 2500)
    away = shapely.distance(inside.exterior, shapely.points(x, y))
    assert away.max() < 6.0


@pytest.mark.parametrize("cell", [0, 39, 1599])
def test_a_single_cell_is_its_corners(cell):
    (polygon,) = agree({cell})
    assert len(polygon.exterior.coords) == 5
    (row,), (col,) = SPEC.row_col([cell])
    lon, lat = SPEC.to_lonlat(SPEC.x0_m + 2500 * col, SPEC.y0_m + 2500 * row)
    near = [abs(a - lon) < 1e-5 and abs(b - lat) < 1e-5 for a, b in to_lonlat(polygon, SPEC)]
    assert any(near)
