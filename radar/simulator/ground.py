"""What the ground does to a radar: it hides and it echoes."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from jinghu.grid.spec import GridSpec
from jinghu.radar.geometry import EFFECTIVE_RADIUS_M, place
from jinghu.radar.sites import HiddenSector, RadarSite

_STEP_M = 500.0
_OBSTACLE_KM = 2.0  # where the obstacles of a site stand
_HORIZONTAL = -90.0  # no horizon at all


@dataclass(frozen=True, slots=True)
class Ground:
    """The ground around a radar by azimuth (rows, whole degrees) and range (columns of 500 m).

    Parameters
    ----------
    horizon_deg
        (360, range) elevation below which something nearer hides the place; never falls outwards.
    clutter_dbz
        (360, range) echo of the ground where the beam axis meets it; -99 where there is none.
    top_deg
        (360, range) elevation up to which the ground reaches there.
    """

    horizon_deg: NDArray[np.float32]
    clutter_dbz: NDArray[np.float32]
    top_deg: NDArray[np.float32]

    def horizon_at(
        self, azimuth_deg: NDArray[np.float64], range_m: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Horizon on rays and gates: (ray, gate) degrees."""
        return self._at(self.horizon_deg, azimuth_deg, range_m)

    def echo_dbz(
        self,
        azimuth_deg: NDArray[np.float64],
        range_m: NDArray[np.float64],
        elevation_deg: float,
        beam_width_deg: float,
    ) -> NDArray[np.float32]:
        """Ground echo in a cut: (ray, gate) dBZ, weaker as the beam rises over the ground."""
        echo = self._at(self.clutter_dbz, azimuth_deg, range_m)
        clear = np.maximum(elevation_deg - self._at(self.top_deg, azimuth_deg, range_m), 0)
        # two-way Gaussian pattern, 80 log10(2) dB a squared width, down to the side lobes
        loss = np.minimum(24.08 * (clear / beam_width_deg) ** 2, 60.0)
        return np.asarray(echo - loss, np.float32)

    def _at(
        self,
        field: NDArray[np.float32],
        azimuth_deg: NDArray[np.float64],
        range_m: NDArray[np.float64],
    ) -> NDArray[np.float32]:
        row = np.rint(azimuth_deg).astype(np.int64) % 360
        column = np.minimum((range_m / _STEP_M).astype(np.int64), field.shape[1] - 1)
        return np.asarray(field[row[:, None], column[None, :]])


def draw_ground(
    max_range_m: float, hidden: tuple[HiddenSector, ...], random: np.random.Generator
) -> Ground:
    """Draw hills that echo within about 50 km, and hide the sectors.

    Parameters
    ----------
    max_range_m
        Range up to which the ground is made.
    hidden, random
        What hides; the same state of the generator gives the same ground.
    """
    n = int(max_range_m / _STEP_M) + 1
    range_km = (np.arange(n) + 0.5) * _STEP_M / 1000
    azimuth = np.arange(360)
    rough = gaussian_filter(random.normal(size=(360, n)), (3.0, 3.0), mode=("wrap", "nearest"))
    rough /= rough.std()
    fine = gaussian_filter(random.normal(size=(360, n)), 0.7, mode=("wrap", "nearest"))
    rare = 1.0 + range_km / 30.0  # hills reach into the beam more seldom farther out
    strength = 45.0 + 8.0 * fine / fine.std() - 0.25 * range_km
    echo = np.where((rough > rare) & (range_km < 60.0), strength, -99.0)
    near = range_km < 6.0  # towers and trees around the site
    echo = np.where(near & (fine / fine.std() > 0.5), strength - 10.0, echo)
    horizon = np.full((360, n), _HORIZONTAL)
    for sector in hidden:
        inside = (azimuth - sector.from_deg) % 360 <= (sector.to_deg - sector.from_deg) % 360
        far = range_km >= _OBSTACLE_KM
        horizon[np.ix_(inside, far)] = np.maximum(horizon[np.ix_(inside, far)], sector.up_to_deg)
    top = np.where(echo > -90, 0.3 + 0.4 * np.clip(rough - rare, 0, 2), _HORIZONTAL)
    return Ground(horizon.astype(np.float32), echo.astype(np.float32), top.astype(np.float32))


def ground_of_elevation(
    elevation_m: NDArray[np.float32],
    spec: GridSpec,
    site: RadarSite,
    max_range_m: float,
    random: np.random.Generator,
) -> Ground:
    """Take hills from an elevation field: they hide what is behind them, and echo.

    Parameters
    ----------
    elevation_m, spec
        (y, x) heights above mean sea level and their grid; beyond it the land is at 0 m.
    site, max_range_m
        The radar, and how far it looks.
    random
        Of the strength of the echo.
    """
    at = place(site, spec)
    range_m = (np.arange(int(max_range_m / _STEP_M) + 1) + 0.5) * _STEP_M
    direction = np.radians(np.arange(360) + at.north_deg)
    x = at.x_m + np.sin(direction)[:, None] * range_m
    y = at.y_m + np.cos(direction)[:, None] * range_m
    rows, columns = (y - spec.y0_m) / spec.spacing_m - 0.5, (x - spec.x0_m) / spec.spacing_m - 0.5
    land = map_coordinates(elevation_m, [rows, columns], order=1, cval=0.0)
    sunk = land - range_m**2 / (2 * EFFECTIVE_RADIUS_M) - site.antenna_height_m
    top = np.degrees(np.arctan2(sunk, range_m))
    before = np.full(top.shape, _HORIZONTAL)
    before[:, 1:] = np.maximum.accumulate(top, axis=1)[:, :-1]
    facing = np.clip(np.diff(land, axis=1, prepend=land[:, :1]) / _STEP_M, 0.0, 0.5)
    fine = random.normal(0, 6.0, top.shape)
    strength = 30.0 + 60.0 * facing + fine
    echo = np.where((top > before) & (facing > 0.02), strength, -99.0)
    return Ground(before.astype(np.float32), echo.astype(np.float32), top.astype(np.float32))
