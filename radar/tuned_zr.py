"""A Z-R relation tuned where it rains by what the polarisations tell nearby."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.windows import window_sums


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
        Largest factor by which rain is changed.
    """

    range_m: float = 20_000.0
    rays: int = 25
    prior_gates: float = 60.0
    limit: float = 2.7


def tuned_rate(
    plain: NDArray[np.float32],
    rate: NDArray[np.float32],
    known: NDArray[np.bool_],
    gate_m: float,
    params: TuningParams,
) -> NDArray[np.float32]:
    """Rain rate of reflectivity with the coefficient that nearby polarimetric rain has.

    Bringi et al. (2004, J. Appl. Meteor. 43, 1800-1810) tune ``a`` of ``Z = a R^b`` in the same
    way; ``b`` stays that of the settings.

    Parameters
    ----------
    plain, rate, known
        (ray, gate): rain by reflectivity alone; rain by other relations, where ``known``.
    gate_m, params
        Gate length, window.
    """
    told = known & (rate > 0.5) & (plain > 0.05)
    if not told.any():
        return plain
    limit = np.log10(params.limit)
    values = np.zeros(plain.shape, np.float32)
    values[told] = np.clip(np.log10(rate[told] / plain[told]), -limit, limit)
    half = params.rays // 2, max(1, round(params.range_m / gate_m / 2))
    count = window_sums(told.astype(np.float32), *half, False)
    shift = window_sums(values, *half, False) / (count + np.float32(params.prior_gates))
    return np.asarray(plain * 10.0**shift, np.float32)
