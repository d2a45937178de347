"""Rain over whole catchments: which share of which rain cell lies above a reach."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from jinghu.grid.spec import GridSpec
from jinghu.hydro.network import RiverNetwork, runoff_weights

_LEAST_KNOWN = 0.5  # of a catchment's area; with less there is no mean


def catchments(network: RiverNetwork, spec: GridSpec, reaches: Sequence[int]) -> csr_array:
    """Area of every rain cell that drains through the ends of reaches.

    Parameters
    ----------
    network
        The network, upstream before downstream.
    spec
        Grid of the rain.
    reaches
        Whose catchments are wanted; they may lie in one another.

    Returns
    -------
    (catchment, cell of ``spec``) km2; land outside the grid is left out.
    """
    reach, cell, km2 = runoff_weights(network, spec)
    shape = (network.n_reaches, spec.nx * spec.ny)
    land = csr_array((km2, (reach, cell)), shape=shape)
    above = np.zeros((len(reaches), network.n_reaches))
    above[np.arange(len(reaches)), list(reaches)] = 1.0
    for one in range(network.n_reaches - 1, -1, -1):
        below = network.downstream[one]
        if below >= 0:
            above[:, one] = np.maximum(above[:, one], above[:, below])
    return csr_array(above) @ land


def areal_mean(field: NDArray[np.floating[Any]], weights: csr_array) -> NDArray[np.float64]:
    """Mean of a field over catchments.

    Parameters
    ----------
    field
        (..., y, x); NaN = not known.
    weights
        (catchment, cell) from `catchments`.

    Returns
    -------
    (..., catchment): the mean of the known cells, NaN where less than half of the area is known.
    """
    flat = np.asarray(field, np.float64).reshape(-1, weights.shape[1])
    known = np.isfinite(flat)
    area = weights @ known.T.astype(np.float64)
    total = weights @ np.where(known, flat, 0.0).T
    whole = np.asarray(weights.sum(axis=1)).reshape(-1, 1)
    enough = (area > 0) & (area >= _LEAST_KNOWN * whole)
    mean = np.where(enough, total / np.where(area > 0, area, 1.0), np.nan)
    return np.asarray(mean.T.reshape(*field.shape[:-2], weights.shape[0]))
