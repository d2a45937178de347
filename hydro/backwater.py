"""Stage of a river under backwater: steady, gradually varied flow above a level that holds it.

A gate's pond moves slowly beside the river above it, so the surface at one time is that of steady
flow under the discharges of that time: energy is carried up from the pond, reach by reach, in short
steps. Above where the pond reaches, the surface is that of uniform flow; where the pond stands
below it, the river draws down to it. Storage of the backwater is the pond's, discharge that of
routing: this tells stages alone.

Source: Chow, Open-Channel Hydraulics (1959), standard-step method, in the wide rectangle of
routing (hydraulic radius = depth).
"""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.network import RiverNetwork

Array = NDArray[np.float64]
_GRAVITY = 9.80665
_STEP_M, _LEAST_STEP_M = 250.0, 1.0
_CHANGE = 0.1  # of the depth over a step
_ITERATIONS = 60
_TOLERANCE_M = 1e-9
_MET = 0.99  # share of uniform depth from which the flow is uniform
_STILL_M3_S = 1e-6  # below it the surface is level


@dataclass(frozen=True, slots=True)
class Stem:
    """Reaches between a held level and the places whose stage is wanted, heads first.

    Parameters
    ----------
    reach
        (node,) numbers in the network; the last is held at its end.
    below
        (node,) node that each flows into, -1 for the last.
    """

    reach: NDArray[np.int64]
    below: NDArray[np.int64]


def stem_of(
    network: RiverNetwork, held: int, covered: NDArray[np.int64], wanted: NDArray[np.int64]
) -> Stem:
    """Reaches on the ways from those wanted among ``covered`` down to the one that is held."""
    needed = np.zeros(network.n_reaches, bool)
    inside = np.zeros(network.n_reaches, bool)
    inside[covered] = True
    needed[held] = True
    for reach in wanted[inside[wanted]]:
        at = int(reach)
        while not needed[at]:
            needed[at] = True
            at = int(network.downstream[at])
    reaches = np.flatnonzero(needed)
    place = np.full(network.n_reaches + 1, -1)
    place[reaches] = np.arange(len(reaches))
    below = place[network.downstream[reaches]]
    below[-1] = -1
    return Stem(reaches, below)


@numba.njit(cache=True, error_model="numpy")
def step_up(
    depth: float, flow: float, width: float, manning_n: float, slope: float, dx: float
) -> float:
    """Depth of subcritical flow in m ``dx`` metres upstream of a depth; at least the critical one.

    Energy: h + slope dx + v^2/2g = h_down + v_down^2/2g + dx (Sf + Sf_down) / 2. The left side less
    the right one grows with h above the critical depth, so its root is bracketed and unique.
    """
    critical = (flow * flow / (width * width * _GRAVITY)) ** (1.0 / 3.0)
    kinetic = flow * flow / (2.0 * _GRAVITY * width * width)
    friction = 0.5 * dx * (flow * manning_n / width) ** 2
    start = max(depth, critical)
    wanted = start + kinetic / start**2 + friction * start ** (-10.0 / 3.0) - slope * dx
    low, high = critical, max(start, critical)
    if low + kinetic / low**2 - friction * low ** (-10.0 / 3.0) >= wanted:
        return float(low)
    while high + kinetic / high**2 - friction * high ** (-10.0 / 3.0) < wanted:
        high *= 1.5
    h = min(max(depth, low), high)
    for _ in range(_ITERATIONS):
        loss = friction * h ** (-10.0 / 3.0)
        f = h + kinetic / h**2 - loss - wanted
        if f > 0.0:
            high = h
        else:
            low = h
        new = h - f / (1.0 - 2.0 * kinetic / h**3 + 10.0 / 3.0 * loss / h)
        if not low < new < high:
            new = 0.5 * (low + high)
        if abs(new - h) < _TOLERANCE_M:
            return float(new)
        h = new
    return float(h)


