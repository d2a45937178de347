"""Rain rate of every gate by the relation that suits it: of Z, ZDR, KDP or attenuation."""

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from jinghu.grid.fields import Method
from jinghu.radar.attenuation import ATTENUATION, Attenuation, attenuation, corrected
from jinghu.radar.geometry import gate_heights
from jinghu.radar.phidp import Phase, PhaseParams, process
from jinghu.radar.polar import PolarSweep
from jinghu.radar.rain_type import RainTypeParams, convective
from jinghu.radar.relations import (
    RAIN_OF_ATTENUATION,
    RAIN_OF_KDP,
    RAIN_OF_KDP_ZDR,
    RAIN_OF_Z_ZDR,
    hail_limit_dbz,
)
from jinghu.radar.texture import phase_texture
from jinghu.radar.tuned_zr import TuningParams, tuned_rate
from jinghu.radar.windows import window_sums
from jinghu.radar.zr import ZRTable


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
        From here on echo may hold hail: attenuation and ZDR are not used where ZDR is too small
        for rain, or unknown.
    least_zdr_db
        Smaller ZDR is not told apart from none.
    zdr_window_m, zdr_rays
        ZDR is averaged over so much of the ray, and so many rays.
    calibrated_path_db
        Path attenuation up to which reflectivity and ZDR are sound enough to be used together.
    melting_bottom_m
        Height above mean sea level at which snow has melted; from there on up neither KDP nor ZDR
        nor attenuation is that of rain.
    capped_quality
        Of gates whose reflectivity is above the hail cap and whose KDP is not known.
    """

    heavy_dbz: float = 38.0
    heavy_kdp: float = 0.3
    sound_rise_deg: float = 10.0
    hail_dbz: float = 50.0
    melting_bottom_m: float = 4_500.0
    capped_quality: float = 0.5
    least_zdr_db: float = 0.15
    zdr_window_m: float = 1_500.0
    zdr_rays: int = 3
    calibrated_path_db: float = 5.0
    lost_db: float = 20.0  # path attenuation at which the quality has fallen to 1/e
    phase: PhaseParams = field(default_factory=PhaseParams)
    tuning: TuningParams = field(default_factory=TuningParams)
    types: RainTypeParams = field(default_factory=RainTypeParams)


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
    zr: ZRTable,
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
    plain = rate_by_type(sweep, zr, params)
    rate = plain.copy()
    echo = np.isfinite(sweep.dbz)
    capped = echo & (sweep.dbz > zr.convective.cap_dbz)
    method = np.where(echo, Method.Z, Method.NONE).astype(np.uint8)
    method[capped] = Method.Z_CAPPED
    quality = echo.astype(np.float32)
    if products is None or sweep.dual is None:
        return GateRain(rate, method, quality)
    quality[capped] = params.capped_quality
    wet = echo & (sweep.dbz > zr.stratiform.floor_dbz)
    in_rain = wet & _in_rain(sweep, antenna_m, params)[None, :]
    told = _polarimetric(sweep, products, band, in_rain, params)
    polarimetric = told.method != Method.NONE
    rate[polarimetric], method[polarimetric] = told.rate[polarimetric], told.method[polarimetric]
    quality[told.method == Method.KDP] = 1.0
    quality[told.method == Method.KDP_ZDR] = 1.0
    tuned = tuned_rate(plain, rate, polarimetric, sweep.gate_m, params.tuning)
    # Above the rain too, where some is near: what was brought down is rain of the same kind.
    rest = (in_rain | (wet & (tuned != plain))) & (method == Method.Z)
    rate[rest], method[rest] = tuned[rest], Method.Z_TUNED
    quality *= np.exp(-products.attenuation.path_db / np.float32(params.lost_db))
    return GateRain(rate, method, quality.astype(np.float32))


def rate_by_type(sweep: PolarSweep, zr: ZRTable, params: QpeParams) -> NDArray[np.float32]:
    """Rain rate (ray, gate) of reflectivity alone, by the relation of its type of rain."""
    if zr.stratiform == zr.convective:
        return zr.stratiform.rain_rate(sweep.dbz)
    heavy = zr.convective.rain_rate(sweep.dbz)
    return np.where(convective(sweep, params.types), heavy, zr.stratiform.rain_rate(sweep.dbz))


def _polarimetric(
    sweep: PolarSweep,
    products: PhaseProducts,
    band: str,
    in_rain: NDArray[np.bool_],
    params: QpeParams,
) -> GateRain:
    """Rain of the gates for which more than reflectivity is known; the others have no method."""
    assert sweep.dual is not None
    rate = np.zeros(sweep.dbz.shape, np.float32)
    method = np.full(sweep.dbz.shape, Method.NONE, np.uint8)
    weakened, kdp = products.attenuation, products.phase.kdp_deg_km
    zdr = smoothed_zdr(sweep, params)
    with np.errstate(invalid="ignore"):
        sized = in_rain & (zdr >= params.least_zdr_db)
        limit = np.where(sized, hail_limit_dbz(zdr), params.hail_dbz)
        rain = in_rain & (sweep.dbz < np.maximum(limit, params.hail_dbz))
        heavy = in_rain & (sweep.dbz >= params.heavy_dbz) & (kdp >= params.heavy_kdp)
    if band in RAIN_OF_Z_ZDR:
        some = rain & sized & (sweep.dbz > 20.0) & (weakened.path_db < params.calibrated_path_db)
        rate[some] = RAIN_OF_Z_ZDR[band].rain_rate(10.0 ** (sweep.dbz[some] / 10.0), zdr[some])
        method[some] = Method.Z_ZDR
    if band in RAIN_OF_ATTENUATION:
        sound = rain & (weakened.rise_deg >= params.sound_rise_deg) & (sweep.dbz > 20.0)
        rate[sound] = RAIN_OF_ATTENUATION[band].rain_rate(weakened.specific_db_km[sound])
        method[sound] = Method.ATTENUATION
        both = sound & sized
        rate[both] = RAIN_OF_KDP_ZDR[band].rain_rate(weakened.kdp_deg_km[both], zdr[both])
        method[both] = Method.KDP_ZDR
        heavy &= ~sound
    rate[heavy] = RAIN_OF_KDP[band].rain_rate(kdp[heavy])
    method[heavy] = Method.KDP
    both = heavy & rain & sized
    rate[both] = RAIN_OF_KDP_ZDR[band].rain_rate(kdp[both], zdr[both])
    method[both] = Method.KDP_ZDR
    return GateRain(rate, method, np.ones_like(rate))


def smoothed_zdr(sweep: PolarSweep, params: QpeParams) -> NDArray[np.float32]:
    """ZDR averaged over a window, NaN where fewer than half of its gates are of rain."""
    assert sweep.dual is not None
    zdr = sweep.dual.zdr_db
    with np.errstate(invalid="ignore"):
        good = np.isfinite(zdr) & (sweep.dbz > 10.0) & (sweep.dual.rhohv > 0.95)
    rays = params.zdr_rays // 2
    gates = max(1, round(params.zdr_window_m / sweep.gate_m / 2))
    count = window_sums(good.astype(np.float32), rays, gates, True)
    total = window_sums(np.where(good, zdr, np.float32(0)), rays, gates, True)
    half = np.float32((2 * rays + 1) * (2 * gates + 1) / 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(count >= half, total / count, np.float32(np.nan))


def _in_rain(sweep: PolarSweep, antenna_m: float, params: QpeParams) -> NDArray[np.bool_]:
    """Mark gates (gate,) below the melting layer; they come first."""
    heights = gate_heights(sweep.range_m, sweep.elevation_deg, antenna_m)
    below = heights < params.melting_bottom_m
    return np.asarray(np.logical_and.accumulate(below))
