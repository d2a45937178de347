"""A Z-R relation tuned where it rains by what the polarisations tell nearby."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from jinghu.radar.zr import ZRRelation


@dataclass(frozen=True, slots=True)
class TuningParams:
    """How near, and how many gates outweigh the relation of the settings.

    Parameters
    ----------
    range_m, rays
        The window in which gates tell, along and across the rays.
    prior_gates
        Gates that the relation of the settings counts for.
    limit
        Largest factor by which ``a`` is changed.
    """

    range_m: float = 20_000.0
    rays: int = 25
    prior_gates: float = 60.0
    limit: float = 4.0


def tuned_rate(
    dbz: NDArray[np.float32],
    rate: NDArray[np.float32],
    known: NDArray[np.bool_],
    gate_m: float,
    relation: ZRRelation,
    params: TuningParams,
) -> NDArray[np.float32]:
    """Rain rate of reflectivity with the coefficient that nearby polarimetric rain has.

    Bringi et al. (2004, J. Appl. Meteor. 43, 1800-1810) tune ``a`` of ``Z = a R^b`` in the same
    way; ``b`` stays that of the settings.

    Parameters
    ----------
    dbz, rate, known
        (ray, gate): reflectivity; rain by other relations, where ``known``.
    gate_m, relation, params
        Gate length, relation to start from, window.
    """
    told = known & (rate > 0.5) & np.isfinite(dbz)
    if not told.any():
        return relation.rain_rate(dbz)
    off = dbz[told] / 10.0 - relation.b * np.log10(rate[told]) - np.log10(relation.a)
    values = np.zeros(dbz.shape, np.float32)
    limit = np.log10(params.limit)
    values[told] = np.clip(off, -limit, limit)
    size = (params.rays, 2 * max(1, round(params.range_m / gate_m / 2)) + 1)
    count = _window_sum(told.astype(np.float32), size)
    total = _window_sum(values, size)
    shift = total / (np.maximum(count, 0) + params.prior_gates)
    return np.asarray(relation.rain_rate(dbz) * 10.0 ** (-shift / relation.b), np.float32)


def _window_sum(values: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Sum over windows of rays, which close a circle, and gates."""
    mean = uniform_filter(values, size, mode=("wrap", "constant"))
    return np.asarray(mean * (size[0] * size[1]), np.float32)
