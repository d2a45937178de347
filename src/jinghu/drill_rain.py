"""From the script of a drill to its rain: one maker a kind of event."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import assert_never

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from jinghu.drill_cascade import make_cascade
from jinghu.drill_script import DrillScript, DryEvent, LineEvent, ScatteredEvent, TyphoonEvent
from jinghu.drill_truth import DrillRain, Hills, RainTruth, Vortex
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import to_numpy

BEFORE = timedelta(hours=2)  # rain before the drill: hours that gauges and soil have seen
AFTER = timedelta(hours=3)  # and after it: what the last warnings are judged by
_SLOPE = 2.7  # of the texture's spectrum
_HILL_M = 5_000.0  # over which air feels a slope
_PER_KM = 0.25  # enhancement by height alone
_PER_RISE = 6.0  # enhancement by rising ground, times the slope in the direction of motion
_FACTOR = (0.6, 1.9)
_MARGIN_S = 3600.0  # patches that last all the time are born and die so far outside it


def make_rain(script: DrillScript, spec: GridSpec, elevation: NDArray[np.floating]) -> DrillRain:
    """Draw the rain of a drill, from two hours before its start to three after its end.

    Parameters
    ----------
    script
        The drill; its seed makes its rain.
    spec
        Grid in whose plane the rain moves.
    elevation
        (y, x) heights in m on ``spec``.
    """
    event = script.event
    match event:
        case LineEvent():
            return _line(script, event, spec, elevation)
        case TyphoonEvent():
            return _typhoon(script, event, spec, elevation)
        case ScatteredEvent():
            return _scattered(script, event, spec, elevation)
        case DryEvent():
            return _rain(script, spec, elevation, np.empty((0, 10)), event.drift_m_s,
                         background_mm_h=event.rate_mm_h, strength=1.0)  # fmt: skip
        case _:
            assert_never(event)


def hills_of(
    spec: GridSpec, elevation: NDArray[np.floating], drift_m_s: tuple[float, float]
) -> Hills:
    """Factor of the hills: more on high ground and where it rises before the wind.

    The factor is 1 + 0.25 z / 1 km + 6 (d . grad z), limited to 0.6..1.9, with heights smoothed
    over 5 km and the direction d of the motion.

    Parameters
    ----------
    spec, elevation
        Heights in m, (y, x); sea may be negative.
    drift_m_s
        Motion of the air: east, north.
    """
    smooth = gaussian_filter(
        np.maximum(elevation, 0.0).astype(np.float64), _HILL_M / spec.spacing_m
    )
    rise_y, rise_x = np.gradient(smooth, spec.spacing_m)
    speed = float(np.hypot(*drift_m_s))
    ahead = (rise_x * drift_m_s[0] + rise_y * drift_m_s[1]) / max(speed, 1e-9)
    factor = np.clip(1.0 + _PER_KM * smooth / 1000.0 + _PER_RISE * ahead, *_FACTOR)
    return Hills(spec, factor.astype(np.float32))


def rain_amounts(
    rain: RainTruth,
    spec: GridSpec,
    first: datetime,
    last: datetime,
    step: timedelta,
    workers: int = 2,
) -> xr.Dataset:
    """True amounts on a grid, from a rate at every minute and four places a cell.

    Parameters
    ----------
    rain
        The truth.
    spec
        Grid of the result.
    first, last
        End of the first and of the last step, UTC.
    step
        Length of a step, whole minutes.
    workers
        Threads; they change nothing but the time it takes.

    Returns
    -------
    ``rainfall_amount(time, y, x)`` in mm in the step that ends at ``time``.
    """
    minutes = round(step / timedelta(minutes=1))
    times = [first + k * step for k in range(round((last - first) / step) + 1)]

    def amount(end: datetime) -> NDArray[np.float32]:
        found = np.zeros(spec.shape, np.float32)
        for minute in range(minutes):
            found += mean_rates(rain, spec, end - timedelta(minutes=minute + 0.5)) / 60.0
        return found

    with ThreadPoolExecutor(workers) as pool:
        amounts = np.stack(list(pool.map(amount, times)))
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
        coords={"time": [to_numpy(t) for t in times], "y": spec.y, "x": spec.x},
    )


def mean_rates(rain: RainTruth, spec: GridSpec, time: datetime) -> NDArray[np.float32]:
    """True rates (y, x) in mm/h of the cells of a coarse grid, from four places in each."""
    quarter = spec.spacing_m / 4
    x, y = np.meshgrid(spec.x, spec.y)
    xs = np.stack([x - quarter, x + quarter, x - quarter, x + quarter])
    ys = np.stack([y - quarter, y - quarter, y + quarter, y + quarter])
    rates = rain.rate(xs, ys, np.full(xs.shape, time.timestamp()))
    return np.asarray(rates.mean(axis=0), np.float32)


def _line(
    script: DrillScript, event: LineEvent, spec: GridSpec, elevation: NDArray[np.floating]
) -> DrillRain:
    """One long patch, layer cloud behind it, and weak showers everywhere."""
    angle = float(np.radians(event.angle_deg))
    drift = np.array(event.drift_m_s)
    along = np.array([np.cos(angle), np.sin(angle)])
    behind = 25_000.0 * np.array([-np.sin(angle), np.cos(angle)])
    middle = _place(event.lon, event.lat, spec)
    length, width = event.length_m / 2, event.width_m
    patches = np.array(
        [
            _lasting(script, middle, drift, event.rate_mm_h, length, width, angle),
            _lasting(script, middle + behind, drift, 1.6, 1.3 * length, 4.0 * width, angle),
        ]
    )
    speed = event.cell_speed_m_s * along + drift
    return _rain(script, spec, elevation, patches, (float(speed[0]), float(speed[1])),
                 background_mm_h=0.10, strength=1.35, within=1.35,
                 angle_rad=angle, stretch=1.7)  # fmt: skip


def _typhoon(
    script: DrillScript, event: TyphoonEvent, spec: GridSpec, elevation: NDArray[np.floating]
) -> DrillRain:
    """A vortex whose centre is at the place of the event in the middle of the drill."""
    u, v = event.speed_m_s
    half = BEFORE.total_seconds() + script.hours * 1800.0
    x, y = _place(event.lon, event.lat, spec) - half * np.array([u, v])
    turn = 2.0 * np.pi / (event.turn_h * 3600.0)  # counter-clockwise: the northern hemisphere
    vortex = Vortex(
        float(x), float(y), u, v, turn, event.core_radius_m, event.reach_m, event.rate_mm_h
    )
    return _rain(script, spec, elevation, np.empty((0, 10)), (u, v),
                 background_mm_h=0.1, strength=1.2, within=0.75, vortex=vortex)  # fmt: skip


def _scattered(
    script: DrillScript, event: ScatteredEvent, spec: GridSpec, elevation: NDArray[np.floating]
) -> DrillRain:
    """A strong texture on a weak mean gives single storms; one patch stays where it is."""
    start = BEFORE.total_seconds() + 0.2 * script.hours * 3600.0
    life = max(0.6 * script.hours * 3600.0, 5400.0)
    flash = [start, life, *_place(event.lon, event.lat, spec), 0.0, 0.0, event.flash_mm_h,
             event.flash_radius_m, 0.8 * event.flash_radius_m, 0.6]  # fmt: skip
    return _rain(script, spec, elevation, np.array([flash]), event.drift_m_s,
                 background_mm_h=event.rate_mm_h, strength=2.1, within=0.7)  # fmt: skip


def _lasting(
    script: DrillScript,
    middle: NDArray[np.float64],
    drift: NDArray[np.float64],
    peak_mm_h: float,
    along_m: float,
    across_m: float,
    angle_rad: float,
) -> list[float]:
    """Patch that lasts all the time and is at ``middle`` in the middle of the drill."""
    end = BEFORE.total_seconds() + script.hours * 3600.0
    half = end - script.hours * 1800.0 + _MARGIN_S
    x, y = middle - half * drift
    return [-_MARGIN_S, end + 2 * _MARGIN_S, float(x), float(y), float(drift[0]), float(drift[1]),
            peak_mm_h, along_m, across_m, angle_rad]  # fmt: skip


def _rain(
    script: DrillScript,
    spec: GridSpec,
    elevation: NDArray[np.floating],
    patches: NDArray[np.float64],
    drift_m_s: tuple[float, float],
    *,
    background_mm_h: float,
    strength: float,
    within: float = 1.0,
    vortex: Vortex | None = None,
    angle_rad: float = 0.0,
    stretch: float = 1.0,
) -> DrillRain:
    seconds = (BEFORE + AFTER).total_seconds() + script.hours * 3600.0
    return DrillRain(
        script.start.astimezone(UTC) - BEFORE,
        patches,
        vortex or Vortex(),
        background_mm_h,
        make_cascade(seconds, _SLOPE, script.seed),
        strength,
        within,
        drift_m_s,
        angle_rad,
        stretch,
        hills_of(spec, elevation, drift_m_s),
    )


def _place(lon: float, lat: float, spec: GridSpec) -> NDArray[np.float64]:
    x, y = spec.to_xy(lon, lat)
    return np.array([float(x), float(y)])
