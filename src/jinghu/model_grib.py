"""Rain of a numerical model from GRIB2, by ECMWF's ecCodes (optional extra ``grib``).

`jinghu.grib_process` runs this module in a process of its own.

Messages of precipitation are picked by the numbers of WMO code table 4.2 (discipline 0, category
1): total precipitation (8), precipitation rates (7, 52), and ECMWF's local total precipitation in
m (193). The others of a file are passed over. Grids: regular latitude and longitude (template
3.0), Lambert conformal (3.30). Latitudes of a model on a sphere are taken as geodetic, as NWP does.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyproj
import xarray as xr
from numpy.typing import NDArray

from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs

SUFFIXES = (".grib", ".grib2", ".grb", ".grb2")
_ECMWF = 98
_AMOUNT_MM, _LOCAL_AMOUNT_M = 8, 193
_RATES_MM_S = (7, 52)
_STATISTICS = (8, 11)  # product definition templates over an interval
_INSTANTS = (0, 1)
_ACCUMULATION, _AVERAGE = 1, 0  # code table 4.10
_UNITS_S = {0: 60, 1: 3600, 2: 86400, 10: 10800, 11: 21600, 12: 43200, 13: 1}  # code table 4.4
_MISSING = -1e30
LACKING = "is GRIB, which needs ecCodes: install jinghu with its extra grib"
_FALL_MM = 0.1  # that packing may take from an accumulated amount


@dataclass(frozen=True, slots=True)
class Failure:
    """Why the file in a place was refused."""

    place: int
    cause: str


@dataclass(frozen=True, slots=True)
class _Field:
    """One message: rain between two times in mm, or at one time (start = end) in mm/h.

    ``file`` is the place of its file among those of the run.
    """

    file: int
    reference: np.datetime64
    start: np.datetime64
    end: np.datetime64
    grid: str
    member: int
    values: NDArray[np.float32]


def is_grib(source: Path) -> bool:
    """Whether a file is GRIB, by its name or its first bytes."""
    if source.suffix.lower() in SUFFIXES:
        return True
    try:
        with source.open("rb") as file:
            return file.read(4) == b"GRIB"
    except OSError:
        return False  # a folder, or a file whose opening will say what is wrong


def answers(what: str, sources: Sequence[Path]) -> Iterator[object]:
    """What is said of files.

    ``times``: of each its reference time, first and last time. ``rain``: the place of each before
    it is read, then their rain. In the place of either, a failure.
    """
    if what == "times":
        for source in sources:
            try:
                yield _times_of(source)
            except DataError as error:
                yield Failure(0, error.cause)
        return
    fields: list[_Field] = []
    coords: dict[str, Any] = {}
    try:
        for place, source in enumerate(sources):
            yield place
            own = []
            for field, of_grid in _messages(source, True, place):
                own.append(field)
                coords = coords or of_grid
            _check_one_run(own, source)
            if fields:
                _check_same_run(own[0], fields[0], source)
            fields += own
        yield _rain_of(fields, coords, sources)
    except DataError as error:
        yield Failure([str(s) for s in sources].index(error.source), error.cause)


def _times_of(source: Path) -> tuple[np.datetime64, np.datetime64, np.datetime64]:
    fields = [field for field, _ in _messages(source, False)]
    _check_one_run(fields, source)
    return fields[0].reference, min(f.start for f in fields), max(f.end for f in fields)


def _rain_of(
    fields: Sequence[_Field], coords: dict[str, Any], sources: Sequence[Path]
) -> xr.Dataset:
    coords = coords | {"forecast_reference_time": ((), fields[0].reference)}
    fields = _once(fields, sources)
    over = [f for f in fields if f.end > f.start]
    if over:
        bounds, mm = _disjoint(over, sources)
        values = (("time", "y", "x"), mm, attrs("rainfall_amount"))
        time = ("time", bounds[:, 1], {"bounds": "time_bounds"})
        return xr.Dataset(
            {"rainfall_amount": values, "time_bounds": (("time", "nv"), bounds)},
            coords={**coords, "time": time},
        )
    ordered = sorted(fields, key=lambda f: f.end)
    rates = np.stack([f.values for f in ordered])
    return xr.Dataset(
        {"rainfall_rate": (("time", "y", "x"), rates, attrs("rainfall_rate"))},
        coords={**coords, "time": np.array([f.end for f in ordered])},
    )


def _once(fields: Sequence[_Field], sources: Sequence[Path]) -> list[_Field]:
    """Each interval or instant once; of two files that hold it, from the later."""
    kept: dict[tuple[np.datetime64, np.datetime64], _Field] = {}
    for field in fields:  # in the order of files
        other = kept.get((field.start, field.end))
        if other is not None and other.file == field.file:
            what = (
                "amounts of one interval" if field.end > field.start else "rain rates of one time"
            )
            raise DataError(sources[field.file], f"holds several {what}")
        kept[field.start, field.end] = field
    return list(kept.values())


def _eccodes(source: Path) -> ModuleType:
    try:
        import eccodes
    except (ImportError, RuntimeError):  # the bindings, or the library below them
        raise DataError(source, LACKING) from None
    return eccodes  # type: ignore[no-any-return,unused-ignore]


def _messages(
    source: Path, decoded: bool, place: int = 0
) -> Iterator[tuple[_Field, dict[str, Any]]]:
    """Messages of rain, with the coordinates of their grid where values are decoded."""
    ec = _eccodes(source)
    try:
        with source.open("rb") as file:
            while (handle := ec.codes_grib_new_from_file(file)) is not None:
                try:
                    found = _field(ec, handle, decoded, (source, place))
                    if found is not None:
                        yield found, _coords(ec, handle, source) if decoded else {}
                finally:
                    ec.codes_release(handle)
    except OSError as error:
        raise DataError(source, error.strerror or str(error)) from None
    except (ec.CodesInternalError, ValueError, MemoryError) as error:  # dates, shapes, sizes
        raise DataError(source, f"damaged or cut short: {error}") from None


def _field(ec: ModuleType, handle: int, decoded: bool, file: tuple[Path, int]) -> _Field | None:
    """A message of rain in a file and its place; None of another quantity."""
    source, place = file

    def key(name: str) -> int:
        return int(ec.codes_get_long(handle, name))

    if key("edition") != 2:
        raise DataError(source, "is GRIB 1: convert it by grib_set -s edition=2 IN OUT")
    if (key("discipline"), key("parameterCategory")) != (0, 1):
        return None
    number, template = key("parameterNumber"), key("productDefinitionTemplateNumber")
    local = number == _LOCAL_AMOUNT_M and key("centre") == _ECMWF
    if not (local or number == _AMOUNT_MM or number in _RATES_MM_S):
        return None
    rate = number in _RATES_MM_S
    unit = _UNITS_S.get(key("indicatorOfUnitOfTimeRange"))
    if unit is None:
        raise DataError(source, "its lead times are in a unit that is not read here")
    reference = _time(key, ("year", "month", "day", "hour", "minute", "second"))
    start = end = reference + np.timedelta64(key("forecastTime") * unit, "s")
    factor = 3600.0 if rate else 1000.0 if local else 1.0
    if template in _STATISTICS:
        end = _time(key, tuple(f"{n}OfEndOfOverallTimeInterval" for n in _CLOCK))
        wanted = _AVERAGE if rate else _ACCUMULATION
        if key("typeOfStatisticalProcessing") != wanted or end <= start:
            kind = "a rate that is no mean" if rate else "an amount that is no sum"
            raise DataError(source, f"holds {kind} over its interval (code table 4.10)")
        if rate:
            factor = float((end - start) / np.timedelta64(1, "s"))
    elif template not in _INSTANTS or not rate:
        raise DataError(source, f"holds rain of product template 4.{template}, which tells no time")
    member = key("perturbationNumber") if template in (1, 11) else 0
    values = _values(ec, handle, key, factor) if decoded else np.empty((0, 0), np.float32)
    grid = ec.codes_get_string(handle, "md5GridSection")
    return _Field(place, reference, start, end, grid, member, values)


_CLOCK = ("year", "month", "day", "hour", "minute", "second")


def _time(key: Any, names: Sequence[str]) -> np.datetime64:
    y, mo, d, h, mi, s = (key(name) for name in names)
    return np.datetime64(f"{y:04d}-{mo:02d}-{d:02d}T{h:02d}:{mi:02d}:{s:02d}", "ns")


def _values(ec: ModuleType, handle: int, key: Any, factor: float) -> NDArray[np.float32]:
    """Values (y, x) in the order in which the coordinates go; NaN = missing."""
    ec.codes_set_double(handle, "missingValue", _MISSING)
    flat = np.asarray(ec.codes_get_values(handle), np.float64)
    known = np.where(flat == _MISSING, np.nan, flat * factor).astype(np.float32)
    ny, nx = key("Ny"), key("Nx")
    return known.reshape(nx, ny).T if key("jPointsAreConsecutive") else known.reshape(ny, nx)


def _coords(ec: ModuleType, handle: int, source: Path) -> dict[str, Any]:
    """Coordinates ``y``, ``x`` and ``crs`` of a message's grid."""

    def degrees(name: str) -> float:
        return float(ec.codes_get_double(handle, f"{name}InDegrees"))

    kind = ec.codes_get_string(handle, "gridType")
    if ec.codes_get_long(handle, "alternativeRowScanning"):
        raise DataError(source, "its rows run to and fro, which is not read here")
    nx, ny = (int(ec.codes_get_long(handle, name)) for name in ("Nx", "Ny"))
    lat, lon = degrees("latitudeOfFirstGridPoint"), degrees("longitudeOfFirstGridPoint")
    west, north = (ec.codes_get_long(handle, n) for n in ("iScansNegatively", "jScansPositively"))
    if kind == "regular_ll":
        last_lat, last_lon = degrees("latitudeOfLastGridPoint"), degrees("longitudeOfLastGridPoint")
        across = (lon - last_lon) % 360.0 if west else (last_lon - lon) % 360.0
        x = lon + np.linspace(0.0, -across if west else across, nx)
        return _axes(np.linspace(lat, last_lat, ny), x, "degrees", pyproj.CRS("EPSG:4326"))
    if kind != "lambert":
        raise DataError(source, f"its grid is {kind}: wanted latitude and longitude, or Lambert")
    crs = pyproj.CRS.from_dict(
        {
            "proj": "lcc",
            "lat_0": degrees("LaD"),
            "lon_0": degrees("LoV"),
            "lat_1": degrees("Latin1"),
            "lat_2": degrees("Latin2"),
            **_earth(ec, handle),
        }
    )
    x0, y0 = pyproj.Proj(crs)(lon, lat)
    dx, dy = (float(ec.codes_get_double(handle, name)) for name in ("DxInMetres", "DyInMetres"))
    x = x0 + (-dx if west else dx) * np.arange(nx)
    return _axes(y0 + (dy if north else -dy) * np.arange(ny), x, "m", crs)


