"""The command of verification: a thin shell; what it runs is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from jinghu.cli_parts import JsonOption, console, emit
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import parse_time


def verify(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FORECAST... OBS",
            help="Forecasts (files, folders, stores; NAME=PATH names a system), then observations"
            " (rainfall_rate(time, y, x), or a store).",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the report.")] = None,
    store: Annotated[
        Path | None, typer.Option(help="Instead of files: the scoreboard of a store.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="From, ISO 8601.")] = None,
    end: Annotated[str | None, typer.Option(help="Until, ISO 8601.")] = None,
    threshold: Annotated[
        list[float] | None, typer.Option(help="Rate of an event, mm/h; may be repeated.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Score forecasts against observations: tables, charts, an HTML report."""
    period = [None if t is None else parse_time(t) for t in (start, end)]
    if store is not None:
        if inputs or threshold:
            raise ConfigError("--store reads the scores that cycles left: no files, no --threshold")
        from jinghu.scoreboard_commands import print_table, scoreboard_report

        report = scoreboard_report(store, period[0], period[1], out)
        if as_json:
            emit(report)
        else:
            print_table(report)
        return
    if not inputs or len(inputs) < 2:
        raise ConfigError("verify: wanted FORECAST and OBS, or --store")
    if out is None:
        raise ConfigError("verify: wanted --out, the folder of the report")
    from jinghu.verify_commands import VerifyRequest, verify_files

    *forecasts, observed = inputs
    request = VerifyRequest(forecasts, Path(observed), out, threshold or (), *period)
    summary = verify_files(request, console())
    if as_json:
        emit(summary)
    else:
        console().print(f"{out / 'report.html'}", highlight=False)
