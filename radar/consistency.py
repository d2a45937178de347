"""Absolute calibration of one radar from what its polarimetric moments in rain say."""

from collections.abc import Sequence
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.geometry import gate_heights
from jinghu.radar.polar import PolarSweep
from jinghu.radar.qpe import PhaseProducts, QpeParams, smoothed_zdr


@dataclass(frozen=True, slots=True)
class PhaseOfRain:
    """``KDP = factor Z^exponent 10^(per_db ZDR)``: degrees per km, mm6 m-3, dB."""

    factor: float
    exponent: float
    per_db: float

    def kdp(self, dbz: NDArray[np.float32], zdr_db: NDArray[np.float32]) -> NDArray[np.float32]:
        """KDP of rain in degrees per km; NaN stays NaN."""
        z = 10.0 ** (0.1 * self.exponent * dbz)
        return np.asarray(self.factor * z * 10.0 ** (self.per_db * zdr_db), np.float32)


# Fitted to the same spectra as the relations of `jinghu.radar.relations` (drop shapes of Brandes et
# al. 2002) between 25 and 45 dBZ; single spectra scatter by 0.2 dB of reflectivity about them.
# Those of Gourley et al. (2009, J. Atmos. Oceanic Technol. 26, 689-703, table 4) differ by 0.5 to
# 1 dB: their drops are flatter.
PHASE_OF_RAIN = {
    "S": PhaseOfRain(3.286e-5, 0.995, -0.239),
    "C": PhaseOfRain(6.567e-5, 0.995, -0.206),
    "X": PhaseOfRain(1.168e-4, 1.003, -0.276),
}


