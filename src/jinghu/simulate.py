"""What radars and gauges report of a storm: genuine volume files and station reports."""

import bz2
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jinghu.grid import durable
from jinghu.grid.spec import GridSpec
from jinghu.grid.stations import COLUMNS
from jinghu.grid.times import isoformat
from jinghu.radar.encode import encode_standard
from jinghu.radar.geometry import beam_height, ground_distance, place
from jinghu.radar.sites import RadarSite
from jinghu.radar.standard_layout import FIRST_VALID
from jinghu.radar.volume import Code, Moment, Sweep, Volume
from jinghu.radar.zr import ZRRelation
from jinghu.storm import Storm

_RAYS = 360
_BRIGHT_TOP_M = 5_000.0  # below it echo is as strong as at the ground
_DECREASE_DB_PER_KM = 5.0  # above it
_COMPRESSION = 1  # level of bzip2: the files are read once


@dataclass(frozen=True, slots=True)
class ScanStrategy:
    """How a band scans.

    Parameters
    ----------
    elevations_deg, rotation_s
        Cuts from low to high, and time of each.
    gate_m, gates
        Gate length and number of gates.
    noise_dbz_at_1km
        Reflectivity of the noise at 1 km; echo weaker than noise is below threshold.
    nyquist_m_s, prf_hz
        Of all cuts.
    """

    elevations_deg: tuple[float, ...]
    rotation_s: float
    gate_m: float
    gates: int
    noise_dbz_at_1km: float
    nyquist_m_s: float
    prf_hz: float


S_BAND = ScanStrategy((0.5, 1.5, 2.4, 3.4), 40.0, 250.0, 920, -38.0, 27.0, 1014.0)
X_BAND = ScanStrategy((1.0, 2.0, 3.0, 4.5), 20.0, 150.0, 500, -28.0, 48.0, 3000.0)


def scan(
    storm: Storm, site: RadarSite, spec: GridSpec, start: datetime, random: np.random.Generator
) -> Volume:
    """Volume that a radar scans from ``start`` on.

    Echo is Z = 300 R^1.4 of the rain below the beam, weaker above 5 km, with 1 dB of noise; echo
    below the receiver's noise is below threshold. There is no attenuation, clutter or blockage.

    Parameters
    ----------
    storm
        The truth, in the plane of ``spec``.
    site, start
        The radar, and the time of its first ray.
    random
        Generator of the noise.
    """
    strategy = X_BAND if site.band == "X" else S_BAND
    offset = float(random.uniform(0, 360))
    sweeps = tuple(
        _sweep(storm, site, spec, start + k * timedelta(seconds=strategy.rotation_s),
               strategy, k, offset, random)
        for k in range(len(strategy.elevations_deg))
    )  # fmt: skip
    end = datetime.fromtimestamp(float(sweeps[-1].time_s[-1]), UTC)
    return Volume(site, start, end, sweeps, volume_name(site, start), "CINRAD standard", "VCP21")


def _sweep(
    storm: Storm,
    site: RadarSite,
    spec: GridSpec,
    start: datetime,
    strategy: ScanStrategy,
    number: int,
    offset_deg: float,
    random: np.random.Generator,
) -> Sweep:
    elevation = strategy.elevations_deg[number]
    azimuth = (offset_deg + np.arange(_RAYS) + random.uniform(-0.05, 0.05, _RAYS)) % 360
    time_s = start.timestamp() + np.round(np.arange(_RAYS) * strategy.rotation_s / _RAYS, 6)
    range_m = (np.arange(strategy.gates) + 0.5) * strategy.gate_m
    ground = np.array([ground_distance(r, elevation) for r in range_m])
    height = np.array([beam_height(g, elevation, site.antenna_height_m) for g in ground])
    at = place(site, spec)
    direction = np.radians(azimuth + at.north_deg)
    x = at.x_m + np.sin(direction)[:, None] * ground
    y = at.y_m + np.cos(direction)[:, None] * ground
    rate = storm.rate(x, y, np.broadcast_to(time_s[:, None], x.shape))
    dbz = ZRRelation().reflectivity(rate) + random.normal(0, 1.0, rate.shape)
    dbz -= np.maximum(height - _BRIGHT_TOP_M, 0) / 1000 * _DECREASE_DB_PER_KM
    noise = strategy.noise_dbz_at_1km + 20 * np.log10(range_m / 1000)
    echo = (rate > 0) & (dbz > noise)
    u, v = storm.motion()
    wind = (u * np.sin(np.radians(azimuth)) + v * np.cos(np.radians(azimuth)))[:, None]
    velocity = wind * np.cos(np.radians(elevation)) + random.normal(0, 1.0, rate.shape)
    return Sweep(
        elevation_deg=elevation,
        azimuth_deg=azimuth.astype(np.float32),
        ray_elevation_deg=np.full(_RAYS, elevation, np.float32),
        time_s=time_s,
        nyquist_m_s=strategy.nyquist_m_s,
        moments={
            "DBZH": _moment(dbz, echo, 66.0, strategy),
            "VRADH": _moment(velocity, echo, 129.0, strategy),
        },
        prf_hz=strategy.prf_hz,
    )


