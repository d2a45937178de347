"""Rain of a numerical model from a file: rates in mm/h at times in UTC, on the model's own grid."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.grib_process import grib_times, read_grib
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.fields import attrs, check
from jinghu.grid.frames import Frame, parse_frame
from jinghu.model_grib import is_grib
from jinghu.nowcast.intake import IMPOSSIBLE_MM_H, NOISE_MM_H
from jinghu.rain_file import in_mm_h, in_utc, open_file

_AXES = {"lat": "y", "latitude": "y", "lon": "x", "longitude": "x"}
_TO_MM = {"mm": 1.0, "kg m-2": 1.0, "kg/m2": 1.0, "m": 1000.0, "cm": 10.0}
_FALL_MM = 0.1  # that packing may take from an accumulated amount


@dataclass(frozen=True, slots=True)
class ModelRain:
    """Model rain and what a summary says of it.

    Parameters
    ----------
    rain
        ``rainfall_rate(time, y, x)`` in mm/h with its grid mapping.
    reference
        Forecast reference time, where the file has one.
    degradation
        What was mended, empty where nothing was.
    """

    rain: xr.Dataset
    reference: np.datetime64 | None
    degradation: str


@dataclass(frozen=True, slots=True)
class Span:
    """Times of a model run; without a reference time its first time stands for that."""

    reference: np.datetime64
    first: np.datetime64
    last: np.datetime64

    @classmethod
    def of(cls, model: ModelRain) -> "Span":
        """Times of rain that was read."""
        first, last = (np.datetime64(t, "ns") for t in model.rain["time"].values[[0, -1]])
        return cls(first if model.reference is None else model.reference, first, last)


def spans_of(sources: Sequence[Path]) -> list[Span | DataError]:
    """Times of each file, of which nothing else is read, or why it was refused."""
    grib = [source for source in sources if is_grib(source)]
    found: dict[Path, Span | DataError] = {
        source: times if isinstance(times, DataError) else Span(*times)
        for source, times in zip(grib, grib_times(grib), strict=True)
    }
    for source in sources:
        if source not in found:
            try:
                found[source] = _span_of(source)
            except DataError as error:
                found[source] = error
    return [found[source] for source in sources]


def _span_of(source: Path) -> Span:
    """Times of a NetCDF file or a Zarr folder."""
    try:
        zarr = source.is_dir()
        with xr.open_zarr(source, consolidated=False) if zarr else xr.open_dataset(source) as found:
            if "time" not in found.coords:
                raise DataError(source, "has no times")
            kept = found[["time"]].assign({n: v for n, v in found.variables.items() if v.ndim == 0})
            kept = kept.load()
    except (OSError, ValueError, KeyError, RuntimeError) as error:  # of HDF5: the last
        cause = getattr(error, "strerror", None) or str(error)
        raise DataError(source, f"cannot be opened: {' '.join(cause.split())}") from None
    _check_times(np.atleast_1d(kept["time"].values), source)
    rain, _ = in_utc(kept, source)
    first, last = (np.datetime64(t, "ns") for t in np.atleast_1d(rain["time"].values)[[0, -1]])
    reference = _reference(kept, source)
    return Span(first if reference is None else reference, first, last)


def read_model(*sources: Path) -> ModelRain:
    """Model rain from NetCDF, Zarr or GRIB2: the files of one run.

    ``rainfall_rate(time, y, x)``, or ``rainfall_amount(time, y, x)``: over its time bounds where
    it has such, else accumulated from one start. ``lat`` and ``lon`` may stand for ``y`` and
    ``x``; a grid on these declares a grid mapping or, as an attribute ``frame``, WGS-84 or
    CGCS2000. Of what several files hold, the last one counts.

    Raises
    ------
    DataError
        Names the file and why it was refused; all where only all together show it.
    """
    if is_grib(sources[0]):
        found = read_grib(sources)
    else:
        found = _joined([_with_crs(_on_x_y(open_file(s)), s) for s in sources], sources)
    source = sources[0] if len(sources) == 1 else Path(name_of_run(sources))
    try:
        if "rainfall_rate" in found:
            rated = in_mm_h(found)
        elif "rainfall_amount" in found:
            rated = _rates_of_amounts(found, source)
        else:
            held = sorted(map(str, found))
            raise DataError(source, f"has no rainfall_rate or rainfall_amount; there are {held}")
        check(rated, "rainfall_rate", dims=("time", "y", "x"))
    except ConfigError as error:
        raise DataError(source, str(error)) from None
    _check_times(rated["time"].values, source)
    rain, named = in_utc(_sound(rated, source), source)
    return ModelRain(rain, _reference(found, source), f"model: {named}" if named else "")


def name_of_run(files: Sequence[Path]) -> str:
    """Name of a run's file; of several the first and the last, and how many."""
    if len(files) == 1:
        return files[0].name
    return f"{files[0].name} … {files[-1].name} ({len(files)} files)"


