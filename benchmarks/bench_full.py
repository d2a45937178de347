"""The full part of a cycle on the grid of Shaoxing: members, probabilities, amounts, publishing.

``bench_full.py [drill] [repeats]``: 24 members x 30 leads of a drill's rain on 600 x 600 cells, as
`jinghu.full.publish_full` makes them, without and with a numerical model. Wall and CPU seconds,
least of the repeats, compiling left out, and peak memory above what the inputs hold; fails where
the part without a model takes more than is allowed.
"""

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rich.console import Console

from jinghu.analysis import dry_analysis
from jinghu.configs.settings import CONFIGS, Settings, load
from jinghu.drill_rain import make_rain
from jinghu.drill_script import named_drill
from jinghu.flood import terrain_of
from jinghu.full import publish_full
from jinghu.grid.accumulation import coarsen_mean, window_amounts
from jinghu.grid.fields import attrs
from jinghu.grid.history import empty_history
from jinghu.grid.observations import record_analysis
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name, to_numpy
from jinghu.model_blend import Blending
from jinghu.model_file import Span
from jinghu.model_inputs import ModelRun
from jinghu.nowcast.motion import estimate_motion
from jinghu.publish import WINDOWS_H, product_grid
from jinghu.rainfall import RECORD, Rainfall, forecast_amounts
from jinghu.self_calibration import nothing_learned
from jinghu.stages import StageLog

ALLOWED_WALL_S = 8.0
ALLOWED_MB = 1000.0
AFTER = timedelta(hours=2)


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the full part is made from, in a store of its own."""

    settings: Settings
    time: datetime
    rainfall: Rainfall
    motion: xr.Dataset
    blending: Blending


def inputs_of(drill: str, root: Path) -> Inputs:
    """Rain of a drill two hours after its start, its fast part published."""
    script = named_drill(drill)
    settings = load(CONFIGS / "demo.yaml").with_store(root)
    store = Store(root).create()
    spec, step = settings.grid.working(), timedelta(minutes=settings.nowcast.step_min)
    rain = make_rain(script, spec, terrain_of(settings)["elevation"].values)
    now = script.start + AFTER
    rates = {k: rain.on_grid(spec, now + k * step) for k in (-2, -1, 0)}
    hourly = [rain.on_grid(spec, now + timedelta(hours=h)) for h in range(-1, 5)]
    for k in (-2, -1):
        record_analysis(store, seen(rates[k], now + k * step, settings), now + k * step, step)
    analysis = seen(rates[0], now, settings)
    motion = estimate_motion(seen(rates[-1], now - step, settings), analysis)
    times = (now - step, now)
    best = empty_history(settings.grid.product(), now, step, RECORD)
    observed = np.stack([rates[-1], rates[0]])
    rainfall = Rainfall(analysis, observed, times, best, best, None)
    fine, amounts = forecast_amounts(analysis, motion, now, settings)
    windows = window_amounts(best, amounts, WINDOWS_H)
    with store.publish(cycle_name(now), "fast") as part:
        part.dataset("products.zarr", product_grid(windows, fine, rainfall, settings))
    return Inputs(settings, now, rainfall, motion, blending(hourly, rates, now, motion, settings))


def seen(rate: NDArray[np.float32], time: datetime, settings: Settings) -> xr.Dataset:
    """An analysis of a true field."""
    found = dry_analysis(settings.grid.working(), time)
    return found.assign(rainfall_rate=(("y", "x"), rate, attrs("rainfall_rate")))


def blending(
    hourly: Sequence[NDArray[np.float32]],
    rates: dict[int, NDArray[np.float32]],
    now: datetime,
    motion: xr.Dataset,
    settings: Settings,
) -> Blending:
    """A model's run of hourly rain, shifted by 20 km, from an hour ago."""
    fine = np.stack([np.roll(rate, 40, axis=1) for rate in hourly])
    fields = (fine, coarsen_mean(fine, settings.grid.working_factor))
    specs = (settings.grid.working(), settings.grid.product())
    ends = np.array([to_numpy(now + timedelta(hours=h)) for h in range(-1, 5)])
    working, product = (
        dataset(field, ends, spec.coords()) for field, spec in zip(fields, specs, strict=True)
    )
    step = timedelta(minutes=settings.nowcast.step_min)
    of_frames = np.array([to_numpy(now + k * step) for k in sorted(rates)])
    analyses = dataset(np.stack([rates[k] for k in sorted(rates)]), of_frames, specs[0].coords())
    run = ModelRun("made.nc", Span(ends[0], ends[0], ends[-1]), working, product)
    return Blending(run, analyses, motion, None)


def dataset(
    rates: NDArray[np.float32], times: NDArray[np.datetime64], coords: dict[str, xr.DataArray]
) -> xr.Dataset:
    field = (("time", "y", "x"), rates, attrs("rainfall_rate"))
    return xr.Dataset({"rainfall_rate": field}, coords={"time": times, **coords})


def timed(make: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Least wall and CPU seconds."""
    wall, cpu = np.inf, np.inf
    for _ in range(repeats):
        began, used = time.perf_counter(), time.process_time()
        make()
        wall = min(wall, time.perf_counter() - began)
        cpu = min(cpu, time.process_time() - used)
    return wall, cpu


def peak_mb() -> float:
    """Most memory that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main(drill: str = "convective-line", repeats: str = "3") -> int:
    """Measure; 0 where it is fast and small enough."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        given = inputs_of(drill, root / "store")
        store = Store(given.settings.store)
        fast = store.part(cycle_name(given.time), "fast")

        def full(blending: Blending | None) -> None:
            made = store.find(cycle_name(given.time), "full")
            if made is not None:
                made.folder.rename(root / f"full-{time.monotonic_ns()}")
            log = StageLog(Console(quiet=True))
            of_cycle = given.rainfall, given.motion, blending, given.time, given.settings
            publish_full(fast, *of_cycle, log, nothing_learned(given.settings.nowcast))

        before = peak_mb()
        full(None)  # compiled
        wall, cpu = timed(lambda: full(None), int(repeats))
        mb = peak_mb() - before
        full(given.blending)
        with_model = timed(lambda: full(given.blending), int(repeats))
    of = given.settings.nowcast
    print(
        f"{drill}: {of.members} members x {of.leads} leads, {given.settings.grid.working().shape}"
    )
    print(f"full part:      {wall:6.2f} s wall {cpu:6.2f} s CPU, {mb:.0f} MB more than its inputs")
    print(f"with a model:   {with_model[0]:6.2f} s wall {with_model[1]:6.2f} s CPU")
    print(f"allowed:        {ALLOWED_WALL_S:6.2f} s wall on two cores, {ALLOWED_MB:.0f} MB")
    return int(wall > ALLOWED_WALL_S or mb > ALLOWED_MB)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
