"""River lines of a GeoJSON: names, centre lines, and what flows into what."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.grid.spec import GridSpec

SEA = "sea"


@dataclass(frozen=True, slots=True)
class River:
    """One named river.

    Parameters
    ----------
    name_zh, name_en
        Names.
    downstream
        Chinese name of the river it flows into, or ``sea``.
    modelled
        Whether flows are computed; the others only draw the water divides.
    lonlat
        (n, 2) centre line from head to mouth in WGS-84 degrees.
    head_m, mouth_m
        Approximate elevation of the bed at both ends.
    exponent
        Of the profile between them: 1 is a straight line, larger is steeper at the head.
    """

    name_zh: str
    name_en: str
    downstream: str
    modelled: bool
    lonlat: NDArray[np.float64]
    head_m: float
    mouth_m: float
    exponent: float

    def points(self, spec: GridSpec, every_m: float) -> tuple[NDArray[np.float64], ...]:
        """Densify the line: x, y in m of the grid, and the bed in m, from head to mouth."""
        x, y = spec.to_xy(self.lonlat[:, 0], self.lonlat[:, 1])
        along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
        at = np.linspace(0.0, along[-1], max(2, int(np.ceil(along[-1] / every_m)) + 1))
        bed = self.mouth_m + (self.head_m - self.mouth_m) * (1.0 - at / along[-1]) ** self.exponent
        return np.interp(at, along, x), np.interp(at, along, y), bed


@dataclass(frozen=True, slots=True)
class Rivers:
    """All river lines of a region, downstream ones first; the sea and the plains as polygons.

    Parameters
    ----------
    lines
        Every river comes after the one it flows into.
    sea, plains
        Rings of (n, 2) WGS-84 degrees.
    """

    lines: tuple[River, ...]
    sea: tuple[NDArray[np.float64], ...]
    plains: tuple[NDArray[np.float64], ...]


def read_rivers(path: Path) -> Rivers:
    """Read river lines.

    Raises
    ------
    DataError
        Names the file and the river where something is missing, or does not reach the sea.
    """
    try:
        features = json.loads(path.read_text(encoding="utf-8"))["features"]
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    except (ValueError, KeyError, TypeError):
        raise DataError(path, "not a GeoJSON feature collection") from None
    rivers = [_river(f, path) for f in features if f["properties"].get("kind") == "river"]
    rings = {
        kind: tuple(
            np.asarray(f["geometry"]["coordinates"][0], np.float64)
            for f in features
            if f["properties"].get("kind") == kind
        )
        for kind in ("sea", "plain")
    }
    return Rivers(_downstream_first(rivers, path), rings["sea"], rings["plain"])


def _river(feature: dict[str, Any], path: Path) -> River:
    properties = feature["properties"]
    name = properties.get("name_zh", "?")
    try:
        river = River(
            properties["name_zh"],
            properties["name_en"],
            properties["downstream"],
            bool(properties["modelled"]),
            np.asarray(feature["geometry"]["coordinates"], np.float64),
            float(properties["head_elevation_m_approximate"]),
            float(properties["mouth_elevation_m_approximate"]),
            float(properties["profile_exponent"]),
        )
    except KeyError as error:
        raise DataError(path, f"river {name} has no property {error}") from None
    except (TypeError, ValueError) as error:
        raise DataError(path, f"river {name}: {error}") from None
    if river.lonlat.ndim != 2 or river.lonlat.shape[1] != 2 or len(river.lonlat) < 2:
        raise DataError(path, f"river {name} needs a LineString of at least two points")
    if river.exponent < 1:
        raise DataError(path, f"river {name}: profile_exponent is below 1")
    if river.head_m <= river.mouth_m:
        raise DataError(path, f"river {name} does not fall from its head to its mouth")
    return river


def _downstream_first(rivers: list[River], path: Path) -> tuple[River, ...]:
    """Order the rivers so that each comes after the one it flows into."""
    done: list[River] = []
    known = {SEA}
    left = rivers
    while left:
        ready = [river for river in left if river.downstream in known]
        if not ready:
            river = left[0]
            raise DataError(
                path,
                f"river {river.name_zh} flows into {river.downstream}, which never reaches the sea",
            )
        done += ready
        known |= {river.name_zh for river in ready}
        left = [river for river in left if river.name_zh not in known]
    return tuple(done)
