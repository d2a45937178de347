"""The commands of second persons: thin shells; what they run is imported when they run."""

from pathlib import Path
from typing import Annotated

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, emit

proposals_app = typer.Typer(
    help="Steps of warnings that wait for a second person.", no_args_is_help=True
)

Number = Annotated[int, typer.Argument(help="Number of the proposal.")]
KeyOption = Annotated[
    Path | None, typer.Option(help="File with the API key; the variable JINGHU_KEY else.")
]


@proposals_app.command("list")
def proposals_list(
    config: ConfigOption,
    every: Annotated[bool, typer.Option("--all", help="Also those that were answered.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List what waits for a second person now."""
    from jinghu.proposal_commands import proposals_of

    found = proposals_of(config, waiting=not every)
    if as_json:
        emit(found)
        return
    for one in found:
        typer.echo(
            f"{one['proposal']}: {one['state']} {one['hazard']} {one['county']} {one['place']}"
            f" {one['step']} {one['level']}, {one['cells']} cells, by {one['proposed_by']}"
            f" {one['reason']}; {one['otherwise']} at {one['due_at']}"
        )


@proposals_app.command("approve")
def proposals_approve(
    number: Number,
    config: ConfigOption,
    key_file: KeyOption = None,
    reason: Annotated[str, typer.Option(help="What is said with it.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Agree with a step, which is done at once; whoever proposed it cannot."""
    from jinghu.proposal_commands import answer_proposal

    _said(answer_proposal(number, config, key_file, reason, approved=True), as_json=as_json)


@proposals_app.command("reject")
def proposals_reject(
    number: Number,
    config: ConfigOption,
    reason: Annotated[str, typer.Option(help="Why.")],
    key_file: KeyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Refuse a step; it is not proposed again for as long as the rule table says."""
    from jinghu.proposal_commands import answer_proposal

    _said(answer_proposal(number, config, key_file, reason, approved=False), as_json=as_json)


def _said(done: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        emit(done)
    else:
        typer.echo(f"proposal {done['proposal']}: warnings {done['warnings']}")
