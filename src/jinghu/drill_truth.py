"""Rain of a drill, whose truth is known everywhere and at every second.

Rain is an envelope (what the event is) times a log-normal texture (what rain looks like), times
what hills add, less a threshold below which it does not rain:
R = Rmax (1 - exp(-S / Rmax)), S = max(E h exp(s g - s^2 / 2) - R0, 0), with the envelope E, the
hills' factor h, the texture g of unit variance and its strength s. Radar gates, gauges and grid
cells ask for it at their own place and second, like `jinghu.storm.Storm`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.drill_cascade import Cascade, at_time, blend, blended_texture, texture
from jinghu.grid.spec import GridSpec

PATCH = ("birth_s", "life_s", "x_m", "y_m", "u_m_s", "v_m_s", "peak_mm_h", "along_m",
         "across_m", "angle_rad")  # fmt: skip
_WETTEST_MM_H = 160.0  # a rate comes near this and no higher
_THRESHOLD_MM_H = 0.15
_DRIZZLE_MM_H = 0.05
_MANY = 20_000  # places of one time for which blending the texture first is worth it
_FAR = 3.2  # half axes beyond which a patch is not felt
_BAND_TIGHTNESS = 2.2  # radians that a band turns while the distance to the centre grows by e


class RainTruth(Protocol):
    """What radars, gauges and scores ask of an event."""

    def rate(
        self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], time_s: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Rain rate in mm/h at places and epoch seconds of one shape."""
        ...

    def on_grid(self, spec: GridSpec, time: datetime) -> NDArray[np.float32]:
        """Rain rate in mm/h at the cell centres of a grid: (y, x)."""
        ...

    def motion(self) -> tuple[float, float]:
        """Mean motion of the rain in m/s: east, north."""
        ...


