"""The embedded demonstration: the drill of the convective line, now, and then the viewer."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from jinghu.drill import DrillOptions, rewritten, run_drill
from jinghu.drill_play import STEP
from jinghu.drill_script import named_drill
from jinghu.grid.times import floor_time

_DRILL = "convective-line"


def run_demo(store: Path, hours: float, console: Console, port: int | None) -> None:
    """Run the drill as if it ended now: with the viewer, its last frame is the present.

    Parameters
    ----------
    store
        Folder of inputs and products; cleared where it holds an earlier drill.
    hours
        Length of the event.
    console
        Where progress is shown.
    port
        Port of the viewer, which stays open at the end; None ends the demo after the last cycle.

    Raises
    ------
    ConfigError
        Where the folder holds something else, the length is impossible, or the port is taken.
    """
    script = rewritten(named_drill(_DRILL), hours=hours)
    start = floor_time(datetime.now(UTC), STEP) - timedelta(hours=script.hours)
    options = DrillOptions(store, port=port, compile_first=True)
    run_drill(rewritten(script, start=start), options, console)
