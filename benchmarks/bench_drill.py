"""Inputs of one hour of a drill: CPU seconds for volumes, gauges, rivers, people and the truth.

Run ``python benchmarks/bench_drill.py [drill] [workers]``. Compiling is left out: a first step of
everything is made before the clock starts. The store is a temporary folder; no cycle runs.
"""

import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path

from jinghu.configs.settings import CONFIGS, load
from jinghu.drill import rewritten
from jinghu.drill_inputs import cycle_times, make_observers, make_truth
from jinghu.drill_play import STEP, prepare, write_audience
from jinghu.drill_script import named_drill
from jinghu.drill_world import WorldParams

ALLOWED_CPU_S = 60.0


def main(name: str = "convective-line", workers: str = "2") -> int:
    """Measure; 0 where it is fast enough."""
    script = rewritten(named_drill(name), hours=1.0)
    times = cycle_times(script, STEP)
    with tempfile.TemporaryDirectory() as folder:
        store = Path(folder) / "store"
        prepare(store)
        settings = load(CONFIGS / "demo.yaml").with_store(store)
        inputs = store / "incoming"
        warm = make_truth(script, settings, STEP, WorldParams())
        make_observers(script, settings, warm, inputs, int(workers)).observe(
            times[0] - 2 * STEP, times[0] - STEP
        )
        begun, wall = time.process_time(), time.perf_counter()
        truth = make_truth(script, settings, STEP, WorldParams())
        write_audience(truth.world.recipients, store)
        world = time.process_time() - begun
        observers = make_observers(script, settings, truth, inputs, int(workers))
        for at in times:
            observers.observe(at - STEP, at)
        cpu, wall = time.process_time() - begun, time.perf_counter() - wall
        size = sum(f.stat().st_size for f in inputs.rglob("*") if f.is_file())
    print(
        f"{name}: {cpu:.1f} CPU-s, {wall:.1f} s with {workers} workers for {timedelta(hours=1)} "
        f"(truth and people {world:.1f}), {size / 1e6:.0f} MB; allowed {ALLOWED_CPU_S:.0f}"
    )
    return int(cpu > ALLOWED_CPU_S)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
