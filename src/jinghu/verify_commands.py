"""What `jinghu verify` does: files in, tables, charts and a report out."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from jinghu.grid.durable import json_bytes
from jinghu.grid.errors import ConfigError
from jinghu.verify import PERSISTENCE, Verification, verify
from jinghu.verify_inputs import Forecast, read_forecasts, read_observations
from jinghu.verify_page import report_html
from jinghu.verify_plots import charts
from jinghu.verify_tables import as_csv, as_json

_TOGETHER = "forecast"  # name of files that are one system


@dataclass(frozen=True, slots=True)
class VerifyRequest:
    """What was asked for.

    Parameters
    ----------
    forecasts
        Paths, each alone or as ``NAME=PATH``.
    observed, out
        What came; the folder of the results.
    thresholds_mm_h
        Empty takes the usual ones.
    start, end
        Issue times of stores and folders.
    """

    forecasts: Sequence[str]
    observed: Path
    out: Path
    thresholds_mm_h: Sequence[float] = ()
    start: datetime | None = None
    end: datetime | None = None


def verify_files(request: VerifyRequest, console: Console) -> dict[str, Any]:
    """Verify and write ``scores.json``, ``scores.csv``, ``*.svg`` and ``report.html``.

    Returns
    -------
    The summary of ``--json``.

    Raises
    ------
    DataError
        Where an input is refused.
    ConfigError
        Where the folder cannot be written or names of systems are wrong.
    """
    limits = tuple(sorted(set(request.thresholds_mm_h))) or None
    if limits and limits[0] <= 0:
        raise ConfigError(f"--threshold {limits[0]:g}: wanted rates above 0 mm/h")
    systems = named_systems(request)
    observed = read_observations(request.observed)
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task("检验 verifying", total=1.0)
        found = verify(systems, observed, limits, lambda done: bar.update(task, completed=done))
    write_report(found, request.out)
    return {
        "out": str(request.out),
        "systems": list(found.sums),
        "issue_times": found.sums[PERSISTENCE].sizes["issue_time"],
        "leads": found.sums[PERSISTENCE].sizes["lead_time"],
        "known_share": round(found.known_share, 4),
        "notes": [english for _, english in found.notes],
    }


def named_systems(request: VerifyRequest) -> dict[str, list[Forecast]]:
    """Forecasts by the name of their system.

    ``NAME=PATH`` names it, a folder or a store is one by its own name. Other files are one system
    together where each has its own issue time, and else one each, by the names of the files.
    """
    systems: dict[str, list[Forecast]] = {}
    loose: list[tuple[str, Forecast]] = []
    for text in request.forecasts:
        name, path = split_name(text)
        found = read_forecasts(path, request.start, request.end)
        if name is None and path.is_dir() and len(found) > 1:
            name = path.name
        if name is None:
            loose.append((path.stem, found[0]))
        else:
            systems.setdefault(name, []).extend(found)
    times = [forecast.issued for _, forecast in loose]
    alone = len(set(times)) < len(times) or len(loose) == 1
    for stem, forecast in loose:
        systems.setdefault(stem if alone else _TOGETHER, []).append(forecast)
    for name, forecasts in systems.items():
        if name == PERSISTENCE:
            raise ConfigError(f"a system is named {name}, which stands for the last analysis")
        if len({f.issued for f in forecasts}) < len(forecasts):
            raise ConfigError(f"system {name} has two forecasts of one issue time: name them apart")
    return systems


def split_name(text: str) -> tuple[str | None, Path]:
    """Name and path of ``NAME=PATH``; a path that is there is one, whatever it is called."""
    name, found, rest = text.partition("=")
    if not found or Path(text).exists() or "/" in name:
        return None, Path(text)
    if not name or not rest:
        raise ConfigError(f"forecast {text!r} is not of the form NAME=PATH")
    return name, Path(rest)


def write_report(found: Verification, out: Path) -> None:
    """Write all results into a folder; earlier ones of the same names are replaced."""
    drawn = charts(found)
    files = {
        "scores.json": json_bytes(as_json(found)),
        "scores.csv": as_csv(found).encode("utf-8"),
        "report.html": report_html(found, drawn).encode("utf-8"),
        **{f"{_file(name)}.svg": svg.encode("utf-8") for name, svg in drawn.items()},
    }
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (out / name).write_bytes(content)
    except OSError as error:
        raise ConfigError(f"--out {out} cannot be written: {error.strerror or error}") from None


def _file(name: str) -> str:
    return "".join(c if c.isalnum() or c in "._-" else "_" for c in name)
