"""Motion beside pysteps' Lucas-Kanade: seconds, memory, and error where the truth is known.

Both get the same three fields. On made rain the motion is known; on real rain only the time and
how far the two differ are printed (`skill_extrapolation.py` scores the forecasts). Compiling is
left out (one call before). Runs of the two alternate, so that what else the machine does meets
both. Memory is that of a process each.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numba
import numpy as np
from numpy.typing import NDArray
from sequences import CELL_M, STEP_S, made_sequence, real_sequences

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.engines import pysteps_motion
from jinghu.nowcast.motion import dense_motion

FIELDS = 3
SEEDS = {512: (1, 2, 3), 1024: (1,)}
REPEATS = {512: 7, 1024: 4}
THREADS = (1, 2)
CASES = (
    ("uniform", 3.0), ("uniform", 12.0), ("shear", 6.0), ("rotation", 6.0), ("converging", 6.0),
)  # fmt: skip
Fields = NDArray[np.float32]


def ours(frames: Fields) -> Fields:
    return dense_motion(frames, CELL_M, STEP_S)


ENGINES = {"pysteps": pysteps_motion, "ours": ours}


def error(found: Fields, truth: Fields) -> float:
    """Root mean square of the vector error in cells per step, away from the edges."""
    edge = found.shape[1] // 8
    inner = (slice(edge, -edge), slice(edge, -edge))
    return float(np.sqrt(((found - truth) ** 2).sum(0)[inner].mean()))


def errors(size: int) -> None:
    seeds = SEEDS[size]
    print(f"made rain, {size} x {size}, {FIELDS} fields, mean of {len(seeds)} seeds")
    print("  motion       cells/step   RMS error: pysteps    ours")
    for kind, speed in CASES:
        found = []
        for seed in seeds:
            frames, truth = made_sequence((size, size), kind, speed, FIELDS, seed)
            found.append([error(estimate(frames), truth) for estimate in ENGINES.values()])
        theirs, mine = np.mean(found, axis=0)
        print(f"  {kind:<12}{speed:>11g}{theirs:>21.3f}{mine:>8.3f}")


def seconds(size: int) -> None:
    """Least wall and CPU seconds on one and two threads (pysteps: those of OpenCV)."""
    import cv2

    frames, _ = made_sequence((size, size), "rotation", 6.0, FIELDS, 1)
    for threads in THREADS:
        if threads > numba.config.NUMBA_NUM_THREADS:
            print(f"  {threads} threads: skipped, numba has {numba.config.NUMBA_NUM_THREADS}")
            continue
        numba.set_num_threads(threads)
        cv2.setNumThreads(threads)
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in ENGINES}
        for estimate in ENGINES.values():
            estimate(frames)
        for _ in range(REPEATS[size]):
            for name, estimate in ENGINES.items():
                wall, cpu = time.perf_counter(), time.process_time()
                estimate(frames)
                took[name].append((time.perf_counter() - wall, time.process_time() - cpu))
        (wall_p, cpu_p), (wall_o, cpu_o) = (np.min(took[name], axis=0) for name in ENGINES)
        print(
            f"  {threads} threads: wall pysteps {wall_p:.3f} s, ours {wall_o:.4f} s"
            f" ({wall_p / wall_o:.1f}x); CPU {cpu_p:.3f}, {cpu_o:.4f} s ({cpu_p / cpu_o:.1f}x)"
        )


def least_cpu(frames: Fields) -> list[tuple[Fields, float]]:
    """Motion and least CPU seconds of three runs of each."""
    found = []
    for estimate in ENGINES.values():
        motion, cpu = estimate(frames), []
        for _ in range(3):
            start = time.process_time()
            estimate(frames)
            cpu.append(time.process_time() - start)
        found.append((motion, min(cpu)))
    return found


def memory(size: int) -> None:
    frames, _ = made_sequence((size, size), "rotation", 6.0, FIELDS, 1)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "frames.npy"
        np.save(file, frames)
        peaks = {}
        for name in ENGINES:
            command = [sys.executable, __file__, "--peak-of", name, "--frames", str(file)]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            peaks[name] = [float(v) for v in done.stdout.split()[-2:]]
    print(
        "  peak memory: "
        + ", ".join(f"{n} {peak:.0f} MB ({more:.1f} MB of it for this)"
                    for n, (peak, more) in peaks.items())
        + f": 1/{peaks['pysteps'][1] / max(peaks['ours'][1], 0.1):.1f}"
    )  # fmt: skip


def peak(name: str, file: Path) -> None:
    """Print the peak of this process, and how much of it came with the estimate, in MB."""
    frames = np.load(file)
    ENGINES[name](frames[:, :128, :128])
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    ENGINES[name](frames)
    print(resident("VmHWM"), resident("VmHWM") - before)


def resident(which: str) -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(float(line.split()[1]) for line in lines if line.startswith(which)) / 1024


def real() -> None:
    found = False
    for sequence in real_sequences():
        found = True
        frames = sequence.rates[10 : 10 + FIELDS]
        numba.set_num_threads(1)
        (theirs, s_peer), (mine, s_ours) = least_cpu(frames)
        wet = frames[-1] >= 0.2
        apart = np.hypot(*(mine - theirs))[wet]
        print(
            f"{sequence.name} {frames.shape[1:]}, 1 thread: CPU pysteps {s_peer:.2f} s,"
            f" ours {s_ours:.2f} s ({s_peer / s_ours:.1f}x); apart by"
            f" {np.median(apart):.2f} cells/step (median where wet),"
            f" 90 % below {np.quantile(apart, 0.9):.2f}"
        )
    if not found:
        print("skipped: no rain_sequences (set JINGHU_DATA)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peak-of", choices=tuple(ENGINES), help="measure one engine and exit")
    parser.add_argument("--frames", type=Path, help="fields of --peak-of (.npy)")
    options = parser.parse_args()
    if options.peak_of:
        peak(options.peak_of, options.frames)
        return 0
    try:
        for size in SEEDS:
            errors(size)
            seconds(size)
            memory(size)
        real()
    except ConfigError as error:
        print(f"skipped: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
