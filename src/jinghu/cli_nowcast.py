"""Command line: nowcasts of sequences, and sequences from composites."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from jinghu.cli_parts import JsonOption
from jinghu.cli_parts import emit as _emit


def nowcast(
    source: Annotated[Path, typer.Argument(help="rainfall_rate(time, y, x).")],
    out: Annotated[Path, typer.Option(help="NetCDF to write.")],
    method: Annotated[str, typer.Option(help="extrapolation, sprog or steps.")] = "extrapolation",
    engine: Annotated[str, typer.Option(help="jinghu or pysteps.")] = "jinghu",
    members: Annotated[
        int | None, typer.Option(help="Members of steps; 24 by default.", min=1)
    ] = None,
    leads: Annotated[int, typer.Option(help="Number of lead times.")] = 30,
    step: Annotated[
        float | None, typer.Option(help="Minutes between lead times; the sequence's by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of steps; 0 by default.", min=0)] = None,
    workers: Annotated[int, typer.Option(help="Threads that make members.", min=1, max=64)] = 2,
    arrival: Annotated[
        float | None, typer.Option(help="Also when this rate in mm/h is first reached.")
    ] = None,
    cells: Annotated[
        Path | None, typer.Option(help="Also storm cells and their tracks: GeoJSON to write.")
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(help="NetCDF of a numerical model's rain to blend with, to 6-12 h ahead."),
    ] = None,
    model_state: Annotated[
        Path | None, typer.Option(help="What the model was worth lately: read, then written.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Nowcast any sequence of rain rates."""
    from jinghu.nowcast_commands import NowcastRequest, nowcast_file

    request = NowcastRequest(
        source=source,
        out=out,
        method=method,
        engine=engine,
        leads=leads,
        step_min=step,
        members=members,
        seed=seed,
        workers=workers,
        arrival_mm_h=arrival,
        cells=cells,
        model=model,
        model_state=model_state,
    )
    summary = nowcast_file(request)
    if as_json:
        _emit(summary)


def composite(
    sources: Annotated[list[Path], typer.Argument(help="CMA composites (CREF), or folders.")],
    out: Annotated[Path, typer.Option(help="NetCDF to write: rainfall_rate(time, y, x).")],
    config: Annotated[
        Path | None, typer.Option("-c", "--config", help="Its working grid; Zhejiang else.")
    ] = None,
    spacing: Annotated[float, typer.Option(help="Cells of the grid over Zhejiang, m.")] = 1000.0,
    as_json: JsonOption = False,
) -> None:
    """Rain sequence from national composites of reflectivity."""
    from jinghu.composite_commands import CompositeRequest, composite_files

    summary = composite_files(CompositeRequest(sources, out, config, spacing))
    for refused in summary["refused"]:
        print(f"refused: {refused['file']}: {refused['cause']}", file=sys.stderr)
    if as_json:
        _emit(summary)
