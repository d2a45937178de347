"""Mosaic of several radars at one time, weighted by quality and age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numba
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect_together, motion_array
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import Method, State, attrs
from jinghu.grid.times import from_numpy, to_numpy
from jinghu.radar.moved import SUBSTEP_S

NO_RADAR = 255  # of ``source_radar``


@dataclass(frozen=True, slots=True)
class MosaicParams:
    """How radars are weighed against one another."""

    stale_after_s: float = 720.0
    age_weight_s: float = 600.0  # e-folding age of the weight
    sharpness: float = 2.0  # power of the quality: 2 lets the lowest, nearest beam rule
    floor: float = 1e-4  # below it a radar counts only where no other sees


def mosaic(
    rains: Sequence[xr.Dataset], time: datetime, motion: xr.Dataset | None, params: MosaicParams
) -> xr.Dataset:
    """Bring the radars to one time and merge them.

    Parameters
    ----------
    rains
        One Dataset a radar, as `jinghu.radar.rain.rain_on_grid` gives it, all on one grid.
    time
        Time of the mosaic.
    motion
        ``motion_x``, ``motion_y`` (m s-1) to advect along; None leaves the echo where it was.
    params
        Parameters.

    Returns
    -------
    Dataset on (y, x): ``rainfall_rate`` (NaN where no radar saw), ``quality``, ``age``,
    ``state``, ``radar_count``, ``source_radar`` (place in the attribute ``radars`` of the radar
    that weighs most, 255 where none), ``method`` (of that radar); scalar ``time``.

    Raises
    ------
    ConfigError
        Where there is nothing to merge or the grids differ.
    """
    if not rains:
        raise ConfigError("a mosaic needs at least one radar")
    shape = rains[0]["rainfall_rate"].shape
    if any(r["rainfall_rate"].shape != shape for r in rains):
        raise ConfigError("the radars of a mosaic must be on one grid")
    per_second = None if motion is None else motion_array(motion, 1.0)
    moved = [_brought_to(rain, time, per_second) for rain in rains]
    seconds = np.array([_seconds_until(rain, time) for rain in rains])
    usual = np.array([_usual(rain["method"].values) for rain in rains], np.uint8)
    blocked = np.any([rain["state"].values == State.BLOCKED for rain in rains], axis=0)
    found = _nothing(shape)
    _merge(
        (np.stack([m[0] for m in moved]), np.stack([m[1] for m in moved])),
        (seconds.astype(np.float32), usual, blocked),
        np.array([params.floor, params.sharpness, params.age_weight_s, params.stale_after_s]),
        found,
    )
    rate, quality, age, state, source, method, count = found
    codes = [str(rain.attrs["radar"]) for rain in rains]
    places = np.array([*(sorted(codes).index(code) for code in codes), NO_RADAR], np.uint8)
    dims = ("y", "x")
    of_source = attrs("source_radar") | source_flags(codes)
    return xr.Dataset(
        {
            "rainfall_rate": (dims, rate, attrs("rainfall_rate")),
            "quality": (dims, quality, attrs("quality")),
            "age": (dims, age, attrs("age")),
            "state": (dims, state, attrs("state")),
            "source_radar": (dims, places[source], of_source),
            "method": (dims, method, attrs("method")),
            "radar_count": (dims, count, attrs("radar_count")),
        },
        coords={
            "time": to_numpy(time),
            **{name: rains[0][name] for name in ("x", "y", "lat", "lon", "crs")},
        },
        attrs={"radars": " ".join(sorted(codes))},
    )


_Merged = tuple[
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.float32],
    NDArray[np.uint8],
    NDArray[np.uint8],
    NDArray[np.uint8],
    NDArray[np.uint8],
]


def _nothing(shape: tuple[int, ...]) -> _Merged:
    """Room for rate, quality, age, state, place of the radar, method and count."""
    of_rate, of_quality, of_age = (np.empty(shape, np.float32) for _ in range(3))
    state, source, method, count = (np.empty(shape, np.uint8) for _ in range(4))
    return of_rate, of_quality, of_age, state, source, method, count


def _usual(made: NDArray[np.uint8]) -> int:
    """Commonest method of a scan.

    It stands for cells at the rim of an echo, where rain that was interpolated has a rate and its
    nearest source has none.
    """
    counts = np.bincount(made[made != Method.NONE], minlength=1)
    return int(counts.argmax()) if counts.any() else int(Method.Z)


def source_flags(codes: Sequence[str]) -> dict[str, object]:
    """CF flags of ``source_radar``: the codes in their order, then none."""
    values = np.array([*range(len(codes)), NO_RADAR], np.uint8)
    return {"flag_values": values, "flag_meanings": " ".join([*sorted(codes), "none"])}


def _seconds_until(rain: xr.Dataset, time: datetime) -> float:
    return float((time - from_numpy(rain["time"].values)).total_seconds())


def _brought_to(
    rain: xr.Dataset, time: datetime, per_second: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Rate and quality (2, y, x), and method, of one radar at the time of the mosaic."""
    fields = np.stack([rain["rainfall_rate"].values, rain["quality"].values]).astype(np.float32)
    made = rain["method"].values
    seconds = _seconds_until(rain, time)
    if per_second is None or not seconds:
        return fields, made
    return advect_together(
        fields,
        made,
        per_second,
        seconds,
        substeps=int(np.ceil(abs(seconds) / SUBSTEP_S)),
        outside=(np.array([np.nan, 0.0], np.float32), int(Method.NONE)),
    )


