"""Reaches cut into segments that a flood wave crosses in about one step."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.network import RiverNetwork
from jinghu.hydro.trees import stack_order

_MAX_SUBSTEPS = 12
_MAX_PIECES = 16

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Segments:
    """Segments of a network, upstream before downstream, in the order of the kernel.

    Parameters
    ----------
    downstream, reach
        (segment,) next segment (-1 outlet), and the reach it is part of.
    branches
        (segment,) how many segments flow into it.
    depth
        How many hydrographs wait at most, see `jinghu.hydro.trees.stack_order`.
    last
        (reach,) last segment of each reach.
    share
        (segment,) share of the reach's lateral inflow.
    kc, kd
        (segment,) see `jinghu.hydro.channel_rows`.
    travel, weight
        (segment,) K over the step and X of linear Muskingum at the reference discharge.
    substeps
        Steps of the kernel in one step of the inflow.
    step_s
        Length of one of them.
    """

    downstream: NDArray[np.int64]
    reach: NDArray[np.int64]
    branches: NDArray[np.int64]
    depth: int
    last: NDArray[np.int64]
    share: Array
    kc: Array
    kd: Array
    travel: Array
    weight: Array
    substeps: int
    step_s: float


def reference_discharge(network: RiverNetwork) -> Array:
    """Middling flood of each reach: 0.5 A^0.8 m3/s with the upstream area A in km2."""
    return np.asarray(0.5 * network.upstream_area_km2**0.8, np.float64)


def segments(network: RiverNetwork, step_s: float) -> Segments:
    """Cut reaches where C + D < 1 and steps where C > 1 + D at a middling flood.

    C + D >= 1 and C <= 1 + D keep the coefficients of Muskingum-Cunge positive (Ponce & Theurer
    1982). Steps are cut for nine reaches in ten, at most twelve times: where a wave crosses more
    than a reach in a step, theta keeps it stable.

    Parameters
    ----------
    network
        The network.
    step_s
        Step of the inflow.
    """
    reference = reference_discharge(network)
    a = (np.sqrt(network.slope) / network.manning_n) ** 0.6 * network.width_m**-0.4
    celerity = 5.0 / 3.0 * a * reference**0.4
    diffusion_m = reference / (network.width_m * network.slope * celerity)
    stable_s = float(np.quantile((network.length_m + diffusion_m) / celerity, 0.1))
    substeps = int(np.clip(np.ceil(step_s / stable_s), 1, _MAX_SUBSTEPS))
    dt = step_s / substeps
    longest = celerity * dt + diffusion_m
    pieces = np.clip(np.ceil(network.length_m / longest), 1, _MAX_PIECES).astype(np.int64)
    reach = np.repeat(np.arange(network.n_reaches), pieces)
    last = np.cumsum(pieces) - 1
    first = last - pieces + 1
    downstream = np.arange(1, len(reach) + 1)
    below = network.downstream
    downstream[last] = np.where(below >= 0, first[np.maximum(below, 0)], -1)
    order, depth = stack_order(downstream)
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    downstream = np.where(downstream >= 0, place[downstream], -1)[order]
    reach, last = reach[order], place[last]
    dx = (network.length_m / pieces)[reach]
    width, slope = network.width_m[reach], network.slope[reach]
    travel = dx / (celerity[reach] * dt)
    weight = 0.5 * (1.0 - diffusion_m[reach] / dx)
    # With X in these limits all three coefficients are positive, whatever the step.
    weight = np.minimum(np.minimum(weight, 0.5 / travel), 1.0 - 0.5 / travel)
    weight = np.maximum(weight, -0.5 / travel)
    return Segments(
        downstream=downstream,
        reach=reach,
        branches=np.bincount(downstream[downstream >= 0], minlength=len(downstream)),
        depth=depth,
        last=last,
        share=(1.0 / pieces)[reach],
        kc=a[reach] * dt / dx,
        kd=dt / (width * slope * dx**2),
        travel=travel,
        weight=weight,
        substeps=substeps,
        step_s=dt,
    )