def _moment(
    values: NDArray[np.float64], echo: NDArray[np.bool_], offset: float, strategy: ScanStrategy
) -> Moment:
    codes = np.clip(np.rint(values * 2 + offset), FIRST_VALID, 255)
    stored = np.where(echo, codes, Code.BELOW_THRESHOLD).astype(np.uint8)
    return Moment(stored, 2.0, offset, FIRST_VALID, strategy.gate_m, strategy.gate_m / 2)


def volume_name(site: RadarSite, start: datetime) -> str:
    """File name of a volume, as stations name theirs.

    >>> site = RadarSite("ZSIM1", "", "", 29.5, 120.5, 1096.0, "S")
    >>> volume_name(site, datetime(2026, 6, 20, 6, 0, tzinfo=UTC))
    'Z_RADR_I_ZSIM1_20260620060000_O_DOR_SA_CAP_FMT.bin.bz2'
    """
    kind = "YLD1" if site.band == "X" else "SA"
    return f"Z_RADR_I_{site.code}_{start:%Y%m%d%H%M%S}_O_DOR_{kind}_CAP_FMT.bin.bz2"


def write_volume(volume: Volume, folder: Path) -> Path:
    """Write a volume file, whole or not at all; returns its path."""
    path = folder / volume.source
    durable.write_atomic(path, bz2.compress(encode_standard(volume), _COMPRESSION))
    return path


@dataclass(frozen=True, slots=True)
class GaugeNetwork:
    """Rain gauges: names, WGS-84 degrees, metres, and what is wrong with each.

    ``factor`` is what a gauge reports of the true rain (wind takes some); a gauge with 0 is
    clogged.
    """

    names: tuple[str, ...]
    lon: NDArray[np.float64]
    lat: NDArray[np.float64]
    height_m: NDArray[np.float64]
    factor: NDArray[np.float64]


def make_gauges(
    box: tuple[float, float, float, float], n: int, random: np.random.Generator
) -> GaugeNetwork:
    """Draw a network in a box (west, south, east, north); one gauge in fifty is clogged."""
    west, south, east, north = box
    factor = np.clip(random.normal(0.96, 0.06, n), 0.7, 1.15)
    factor[random.uniform(size=n) < 0.02] = 0.0
    return GaugeNetwork(
        tuple(f"SIM{k:04d}" for k in range(1, n + 1)),
        np.round(random.uniform(west, east, n), 5),
        np.round(random.uniform(south, north, n), 5),
        np.round(random.uniform(5, 600, n), 1),
        factor,
    )


def hourly_amounts(
    storm: Storm, spec: GridSpec, gauges: GaugeNetwork, hour_end: datetime
) -> NDArray[np.float64]:
    """True rain in mm at the gauges in the hour that ends at ``hour_end``, by minutes."""
    x, y = spec.to_xy(gauges.lon, gauges.lat)
    minutes = hour_end.timestamp() - 3600 + (np.arange(60)[:, None] + 0.5) * 60
    shape = (60, len(x))
    rates = storm.rate(
        np.broadcast_to(x, shape), np.broadcast_to(y, shape), np.broadcast_to(minutes, shape)
    )
    return np.asarray(rates.mean(axis=0), np.float64)


def write_reports(
    storm: Storm,
    spec: GridSpec,
    gauges: GaugeNetwork,
    hour_end: datetime,
    folder: Path,
    random: np.random.Generator,
) -> Path:
    """Write the reports of one hour as a CSV file; returns its path.

    A gauge reports whole tips of 0.1 mm of its factor times the truth, with 4 % of noise.
    """
    true = hourly_amounts(storm, spec, gauges, hour_end)
    caught = true * gauges.factor * random.normal(1.0, 0.04, len(true))
    tips = np.round(np.maximum(caught, 0), 1)
    rows = [",".join(COLUMNS)]
    for k, name in enumerate(gauges.names):
        place_of = f"{gauges.lat[k]:.5f},{gauges.lon[k]:.5f},{gauges.height_m[k] * 10:.0f}"
        rows.append(f"{name},{place_of},{isoformat(hour_end)},{tips[k]:.1f}")
    path = folder / f"hourly_rain_{hour_end:%Y%m%d%H}.csv"
    durable.write_atomic(path, ("\n".join(rows) + "\n").encode("ascii"))
    return path
