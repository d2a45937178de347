"""The command that prints what stands in a unit."""

from pathlib import Path
from typing import Annotated

import typer

from jinghu.cli_parts import ConfigOption


def bulletin(
    config: ConfigOption,
    out: Annotated[Path, typer.Option(help="PDF file to write.")],
    unit: Annotated[
        list[str] | None,
        typer.Option(help="County (6 digits), town (9) or village (12); all counties where none."),
    ] = None,
    names: Annotated[
        str, typer.Option(help="How people are named: none, masked or full.")
    ] = "masked",
) -> None:
    """Write bulletins for print, a page a unit: what stands, who is responsible, who answered."""
    from jinghu.bulletin_commands import write_bulletins
    from jinghu.configs.settings import load
    from jinghu.warnings.bulletin import Names

    if names not in list(Names):
        raise typer.BadParameter(f"{names!r} is none of {', '.join(Names)}", param_hint="--names")
    pages = write_bulletins(load(config), unit or [], Names(names), out)
    typer.echo(f"{out}: {pages} page{'' if pages == 1 else 's'}")
