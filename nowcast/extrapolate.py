"""Extrapolation with pysteps' conventions, to drop into programs written for it."""

from collections.abc import Sequence
from numbers import Integral

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.advection import advect
from jinghu.grid.errors import ConfigError


def extrapolate(
    rain: NDArray[np.float32],
    motion: NDArray[np.float32],
    timesteps: int | np.integer | Sequence[float],
    *,
    outside: float = np.nan,
) -> NDArray[np.float32]:
    """Extrapolate a field by backward semi-Lagrangian advection.

    The result is that of ``pysteps.extrapolation.semilagrangian.extrapolate`` with
    ``interp_order=1, n_iter=1`` for equal steps (see benchmarks/bench_extrapolation.py), in
    float32. It differs beside missing cells: there the known of the four cells around a point
    count where they hold at least half of its weight, and pysteps loses one cell more a side.

    Parameters
    ----------
    rain
        (y, x) field, NaN (or masked) = missing.
    motion
        (2, y, x) cells per time step, [0] along x, [1] along y.
    timesteps
        Number of steps, or their times in units of the step, ascending.
    outside
        Value of what comes from beyond the edge.

    Returns
    -------
    (len(timesteps), y, x).
    """
    if isinstance(timesteps, Integral):
        steps = np.arange(1, int(timesteps) + 1, dtype=np.float64)
    else:
        steps = np.asarray(timesteps, np.float64)
    if steps.size == 0:
        raise ConfigError("extrapolate needs at least one time step")
    plain = np.ma.filled(rain.astype(np.float32), np.nan)
    return advect(plain, motion, steps, outside=outside)
