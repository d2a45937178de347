"""Kernels are compiled beforehand: the cycles that do it, and what is left for the first cycle."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from jinghu.compiling import compiling
from jinghu.grid.errors import JinghuError

ROOT = Path(__file__).parents[1]
# Runs one cycle of radars, gauges and members, and prints what had to be compiled for it.
_CYCLE = """
import numba.core.event as events
from jinghu import compiling

class Compiled(events.Listener):
    def on_start(self, event):
        function = event.data["dispatcher"].py_func
        if function.__module__.startswith("jinghu."):
            print(function.__module__, function.__name__)
    def on_end(self, event):
        pass

events.register("numba:compile", Compiled())
compiling.run_cycles(("ZSIM2",))
compiling.run_cycles(())
"""


def test_a_failure_is_told_where_it_is_waited_for(monkeypatch):
    monkeypatch.setattr("jinghu.compiling._RADARS", ("ZNONE",))
    with (
        compiling(Console(file=io.StringIO())) as kernels,
        pytest.raises(JinghuError, match=r"kernels failed: KeyError.*ZNONE"),
    ):
        kernels.wait()


@pytest.mark.slow
def test_nothing_is_left_for_the_first_cycle(tmp_path):
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    command = [sys.executable, "-m", "jinghu", "compile"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "all kernels are compiled" in done.stderr
    again = [sys.executable, "-c", _CYCLE]
    left = subprocess.run(again, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert left.returncode == 0, left.stderr
    assert left.stdout == ""