@dataclass(frozen=True, slots=True)
class ConsistencyParams:
    """Which rain may judge a radar.

    Parameters
    ----------
    rise_deg
        Rise of the phase over a segment of a ray that is judged: from, by band; and to, because
        beyond it attenuation is not known well enough.
    length_m
        Of a segment at least.
    least_dbz, hail_dbz
        Gates below are not of the segment; one above makes all of it suspect.
    least_rhohv
        Of rain alone.
    rain_top_m
        Height above mean sea level below which all is rain: well below the melting layer.
    nearest_m, farthest_m
        From the clutter about the radar to where its beam is too wide.
    least_segments, alike
        Fewer tell nothing; so many neighbours count as one.
    floor_db
        Error of the relation itself.
    light_dbz, light_zdr_db, light_floor_db, light_phase_deg, least_gates
        Light rain, whose ZDR is known (Bechini et al. 2008, J. Atmos. Oceanic Technol. 25,
        698-718), how well, up to which phase since the radar, and how much of it is needed.
    """

    rise_deg: tuple[float, float] = (4.0, 25.0)
    length_m: float = 5_000.0
    least_dbz: float = 20.0
    hail_dbz: float = 48.0
    least_rhohv: float = 0.96
    rain_top_m: float = 4_000.0
    nearest_m: float = 5_000.0
    farthest_m: float = 100_000.0
    least_segments: int = 30
    alike: float = 5.0
    floor_db: float = 0.8
    light_dbz: tuple[float, float] = (20.0, 22.0)
    light_zdr_db: float = 0.2
    light_floor_db: float = 0.1
    light_phase_deg: float = 4.0
    least_gates: int = 200


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What a radar says of itself: dB that it reads too high, standard error, pieces of rain."""

    offset_db: float
    error_db: float
    samples: int


def reflectivity_check(
    sweeps: Sequence[PolarSweep],
    phases: Sequence[PhaseProducts | None],
    band: str,
    antenna_m: float,
    params: ConsistencyParams,
    zdr_offset_db: float = 0.0,
) -> SelfCheck | None:
    """Offset of reflectivity from the rise of the phase through rain; None where rain is scarce.

    Over segments of rays the rise of the phase, which no calibration touches, is compared with the
    one that reflectivity and ZDR foretell (Gorgucci et al. 1992, J. Atmos. Oceanic Technol. 9,
    311-316; integrated as by Giangrande & Ryzhkov 2005, ibid. 22, 1716-1729).

    Parameters
    ----------
    sweeps, phases
        Cleaned sweeps with attenuation added back, and what their phases tell.
    band, antenna_m
        Of the radar.
    params
        Parameters.
    zdr_offset_db
        dB that its ZDR reads too high.
    """
    law = PHASE_OF_RAIN[band]
    offsets: list[NDArray[np.float64]] = []
    for sweep, found in zip(sweeps, phases, strict=True):
        if found is None or sweep.dual is None:
            continue
        zdr = smoothed_zdr(sweep, QpeParams()) - np.float32(zdr_offset_db)
        rain = _rain(sweep, antenna_m, params) & np.isfinite(zdr)
        with np.errstate(invalid="ignore"):
            rain &= (sweep.dbz >= params.least_dbz) & np.isfinite(found.phase.phidp_deg)
        expected = np.where(rain, law.kdp(sweep.dbz, zdr), 0.0).astype(np.float32)
        low, high = params.rise_deg
        limits = np.array([low, high, params.length_m, params.hail_dbz])
        ratios = _ratios(rain, sweep.dbz, found.phase.phidp_deg, expected, sweep.gate_m, limits)
        offsets.append(10.0 / law.exponent * np.log10(ratios))
    return _robust(offsets, params.least_segments, params.alike, params.floor_db)


def zdr_check(
    sweeps: Sequence[PolarSweep],
    phases: Sequence[PhaseProducts | None],
    antenna_m: float,
    params: ConsistencyParams,
) -> SelfCheck | None:
    """Offset of ZDR from light rain, whose drops are nearly round; None where it is scarce.

    Parameters: as of `reflectivity_check`.
    """
    offsets: list[NDArray[np.float64]] = []
    low, high = params.light_dbz
    for sweep, found in zip(sweeps, phases, strict=True):
        if found is None or sweep.dual is None:
            continue
        with np.errstate(invalid="ignore"):
            light = _rain(sweep, antenna_m, params) & np.isfinite(sweep.dual.zdr_db)
            light &= (sweep.dbz >= low) & (sweep.dbz <= high)
            light &= np.abs(found.phase.phidp_deg) <= params.light_phase_deg
        offsets.append(sweep.dual.zdr_db[light].astype(np.float64) - params.light_zdr_db)
    return _robust(offsets, params.least_gates, 25.0, params.light_floor_db)


def _rain(sweep: PolarSweep, antenna_m: float, params: ConsistencyParams) -> NDArray[np.bool_]:
    """Gates (ray, gate) of rain alone: below the melting layer, at sound ranges."""
    assert sweep.dual is not None
    range_m = sweep.range_m
    sound = gate_heights(range_m, sweep.elevation_deg, antenna_m) < params.rain_top_m
    sound &= (range_m >= params.nearest_m) & (range_m <= params.farthest_m)
    with np.errstate(invalid="ignore"):
        return np.asarray(sound[None, :] & (sweep.dual.rhohv >= params.least_rhohv))


def _robust(
    offsets: Sequence[NDArray[np.float64]], least: int, alike: float, floor_db: float
) -> SelfCheck | None:
    found = np.concatenate([*offsets, np.empty(0)])
    if len(found) < least:
        return None
    middle = float(np.median(found))
    spread = 1.4826 * float(np.median(np.abs(found - middle)))
    error = float(np.hypot(1.2533 * spread / np.sqrt(max(len(found) / alike, 1.0)), floor_db))
    return SelfCheck(middle, error, len(found))


@numba.njit(cache=True, nogil=True)
def _ratios(
    rain: NDArray[np.bool_],
    dbz: NDArray[np.float32],
    phidp_deg: NDArray[np.float32],
    expected: NDArray[np.float32],
    gate_m: float,
    limits: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Foretold over measured rise of the phase, of all unbroken segments that may judge."""
    least_deg, most_deg, length_m, hail_dbz = limits
    found = []
    for ray in range(rain.shape[0]):
        start, total, largest = -1, 0.0, 0.0
        for gate in range(rain.shape[1] + 1):
            if gate < rain.shape[1] and rain[ray, gate]:
                if start < 0:
                    start, total, largest = gate, 0.0, 0.0
                step = 2e-3 * gate_m * expected[ray, gate]
                total += step
                largest = max(largest, dbz[ray, gate])
                continue
            if start >= 0 and gate - start > 1:
                last = gate - 1
                # The phase rises from the middle of the first gate to the middle of the last.
                total -= 1e-3 * gate_m * (expected[ray, start] + expected[ray, last])
                rise = phidp_deg[ray, last] - phidp_deg[ray, start]
                long = (last - start) * gate_m >= length_m
                whole = phidp_deg[ray, last] <= most_deg
                if long and whole and rise >= least_deg and largest <= hail_dbz and total > 0.0:
                    found.append(total / rise)
            start = -1
    return np.array(found, dtype=np.float64)
