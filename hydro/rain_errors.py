"""How rain may be wrong over the basin, as far as gauges can tell: fields that last and that pass.

The logarithm of the rain of a unit is off by a sum of Gaussian bumps on two lattices and one value
for all. The coarse lattice and the value last for a day, for radar, gauges and soil err alike over
an event; the fine one passes within hours. Flows below tell members' values apart, and what they
teach is a factor of the rain to come that fades with the same memory.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.hydro.model import Basin

Array = NDArray[np.float64]

_SD_ALL = 0.20  # of the logarithm of rain, everywhere alike
_SD_LASTING, _LASTING_M, _LASTING_HOURS = 0.25, 40_000.0, 24.0
_SD_PASSING, _PASSING_M, _PASSING_HOURS = 0.25, 25_000.0, 3.0
_BUMP = 0.6  # standard deviation of a bump over the spacing of its lattice
_MOST = 1.0  # of a logarithm that is corrected


@dataclass(frozen=True, slots=True)
class RainErrors:
    """What rain may be off by.

    Parameters
    ----------
    shape
        (unit, knot) logarithm of the rain in units by a knot that is one standard deviation off.
    hours
        (knot,) in which a knot forgets, to 1/e.
    """

    shape: Array
    hours: Array

    def kept(self, step_s: float) -> Array:
        """(knot,) share of a knot that is left after a step."""
        return np.asarray(np.exp(-step_s / 3600.0 / self.hours))

    def members(self, knots: Array) -> Array:
        """(unit, member) factors of the rain of knots (knot, member), one on average."""
        half = 0.5 * (self.shape**2).sum(axis=1, keepdims=True)
        return np.asarray(np.exp(self.shape @ knots - half))

    def expected(self, knots: Array, ages_s: Array) -> Array:
        """(age, unit) factors of the rain that is to be expected so long after knots (knot,)."""
        left = knots * np.exp(-ages_s[:, None] / 3600.0 / self.hours)
        return np.asarray(np.exp(np.clip(left @ self.shape.T, -_MOST, _MOST)))


def rain_errors(basin: Basin) -> RainErrors:
    """Errors of rain over the units of a basin."""
    x = basin.network.x_m[basin.unit_reach]
    y = basin.network.y_m[basin.unit_reach]
    lasting = _SD_LASTING * _bumps(x, y, _LASTING_M)
    passing = _SD_PASSING * _bumps(x, y, _PASSING_M)
    shape = np.concatenate([np.full((len(x), 1), _SD_ALL), lasting, passing], axis=1)
    hours = np.full(shape.shape[1], _LASTING_HOURS)
    hours[1 + lasting.shape[1] :] = _PASSING_HOURS
    return RainErrors(shape, hours)


def _bumps(x: Array, y: Array, spacing_m: float) -> Array:
    """(unit, knot) of a lattice, squares adding up to 1 in each unit; knots far from all left."""
    at = np.array(
        [
            (kx, ky)
            for kx in np.arange(x.min(), x.max() + spacing_m, spacing_m)
            for ky in np.arange(y.min(), y.max() + spacing_m, spacing_m)
        ]
    )
    away2 = (x[:, None] - at[:, 0]) ** 2 + (y[:, None] - at[:, 1]) ** 2
    weight = np.exp(-0.5 * away2 / (_BUMP * spacing_m) ** 2)
    weight /= np.sqrt((weight**2).sum(axis=1, keepdims=True))
    return np.asarray(weight[:, weight.max(axis=0) > 0.05])
