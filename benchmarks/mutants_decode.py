"""Many damaged volumes of all formats: exceptions, slow ones, rays lost and invented.

The mutants are those of ``tests/radar/test_damage.py``, with more seeds, and files whose compressed
bytes are damaged. Run from the root: ``PYTHONPATH=. python benchmarks/mutants_decode.py [seeds]``.

``whole_rays`` were not damaged and should come; ``lost`` are those that did not. ``given`` came.
``invented`` came and are not in the file, though no byte inside a ray was changed: made of two
rays, or shifted. ``changed`` came with other gate data, because bytes inside were overwritten: the
formats have no checksum, so nobody can tell, and it is no fault of the decoder's. One more thing
cannot be told and is left out of the mutants: the head of one ray and the tail of the very last,
of the same size, where the data end (inside the file the numbers of the rays show it).
"""

import bz2
import resource
import sys
import time
import traceback
from collections import Counter

import numpy as np
from tests.radar.test_damage import FORMATS, KINDS, SITES, Mutant, Original, outcome

from jinghu.radar.decode import decode_volume

SEEDS = 180  # times 16 kinds and 4 formats: 11,520 mutants
SLOW_S = 2.0
FACTS = ("mutants", "exceptions", "slow", "refused", "whole_rays", "given", "lost", "invented",
         "changed", "displaced", "unnamed")  # fmt: skip


def damaged_packing(whole: Original, random: np.random.Generator) -> Mutant:
    """A bzip2 file with changed, missing or repeated bytes."""
    packed = bytearray(bz2.compress(whole.raw, 1))  # blocks of 100 kB
    start, end = np.sort(random.integers(0, len(packed), 2)).tolist()
    match int(random.integers(4)):
        case 0:
            packed[start] ^= int(random.integers(1, 256))
        case 1:
            del packed[start:]
        case 2:
            del packed[start : min(end, start + 2000) + 1]
        case _:
            packed[end:end] = packed[start:end]
    # Which rays lie in whole blocks is not known here; those that come must be of the file.
    return Mutant(bytes(packed), set(range(len(whole.rays))))


def run(name: str, whole: Original, seeds: int) -> Counter[str]:
    total: Counter[str] = Counter()
    for number, kind in enumerate((*KINDS, damaged_packing)):
        counts = Counter(dict.fromkeys(FACTS, 0))
        slowest = 0.0
        for seed in range(seeds):
            mutant = kind(whole, np.random.default_rng([seed, number, 7]))
            counts["mutants"] += 1
            start = time.perf_counter()
            try:
                came = outcome(whole, mutant, SITES)
            except Exception:  # this is what is looked for
                counts["exceptions"] += 1
                traceback.print_exc()
                continue
            slowest = max(slowest, time.perf_counter() - start)
            counts["slow"] += time.perf_counter() - start > SLOW_S
            counts["refused"] += came.refused
            counts["whole_rays"] += 0 if mutant.refusable else len(whole.rays) - len(mutant.touched)
            for fact in FACTS[5:]:
                counts[fact] += getattr(came, fact)
        total.update(counts)
        shown = ", ".join(f"{k} {v}" for k, v in counts.items())
        print(f"{name:10} {kind.__name__:18} {shown}; slowest {slowest * 1000:.0f} ms", flush=True)
    return total


def main() -> None:
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else SEEDS
    total: Counter[str] = Counter()
    for name, whole in FORMATS.items():
        decode_volume(whole.raw, whole.name, SITES)  # compiles
        total.update(run(name, whole, seeds))
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of the process {peak_mib:.0f} MiB")
    print("all:", ", ".join(f"{key} {count}" for key, count in total.items()))


if __name__ == "__main__":
    main()
