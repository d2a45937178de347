"""Extrapolation beside pysteps in one process: same field, motion and scheme, 18 lead times.

pysteps runs on one thread; ours on one and on all. Compiling is left out (one call before).
"""

import sys
import time
from collections.abc import Callable

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.engines import pysteps_extrapolate
from jinghu.nowcast.extrapolate import extrapolate

LEADS = 18
REPEATS = 5


def field_and_motion(n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """A third of the cells wet, a sector missing, a motion that turns and shears."""
    random = np.random.default_rng(1)
    noise = gaussian_filter(random.standard_normal((n, n)), 6) * 12
    rain = np.maximum(noise * 20, 0).astype(np.float32)
    rain[: n // 10, n // 3 : n // 2] = np.nan
    y, x = np.mgrid[0:n, 0:n] / n
    motion = np.stack([3 + 2 * np.sin(3 * y), 1 + 2 * np.cos(3 * x)]).astype(np.float32)
    return rain, motion


def timed(run: Callable[[], NDArray[np.float32]]) -> tuple[NDArray[np.float32], float, float]:
    """Result, least wall and least CPU seconds of several runs."""
    found = run()
    wall, cpu = [], []
    for _ in range(REPEATS):
        start, used = time.perf_counter(), time.process_time()
        run()
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - used)
    return found, min(wall), min(cpu)


def main() -> int:
    threads = numba.get_num_threads()
    for n in (512, 1024):
        rain, motion = field_and_motion(n)
        try:
            theirs, wall_p, cpu_p = timed(lambda r=rain, m=motion: pysteps_extrapolate(r, m, LEADS))
        except ConfigError as error:
            print(f"skipped: {error}")
            return 0
        print(f"{n} x {n}, {LEADS} leads: pysteps wall {wall_p:.3f} s, CPU {cpu_p:.3f} s")
        for count in sorted({1, threads}):
            numba.set_num_threads(count)
            ours, wall, cpu = timed(lambda r=rain, m=motion: extrapolate(r, m, LEADS))
            print(
                f"  jinghu, {count} threads: wall {wall:.4f} s ({wall_p / wall:.1f}x),"
                f" CPU {cpu:.4f} s ({cpu_p / cpu:.1f}x)"
            )
        both = np.isfinite(ours) & np.isfinite(theirs)
        off = np.abs(ours[both] - theirs[both])
        odd = float((np.isnan(ours) != np.isnan(theirs)).mean())
        print(
            f"  difference: at most {off.max():.2g} mm/h, RMS {np.sqrt((off**2).mean()):.2g};"
            f" missing in one only: {100 * odd:.4f} % of cells"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
