"""The command that looks back at an event."""

from typing import Annotated, Any

import typer

from jinghu.cli_parts import ConfigOption, JsonOption, emit


def review(
    event: Annotated[str, typer.Argument(help="Event, as GET /api/v1/warnings names it.")],
    config: ConfigOption,
    as_json: JsonOption = False,
) -> None:
    """Look back at an event: what was warned, who was told, what was answered and done."""
    from jinghu.configs.settings import load
    from jinghu.outbox_commands import review_event

    found = review_event(event, load(config))
    if as_json:
        emit(found)
    else:
        print_review(found)


def print_review(found: dict[str, Any]) -> None:
    """Print a review for a person, Chinese first."""
    typer.echo(
        f"{found['event']} ({found['status']}): {found['opened']} - {found['closed'] or '…'}"
    )
    typer.echo("发布 issued")
    for message in found["issued"]:
        typer.echo(f"  {message['sent']} {message['headline_zh']} {message['headline_en']}")
    typer.echo("告知 told")
    for channel in found["told"]:
        counts = ", ".join(f"{status} {n}" for status, n in channel["by_status"].items())
        took = "" if channel["last_s"] is None else f"; {channel['last_s']:.0f} s to the last"
        typer.echo(f"  {channel['channel']}: {counts}{took}")
    typer.echo("处置 done")
    for tier in found["done"]:
        counts = ", ".join(f"{status} {n}" for status, n in tier["by_status"].items())
        waited = tier["median_answer_s"]
        median = "" if waited is None else f", median answer {waited / 60:.1f} min"
        typer.echo(
            f"  {tier['tier_zh']} {tier['tier']}: {counts}; passed on {tier['passed_on']}{median}"
        )
    calls = ", ".join(f"{outcome} {n}" for outcome, n in found["calls"].items()) or "0"
    typer.echo(f"电话 calls: {calls}")
    typer.echo(f"反馈 reports: {len(found['reports'])}, {found['people_moved']} people moved")
    for report in found["reports"]:
        depth = report["water_depth_cm"]
        water = "" if depth is None else f" 积水 water {depth} cm"
        photo = f" {report['photo']}" if report["photo"] else ""
        typer.echo(f"  {report['answer']}: {report['note']}{water}{photo}")
