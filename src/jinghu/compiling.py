"""Compiling all kernels beforehand, so that no cycle is late because it is the first.

What compiles them is what runs them: two small cycles of a simulated storm, thrown away.
"""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
from rich.console import Console

from jinghu.beside import beside
from jinghu.configs.settings import CONFIGS, GridSettings, Settings, load
from jinghu.cycle import CycleInputs, run_cycle
from jinghu.grid.errors import JinghuError
from jinghu.nowcast.ensemble import EnsembleParams, ensemble
from jinghu.nowcast.motion import dense_motion
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.simulate import make_network, scan_all, write_volume
from jinghu.simulate_gauges import make_gauges, write_reports
from jinghu.storm import StormParams, make_storm

_TIME = datetime(2026, 6, 20, 6, 12, tzinfo=UTC)
_STEP = timedelta(minutes=6)
_HOUR = timedelta(hours=1)
_RADARS = ("ZSIM1", "ZSIM3")  # one of each band
_GRID = GridSettings(x0_m=535_000.0, y0_m=3_240_000.0, nx=40, ny=40)  # the head of the Cao'e
_BOX = (120.4, 29.3, 121.2, 30.0)  # and in degrees: west, south, east, north
_GAUGES = 60
_MEMBERS = 4
_SEED = 7


class Kernels:
    """Kernels that processes of their own are compiling; the compiler takes one core a process.

    One process runs cycles of radars; the other makes an ensemble of bare fields, then runs cycles
    of gauges and rivers with theirs. What one comes to late the other has compiled by then, and it
    is found in the cache; so are the rivers' kernels of a world that is made meanwhile, which is
    why the rivers come last.
    """

    def __init__(self, console: Console, running: ExitStack) -> None:
        self._console = console
        tasks = (partial(run_cycles, _RADARS), _forecast_and_run)
        self._processes = [
            running.enter_context(beside("compiling", _compile, task)) for task in tasks
        ]

    def wait(self) -> None:
        """Wait until all are compiled.

        Raises
        ------
        JinghuError
            Where a process failed; it names the cause.
        """
        if not all(one.line.poll() for one in self._processes):
            self._console.print(
                "等待计算核心，首次运行须编译 waiting for the kernels: a first run compiles them"
            )
        for one in self._processes:
            try:
                one.receive()
            except Exception as error:
                raise JinghuError(f"compiling the kernels failed: {error!r}") from error


@contextmanager
def compiling(console: Console) -> Iterator[Kernels]:
    """Compile all kernels while the block runs."""
    with ExitStack() as running:
        yield Kernels(console, running)


def _compile(line: Connection, task: Callable[[], None]) -> None:
    """Run a task and say that it is done."""
    task()
    line.send(None)


def _forecast_and_run() -> None:
    forecast_fields()
    run_cycles(())


def run_cycles(radars: Sequence[str]) -> None:
    """Run two cycles in a temporary folder, with a full part where there are no radars.

    Raises
    ------
    JinghuError
        Where a cycle cannot run: it would not in earnest.
    """
    with tempfile.TemporaryDirectory(prefix="jinghu-") as folder:
        settings = _settings(Path(folder), 0 if radars else _MEMBERS)
        stations = _write_inputs(settings, Path(folder), radars)
        for time in (_TIME, _TIME + _STEP):
            inputs = CycleInputs(time, time, [settings.inputs.radar], [stations])
            run_cycle(settings, inputs, Console(quiet=True))


def forecast_fields() -> None:
    """Find the motion of a moving field and draw members of it: what a nowcast compiles most of."""
    spec, wave_m, moved_m = _GRID.working(), 30_000.0, 4_000.0
    x, y = np.meshgrid(*(np.arange(n) * spec.spacing_m for n in (spec.nx, spec.ny)))
    waves = [np.sin((x - k * moved_m) / wave_m) * np.sin(y / wave_m) for k in range(3)]
    rates = np.maximum(20.0 * np.stack(waves), 0.0).astype(np.float32)
    motion = dense_motion(rates, spec.spacing_m, _STEP.total_seconds())
    params = EnsembleParams(
        members=_MEMBERS, leads=2, cell_km=spec.spacing_m / 1e3, step_min=6.0, node_cells=8
    )
    for _ in ensemble(rates, motion, params, _SEED, 2):
        pass


def _settings(folder: Path, members: int) -> Settings:
    """Settings of a small grid, with nobody to be told."""
    settings = load(CONFIGS / "demo.yaml").with_store(folder / "store")
    inputs = settings.inputs.model_copy(update={"radar": folder / "radar"})
    nowcast = settings.nowcast.model_copy(update={"members": members, "full_every_min": 1})
    changes = {"grid": _GRID, "inputs": inputs, "nowcast": nowcast}
    return settings.model_copy(update=changes)


def _write_inputs(settings: Settings, folder: Path, radars: Sequence[str]) -> Path:
    """Write volumes of two scans a cycle and an hour of gauge reports; returns their file."""
    spec = settings.grid.product()
    storm = make_storm(spec, _TIME - 2 * _HOUR, 4 * _HOUR, _SEED, StormParams())
    random = np.random.default_rng(_SEED)
    sites = load_sites(settings.inputs.sites)
    network = make_network([sites[code] for code in radars], _SEED)
    drops = make_drops(storm.motion(), DropParams(), random)
    for name in ("radar", "stations"):
        (folder / name).mkdir()
    for ready in (_TIME - _STEP, _TIME, _TIME + _STEP) if radars else ():
        for volume in scan_all(storm, drops, spec, network, ready):
            write_volume(volume, folder / "radar")
    gauges = make_gauges(_BOX, _GAUGES, random)
    hour_end = _TIME.replace(minute=0)
    return write_reports(storm, spec, gauges, hour_end, folder / "stations", random)
