"""What arrives as a rain sequence, made usable: mended by name, refused where it is no rain."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.grid.fields import check

NOISE_MM_H = 0.1  # packing and resampling leave values that far below zero
# More than ever fell in a minute (38 mm, Guadeloupe 1970): fill values and unmasked codes.
IMPOSSIBLE_MM_H = 2_500.0
_NEGATIVE_SHARE = 0.01
_HEAVY_MEDIAN_MM_H = 15.0
_SEQUENCE = "rain sequence"


def usable(rain: xr.Dataset) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Bring a sequence into order and take out what cannot be rain.

    Parameters
    ----------
    rain
        ``rainfall_rate(time, y, x)`` in mm/h. It is left alone.

    Returns
    -------
    The sequence with ascending times, rates that are missing (NaN) or from zero up, and at least
    one field; sentences that name what was mended. A sequence that was in order comes back as it
    is. Fields without any value are passed over; where all are, the last stays.

    Raises
    ------
    ConfigError
        Where variable, dimensions or units differ.
    DataError
        Where there is no field, times are no times, or the values are not rain.
    """
    check(rain, "rainfall_rate", dims=("time", "y", "x"))
    ordered, named = _in_order(rain)
    clean, about_values = _clean(ordered)
    told, about_fields = _with_values(clean)
    return told, (*named, *about_values, *about_fields)


def minute(time: np.datetime64) -> str:
    """Time for a person: ``2019-08-09T16:05Z``."""
    return f"{np.datetime_as_string(time, 'm')}Z"


def _in_order(rain: xr.Dataset) -> tuple[xr.Dataset, list[str]]:
    """Fields by ascending time, one a time."""
    times = rain["time"].values
    if times.size == 0 or 0 in rain["rainfall_rate"].shape:
        raise DataError(_SEQUENCE, "holds no field")
    if not np.issubdtype(times.dtype, np.datetime64):
        raise DataError(_SEQUENCE, f"its times are {times.dtype}, not times in CF units")
    named = []
    known = ~np.isnat(times)
    if not known.all():
        if not known.any():
            raise DataError(_SEQUENCE, "none of its fields has a time")
        named.append(f"{np.count_nonzero(~known)} fields without a time are passed over")
        rain, times = rain.isel(time=np.flatnonzero(known)), times[known]
    gaps = np.diff(times)
    if (gaps > np.timedelta64(0)).all():
        return rain, named
    order = np.argsort(times, kind="stable")
    if (gaps < np.timedelta64(0)).any():
        named.append("fields were not in the order of their times: sorted")
    last_of_time = np.append(np.diff(times[order]) > np.timedelta64(0), True)
    twice = np.count_nonzero(~last_of_time)
    if twice:
        named.append(f"{twice} fields have the time of another: the last of each time is taken")
    return rain.isel(time=order[last_of_time]), named


def _clean(rain: xr.Dataset) -> tuple[xr.Dataset, list[str]]:
    """Rates that are missing or from zero up to what can fall."""
    rates = rain["rainfall_rate"].values
    lowest = np.fmin.reduce(rates, axis=None)
    highest = np.fmax.reduce(rates, axis=None)
    if (lowest >= 0 and highest <= IMPOSSIBLE_MM_H) or np.isnan(lowest):
        return rain, _doubts(rates)
    _refuse_other_quantities(rates)
    counts = {
        "infinite": np.isinf(rates),
        f"above {IMPOSSIBLE_MM_H:,.0f} mm/h": (rates > IMPOSSIBLE_MM_H) & ~np.isinf(rates),
        "negative": (rates <= -NOISE_MM_H) & ~np.isinf(rates),
    }
    named = [
        f"{np.count_nonzero(cells)} rates are {what}: missing"
        for what, cells in counts.items()
        if cells.any()
    ]
    mended = np.where(np.logical_or.reduce(list(counts.values())), np.nan, rates)
    mended = np.where(mended < 0, 0.0, mended).astype(rates.dtype)
    variable = rain["rainfall_rate"].variable.copy(deep=False, data=mended)
    return rain.assign(rainfall_rate=variable), named + _doubts(mended)


def _refuse_other_quantities(rates: NDArray[np.floating]) -> None:
    """Refuse what has many different negative values: no code for missing is so varied."""
    negative = rates[(rates <= -NOISE_MM_H) & np.isfinite(rates)]
    known = np.count_nonzero(np.isfinite(rates))
    if negative.size > _NEGATIVE_SHARE * known and np.unique(negative).size > 3:
        share = 100.0 * negative.size / known
        cause = f"{share:.0f} % of rainfall_rate is negative, down to {negative.min():g} mm h-1:"
        raise DataError(_SEQUENCE, f"{cause} not rain rates (reflectivity in dBZ?)")


def _doubts(rates: NDArray[np.floating]) -> list[str]:
    """Name a last field that is more like reflectivity than like rain."""
    last = rates[-1]
    wet = last[last >= NOISE_MM_H]
    if wet.size < 100:
        return []
    median = float(np.median(wet))
    if median <= _HEAVY_MEDIAN_MM_H:
        return []
    return [f"half of the rain is above {median:.0f} mm/h: is it reflectivity in dBZ?"]


def _with_values(rain: xr.Dataset) -> tuple[xr.Dataset, list[str]]:
    """Fields that hold a value; the last where none does."""
    told = np.array([bool(np.isfinite(field).any()) for field in rain["rainfall_rate"].values])
    if told.all():
        return rain, []
    if not told.any():
        return rain.isel(time=[-1]), ["no field holds a value: all is missing"]
    named = [f"{np.count_nonzero(~told)} fields hold no value and are passed over"]
    kept = rain.isel(time=np.flatnonzero(told))
    if not told[-1]:
        named.append(f"the forecast starts from {minute(kept['time'].values[-1])}")
    return kept, named
