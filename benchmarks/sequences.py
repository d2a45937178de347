"""Rain sequences that the benchmarks share: real ones where they are, and made ones with a truth.

The real ones (FMI, MeteoSwiss) are read with pysteps' importers from ``JINGHU_DATA``.
"""

import contextlib
import io
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from jinghu.grid.advection import advect

DATA = Path(os.environ.get("JINGHU_DATA", Path(__file__).parents[2] / "shared" / "data"))
CELL_M, STEP_S = 1000.0, 300.0


@dataclass(frozen=True, slots=True)
class Sequence:
    """Rain rates (time, y, x) in mm/h on 1 km every 5 min; NaN = missing."""

    name: str
    rates: NDArray[np.float32]


def real_sequences(every: int = 1) -> Iterator[Sequence]:
    """Yield the sequences that are there, on every ``every``-th cell."""
    root = DATA / "rain_sequences"
    with contextlib.redirect_stdout(io.StringIO()):
        from pysteps.io.importers import import_fmi_pgm, import_mch_gif
    for name in ("mch/20150515", "mch/20160711"):
        files = sorted((root / name).glob("*.gif"))
        if files:
            mm = [import_mch_gif(str(f), "AQC", "mm", 5.0)[0] for f in files]
            yield Sequence(name, np.stack(mm).astype(np.float32)[:, ::every, ::every] * 12)
    files = sorted((root / "fmi" / "20160928").glob("*.pgm.gz"))
    if files:
        dbz = np.stack([import_fmi_pgm(str(f), gzipped=True)[0] for f in files])
        rate = (10.0 ** (dbz / 10.0) / 223.0) ** (1 / 1.53)
        rate = np.where(np.isnan(dbz), np.nan, np.where(dbz < 5.0, 0.0, rate))
        yield Sequence("fmi/20160928", rate.astype(np.float32)[:, ::every, ::every])


def made_rain(shape: tuple[int, int], seed: int) -> NDArray[np.float32]:
    """Rain with showers of many sizes over a third of the field, mm/h."""
    rng = np.random.default_rng(seed)
    white = rng.standard_normal(shape)
    field = sum(gaussian_filter(white, s, mode="wrap") * s for s in (2, 5, 12, 30))
    field = (field - field.mean()) / field.std()
    return np.where(field > 0.4, 0.3 * np.exp(2.0 * (field - 0.4)), 0.0).astype(np.float32)


def made_motion(shape: tuple[int, int], kind: str, speed: float) -> NDArray[np.float32]:
    """Known motion (2, y, x) of about ``speed`` cells per step."""
    y, x = (np.indices(shape) / np.array(shape)[:, None, None] - 0.5) * 2.0
    motions = {
        "uniform": (0.8 + 0 * x, 0.6 + 0 * x),
        "shear": (0.8 + 0.5 * y, 0.3 + 0 * x),
        "rotation": (-y, x),
        "converging": (0.7 - 0.3 * x, 0.5 - 0.3 * y),
    }
    return (np.stack(motions[kind]) * speed).astype(np.float32)


def made_sequence(
    shape: tuple[int, int], kind: str, speed: float, n: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Rates (n, y, x) that move along a known motion, and that motion."""
    motion = made_motion(shape, kind, speed)
    first = made_rain(shape, seed)
    moved = advect(first, motion, np.arange(1, n), substeps=4, outside=0.0)
    return np.concatenate([first[None], moved]), motion
