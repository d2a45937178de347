"""Wind profilers of a drill: three stations, with the errors, gaps and delays that they have."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jinghu.drill_truth import DrillRain
from jinghu.grid import durable
from jinghu.grid.profiles import Levels, Product, WindProfile, encode_profile, profile_name
from jinghu.grid.spec import GridSpec

EVERY = timedelta(minutes=6)
_TAG = 0x5750  # of the generators of profilers
# In the plain, near the coast and in the hills.
PLACES = (
    ("SIM01", 120.55, 30.02, 6.0),
    ("SIM02", 121.10, 29.75, 18.0),
    ("SIM03", 120.45, 29.40, 95.0),
)
_LOWEST_M, _HIGHEST_M = 100.0, 8500.0
_STEERING_M = 3500.0  # where the wind is that moves the rain: the middle of 850 to 500 hPa
_SURFACE_M = 10.0
_FRICTION = 0.4  # of the steering wind, at the surface
_BACKED_DEG = 35.0  # wind at the surface against the steering wind, to the left of it
_SHEAR = 1.5e-3  # m/s a metre, along the steering wind
_NOISE_M_S = 0.9  # of a component near the ground
_NOISE_PER_KM = 0.25
_OUTLIERS = 0.01  # levels where something else than air was seen
_REACH_M = 6000.0  # heights that are seen half of the time
_REACH_SPREAD_M = 700.0
_MISSING = 0.04  # of the levels below
_DELAY_MIN = (4.0, 6.0, 15.0)  # shortest, median, longest


@dataclass(frozen=True, slots=True)
class Profilers:
    """Wind profilers that watch a drill.

    Parameters
    ----------
    seed
        Of the drill.
    rain
        What rains and how it moves.
    spec
        Grid in whose plane it moves.
    """

    seed: int
    rain: DrillRain
    spec: GridSpec

    def profile(self, place: tuple[str, float, float, float], time: datetime) -> WindProfile:
        """Real-time profile of a station that ends at a time."""
        station, lon, lat, altitude = place
        random = _random(self.seed, station, time, 1)
        height = sampled_heights()
        wind = wind_above(self._steering(lon, lat, time), height + altitude)
        wind = wind + random.normal(0.0, 1.0, wind.shape) * _noise(height)
        strange = random.uniform(size=height.shape) < _OUTLIERS
        wind = np.where(strange, random.normal(0.0, 15.0, wind.shape), wind)
        top = random.normal(_REACH_M, _REACH_SPREAD_M)
        seen = (height <= top) & (random.uniform(size=height.shape) >= _MISSING)
        sure = 100.0 - 50.0 * (height / top) ** 2 - random.exponential(4.0, height.shape)
        levels = Levels(
            height,
            np.where(seen, (np.degrees(np.arctan2(-wind[0], -wind[1])) % 360.0).round(1), np.nan),
            np.where(seen, np.hypot(*wind).round(1), np.nan),
            np.where(seen, random.normal(0.0, 0.3, height.shape).round(1), np.nan),
            np.where(seen, np.clip(sure, 0, 100).round(), np.nan),
            np.where(seen, np.clip(sure, 0, 100).round(), np.nan),
            np.where(seen, 10.0 ** (-14.0 - height / 3000.0), np.nan),
        )
        return WindProfile(
            "", station, "PB", lon, lat, altitude, Product.REAL_TIME, "01.20", time, levels
        )

    def _steering(self, lon: float, lat: float, time: datetime) -> NDArray[np.float64]:
        """Motion of the rain over a station, turned from the grid's rows to true north."""
        x, y = self.spec.to_xy([lon, lon], [lat, lat + 0.01])
        north = np.array([x[1] - x[0], y[1] - y[0]]) / np.hypot(x[1] - x[0], y[1] - y[0])
        moved = motion_at(self.rain, x[:1], y[:1], time)[:, 0]
        return np.array([moved[0] * north[1] - moved[1] * north[0], moved @ north])


