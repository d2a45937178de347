"""The commands of drills: thin shells; what they run is imported when they run."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from jinghu.cli_parts import JsonOption, console, emit

drill_app = typer.Typer(help="Exercises: events with a known truth.", no_args_is_help=True)


@drill_app.command("list")
def drill_list(as_json: JsonOption = False) -> None:
    """List the drills that are shipped."""
    from jinghu.drill_script import shipped_drills

    found = shipped_drills()
    if as_json:
        names = {"name", "title_zh", "title_en", "hours", "seed", "start"}
        emit([script.model_dump(mode="json", include=names) for script in found])
        return
    for script in found:
        typer.echo(f"{script.name:<16} {script.hours:g} h  {script.title_zh}  {script.title_en}")


@drill_app.command("run")
def drill_run(
    name: Annotated[str, typer.Argument(help="Name of a drill, or a script (YAML).")],
    store: Annotated[Path, typer.Option(help="Store folder.")] = Path("drill-store"),
    hours: Annotated[float | None, typer.Option(help="Length; the script's by default.")] = None,
    speed: Annotated[
        str, typer.Option(help="Times real time, or asap: as fast as possible.")
    ] = "asap",
    workers: Annotated[int, typer.Option(help="Threads that scan.", min=1, max=64)] = 2,
    seed: Annotated[int | None, typer.Option(help="Seed; the script's by default.")] = None,
    start: Annotated[
        str | None, typer.Option(help="Start, ISO 8601; the script's by default.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Keep the viewer open on this port.")] = None,
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="Settings of the office that exercises.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run a drill through the whole chain and report on it."""
    from jinghu.beside import import_beside

    import_beside()
    from jinghu.drill_commands import DrillRequest, run_named

    request = DrillRequest(name, store, hours, speed, workers, seed, start, port, config)
    report = run_named(request, console())
    if as_json:
        sys.stdout.write(report)
