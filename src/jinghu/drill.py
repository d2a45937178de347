"""A drill from its script to its report; `jinghu demo` is one of them."""

import base64
import secrets
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import xarray as xr
from rich.console import Console

from jinghu.api.serve import listen
from jinghu.compiling import compiling
from jinghu.configs.settings import CONFIGS, load
from jinghu.drill_debrief import report_html
from jinghu.drill_inputs import Truth, cycle_times, make_observers, make_truth
from jinghu.drill_play import (
    STEP,
    Pace,
    drill_settings,
    play,
    prepare,
    wait,
    with_gauges,
    write_audience,
)
from jinghu.drill_report import DrillResult, report_json, timing_json
from jinghu.drill_results import AFTER_ANALYSIS, evaluate
from jinghu.drill_script import DrillScript
from jinghu.drill_world import WorldParams
from jinghu.grid import durable
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import floor_time, isoformat
from jinghu.keyring import drill_key
from jinghu.public_process import simulated_public
from jinghu.service_process import service
from jinghu.simulated_public import Behaviour

_HOUR = timedelta(hours=1)
_LONGEST_H = 24.0
_PACKED = {"zlib": True, "complevel": 3}


@dataclass(frozen=True, slots=True)
class DrillOptions:
    """How a drill is run.

    Parameters
    ----------
    store
        Folder of inputs, products and report; cleared where it holds an earlier drill.
    speed
        So many times as fast as real time; as fast as possible where None.
    workers
        Threads that scan; they change nothing but the time it takes.
    port
        Of the viewer, which stays open at the end; None ends with the report.
    config
        Settings of the office that exercises: its grid, city, rules. Inputs, store, audience and
        receivers are the drill's own.
    world
        How many people there are.
    compile_first
        Compile all kernels while the world is made, in a process of its own.
    """

    store: Path
    speed: float | None = None
    workers: int = 2
    port: int | None = None
    config: Path = CONFIGS / "demo.yaml"
    world: WorldParams = field(default_factory=WorldParams)
    compile_first: bool = False


def rewritten(
    script: DrillScript,
    *,
    hours: float | None = None,
    seed: int | None = None,
    start: datetime | None = None,
) -> DrillScript:
    """Return a script with another length, seed or start; what falls behind its end is left out.

    Raises
    ------
    ConfigError
        Where the length is impossible.
    """
    changes: dict[str, object] = {}
    if hours is not None:
        if not 0.1 <= hours <= _LONGEST_H:
            raise ConfigError(f"--hours {hours:g}: from 0.1 to {_LONGEST_H:g} can be simulated")
        changes["hours"] = round(hours * _HOUR / STEP) * (STEP / _HOUR)
    if seed is not None:
        if seed < 0:
            raise ConfigError(f"--seed {seed}: not a natural number")
        changes["seed"] = seed
    if start is not None:
        if floor_time(start, STEP) != start:
            raise ConfigError(f"--start {isoformat(start)}: not a multiple of {STEP}")
        changes["start"] = start
    return script.model_copy(update=changes)


def run_drill(script: DrillScript, options: DrillOptions, console: Console) -> DrillResult:
    """Simulate an event, run a real cycle every six minutes of it, and report.

    Parameters
    ----------
    script
        What happens.
    options
        How it is run.
    console
        Where progress is shown.

    Raises
    ------
    ConfigError
        Where the folder holds something else, the drill ends in the future though it is to run
        at once, or the port is taken.
    """
    times = cycle_times(script, STEP)
    if options.speed is None and times[-1] + AFTER_ANALYSIS > datetime.now(UTC) + STEP:
        raise ConfigError(
            f"drill {script.name}: ends at {isoformat(times[-1])}, in the future; name an earlier"
            " --start, or --speed 1"
        )
    prepare(options.store)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
    with (
        compiling(console) if options.compile_first else nullcontext() as kernels,
        listen("::", options.port or 0) as listening,
        simulated_public(
            secret, options.store / "deliveries.jsonl", Behaviour(seed=script.seed)
        ) as public,
    ):
        address = f"http://localhost:{listening.getsockname()[1]}"
        settings = drill_settings(load(options.config), options.store, script, address, public)
        with service(settings, public.clock, listening) as serving:
            if options.port is not None:
                console.print(f"镜湖 Jinghu: {address}/", highlight=False)
            truth = make_truth(script, settings, STEP, options.world)
            settings = with_gauges(settings, truth.watched.rivers)
            write_audience(truth.world.recipients, options.store)
            folder = options.store / "incoming"
            observers = make_observers(script, settings, truth, folder, options.workers)

            def ready() -> None:
                if kernels is not None:
                    kernels.wait()
                serving.require_alive()

            pace = Pace(options.speed)
            cycles = play(observers, times, settings, public, pace, console, ready)
            result = evaluate(script, truth, settings, times, cycles)
            report, heard = write_report(result, script, truth, options.store), public.heard()
            console.print(
                f"{heard.received} messages received, {heard.answered} answered; report: {report}",
                highlight=False,
            )
            if options.port is not None:
                key = drill_key(settings, datetime.now(UTC))
                console.print(
                    f"登录密钥，可推演调度、发布演练预警 key to sign in with, for what-ifs and"
                    f" exercise warnings: {key}",
                    highlight=False,
                )
                console.print(f"镜湖 Jinghu: {address}/  (Ctrl-C ends)", highlight=False)
                wait(serving)
    return result


def write_report(result: DrillResult, script: DrillScript, truth: Truth, store: Path) -> Path:
    """Write the report, the script and the truth into the store; returns the page's path."""
    folder = store / "drill"
    for name, content in (
        ("script.json", script.model_dump_json(indent=2) + "\n"),
        ("report.json", report_json(result)),
        ("timing.json", timing_json(result)),
        ("report.html", report_html(result)),
    ):
        durable.write_atomic(folder / name, content.encode("utf-8"))
    _write_truth(truth.amounts, folder / "true_rain.nc")
    _write_truth(truth.flows, folder / "true_flows.nc")
    return folder / "report.html"


def _write_truth(dataset: xr.Dataset, path: Path) -> None:
    floats = [name for name, v in dataset.data_vars.items() if v.dtype.kind == "f"]
    dataset.to_netcdf(path, engine="netcdf4", encoding={name: _PACKED for name in floats})
