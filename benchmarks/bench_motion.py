"""Motion beside pysteps' Lucas-Kanade in one process: seconds, and error where the truth is known.

Both get the same three fields. On made rain the motion is known; on real rain only the time and
how far the two differ are printed (`skill_extrapolation.py` scores the forecasts).
"""

import sys
import time

import numpy as np
from numpy.typing import NDArray
from sequences import CELL_M, STEP_S, made_sequence, real_sequences

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.engines import pysteps_motion
from jinghu.nowcast.motion import dense_motion

FIELDS = 3
SIZE = 512
SEEDS = (1, 2, 3)
REPEATS = 3
CASES = (
    ("uniform", 3.0), ("uniform", 12.0), ("shear", 6.0), ("rotation", 6.0), ("converging", 6.0),
)  # fmt: skip
Fields = NDArray[np.float32]


def ours(frames: Fields) -> Fields:
    return dense_motion(frames, CELL_M, STEP_S)


def timed(frames: Fields, *, peer: bool) -> tuple[Fields, float]:
    """Motion and least CPU seconds of several runs."""
    estimate = pysteps_motion if peer else ours
    found, cpu = estimate(frames), []
    for _ in range(REPEATS):
        start = time.process_time()
        estimate(frames)
        cpu.append(time.process_time() - start)
    return found, min(cpu)


def error(found: Fields, truth: Fields) -> float:
    """Root mean square of the vector error in cells per step, away from the edges."""
    edge = SIZE // 8
    inner = (slice(edge, -edge), slice(edge, -edge))
    return float(np.sqrt(((found - truth) ** 2).sum(0)[inner].mean()))


def made() -> None:
    print(f"made rain, {SIZE} x {SIZE}, {FIELDS} fields, mean of {len(SEEDS)} seeds")
    print("  motion       cells/step   RMS error: pysteps    ours   CPU s: pysteps    ours")
    for kind, speed in CASES:
        errors, seconds = [], []
        for seed in SEEDS:
            frames, truth = made_sequence((SIZE, SIZE), kind, speed, FIELDS, seed)
            pair = [timed(frames, peer=peer) for peer in (True, False)]
            errors.append([error(found, truth) for found, _ in pair])
            seconds.append([cpu for _, cpu in pair])
        (e_peer, e_ours), (s_peer, s_ours) = np.mean(errors, axis=0), np.mean(seconds, axis=0)
        print(f"  {kind:<12}{speed:>11g}{e_peer:>21.3f}{e_ours:>8.3f}{s_peer:>17.2f}{s_ours:>8.2f}")


def real() -> None:
    found = False
    for sequence in real_sequences():
        found = True
        frames = sequence.rates[10 : 10 + FIELDS]
        (theirs, s_peer), (mine, s_ours) = (timed(frames, peer=peer) for peer in (True, False))
        wet = frames[-1] >= 0.2
        apart = np.hypot(*(mine - theirs))[wet]
        print(
            f"{sequence.name} {frames.shape[1:]}: CPU pysteps {s_peer:.2f} s, ours {s_ours:.2f} s"
            f" ({s_peer / s_ours:.1f}x); apart by {np.median(apart):.2f} cells/step"
            f" (median where wet), 90 % below {np.quantile(apart, 0.9):.2f}"
        )
    if not found:
        print("skipped: no rain_sequences (set JINGHU_DATA)")


def main() -> int:
    try:
        made()
        real()
    except ConfigError as error:
        print(f"skipped: {error}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
