"""Commands about people: who is told."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, emit

if TYPE_CHECKING:
    from jinghu.warnings.reconcile import ImportPlan

audience_app = typer.Typer(help="Recipients.", no_args_is_help=True)
_SHOWN = 50  # lines of each kind on a screen; --json has all


@audience_app.command("import")
def audience_import(
    file: Annotated[Path, typer.Argument(help="Table of people: CSV, XLSX or GeoJSON.")],
    frame: Annotated[str, typer.Option(help="WGS-84, CGCS2000, GCJ-02 or BD-09.")],
    config: ConfigOption,
    complete: Annotated[
        bool, typer.Option("--complete", help="Everybody is in the table: remove all others.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change; change nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import recipients as a whole; says what changed, and lists the rows that were refused."""
    from jinghu.configs.settings import load
    from jinghu.people import ImportOptions, import_people
    from jinghu.warnings.reconcile import Absent

    options = ImportOptions(frame, Absent.REMOVE if complete else Absent.KEEP, dry_run)
    plan = import_people(file, options, load(config), datetime.now(UTC))
    if as_json:
        emit(
            {
                "counts": plan.counts(),
                "changes": [{"person": c.person, "what": list(c.what)} for c in plan.changes],
                "refused": [
                    {"place": b.place, "person": b.person, "cause": b.cause} for b in plan.bad
                ],
                "applied": not dry_run,
            }
        )
        return
    _print_import(plan, dry_run)


def _print_import(plan: "ImportPlan", dry_run: bool) -> None:
    from jinghu.warnings.reconcile import Change

    counts = plan.counts()
    done = "试运行，未写入 dry run, nothing was changed: " if dry_run else ""
    typer.echo(f"{done}{plan.imported} imported, {counts['refused']} refused")
    for kind in Change:
        if counts[kind.value]:
            typer.echo(f"  {kind.zh} {kind.value}: {counts[kind.value]}")
    typer.echo(f"  不变 unchanged: {counts['unchanged']}")
    for bad in plan.bad[:_SHOWN]:
        typer.echo(f"  拒收 refused {bad}")
    if len(plan.bad) > _SHOWN:
        typer.echo(f"  ... {len(plan.bad) - _SHOWN} more refused: --json lists all")


@audience_app.command("match")
def audience_match(
    alert: Annotated[str, typer.Option(help="Identifier of the alert.")],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Count the recipients in the cells of an alert, by role and level."""
    from jinghu.configs.settings import load
    from jinghu.warning_commands import match_audience

    found = match_audience(alert, load(config))
    if as_json:
        emit(found)
        return
    typer.echo(f"{found['alert']}: {found['recipients']} recipients in {found['cells']} cells")
    for name, n in (found["roles"] | found["levels"]).items():
        typer.echo(f"  {name}: {n}")
