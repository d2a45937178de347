"""Wind and temperature of a drill, as every sixth of its stations reports them each hour.

The air is that of the season and the hour, colder with height and in rain. The wind is what moves
the rain, slowed by the ground, with gusts; around a typhoon it blows by itself, strongest at the
core.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jinghu.drill_truth import DrillRain
from jinghu.grid import durable
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import BEIJING, floor_time, isoformat
from jinghu.grid.weather_checks import LAPSE_K_M
from jinghu.grid.weather_reports import COLUMNS, MEASURED
from jinghu.simulate_gauges import GaugeNetwork

EVERY = timedelta(hours=1)
DELAY = timedelta(minutes=5)
_TAG = 0x5745  # of the generators of weather
_OF_STATIONS = 6  # one in so many has the instruments
_FRICTION = 0.4  # of the wind that moves the rain
_FASTER_PER_KM = 0.25  # on hills
_GUST = 1.6
_EYEWALL_M_S = 12.0  # mean wind at the core of a typhoon that has come ashore
_OUTFLOW = 0.05  # m/s of gust a mm/h of rain
_COOLING = 0.06  # K a mm/h of rain, at most `_COLDEST_K`
_COLDEST_K = 6.0
_NOISE_M_S, _NOISE_K = 0.6, 0.3


@dataclass(frozen=True, slots=True)
class WeatherStations:
    """Weather stations that watch a drill.

    Parameters
    ----------
    seed
        Of the drill.
    rain, spec
        What rains and how it moves, and the grid in whose plane.
    gauges
        Every sixth of them measures wind and temperature.
    """

    seed: int
    rain: DrillRain
    spec: GridSpec
    gauges: GaugeNetwork

    def rows(self, time: datetime) -> list[str]:
        """Lines of the reports of a full hour."""
        mine, gauges = slice(None, None, _OF_STATIONS), self.gauges
        lon, lat, height = gauges.lon[mine], gauges.lat[mine], gauges.height_m[mine]
        x, y = self.spec.to_xy(lon, lat)
        rate = self.rain.rate(x, y, np.full(x.shape, time.timestamp())).astype(np.float64)
        random = np.random.default_rng([self.seed, _TAG, int(time.timestamp())])
        wind = self._wind(x, y, height, time)
        speed = np.maximum(np.hypot(*wind) + random.normal(0.0, _NOISE_M_S, x.size), 0.0)
        gust = speed * _GUST + _OUTFLOW * rate + np.abs(random.normal(0.0, _NOISE_M_S, x.size))
        whence = (np.degrees(np.arctan2(-wind[0], -wind[1])) + random.normal(0, 8, x.size)) % 360
        warm = season_c(time) - LAPSE_K_M * height - np.minimum(_COOLING * rate, _COLDEST_K)
        warm = warm + random.normal(0.0, _NOISE_K, x.size)
        return [
            f"{name},{lat[k]:.5f},{lon[k]:.5f},{height[k] * 10:.0f},{isoformat(time)},"
            f"{speed[k]:.1f},{gust[k]:.1f},{whence[k]:.0f},{warm[k]:.1f}"
            for k, name in enumerate(gauges.names[mine])
        ]

    def _wind(
        self,
        x_m: NDArray[np.float64],
        y_m: NDArray[np.float64],
        height_m: NDArray[np.float64],
        time: datetime,
    ) -> NDArray[np.float64]:
        """Mean wind (2, station) at 10 m, along x and y."""
        u, v = self.rain.motion()
        wind = np.stack([np.full(x_m.shape, u), np.full(y_m.shape, v)]) * _FRICTION
        vortex = self.rain.vortex
        if vortex.rate_mm_h > 0:
            clock = (time - self.rain.start).total_seconds()
            dx, dy = x_m - vortex.x_m - u * clock, y_m - vortex.y_m - v * clock
            away = np.hypot(dx, dy) / vortex.core_m
            speed = _EYEWALL_M_S * np.where(away < 1.0, away, np.maximum(away, 1.0) ** -0.6)
            around = np.stack([-dy, dx]) / np.maximum(np.hypot(dx, dy), 1.0)
            wind += np.sign(vortex.turn_rad_s) * speed * around
        faster: NDArray[np.float64] = wind * (1 + _FASTER_PER_KM * height_m / 1000)
        return faster


def season_c(time: datetime) -> float:
    """Mean temperature at sea level at Shaoxing's latitude: by the day of the year and the hour.

    >>> from datetime import UTC
    >>> [round(season_c(datetime(2026, month, 20, 6, tzinfo=UTC))) for month in (1, 7)]
    [9, 33]
    """
    local = time.astimezone(BEIJING)
    day, hour = local.timetuple().tm_yday, local.hour + local.minute / 60
    year = 16.5 + 12.0 * np.sin(2 * np.pi * (day - 110) / 365)
    return float(year + 4.5 * np.cos(2 * np.pi * (hour - 14) / 24))


def write_weather(
    stations: WeatherStations, before: datetime, time: datetime, folder: Path
) -> Path | None:
    """Write the reports of the full hour that arrive after ``before`` until ``time``, if any.

    Parameters
    ----------
    stations
        Who reports.
    before, time
        Steps must follow one another and be shorter than an hour.
    folder
        Where the file goes.
    """
    hour = floor_time((time - DELAY).astimezone(UTC), EVERY)
    if not before < hour + DELAY <= time:
        return None
    path = folder / f"weather_{hour + DELAY:%Y%m%d%H%M}.csv"
    text = "\n".join([",".join((*COLUMNS, *MEASURED)), *stations.rows(hour)]) + "\n"
    durable.write_atomic(path, text.encode("ascii"))
    return path
