"""One simulated radar scanning one volume."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.simulator.beam import Aim, beam_heights, gather, ground_distances, placed
from jinghu.radar.simulator.ground import Ground
from jinghu.radar.simulator.receiver import Received, Receiver, coded, receive
from jinghu.radar.simulator.scattering import RainScattering, drops, rain_scattering
from jinghu.radar.simulator.truth import RainTruth
from jinghu.radar.sites import RadarSite
from jinghu.radar.volume import Moment, Sweep, Volume

_RAYS = 360
_FREQUENCY_GHZ = {"S": 2.8, "C": 5.6, "X": 9.4}
_SHEAR_DEPTH_M = 1_500.0


@dataclass(frozen=True, slots=True)
class Cut:
    """One rotation of the antenna.

    Parameters
    ----------
    elevation_deg, rotation_s
        Angle; time that it takes, of moving on to the next cut included.
    nyquist_m_s, prf_hz
        Of its pulses.
    surveillance, doppler
        Whether reflectivity and polarimetric moments, and whether velocity, are sent.
    """

    elevation_deg: float
    rotation_s: float
    nyquist_m_s: float
    prf_hz: float
    surveillance: bool = True
    doppler: bool = True


@dataclass(frozen=True, slots=True)
class Strategy:
    """How a radar scans a volume: name of the pattern, cuts, gates."""

    name: str
    cuts: tuple[Cut, ...]
    gate_m: float
    gates: int
    doppler_gates: int

    @property
    def duration(self) -> timedelta:
        """Time from the first ray to the last."""
        return timedelta(seconds=sum(cut.rotation_s for cut in self.cuts))


def _split(elevation_deg: float) -> tuple[Cut, Cut]:
    return (
        Cut(elevation_deg, 36.0, 8.6, 322.0, doppler=False),
        Cut(elevation_deg, 30.0, 27.0, 1014.0, surveillance=False),
    )


def _high(*elevations_deg: float) -> tuple[Cut, ...]:
    return tuple(Cut(e, 26.0, 27.0, 1014.0) for e in elevations_deg)


def _fast(*elevations_deg: float) -> tuple[Cut, ...]:
    return tuple(Cut(e, 20.0, 31.6, 1995.0) for e in elevations_deg)


# VCP21D of the S-band network, and nine cuts of mechanical X-band radars.
S_VCP21D = Strategy(
    "VCP21D", (*_split(0.5), *_split(1.5), *_high(2.4, 3.4, 4.3, 6.0, 9.9, 14.6, 19.5)),
    250.0, 1840, 1320,
)  # fmt: skip
X_NINE = Strategy("VCP-X9", _fast(1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0, 15.0, 20.0), 75.0, 1000, 1000)
# Fewer cuts and gates for drills: what rain near the ground is made of.
S_DRILL = Strategy("VCP21D-DRILL", (*_split(0.5), *_split(1.5), *_high(2.4, 3.4, 4.3, 6.0)),
                   250.0, 920, 600)  # fmt: skip
X_DRILL = Strategy("VCP-X5-DRILL", _fast(1.0, 2.0, 3.0, 4.5, 6.0), 150.0, 420, 420)


def default_receiver(band: str) -> Receiver:
    """Receiver of a band, without faults."""
    return Receiver(-34.0, samples=30.0) if band == "X" else Receiver(-38.0)


@dataclass(frozen=True, slots=True)
class RadarState:
    """A radar in the state in which it scans.

    Parameters
    ----------
    site, strategy, ground, receiver
        Where it stands, how it scans, what surrounds it, how well it measures.
    radome_db_at_10mm_h
        Two-way loss of the radome in rain of 10 mm/h at the site; it grows with the root of the
        rate (X-band measurements lie between 1 and 5 dB).
    """

    site: RadarSite
    strategy: Strategy
    ground: Ground
    receiver: Receiver
    radome_db_at_10mm_h: float = 0.0
    moments: frozenset[str] = field(
        default_factory=lambda: frozenset(
            {"DBTH", "DBZH", "ZDR", "RHOHV", "PHIDP", "SNRH", "VRADH", "WRADH"}
        )
    )


def tables(bands: str = "SX", temperature_c: float = 15.0) -> dict[str, RainScattering]:
    """Scattering of rain by band."""
    return {b: rain_scattering(drops(_FREQUENCY_GHZ[b], temperature_c)) for b in bands}


def scan(
    truth: RainTruth,
    radar: RadarState,
    start: datetime,
    table: RainScattering,
    random: np.random.Generator,
) -> tuple[Volume, list[NDArray[np.bool_]]]:
    """Scan a volume.

    Parameters
    ----------
    truth
        What rains; it must cover the whole scan.
    radar, start
        Who scans from when on.
    table
        Scattering of rain at its band.
    random
        Generator of noise; the same state gives the same volume.

    Returns
    -------
    The volume, and for each of its sweeps the gates (ray, gate) in which rain was lost to
    attenuation.

    Raises
    ------
    ConfigError
        Where the truth does not cover the time of the scan.
    """
    offset = float(random.uniform(0, 360))
    sweeps, faded = [], []
    begin = start.timestamp()
    for cut in radar.strategy.cuts:
        gates = radar.strategy.gates if cut.surveillance else radar.strategy.doppler_gates
        azimuth = (offset + np.arange(_RAYS) + random.uniform(-0.05, 0.05, _RAYS)) % 360
        time_s = np.round(begin + np.arange(_RAYS) * (cut.rotation_s - 1.0) / _RAYS, 6)
        range_m = np.asarray((np.arange(gates) + 0.5) * radar.strategy.gate_m, np.float64)
        aim = Aim(
            cut.elevation_deg, azimuth, time_s, range_m, radar.ground.horizon_at(azimuth, range_m)
        )
        received = _received(truth, radar, cut, aim, table, random)
        sweeps.append(_sweep(radar, cut, aim, received))
        faded.append(received.faded)
        begin += cut.rotation_s
    end = datetime.fromtimestamp(float(sweeps[-1].time_s[-1]), UTC)
    name = volume_name(radar.site, start)
    volume = Volume(
        radar.site, start, end, tuple(sweeps), name, "CINRAD standard", radar.strategy.name
    )
    return volume, faded


def _received(
    truth: RainTruth,
    radar: RadarState,
    cut: Cut,
    aim: Aim,
    table: RainScattering,
    random: np.random.Generator,
) -> Received:
    gathered = gather(truth, radar.site, aim, table)
    width = radar.site.beam_width_deg
    clutter = radar.ground.echo_dbz(aim.azimuth_deg, aim.range_m, cut.elevation_deg, width)
    over_site = rate_at(truth, radar.site, float(aim.time_s.mean()))
    radome = radar.radome_db_at_10mm_h * np.sqrt(over_site / 10.0)
    return receive(
        gathered, clutter, _wind(truth, radar.site, aim), aim.range_m, cut.nyquist_m_s,
        float(radome), radar.receiver, random,
    )  # fmt: skip


def rate_at(truth: RainTruth, site: RadarSite, time_s: float) -> float:
    """Rain rate over a site in mm/h."""
    at = placed(site, truth.spec)
    cell = int(truth.spec.cell_of_xy([at.x_m], [at.y_m])[0])
    frame = round((time_s - truth.start_s) / truth.step_s)
    frame = min(max(frame, 0), len(truth.rate_mm_h) - 1)
    return float(truth.rate_mm_h[frame].flat[cell]) if cell >= 0 else 0.0


def _wind(truth: RainTruth, site: RadarSite, aim: Aim) -> NDArray[np.float32]:
    """Radial velocity (ray, gate): the motion of the rain, less near the ground."""
    ground = ground_distances(aim.range_m, aim.elevation_deg)
    height = beam_heights(ground, np.array([aim.elevation_deg]), site.antenna_height_m)[0]
    share = 0.6 + 0.4 * np.clip(height / _SHEAR_DEPTH_M, 0, 2)
    u, v = truth.motion_m_s
    azimuth = np.radians(aim.azimuth_deg)
    along = (u * np.sin(azimuth) + v * np.cos(azimuth)) * np.cos(np.radians(aim.elevation_deg))
    return np.asarray(along[:, None] * share, np.float32)


def _sweep(radar: RadarState, cut: Cut, aim: Aim, received: Received) -> Sweep:
    gate_m = radar.strategy.gate_m
    r, signal = received, received.signal
    sent: dict[str, Moment] = {}
    if cut.surveillance:
        sent |= {
            "DBTH": coded(r.total_dbz, r.total_signal, 2.0, 66.0, gate_m),
            "DBZH": coded(r.dbz, signal, 2.0, 66.0, gate_m),
            "ZDR": coded(r.zdr_db, signal, 16.0, 130.0, gate_m),
            "RHOHV": coded(r.rhohv, signal, 200.0, 5.0, gate_m),
            "PHIDP": coded(r.phidp_deg, signal, 100.0, 50.0, gate_m, wide=True),
            "SNRH": coded(r.snr_db, signal, 2.0, 20.0, gate_m),
        }
    if cut.doppler:
        sent |= {
            "VRADH": coded(r.velocity_m_s, signal, 2.0, 129.0, gate_m),
            "WRADH": coded(r.width_m_s, signal, 2.0, 129.0, gate_m),
        }
    return Sweep(
        elevation_deg=cut.elevation_deg,
        azimuth_deg=aim.azimuth_deg.astype(np.float32),
        ray_elevation_deg=np.full(_RAYS, cut.elevation_deg, np.float32),
        time_s=aim.time_s,
        nyquist_m_s=cut.nyquist_m_s,
        moments={name: moment for name, moment in sent.items() if name in radar.moments},
        prf_hz=cut.prf_hz,
    )


def volume_name(site: RadarSite, start: datetime) -> str:
    """File name of a volume, as stations name theirs.

    >>> site = RadarSite("ZSIM1", "", "", 29.5, 120.5, 1096.0, "S")
    >>> volume_name(site, datetime(2026, 6, 20, 6, 0, tzinfo=UTC))
    'Z_RADR_I_ZSIM1_20260620060000_O_DOR_SAD_CAP_FMT.bin.bz2'
    """
    kind = "YLD1" if site.band == "X" else "SAD"
    return f"Z_RADR_I_{site.code}_{start:%Y%m%d%H%M%S}_O_DOR_{kind}_CAP_FMT.bin.bz2"