def _joined(parts: Sequence[xr.Dataset], sources: Sequence[Path]) -> xr.Dataset:
    """Parts of a run one after another in time."""
    if len(parts) == 1:
        return parts[0]
    first = parts[0]
    for part, source in zip(parts, sources, strict=True):
        if "time" not in part.coords:
            raise DataError(source, "has no times")
        if set(part.data_vars) != set(first.data_vars):
            raise DataError(source, f"holds other variables than {sources[0].name}")
        if not all(np.array_equal(part.get(n, []), first.get(n, [])) for n in ("x", "y")):
            raise DataError(source, f"its grid is another than that of {sources[0].name}")
    timed = [_over_time(part) for part in parts]
    whole = xr.concat(
        timed, "time", data_vars="minimal", coords="minimal", compat="override", join="override"
    )
    return whole.drop_duplicates("time", keep="last").sortby("time")


def _over_time(part: xr.Dataset) -> xr.Dataset:
    """A file of one lead may have a time without a dimension."""
    if part["time"].ndim:
        return part
    wanted = [n for n in part.data_vars if str(n).startswith("rainfall_") or n == "time_bounds"]
    one = part.expand_dims("time")
    return one.assign({n: part[n] for n in part.data_vars if n not in wanted})


def _on_x_y(found: xr.Dataset) -> xr.Dataset:
    """Rename the axes latitude and longitude; 2-D ones are auxiliary coordinates."""
    renamed = {n: new for n, new in _AXES.items() if n in found.dims and new not in found.dims}
    # 2-D fields beside them may have the names that the axes get.
    return found.rename({n: new for n, new in renamed.items() if new not in found.variables})


def _with_crs(found: xr.Dataset, source: Path) -> xr.Dataset:
    """Take WGS-84 for degrees whose frame is declared as that; other frames are refused."""
    if "frame" not in found.attrs:
        return found
    try:
        frame = parse_frame(str(found.attrs["frame"]), str(source))
    except ConfigError as error:
        raise DataError(source, str(error).removeprefix(f"{source}: ")) from None
    if frame is Frame.GCJ02:
        raise DataError(source, "its frame is GCJ-02: wanted WGS-84 or CGCS2000 for a model grid")
    if "crs" in found.variables:
        return found
    return found.assign_coords(crs=((), 0, {"code": "EPSG:4326"}))


