"""From warned cells to people: our match and fan-out beside shapely's STRtree, in one process.

Run ``python benchmarks/bench_fanout.py [people] [cells]``; prints CPU seconds, best of several.
The people are clustered in villages, the cells are one coherent storm; both answers are compared.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import shapely
from numpy.typing import NDArray
from sqlalchemy import func, insert, select

from jinghu.grid.spec import GridSpec
from jinghu.warnings.audience import match
from jinghu.warnings.cell_index import AudienceIndex
from jinghu.warnings.database import open_database
from jinghu.warnings.fanout import fan_out
from jinghu.warnings.purposes import Purpose, register_channels
from jinghu.warnings.tables import alert, alert_cell, event, outbox, recipient
from jinghu.warnings.waiting import AnswerWithin

SPEC = GridSpec("EPSG:4549", 405_000.0, 3_140_000.0, 2500.0, 120, 120)
NOW = datetime(2026, 7, 1, tzinfo=UTC)


def cpu(run: Callable[[], object], repeat: int) -> float:
    """Least CPU seconds of one call."""
    best = np.inf
    for _ in range(repeat):
        start = time.process_time()
        run()
        best = min(best, time.process_time() - start)
    return float(best)


def make_people(n: int, rng: np.random.Generator) -> tuple[NDArray[np.float64], ...]:
    """Plane coordinates of people in villages of eight, in the middle of the grid."""
    villages = rng.uniform(0.3, 0.7, (n // 8 + 1, 2)) * 300_000.0
    at = villages[rng.integers(0, len(villages), n)] + rng.normal(0.0, 600.0, (n, 2))
    return SPEC.x0_m + at[:, 0], SPEC.y0_m + at[:, 1]


def make_storm(n: int) -> NDArray[np.int64]:
    """The ``n`` cells nearest to the middle of the grid."""
    rows, cols = SPEC.row_col(np.arange(SPEC.nx * SPEC.ny))
    return np.sort(np.argsort((rows - 59.5) ** 2 + (cols - 62.0) ** 2)[:n])


def fill(url: str, cell_ids: NDArray[np.int64], cells: NDArray[np.int64]):
    """A database with the people and one red alert over the cells."""
    engine = open_database(url)
    with engine.begin() as connection:
        register_channels(connection, {"sms": Purpose.PRODUCTION})
        connection.execute(
            insert(recipient),
            [
                {
                    "person": f"p{k}", "name": "n", "role": "grid_officer",
                    "unit_code": f"330602{k // 96:04d}{k // 8 % 12:02d}{k % 8:03d}",
                    "unit_name": "u", "lon": 120.0, "lat": 30.0, "cell_id": int(cell),
                }
                for k, cell in enumerate(cell_ids)
            ],
        )  # fmt: skip
        connection.execute(
            insert(event).values(
                event_id="e", hazard="rainstorm", county="330602", status="Test", level=4,
                opened_at="2026-07-01T00:00:00Z",
            )
        )  # fmt: skip
        connection.execute(
            insert(alert).values(
                alert_id=1, identifier="e-001", sender="s", event_id="e", cycle="c", action="NEW",
                level=4, status="Test", sent="2026-07-01T00:00:00Z",
                expires="2026-07-01T03:00:00Z", headline_zh="", headline_en="", cap_xml="",
            )
        )  # fmt: skip
        connection.execute(
            insert(alert_cell),
            [{"alert_id": 1, "cell_id": int(cell), "level": 4} for cell in cells],
        )
    return engine


def main() -> None:
    n_people = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    n_cells = int(sys.argv[2]) if len(sys.argv) > 2 else 500
    x, y = make_people(n_people, np.random.default_rng(1))
    cells = make_storm(n_cells)
    rows, cols = SPEC.row_col(cells)
    west, south = SPEC.x0_m + cols * SPEC.spacing_m, SPEC.y0_m + rows * SPEC.spacing_m
    boxes = shapely.box(west, south, west + SPEC.spacing_m, south + SPEC.spacing_m)
    points = shapely.points(x, y)
    cell_ids = SPEC.cell_of_xy(x, y)

    index, tree = AudienceIndex.build(cell_ids, SPEC.nx * SPEC.ny), shapely.STRtree(points)
    ours = index.match(cells)
    theirs = np.unique(tree.query(boxes, predicate="intersects")[1])
    assert np.array_equal(np.sort(ours), theirs), "the two do not find the same people"
    print(f"{n_people} people, {n_cells} cells: both find {ours.size}")

    builds = (
        cpu(lambda: AudienceIndex.build(SPEC.cell_of_xy(x, y), SPEC.nx * SPEC.ny), 3),
        cpu(lambda: shapely.STRtree(points).query(boxes[:1]), 3),
    )
    matches = (
        cpu(lambda: index.match(cells), 30),
        cpu(lambda: np.unique(tree.query(boxes, predicate="intersects")[1]), 10),
    )
    for what, (mine, peer) in {"build": builds, "match": matches}.items():
        print(f"{what:<8} ours {mine:9.5f} s   STRtree {peer:9.5f} s   ratio {peer / mine:6.1f}")

    with tempfile.TemporaryDirectory() as folder:
        engine = fill(f"sqlite:///{Path(folder) / 'warnings.db'}", cell_ids, cells)
        with engine.connect() as connection:
            found = cpu(lambda: match(connection, cells.tolist()), 3)
        start = time.process_time()
        with engine.begin() as connection:
            told = fan_out(connection, "e", 1, ("sms",), NOW, AnswerWithin())
        first = time.process_time() - start
        start = time.process_time()
        with engine.begin() as connection:
            again = fan_out(connection, "e", 1, ("sms",), NOW, AnswerWithin())
        repeat = time.process_time() - start
        with engine.connect() as connection:
            queued = connection.execute(select(func.count()).select_from(outbox)).scalar_one()
        engine.dispose()
    assert (told, again, queued) == (ours.size, 0, ours.size)
    print(f"database match     {found:9.5f} s   STRtree ratio {matches[1] / found:6.2f}")
    print(f"fan-out of {told} people, tasks and messages, committed: {first:.3f} s")
    print(f"fan-out again, nothing to tell: {repeat:.3f} s")


if __name__ == "__main__":
    main()
