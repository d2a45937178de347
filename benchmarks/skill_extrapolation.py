"""CSI of extrapolated rain on real sequences: persistence, pysteps (Lucas-Kanade) and ours.

All are scored over the cells that every forecast and the observation know. Needs the real data
(``JINGHU_DATA``) and pysteps with OpenCV.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from sequences import CELL_M, STEP_S, Sequence, real_sequences

from jinghu.nowcast.engines import pysteps_extrapolate, pysteps_motion
from jinghu.nowcast.extrapolate import extrapolate
from jinghu.nowcast.motion import dense_motion

Rain = NDArray[np.float32]
LEADS = (6, 12)  # +30, +60 min


def persistence(frames: Rain) -> Rain:
    return np.repeat(frames[-1][None], max(LEADS), axis=0)


def peer(frames: Rain) -> Rain:
    return pysteps_extrapolate(frames[-1], pysteps_motion(frames), max(LEADS))


def ours(frames: Rain) -> Rain:
    return extrapolate(frames[-1], dense_motion(frames, CELL_M, STEP_S), max(LEADS))


def ours_of_two(frames: Rain) -> Rain:
    return ours(frames[-2:])


METHODS: dict[str, Callable[[Rain], Rain]] = {
    "persistence": persistence,
    "pysteps, 3 fields": peer,
    "ours, 3 fields": ours,
    "ours, 2 fields": ours_of_two,
}
Counts = dict[tuple[str, int, float], NDArray[np.int64]]


def count(sequence: Sequence, issues: list[int], thresholds: list[float]) -> tuple[Counts, dict]:
    """Hits, misses and false alarms by method, lead and threshold, and seconds by method."""
    counts: Counts = defaultdict(lambda: np.zeros(3, np.int64))
    seconds: dict[str, float] = defaultdict(float)
    for issue in issues:
        frames = sequence.rates[issue - 2 : issue + 1]
        forecasts = {}
        for name, method in METHODS.items():
            start = time.process_time()
            forecasts[name] = method(frames)
            seconds[name] += time.process_time() - start
        for lead in LEADS:
            truth = sequence.rates[issue + lead]
            known = np.isfinite(truth)
            for forecast in forecasts.values():
                known &= np.isfinite(forecast[lead - 1])
            for name, forecast in forecasts.items():
                for threshold in thresholds:
                    f, o = forecast[lead - 1][known] >= threshold, truth[known] >= threshold
                    counts[name, lead, threshold] += (f & o).sum(), (~f & o).sum(), (f & ~o).sum()
    return counts, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--issues", type=int, default=5, help="issue times a sequence")
    options = parser.parse_args()
    thresholds = [1.0, 5.0]
    found = False
    for sequence in real_sequences():
        found = True
        last = len(sequence.rates) - 1 - max(LEADS)
        issues = np.linspace(3, last, options.issues).round().astype(int).tolist()
        counts, seconds = count(sequence, issues, thresholds)
        print(f"{sequence.name} {sequence.rates.shape[1:]}, {len(issues)} issue times")
        print(f"  {'CSI at':<20}" + "".join(f"{t:>6g} mm/h +{5 * k}" for t in thresholds
                                            for k in LEADS) + "   CPU s")  # fmt: skip
        for name in METHODS:
            scores = [
                counts[name, lead, t][0] / max(counts[name, lead, t].sum(), 1)
                for t in thresholds
                for lead in LEADS
            ]
            cells = "".join(f"{score:>14.3f}" for score in scores)
            print(f"  {name:<20}{cells}{seconds[name]:>8.1f}")
    if not found:
        print("skipped: no rain_sequences (set JINGHU_DATA)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
