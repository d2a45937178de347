"""The peer's engine: pysteps itself, for comparison on the same input."""

import contextlib
import io

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.nowcast.cascade import level_count
from jinghu.nowcast.ensemble import EnsembleParams
from jinghu.nowcast.scales import to_db


def pysteps_motion(frames: NDArray[np.float32], wet_mm_h: float = 0.1) -> NDArray[np.float32]:
    """Lucas-Kanade motion of pysteps: (2, y, x) cells per step from (time, y, x) mm/h."""
    with _quiet():
        try:
            from pysteps.motion.lucaskanade import dense_lucaskanade
        except ImportError as error:
            raise _missing(error) from None
        db = 10.0 * np.log10(np.maximum(np.nan_to_num(frames), wet_mm_h) / wet_mm_h)
        masked = np.ma.masked_array(db, mask=np.isnan(frames))
        try:
            motion = dense_lucaskanade(masked)
        except ImportError as error:
            raise _missing(error) from None
    return np.asarray(motion, np.float32)


def pysteps_extrapolate(
    rate_mm_h: NDArray[np.float32], motion: NDArray[np.float32], leads: int
) -> NDArray[np.float32]:
    """Semi-Lagrangian extrapolation of pysteps: (leads, y, x)."""
    with _quiet():
        try:
            from pysteps.extrapolation.semilagrangian import extrapolate
        except ImportError as error:
            raise _missing(error) from None
        try:
            moved = extrapolate(
                rate_mm_h.astype(np.float64),
                motion.astype(np.float64),
                leads,
                interp_order=1,
                n_iter=1,
                allow_nonfinite_values=True,
            )
        except ValueError as error:
            raise ConfigError(f"engine pysteps: {' '.join(str(error).split())}") from None
    return np.asarray(moved, np.float32)


def pysteps_steps(
    frames: NDArray[np.float32],
    motion: NDArray[np.float32],
    params: EnsembleParams,
    seed: int | None,
) -> NDArray[np.float32]:
    """STEPS of pysteps, or S-PROG without a seed: (member, lead, y, x) mm/h from (time, y, x).

    Raises
    ------
    ConfigError
        Where pysteps is not installed, has less than three fields, or refuses them.
    """
    if len(frames) < 3:
        raise ConfigError(f"engine pysteps: three fields are needed, not {len(frames)}")
    known = np.isfinite(frames)
    db = np.where(known, to_db(frames, params.wet_mm_h), np.nan).astype(np.float64)
    levels = level_count(frames.shape[1:], params.levels)
    wet_db = 10.0 * np.log10(params.wet_mm_h)
    with _quiet():
        try:
            from pysteps.nowcasts import sprog, steps

            if seed is None:
                found = sprog.forecast(
                    db, motion.astype(np.float64), params.leads, wet_db, n_cascade_levels=levels
                )[None]
            else:
                found = steps.forecast(
                    db,
                    motion.astype(np.float64),
                    params.leads,
                    n_ens_members=params.members,
                    n_cascade_levels=levels,
                    precip_thr=wet_db,
                    kmperpixel=params.cell_km,
                    timestep=params.step_min,
                    seed=seed,
                )
        except ImportError as error:
            raise _missing(error) from None
        except (ValueError, RuntimeError) as error:
            raise ConfigError(f"engine pysteps: {' '.join(str(error).split())}") from None
    return np.where(found < wet_db, 0.0, 10.0 ** (found / 10.0)).astype(np.float32)


def _quiet() -> contextlib.redirect_stdout[io.StringIO]:
    """Keep what pysteps prints when it is imported off the standard output."""
    return contextlib.redirect_stdout(io.StringIO())


def _missing(error: ImportError) -> ConfigError:
    return ConfigError(
        f"engine pysteps: {error.name or error} is not installed: pip install 'jinghu[interop]'"
    )