@dataclass(frozen=True, slots=True)
class Vortex:
    """A typhoon: its centre at second 0, how it moves and turns, and its rain.

    ``rate_mm_h`` is the mean in the eyewall, 0 where there is no typhoon.
    """

    x_m: float = 0.0
    y_m: float = 0.0
    u_m_s: float = 0.0
    v_m_s: float = 0.0
    turn_rad_s: float = 0.0
    core_m: float = 40_000.0
    reach_m: float = 170_000.0
    rate_mm_h: float = 0.0

    def numbers(self) -> NDArray[np.float64]:
        """(8,) the fields in their order."""
        return np.array(
            [self.x_m, self.y_m, self.u_m_s, self.v_m_s, self.turn_rad_s, self.core_m,
             self.reach_m, self.rate_mm_h]
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Hills:
    """Factor by which hills enhance rain: (y, x) on a grid."""

    spec: GridSpec
    factor: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class DrillRain:
    """Rain of an event.

    Parameters
    ----------
    start
        Second 0 of all clocks, UTC.
    patches
        (patch, 10): `PATCH`; flat-topped ellipses that move, grow and decay.
    vortex
        The typhoon, if any.
    background_mm_h
        Mean rate everywhere.
    cascade
        Texture, in a frame that moves with ``drift_m_s``.
    strength, within
        Standard deviation of the logarithm of the rate in the background, and in the patches and
        the typhoon.
    drift_m_s
        Motion of the texture: east, north.
    angle_rad, stretch
        Texture is ``stretch`` times longer along ``angle_rad`` than across it.
    hills
        Enhancement by hills.
    """

    start: datetime
    patches: NDArray[np.float64]
    vortex: Vortex
    background_mm_h: float
    cascade: Cascade
    strength: float
    within: float
    drift_m_s: tuple[float, float]
    angle_rad: float
    stretch: float
    hills: Hills

    def rate(
        self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], time_s: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Rain rate in mm/h at places and epoch seconds of one shape."""
        clock = np.broadcast_to(time_s - self.start.timestamp(), x_m.shape)
        if not clock.size:
            return np.zeros(x_m.shape, np.float32)
        born, dead = self.patches[:, 0], self.patches[:, 0] + self.patches[:, 1]
        alive = self.patches[(born <= clock.max()) & (dead >= clock.min())]
        c, hills = self.cascade, self.hills
        frame = (*self.drift_m_s, np.cos(self.angle_rad), np.sin(self.angle_rad), self.stretch)
        flat = _rates(
            np.ascontiguousarray(x_m).ravel(),
            np.ascontiguousarray(y_m).ravel(),
            np.ascontiguousarray(clock).ravel(),
            alive,
            self.vortex.numbers(),
            np.array([self.background_mm_h, self.strength, self.within, *frame]),
            (c.fields, c.first, c.step_s, c.spacing_m, c.weight, c.correlation),
            hills.factor,
            np.array([hills.spec.x0_m, hills.spec.y0_m, hills.spec.spacing_m]),
            bool(clock.size >= _MANY and clock.max() == clock.min()),
        )
        return np.asarray(flat.reshape(x_m.shape))

    def on_grid(self, spec: GridSpec, time: datetime) -> NDArray[np.float32]:
        """Rain rate in mm/h at the cell centres of a grid: (y, x)."""
        x, y = np.meshgrid(spec.x, spec.y)
        return self.rate(x, y, np.full(x.shape, time.timestamp()))

    def motion(self) -> tuple[float, float]:
        """Motion of the texture in m/s: east, north; of a typhoon that of its centre."""
        if self.vortex.rate_mm_h > 0:
            return self.vortex.u_m_s, self.vortex.v_m_s
        return self.drift_m_s


@numba.njit(cache=True, nogil=True)
def _rates(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    clock: NDArray[np.float64],
    patches: NDArray[np.float64],
    vortex: NDArray[np.float64],
    shape: NDArray[np.float64],
    cascade: tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.float64],
                   NDArray[np.float64], NDArray[np.float64], float],
    factor: NDArray[np.float32],
    place: NDArray[np.float64],
    together: bool,
) -> NDArray[np.float32]:  # fmt: skip
    """Rates; ``shape``: background, strength, within, drift (2), cosine, sine, stretch.

    ``together`` tells that many places share one time.
    """
    out = np.zeros(len(x), np.float32)
    background, strength, within, drift_x, drift_y, cosine, sine, stretch = shape
    fields, first, step_s, spacing_m, weight, correlation = cascade
    knots, shares = np.zeros(len(weight), np.int64), np.zeros((len(weight), 2))
    now, turned_cosine, turned_sine = np.nan, 1.0, 0.0
    placed, highest = np.empty((len(patches), 7)), float(factor.max()) if together else np.inf
    levels = np.empty((len(weight) if together else 0, *fields.shape[1:]), np.float32)
    for i in range(len(x)):
        if clock[i] != now:
            now = clock[i]
            _place_patches(patches, now, placed)
            at_time(first, step_s, weight, correlation, now, knots, shares)
            if together:
                blend(fields, knots, shares, levels)
            turned_cosine, turned_sine = np.cos(vortex[4] * now), np.sin(vortex[4] * now)
        event = _patches(placed, x[i], y[i])
        px, py = x[i] - drift_x * now, y[i] - drift_y * now
        if vortex[7] > 0.0:
            # The texture turns with the bands: otherwise rain would not go round the centre.
            dx, dy = x[i] - vortex[0] - vortex[2] * now, y[i] - vortex[1] - vortex[3] * now
            event += _vortex(vortex, dx, dy, now)
            px = dx * turned_cosine + dy * turned_sine
            py = dy * turned_cosine - dx * turned_sine
        envelope = background + event
        if envelope < 1e-3:
            continue
        along, across = (px * cosine + py * sine) / stretch, py * cosine - px * sine
        if together:
            g = blended_texture(levels, spacing_m, along, across)
        else:
            g = texture(fields, spacing_m, knots, shares, along, across)
        s = strength + (within - strength) * event / envelope
        rain = envelope * np.exp(s * g - 0.5 * s * s)
        if rain * highest <= _THRESHOLD_MM_H + _DRIZZLE_MM_H:
            continue  # dry whatever hill is there
        rain *= _hill(factor, place, x[i], y[i])
        if rain > _THRESHOLD_MM_H + _DRIZZLE_MM_H:
            out[i] = _WETTEST_MM_H * (1.0 - np.exp((_THRESHOLD_MM_H - rain) / _WETTEST_MM_H))
    return out


@numba.njit(cache=True, nogil=True)
def _place_patches(patches: NDArray[np.float64], clock: float, placed: NDArray[np.float64]) -> None:
    """Set where patches are at a time, (patch, 7): x, y, cosine, sine, half axes, rate.

    They are strongest for the middle of their life.
    """
    for k in range(len(patches)):
        age, life = clock - patches[k, 0], patches[k, 1]
        lives = 0.0 < age < life
        grown = min(1.0, 1.8 * np.sin(np.pi * age / life)) if lives else 0.0
        placed[k, 0] = patches[k, 2] + patches[k, 4] * age
        placed[k, 1] = patches[k, 3] + patches[k, 5] * age
        placed[k, 2], placed[k, 3] = np.cos(patches[k, 9]), np.sin(patches[k, 9])
        placed[k, 4], placed[k, 5] = patches[k, 7], patches[k, 8]
        placed[k, 6] = patches[k, 6] * grown


@numba.njit(cache=True, nogil=True)
def _patches(placed: NDArray[np.float64], x: float, y: float) -> float:
    """Sum of the patches: flat on top, Gaussian across."""
    total = 0.0
    for k in range(len(placed)):
        dx, dy = x - placed[k, 0], y - placed[k, 1]
        along = (dx * placed[k, 2] + dy * placed[k, 3]) / placed[k, 4]
        across = (dy * placed[k, 2] - dx * placed[k, 3]) / placed[k, 5]
        if placed[k, 6] > 0.0 and abs(along) <= _FAR and abs(across) <= _FAR:
            total += placed[k, 6] * np.exp(-0.5 * (along**4 + across**2))
    return total


@numba.njit(cache=True, nogil=True)
def _vortex(vortex: NDArray[np.float64], dx: float, dy: float, clock: float) -> float:
    """Mean rain of a typhoon: eyewall, core, and two logarithmic spirals that turn."""
    core, reach = vortex[5], vortex[6]
    r = np.hypot(dx, dy)
    if r > 2.5 * reach:
        return 0.0
    total = 0.0
    if r < 2.2 * core:
        total += np.exp(-0.5 * ((r - core) / (0.35 * core)) ** 2)
    if r < 6.0 * core:
        eye = 1.0 - np.exp(-((2.0 * r / core) ** 2))
        total += 0.25 * np.exp(-0.5 * (r / (1.6 * core)) ** 2) * eye
    if r > 0.3 * core:
        turn = np.arctan2(dy, dx) - vortex[4] * clock + _BAND_TIGHTNESS * np.log(r / core)
        inside = 1.0 - np.exp(-((r / (1.2 * core)) ** 4))
        total += 0.7 * np.exp(3.5 * (np.cos(2.0 * turn) - 1.0) - (r / reach) ** 2) * inside
    return float(vortex[7] * total)


@numba.njit(cache=True, nogil=True)
def _hill(factor: NDArray[np.float32], place: NDArray[np.float64], x: float, y: float) -> float:
    """Factor of the hills at a place, bilinear; that of the edge beyond it."""
    ny, nx = factor.shape
    column = min(max((x - place[0]) / place[2] - 0.5, 0.0), nx - 1.0)
    row = min(max((y - place[1]) / place[2] - 0.5, 0.0), ny - 1.0)
    i, j = min(int(column), max(nx - 2, 0)), min(int(row), max(ny - 2, 0))
    fx, fy = column - i, row - j
    east, north = min(i + 1, nx - 1), min(j + 1, ny - 1)
    below = (1.0 - fx) * factor[j, i] + fx * factor[j, east]
    above = (1.0 - fx) * factor[north, i] + fx * factor[north, east]
    return float((1.0 - fy) * below + fy * above)
