"""Five simulated radars, one S and four X, from bytes to published mosaics: CPU seconds a stage.

Full volumes of both polarisations (radar/simulator: VCP21D of eleven cuts to 460 km, nine cuts of
75 m gates) of a storm over the city. The work is what a cycle does with its radars: decode, quality
control and rain, columns, mosaics on 500 m along a given motion, means on 2.5 km, Zarr. Least of
several runs, compiling left out; wall seconds with one and with two workers.
"""

import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numba
import numpy as np
import xarray as xr

from jinghu.analysis import columns_at, scans_of_radars
from jinghu.configs.settings import Settings, load
from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.fields import attrs
from jinghu.grid.store import Store, packed
from jinghu.grid.times import cycle_name
from jinghu.ingest import Ingested, Window, read_volumes
from jinghu.melting import melting_now, nothing_seen
from jinghu.publish import COLUMN_SCALE
from jinghu.radar.encode import encode_standard
from jinghu.radar.mosaic import MosaicParams, mosaic
from jinghu.radar.simulator.scan import S_VCP21D, X_NINE
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import RadarSite, load_sites
from jinghu.simulate import make_network, scan_all, write_volume
from jinghu.storm import StormParams, make_storm

ROOT = Path(__file__).parents[1]
RUNS = 3
SEED = 20260620
ALLOWED_CPU_S = 20.0
ALLOWED_RATIO = 0.6
TIME = datetime(2026, 6, 20, 6, 12, tzinfo=UTC)
CODES = ("ZSIM1", "ZSIM2", "ZSIM3", "ZSIM4", "ZSIM5")  # the first is the S band


@dataclass(slots=True)
class Clock:
    """CPU and wall seconds of the stages of one run."""

    cpu: dict[str, float] = field(default_factory=dict)
    wall: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage."""
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        self.cpu[name] = time.process_time() - cpu
        self.wall[name] = time.perf_counter() - wall


def write_files(folder: Path, sites: dict[str, RadarSite], settings: Settings) -> list[Path]:
    """Files of the five radars that have arrived by the time of the mosaic."""
    spec = settings.grid.working()
    begin = TIME - timedelta(hours=1)
    storm = make_storm(spec, begin, timedelta(hours=1, minutes=10), SEED, StormParams())
    drops = make_drops(storm.motion(), DropParams(), np.random.default_rng(SEED))
    full = {"S": S_VCP21D, "X": X_NINE}
    network = make_network([sites[code] for code in CODES], SEED, full)
    volumes = scan_all(storm, drops, spec, network, TIME)
    raw = sum(len(encode_standard(volume)) for volume in volumes)
    print(
        f"five volumes of {sum(len(v.sweeps) for v in volumes)} cuts, {raw / 1e6:.0f} MB unpacked"
    )
    return [write_volume(volume, folder) for volume in volumes]


def steady(settings: Settings) -> xr.Dataset:
    """12 m/s to the north-east."""
    spec = settings.grid.working()
    field_of = np.full(spec.shape, 8.5, np.float32)
    made = {n: (("y", "x"), field_of, attrs(n)) for n in ("motion_x", "motion_y")}
    return xr.Dataset(made, coords=spec.coords())


def run(paths: list[Path], settings: Settings, folder: Path, workers: int) -> Clock:
    """One cycle's radar work."""
    clock, spec, found = Clock(), settings.grid.working(), Ingested()
    numba.set_num_threads(workers)
    window = Window(TIME - timedelta(minutes=15), TIME)
    motion = steady(settings)
    with clock.stage("decode"):
        read_volumes(paths, load_sites(settings.inputs.sites), window, found, workers)
    assert len(found.volumes) == len(CODES), found.refused
    with clock.stage("melting layer"):
        unseen = nothing_seen(settings.radar)
        melting = melting_now(found.volumes, unseen, TIME, settings.radar).level
    with clock.stage("control, rain, columns"):
        scans = scans_of_radars(found.volumes, spec, settings.radar, workers, melting=melting)
    with clock.stage("mosaics 500 m"):
        merged = mosaic(scans.rains, TIME, motion, MosaicParams())
        shown = columns_at(scans.columns, TIME, motion, spec, settings.radar)
    with clock.stage("2.5 km and publish"):
        publish(merged.assign(shown.data_vars), settings, folder)
    return clock


def publish(merged: xr.Dataset, settings: Settings, folder: Path) -> None:
    factor = settings.grid.working_factor
    names = ("rainfall_rate", "quality", "age")
    coarse = {n: (("y", "x"), coarsen_mean(merged[n].values, factor)) for n in names}
    product = xr.Dataset(coarse, coords=settings.grid.product().coords())
    shape = settings.grid.working().shape
    encoding = {"rainfall_rate": packed(0.02, shape, shape)}
    for name, scale in COLUMN_SCALE.items():
        of = merged[name].shape
        encoding[name] = packed(scale, of, (*(1,) * (len(of) - 2), *of[-2:]))
    with Store(folder).create().publish(cycle_name(TIME), "fast") as part:
        part.dataset("products.zarr", product)
        part.dataset("working.zarr", merged, encoding)
        part.manifest()


def main() -> None:
    settings = load(ROOT / "configs" / "demo.yaml")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = write_files(folder, load_sites(settings.inputs.sites), settings)
        print(f"files: {sum(p.stat().st_size for p in paths) / 1e6:.1f} MB")
        run(paths, settings, folder / "warm", 2)
        runs = {
            w: [run(paths, settings, folder / f"{w}-{k}", w) for k in range(RUNS)] for w in (1, 2)
        }
    print(f"{'stage':<24}{'CPU s':>8}{'wall 1':>8}{'wall 2':>8}{'ratio':>7}")
    least = {w: min(found, key=lambda c: sum(c.wall.values())) for w, found in runs.items()}
    cpu = min(runs[1], key=lambda c: sum(c.cpu.values())).cpu
    for stage, seconds in cpu.items():
        one, two = least[1].wall[stage], least[2].wall[stage]
        print(f"{stage:<24}{seconds:8.2f}{one:8.2f}{two:8.2f}{two / one:7.2f}")
    one, two = (sum(least[w].wall.values()) for w in (1, 2))
    total = sum(cpu.values())
    print(f"{'all':<24}{total:8.2f}{one:8.2f}{two:8.2f}{two / one:7.2f}")
    print(f"allowed: {ALLOWED_CPU_S} CPU-s, ratio {ALLOWED_RATIO}")


if __name__ == "__main__":
    main()
