"""Published cases of hydrology with known answers."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from tests.hydro.kernel_rows import kinematic, rows
from tests.hydro.networks import make_network

from jinghu.hydro.routing import RoutingMethod, route

WILSON = (
    np.array([22, 23, 35, 71, 103, 111, 109, 100, 86, 71, 59,
              47, 39, 32, 28, 24, 22, 21, 20, 19, 19, 18], float),
    np.array([22, 21, 21, 26, 34, 44, 55, 66, 75, 82, 85,
              84, 80, 73, 64, 54, 44, 36, 30, 25, 22, 19], float),
)  # fmt: skip
"""Wilson 1974, Engineering Hydrology: inflow and outflow in m3/s every 6 h."""

CHOW = (
    np.array([93, 137, 208, 320, 442, 546, 630, 678, 691, 675,
              634, 571, 477, 390, 329, 247, 184, 134, 108, 90], float),
    np.array([85, 91, 114, 160, 233, 324, 420, 509, 578, 623,
              642, 635, 603, 546, 479, 413, 341, 274, 215, 170], float),
)  # fmt: skip
"""Chow, Maidment & Mays 1988, example 8.4.1: K 2.3 h, X 0.15, dt 1 h."""

VALLEY = 4.86
"""m3/s at equilibrium: 10.8 mm/h on 1.62 km2 (di Giammarco et al. 1996)."""


@dataclass(frozen=True)
class Plane:
    """Kinematic plane: rain on a slope, alpha = sqrt(S) / n = 1."""

    length: float = 100.0
    slope: float = 0.04
    roughness: float = 0.2
    rain: float = 50e-3 / 3600

    @property
    def equilibrium(self):
        """Unit discharge at the foot, m2/s."""
        return self.rain * self.length

    @property
    def concentration(self):
        """Time in s until the whole plane contributes."""
        return (self.length / self.rain ** (2 / 3)) ** 0.6


PLANE = Plane()


def muskingum_nonlinear(inflow, k, x, m):
    """S = K [x I + (1 - x) O]^m, explicit steps of one: the form whose optimum is published."""
    result = [inflow[0]]
    storage = k * inflow[0] ** m
    for before in inflow[:-1]:
        outflow = ((storage / k) ** (1 / m) - x * before) / (1 - x)
        storage += before - outflow
        result.append(((storage / k) ** (1 / m) - x * before) / (1 - x))
    return np.array(result)


def plane_runoff(cells=200, step_s=1.0):
    """Largest error of the rising limb over the equilibrium, and discharge (m2/s) at the end."""
    dx = PLANE.length / cells
    kc = (np.sqrt(PLANE.slope) / PLANE.roughness) ** 0.6 * step_s / dx
    w, storage = rows(), np.zeros(cells)
    steps = int(1.5 * PLANE.concentration / step_s)
    found = np.zeros(steps)
    for k in range(steps):
        flow = 0.0
        for i in range(cells):
            storage[i], flow = kinematic(w, kc, storage[i], flow, PLANE.rain * dx)
        found[k] = flow
    t = step_s * np.arange(1, steps + 1)
    exact = np.minimum((PLANE.rain * t) ** (5 / 3), PLANE.equilibrium)
    return np.abs(found - exact).max() / PLANE.equilibrium, found[-1]


def valley_runoff():
    """Discharge of the V-catchment: two planes of 800 x 1000 m into a channel of 1000 m.

    Planes S 0.05, n 0.015; channel S 0.02, n 0.15, 20 m wide. Cells of the planes are reaches of
    a network: 50 strips of 20 m a side, each in 8 reaches of 100 m.
    """
    strips, cells = 50, 8
    below: list[int] = []
    length: list[float] = []
    slope: list[float] = []
    width: list[float] = []
    rough: list[float] = []
    area: list[float] = []
    for strip in range(strips):
        for _ in range(2):
            below += [len(below) + 1 + k for k in range(cells - 1)] + [-2 - strip]
            length += [100.0] * cells
            slope += [0.05] * cells
            width += [20.0] * cells
            rough += [0.015] * cells
            area += [100.0 * 20.0 / 1e6] * cells
    first = len(below)
    below = [first + (-2 - b) if b < 0 else b for b in below]
    below += [first + k + 1 for k in range(strips - 1)] + [-1]
    length += [20.0] * strips
    slope += [0.02] * strips
    width += [20.0] * strips
    rough += [0.15] * strips
    area += [20.0 * 20.0 / 1e6] * strips
    network = make_network(below, length, slope, width, rough, area)
    rain = 10.8e-3 / 3600 * network.local_area_km2 * 1e6
    lateral = np.tile(rain, (180, 1))
    inflow = xr.DataArray(lateral, dims=("time", "reach"), coords={"time": np.arange(180) * 60.0})
    dry = route(network, inflow[:1] * 0, method=RoutingMethod.KINEMATIC, step_s=60.0)
    found = route(network, inflow, method=RoutingMethod.KINEMATIC, initial=dry)
    return found["river_discharge"].values[:, -1]
