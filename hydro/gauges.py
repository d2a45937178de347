"""Named river gauges: read from CSV and placed on the network."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jinghu.grid.errors import DataError
from jinghu.hydro.network import RiverNetwork

COLUMNS = (
    "name_zh",
    "name_en",
    "river",
    "lon",
    "lat",
    "warning_level_m",
    "guarantee_level_m",
    "datum",
    "source",
)
_MAX_SNAP_M = 5000.0
_MAX_SNAP_UNNAMED_M = 2000.0


@dataclass(frozen=True, slots=True)
class Gauge:
    """One gauge.

    Parameters
    ----------
    name_zh, name_en, river
        Names; ``river`` is the Chinese name of its river.
    lon, lat
        WGS-84 degrees.
    warning_level_m, guarantee_level_m
        Levels above ``datum``, NaN where the file gives none.
    datum, source
        Of the levels, and where the row came from.
    station
        Code by which the gauge reports; its Chinese name where the file has none.
    """

    name_zh: str
    name_en: str
    river: str
    lon: float
    lat: float
    warning_level_m: float
    guarantee_level_m: float
    datum: str
    source: str
    station: str = ""

    @property
    def code(self) -> str:
        """What its reports call it."""
        return self.station or self.name_zh


@dataclass(frozen=True, slots=True)
class PlacedGauge:
    """A gauge and the reach that it stands for, ``distance_m`` from its end."""

    gauge: Gauge
    reach: int
    distance_m: float


def read_gauges(path: Path) -> tuple[Gauge, ...]:
    """Read gauges from CSV with a header; the column ``station`` may be missing.

    Raises
    ------
    DataError
        Names the file, the row and the cause; a level needs its datum.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(path, f"cannot be read: {error}") from None
    if rows and (missing := [name for name in COLUMNS if name not in rows[0]]):
        raise DataError(path, f"lacks the columns {', '.join(missing)}")
    return tuple(_gauge(row, f"{path} row {number}") for number, row in enumerate(rows, 2))


def _gauge(row: dict[str, str], place: str) -> Gauge:
    try:
        lon, lat = float(row["lon"]), float(row["lat"])
        levels = [float(row[n] or "nan") for n in ("warning_level_m", "guarantee_level_m")]
    except (TypeError, ValueError) as error:
        raise DataError(place, str(error)) from None
    if not (-180.0 <= lon <= 180.0 and -90.0 <= lat <= 90.0):
        raise DataError(place, f"longitude {lon}, latitude {lat} is no place on earth")
    if np.isfinite(levels).any() and not row["datum"]:
        raise DataError(place, f"gauge {row['name_zh']} gives a level without its datum")
    return Gauge(
        row["name_zh"],
        row["name_en"],
        row["river"],
        lon,
        lat,
        levels[0],
        levels[1],
        row["datum"] or "",
        row["source"] or "",
        (row.get("station") or "").strip(),
    )


def place_gauges(
    gauges: Sequence[Gauge], network: RiverNetwork
) -> tuple[tuple[PlacedGauge, ...], tuple[str, ...]]:
    """Place gauges on the network.

    A gauge goes to the nearest reach end of its river within 5 km; where the network does not
    know the river, to the largest stream within 2 km.

    Returns
    -------
    The placed gauges, and one line for each that has no place.
    """
    placed, lost = [], []
    rivers = np.array(network.name_zh)
    for gauge in gauges:
        x, y = network.grid.to_xy(gauge.lon, gauge.lat)
        distance = np.hypot(network.x_m - x, network.y_m - y)
        same = rivers == gauge.river
        if same.any():
            reach = int(np.where(same, distance, np.inf).argmin())
            limit = _MAX_SNAP_M
        else:
            near = np.where(distance <= _MAX_SNAP_UNNAMED_M, network.upstream_area_km2, -1.0)
            reach = int(near.argmax())
            limit = _MAX_SNAP_UNNAMED_M
        if distance[reach] <= limit:
            placed.append(PlacedGauge(gauge, reach, float(distance[reach])))
        else:
            lost.append(
                f"gauge {gauge.name_zh} is {distance.min() / 1000:.1f} km from the nearest stream, "
                f"{distance[reach] / 1000:.1f} km from {gauge.river or 'a larger one'}"
            )
    return tuple(placed), tuple(lost)
