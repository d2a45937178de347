"""Commands about API keys."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, emit

keys_app = typer.Typer(help="API keys.", no_args_is_help=True)


@keys_app.command("create")
def keys_create(
    name: Annotated[str, typer.Argument(help="Who holds it.")],
    scope: Annotated[
        str,
        typer.Option(help="viewer, water, duty, forecaster, approver, admin or auditor."),
    ],
    config: ConfigOption,
    unit: Annotated[
        str, typer.Option(help="Code of the unit it is for, and those below; the city else.")
    ] = "",
    days: Annotated[int, typer.Option(min=1, help="How long it is good for.")] = 365,
    drill: Annotated[bool, typer.Option("--drill", help="For drills alone.")] = False,
) -> None:
    """Make a key; it is printed once and cannot be told again."""
    from jinghu.configs.settings import load
    from jinghu.keyring import make_key, parse_scope
    from jinghu.warnings.keys import NewKey
    from jinghu.warnings.purposes import Purpose

    now = datetime.now(UTC)
    purpose = Purpose.DRILL if drill else Purpose.PRODUCTION
    wanted = NewKey(name, parse_scope(scope), unit, purpose, now + timedelta(days=days))
    made, token = make_key(wanted, load(config), now)
    typer.echo(token)
    typer.echo(
        f"{made.scope.zh} {made.scope}, unit {made.unit or 'all'}, until {made.expires_at}",
        err=True,
    )


@keys_app.command("list")
def keys_list(config: ConfigOption, as_json: JsonOption = False) -> None:
    """List the keys by their first characters."""
    from jinghu.configs.settings import load
    from jinghu.keyring import keys_of

    found = keys_of(load(config))
    if as_json:
        emit([asdict(key) for key in found])
        return
    for key in found:
        state = f"revoked {key.revoked_at}" if key.revoked_at else f"until {key.expires_at}"
        typer.echo(
            f"{key.prefix}\t{key.name}\t{key.scope.zh} {key.scope}\t{key.unit or '-'}\t{state}"
        )


@keys_app.command("revoke")
def keys_revoke(
    prefix: Annotated[str, typer.Argument(help="First characters of the key, as listed.")],
    config: ConfigOption,
) -> None:
    """End a key at once."""
    from jinghu.configs.settings import load
    from jinghu.keyring import end_key

    typer.echo(f"{end_key(prefix, load(config), datetime.now(UTC)).prefix} revoked")
