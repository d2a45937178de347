"""Wind and temperature of a cycle: reports found, read, checked, analysed on the product grid."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr

from jinghu.cell_heights import cell_heights
from jinghu.configs.settings import Settings
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.grid.frames import parse_frame
from jinghu.grid.river_reports import written_at
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import BEIJING, cycle_name
from jinghu.grid.weather_analysis import weather_analysis
from jinghu.grid.weather_checks import FRESH, checked
from jinghu.grid.weather_reports import WeatherReport, read_weather_reports
from jinghu.ingest import Refused, Window
from jinghu.stages import StageLog
from jinghu.warnings.weather_rules import DAYS

STATE = "weather"
HISTORY = timedelta(hours=4)
"""Reports of so long tell what stands still; older ones are not read."""
_NAMED = 3  # stations named one by one in a message
_FIELDS = ("wind_speed", "wind_speed_of_gust", "eastward_wind", "northward_wind",
           "air_temperature", "air_temperature_maximum")  # fmt: skip


@dataclass(slots=True)
class Weather:
    """Wind and temperature of one cycle.

    Parameters
    ----------
    fields
        On the product grid, as `jinghu.grid.weather_analysis` gives them, with
        ``air_temperature_maximum(day, y, x)`` (K) of today, yesterday and the day before; None
        where no station reports.
    stations
        How many speak.
    files
        Names of the files read.
    refused
        Files that are no such table, or with rows that cannot be right.
    doubted
        Values that the checks took out, a line each.
    asked
        Whether any are configured.
    before
        State that the cycle before left.
    """

    fields: xr.Dataset | None = None
    stations: int = 0
    files: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    doubted: tuple[str, ...] = ()
    asked: bool = False
    before: xr.Dataset | None = None

    @property
    def summary(self) -> dict[str, object]:
        """For the manifest."""
        return {"stations": self.stations, "files": self.files, "doubted": list(self.doubted)}

    @property
    def products(self) -> xr.Dataset:
        """What is published: nothing where no station reports."""
        nothing = xr.Dataset()
        return (
            nothing if self.fields is None else self.fields.drop_vars(("lon", "lat", "crs", "time"))
        )

    @property
    def state(self) -> dict[str, xr.Dataset]:
        """What the next cycle is to know, by name; days outlast an hour without reports."""
        if self.fields is not None:
            return {STATE: self.fields[["air_temperature_maximum"]]}
        return {} if self.before is None else {STATE: self.before}


def weather_fields(products: xr.Dataset) -> xr.Dataset | None:
    """Wind and temperature among the products of a cycle, None where there are none."""
    return products[list(_FIELDS)] if "wind_speed" in products else None


def read_weather(
    paths: Sequence[Path],
    settings: Settings,
    clocks: tuple[datetime, datetime],
    store: Store,
    log: StageLog,
) -> Weather:
    """Read, check and analyse the reports of a cycle; what is wrong with them is named.

    Parameters
    ----------
    paths
        Files and folders; one that does not exist is named. Without any, nothing is said.
    settings
        Frame of the coordinates (that of the rain stations), grid, terrain.
    clocks
        Analysis time, and the cycle's clock.
    store
        Where the cycle before left the highest temperatures of the days.
    log
        Told of what is degraded.
    """
    found = Weather()
    if not paths:
        return found
    found.asked = True
    time, now = clocks
    window = Window(time - HISTORY, time, now)
    for path in paths:
        if not path.exists():
            log.degrade(f"weather input {path} does not exist")
    reports = _read(paths, settings, window, found)
    spec = settings.grid.product()
    good = checked(reports, time, spec)
    found.doubted, found.stations = good.refused, len(good.stations.names)
    if good.refused:
        rest = len(good.refused) - _NAMED
        some = "; ".join(good.refused[:_NAMED]) + (f" and {rest} more" if rest > 0 else "")
        log.degrade(f"weather stations not believed: {some}")
    state = load_state(store, cycle_name(time), STATE, spec=spec, report=log.degrade)
    found.before = state[1] if state is not None else None
    if not good.stations.names:
        log.degrade("no weather station reports: what stands of wind and heat is held")
        return found
    try:
        heights = cell_heights(settings, store)
    except DataError as error:
        log.degrade(f"heights of cells are taken as those of their stations: {error}")
        heights = np.full(spec.shape, np.nanmean([0.0, *good.stations.altitude_m]), np.float32)
    fields = weather_analysis(good.stations, heights, spec, time)
    found.fields = fields.assign(air_temperature_maximum=_maxima(fields, found.before, spec, time))
    return found


def _read(
    paths: Iterable[Path], settings: Settings, window: Window, into: Weather
) -> list[WeatherReport]:
    """Reports of the window; those stamped in the future come of a wrong clock."""
    frame = parse_frame(settings.inputs.station_frame, "inputs.station_frame")
    reports: list[WeatherReport] = []
    recent = window.end - FRESH
    for file in _files(paths, window):
        try:
            read = read_weather_reports(file, frame)
        except DataError as error:
            into.refused.append(Refused(file, error))
            continue
        early = [one for one in read.reports if window.foretells(one.time)]
        problems = [*read.examples, *(f"station {one.station}: clock wrong" for one in early)]
        if problems and (written_at(file.name) or window.end) > recent:  # older ones were named
            cause = f"{read.refused + len(early)} values refused, e.g. {problems[0]}"
            into.refused.append(Refused(file, DataError(file.name, cause)))
        reports += [one for one in read.reports if window.holds(one.time)]
        into.files.append(file.name)
    return reports


def _files(paths: Iterable[Path], window: Window) -> list[Path]:
    """Files that may hold reports of the window; those whose names carry no time are kept."""
    found: list[Path] = []
    for path in paths:
        found += path.iterdir() if path.is_dir() else [path]
    kept = []
    for path in found:
        written = written_at(path.name)
        far = written is not None and (written <= window.start or window.foretells(written))
        if path.is_file() and not path.name.startswith(".") and not far:
            kept.append(path)
    return sorted(kept, key=lambda p: p.name)


def _maxima(
    fields: xr.Dataset, before: xr.Dataset | None, spec: GridSpec, time: datetime
) -> xr.DataArray:
    """Highest temperatures (day, y, x) of today and the days before, in Beijing's days."""
    today = time.astimezone(BEIJING).date()
    highest = np.full((DAYS, *spec.shape), np.nan, np.float32)
    if before is not None:
        known = before["air_temperature_maximum"]
        past = (today - datetime.fromisoformat(str(known.attrs["today"])).date()).days
        for day in range(DAYS):
            if 0 <= day - past < known.sizes["day"]:
                highest[day] = known.values[day - past]
    highest[0] = np.fmax(highest[0], fields["air_temperature"].values)
    return xr.DataArray(
        highest,
        {"day": ("day", -np.arange(DAYS), {"long_name": "days from today, Beijing", "units": "d"})},
        ("day", "y", "x"),
        attrs=attrs("air_temperature_maximum") | {"today": today.isoformat()},
    )
