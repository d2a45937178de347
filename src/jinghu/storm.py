"""A rain event whose truth is known everywhere and always: cells that move, grow and decay.

A slow convective line stands over the headwaters of the Cao'e, whose cells train along it, with
rain of layer cloud around it and single showers elsewhere. Rates are analytic, so that a radar
gate, a gauge and a grid cell can ask for the truth at their own place and second.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

import numba
import numpy as np
from numpy.typing import NDArray

from jinghu.grid.spec import GridSpec

_COLUMNS = ("birth_s", "life_s", "x_m", "y_m", "u_m_s", "v_m_s", "peak_mm_h", "along_m",
            "across_m", "angle_rad")  # fmt: skip
_SPIN_UP = timedelta(hours=2)  # cells are born so long before the event
_WETTEST_MM_H = 115.0  # where many cells overlap the rate comes near this and no higher
_DRIZZLE_MM_H = 0.05
_HORIZON = 3.5  # half axes beyond which a cell is not felt


@dataclass(frozen=True, slots=True)
class StormParams:
    """Shape of the event; the defaults give hourly sums of 40 to 80 mm under the line."""

    lon: float = 120.86  # middle of the line: above Xinchang and Shengzhou
    lat: float = 29.50
    line_angle_deg: float = 38.0  # counter-clockwise from east
    line_length_m: float = 75_000.0
    line_width_m: float = 6_500.0
    line_drift_m_s: tuple[float, float] = (0.4, 0.6)
    cell_speed_m_s: float = 9.0
    cells_per_min: float = 2.2
    layers_per_min: float = 0.5
    showers_per_min: float = 0.5


@dataclass(frozen=True, slots=True)
class Storm:
    """An event.

    Parameters
    ----------
    start
        Second 0 of the cells' clocks, UTC.
    cells
        (cell, 10): `_COLUMNS`; places in the plane of the grid it was made for.
    """

    start: datetime
    cells: NDArray[np.float64]

    def rate(
        self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], time_s: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Rain rate in mm/h at places and epoch seconds of one shape."""
        clock = np.broadcast_to(time_s - self.start.timestamp(), x_m.shape)
        born, dead = self.cells[:, 0], self.cells[:, 0] + self.cells[:, 1]
        alive = self.cells[(born <= clock.max()) & (dead >= clock.min())]
        flat = _rates(alive, x_m.ravel(), y_m.ravel(), np.ascontiguousarray(clock.ravel()))
        return np.asarray(flat.reshape(x_m.shape))

    def on_grid(self, spec: GridSpec, time: datetime) -> NDArray[np.float32]:
        """Rain rate in mm/h at the cell centres of a grid: (y, x)."""
        x, y = np.meshgrid(spec.x, spec.y)
        return self.rate(x, y, np.full(x.shape, time.timestamp()))

    def motion(self) -> tuple[float, float]:
        """Mean motion of the cells in m/s, by their peaks: east, north."""
        weight = self.cells[:, 6]
        u, v = (float(np.average(self.cells[:, k], weights=weight)) for k in (4, 5))
        return u, v


def make_storm(
    spec: GridSpec, start: datetime, duration: timedelta, seed: int, params: StormParams
) -> Storm:
    """Draw an event that is in full swing from ``start`` to ``start + duration``.

    Parameters
    ----------
    spec
        Grid in whose plane the cells move.
    start, duration
        Time for which rain is asked for; cells are born from two hours before.
    seed, params
        The same seed and parameters give the same event.
    """
    random = np.random.default_rng(seed)
    x, y = spec.to_xy([params.lon], [params.lat])
    middle = np.array([float(x[0]), float(y[0])])
    minutes = (duration + _SPIN_UP).total_seconds() / 60
    cells = np.concatenate(
        [
            _line(random, random.poisson(params.cells_per_min * minutes), minutes, middle, params),
            _layers(
                random, random.poisson(params.layers_per_min * minutes), minutes, middle, params
            ),
            _showers(random, random.poisson(params.showers_per_min * minutes), minutes, spec),
        ]
    )
    cells[:, 0] -= _SPIN_UP.total_seconds()
    return Storm(start, cells)


