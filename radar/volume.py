"""The polar model: volume, sweep, moment, as decoded; codes keep dry, folded and missing apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from jinghu.radar.sites import RadarSite


class Code(IntEnum):
    """Gate codes that are not data (CINRAD: valid data start at 5, in legacy files at 2)."""

    BELOW_THRESHOLD = 0  # scanned, no echo: dry
    RANGE_FOLDED = 1
    NOT_SCANNED = 2


@dataclass(frozen=True, slots=True)
class Moment:
    """One moment of a sweep.

    ``value = (code - offset) / scale`` for codes of at least ``first_valid``.

    Parameters
    ----------
    codes
        (ray, gate) uint8 or uint16; read-only where they are a view of the file's bytes.
    gate_m, first_gate_m
        Gate length, and range of the centre of the first gate.
    """

    codes: NDArray[np.uint8] | NDArray[np.uint16]
    scale: float
    offset: float
    first_valid: int
    gate_m: float
    first_gate_m: float

    def values(self) -> NDArray[np.float32]:
        """Return values as float32, NaN where a code is not data."""
        found = (self.codes.astype(np.float32) - np.float32(self.offset)) / np.float32(self.scale)
        return np.where(self.codes >= self.first_valid, found, np.float32(np.nan))

    def dry(self) -> NDArray[np.bool_]:
        """Mark gates that were scanned and held no echo."""
        return np.asarray(self.codes == Code.BELOW_THRESHOLD)

    @property
    def range_m(self) -> NDArray[np.float64]:
        """Range of gate centres in m."""
        return np.asarray(
            self.first_gate_m + np.arange(self.codes.shape[1]) * self.gate_m, np.float64
        )


@dataclass(frozen=True, slots=True)
class Sweep:
    """One cut, rays in the order of acquisition.

    Parameters
    ----------
    elevation_deg
        Fixed angle.
    azimuth_deg, ray_elevation_deg, time_s
        (ray,) degrees clockwise from north, degrees, seconds since 1970-01-01 UTC.
    nyquist_m_s
        Nyquist velocity, 0 where the cut has no velocity.
    moments
        By their FM301 names (DBZH, VRADH, WRADH, ZDR, RHOHV, PHIDP, KDP, ...).
    prf_hz
        Pulse repetition frequency, 0 where unknown.
    beam_width_deg
        Beam width of this cut, 0 where it is that of the site: arrays widen it as they steer.
    """

    elevation_deg: float
    azimuth_deg: NDArray[np.float32]
    ray_elevation_deg: NDArray[np.float32]
    time_s: NDArray[np.float64]
    nyquist_m_s: float
    moments: Mapping[str, Moment]
    prf_hz: float = 0.0
    beam_width_deg: float = 0.0

    @property
    def n_rays(self) -> int:
        """Number of rays."""
        return len(self.azimuth_deg)


@dataclass(frozen=True, slots=True)
class Volume:
    """A decoded volume scan.

    Parameters
    ----------
    site
        The radar.
    time, end_time
        UTC of the first and last radial.
    sweeps
        In order of acquisition; only those with at least one whole ray.
    source, format_name
        Where it came from: file name, "CINRAD legacy", "CINRAD standard" or "CINRAD phased array".
    dropped_bytes
        Bytes that belonged to no whole, plausible radial.
    damage
        What was wrong with the file, empty where it is whole.
    """

    site: RadarSite
    time: datetime
    end_time: datetime
    sweeps: tuple[Sweep, ...]
    source: str
    format_name: str
    task: str = ""
    dropped_bytes: int = 0
    damage: tuple[str, ...] = field(default=())

    @property
    def radar(self) -> str:
        """Code of the radar."""
        return self.site.code

    @property
    def complete(self) -> bool:
        """Whether nothing was missing or damaged."""
        return not self.damage

    @property
    def mid_time(self) -> datetime:
        """Middle of the low sweeps that rain is taken from: mean time of the first two cuts."""
        low = np.concatenate([s.time_s for s in self.sweeps[:2]])
        return datetime.fromtimestamp(float(low.mean()), self.time.tzinfo)
