"""The program runs from a wheel built from the sdist: nothing is lost on the way."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
NEEDED = (
    "jinghu/cycle.py",
    "jinghu/py.typed",
    "jinghu/api/static/index.html",
    "jinghu/configs/demo.yaml",
    "jinghu/configs/radar_sites.yaml",
    "jinghu/configs/rules/rainstorm.yaml",
    "jinghu/configs/boundaries/shaoxing.geojson",
    "jinghu/configs/shaoxing/gauges.csv",
    "jinghu/warnings/ledger.py",
    "jinghu/warnings/migrations/env.py",
    "jinghu/warnings/migrations/script.py.mako",
)


@pytest.mark.slow
def test_the_program_runs_from_the_wheel(tmp_path):
    # `build` without a target makes the sdist, and the wheel from the sdist.
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(tmp_path), "."]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        archive.extractall(unpacked)
    assert set(NEEDED) <= names
    assert "jinghu/warnings/__init__.py" not in names
    assert {name.split("/")[0] for name in names if not name.startswith("jinghu-")} == {"jinghu"}
    environment = os.environ | {"PYTHONPATH": str(unpacked)}
    config = unpacked / "jinghu" / "configs" / "demo.yaml"
    for arguments in (["--help"], ["doctor", "-c", str(config)]):
        run = subprocess.run(
            [sys.executable, "-m", "jinghu", *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert run.returncode in (0, 1), run.stderr
        assert run.stdout
    where = [sys.executable, "-c", "import jinghu; print(jinghu.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert found.stdout.startswith(str(unpacked))
