"""Stage and flow at a gauge: the section that the model knows, and what reports say against it.

The rating is that of routing: uniform flow in a wide rectangle of the reach's width, slope and
Manning's n. It is as good as they are, so a station's own discharge goes before it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.network import RiverNetwork

Array = NDArray[np.float64]

RATING_SD = 0.25
"""Standard deviation of the logarithm of a flow that the section tells from a stage."""
_STAGE_SD_M = 0.03
_MEMORY = 240.0  # reports
_ENOUGH = 10.0  # reports
_LEAST_M = 0.3
_OF_DEPTH = 0.25  # roughness alone shifts a level by less than this share of the depth
_STEADY = 0.2  # standard deviation over the offset


def section_depth_m(network: RiverNetwork, reach: int, flow_m3_s: float) -> float:
    """Depth of uniform flow in m."""
    return float((max(flow_m3_s, 0.0) / _conveyance(network, reach)) ** 0.6)


def section_flow_m3_s(network: RiverNetwork, reach: int, depth_m: float) -> float:
    """Uniform flow in m3/s at a depth."""
    return float(_conveyance(network, reach) * max(depth_m, 0.0) ** (5.0 / 3.0))


def section_sd(depth_m: float) -> float:
    """Standard deviation of the logarithm of `section_flow_m3_s`: of the section, of the stage."""
    return float(np.hypot(RATING_SD, 5.0 / 3.0 * _STAGE_SD_M / max(depth_m, 0.05)))


def _conveyance(network: RiverNetwork, reach: int) -> float:
    slope, n = network.slope[reach], network.manning_n[reach]
    return float(network.width_m[reach] * np.sqrt(slope) / n)


@dataclass(frozen=True, slots=True)
class Offsets:
    """Reported levels less those of the section, all (gauge,), with forgetting.

    Parameters
    ----------
    weight
        Number of reports that count.
    mean_m, variance_m2
        Of the offset.
    depth_m
        Mean depth of the water then.
    """

    weight: Array
    mean_m: Array
    variance_m2: Array
    depth_m: Array

    @staticmethod
    def nothing(gauges: int) -> "Offsets":
        """Before any report."""
        return Offsets(*(np.zeros(gauges) for _ in range(4)))

    @property
    def known(self) -> NDArray[np.bool_]:
        """Where there are enough reports to tell."""
        return np.asarray(self.weight >= _ENOUGH)

    @property
    def steady(self) -> NDArray[np.bool_]:
        """Where levels stand off by more than roughness explains, always alike: the datum."""
        off = np.abs(self.mean_m)
        large = off > _LEAST_M + _OF_DEPTH * self.depth_m
        return np.asarray(self.known & large & (np.sqrt(self.variance_m2) < _STEADY * off))


def learn_offset(known: Offsets, gauge: int, offset_m: float, depth_m: float) -> Offsets:
    """Take in one report: its level less that of the section, and the depth of the section."""
    weight, mean, variance, depth = (
        v.copy() for v in (known.weight, known.mean_m, known.variance_m2, known.depth_m)
    )
    weight[gauge] = weight[gauge] * (1.0 - 1.0 / _MEMORY) + 1.0
    share = 1.0 / weight[gauge]
    away = offset_m - mean[gauge]
    mean[gauge] += share * away
    variance[gauge] = (1.0 - share) * (variance[gauge] + share * away**2)
    depth[gauge] += share * (depth_m - depth[gauge])
    return Offsets(weight, mean, variance, depth)
