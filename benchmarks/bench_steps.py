"""STEPS ensembles beside pysteps' in one process: ``bench_steps.py [MEMBERS LEADS SIDE]``.

The same fields, motion and settings. Noise differs in its numbers, not in its law, so that what is
compared of the results is their distribution. Wall and CPU seconds with one and two threads, least
of two runs, compiling left out; pysteps runs once, in one thread.
"""

import sys
import time
from collections.abc import Callable
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.engines import pysteps_steps
from jinghu.nowcast.ensemble import EnsembleParams, ensemble

SEED = 20260620
CELLS_A_STEP = 3.0

Rates = NDArray[np.float32]


def moving_rain(side: int) -> tuple[Rates, Rates]:
    """Three fields (time, y, x) in mm/h of rain that moves east and changes, and its motion."""
    random = np.random.default_rng(SEED)

    def texture(sigma: float) -> NDArray[np.float64]:
        made = gaussian_filter(random.normal(size=(side, side)), sigma, mode="wrap")
        return np.asarray(made / made.std())

    log = texture(12) + 0.5 * texture(3)
    first = np.where(log > 0.6, 10.0 ** (0.8 * log - 0.6), 0.0)
    frames = [
        np.roll(first, round(k * CELLS_A_STEP), axis=1) * (1 + 0.1 * texture(5) * k)
        for k in range(3)
    ]
    motion = np.zeros((2, side, side), np.float32)
    motion[0] = CELLS_A_STEP
    return np.clip(np.stack(frames), 0, None).astype(np.float32), motion


def timed(make: Callable[[], Rates], runs: int) -> tuple[Rates, float, float]:
    """Result, least wall and CPU seconds."""
    wall, cpu = np.inf, np.inf
    for _ in range(runs):
        began, used = time.perf_counter(), time.process_time()
        found = make()
        wall = min(wall, time.perf_counter() - began)
        cpu = min(cpu, time.process_time() - used)
    return found, wall, cpu


def figures(rates: Rates, lead: int) -> str:
    """Mean, wet share, high quantiles, and correlation between members at a lead."""
    at = rates[:, lead - 1]
    known = at[np.isfinite(at)]
    pairs = [
        np.corrcoef(np.nan_to_num(at[i]).ravel(), np.nan_to_num(at[j]).ravel())[0, 1]
        for i, j in list(combinations(range(len(at)), 2))[:15]
    ]
    high = " ".join(f"{q:.2f}" for q in np.quantile(known, [0.9, 0.99, 0.999]))
    return (
        f"mean {known.mean():.3f} mm/h, wet {(known >= 0.1).mean():.3f}, 90, 99, 99.9 % {high}, "
        f"members correlate {np.mean(pairs):.3f}"
    )


def main() -> int:
    members, leads, side = (int(a) for a in sys.argv[1:4]) if len(sys.argv) > 3 else (20, 18, 512)
    frames, motion = moving_rain(side)
    params = EnsembleParams(members=members, leads=leads, cell_km=1.0, step_min=5.0)

    def ours(workers: int) -> Rates:
        out = np.empty((members, leads, side, side), np.float32)
        for lead, rates in ensemble(frames, motion, params, SEED, workers):
            out[:, lead - 1] = rates
        return out

    small = EnsembleParams(members=2, leads=1, cell_km=1.0, step_min=5.0)
    for _ in ensemble(frames, motion, small, SEED, 1):
        pass  # compiled
    one, wall_1, cpu_1 = timed(lambda: ours(1), 2)
    two, wall_2, cpu_2 = timed(lambda: ours(2), 2)
    print(f"{members} members, {leads} leads, {side} x {side}")
    print(f"ours, 1 thread:  {wall_1:7.2f} s wall {cpu_1:7.2f} s CPU")
    print(f"ours, 2 threads: {wall_2:7.2f} s wall {cpu_2:7.2f} s CPU")
    print(f"the same bits with 1 and 2 threads: {np.array_equal(one, two, equal_nan=True)}")
    del two
    try:
        theirs, wall, cpu = timed(lambda: pysteps_steps(frames, motion, params, 7), 1)
    except ConfigError as error:
        print(f"pysteps left out: {error}")
        return 0
    print(f"pysteps:         {wall:7.2f} s wall {cpu:7.2f} s CPU")
    print(f"ratio: CPU {cpu / cpu_1:.1f}, wall {wall / wall_1:.1f}, 2 threads {wall / wall_2:.1f}")
    for lead in sorted({1, leads // 2, leads}):
        print(f"lead {lead}: ours    {figures(one, lead)}")
        print(f"lead {lead}: pysteps {figures(theirs, lead)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
