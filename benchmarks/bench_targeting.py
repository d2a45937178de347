"""Whom a warning concerns: exact against everybody asked, and CPU beside shapely's STRtree.

Run ``python benchmarks/bench_targeting.py [people] [warnings]``. Prints people missed and too many
of random warnings (scattered cells, areas with holes, flood outlines), people whose cell differs
after a round trip through GCJ-02, and CPU milliseconds of one match of 500 coherent cells and of
one flood outline (least and median of several, one process).
"""

import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import shapely

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.warnings.targeting import Area, everybody, make_area, make_people

from jinghu.grid.frames import Frame, to_gcj02, to_wgs84
from jinghu.grid.spec import CELL_OUTSIDE, GridSpec
from jinghu.warnings.cell_index import PlaceIndex

SPEC = GridSpec("EPSG:4549", 405_000.0, 3_140_000.0, 2500.0, 120, 120)


def cpu_ms(run: Callable[[], object], repeat: int) -> tuple[float, float]:
    """Least and median CPU milliseconds of one call."""
    taken = []
    for _ in range(repeat):
        start = time.process_time()
        run()
        taken.append((time.process_time() - start) * 1e3)
    return min(taken), float(np.median(taken))


def found_in(places: PlaceIndex, area: Area):
    if area.outline is not None:
        return np.sort(places.inside(area.outline))
    return np.sort(places.index.match(area.cells))


def exactness(places: PlaceIndex, n: int, rng: np.random.Generator) -> tuple[int, int, int]:
    """People concerned, missed and too many over ``n`` random warnings."""
    told = missed = extra = 0
    for kind in range(n):
        area = make_area(SPEC, kind, rng)
        wanted, found = everybody(SPEC, area, places.x, places.y), found_in(places, area)
        told += len(wanted)
        missed += len(np.setdiff1d(wanted, found, assume_unique=True))
        extra += len(np.setdiff1d(found, wanted, assume_unique=True))
    return told, missed, extra


def storm(n: int):
    """The ``n`` cells nearest to the middle of the grid."""
    rows, cols = SPEC.row_col(np.arange(SPEC.nx * SPEC.ny))
    return np.sort(np.argsort((rows - 59.5) ** 2 + (cols - 62.0) ** 2)[:n])


def main(n_people: int, n_warnings: int) -> None:
    rng = np.random.default_rng(20260701)
    x, y = make_people(SPEC, n_people, rng)
    lon, lat = SPEC.to_lonlat(x, y)
    cells = SPEC.cell_of_xy(x, y)
    back = to_wgs84(*to_gcj02(lon, lat), Frame.GCJ02)
    differ = int((SPEC.cell_of_lonlat(*back) != cells).sum())
    away = float(np.max(np.abs(np.array(back) - (lon, lat)))) * 111_320e3
    print(f"GCJ-02 there and back: {differ} of {n_people} in another cell, {away:.2g} mm at most")
    places = PlaceIndex.build(SPEC, *SPEC.to_xy(*back))
    told, missed, extra = exactness(places, n_warnings, rng)
    print(f"{n_warnings} warnings, {told} people concerned: {missed} missed, {extra} too many")

    points, wanted = shapely.points(x, y), storm(500)
    rows, cols = SPEC.row_col(wanted)
    size = SPEC.spacing_m
    west, south = SPEC.x0_m + cols * size, SPEC.y0_m + rows * size
    boxes = shapely.box(west, south, west + size, south + size)
    tree_of_cells, tree_of_people = shapely.STRtree(boxes), shapely.STRtree(points)
    hits = len(places.index.match(wanted))
    assert np.unique(tree_of_cells.query(points, predicate="intersects")[0]).size == hits
    outline = make_area(SPEC, 2, np.random.default_rng(5)).outline
    inside = np.sort(places.inside(outline))
    on_grid = cells != CELL_OUTSIDE
    by_tree = np.unique(tree_of_people.query(outline, predicate="intersects"))
    assert np.array_equal(by_tree[on_grid[by_tree]], inside)
    print(f"500 cells: {hits} people; flood of {shapely.get_num_coordinates(outline)} points:"
          f" {len(inside)} people; CPU ms, least and median")  # fmt: skip
    rivals = {
        "500 cells, index of cells": (lambda: places.index.match(wanted), 30),
        "500 cells, STRtree of cells": (
            lambda: tree_of_cells.query(points, predicate="intersects"), 3),
        "500 cells, STRtree of people": (
            lambda: tree_of_people.query(boxes, predicate="intersects"), 3),
        "flood, index of cells": (lambda: places.inside(outline), 10),
        "flood, STRtree of people": (
            lambda: tree_of_people.query(outline, predicate="intersects"), 3),
        "build of the index": (lambda: PlaceIndex.build(SPEC, x, y), 3),
    }  # fmt: skip
    for name, (run, repeat) in rivals.items():
        least, median = cpu_ms(run, repeat)
        print(f"  {name:30s} {least:10.3f} {median:10.3f}")


if __name__ == "__main__":
    main(*(int(a) for a in sys.argv[1:] + ["1000000", "1000"][len(sys.argv) - 1 :]))
