"""Kernels of one step, called for one member: what the tests of channels share."""

from itertools import pairwise

import numba
import numpy as np

from jinghu.hydro import channel_rows as channel


@numba.njit
def cunge(w, kc, kd, storage, outflow, inflow, mean_inflow, lateral):
    """Storage and outflow at the end, and the mean outflow."""
    w[channel.STORAGE], w[channel.OUTFLOW], w[channel.LATERAL] = storage, outflow, lateral
    w[channel.INFLOW], w[channel.MEAN] = inflow, mean_inflow
    channel.cunge_rows(w, 1, kc, kd)
    return w[channel.STORAGE], w[channel.OUTFLOW], w[channel.MEAN]


@numba.njit
def kinematic(w, kc, storage, inflow, lateral):
    """Storage and outflow at the end."""
    w[channel.STORAGE], w[channel.INFLOW], w[channel.LATERAL] = storage, inflow, lateral
    channel.kinematic_rows(w, 1, kc)
    return w[channel.STORAGE], w[channel.OUTFLOW]


@numba.njit
def muskingum(w, travel, weight, outflow, before, inflow, lateral):
    """Outflow at the end."""
    w[channel.OUTFLOW], w[channel.BEFORE] = outflow, before
    w[channel.LATERAL] = lateral
    flow = np.full((2, 1), float(inflow))
    channel.muskingum_rows(w, 1, flow, 0, 1, travel, weight)
    return flow[1, 0]


def rows():
    """Return a place for the rows of a kernel."""
    return np.zeros(channel.ROWS * channel.LANES)


def muskingum_series(inflow, travel, weight, start):
    """Outflow of one reach under a series of inflow, linear Muskingum."""
    w, out = rows(), [start]
    for before, now in pairwise(inflow):
        out.append(muskingum(w, travel, weight, out[-1], before, now, 0.0))
    return np.array(out)