def _earth(ec: ModuleType, handle: int) -> dict[str, float | str]:
    """The figure of the earth of a message (code table 3.2) for PROJ."""
    if not ec.codes_get_long(handle, "earthIsOblate"):
        return {"R": float(ec.codes_get_double(handle, "radius"))}
    return {
        "a": float(ec.codes_get_double(handle, "earthMajorAxisInMetres")),
        "b": float(ec.codes_get_double(handle, "earthMinorAxisInMetres")),
    }


def _axes(
    y: NDArray[np.float64], x: NDArray[np.float64], units: str, crs: pyproj.CRS
) -> dict[str, Any]:
    return {
        "y": ("y", y, {"units": units}),
        "x": ("x", x, {"units": units}),
        "crs": ((), 0, {"crs_wkt": crs.to_wkt()}),
    }


def _check_one_run(fields: Sequence[_Field], source: Path) -> None:
    if not fields:
        raise DataError(source, "holds no message of rain (total precipitation or its rate)")
    for what, found in (
        ("reference times", {f.reference for f in fields}),
        ("members", {f.member for f in fields}),
        ("grids", {f.grid for f in fields}),
    ):
        if len(found) > 1:
            raise DataError(source, f"holds {len(found)} {what}: give a file of one")


def _check_same_run(field: _Field, first: _Field, source: Path) -> None:
    """Refuse a file of another run than the first; each is of one."""
    for what in ("reference", "member", "grid"):
        if getattr(field, what) != getattr(first, what):
            raise DataError(source, f"its {what} is another than that of the files before it")


