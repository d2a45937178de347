"""From what the beam gathers to what is sent: attenuation, noise, clutter, folding, codes."""

from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.radar.simulator.beam import Gathered
from jinghu.radar.standard_layout import FIRST_VALID
from jinghu.radar.volume import Code, Moment

_MIN_SNR_DB = 1.0
_LEAST_APART = 0.03  # 1 - rhoHV^2 that real antennas and gradients leave: 1.3 deg of noise at X
_FADING_DB = 4.34  # standard deviation of one sample of rain in dB
_PER_DB = np.log(10.0) / 10.0
_NOTHING_DBZ = -90.0  # where no ground echoes
_DRAWS = 6  # random numbers a gate


@dataclass(frozen=True, slots=True)
class Receiver:
    """How well a radar measures.

    Parameters
    ----------
    noise_dbz_at_1km
        Reflectivity of the noise at 1 km.
    samples
        Independent samples of a gate.
    offset_db, zdr_offset_db
        Errors of calibration; negative reads low.
    phidp_offset_deg, phidp_fold_deg
        Phase of the system; where phases begin again (360, or 180 of some radars).
    clutter_filter_db, clutter_leak
        Suppression of echo of the ground, and share of its gates that slip through.
    """

    noise_dbz_at_1km: float
    samples: float = 40.0
    offset_db: float = 0.0
    zdr_offset_db: float = 0.0
    phidp_offset_deg: float = 60.0
    phidp_fold_deg: float = 360.0
    clutter_filter_db: float = 30.0
    clutter_leak: float = 0.06


@dataclass(frozen=True, slots=True)
class Received:
    """What arrives and is measured, each (ray, gate).

    Parameters
    ----------
    total_dbz, dbz
        Before and after the radar's own clutter filter, where there is signal.
    zdr_db, rhohv, phidp_deg
        Of the filtered signal.
    velocity_m_s, width_m_s, snr_db
        Of the filtered signal; the velocity is folded.
    signal, total_signal
        Where there is any, with and without the filter.
    faded
        Where rain would have been seen but for attenuation.
    """

    total_dbz: NDArray[np.float32]
    dbz: NDArray[np.float32]
    zdr_db: NDArray[np.float32]
    rhohv: NDArray[np.float32]
    phidp_deg: NDArray[np.float32]
    velocity_m_s: NDArray[np.float32]
    width_m_s: NDArray[np.float32]
    snr_db: NDArray[np.float32]
    signal: NDArray[np.bool_]
    total_signal: NDArray[np.bool_]
    faded: NDArray[np.bool_]


