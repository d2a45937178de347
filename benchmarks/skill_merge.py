"""Skill of the merged rain of typhoon Lekima's hour at gauges left out, beside its peers.

Every estimate of a gauge is made without it. Needs the real data (``JINGHU_DATA``).
"""

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.spatial import cKDTree

from jinghu.analysis import analyse, rain_of_radars
from jinghu.configs.settings import load
from jinghu.grid.kriging import krige
from jinghu.grid.merge import MergeParams, Skill, skill
from jinghu.grid.times import parse_time
from jinghu.ingest import Ingested, Window, radar_files, read_stations, read_volumes
from jinghu.radar.sites import load_sites
from jinghu.rainfall import Records, merge_rainfall
from jinghu.stages import StageLog

BOX = (119.9, 29.2, 121.2, 30.3)  # the city


def inverse_distance(points: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray:
    """Inverse squared distance of the twelve nearest other gauges."""
    distance, index = cKDTree(points).query(points, 13)
    weight = 1.0 / np.maximum(distance[:, 1:], 1.0) ** 2
    return (weight * values[index[:, 1:]]).sum(1) / weight.sum(1)


def ordinary_kriging(
    points: NDArray[np.float64], values: NDArray[np.float64], params: MergeParams
) -> NDArray:
    """Our kriging without the radar."""
    _, index = cKDTree(points).query(points, params.neighbours + 1)
    nothing = np.full(len(points), np.nan)
    return krige(
        points,
        nothing,
        points,
        nothing,
        values,
        index[:, 1:].astype(np.int64),
        params.length_m,
        params.nugget,
    )


def line(name: str, found: Skill | None) -> str:
    if found is None:
        return f"{name:<34} no value"
    return f"{name:<34} {found.rmse_mm:6.3f} {found.bias:6.3f} {found.r:6.3f} {found.n:5d}"


def main() -> int:
    settings = load(Path(__file__).parents[1] / "configs" / "lekima.yaml")
    if not settings.inputs.radar.is_dir():
        print(f"skipped: {settings.inputs.radar} is absent (set JINGHU_DATA)")
        return 0
    time = parse_time("2019-08-09T16:30Z")
    log = StageLog(Console(stderr=True, quiet=True))
    window = Window(
        time - timedelta(minutes=settings.radar.window_before_min),
        time + timedelta(minutes=settings.radar.window_after_min),
    )
    found = Ingested()
    files = radar_files([settings.inputs.radar], window)
    read_volumes(files, load_sites(settings.inputs.sites), window, found)
    read_stations(settings.inputs.stations, settings.inputs.station_frame, found)
    rains = rain_of_radars(found.volumes, settings.grid.working(), settings.radar)
    analysis = analyse(rains, time, None, settings.radar.stale_after_min * 60.0, log)
    nothing = Records(None, None)
    report = merge_rainfall(analysis, found.stations, nothing, time, settings, log).merge_report
    assert report is not None
    gauges = report.gauges
    points = np.stack([gauges["x"].values, gauges["y"].values], axis=1)
    values = gauges["rainfall_amount"].values.astype(np.float64)
    lon, lat = gauges["lon"].values, gauges["lat"].values
    city = (lon > BOX[0]) & (lon < BOX[2]) & (lat > BOX[1]) & (lat < BOX[3])
    relation = f"Z = {settings.radar.zr_a:g} R^{settings.radar.zr_b:g}"
    estimates = {
        f"radar alone, {relation}": gauges["radar"].values.astype(np.float64),
        "gauges, inverse distance": inverse_distance(points, values),
        "gauges, ordinary kriging": ordinary_kriging(points, values, MergeParams()),
        "merged, kriging with radar drift": gauges["leave_one_out"].values.astype(np.float64),
    }
    for place, inside in (("the city's box", city), ("the whole grid", np.ones(len(city), bool))):
        print(f"hour ending 2019-08-09T17:00Z, {place}: RMSE mm, bias, r, gauges")
        for name, estimate in estimates.items():
            print("  " + line(name, skill(estimate[inside], values[inside])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
