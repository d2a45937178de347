"""What `jinghu verify --store` shows: the scoreboard that the cycles of a store left."""

import csv
import io
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import typer

from jinghu.grid.durable import json_bytes
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.scoreboard import ScoreRow, period, probability_rows, tables
from jinghu.grid.store import Store

_MINUTE = np.timedelta64(1, "m")


def scoreboard_report(
    store: Path, start: datetime | None, end: datetime | None, out: Path | None
) -> dict[str, Any]:
    """Tables over a period; ``out`` takes them as ``scores.json`` and ``scores.csv``.

    Raises
    ------
    DataError
        Where the store has no scores of that time.
    ConfigError
        Where the folder cannot be written.
    """
    sums = period(Store(store), start, end)
    if sums is None:
        raise DataError(store, "holds no scores of that time: cycles leave them under scores/")
    found = tables(sums)
    report = {
        "store": str(store),
        **{name: sums.attrs[name] for name in ("start", "end", "cycles")},
        "rows": [row.as_dict() for row in found],
        "probabilities": probability_rows(sums),
    }
    if out is not None:
        try:
            out.mkdir(parents=True, exist_ok=True)
            (out / "scores.json").write_bytes(json_bytes(report))
            (out / "scores.csv").write_text(_csv(found), encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"--out {out} cannot be written: {error.strerror}") from None
    return report


def _csv(rows: list[ScoreRow]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, list(ScoreRow.__slots__), lineterminator="\n")
    table.writeheader()
    table.writerows(row.as_dict() for row in rows)
    return text.getvalue()


def print_table(report: dict[str, Any]) -> None:
    """Print the tables for a person."""
    typer.echo(
        f"{report['start']} – {report['end']}  {report['cycles']} 次循环 cycles  {report['store']}"
    )
    typer.echo("阈值 mm/h  时效 min  方法 method     CSI    POD    FAR   bias    次数 forecasts")
    for row in report["rows"]:
        scores = "".join(_cell(row[n]) for n in ("csi", "pod", "far", "frequency_bias"))
        typer.echo(
            f"{row['threshold_mm_h']:>8g} {row['lead_min']:>9g}  {row['method']:<12}{scores}"
            f" {row['forecasts']:>6}"
        )
    if report["probabilities"]:
        typer.echo("概率 probabilities")
        typer.echo("阈值 mm/h  时效 min   Brier  skill  unreliability x 100  ROC area")
    for row in report["probabilities"]:
        unreliable = None if row["reliability"] is None else 100 * row["reliability"]
        typer.echo(
            f"{row['threshold_mm_h']:>8g} {row['lead_min']:>9g} {_cell(row['brier'], 4)}"
            f"{_cell(row['brier_skill'])} {_cell(unreliable)}               "
            f"{_cell(row['roc_area'])}"
        )


def _cell(value: float | None, digits: int = 3) -> str:
    return f"{'—':>7}" if value is None else f"{value:7.{digits}f}"
