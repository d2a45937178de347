"""Commands about the audit."""

from dataclasses import asdict
from datetime import UTC, datetime

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, emit

audit_app = typer.Typer(help="The audit: who did what.", no_args_is_help=True)


@audit_app.command("verify")
def audit_verify(config: ConfigOption, as_json: JsonOption = False) -> None:
    """Check the chain and its anchors; names the first entry that is not as it was written."""
    from jinghu.auditing import verify_audit_of
    from jinghu.configs.settings import load

    found = verify_audit_of(load(config))
    if as_json:
        emit(asdict(found))
    elif found.broken is None:
        typer.echo(f"完整 whole: {found.entries} entries, {found.anchors} anchors")
        typer.echo(f"  newest {found.head}")
    else:
        typer.echo(f"已被改动 broken: entry {found.broken.seq} {found.broken.cause}")
        typer.echo(f"  {found.entries} entries before it are as they were written")
    if found.broken is not None:
        raise typer.Exit(1)


@audit_app.command("anchor")
def audit_anchor(config: ConfigOption) -> None:
    """Write down what the newest entry is; every cycle does it too."""
    from jinghu.auditing import anchor_audit_of
    from jinghu.configs.settings import load

    found = anchor_audit_of(load(config), datetime.now(UTC))
    typer.echo("nothing new" if found is None else f"entry {found.seq} {found.hash}")
