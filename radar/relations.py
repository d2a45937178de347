"""Published relations between polarimetric variables and rain, by band."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``R = factor x^exponent``, R in mm/h."""

    factor: float
    exponent: float

    def rain_rate(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rain rate in mm/h, 0 where the value is not positive; NaN stays NaN."""
        return np.asarray(self.factor * np.maximum(values, 0) ** self.exponent, np.float32)


@dataclass(frozen=True, slots=True)
class LawWithZdr:
    """``R = factor x^exponent 10^(per_db ZDR)``: ZDR tells the size of the drops."""

    factor: float
    exponent: float
    per_db: float

    def rain_rate(
        self, values: NDArray[np.float32], zdr_db: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Rain rate in mm/h; NaN stays NaN."""
        size = 10.0 ** (self.per_db * zdr_db)
        return np.asarray(self.factor * np.maximum(values, 0) ** self.exponent * size, np.float32)


# S: CSU blended rain; C: Bringi & Chandrasekar as in common use; X: Diederich et al. (2015,
# J. Hydrometeor. 16, 503-516), at 10 degrees Celsius.
RAIN_OF_KDP = {
    "S": PowerLaw(40.5, 0.85), "C": PowerLaw(29.7, 0.85), "X": PowerLaw(15.81, 0.7992)
}  # fmt: skip
RAIN_OF_ATTENUATION = {"C": PowerLaw(250.0, 0.91), "X": PowerLaw(45.5, 0.83)}
# Fitted to computed scattering of drops of the shapes that Brandes et al. (2002) measured
# (benchmarks/fit_relations.py). The exponents are those of Bringi & Chandrasekar (2001, tables 8.1
# and 8.2); their factors, of the flatter drops of earlier shapes, give a tenth less rain.
RAIN_OF_KDP_ZDR = {
    "S": LawWithZdr(144.8, 0.938, -0.287),
    "C": LawWithZdr(64.1, 0.895, -0.221),
    "X": LawWithZdr(43.8, 0.908, -0.228),
}
RAIN_OF_Z_ZDR = {"S": LawWithZdr(9.341e-3, 0.925, -0.487)}  # at C and X calibration rules it


def hail_limit_dbz(zdr_db: NDArray[np.float32]) -> NDArray[np.float32]:
    """Reflectivity above which echo of a ZDR is not of rain alone (Aydin et al. 1986).

    J. Climate Appl. Meteor. 25, 1475-1484, eq. 7.

    >>> hail_limit_dbz(np.array([-0.5, 1.0, 3.0], np.float32))
    array([27., 46., 60.], dtype=float32)
    """
    return np.asarray(np.clip(19.0 * zdr_db + 27.0, 27.0, 60.0), np.float32)