def _disjoint(
    fields: Sequence[_Field], sources: Sequence[Path]
) -> tuple[NDArray[np.datetime64], NDArray[np.float32]]:
    """Bounds (n, 2) and amounts (n, y, x) of intervals that do not overlap.

    Amounts with one start are differences from end to end; where intervals of several starts
    cover the same time the shorter ones are taken.
    """
    pieces: list[tuple[np.datetime64, np.datetime64, NDArray[np.float32]]] = []
    for start in sorted({f.start for f in fields}):
        same = sorted((f for f in fields if f.start == start), key=lambda f: f.end)
        before, total = start, np.zeros_like(same[0].values)
        for f in same:
            step = f.values - total
            lowest = float(np.fmin.reduce(step, axis=None))
            if lowest < -_FALL_MM:
                raise DataError(
                    sources[f.file], f"an amount from one start falls by {-lowest:.1f} mm"
                )
            pieces.append((before, f.end, np.maximum(step, 0)))
            before, total = f.end, f.values
    kept: list[tuple[np.datetime64, np.datetime64, NDArray[np.float32]]] = []
    for piece in sorted(pieces, key=lambda p: (p[1] - p[0], p[0])):
        if all(piece[1] <= k[0] or piece[0] >= k[1] for k in kept):
            kept.append(piece)
    kept.sort(key=lambda p: p[0])
    return np.array([p[:2] for p in kept]), np.stack([p[2] for p in kept])