@numba.njit(cache=True, error_model="numpy")
def _up_a_reach(
    depth: float,
    uniform: float,
    flow: float,
    width: float,
    manning_n: float,
    slope: float,
    length: float,
) -> float:
    """Depth at the upper end of a reach, in steps over which the depth changes little.

    No profile crosses uniform flow; long steps of shallow water would.
    """
    left = length
    while left > 0.0:
        froude2 = flow * flow / (width * width * _GRAVITY * depth**3)
        friction = (flow * manning_n / width) ** 2 * depth ** (-10.0 / 3.0)
        bend = abs(slope - friction) / max(1.0 - froude2, 0.1)
        dx = min(max(_CHANGE * depth / max(bend, 1e-12), _LEAST_STEP_M), _STEP_M, left)
        above = step_up(depth, flow, width, manning_n, slope, dx)
        depth = max(above, uniform) if depth >= uniform else min(above, uniform)
        left -= dx
    return depth


@numba.njit(cache=True, error_model="numpy")
def sweep_stem(
    flow: Array, held: Array, below: NDArray[np.int64], bed: Array, section: Array
) -> Array:
    """Stages (time, node) at the ends of reaches under flows (time, node) and the level held.

    ``section`` (4, node) is length, slope, width, Manning's n. A reach that stands out of the
    backwater has uniform flow, and so have those above it until one is drowned. The pond draws the
    river down no farther than to where uniform flow is met: beyond it a flood that comes down has
    less water before it, and its stage is its own.
    """
    n_time, n_node = flow.shape
    stage = np.empty((n_time, n_node))
    top = np.empty(n_node)  # level at the upper end of each reach
    met = np.empty(n_node)  # and the share of uniform depth there
    for t in range(n_time):
        for node in range(n_node - 1, -1, -1):
            length, slope, width, n = section[:, node]
            q = max(flow[t, node], 0.0)
            controlling = held[t] if below[node] < 0 else top[below[node]]
            depth = controlling - bed[node]
            if q < _STILL_M3_S:
                depth = max(depth, 0.0)
                stage[t, node] = bed[node] + depth
                top[node] = bed[node] + max(depth, slope * length)
                met[node] = 1.0
                continue
            uniform = (q * n / (width * np.sqrt(slope))) ** 0.6
            critical = (q * q / (width * width * _GRAVITY)) ** (1.0 / 3.0)
            if depth < min(uniform, critical):  # it falls freely into what is below
                depth = uniform if below[node] >= 0 else min(uniform, critical)
            if below[node] >= 0 and met[below[node]] > _MET:
                depth = max(depth, uniform * min(met[below[node]], 1.0))
            stage[t, node] = bed[node] + depth
            if depth < critical:  # a steep reach: what is below does not reach up
                top[node] = bed[node] + slope * length + depth
                met[node] = depth / uniform
                continue
            depth = _up_a_reach(depth, uniform, q, width, n, slope, length)
            top[node] = bed[node] + slope * length + depth
            met[node] = depth / uniform
    return stage


def backwater_stage_m(
    network: RiverNetwork, stem: Stem, discharge_m3_s: Array, held_level_m: Array
) -> Array:
    """Stages at the ends of the reaches of a stem.

    Parameters
    ----------
    network, stem
        The network and its reaches under backwater.
    discharge_m3_s
        (time, node) of those reaches at each time.
    held_level_m
        (time) level at the end of the last one, m above the datum of the beds.

    Returns
    -------
    (time, node) m above the datum of the beds.
    """
    at = stem.reach
    section = np.stack(
        [network.length_m[at], network.slope[at], network.width_m[at], network.manning_n[at]]
    ).astype(np.float64)
    return sweep_stem(
        np.ascontiguousarray(discharge_m3_s, np.float64),
        np.ascontiguousarray(held_level_m, np.float64),
        stem.below.astype(np.int64),
        network.bed_m[at].astype(np.float64),
        section,
    )
