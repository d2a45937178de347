"""Rain of five simulated radars against the truth: an hour of a storm, without any gauge.

The simulator makes its moments from drops (radar/simulator), not from any relation that the
retrieval uses; noise, attenuation, wet radomes, ground clutter and hidden sectors are in them. The
same volumes give the rain of Z = 300 R^1.4 when everything but reflectivity is taken from them.

Prints, over the product cells of the city's box that are seen all hour: normalised error
(sum |R - G| / sum G), bias, correlation, RMSE; and how often dry and missing are confused.
"""

import argparse
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console

from jinghu.analysis import analyse
from jinghu.configs.settings import CONFIGS, Settings, load
from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.fields import State
from jinghu.radar.geometry import place, polar_coordinates
from jinghu.radar.rain import RainParams, rain_on_grid
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.radar.volume import Volume
from jinghu.rainfall import Records, merge_rainfall
from jinghu.simulate import Network, make_network, scan_all
from jinghu.stages import StageLog
from jinghu.storm import Storm, StormParams, make_storm

START = datetime(2026, 6, 20, 6, 0, tzinfo=UTC)
STEP = timedelta(minutes=6)
STEPS = 10
BOX = (119.9, 29.2, 121.2, 30.3)
WET_MM_H = 1.0


@dataclass(frozen=True, slots=True)
class Hour:
    """Volumes of every step (one before the hour first), and what they looked at."""

    storm: Storm
    network: Network
    volumes: list[list[Volume]]


def simulate(seed: int, settings: Settings) -> Hour:
    spec = settings.grid.working()
    before = timedelta(hours=1)
    storm = make_storm(spec, START - before, timedelta(hours=3), seed, StormParams())
    drops = make_drops(storm.motion(), DropParams(), np.random.default_rng(seed))
    sites = load_sites(settings.inputs.sites)
    network = make_network([s for c, s in sorted(sites.items()) if c.startswith("ZSIM")], seed)
    volumes = [scan_all(storm, drops, spec, network, START + k * STEP) for k in range(STEPS + 1)]
    return Hour(storm, network, volumes)


def true_hour(storm: Storm, settings: Settings) -> NDArray[np.float64]:
    """Mean over the minutes, on the product grid, in mm."""
    spec = settings.grid.working()
    rates = [storm.on_grid(spec, START + k * timedelta(minutes=1)) for k in range(61)]
    weights = np.full(61, 1 / 60)
    weights[[0, -1]] /= 2
    mean = np.tensordot(weights, np.stack(rates), axes=1)
    return np.asarray(coarsen_mean(mean[None].astype(np.float32), settings.grid.working_factor)[0])


def estimated_hour(
    hour: Hour, settings: Settings, rain: Callable[[Volume], xr.Dataset]
) -> tuple[NDArray[np.float64], xr.Dataset]:
    """Radar-only amount of the hour on the product grid as the cycles make it, and last mosaic."""
    log = StageLog(Console(quiet=True))
    records, motion = Records(None, None), None
    before: list[xr.Dataset] = []
    analysis = None
    for k, volumes in enumerate(hour.volumes):
        rains = [rain(volume) for volume in volumes]
        used = sorted(before + rains, key=lambda r: (r["time"].values, r.attrs["radar"]))
        time = START + k * STEP
        analysis = analyse(used, time, motion, 720.0, log)
        found = merge_rainfall(analysis, [], records, time, settings, log)
        records, motion, before = Records(found.best, found.radar_alone), analysis.motion, rains
    assert records.radar_alone is not None
    assert analysis is not None
    amounts = records.radar_alone["rainfall_amount"].values[-STEPS:]
    return amounts.sum(axis=0), analysis.mosaic


def reflectivity_only(volume: Volume) -> Volume:
    """The same volume as a radar without polarisation sends it."""
    kept = ("DBZH", "VRADH")
    sweeps = (
        replace(s, moments={n: m for n, m in s.moments.items() if n in kept}) for s in volume.sweeps
    )
    return replace(volume, sweeps=tuple(sweeps))


def scores(estimate: NDArray, truth: NDArray, where: NDArray) -> str:
    inside = where & np.isfinite(estimate)
    e, t = estimate[inside], truth[inside]
    error = np.abs(e - t).sum() / t.sum()
    r, rmse = np.corrcoef(e, t)[0, 1], np.sqrt(((e - t) ** 2).mean())
    return f"{error:7.3f} {e.sum() / t.sum():6.3f} {r:6.3f} {rmse:7.2f} {inside.sum():6d}"


def confusion(hour: Hour, mosaic: xr.Dataset, settings: Settings) -> tuple[int, int, int]:
    """Count cells of the city called dry where it rains or nobody looked, missing though dry."""
    spec = settings.grid.working()
    truth = hour.storm.on_grid(spec, START + STEPS * STEP)
    looked, clear = np.zeros(spec.shape, bool), np.zeros(spec.shape, bool)
    for radar in hour.network.radars:
        azimuth, distance = polar_coordinates(place(radar.site, spec), spec)
        reach = distance < radar.strategy.gate_m * radar.strategy.gates
        looked |= reach & (distance > 1000)
        row = np.rint(azimuth).astype(int) % 360
        column = np.minimum((distance / 500).astype(int), radar.ground.horizon_deg.shape[1] - 1)
        highest = radar.strategy.cuts[-1].elevation_deg
        clear |= reach & (radar.ground.horizon_deg[row, column] < highest) & (distance > 3000)
    lon, lat = spec.lonlat()
    city = (lon > BOX[0]) & (lon < BOX[2]) & (lat > BOX[1]) & (lat < BOX[3])
    state = np.where(city, mosaic["state"].values, State.FILLED)
    dry = state == State.DRY
    wet_called_dry = int((dry & (truth >= WET_MM_H)).sum())
    unseen_called_dry = int((dry & ~looked).sum())
    dry_called_missing = int((np.isin(state, [State.MISSING, State.BLOCKED]) & clear
                              & (truth == 0) & looked).sum())  # fmt: skip
    return wet_called_dry, unseen_called_dry, dry_called_missing


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[20260620, 7, 11])
    settings = load(CONFIGS / "demo.yaml")
    spec, product = settings.grid.working(), settings.grid.product()
    lon, lat = product.lonlat()
    city = (lon > BOX[0]) & (lon < BOX[2]) & (lat > BOX[1]) & (lat < BOX[3])
    params = RainParams()
    ways: dict[str, Callable[[Volume], xr.Dataset]] = {
        "jinghu": lambda v: rain_on_grid(v, spec, params),
        "Z = 300 R^1.4": lambda v: rain_on_grid(reflectivity_only(v), spec, params),
    }
    for seed in parser.parse_args().seeds:
        hour = simulate(seed, settings)
        truth = true_hour(hour.storm, settings)
        print(f"seed {seed}: error, bias, r, RMSE mm, cells (truth up to {truth.max():.0f} mm)")
        for name, rain in ways.items():
            estimate, mosaic = estimated_hour(hour, settings, rain)
            print(f"  {name:<14} city  {scores(estimate, truth, city)}")
            print(f"  {'':<14} >10mm {scores(estimate, truth, city & (truth > 10))}")
            wet, unseen, missing = confusion(hour, mosaic, settings)
            print(f"  {'':<14} wet called dry {wet}, unseen called dry {unseen},"
                  f" dry called missing {missing}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
