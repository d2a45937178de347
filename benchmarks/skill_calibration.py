"""Calibration of nine radars over typhoon Lekima against one another, and what correcting it does.

Prints the pairs, the network's offsets, the same with one radar made 5 dB too low, and the skill at
the gauges of the radar alone with and without the correction. Needs the real data
(``JINGHU_DATA``).
"""

import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from rich.console import Console

from jinghu.analysis import analyse, rain_params
from jinghu.configs.settings import Settings, load
from jinghu.grid.merge import skill
from jinghu.grid.times import parse_time
from jinghu.ingest import Ingested, Window, radar_files, read_stations, read_volumes
from jinghu.radar.calibration import Anchor, Offset, network_offsets
from jinghu.radar.overlap import Comparison, Levels, OverlapParams, comparisons, levels_on_grid
from jinghu.radar.rain import rain_and_scan
from jinghu.radar.sites import load_sites
from jinghu.radar.volume import Moment, Volume
from jinghu.rainfall import Records, merge_rainfall
from jinghu.stages import StageLog

BOX = (119.9, 29.2, 121.2, 30.3)  # the city
TIME = parse_time("2019-08-09T16:30Z")
HALVES = (parse_time("2019-08-09T16:02Z"), TIME)
WELL_KEPT_DB = 1.0
BAD, BAD_DB = "Z9574", -5.0


def miscalibrated(volume: Volume, offset_db: float) -> Volume:
    """The volume with an offset on all reflectivity, codes and all."""

    def shifted(moment: Moment) -> Moment:
        return replace(moment, offset=moment.offset - offset_db * moment.scale)

    sweeps = tuple(
        replace(s, moments={n: shifted(m) if n in ("DBZH", "DBTH") else m
                            for n, m in s.moments.items()})
        for s in volume.sweeps
    )  # fmt: skip
    return replace(volume, sweeps=sweeps)


def scanned(
    volumes: Sequence[Volume], settings: Settings, offsets: Mapping[str, float]
) -> tuple[list[xr.Dataset], list[Levels]]:
    """Rains in order of time and levels of all volumes, with offsets taken off."""
    spec, params = settings.grid.working(), rain_params(settings.radar, TIME.month)

    def one(volume: Volume) -> tuple[xr.Dataset, Levels]:
        offset = offsets.get(volume.site.code, 0.0)
        rain, scan = rain_and_scan(volume, spec, params, offset_db=offset)
        return rain, levels_on_grid(volume, scan, spec, OverlapParams(), offset)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(one, volumes))
    rains = sorted((rain for rain, _ in both), key=lambda r: r["time"].values)
    return rains, [levels for _, levels in both]


def solved(
    levels: Sequence[Levels], time: datetime, motion: xr.Dataset
) -> tuple[list[Comparison], list[Offset]]:
    near = [one for one in levels if abs(one.time - time) < timedelta(minutes=8)]
    pairs = comparisons(near, motion, OverlapParams())
    return pairs, network_offsets(pairs, [Anchor(one.site.code, 0.0, WELL_KEPT_DB) for one in near])


def report(offsets: Sequence[Offset]) -> str:
    return "  ".join(f"{o.radar} {o.offset_db:+.2f}±{o.error_db:.2f}" for o in offsets)


def at_gauges(rains: Sequence[xr.Dataset], found: Ingested, settings: Settings) -> list[str]:
    """Skill of the radar alone and of the merge left out, in the city and on the whole grid."""
    log = StageLog(Console(stderr=True, quiet=True))
    analysis = analyse(rains, TIME, None, settings.radar.stale_after_min * 60.0, log)
    merged = merge_rainfall(analysis, found.stations, Records(None, None), TIME, settings, log)
    assert merged.merge_report is not None
    gauges = merged.merge_report.gauges
    lon, lat = gauges["lon"].values, gauges["lat"].values
    city = (lon > BOX[0]) & (lon < BOX[2]) & (lat > BOX[1]) & (lat < BOX[3])
    values = gauges["rainfall_amount"].values.astype(np.float64)
    lines = []
    for place, inside in (("city", city), ("grid", np.ones(len(city), bool))):
        for name in ("radar", "leave_one_out"):
            told = skill(gauges[name].values.astype(np.float64)[inside], values[inside])
            assert told is not None
            lines.append(f"{place} {name:<13} RMSE {told.rmse_mm:.3f} bias {told.bias:.3f} "
                         f"r {told.r:.3f} n {told.n}")  # fmt: skip
    return lines


def large(offsets: Sequence[Offset], least_db: float) -> dict[str, float]:
    """Offsets of at least so many dB that are twice their error."""
    return {
        o.radar: o.offset_db for o in offsets if abs(o.offset_db) >= max(least_db, 2.0 * o.error_db)
    }


def main() -> int:
    settings = load(Path(__file__).parents[1] / "configs" / "lekima.yaml")
    if not settings.inputs.radar.is_dir():
        print(f"skipped: {settings.inputs.radar} is absent (set JINGHU_DATA)")
        return 0
    window = Window(TIME - timedelta(minutes=35), TIME + timedelta(minutes=3))
    found = Ingested()
    files = radar_files([settings.inputs.radar], window)
    read_volumes(files, load_sites(settings.inputs.sites), window, found)
    read_stations(settings.inputs.stations, settings.inputs.station_frame, found)
    log = StageLog(Console(stderr=True, quiet=True))
    rains, levels = scanned(found.volumes, settings, {})
    motion = analyse(rains, TIME, None, settings.radar.stale_after_min * 60.0, log).motion
    pairs, offsets = solved(levels, HALVES[0], motion)
    for p in pairs:
        print(f"{p.first} - {p.second} {p.difference_db:+6.2f} ± {p.error_db:.2f} dB, spread "
              f"{p.spread_db:.2f}, {p.samples} samples")  # fmt: skip
    print("16:02:", report(offsets))
    print("16:30:", report(solved(levels, HALVES[1], motion)[1]))
    bad = [miscalibrated(v, BAD_DB) if v.site.code == BAD else v for v in found.volumes]
    bad_rains, bad_levels = scanned(bad, settings, {})
    wrong = solved(bad_levels, HALVES[0], motion)[1]
    print(f"{BAD} made {BAD_DB} dB:", report(wrong))
    before = {o.radar: o.offset_db for o in offsets}
    moved = [abs(o.offset_db - before[o.radar]) for o in wrong if o.radar != BAD]
    off = next(o.offset_db - before[BAD] for o in wrong if o.radar == BAD)
    print(f"it is found to have moved by {off:+.2f} dB, the others by up to {max(moved):.2f} dB")
    cases = {
        "as it is": rains,
        "as it is, offsets beyond 2 dB corrected": scanned(
            found.volumes, settings, large(offsets, 2.0)
        )[0],
        "as it is, offsets beyond 1 dB corrected": scanned(
            found.volumes, settings, large(offsets, 1.0)
        )[0],
        f"{BAD} made {BAD_DB} dB": bad_rains,
        f"{BAD} made {BAD_DB} dB, it alone corrected": scanned(
            bad, settings, {o.radar: o.offset_db for o in wrong if o.radar == BAD}
        )[0],
        f"{BAD} made {BAD_DB} dB, offsets beyond 2 dB corrected": scanned(
            bad, settings, large(wrong, 2.0)
        )[0],
    }
    for name, these in cases.items():
        print(name)
        for line in at_gauges(these, found, settings):
            print("   ", line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
