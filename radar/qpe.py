"""Rain rate of every gate by the relation that suits it: Z, KDP or attenuation."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.fields import Method
from jinghu.radar.attenuation import ATTENUATION, Attenuation, attenuation, corrected
from jinghu.radar.geometry import beam_height, ground_distance
from jinghu.radar.phidp import Phase, PhaseParams, process
from jinghu.radar.polar import PolarSweep
from jinghu.radar.texture import phase_texture
from jinghu.radar.zr import ZRRelation


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """``R = factor x^exponent``, R in mm/h."""

    factor: float
    exponent: float

    def rain_rate(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Rain rate in mm/h, 0 where the value is not positive; NaN stays NaN."""
        return np.asarray(self.factor * np.maximum(values, 0) ** self.exponent, np.float32)


# S: CSU blended rain; C: Bringi & Chandrasekar as in common use; X: Diederich et al. (2015,
# J. Hydrometeor. 16, 503-516), at 10 degrees Celsius.
RAIN_OF_KDP = {
    "S": PowerLaw(40.5, 0.85), "C": PowerLaw(29.7, 0.85), "X": PowerLaw(15.81, 0.7992)
}  # fmt: skip
RAIN_OF_ATTENUATION = {"C": PowerLaw(250.0, 0.91), "X": PowerLaw(45.5, 0.83)}


@dataclass(frozen=True, slots=True)
class QpeParams:
    """Which relation where.

    Parameters
    ----------
    heavy_dbz, heavy_kdp
        From both on, rain is taken from KDP (Cifelli et al. 2011, J. Atmos. Oceanic Technol. 28,
        352-364).
    sound_rise_deg
        Rise of the phase over a segment from which its attenuation is sound.
    hail_dbz
        From here on attenuation holds hail as well, and is not used.
    freezing_level_m
        Height above mean sea level; half a kilometre below it melting begins, and there neither
        KDP nor attenuation is that of rain.
    capped_quality
        Of gates whose reflectivity is above the hail cap and whose KDP is not known.
    """

    heavy_dbz: float = 38.0
    heavy_kdp: float = 0.3
    sound_rise_deg: float = 10.0
    hail_dbz: float = 50.0
    freezing_level_m: float = 5_000.0
    capped_quality: float = 0.5
    lost_db: float = 20.0  # path attenuation at which the quality has fallen to 1/e
    phase: PhaseParams = field(default_factory=PhaseParams)


@dataclass(frozen=True, slots=True)
class GateRain:
    """Rain of a sweep, each (ray, gate): rate in mm/h, `Method`, quality 0 to 1."""

    rate: NDArray[np.float32]
    method: NDArray[np.uint8]
    quality: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class PhaseProducts:
    """What the phase of a sweep tells."""

    phase: Phase
    attenuation: Attenuation


def phase_products(
    sweep: PolarSweep, band: str, antenna_m: float, params: QpeParams
) -> PhaseProducts | None:
    """Phase, KDP and attenuation of a cleaned sweep; None where there is one polarisation."""
    dual = sweep.dual
    if dual is None:
        return None
    limits = params.phase
    with np.errstate(invalid="ignore"):
        good = (sweep.dbz > 0.0) & (dual.rhohv >= limits.min_rhohv) & np.isfinite(dual.phidp_deg)
        good &= phase_texture(dual.phidp_deg, 0, 4) <= limits.max_texture_deg
    phase = process(dual.phidp_deg, sweep.dbz, good, sweep.gate_m, limits)
    weakened = attenuation(
        sweep.dbz,
        phase.phidp_deg,
        int(_in_rain(sweep, antenna_m, params).sum()),
        sweep.gate_m,
        ATTENUATION[band],
    )
    return PhaseProducts(phase, weakened)


def restored(sweep: PolarSweep, products: PhaseProducts | None, band: str) -> PolarSweep:
    """Return the sweep with attenuation added back; lost signal is missing, not dry."""
    if products is None or sweep.dual is None:
        return sweep
    lost = ATTENUATION[band].lost_dbz
    weakened = products.attenuation
    dbz = corrected(sweep.dbz, weakened.path_db, sweep.range_m, lost)
    zdr = sweep.dual.zdr_db + weakened.path_zdr_db
    return replace(sweep, dbz=dbz, dual=replace(sweep.dual, zdr_db=zdr))


def gate_rain(
    sweep: PolarSweep,
    products: PhaseProducts | None,
    band: str,
    antenna_m: float,
    zr: ZRRelation,
    params: QpeParams,
) -> GateRain:
    """Rain of every gate of a restored sweep.

    Parameters
    ----------
    sweep, products
        From `restored` and `phase_products`.
    band, antenna_m
        Of the radar: "S", "C" or "X"; height of the antenna in m.
    zr, params
        Relations and choices.
    """
    rate = zr.rain_rate(sweep.dbz)
    echo = np.isfinite(sweep.dbz)
    capped = echo & (sweep.dbz > zr.cap_dbz)
    method = np.where(echo, Method.Z, Method.NONE).astype(np.uint8)
    method[capped] = Method.Z_CAPPED
    quality = echo.astype(np.float32)
    if products is None:
        return GateRain(rate, method, quality)
    quality[capped] = params.capped_quality
    weakened, kdp = products.attenuation, products.phase.kdp_deg_km
    in_rain = echo & _in_rain(sweep, antenna_m, params)[None, :]
    if band in RAIN_OF_ATTENUATION:
        sound = in_rain & (weakened.rise_deg >= params.sound_rise_deg)
        sound &= (sweep.dbz > 20.0) & (sweep.dbz < params.hail_dbz)
        rate[sound] = RAIN_OF_ATTENUATION[band].rain_rate(weakened.specific_db_km[sound])
        method[sound] = Method.ATTENUATION
    heavy = in_rain & (sweep.dbz >= params.heavy_dbz) & (kdp >= params.heavy_kdp)
    heavy &= (method != Method.ATTENUATION) | (sweep.dbz >= params.hail_dbz)
    rate[heavy] = RAIN_OF_KDP[band].rain_rate(kdp[heavy])
    method[heavy] = Method.KDP
    quality[heavy] = 1.0
    quality *= np.exp(-weakened.path_db / np.float32(params.lost_db))
    return GateRain(rate, method, quality.astype(np.float32))


def _in_rain(sweep: PolarSweep, antenna_m: float, params: QpeParams) -> NDArray[np.bool_]:
    """Mark gates (gate,) below the melting layer; they come first."""
    elevation = sweep.elevation_deg
    heights = [
        beam_height(ground_distance(r, elevation), elevation, antenna_m) for r in sweep.range_m
    ]
    below = np.array(heights) < params.freezing_level_m - 500.0
    return np.asarray(np.logical_and.accumulate(below))