def _rates_of_amounts(found: xr.Dataset, source: Path) -> xr.Dataset:
    """Mean rates between the times of amounts, at the middle of each interval."""
    amount = found["rainfall_amount"]
    unit = str(amount.attrs.get("units", "")).strip()
    if unit not in _TO_MM:
        raise DataError(source, f"rainfall_amount is in {unit!r}, wanted one of {sorted(_TO_MM)}")
    if amount.dims != ("time", "y", "x"):
        raise DataError(source, f"rainfall_amount has dimensions {amount.dims}")
    _check_times(found["time"].values, source)
    mm = amount.values.astype(np.float64) * _TO_MM[unit]
    starts, ends, mm = _intervals(found, mm, source)
    hours = (ends - starts) / np.timedelta64(1, "s") / 3600.0
    rates = (mm / hours[:, None, None]).astype(np.float32)
    # The first and the last mean hold to the ends of their intervals.
    times = np.concatenate([starts[:1], starts + (ends - starts) // 2, ends[-1:]])
    held = np.concatenate([rates[:1], rates, rates[-1:]])
    named = {k: v for k, v in amount.attrs.items() if k == "grid_mapping"}
    named |= {k: v for k, v in amount.encoding.items() if k == "grid_mapping"}
    kept = found.drop_dims("time").assign_coords(time=("time", times, found["time"].attrs))
    return kept.assign(rainfall_rate=(("time", "y", "x"), held, attrs("rainfall_rate") | named))


def _intervals(
    found: xr.Dataset, mm: NDArray[np.float64], source: Path
) -> tuple[NDArray[np.datetime64], NDArray[np.datetime64], NDArray[np.float64]]:
    """Starts and ends of intervals, and the amounts in them."""
    times = found["time"].values
    bounds_name = found["time"].attrs.get("bounds") or found["time"].encoding.get("bounds")
    if bounds_name is not None:
        if bounds_name not in found.variables or found[bounds_name].shape != (times.size, 2):
            raise DataError(source, f"time bounds {bounds_name} are not there for each time")
        starts, ends = found[bounds_name].values.T
        if not (ends > starts).all():
            raise DataError(source, "time bounds hold intervals of no length")
        if times.size == 1 or (starts[1:] >= ends[:-1]).all():
            return starts, ends, mm
        if not (starts == starts[0]).all():
            raise DataError(source, "time bounds overlap and do not share one start")
        first = np.concatenate([starts[:1], ends])
        mm = np.concatenate([np.zeros_like(mm[:1]), mm])
    else:
        first = times
    if first.size < 2:
        raise DataError(source, "one accumulated amount without time bounds tells no rate")
    steps = np.diff(mm, axis=0)
    lowest = float(np.fmin.reduce(steps, axis=None))
    if lowest < -_FALL_MM:
        raise DataError(
            source,
            f"rainfall_amount falls by {-lowest:.1f} mm with time: it is not accumulated from one"
            " start; amounts of steps need time bounds",
        )
    return first[:-1], first[1:], np.maximum(steps, 0.0)


def _check_times(times: NDArray[np.generic], source: Path) -> None:
    if times.size == 0 or not np.issubdtype(times.dtype, np.datetime64):
        raise DataError(source, f"its times are {times.dtype}, not times in CF units")
    if np.isnat(times).any() or not (np.diff(times) > np.timedelta64(0)).all():
        raise DataError(source, "its times do not ascend")


def _sound(rated: xr.Dataset, source: Path) -> xr.Dataset:
    """Rates from zero up; what packing leaves below zero is dry, other values are refused."""
    rates = rated["rainfall_rate"].values
    lowest, highest = np.fmin.reduce(rates, axis=None), np.fmax.reduce(rates, axis=None)
    if np.isnan(lowest):
        raise DataError(source, "holds no value")
    if lowest <= -NOISE_MM_H or highest > IMPOSSIBLE_MM_H:
        span = f"{lowest:g} to {highest:g} mm h-1"
        raise DataError(source, f"its rain is {span}: no rain rates (fill values, other units?)")
    if lowest >= 0:
        return rated
    variable = rated["rainfall_rate"].variable.copy(deep=False, data=np.maximum(rates, 0))
    return rated.assign(rainfall_rate=variable)


def _reference(found: xr.Dataset, source: Path) -> np.datetime64 | None:
    """Forecast reference time, by its name or its standard name."""
    for name, variable in found.variables.items():
        if name == "forecast_reference_time" or (
            variable.attrs.get("standard_name") == "forecast_reference_time"
        ):
            if variable.size != 1 or not np.issubdtype(variable.dtype, np.datetime64):
                raise DataError(source, f"{name} is not one time: give a file of one model run")
            return np.datetime64(variable.values.item(), "ns")
    return None
