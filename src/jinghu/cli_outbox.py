"""Commands about messages that could not be delivered, and channels whose receiver is gone."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, emit

outbox_app = typer.Typer(help="Messages that could not be delivered.", no_args_is_help=True)


@outbox_app.command("dead")
def outbox_dead(config: ConfigOption, as_json: JsonOption = False) -> None:
    """List dead letters with their last cause, by person; and channels that are disabled."""
    from jinghu.configs.settings import load
    from jinghu.outbox_commands import dead_letters

    found = dead_letters(load(config))
    if as_json:
        emit(found)
        return
    for name, cause in found["disabled"].items():
        typer.echo(f"channel {name} is disabled: {cause}")
    for letter in found["dead"]:
        typer.echo(
            f"{letter['at']} {letter['channel']} {letter['level']} {letter['person']}"
            f" {letter['message_id']}: {letter['cause']}"
        )
    typer.echo(f"{len(found['dead'])} dead letters, {found['waiting']} messages waiting")


@outbox_app.command("retry")
def outbox_retry(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Queue dead letters of warnings still in force again, under the same ids."""
    from jinghu.configs.settings import load
    from jinghu.outbox_commands import retry_dead

    found = {"queued": retry_dead(load(config), datetime.now(UTC))}
    emit(found) if as_json else typer.echo(f"{found['queued']} dead letters are queued again")


@outbox_app.command("enable")
def outbox_enable(
    channel: Annotated[str, typer.Argument(help="Name of the channel.")], config: ConfigOption
) -> None:
    """Use a channel again whose receiver was gone (HTTP 410)."""
    from jinghu.configs.settings import load
    from jinghu.outbox_commands import enable_channel

    enable_channel(channel, load(config), datetime.now(UTC))
    typer.echo(f"channel {channel} is enabled")


def deliver(
    config: ConfigOption,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on until stopped, looking every half second.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Deliver what is due; several workers may share the work."""
    from jinghu.configs.settings import load
    from jinghu.outbox_commands import deliver_due

    for found in deliver_due(load(config), watch):
        if watch and not (found["sent"] or found["faults"]):
            continue
        if as_json:
            emit(found)
        else:
            typer.echo(", ".join(f"{name} {value}" for name, value in found.items()))
