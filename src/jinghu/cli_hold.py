"""The commands of forecasters' holds: thin shells; what they run is imported when they run."""

from typing import Annotated

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, emit

hold_app = typer.Typer(help="Decisions of forecasters against the rules.", no_args_is_help=True)


@hold_app.command("set")
def hold_set(
    config: ConfigOption,
    hazard: Annotated[
        str, typer.Option(help="rainstorm, mountain_torrent, river_flood, reservoir.")
    ],
    county: Annotated[str, typer.Option(help="6-digit code.")],
    reason: Annotated[str, typer.Option(help="Why; it stands in the messages.")],
    author: Annotated[str, typer.Option(help="Who decides.")],
    until: Annotated[str, typer.Option(help="Its end, ISO 8601, at most a day away.")],
    kind: Annotated[str, typer.Option(help="keep, at_least or at_most.")] = "keep",
    level: Annotated[str, typer.Option(help="none, blue, yellow, orange or red.")] = "none",
    place: Annotated[str, typer.Option(help="Key of the gauge or reservoir.")] = "",
    cells: Annotated[
        str, typer.Option(help="Cells that at_least raises, with commas; all of the matter else.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Keep, raise, lower or end the warnings of a county, gauge or reservoir, from now on."""
    from jinghu.hold_commands import HoldRequest, set_hold

    request = HoldRequest(hazard, county, place, kind, level, reason, author, until, cells)
    done = set_hold(request, config)
    if as_json:
        emit(done)
    else:
        typer.echo(f"hold {done['hold']}: warnings {done['warnings']}, waiting {done['proposals']}")


@hold_app.command("list")
def hold_list(config: ConfigOption, as_json: JsonOption = False) -> None:
    """List the holds that count now."""
    from jinghu.hold_commands import list_holds

    found = list_holds(config)
    if as_json:
        emit(found)
        return
    for one in found:
        typer.echo(
            f"{one['hold']}: {one['hazard']} {one['county']} {one['place']} {one['kind']}"
            f" {one['level']} until {one['until']}, {one['author']}: {one['reason']}"
        )


@hold_app.command("end")
def hold_end(
    number: Annotated[int, typer.Argument(help="Number of the hold.")],
    config: ConfigOption,
    author: Annotated[str, typer.Option(help="Who ends it.")],
    reason: Annotated[str, typer.Option(help="Why.")],
) -> None:
    """End a hold before its time."""
    from jinghu.hold_commands import stop_hold

    stop_hold(number, author, reason, config)
