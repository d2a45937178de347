"""Extrapolation with pysteps' conventions, to drop into programs written for it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.advection import advect
from jinghu.grid.errors import ConfigError


def extrapolate(
    rain: NDArray[np.float32],
    motion: NDArray[np.float32],
    timesteps: int | Sequence[float],
    *,
    outside: float = np.nan,
) -> NDArray[np.float32]:
    """Extrapolate a field by backward semi-Lagrangian advection.

    The result is that of ``pysteps.extrapolation.semilagrangian.extrapolate`` with
    ``interp_order=1, n_iter=1`` (see benchmarks/bench_extrapolation.py), in float32.

    Parameters
    ----------
    rain
        (y, x) field, NaN = missing.
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
    steps = np.arange(1, timesteps + 1) if isinstance(timesteps, int) else np.asarray(timesteps)
    if steps.size == 0:
        raise ConfigError("extrapolate needs at least one time step")
    return advect(rain, motion, steps, outside=outside)