def _line(
    random: np.random.Generator,
    n: int,
    minutes: float,
    middle: NDArray[np.float64],
    params: StormParams,
) -> NDArray[np.float64]:
    """Convective cells that train along the line."""
    angle = np.radians(params.line_angle_deg)
    along, across = (
        np.array([np.cos(angle), np.sin(angle)]),
        np.array([-np.sin(angle), np.cos(angle)]),
    )
    birth = random.uniform(0, minutes * 60, n)
    life = random.uniform(35, 70, n) * 60
    speed = params.cell_speed_m_s * random.uniform(0.8, 1.2, n)
    # A cell is strongest in the middle of its life: there it stands on the line.
    place = random.uniform(-0.5, 0.5, n) * params.line_length_m - speed * life / 2
    off = random.normal(0, params.line_width_m, n)
    drift = np.array(params.line_drift_m_s)
    origin = middle + place[:, None] * along + off[:, None] * across
    origin += (birth - minutes * 60)[:, None] * drift
    velocity = speed[:, None] * along + drift
    return np.column_stack(
        [
            birth, life, origin, velocity,
            np.minimum(random.lognormal(np.log(34), 0.55, n), 110),
            random.uniform(1800, 4200, n), random.uniform(1200, 2600, n),
            angle + random.normal(0, 0.25, n),
        ]
    )  # fmt: skip


def _layers(
    random: np.random.Generator,
    n: int,
    minutes: float,
    middle: NDArray[np.float64],
    params: StormParams,
) -> NDArray[np.float64]:
    """Weak rain of all sizes around and behind the line."""
    angle = np.radians(params.line_angle_deg)
    origin = middle + random.normal(0, 40_000, (n, 2)) + np.array([-15_000.0, 20_000.0])
    velocity = np.array([np.cos(angle), np.sin(angle)]) * 6.0 + random.normal(0, 0.8, (n, 2))
    size = random.lognormal(np.log(8_000), 0.6, n)
    return np.column_stack(
        [
            random.uniform(0, minutes * 60, n), random.uniform(40, 120, n) * 60, origin, velocity,
            random.uniform(0.5, 5, n), size, size * random.uniform(0.4, 0.8, n),
            angle + random.normal(0, 0.4, n),
        ]
    )  # fmt: skip


def _showers(
    random: np.random.Generator, n: int, minutes: float, spec: GridSpec
) -> NDArray[np.float64]:
    """Single showers anywhere on the grid."""
    x = spec.x0_m + random.uniform(0, 1, n) * spec.nx * spec.spacing_m
    y = spec.y0_m + random.uniform(0, 1, n) * spec.ny * spec.spacing_m
    return np.column_stack(
        [
            random.uniform(0, minutes * 60, n), random.uniform(30, 55, n) * 60, x, y,
            random.normal(6, 1.5, n), random.normal(4, 1.5, n),
            np.minimum(random.lognormal(np.log(9), 0.7, n), 45),
            random.uniform(2500, 5000, n), random.uniform(1800, 3500, n),
            random.uniform(0, np.pi, n),
        ]
    )  # fmt: skip


@numba.njit(cache=True)
def _rates(
    cells: NDArray[np.float64],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    clock: NDArray[np.float64],
) -> NDArray[np.float32]:
    """Sum the cells at every place and time, saturating: R = Rmax (1 - exp(-S / Rmax))."""
    out = np.zeros(len(x), np.float32)
    cosine, sine = np.cos(cells[:, 9]), np.sin(cells[:, 9])
    for i in range(len(x)):
        total = 0.0
        for k in range(len(cells)):
            age = clock[i] - cells[k, 0]
            life = cells[k, 1]
            if age <= 0 or age >= life:
                continue
            dx = x[i] - cells[k, 2] - cells[k, 4] * age
            dy = y[i] - cells[k, 3] - cells[k, 5] * age
            far = _HORIZON * cells[k, 7]
            if abs(dx) > far or abs(dy) > far:
                continue
            along = (dx * cosine[k] + dy * sine[k]) / cells[k, 7]
            across = (dy * cosine[k] - dx * sine[k]) / cells[k, 8]
            square = along * along + across * across
            if square < _HORIZON * _HORIZON:
                total += cells[k, 6] * np.sin(np.pi * age / life) * np.exp(-square / 2)
        rate = _WETTEST_MM_H * (1.0 - np.exp(-total / _WETTEST_MM_H))
        out[i] = rate if rate > _DRIZZLE_MM_H else 0.0
    return out
