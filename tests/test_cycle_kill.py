"""kill -9 at random moments of a cycle: the last cycle stays readable, the next run completes."""

import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr
import yaml

from jinghu.grid.store import Store

# A cycle names each stage on stderr when it is done: kills are spread over what follows them.
_AFTER = (
    "",
    "ingest",
    "analysis",
    "nowcast",
    "flood",
    "rules",
    "rules",
    "rules",
    "publish",
    "warn",
)


@pytest.mark.slow
def test_a_killed_cycle_leaves_the_last_one_and_the_next_run_completes(event, tmp_path):
    config = tmp_path / "kill.yaml"
    config.write_text(
        yaml.safe_dump(event.settings.with_store(tmp_path / "store").model_dump(mode="json")),
        encoding="utf-8",
    )
    subprocess.run(command(config, "2026-06-20T06:06Z"), check=True)
    store = Store(tmp_path / "store")
    chance = random.Random(20260620)
    for after in _AFTER:
        run_and_kill(command(config, "2026-06-20T06:12Z"), after, chance.uniform(0.0, 0.6))
        check_readable(store)
    subprocess.run(command(config, "2026-06-20T06:12Z"), check=True)
    assert check_readable(store) == "20260620T0612Z"
    assert not list(store.root.rglob(".tmp-*"))
    with sqlite3.connect(store.root / "warnings.db") as database:
        done = database.execute("SELECT cycle FROM cycle ORDER BY cycle").fetchall()
        twice = database.execute(
            "SELECT count(*) FROM (SELECT 1 FROM alert GROUP BY identifier HAVING count(*) > 1)"
        ).fetchone()[0]
    database.close()
    assert done == [("20260620T0606Z",), ("20260620T0612Z",)]
    assert twice == 0


def command(config: Path, time: str) -> list[str]:
    return [sys.executable, "-m", "jinghu", "cycle", "-c", str(config), "--time", time]


def run_and_kill(line: list[str], stage: str, seconds: float) -> None:
    """Kill a cycle a moment after it named the stage (or leave it where it is over by then)."""
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while stage and not process.stderr.readline().startswith((stage, "cycle ")):
            assert process.poll() is None
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)


def check_readable(store: Store) -> str:
    """The published part is whole, and the database is sound; returns the cycle."""
    part = store.latest()
    assert part is not None
    assert part.verify() == []
    for product in ("products.zarr", "working.zarr"):
        opened = xr.open_zarr(part.folder / product, consolidated=False)
        assert opened["rainfall_rate"].isel(lead_time=0).notnull().any().compute()
    with sqlite3.connect(store.root / "warnings.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    database.close()
    return part.cycle
