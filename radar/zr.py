"""Reflectivity and rain rate: Z = a R^b with a cap against hail."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class ZRRelation:
    """``Z = a R^b``, Z in mm6 m-3, R in mm/h; reflectivity is capped at ``cap_dbz``.

    Defaults: the relation of the WSR-88D and of Chinese operations (Fulton et al. 1998, Weather
    Forecast. 13, 377-395), cap 53 dBZ.
    """

    a: float = 300.0
    b: float = 1.4
    cap_dbz: float = 53.0
    floor_dbz: float = 5.0  # weaker echo is not rain that reaches the ground

    def rain_rate(self, dbz: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rain rate in mm/h; NaN stays NaN.

        >>> ZRRelation().rain_rate(np.array([40.0], np.float32)).round(2)
        array([12.24], dtype=float32)
        """
        capped = np.minimum(dbz, np.float32(self.cap_dbz))
        rate = (10.0 ** (capped / 10.0) / self.a) ** (1.0 / self.b)
        return np.where(dbz < self.floor_dbz, 0.0, rate).astype(np.float32)

    def reflectivity(self, rate_mm_h: NDArray[np.float32]) -> NDArray[np.float32]:
        """Reflectivity in dBZ of a rain rate, -32 where there is none."""
        z = self.a * np.maximum(rate_mm_h, 1e-6) ** self.b
        return np.where(rate_mm_h > 1e-3, 10.0 * np.log10(z), -32.0).astype(np.float32)


@dataclass(frozen=True, slots=True)
class ZRTable:
    """Relations by type of rain, of one season."""

    stratiform: ZRRelation = field(default_factory=ZRRelation)
    convective: ZRRelation = field(default_factory=ZRRelation)


@dataclass(frozen=True, slots=True)
class ZRFit:
    """A fitted relation, and how well it does at the gauges that it was fitted to."""

    a: float
    b: float
    rmse_mm: float
    n: int


def fit_zr(
    dbz: NDArray[np.floating],
    amount_mm: NDArray[np.floating],
    exponents: Sequence[float] = (1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8),
) -> ZRFit:
    """Fit ``Z = a R^b`` to the amounts of gauges.

    For each exponent ``a`` is the one by which the sum of all gauges is met; of the exponents that
    is taken whose amounts are nearest to the gauges'.

    Parameters
    ----------
    dbz
        (gauge hour, scan): reflectivity over the gauge through the hour.
    amount_mm
        (gauge hour,) what the gauge caught.
    exponents
        That are tried.

    Raises
    ------
    ValueError
        Where there are fewer than twenty hours with rain and echo.
    """
    known = np.isfinite(dbz).all(axis=1) & np.isfinite(amount_mm)
    z, caught = 10.0 ** (dbz[known].astype(np.float64) / 10.0), amount_mm[known].astype(np.float64)
    if (caught > 0.1).sum() < 20:
        raise ValueError(f"{int((caught > 0.1).sum())} hours with rain are too few for a relation")
    best: ZRFit | None = None
    for b in exponents:
        shape = (z ** (1.0 / b)).mean(axis=1)
        scale = caught.sum() / shape.sum()
        rmse = float(np.sqrt(((scale * shape - caught) ** 2).mean()))
        if best is None or rmse < best.rmse_mm:
            best = ZRFit(float(scale**-b), b, rmse, len(caught))
    assert best is not None
    return best
