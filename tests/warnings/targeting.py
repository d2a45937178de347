"""Random warnings and the people they concern, found by asking everybody."""

from dataclasses import dataclass, field

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import MultiPolygon, Polygon

from jinghu.grid.spec import GridSpec


@dataclass(frozen=True, slots=True)
class Area:
    """A random warning: cells of the grid, or an outline in its plane."""

    cells: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    outline: Polygon | MultiPolygon | None = None


def make_people(
    spec: GridSpec, n: int, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Places in villages, some of them outside the grid."""
    villages = rng.uniform(-0.02, 1.02, (n // 50 + 1, 2)) * (spec.nx, spec.ny) * spec.spacing_m
    at = villages[rng.integers(0, len(villages), n)] + rng.normal(0.0, 900.0, (n, 2))
    return spec.x0_m + at[:, 0], spec.y0_m + at[:, 1]


def make_area(spec: GridSpec, kind: int, rng: np.random.Generator) -> Area:
    """Scattered cells, a coherent area with holes, or an irregular flood with an island."""
    if kind % 3 == 0:
        n = int(rng.integers(1, 400))
        return Area(cells=rng.integers(0, spec.nx * spec.ny, n))
    if kind % 3 == 1:
        return Area(cells=_storm(spec, rng))
    return Area(outline=_flood(spec, rng))


def _storm(spec: GridSpec, rng: np.random.Generator) -> NDArray[np.int64]:
    rows, cols = np.mgrid[: spec.ny, : spec.nx]
    middle = rng.uniform(0, 1, 2) * (spec.ny, spec.nx)
    away = np.hypot(rows - middle[0], cols - middle[1])
    inside = away < rng.uniform(1.0, 14.0)
    return np.flatnonzero(inside & (rng.uniform(0, 1, inside.shape) > 0.08))  # with holes


def _flood(spec: GridSpec, rng: np.random.Generator) -> Polygon | MultiPolygon:
    """A ring around a middle that may lie at the rim, with a hole; like a flooded valley."""
    n = int(rng.integers(20, 1200))
    angle = np.linspace(0, 2 * np.pi, n, endpoint=False)
    waves = sum(
        rng.normal(0, 0.25 / k) * np.sin(k * angle + rng.uniform(0, 7)) for k in range(1, 9)
    )
    radius = rng.uniform(1_000.0, 30_000.0) * np.exp(waves)
    extent = np.array([spec.nx, spec.ny]) * spec.spacing_m
    middle = (spec.x0_m, spec.y0_m) + rng.uniform(0, 1, 2) * extent
    ring = middle + np.column_stack([np.cos(angle), np.sin(angle)]) * radius[:, None]
    island = middle + 0.3 * (ring - middle)
    made = shapely.make_valid(Polygon(ring, [island]))
    parts = [p for p in shapely.get_parts(made) if isinstance(p, Polygon)]
    return MultiPolygon(parts)


def everybody(
    spec: GridSpec, area: Area, x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Rows of those whom an area concerns: each is asked where they stand."""
    col = np.floor((x - spec.x0_m) / spec.spacing_m).astype(np.int64)
    row = np.floor((y - spec.y0_m) / spec.spacing_m).astype(np.int64)
    on_grid = (col >= 0) & (col < spec.nx) & (row >= 0) & (row < spec.ny)
    if area.outline is not None:
        shapely.prepare(area.outline)
        return np.flatnonzero(on_grid & shapely.intersects_xy(area.outline, x, y))
    wanted = np.zeros((spec.ny, spec.nx), bool)
    wanted[np.divmod(area.cells, spec.nx)] = True
    return np.flatnonzero(on_grid & wanted[row.clip(0, spec.ny - 1), col.clip(0, spec.nx - 1)])
