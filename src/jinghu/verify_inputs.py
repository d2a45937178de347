"""What `jinghu verify` reads: forecasts of files, folders and stores, and what was observed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.accumulation import coarsen_mean
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import check
from jinghu.grid.observations import valid_times
from jinghu.grid.store import Part, Store
from jinghu.grid.times import from_numpy, isoformat, parse_cycle_name, parse_time, to_numpy

_MINUTE = np.timedelta64(1, "m")


@dataclass(frozen=True, slots=True)
class Forecast:
    """One forecast, opened lazily.

    Parameters
    ----------
    source
        Where it came from.
    issued
        Its analysis time.
    lead_min
        Lead times in minutes, ascending.
    rate
        ``(lead_time, y, x)`` mm/h, the yes or no; None where it is the mean of the members.
    members
        ``(member, lead_time, y, x)`` mm/h, None where there are none.
    probability
        ``(rate_threshold, lead_time, y, x)``, None where it is the share of the members.
    """

    source: str
    issued: np.datetime64
    lead_min: tuple[float, ...]
    rate: xr.DataArray | None
    members: xr.DataArray | None
    probability: xr.DataArray | None

    @property
    def grid(self) -> xr.DataArray:
        """The variable whose coordinates are those of the forecast."""
        found = self.rate if self.rate is not None else self.members
        assert found is not None
        return found

    def valid(self, lead_min: float) -> np.datetime64:
        """Time for which a lead is."""
        return self.issued + np.timedelta64(round(lead_min * 60), "s")


@dataclass(frozen=True, slots=True)
class Observations:
    """Observed rates by time, opened lazily.

    Parameters
    ----------
    source
        Where they came from.
    days
        Datasets ``rainfall_rate(time, y, x)`` in mm/h.
    times
        Valid times: the number of the Dataset and the place in it.
    """

    source: str
    days: Sequence[xr.Dataset]
    times: dict[np.datetime64, tuple[int, int]]

    def field(self, time: np.datetime64, factor: int = 1) -> NDArray[np.float32] | None:
        """Rates (y, x), or their means over blocks of cells; None where the time is not there."""
        at = self.times.get(time.astype("datetime64[ns]"))
        if at is None:
            return None
        values = self.days[at[0]]["rainfall_rate"].isel(time=at[1]).values.astype(np.float32)
        return values if factor == 1 else coarsen_mean(values, factor)


def read_observations(path: Path) -> Observations:
    """Open a NetCDF or Zarr of ``rainfall_rate(time, y, x)``, or the analyses of a store.

    Raises
    ------
    DataError
        Names the file and the cause.
    """
    if (path / "obs").is_dir():
        return _of_store(path)
    found = _opened(path)
    _checked(found, path, ("time", "y", "x"))
    times: dict[np.datetime64, tuple[int, int]] = {}
    for k, time in enumerate(found["time"].values):
        if np.isnat(time):
            raise DataError(path, f"time {k} is none")
        if time in times:
            raise DataError(path, f"holds {_text(time)} twice")
        times[time.astype("datetime64[ns]")] = (0, k)
    return Observations(str(path), [found], times)


def _of_store(path: Path) -> Observations:
    """Analyses of a store, those times alone that its index calls valid."""
    days, times = [], {}
    for number, day in enumerate(sorted((path / "obs").glob("*.zarr"))):
        found = _opened(day)
        days.append(found)
        at = {time: k for k, time in enumerate(found["time"].values)}
        midnight = parse_time(f"{day.stem[:4]}-{day.stem[4:6]}-{day.stem[6:]}T00:00Z")
        for text in valid_times(Store(path), midnight):
            time = to_numpy(parse_time(text))
            if time in at:
                times[time] = (number, at[time])
    if not times:
        raise DataError(path, "the store holds no analysis")
    return Observations(str(path), days, times)


def read_forecasts(path: Path, start: datetime | None, end: datetime | None) -> list[Forecast]:
    """Forecasts of a NetCDF or Zarr, of all NetCDFs of a folder, of a store or a part of a cycle.

    Those of a store and a folder are the ones issued from ``start`` to ``end``, both included.

    Raises
    ------
    DataError
        Names the file and the cause.
    """
    if (path / "cycles").is_dir():
        store = Store(path)
        parts = (store.newest_part(name) for name in reversed(store.cycles())
                 if _within(parse_cycle_name(name), start, end))  # fmt: skip
        found = [_of_part(part) for part in parts if part is not None]
    elif (path / "manifest.json").is_file():
        found = [_of_part(Part(path.parent.name, path.name, path))]
    elif path.is_dir() and not any((path / name).is_file() for name in ("zarr.json", ".zgroup")):
        each = (_of_file(file) for file in sorted(path.glob("*.nc")))
        limits = [None if t is None else to_numpy(t) for t in (start, end)]
        found = [f for f in each if (limits[0] is None or f.issued >= limits[0])
                 and (limits[1] is None or f.issued <= limits[1])]  # fmt: skip
    else:
        found = [_of_file(path)]
    if not found:
        raise DataError(path, "holds no forecast of that time")
    twice = {f.issued for f in found if sum(f.issued == g.issued for g in found) > 1}
    if twice:
        raise DataError(path, f"holds two forecasts of {_text(min(twice))}")
    return sorted(found, key=lambda f: f.issued)


def _within(time: datetime, start: datetime | None, end: datetime | None) -> bool:
    return (start is None or time >= start) and (end is None or time <= end)


def _of_file(path: Path) -> Forecast:
    found = _opened(path)
    rate = found.get("rainfall_rate")
    dims = ("member", "lead_time", "y", "x")
    _checked(found, path, dims if rate is not None and "member" in rate.dims else dims[1:])
    rate = found["rainfall_rate"]
    if "time" not in found.coords or found["time"].ndim:
        raise DataError(path, "has no scalar coordinate time, the time of its analysis")
    many = "member" in rate.dims
    return Forecast(
        str(path),
        np.datetime64(found["time"].values.astype("datetime64[ns]").item(), "ns"),
        _leads(rate, path),
        None if many else rate,
        rate if many else None,
        _probability(found, path),
    )


def _of_part(part: Part) -> Forecast:
    """Deterministic rate of a published part, with the members and probabilities of a full one."""
    products = part.open("products.zarr")
    members = None
    if (part.folder / "members.zarr").is_dir():
        members = part.open("members.zarr")["rainfall_rate"]
    rate = products["rainfall_rate"]
    issued = to_numpy(parse_cycle_name(part.cycle))
    probability = _probability(products, part.folder)
    return Forecast(str(part.folder), issued, _leads(rate, part.folder), rate, members, probability)


def _leads(rate: xr.DataArray, path: Path) -> tuple[float, ...]:
    values = rate["lead_time"].values if "lead_time" in rate.coords else None
    if values is None or not np.issubdtype(values.dtype, np.timedelta64):
        raise DataError(path, "lead_time is no coordinate of times: wanted units such as minutes")
    minutes = values / _MINUTE
    if not (np.diff(minutes) > 0).all() or minutes[0] < 0:
        raise DataError(path, "lead_time does not ascend from zero on")
    return tuple(float(m) for m in minutes)


def _probability(found: xr.Dataset, path: Path) -> xr.DataArray | None:
    if "probability_of_rate" not in found:
        return None
    wanted = ("rate_threshold", "lead_time", "y", "x")
    try:
        check(found, "probability_of_rate", dims=wanted)
    except ConfigError as error:
        raise DataError(path, str(error)) from None
    if "rate_threshold" not in found.coords:
        raise DataError(path, "probability_of_rate has no coordinate rate_threshold")
    return found["probability_of_rate"]


def _opened(path: Path) -> xr.Dataset:
    """Open a file lazily; ages and windows stay numbers, lead times become times."""
    try:
        if path.is_dir():
            found: xr.Dataset = xr.open_zarr(
                path, consolidated=False, chunks=None, decode_timedelta=True
            )
            return found
        return xr.open_dataset(path, decode_timedelta=True)
    except (OSError, ValueError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise DataError(path, f"cannot be opened: {' '.join(cause.split())[:200]}") from None


def _checked(found: xr.Dataset, path: Path, dims: tuple[str, ...]) -> None:
    try:
        check(found, "rainfall_rate", dims=dims)
    except ConfigError as error:
        raise DataError(path, str(error)) from None
    for name in ("x", "y"):
        if name not in found.coords:
            raise DataError(path, f"has no coordinate {name}")


def common_grid(forecasts: Iterable[Forecast], observed: Observations) -> int:
    """Cells of the observations along a cell of the forecasts, which all share one grid.

    Raises
    ------
    DataError
        Where grids differ, and observations are not on a finer one that fits into the cells.
    """
    known = list(forecasts)
    first = known[0]
    for other in known[1:]:
        problem = _differ(first.grid, other.grid)
        if problem:
            raise DataError(other.source, f"is not on the grid of {first.source}: {problem}")
    factors = {_factor(first, day, observed.source) for day in observed.days}
    if len(factors) > 1:
        raise DataError(observed.source, "its days are on different grids")
    return factors.pop()


def _factor(forecast: Forecast, day: xr.Dataset, source: str) -> int:
    grid = forecast.grid
    problem = _differ(grid, day["rainfall_rate"])
    if not problem:
        return 1
    factors = {day.sizes[n] / grid.sizes[n] for n in ("y", "x")}
    factor = round(min(factors))
    if factors == {factor} and factor > 1 and not _crs_differ(grid, day["rainfall_rate"]):
        means = [day[n].values.reshape(-1, factor).mean(axis=1) for n in ("y", "x")]
        if all(np.allclose(m, grid[n].values, atol=0.01)
               for m, n in zip(means, ("y", "x"), strict=True)):  # fmt: skip
            return factor
    raise DataError(source, f"is not on the grid of {forecast.source}: {problem}")


def _differ(a: xr.DataArray, b: xr.DataArray) -> str:
    """How two grids differ in a few words; empty where they do not."""
    sizes = [f"{v.sizes['y']} x {v.sizes['x']}" for v in (a, b)]
    if sizes[0] != sizes[1]:
        return f"{sizes[1]} cells, wanted {sizes[0]}"
    for name in ("x", "y"):
        mine, theirs = a[name].values, b[name].values
        if not np.allclose(mine, theirs, atol=0.01):
            if np.allclose(mine, theirs[::-1], atol=0.01):
                return f"{name} runs the other way"
            return (
                f"{name} from {theirs[0]:g} to {theirs[-1]:g}, wanted {mine[0]:g} to {mine[-1]:g}"
            )
    return _crs_differ(a, b)


def _crs_differ(a: xr.DataArray, b: xr.DataArray) -> str:
    codes = [v["crs"].attrs.get("code") if "crs" in v.coords else None for v in (a, b)]
    if None not in codes and codes[0] != codes[1]:
        return f"CRS {codes[1]}, wanted {codes[0]}"
    return ""


def overlap(forecasts: Sequence[Forecast], observed: Observations) -> None:
    """Raise DataError where no forecast is for a time that was observed."""
    leads = [f.valid(m) for f in forecasts for m in f.lead_min if m > 0]
    if not leads:
        raise DataError(forecasts[0].source, "has no lead time beyond the analysis")
    if not any(time in observed.times for time in leads):
        mine = sorted(observed.times)
        raise DataError(
            observed.source,
            f"has no field at a time of the forecasts ({_text(min(leads))} to "
            f"{_text(max(leads))}); it has {_text(mine[0])} to {_text(mine[-1])}",
        )


def _text(time: np.datetime64) -> str:
    return isoformat(from_numpy(time))


def issues(systems: Iterable[Sequence[Forecast]]) -> Iterator[np.datetime64]:
    """Yield the issue times that all systems have, in order."""
    each = [{f.issued for f in forecasts} for forecasts in systems]
    yield from sorted(set.intersection(*each))
