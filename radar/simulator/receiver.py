"""From what the beam gathers to what is sent: attenuation, noise, clutter, folding, codes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.simulator.beam import Gathered
from jinghu.radar.standard_layout import FIRST_VALID
from jinghu.radar.volume import Code, Moment

_MIN_SNR_DB = 1.0
_LEAST_APART = 0.03  # 1 - rhoHV^2 that real antennas and gradients leave: 1.3 deg of noise at X
_FADING_DB = 4.34  # standard deviation of one sample of rain in dB


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
    step_km = gate_m / 1000.0
    found = []
    for specific in (gathered.ah_db_km, gathered.adp_db_km, gathered.kdp_deg_km):
        whole = np.cumsum(specific, axis=1, dtype=np.float64)
        found.append((2.0 * step_km * (whole - specific / 2.0)).astype(np.float32))
    return found[0], found[1], found[2]


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
    pia = pia + np.float32(radome_db)
    noise = 10.0 ** ((receiver.noise_dbz_at_1km + 20.0 * np.log10(range_m / 1000.0)) / 10.0)
    rain = gathered.z * 10.0 ** (-pia / 10.0)
    ground = 10.0 ** ((clutter_dbz - pia) / 10.0)
    leaks = random.random(ground.shape, np.float32) < receiver.clutter_leak
    left = np.where(leaks, ground, ground * 10.0 ** (-receiver.clutter_filter_db / 10.0))
    least = noise * 10.0 ** (_MIN_SNR_DB / 10.0)
    total_signal = rain + ground > least
    signal = rain + left > least
    where = np.nonzero(total_signal)
    n = len(where[0])
    of_noise = np.broadcast_to(noise, rain.shape)[where]
    power, snr = (rain + left)[where], ((rain + left)[where] / of_noise)
    share = (left[where] / np.maximum(power, 1e-12)).astype(np.float64)  # of the ground
    draws = random.standard_normal((6, n), np.float32)
    fading = _FADING_DB / np.sqrt(receiver.samples) * (1.0 + 1.0 / np.maximum(snr, 0.1))
    dbz = 10.0 * np.log10(np.maximum(power, 1e-9)) + fading * draws[0] + receiver.offset_db
    total = 10.0 * np.log10((rain + ground)[where]) + fading * draws[0] + receiver.offset_db
    rho = np.clip(gathered.rhohv[where], 0.3, 1.0)
    apart = np.maximum(1.0 - rho**2, _LEAST_APART)
    weak = 1.0 / np.maximum(snr, 0.1)
    spread = np.sqrt((2.0 * apart + 4.0 * weak) / (2.0 * receiver.samples))
    zdr = 10.0 * np.log10(gathered.z[where] / np.maximum(gathered.zv[where], 1e-9) + 1e-9)
    zdr += -pia_zdr[where] + receiver.zdr_offset_db + 6.1 * spread * draws[1]
    turned = phase[where] + receiver.phidp_offset_deg + 40.5 * spread * draws[2]
    measured_rho = rho / (1.0 + weak) + 0.3 * spread**2 * draws[3]
    zdr += share * 3.0 * draws[4]
    turned += share * 60.0 * draws[5]
    measured_rho -= share * (0.35 + 0.1 * np.abs(draws[4]))
    velocity = (1.0 - np.sqrt(share)) * wind_m_s[where] + 0.6 * draws[3]
    velocity = (velocity + nyquist_m_s) % (2.0 * nyquist_m_s) - nyquist_m_s
    width = np.abs(1.6 * (1.0 - share) + 0.3 + 0.3 * draws[5])

    def spread_out(values: NDArray[np.float64]) -> NDArray[np.float32]:
        field = np.zeros(rain.shape, np.float32)
        field[where] = values
        return field

    return Received(
        spread_out(total), spread_out(dbz), spread_out(zdr),
        spread_out(np.clip(measured_rho, 0.05, 1.05)),
        spread_out(turned % receiver.phidp_fold_deg), spread_out(velocity), spread_out(width),
        spread_out(10.0 * np.log10(np.maximum(snr, 1e-3))), signal, total_signal,
        ~signal & (gathered.z + left > least),
    )  # fmt: skip


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
