"""Whom a warning concerns, exactly: against asking everybody, and from map coordinates."""

import csv
from datetime import UTC, datetime

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import MultiPolygon, Polygon, box
from sqlalchemy import select
from tests.warnings.targeting import Area, everybody, make_area, make_people

from jinghu.grid.frames import Frame, to_bd09, to_gcj02
from jinghu.grid.spec import CELL_OUTSIDE, GridSpec
from jinghu.warnings.audience import match, read_roster
from jinghu.warnings.cell_index import AudienceIndex, PlaceIndex
from jinghu.warnings.database import open_database
from jinghu.warnings.reconcile import apply_import, plan_import
from jinghu.warnings.roster_files import COLUMNS
from jinghu.warnings.tables import recipient

SPEC = GridSpec("EPSG:4549", 405_000.0, 3_140_000.0, 2500.0, 120, 120)
SMALL = GridSpec("EPSG:4549", 500_000.0, 3_300_000.0, 2500.0, 20, 20)
NOW = datetime(2026, 7, 1, tzinfo=UTC)
N_PEOPLE, N_AREAS = 50_000, 200


def found_in(places: PlaceIndex, area: Area):
    if area.outline is not None:
        return np.sort(places.inside(area.outline))
    return np.sort(places.index.match(area.cells))


def test_two_hundred_warnings_concern_exactly_those_who_stand_there():
    rng = np.random.default_rng(20260701)
    x, y = make_people(SPEC, N_PEOPLE, rng)
    places = PlaceIndex.build(SPEC, x, y)
    told = 0
    for kind in range(N_AREAS):
        area = make_area(SPEC, kind, rng)
        wanted = everybody(SPEC, area, x, y)
        np.testing.assert_array_equal(found_in(places, area), wanted)
        told += len(wanted)
    assert told > 10_000
    assert (SPEC.cell_of_xy(x, y) == CELL_OUTSIDE).sum() > 100


def test_from_map_coordinates_to_the_same_people(tmp_path):
    """A table in GCJ-02 and one in BD-09 through import, database and index."""
    rng = np.random.default_rng(7)
    x, y = make_people(SPEC, 4_000, rng)
    lon, lat = SPEC.to_lonlat(x, y)
    for frame, convert in ((Frame.GCJ02, to_gcj02), (Frame.BD09, to_bd09)):
        path = tmp_path / f"{frame}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            table = csv.writer(file)
            table.writerow(COLUMNS)
            for k, place in enumerate(zip(*convert(lon, lat), strict=True)):
                table.writerow((k, "n", "grid_officer", "1", "u", *map(float, place)))
        engine = open_database(f"sqlite:///{tmp_path / frame}.db")
        with engine.begin() as connection:
            plan = plan_import(connection, read_roster(path, frame), SPEC)
            apply_import(connection, plan, "t", "t", NOW)
            assert len(plan.bad) == (SPEC.cell_of_xy(x, y) == CELL_OUTSIDE).sum()
            rows = connection.execute(
                select(recipient.c.recipient_id, recipient.c.person, recipient.c.cell_id)
            ).all()
            people = np.array([int(r.person) for r in rows])
            ids = {r.recipient_id: int(r.person) for r in rows}
            index = AudienceIndex.build(np.array([r.cell_id for r in rows]), SPEC.nx * SPEC.ny)
            for kind in (0, 1, 3, 4, 6, 7):
                area = make_area(SPEC, kind, rng)
                wanted = everybody(SPEC, area, x, y)
                np.testing.assert_array_equal(np.sort(people[index.match(area.cells)]), wanted)
                in_database = match(connection, area.cells.tolist())
                assert sorted(ids[i] for i in in_database) == wanted.tolist()
        engine.dispose()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.integers(0, 2))
def test_small_worlds_of_any_seed(seed, kind):
    rng = np.random.default_rng(seed)
    x, y = make_people(SMALL, 500, rng)
    area = make_area(SMALL, kind, rng)
    places = PlaceIndex.build(SMALL, x, y)
    np.testing.assert_array_equal(found_in(places, area), everybody(SMALL, area, x, y))


def test_on_the_line_of_an_outline_counts_as_inside():
    x = np.array([500_000.0, 502_500.0, 502_600.0, 505_000.0, 510_000.1])
    places = PlaceIndex.build(SMALL, x, np.full(5, 3_301_000.0))
    outline = box(502_500.0, 3_300_500.0, 510_000.0, 3_301_500.0)
    assert sorted(places.inside(outline)) == [1, 2, 3]
    assert places.inside(Polygon()).size == places.inside(MultiPolygon()).size == 0
    assert places.inside(box(0, 0, 1, 1)).size == 0
