"""The commands about rules: thin shells; what they run is imported when they run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, console, emit

rules_app = typer.Typer(help="Rule tables.", no_args_is_help=True)
_SHARED = ("by_level", "by_hazard", "by_action", "cells_by_level", "people_by_level")


@rules_app.callback()
def rules() -> None:
    """Keep `try` a command of its own, though it is the only one."""


@rules_app.command("try")
def rules_try(
    table: Annotated[Path, typer.Argument(help="Changed table, of rain or of rivers.")],
    config: ConfigOption,
    store: Annotated[Path | None, typer.Option(help="Store folder.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First cycle, ISO 8601.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="Last cycle, ISO 8601.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a changed table would have issued over past cycles; nothing is touched."""
    from jinghu.configs.settings import load
    from jinghu.grid.times import parse_time
    from jinghu.rules_try import try_table

    first, last = (None if text is None else parse_time(text) for text in (start, end))
    found = try_table(table, load(config).with_store(store), first, last, console())
    if as_json:
        emit(found)
        return
    typer.echo(f"{found['from']} .. {found['to']}: {found['cycles']} cycles")
    typer.echo(f"{'':<28}{'将发布 would':>14}{'已发布 issued':>14}")
    for name, would, issued in _rows(found["would"], found["issued"]):
        typer.echo(f"{name:<28}{would:>16}{issued:>16}")
    for note in found["notes"]:
        typer.echo(f"  {note}")


def _rows(would: Mapping[str, Any], issued: Mapping[str, Any] | None) -> list[tuple[str, str, str]]:
    """Name, and the numbers of both sides; a dash where there is no database to compare with."""
    rows = []
    for name in ("messages", "cells", "people", "told"):
        rows.append((name, str(would[name]), "-" if issued is None else str(issued[name])))
    for group in _SHARED:
        of_issued = {} if issued is None else issued[group]
        for name in sorted({*would[group], *of_issued}):
            past = "-" if issued is None else str(of_issued.get(name, 0))
            rows.append((f"{group.replace('_', ' ')} {name}", str(would[group].get(name, 0)), past))
    return rows
