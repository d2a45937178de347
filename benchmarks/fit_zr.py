"""Fit Z = a R^b to gauges, by type of rain, and judge it at gauges that it was not fitted to.

The hour of typhoon Lekima ending 17 UTC: reflectivity of the radar-only mosaic (through the default
relation and back) every six minutes over each gauge, type of rain by the echo around it. Gauges are
halved at random; each half judges the fit of the other. Needs the real data (``JINGHU_DATA``).
"""

import sys
from datetime import timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.ndimage import map_coordinates, uniform_filter

from jinghu.analysis import analyse, rain_of_radars
from jinghu.configs.settings import load
from jinghu.grid.stations import hourly_rain_on
from jinghu.grid.times import parse_time
from jinghu.ingest import Ingested, Window, radar_files, read_stations, read_volumes
from jinghu.radar.sites import load_sites
from jinghu.radar.zr import ZRRelation, fit_zr
from jinghu.stages import StageLog

TIME, END = "2019-08-09T16:30Z", "2019-08-09T17:00Z"
CORE_DBZ, BACKGROUND_M = 40.0, 22_000.0


def convective(dbz: NDArray, spacing_m: float) -> NDArray:
    """The same criterion as radar/rain_type.py, on a grid and without the margin around cores."""
    z = 10 ** (np.nan_to_num(dbz, nan=-32.0) / 10)
    size = round(BACKGROUND_M / spacing_m)
    background = 10 * np.log10(np.maximum(uniform_filter(z, size), 1e-3))
    stands_out = np.clip(10 - background**2 / 180, 0, 10)
    return (dbz >= CORE_DBZ) | (dbz - background >= np.where(background < 0, 10, stands_out))


def judged(dbz: NDArray, caught: NDArray, a: float, b: float) -> str:
    known = np.isfinite(dbz).all(axis=1) & np.isfinite(caught)
    estimate = (10 ** (dbz[known] / 10) / a) ** (1 / b)
    e, o = estimate.mean(axis=1), caught[known]
    rmse, r = np.sqrt(((e - o) ** 2).mean()), np.corrcoef(e, o)[0, 1]
    return f"RMSE {rmse:6.3f} mm  bias {e.sum() / o.sum():5.3f}  r {r:5.3f}  n {len(o)}"


def main() -> int:
    settings = load(Path(__file__).parents[1] / "configs" / "lekima.yaml")
    if not settings.inputs.radar.is_dir():
        print(f"skipped: {settings.inputs.radar} is absent (set JINGHU_DATA)")
        return 0
    usual = ZRRelation()
    radar = settings.radar.model_copy(update={"zr_a": usual.a, "zr_b": usual.b, "zr_seasons": ()})
    spec, time, end = settings.grid.working(), parse_time(TIME), parse_time(END)
    before, after = (
        timedelta(minutes=m) for m in (radar.window_before_min, radar.window_after_min)
    )
    found, window = Ingested(), Window(time - before, time + after)
    files = radar_files([settings.inputs.radar], window)
    read_volumes(files, load_sites(settings.inputs.sites), window, found)
    read_stations(settings.inputs.stations, settings.inputs.station_frame, found)
    log = StageLog(Console(quiet=True))
    rains = rain_of_radars(found.volumes, spec, radar)
    analysis = analyse(rains, time, None, radar.stale_after_min * 60.0, log)
    rates = analysis.rates_at([end - k * timedelta(minutes=6) for k in range(10, -1, -1)])
    fields = usual.reflectivity(rates)
    gauges = hourly_rain_on(settings.grid.product(), found.stations, end)
    rows = (gauges["y"].values - spec.y0_m) / spec.spacing_m - 0.5
    columns = (gauges["x"].values - spec.x0_m) / spec.spacing_m - 0.5
    dbz = np.stack([map_coordinates(f, [rows, columns], order=0, cval=np.nan) for f in fields], 1)
    dbz[
        np.stack([map_coordinates(r, [rows, columns], order=0, cval=np.nan) for r in rates], 1) == 0
    ] = -32
    kinds = [map_coordinates(convective(f, spec.spacing_m).astype(float), [rows, columns], order=0)
             for f in fields]  # fmt: skip
    share = np.mean(kinds, axis=0)
    caught = gauges["rainfall_amount"].values.astype(np.float64)
    half = np.random.default_rng(0).permutation(len(caught)) % 2 == 0
    types = {"all": share >= 0, "stratiform": share < 0.2, "convective": share > 0.5}
    for name, chosen in types.items():
        print(name, "300 R^1.4", judged(dbz[chosen], caught[chosen], usual.a, usual.b))
        print(name, "250 R^1.2", judged(dbz[chosen], caught[chosen], 250.0, 1.2))
        if chosen.sum() < 100:
            print(name, f"{chosen.sum()} gauges are too few to fit and to judge")
            continue
        whole = fit_zr(dbz[chosen], caught[chosen])
        print(name, f"fitted to all: Z = {whole.a:.0f} R^{whole.b}")
        for side in (half, ~half):
            fit = fit_zr(dbz[chosen & side], caught[chosen & side])
            text = judged(dbz[chosen & ~side], caught[chosen & ~side], fit.a, fit.b)
            print(name, f"fitted to the other half, {fit.a:.0f} R^{fit.b}:", text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
