"""Commands about people: who is told."""

import sys
from dataclasses import asdict
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


@audience_app.command("list")
def audience_list(
    config: ConfigOption,
    unit: Annotated[
        str | None, typer.Option(help="Code of a unit: it and what is below it.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List recipients; numbers are masked."""
    from jinghu.configs.settings import load
    from jinghu.people import people_of

    found = people_of(load(config), unit)
    if as_json:
        emit([asdict(person) for person in found])
        return
    for p in found:
        typer.echo(f"{p.person}\t{p.name}\t{p.role.zh}\t{p.unit_name}\t{p.phone or '-'}")


@audience_app.command("forget")
def audience_forget(
    config: ConfigOption,
    days: Annotated[
        int | None, typer.Option(help="How long to remember; warnings.personal_data_days else.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Remove names, words, positions and photographs of what ended long ago; it is in the audit."""
    from jinghu.configs.settings import load
    from jinghu.people import forget_people

    done = asdict(forget_people(load(config), days, datetime.now(UTC)))
    if as_json:
        emit(done)
        return
    typer.echo("已清除 removed: " + ", ".join(f"{n} {name}" for name, n in done.items()))


@audience_app.command("shifts")
def audience_shifts(
    file: Annotated[Path, typer.Argument(help="Duty roster: CSV or XLSX.")],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Add the shifts of a duty roster; lists the rows that were refused."""
    from jinghu.configs.settings import load
    from jinghu.people import take_shifts

    done = take_shifts(file, load(config), datetime.now(UTC))
    if as_json:
        emit({"shifts": list(done.shifts), "refused": [asdict(bad) for bad in done.bad]})
        return
    typer.echo(f"{len(done.shifts)} shifts, {len(done.bad)} refused")
    for bad in done.bad[:_SHOWN]:
        typer.echo(f"  拒收 refused {bad}")


@audience_app.command("phone")
def audience_phone(
    person: Annotated[str, typer.Argument(help="Id of the person.")],
    reason: Annotated[str, typer.Option(help="Why; it is in the audit.")],
    config: ConfigOption,
) -> None:
    """Show the number of a person; who looked, and why, is written into the audit."""
    from jinghu.configs.settings import load
    from jinghu.people import look_at_phone

    typer.echo(look_at_phone(person, reason, load(config), datetime.now(UTC)))


@audience_app.command("whose")
def audience_whose(config: ConfigOption) -> None:
    """Whose number is it? Read from the terminal, so that no history keeps it."""
    from jinghu.configs.settings import load
    from jinghu.people import whose_phone

    settings = load(config)
    typed = sys.stdin.isatty()
    phone = typer.prompt("电话 phone", hide_input=True) if typed else sys.stdin.readline()
    found = whose_phone(phone, settings)
    for p in found:
        typer.echo(f"{p.person}\t{p.name}\t{p.role.zh}\t{p.unit_name}\t{p.phone}")
    if not found:
        typer.echo("没有此号码 nobody has this number")


@audience_app.command("rotate-key")
def audience_rotate_key(
    config: ConfigOption,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Forget older keys: backups need them.")
    ] = False,
) -> None:
    """Make a new key of phone numbers and encrypt all of them with it."""
    from jinghu.configs.settings import load
    from jinghu.people import rotate_key

    done = rotate_key(load(config), drop_old, datetime.now(UTC))
    typer.echo(f"key {done.key_id}: {done.numbers} numbers encrypted with it")
    if done.kept:
        typer.echo(f"  kept for backups: {', '.join(done.kept)} (--drop-old forgets them)")


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
