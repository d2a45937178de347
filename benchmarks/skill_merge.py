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
from jinghu.melting import melting_now, nothing_seen
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


def thinned(
    points: NDArray[np.float64],
    drift: NDArray[np.float64],
    values: NDArray[np.float64],
    trusted: NDArray[np.bool_],
    params: MergeParams,
) -> dict[str, tuple[NDArray, NDArray]]:
    """Estimates of four gauges in five from the fifth, in five turns, and the index of each."""
    fold = np.random.default_rng(0).permutation(len(points)) % 5
    names = ("gauges, inverse distance", "gauges, ordinary kriging", "merged")
    found: dict[str, list[NDArray]] = {name: [] for name in (*names, "radar from gauges' places")}
    order = []
    nothing = np.full(len(points), np.nan)
    for turn in range(5):
        kept = np.flatnonzero((fold == turn) & trusted)
        rest = np.flatnonzero(fold != turn)
        k = min(params.neighbours, len(kept))
        distance, near = cKDTree(points[kept]).query(points[rest], k)
        index = kept[near].astype(np.int64)
        weight = 1.0 / np.maximum(distance[:, :12], 1.0) ** 2
        found[names[0]].append((weight * values[index[:, :12]]).sum(1) / weight.sum(1))
        for name, field in ((names[1], nothing), (names[2], drift)):
            estimate = krige(points[rest], field[rest], points, field, values, index,
                             params.length_m, params.nugget)  # fmt: skip
            found[name].append(np.maximum(estimate, 0))
        known = np.where(np.isfinite(drift), drift, 0.0)
        blind = krige(points[rest], nothing[rest], points, nothing, known, index,
                      params.length_m, params.nugget)  # fmt: skip
        found["radar from gauges' places"].append(blind)
        order.append(rest)
    index = np.concatenate(order)
    return {name: (np.concatenate(parts), index) for name, parts in found.items()}


def ceiling(
    sparse: dict[str, tuple[NDArray, NDArray]], drift: NDArray, values: NDArray, inside: NDArray
) -> str:
    """Best that the radar can add to the gauges: correlation of what both leave unexplained."""
    kriged, index = sparse["gauges, ordinary kriging"]
    blind, _ = sparse["radar from gauges' places"]
    chosen = inside[index] & np.isfinite(drift[index])
    rest = (values[index] - kriged)[chosen]
    told = (drift[index] - blind)[chosen]
    r = float(np.corrcoef(rest, told)[0, 1])
    return (f"between gauges radar and rain correlate with {r:.3f}: no linear merge goes below "
            f"{np.sqrt(1 - r**2):.3f} of kriging")  # fmt: skip


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
    radar = settings.radar
    melting = melting_now(found.volumes, nothing_seen(radar), time, radar).level
    print(f"melting layer {melting.bottom_m:.0f} to {melting.top_m:.0f} m ({melting.source})")
    rains = rain_of_radars(found.volumes, settings.grid.working(), radar, melting=melting)
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
    drift = gauges["drift"].values.astype(np.float64)
    trusted = gauges["trusted"].values
    sparse = thinned(points, drift, values, trusted, MergeParams())
    for place, inside in (("the city's box", city), ("the whole grid", np.ones(len(city), bool))):
        print(f"one gauge in five, four others predicted, {place}: RMSE mm, bias, r, estimates")
        for name, (estimate, index) in sparse.items():
            if name.startswith("radar"):
                continue
            chosen = inside[index]
            print("  " + line(name, skill(estimate[chosen], values[index][chosen])))
        print("  " + ceiling(sparse, drift, values, inside))
    return 0


if __name__ == "__main__":
    sys.exit(main())
