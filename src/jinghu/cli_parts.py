"""What commands of the command line share."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

ConfigOption = Annotated[Path, typer.Option("-c", "--config", help="Settings (YAML).")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]


def console() -> Console:
    """Where progress and words for people go: stderr, so that stdout carries data only."""
    return Console(stderr=True, soft_wrap=True)


def emit(value: object) -> None:
    """Print one JSON object."""
    print(json.dumps(value, ensure_ascii=False, default=str))
