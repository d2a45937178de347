"""The command that exports flows: a thin shell; what it runs is imported when it runs."""

from pathlib import Path
from typing import Annotated

import typer

from jinghu.api.export_schemas import ExportFormat, ExportRequest
from jinghu.cli_parts import ConfigOption


def export(
    config: ConfigOption,
    out: Annotated[Path, typer.Option(help="File to write.")],
    file_format: Annotated[
        ExportFormat,
        typer.Option(
            "--format",
            help="csv; netcdf (CF); pi-xml (Delft-FEWS); sl323 (forecast tables, ZIP of CSV).",
        ),
    ] = ExportFormat.CSV,
    cycle: Annotated[str | None, typer.Option(help="As 20190809T1630Z; the newest else.")] = None,
    gauge: Annotated[
        list[str] | None, typer.Option(help="Gauge by name, code or number; may be repeated.")
    ] = None,
    reservoir: Annotated[
        list[str] | None, typer.Option(help="Reservoir by id or name; may be repeated.")
    ] = None,
    members: Annotated[
        bool, typer.Option("--members", help="Run the flood model for the members of the rain.")
    ] = False,
) -> None:
    """Export flows at gauges and reservoirs, and the rain over their catchments."""
    from jinghu.configs.settings import load
    from jinghu.exports import export_flows

    wanted = ExportRequest(file_format, cycle, tuple(gauge or ()), tuple(reservoir or ()), members)
    out.write_bytes(export_flows(wanted, load(config)).content)
