"""The commands about the warnings database itself."""

from typing import Annotated

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, emit

database_app = typer.Typer(help="The warnings database.", no_args_is_help=True)


@database_app.command("move")
def move(
    old: Annotated[str, typer.Argument(help="Its address until now: sqlite:////path/warnings.db")],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Copy a database into the empty one that the settings name; stop everything that writes."""
    from jinghu.configs.settings import load
    from jinghu.database_commands import move_database

    moved = move_database(old, load(config))
    if as_json:
        emit(moved)
    else:
        typer.echo(f"{sum(moved.values())} rows of {len(moved)} tables; the audit is whole")