def path_integrals(
    gathered: Gathered, gate_m: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Two-way attenuation, the same of ZDR (dB), and phase (deg), up to the gate centres."""
    return _path_integrals(
        gathered.ah_db_km, gathered.adp_db_km, gathered.kdp_deg_km, gate_m / 1000.0
    )


@numba.njit(cache=True, nogil=True)
def _path_integrals(
    ah: NDArray[np.float32], adp: NDArray[np.float32], kdp: NDArray[np.float32], step_km: float
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Sums along the rays, of a gate itself the nearer half."""
    found = np.empty_like(ah), np.empty_like(adp), np.empty_like(kdp)
    for ray in range(ah.shape[0]):
        h, d, k = 0.0, 0.0, 0.0
        for gate in range(ah.shape[1]):
            half_h, half_d, half_k = (
                step_km * ah[ray, gate], step_km * adp[ray, gate], step_km * kdp[ray, gate],
            )  # fmt: skip
            found[0][ray, gate], found[1][ray, gate] = h + half_h, d + half_d
            found[2][ray, gate] = k + half_k
            h, d, k = h + 2.0 * half_h, d + 2.0 * half_d, k + 2.0 * half_k
    return found


def receive(
    gathered: Gathered,
    clutter_dbz: NDArray[np.float32],
    wind_m_s: NDArray[np.float32],
    range_m: NDArray[np.float64],
    nyquist_m_s: float,
    radome_db: float,
    receiver: Receiver,
    random: np.random.Generator,
) -> Received:
    """Measure a cut.

    Errors follow Bringi & Chandrasekar (2001), chapter 6: of Z by fading and noise, of ZDR and
    PhiDP by decorrelation and noise.

    Parameters
    ----------
    gathered, clutter_dbz, wind_m_s
        (ray, gate): rain in the beam, echo of the ground, true radial velocity.
    range_m
        (gate,)
    nyquist_m_s
        Where velocity folds.
    radome_db
        Two-way loss of the wet radome.
    receiver, random
        Its quality; generator of the noise.
    """
    gate_m = float(range_m[1] - range_m[0])
    pia, pia_zdr, phase = path_integrals(gathered, gate_m)
    noise = 10.0 ** ((receiver.noise_dbz_at_1km + 20.0 * np.log10(range_m / 1000.0)) / 10.0)
    signal, total_signal, faded = (np.zeros(pia.shape, np.bool_) for _ in range(3))
    powers = _powers(
        (gathered.z, clutter_dbz, pia, random.random(pia.shape, np.float32)),
        (radome_db, receiver.clutter_leak, 10.0 ** (-receiver.clutter_filter_db / 10.0)),
        noise * 10.0 ** (_MIN_SNR_DB / 10.0),
        (signal, total_signal, faded),
    )
    total, dbz, zdr, rhohv, phidp, velocity, width, snr = np.zeros((8, *pia.shape), np.float32)
    measured = (total, dbz, zdr, rhohv, phidp, velocity, width, snr)
    _measure(
        powers,
        (gathered.z, gathered.zv, gathered.rhohv, pia_zdr, phase, wind_m_s),
        noise,
        random.standard_normal((len(powers[0]), _DRAWS), np.float32),
        (receiver.samples, receiver.offset_db, receiver.zdr_offset_db, receiver.phidp_offset_deg,
         receiver.phidp_fold_deg, nyquist_m_s),
        measured,
    )  # fmt: skip
    return Received(*measured, signal, total_signal, faded)


@numba.njit(cache=True, nogil=True)
def _powers(
    beam: tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]],
    receiver: tuple[float, float, float],
    least: NDArray[np.float64],
    out: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Gates with a signal before the filter: places, rain, ground, and what is left of it.

    ``least`` is what can be seen; sets where there is a signal, one before the filter, and where
    one faded.
    """
    z, clutter_dbz, pia_db, luck = beam
    radome_db, leak, filtered = receiver
    signal, total_signal, faded = out
    n_rays, n_gates = z.shape
    place = np.empty(z.size, np.int64)
    rain, ground, left = np.empty(z.size), np.empty(z.size), np.empty(z.size)
    n = 0
    for ray in range(n_rays):
        for gate in range(n_gates):
            echoes = clutter_dbz[ray, gate] > _NOTHING_DBZ
            if z[ray, gate] <= 0.0 and not echoes:
                continue
            loss = np.exp(-_PER_DB * (pia_db[ray, gate] + radome_db))
            of_rain, of_ground = z[ray, gate] * loss, 0.0
            if echoes:
                of_ground = np.exp(_PER_DB * clutter_dbz[ray, gate]) * loss
            kept = of_ground if luck[ray, gate] < leak else of_ground * filtered
            seen = of_rain + kept > least[gate]
            signal[ray, gate] = seen
            faded[ray, gate] = not seen and z[ray, gate] + kept > least[gate]
            if of_rain + of_ground > least[gate]:
                total_signal[ray, gate] = True
                place[n], rain[n], ground[n], left[n] = (
                    ray * n_gates + gate, of_rain, of_ground, kept,
                )  # fmt: skip
                n += 1
    return place[:n], rain[:n], ground[:n], left[:n]


@numba.njit(cache=True, nogil=True)
def _measure(
    powers: tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]],
    beam: tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
    ],
    noise: NDArray[np.float64],
    draws: NDArray[np.float32],
    receiver: tuple[float, float, float, float, float, float],
    out: tuple[
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
        NDArray[np.float32],
    ],
) -> None:
    """Set what is measured at the gates that `_powers` found: the fields of `Received`."""
    z, zv, rhohv, pia_zdr, phase, wind = beam
    samples, offset, zdr_offset, phidp_offset, fold, nyquist = receiver
    total_dbz, dbz, zdr_db, rho_out, phidp, velocity, width, snr_db = out
    for i in range(len(powers[0])):
        ray, gate = divmod(powers[0][i], z.shape[1])
        rain, ground, left = powers[1][i], powers[2][i], powers[3][i]
        power = max(rain + left, 1e-12)
        share = left / power  # of the ground
        snr = power / noise[gate]
        weak = 1.0 / max(snr, 0.1)
        fading = _FADING_DB / np.sqrt(samples) * (1.0 + weak) * draws[i, 0] + offset
        dbz[ray, gate] = 10.0 * np.log10(max(power, 1e-9)) + fading
        total_dbz[ray, gate] = 10.0 * np.log10(rain + ground) + fading
        rho = min(max(rhohv[ray, gate], 0.3), 1.0)
        apart = max(1.0 - rho * rho, _LEAST_APART)
        spread = np.sqrt((2.0 * apart + 4.0 * weak) / (2.0 * samples))
        zdr = 10.0 * np.log10(z[ray, gate] / max(zv[ray, gate], 1e-9) + 1e-9) - pia_zdr[ray, gate]
        zdr_db[ray, gate] = (
            zdr + zdr_offset + 6.1 * spread * draws[i, 1] + share * 3.0 * draws[i, 4]
        )
        turned = phase[ray, gate] + phidp_offset + 40.5 * spread * draws[i, 2]
        phidp[ray, gate] = (turned + share * 60.0 * draws[i, 5]) % fold
        correlated = rho / (1.0 + weak) + 0.3 * spread * spread * draws[i, 3]
        correlated -= share * (0.35 + 0.1 * abs(draws[i, 4]))
        rho_out[ray, gate] = min(max(correlated, 0.05), 1.05)
        moving = (1.0 - np.sqrt(share)) * wind[ray, gate] + 0.6 * draws[i, 3]
        velocity[ray, gate] = (moving + nyquist) % (2.0 * nyquist) - nyquist
        width[ray, gate] = abs(1.6 * (1.0 - share) + 0.3 + 0.3 * draws[i, 5])
        snr_db[ray, gate] = 10.0 * np.log10(max(snr, 1e-3))


def coded(
    values: NDArray[np.float32],
    signal: NDArray[np.bool_],
    scale: float,
    offset: float,
    gate_m: float,
    *,
    wide: bool = False,
) -> Moment:
    """Store values as codes; where there is no signal, as below threshold.

    Parameters
    ----------
    values, signal
        (ray, gate)
    scale, offset
        ``code = value * scale + offset``.
    gate_m
        Gate length; gates begin at the radar.
    wide
        Codes of two bytes.
    """
    most = 65_535 if wide else 255
    codes = np.clip(np.rint(values * scale + offset), FIRST_VALID, most)
    stored = np.where(signal, codes, Code.BELOW_THRESHOLD)
    narrowed = stored.astype(np.uint16) if wide else stored.astype(np.uint8)
    return Moment(narrowed, scale, offset, FIRST_VALID, gate_m, gate_m / 2)
