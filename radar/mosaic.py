"""Mosaic of several radars at one time, weighted by quality and age."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.advection import advect, motion_array
from jinghu.grid.errors import ConfigError
from jinghu.grid.fields import Method, State, attrs
from jinghu.grid.times import from_numpy, to_numpy
from jinghu.radar.moved import SUBSTEP_S, cells_before, gathered

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
    moved = [_brought_to(rain, time, motion, params) for rain in rains]
    rates = np.stack([m[0] for m in moved])
    weights = np.stack([m[1] for m in moved])
    ages = np.array([_age_s(rain, time) for rain in rains], np.float32)
    seen = np.isfinite(rates)
    weights = np.where(seen, weights, 0)
    total = weights.sum(0)
    with np.errstate(invalid="ignore"):
        rate = (weights * np.where(seen, rates, 0)).sum(0, dtype=np.float64) / total
    any_seen = np.asarray(seen.any(0))
    newest = np.where(weights > 0.05 * weights.max(0), ages[:, None, None], np.inf).min(0)
    quality = np.where(seen, np.stack([m[2] for m in moved]), 0).max(0)
    return xr.Dataset(
        {
            "rainfall_rate": _field("rainfall_rate", np.where(any_seen, rate, np.nan)),
            "quality": _field("quality", np.where(any_seen, quality, 0)),
            "age": _field("age", np.where(any_seen, newest, np.nan)),
            "state": (("y", "x"), _states(rains, rate, any_seen, newest, params), attrs("state")),
            "source_radar": _sources(rains, weights, any_seen),
            "method": (("y", "x"), _methods(rains, weights, time, motion), attrs("method")),
            "radar_count": (("y", "x"), seen.sum(0).astype(np.uint8), attrs("radar_count")),
        },
        coords={
            "time": to_numpy(time),
            **{name: rains[0][name] for name in ("x", "y", "lat", "lon", "crs")},
        },
        attrs={"radars": " ".join(sorted(str(r.attrs["radar"]) for r in rains))},
    )


def _sources(
    rains: Sequence[xr.Dataset], weights: NDArray[np.float32], any_seen: NDArray[np.bool_]
) -> tuple[tuple[str, str], NDArray[np.uint8], dict[str, object]]:
    """Place, among the sorted codes, of the radar that weighs most in each cell."""
    codes = [str(rain.attrs["radar"]) for rain in rains]
    places = np.array([sorted(codes).index(code) for code in codes], np.uint8)
    found = np.where(any_seen, places[weights.argmax(axis=0)], NO_RADAR).astype(np.uint8)
    return ("y", "x"), found, attrs("source_radar") | source_flags(codes)


def _methods(
    rains: Sequence[xr.Dataset],
    weights: NDArray[np.float32],
    time: datetime,
    motion: xr.Dataset | None,
) -> NDArray[np.uint8]:
    """How the rain of the radar that weighs most was made, moved along with it.

    A cell at the rim of an echo that was interpolated has a rate where its nearest source has none:
    there the method is the radar's commonest.
    """
    chosen = weights.argmax(axis=0)
    found = np.full(chosen.shape, Method.NONE, np.uint8)
    for k, rain in enumerate(rains):
        mine = (chosen == k) & (weights[k] > 0)
        made = rain["method"].values
        counts = np.bincount(made[made != Method.NONE], minlength=1)
        usual = np.uint8(counts.argmax() if counts.any() else Method.Z)
        if np.count_nonzero(counts) > 1:  # the trajectories are worth their time
            at = cells_before(motion, from_numpy(rain["time"].values), time)
            moved = gathered(made, at, Method.NONE)
            found[mine] = np.where(moved == Method.NONE, usual, moved)[mine]
        else:
            found[mine] = usual
    return found


def source_flags(codes: Sequence[str]) -> dict[str, object]:
    """CF flags of ``source_radar``: the codes in their order, then none."""
    values = np.array([*range(len(codes)), NO_RADAR], np.uint8)
    return {"flag_values": values, "flag_meanings": " ".join([*sorted(codes), "none"])}


def _field(name: str, values: NDArray[np.floating]) -> tuple[tuple[str, str], object, object]:
    return ("y", "x"), values.astype(np.float32), attrs(name)


def _age_s(rain: xr.Dataset, time: datetime) -> float:
    """Age in s of the rain at the time of the mosaic; a scan after it has none."""
    return max(_seconds_until(rain, time), 0.0)


def _seconds_until(rain: xr.Dataset, time: datetime) -> float:
    return float((time - from_numpy(rain["time"].values)).total_seconds())


def _brought_to(
    rain: xr.Dataset, time: datetime, motion: xr.Dataset | None, params: MosaicParams
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Rate, weight and quality of one radar at the time of the mosaic."""
    rate = rain["rainfall_rate"].values
    quality = rain["quality"].values
    seconds = _seconds_until(rain, time)
    if motion is not None and seconds:
        substeps = int(np.ceil(abs(seconds) / SUBSTEP_S))
        per_second = motion_array(motion, 1.0)
        rate = advect(rate, per_second, [seconds], substeps=substeps)[0]
        quality = advect(quality, per_second, [seconds], substeps=substeps, outside=0.0)[0]
    freshness = np.float32(np.exp(-abs(seconds) / params.age_weight_s))
    weight = np.maximum(quality, params.floor) ** params.sharpness * freshness
    return rate, weight.astype(np.float32), (quality * freshness).astype(np.float32)


def _states(
    rains: Sequence[xr.Dataset],
    rate: NDArray[np.float64],
    seen: NDArray[np.bool_],
    newest_s: NDArray[np.float32],
    params: MosaicParams,
) -> NDArray[np.uint8]:
    """State of every cell: what it rests on, or why there is nothing."""
    blocked = np.any([r["state"].values == State.BLOCKED for r in rains], axis=0)
    with np.errstate(invalid="ignore"):
        state = np.where(rate >= 0.1, State.WET, State.DRY)
    state = np.where(newest_s > params.stale_after_s, State.STALE, state)
    nothing = np.where(blocked, State.BLOCKED, State.MISSING)
    return np.where(seen, state, nothing).astype(np.uint8)
