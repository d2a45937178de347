"""Echo that is not of weather, gate by gate, by fuzzy membership of what the radar sends."""

from dataclasses import dataclass, field

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.polar import DRY_DBZ, DualPol, PolarSweep
from jinghu.radar.texture import echo_only, mean_around, phase_texture, texture


@dataclass(frozen=True, slots=True)
class Membership:
    """Degree to which a value speaks for echo that is not of weather: 0 below, 1 above a ramp.

    A ramp from high to low (``none > full``) speaks for it where the value is small.
    """

    none: float
    full: float
    weight: float

    def degree(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Degree 0 to 1; NaN where there is no value.

        >>> Membership(1.0, 3.0, 1.0).degree(np.array([0.0, 2.0, 9.0], np.float32))
        array([0. , 0.5, 1. ], dtype=float32)
        """
        none, span, _ = self.ramp()
        return np.asarray(np.clip((values - none) / span, 0, 1), np.float32)

    def ramp(self) -> tuple[np.float32, np.float32, np.float32]:
        """Foot and span of the ramp, and the weight, as the kernel takes them."""
        return np.float32(self.none), np.float32(self.full - self.none), np.float32(self.weight)


@dataclass(frozen=True, slots=True)
class Insects:
    """Memberships of insects, which fly level: flat targets (large ZDR), unlike one another.

    All must speak, so that the weakest counts: rain of large drops has the ZDR but not the low
    rhoHV, melting snow both but more echo, ground no lasting sign of ZDR (Zrnic & Ryzhkov 1998,
    IEEE Trans. Geosci. Remote Sens. 36, 661-668; Park et al. 2009, Weather Forecast. 24, 730-748,
    whose class of biological scatterers lies beyond the same values).
    """

    zdr_db: Membership = Membership(2.0, 4.0, 1.0)
    rhohv: Membership = Membership(0.95, 0.85, 1.0)
    dbz: Membership = Membership(25.0, 15.0, 1.0)


@dataclass(frozen=True, slots=True)
class FuzzyParams:
    """Memberships of echo that is not of weather, and where the decision lies.

    The variables are those of Gourley et al. (2007, J. Atmos. Oceanic Technol. 24, 1439-1451) and
    Hubbert et al. (2009), the ramps lie between their distributions for rain and for ground.
    """

    rhohv: Membership = Membership(0.93, 0.75, 3.0)
    zdr_texture_db: Membership = Membership(1.0, 3.0, 1.0)
    phidp_texture_deg: Membership = Membership(8.0, 30.0, 2.0)
    dbz_texture_db: Membership = Membership(3.0, 7.0, 2.0)
    still_m_s: Membership = Membership(1.5, 0.5, 0.5)
    filtered_db: Membership = Membership(3.0, 15.0, 1.0)  # removed by the radar's own filter
    flagged: Membership = Membership(0.0, 1.0, 0.5)
    drop_db: Membership = Membership(6.0, 18.0, 1.5)  # to the sweep above
    insects: Insects = field(default_factory=Insects)
    decision: float = 0.5
    decision_single: float = 0.35  # without dual polarisation: fewer variables speak at a time


def has_evidence(sweep: PolarSweep) -> bool:
    """Whether the radar sends more than filtered reflectivity and velocity."""
    return sweep.dual is not None or sweep.total_dbz is not None or sweep.flagged is not None


def score(
    sweep: PolarSweep, drop_db: NDArray[np.float32] | None, params: FuzzyParams
) -> NDArray[np.float32]:
    """Degree to which each gate's echo is not of weather: weighted mean, or that of insects.

    Parameters
    ----------
    sweep
        As scanned.
    drop_db
        (ray, gate) fall of reflectivity to the sweep above; NaN where it says nothing.
    params
        Memberships.

    Returns
    -------
    (ray, gate) 0 to 1, NaN where there is no echo.
    """
    echo = echo_only(sweep.dbz)
    evidence = [(params.dbz_texture_db, texture(echo, 1, 2))]
    evidence.append((params.still_m_s, sweep.velocity_m_s))
    if sweep.total_dbz is not None:
        removed = echo_only(sweep.total_dbz) - np.maximum(echo, np.float32(-10.0))
        evidence.append((params.filtered_db, removed))
    if sweep.flagged is not None:
        evidence.append((params.flagged, sweep.flagged.astype(np.float32)))
    if drop_db is not None:
        evidence.append((params.drop_db, drop_db))
    if sweep.dual is not None:
        evidence.append((params.rhohv, sweep.dual.rhohv))
        evidence.append((params.zdr_texture_db, texture(sweep.dual.zdr_db, 1, 2)))
        evidence.append((params.phidp_texture_deg, phase_texture(sweep.dual.phidp_deg, 1, 3)))
    total = np.zeros(echo.shape, np.float32)
    weight = np.zeros(echo.shape, np.float32)
    for membership, values in evidence:
        _speak(total, weight, echo, values, membership.ramp())
    found = _mean(total, weight)
    if sweep.dual is not None:
        found = np.fmax(found, _insects(echo, sweep.dual, params.insects))
    return found


@numba.njit(cache=True, nogil=True)
def _speak(
    total: NDArray[np.float32],
    weight: NDArray[np.float32],
    echo: NDArray[np.float32],
    values: NDArray[np.float32],
    ramp: tuple[np.float32, np.float32, np.float32],
) -> None:
    """Add what one variable says of the gates with echo to the sums."""
    none, span, importance = ramp
    for ray in range(values.shape[0]):
        for gate in range(values.shape[1]):
            value = values[ray, gate]
            if np.isfinite(value) and np.isfinite(echo[ray, gate]):
                degree = min(max((value - none) / span, np.float32(0)), np.float32(1))
                total[ray, gate] += importance * degree
                weight[ray, gate] += importance


@numba.njit(cache=True, nogil=True)
def _mean(total: NDArray[np.float32], weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Weighted mean of what spoke; NaN where nothing did."""
    out = np.full(total.shape, np.float32(np.nan))
    for ray in range(total.shape[0]):
        for gate in range(total.shape[1]):
            if weight[ray, gate] > 0:
                out[ray, gate] = total[ray, gate] / weight[ray, gate]
    return out


def _insects(echo: NDArray[np.float32], dual: DualPol, params: Insects) -> NDArray[np.float32]:
    """Degree to which echo is of insects, of means over 3 x 5 gates: single ones are noisy."""
    return _weakest(
        echo,
        mean_around(np.where(np.isfinite(echo), dual.zdr_db, np.nan), 1, 2),
        mean_around(np.where(np.isfinite(echo), dual.rhohv, np.nan), 1, 2),
        (params.dbz.ramp(), params.zdr_db.ramp(), params.rhohv.ramp()),
    )


@numba.njit(cache=True, nogil=True)
def _weakest(
    echo: NDArray[np.float32],
    zdr_db: NDArray[np.float32],
    rhohv: NDArray[np.float32],
    ramps: tuple[tuple[np.float32, np.float32, np.float32], ...],
) -> NDArray[np.float32]:
    """Least of three degrees; NaN where one is not known."""
    of_echo, of_zdr, of_rho = ramps
    out = np.full(echo.shape, np.float32(np.nan))
    for ray in range(echo.shape[0]):
        for gate in range(echo.shape[1]):
            z, d, r = echo[ray, gate], zdr_db[ray, gate], rhohv[ray, gate]
            if np.isnan(z) or np.isnan(d) or np.isnan(r):
                continue
            least = min((z - of_echo[0]) / of_echo[1], (d - of_zdr[0]) / of_zdr[1])
            least = min(least, (r - of_rho[0]) / of_rho[1])
            out[ray, gate] = min(max(least, np.float32(0)), np.float32(1))
    return out


def without_non_weather(
    sweep: PolarSweep, found: NDArray[np.float32], params: FuzzyParams
) -> NDArray[np.float32]:
    """Reflectivity in which echo that is not of weather by its `score` is missing; dry stays."""
    limit = params.decision_single if sweep.dual is None else params.decision
    bad = found > limit
    return np.where(bad & (sweep.dbz > DRY_DBZ), np.float32(np.nan), sweep.dbz)
