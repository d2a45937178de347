"""The rain that a simulated radar looks at: rates and drops on a grid, minute by minute."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.errors import ConfigError
from jinghu.grid.spec import GridSpec


@dataclass(frozen=True, slots=True)
class RainTruth:
    """Rain near the ground at regular times; between them it is interpolated.

    Parameters
    ----------
    spec
        Grid of the fields; there is no rain outside it.
    start_s, step_s
        Epoch seconds of the first field, and their distance.
    rate_mm_h
        (time, y, x)
    log10_drops
        (time, y, x): log10 of the normalised intercept Nw in m-3 mm-1; many drops are small ones.
    motion_m_s
        Wind that the rain moves with: east, north.
    freezing_level_m
        Height of 0 degrees Celsius above mean sea level.
    """

    spec: GridSpec
    start_s: float
    step_s: float
    rate_mm_h: NDArray[np.float32]
    log10_drops: NDArray[np.float32]
    motion_m_s: tuple[float, float]
    freezing_level_m: float = 5_000.0

    def covering(self, first_s: float, last_s: float) -> None:
        """Refuse times for which there is no field.

        Raises
        ------
        ConfigError
            Names the times.
        """
        end = self.start_s + (len(self.rate_mm_h) - 1) * self.step_s
        if first_s < self.start_s or last_s > end:
            have, need = (
                " to ".join(f"{datetime.fromtimestamp(t, UTC):%H:%M:%S}" for t in pair)
                for pair in ((self.start_s, end), (first_s, last_s))
            )
            raise ConfigError(f"the rain is known from {have}, the scan lasts from {need}")


@dataclass(frozen=True, slots=True)
class DropParams:
    """How the size of drops varies in space and time.

    Parameters
    ----------
    mean_log10
        Of Nw: 3.9 to 4.7 in rain of eastern China (Chen et al. 2013, J. Appl. Meteor. Climatol.
        52, 1341-1356; Wen et al. 2018, J. Geophys. Res. 123, 2518-2534).
    deviation_log10
        Standard deviation (Bringi et al. 2003, J. Atmos. Sci. 60, 354-365).
    length_m, life_s
        Over which the drops are alike.
    """

    mean_log10: float = 4.15
    deviation_log10: float = 0.35
    length_m: float = 25_000.0
    life_s: float = 2_400.0


@dataclass(frozen=True, slots=True)
class DropField:
    """A random field that moves with the rain: waves with a Gaussian spectrum, known everywhere.

    Parameters
    ----------
    waves
        (wave, 4): wave numbers in rad/m along x and y, frequency in rad/s, phase.
    motion_m_s, params
        What it moves with; its statistics.
    """

    waves: NDArray[np.float64]
    motion_m_s: tuple[float, float]
    params: DropParams

    def on_grid(self, spec: GridSpec, time_s: float) -> NDArray[np.float32]:
        """log10 of Nw at the cells of a grid: (y, x)."""
        kx, ky, frequency, phase = self.waves.T
        u, v = self.motion_m_s
        turned = phase + (frequency - kx * u - ky * v) * (time_s % 86_400.0)
        along_x = np.outer(spec.x - spec.x0_m, kx) + turned
        along_y = np.outer(spec.y - spec.y0_m, ky)
        p = self.params
        found = np.full(spec.shape, p.mean_log10, np.float32)
        scale = p.deviation_log10 * np.sqrt(2.0 / len(kx))
        _add_waves(
            (scale * np.cos(along_y)).T.astype(np.float32),
            (scale * np.sin(along_y)).T.astype(np.float32),
            np.cos(along_x).T.astype(np.float32),
            np.sin(along_x).T.astype(np.float32),
            found,
        )
        return found


@numba.njit(cache=True, nogil=True)
def _add_waves(
    cosine_y: NDArray[np.float32],
    sine_y: NDArray[np.float32],
    cosine_x: NDArray[np.float32],
    sine_x: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Add cosines of sums of two angles, (wave, y) and (wave, x); BLAS would sum in any order."""
    for y in range(out.shape[0]):
        for wave in range(cosine_x.shape[0]):
            c, s = cosine_y[wave, y], sine_y[wave, y]
            for x in range(out.shape[1]):
                out[y, x] += c * cosine_x[wave, x] - s * sine_x[wave, x]


def make_drops(
    motion_m_s: tuple[float, float], params: DropParams, random: np.random.Generator
) -> DropField:
    """Draw a field of drops.

    Parameters
    ----------
    motion_m_s
        It moves with.
    params, random
        Its statistics; the same state of the generator gives the same field.
    """
    n = 48
    wave = random.normal(0, 1.0 / params.length_m, (n, 2))
    frequency = random.normal(0, 1.0 / params.life_s, n)
    phase = random.uniform(0, 2 * np.pi, n)
    return DropField(np.column_stack([wave, frequency, phase]), motion_m_s, params)