_MISSING, _DRY, _WET = int(State.MISSING), int(State.DRY), int(State.WET)
_BLOCKED, _STALE = int(State.BLOCKED), int(State.STALE)
_NO_METHOD = int(Method.NONE)


@numba.njit(cache=True, parallel=True, error_model="numpy")
def _merge(
    scans: tuple[NDArray[np.float32], NDArray[np.uint8]],
    about: tuple[NDArray[np.float32], NDArray[np.uint8], NDArray[np.bool_]],
    params: NDArray[np.float64],
    out: _Merged,
) -> None:
    """Weigh the radars of every cell against one another.

    Parameters
    ----------
    scans
        Rate and quality (radar, 2, y, x); method (radar, y, x).
    about
        Seconds since each scan; its usual method; where a beam is blocked (y, x).
    params
        Floor, sharpness, e-folding age and age of staleness, as of `MosaicParams`.
    out
        Rate, quality, age, state, place of the radar that weighs most (their
        number where there is none), method, count.
    """
    fields, methods = scans
    seconds, usual, blocked = about
    floor, sharpness, age_weight_s, stale_after_s = params
    rate, quality, age, state, source, method, count = out
    n, _, ny, nx = fields.shape
    fresh = np.exp(-np.abs(seconds) / np.float32(age_weight_s))
    for row in numba.prange(ny):
        weights = np.empty(n, np.float32)
        for col in range(nx):
            total, rain, best, most = np.float32(0), 0.0, np.float32(0), np.float32(-1)
            chosen, seen = -1, 0
            for k in range(n):
                value, good = fields[k, 0, row, col], fields[k, 1, row, col]
                weights[k] = 0
                if np.isnan(value):
                    continue
                seen += 1
                weights[k] = max(good, np.float32(floor)) ** np.float32(sharpness) * fresh[k]
                total += weights[k]
                rain += weights[k] * value
                best = max(best, good * fresh[k])
                if weights[k] > most:
                    most, chosen = weights[k], k
            count[row, col], quality[row, col] = seen, best
            if seen == 0:
                rate[row, col], age[row, col] = np.nan, np.nan
                state[row, col] = _BLOCKED if blocked[row, col] else _MISSING
                source[row, col], method[row, col] = np.uint8(n), _NO_METHOD
                continue
            newest = np.float32(np.inf)
            for k in range(n):
                if weights[k] > np.float32(0.05) * most:
                    newest = min(newest, max(seconds[k], np.float32(0)))
            mean = rain / total
            rate[row, col], age[row, col] = mean, newest
            made = methods[chosen, row, col]
            method[row, col] = usual[chosen] if made == _NO_METHOD else made
            source[row, col] = chosen
            if newest > stale_after_s:
                state[row, col] = _STALE
            else:
                state[row, col] = _WET if mean >= 0.1 else _DRY
