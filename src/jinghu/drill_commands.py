"""What `jinghu drill` does, from its words to a script and its options."""

import math
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from jinghu.drill import DrillOptions, rewritten, run_drill
from jinghu.drill_report import report_json
from jinghu.drill_script import load_drill, named_drill
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import parse_time

AS_FAST_AS_POSSIBLE = "asap"


@dataclass(frozen=True, slots=True)
class DrillRequest:
    """What was asked for; None is the script's own."""

    name: str
    store: Path
    hours: float | None
    speed: str
    workers: int
    seed: int | None
    start: str | None
    port: int | None
    config: Path | None


def run_named(request: DrillRequest, console: Console) -> str:
    """Run a drill that is shipped, or of a file; returns its report as JSON.

    Raises
    ------
    ConfigError
        Where there is no such drill, or an option cannot be.
    """
    if request.name.endswith((".yaml", ".yml")):
        script = load_drill(Path(request.name))
    else:
        script = named_drill(request.name)
    start = None if request.start is None else parse_time(request.start)
    script = rewritten(script, hours=request.hours, seed=request.seed, start=start)
    options = DrillOptions(request.store, _speed(request.speed), request.workers, request.port)
    if request.config is not None:
        options = replace(options, config=request.config)
    return report_json(run_drill(script, options, console))


def _speed(text: str) -> float | None:
    """Times real time, None for as fast as possible."""
    if text == AS_FAST_AS_POSSIBLE:
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = math.nan
    if not 0.01 <= speed <= 10_000:
        raise ConfigError(f"--speed {text}: a number above 0, or {AS_FAST_AS_POSSIBLE}")
    return speed
