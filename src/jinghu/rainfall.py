"""Rain amounts of a cycle: gauges merged in, the record carried on, windows into the forecast."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.analysis import Analysis
from jinghu.configs.settings import Settings
from jinghu.grid.accumulation import block_amounts
from jinghu.grid.advection import motion_array
from jinghu.grid.fields import State, attrs
from jinghu.grid.history import empty_history, fitted_to_hour, recorded, rolled
from jinghu.grid.merge import MergeParams, MergeReport, merge
from jinghu.grid.stations import StationFile, hourly_rain_on
from jinghu.grid.times import from_numpy, to_numpy
from jinghu.nowcast.engines import pysteps_extrapolate
from jinghu.stages import StageLog

RECORD = timedelta(hours=24)
SUBSTEPS = 3  # rates between two steps, so that fast rain does not accumulate in fish bones
_HOUR = timedelta(hours=1)
_MIN_HOUR_SHARE = 0.8
_FRESH_HOURS = timedelta(hours=2)  # reports come late; older hours are in the record already


@dataclass(frozen=True, slots=True)
class Rainfall:
    """The merged rain of a cycle.

    Parameters
    ----------
    analysis
        Mosaic with the gauges' adjustment applied, on the working grid.
    observed_rates, observed_times
        Merged rates (time, y, x) in mm/h at the steps up to the analysis time, working grid.
    best, radar_alone
        Records of step amounts on the product grid, merged and without gauges.
    merge_report
        What the merge did, None where no hour could be merged.
    """

    analysis: xr.Dataset
    observed_rates: NDArray[np.float32]
    observed_times: tuple[datetime, ...]
    best: xr.Dataset
    radar_alone: xr.Dataset
    merge_report: MergeReport | None


@dataclass(frozen=True, slots=True)
class Records:
    """Rain records of the cycle before, None at a cold start."""

    best: xr.Dataset | None
    radar_alone: xr.Dataset | None


def merge_rainfall(
    analysis: Analysis,
    stations: Sequence[StationFile],
    before: Records,
    time: datetime,
    settings: Settings,
    log: StageLog,
) -> Rainfall:
    """Merge gauges and radar and carry the record of rain on to the analysis time."""
    spec, factor = settings.grid.product(), settings.grid.working_factor
    step = timedelta(minutes=settings.nowcast.step_min)
    times = _observed_times(analysis, time, step)
    rates = analysis.rates_at(_refined(times, step))
    amounts = step_amounts(rates, step, factor)
    record = empty_history(spec, time, step, RECORD)
    ends = np.array([to_numpy(t) for t in times[1:]])
    radar_alone = rolled(recorded(record, ends, amounts), before.radar_alone)
    hour_end = _hour_end(time, settings)
    hour = _radar_hour(analysis, radar_alone, hour_end, time, settings, log)
    gauges = hourly_rain_on(spec, stations, hour_end)
    report, adjustment, merged = None, None, None
    if gauges.sizes["station"] < 3:
        log.degrade(f"no gauges for the hour ending {hour_end:%H:%M}Z: radar alone")
    else:
        result, report = merge(hour, gauges, MergeParams())
        merged = result["rainfall_amount"].values
        if np.isfinite(hour["rainfall_amount"].values).any():
            adjustment = result["adjustment"].values
    fine = _upsampled(adjustment, factor) if adjustment is not None else np.float32(1.0)
    adjusted = rates[::SUBSTEPS] * fine
    best = rolled(
        recorded(record, ends, amounts * (1.0 if adjustment is None else adjustment)), before.best
    )
    known_hours = _FRESH_HOURS if before.best is not None else RECORD
    hours = sorted(
        {r.time for f in stations for r in f.reports if time - known_hours <= r.time <= time}
    )
    best = _with_gauge_hours(best, stations, hours, (hour_end, merged), settings)
    filled = _filled(analysis.mosaic, adjusted[-1], merged, factor)
    adjusted[-1] = filled["rainfall_rate"].values
    return Rainfall(filled, adjusted, tuple(times), best, radar_alone, report)


def forecast_amounts(
    adjusted: xr.Dataset, motion: xr.Dataset, time: datetime, settings: Settings
) -> tuple[NDArray[np.float32], xr.Dataset]:
    """Extrapolate the merged analysis along the motion, by our kernel or by pysteps'.

    Returns
    -------
    Rates (lead + 1, y, x) on the working grid with lead 0 first, and step amounts on the product
    grid.
    """
    step = timedelta(minutes=settings.nowcast.step_min)
    times = [time + k * step for k in range(settings.nowcast.leads + 1)]
    if settings.nowcast.engine == "pysteps":
        per_part = motion_array(motion, step.total_seconds() / SUBSTEPS)
        rate = adjusted["rainfall_rate"].values
        moved = pysteps_extrapolate(rate, per_part, settings.nowcast.leads * SUBSTEPS)
        rates = np.concatenate([rate[None], moved])
    else:
        rates = Analysis(adjusted, motion, None).rates_at(_refined(times, step))
    amounts = step_amounts(rates, step, settings.grid.working_factor)
    return rates[::SUBSTEPS], amounts_dataset(amounts, time, settings)


def amounts_dataset(amounts: NDArray[np.float32], time: datetime, settings: Settings) -> xr.Dataset:
    """``rainfall_amount(time, y, x)`` in mm of the steps after a time, on the product grid."""
    step = timedelta(minutes=settings.nowcast.step_min)
    ends = np.array([to_numpy(time + k * step) for k in range(1, len(amounts) + 1)])
    return xr.Dataset(
        {"rainfall_amount": (("time", "y", "x"), amounts, attrs("rainfall_amount"))},
        coords={"time": ends, **settings.grid.product().coords()},
    )


def _observed_times(analysis: Analysis, time: datetime, step: timedelta) -> list[datetime]:
    """List the steps from the earlier mosaic (or one step back) to the analysis time."""
    if analysis.earlier is None:
        return [time - step, time]
    n = max(1, -((from_numpy(analysis.earlier["time"].values) - time) // step))
    return [time - k * step for k in range(n, -1, -1)]


def _refined(times: Sequence[datetime], step: timedelta) -> list[datetime]:
    part = step / SUBSTEPS
    return [t + k * part for t in times[:-1] for k in range(SUBSTEPS)] + [times[-1]]


def step_amounts(rates: NDArray[np.float32], step: timedelta, factor: int) -> NDArray[np.float32]:
    """Step amounts on the product grid from refined rates on the working grid."""
    return block_amounts(rates, step / SUBSTEPS, factor, SUBSTEPS)


def _hour_end(time: datetime, settings: Settings) -> datetime:
    """End of the gauge hour that adjusts this cycle."""
    floor = time.replace(minute=0, second=0, microsecond=0)
    if settings.merge.hour == "ended" or floor == time:
        return floor
    return floor + _HOUR


def _radar_hour(
    analysis: Analysis,
    record: xr.Dataset,
    hour_end: datetime,
    time: datetime,
    settings: Settings,
    log: StageLog,
) -> xr.Dataset:
    """Radar amount of the gauge hour on the product grid, NaN where it is not known well."""
    spec = settings.grid.product()
    step = timedelta(minutes=settings.nowcast.step_min)
    if hour_end > time:  # a hindcast: the rest of the hour is extrapolated
        times = [hour_end - k * step for k in range(_HOUR // step, -1, -1)]
        steps = step_amounts(
            analysis.rates_at(_refined(times, step)), step, settings.grid.working_factor
        )
    else:
        end = to_numpy(hour_end)
        inside = (record["time"] > end - np.timedelta64(1, "h")) & (record["time"] <= end)
        steps = record["rainfall_amount"].values[inside.values]
    known = np.isfinite(steps).mean(axis=0)
    amount = np.where(known >= _MIN_HOUR_SHARE, np.nansum(steps, axis=0), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        amount = (amount / known).astype(np.float32)
    if not np.isfinite(amount).any():
        log.degrade(f"radar did not see the hour ending {hour_end:%H:%M}Z: rates not adjusted")
    return xr.Dataset(
        {"rainfall_amount": (("y", "x"), amount, attrs("rainfall_amount"))}, coords=spec.coords()
    )


def _with_gauge_hours(
    record: xr.Dataset,
    stations: Sequence[StationFile],
    hours: Sequence[datetime],
    merged_hour: tuple[datetime, NDArray[np.float32] | None],
    settings: Settings,
) -> xr.Dataset:
    """Fit the record to whole hours for which there are gauges."""
    spec = settings.grid.product()
    nothing = xr.Dataset(
        {
            "rainfall_amount": (
                ("y", "x"),
                np.full(spec.shape, np.nan, np.float32),
                attrs("rainfall_amount"),
            )
        },
        coords=spec.coords(),
    )
    for hour in hours:
        if hour == merged_hour[0] and merged_hour[1] is not None:
            record = fitted_to_hour(record, hour, merged_hour[1])
            continue
        gauges = hourly_rain_on(spec, stations, hour)
        if gauges.sizes["station"] >= 3:
            alone, _ = merge(nothing, gauges, MergeParams())
            record = fitted_to_hour(record, hour, alone["rainfall_amount"].values)
    return record


def name_short_windows(windows: xr.Dataset, log: StageLog) -> None:
    """Name the windows whose past is not known: their amounts are lower bounds."""
    known = windows["observed_fraction"].isel(lead_time=0)
    short = [
        f"{int(h)} h: {100 * float(f):.0f} %"
        for h, f in zip(windows["window"].values, known.values, strict=True)
        if f < 0.95
    ]
    if short:
        log.degrade(
            f"rain before the analysis is known for part of the windows ({', '.join(short)})"
        )


def _upsampled(field: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Bilinear values at the cells of the finer grid, the edge's beyond it."""
    ny, nx = field.shape
    at_y = np.clip((np.arange(ny * factor) + 0.5) / factor - 0.5, 0, ny - 1)
    at_x = np.clip((np.arange(nx * factor) + 0.5) / factor - 0.5, 0, nx - 1)
    j, i = (
        np.minimum(at_y.astype(int), max(ny - 2, 0)),
        np.minimum(at_x.astype(int), max(nx - 2, 0)),
    )
    fy, fx = (at_y - j)[:, None].astype(np.float32), (at_x - i)[None].astype(np.float32)
    j1, i1 = np.minimum(j + 1, ny - 1), np.minimum(i + 1, nx - 1)
    low = (1 - fx) * field[j][:, i] + fx * field[j][:, i1]
    high = (1 - fx) * field[j1][:, i] + fx * field[j1][:, i1]
    return np.asarray((1 - fy) * low + fy * high, np.float32)


def _filled(
    mosaic: xr.Dataset, rate: NDArray[np.float32], hour_mm: NDArray[np.float32] | None, factor: int
) -> xr.Dataset:
    """Fill cells that no radar sees with the gauges' mean rate of the hour."""
    if hour_mm is None:
        return mosaic.assign(rainfall_rate=(("y", "x"), rate, attrs("rainfall_rate")))
    gauge_rate = _upsampled(hour_mm.astype(np.float32), factor)
    unseen = np.isnan(rate) & np.isfinite(gauge_rate)
    state = np.where(unseen, np.uint8(State.FILLED), mosaic["state"].values)
    return mosaic.assign(
        rainfall_rate=(("y", "x"), np.where(unseen, gauge_rate, rate), attrs("rainfall_rate")),
        state=(("y", "x"), state.astype(np.uint8), attrs("state")),
    )
