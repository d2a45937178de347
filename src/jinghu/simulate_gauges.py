"""What rain gauges report of a storm: station reports with the errors that gauges have."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jinghu.drill_truth import RainTruth
from jinghu.grid import durable
from jinghu.grid.spec import GridSpec
from jinghu.grid.stations import COLUMNS
from jinghu.grid.times import isoformat


@dataclass(frozen=True, slots=True)
class GaugeNetwork:
    """Rain gauges: names, WGS-84 degrees, metres, and what is wrong with each.

    ``factor`` is what a gauge reports of the true rain (wind takes some); a gauge with 0 is
    clogged.
    """

    names: tuple[str, ...]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    height_m: NDArray[np.float64]
    factor: NDArray[np.float64]


def make_gauges(
    box: tuple[float, float, float, float], n: int, random: np.random.Generator
) -> GaugeNetwork:
    """Draw a network in a box (west, south, east, north); one gauge in fifty is clogged."""
    west, south, east, north = box
    factor = np.clip(random.normal(0.96, 0.06, n), 0.7, 1.15)
    factor[random.uniform(size=n) < 0.02] = 0.0
    return GaugeNetwork(
        tuple(f"SIM{k:04d}" for k in range(1, n + 1)),
        np.round(random.uniform(west, east, n), 5),
        np.round(random.uniform(south, north, n), 5),
        np.round(random.uniform(5, 600, n), 1),
        factor,
    )


def hourly_amounts(
    rain: RainTruth, spec: GridSpec, gauges: GaugeNetwork, hour_end: datetime
) -> NDArray[np.float64]:
    """True rain in mm at the gauges in the hour that ends at ``hour_end``, by minutes."""
    x, y = spec.to_xy(gauges.lon, gauges.lat)
    minutes = hour_end.timestamp() - 3600 + (np.arange(60)[:, None] + 0.5) * 60
    shape = (60, len(x))
    rates = rain.rate(
        np.broadcast_to(x, shape), np.broadcast_to(y, shape), np.broadcast_to(minutes, shape)
    )
    return np.asarray(rates.mean(axis=0), np.float64)


def write_reports(
    rain: RainTruth,
    spec: GridSpec,
    gauges: GaugeNetwork,
    hour_end: datetime,
    folder: Path,
    random: np.random.Generator,
) -> Path:
    """Write the reports of one hour as a CSV file; returns its path.

    A gauge reports whole tips of 0.1 mm of its factor times the truth, with 4 % of noise.
    """
    true = hourly_amounts(rain, spec, gauges, hour_end)
    caught = true * gauges.factor * random.normal(1.0, 0.04, len(true))
    tips = np.round(np.maximum(caught, 0), 1)
    rows = [",".join(COLUMNS)]
    for k, name in enumerate(gauges.names):
        place_of = f"{gauges.lat[k]:.5f},{gauges.lon[k]:.5f},{gauges.height_m[k] * 10:.0f}"
        rows.append(f"{name},{place_of},{isoformat(hour_end)},{tips[k]:.1f}")
    path = folder / f"hourly_rain_{hour_end:%Y%m%d%H}.csv"
    durable.write_atomic(path, ("\n".join(rows) + "\n").encode("ascii"))
    return path