def motion_at(
    rain: DrillRain, x_m: NDArray[np.float64], y_m: NDArray[np.float64], time: datetime
) -> NDArray[np.float64]:
    """True motion of the texture of the rain in m/s along x and y, each shaped like the places.

    In a typhoon it turns with the bands and goes on with the centre.
    """
    vortex = rain.vortex
    u, v = rain.motion()
    moved = np.stack([np.full(x_m.shape, u), np.full(y_m.shape, v)])
    if vortex.rate_mm_h > 0:
        clock = (time - rain.start).total_seconds()
        dx, dy = x_m - vortex.x_m - u * clock, y_m - vortex.y_m - v * clock
        moved += vortex.turn_rad_s * np.stack([-dy, dx])
    return moved


def wind_above(
    steering_m_s: NDArray[np.float64], height_m: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Wind (2, level) at heights above the sea whose mean over the steering layer moves the rain.

    Below 1500 m friction slows it and turns it to the left; above it grows with height.
    """
    speed = float(np.hypot(*steering_m_s))
    ahead = steering_m_s / speed if speed > 0 else np.array([1.0, 0.0])
    along = speed + _SHEAR * (np.maximum(height_m, 1500.0) - _STEERING_M)
    low = np.clip((1500.0 - height_m) / (1500.0 - _SURFACE_M), 0.0, 1.0)
    along = np.maximum(along, 0.0) * (1.0 - (1.0 - _FRICTION) * low**2)
    turn = np.radians(_BACKED_DEG) * low
    return np.stack([
        along * (ahead[0] * np.cos(turn) - ahead[1] * np.sin(turn)),
        along * (ahead[0] * np.sin(turn) + ahead[1] * np.cos(turn)),
    ])  # fmt: skip


def write_profiles(
    profilers: Profilers, before: datetime, time: datetime, folder: Path
) -> list[Path]:
    """Write the profiles that arrive after ``before`` until ``time``, a file each.

    Parameters
    ----------
    profilers
        The stations.
    before, time
        Steps must follow one another, so that nothing is left out.
    folder
        Where they go.
    """
    written = []
    first = before - timedelta(minutes=_DELAY_MIN[2])
    for place in PLACES:
        for end in _ends(place[0], first, time):
            if not before < end + _delay(profilers.seed, place[0], end) <= time:
                continue
            profile = profilers.profile(place, end)
            path = folder / profile_name(profile)
            durable.write_atomic(path, encode_profile(profile))
            written.append(path)
    return written


def _ends(station: str, first: datetime, last: datetime) -> Sequence[datetime]:
    """Ends of the observations of a station: every six minutes, at minutes of its own."""
    offset = timedelta(seconds=zlib.crc32(station.encode("ascii")) % int(EVERY.total_seconds()))
    epoch = datetime(2000, 1, 1, tzinfo=UTC) + offset
    begin = -((epoch - first) // EVERY)
    return [epoch + k * EVERY for k in range(begin, (last - epoch) // EVERY + 1)]


def _delay(seed: int, station: str, end: datetime) -> timedelta:
    shortest, median, longest = _DELAY_MIN
    more = float(_random(seed, station, end, 2).exponential((median - shortest) / np.log(2.0)))
    return timedelta(minutes=min(shortest + more, longest))


def _noise(height_m: NDArray[np.float64]) -> NDArray[np.float64]:
    return _NOISE_M_S + _NOISE_PER_KM * height_m / 1000.0


def sampled_heights() -> NDArray[np.float64]:
    """Heights above the station: 60 m apart below 1 km, then 120 and 240 m."""
    return np.concatenate(
        [np.arange(_LOWEST_M, 1000, 60.0), np.arange(1000.0, 2500, 120.0),
         np.arange(2500.0, _HIGHEST_M, 240.0)]
    ).round()  # fmt: skip


def _random(seed: int, station: str, time: datetime, what: int) -> np.random.Generator:
    code = zlib.crc32(station.encode("ascii"))
    return np.random.default_rng([seed, _TAG, code, int(time.timestamp()), what])
