"""Everything that a drill injects: the truth, and the files of those who watch it, step by step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.alerting import units_of
from jinghu.cell_heights import cell_heights, working_heights
from jinghu.configs.settings import Settings
from jinghu.drill_ahead import Scanning
from jinghu.drill_flow import Watched, place_watched, true_flows
from jinghu.drill_profiles import Profilers, write_profiles
from jinghu.drill_radars import Coming, drill_network, due
from jinghu.drill_rain import AFTER, BEFORE, make_rain, rain_amounts
from jinghu.drill_rivers import RiverReports, write_reports
from jinghu.drill_script import DrillScript
from jinghu.drill_stations import HOUR, Stations, strike, write_hours
from jinghu.drill_truth import DrillRain
from jinghu.drill_weather import WeatherStations, write_weather
from jinghu.drill_world import World, WorldParams, make_world
from jinghu.flood import network_of, terrain_of
from jinghu.grid import durable
from jinghu.grid.errors import ConfigError
from jinghu.grid.store import Store
from jinghu.grid.times import floor_time
from jinghu.hydro.gauges import place_gauges, read_gauges
from jinghu.radar.simulator.truth import DropParams, make_drops
from jinghu.radar.sites import load_sites
from jinghu.report import city_box
from jinghu.simulate import Frames
from jinghu.simulate_gauges import make_gauges
from jinghu.waterworks import works_of

_RIVER_GAUGES = (30, 10)  # on rivers, at reservoirs
_ANYWHERE = (119.9, 29.2, 121.2, 30.3)  # for gauges of a city without an outline


@dataclass(frozen=True, slots=True)
class Truth:
    """What really happens, known to the report alone.

    Parameters
    ----------
    rain
        The rain.
    amounts
        ``rainfall_amount(time, y, x)`` on the product grid, from before to after the drill.
    flows
        Flows and stages: `jinghu.drill_flow.true_flows`.
    watched
        Gauges of rivers and reservoirs.
    world
        Who lives where.
    """

    rain: DrillRain
    amounts: xr.Dataset
    flows: xr.Dataset
    watched: Watched
    world: World


def make_truth(
    script: DrillScript, settings: Settings, step: timedelta, params: WorldParams
) -> Truth:
    """Draw everything that the seed of a script decides but for instruments.

    Raises
    ------
    ConfigError, DataError
        Where the settings name a terrain, rivers or counties that cannot be used.
    """
    working, product = settings.grid.working(), settings.grid.product()
    terrain = terrain_of(settings)
    elevation = working_heights(settings, terrain)
    cell_heights(settings, Store(settings.store), terrain)  # kept for the cycles
    rain = make_rain(script, working, elevation)
    start = script.start.astimezone(UTC)
    end = start + timedelta(hours=script.hours)
    amounts = rain_amounts(rain, product, start - BEFORE + step, end + AFTER, step)
    network = network_of(settings, Store(settings.store), terrain)
    known, _ = place_gauges(read_gauges(settings.hydro.gauges), network)
    units = units_of(settings)
    cell = product.cell_of_xy(network.x_m, network.y_m)
    inside = (cell >= 0) & (units.cell_county[cell] >= 0)
    watched = place_watched(network, known, inside, _RIVER_GAUGES, script.seed)
    works, _ = works_of(settings, network, known)
    flows = true_flows(network, product, amounts, watched, script.seed, works)
    at = watched.reservoirs.reach

    def height_m(xy: NDArray[np.float64]) -> NDArray[np.float64]:
        found = working.cell_of_xy(xy[:, 0], xy[:, 1])
        return np.where(found >= 0, elevation.ravel()[found], 0.0)

    world = make_world(
        units,
        (settings.city.code, settings.city.name_zh),
        product,
        height_m,
        np.column_stack([network.x_m[at], network.y_m[at]]),
        params,
        script.seed,
    )
    return Truth(rain, amounts, flows, watched, world)


@dataclass(slots=True)
class Observers:
    """Those who watch a drill, and the files of theirs that are on their way.

    Parameters
    ----------
    script
        The drill.
    scanning
        The radars, and the rain they look at.
    stations
        Rain gauges.
    rivers
        Gauges of rivers and reservoirs.
    profilers
        Wind profilers.
    weather
        Stations that measure wind and temperature.
    folder
        Where files arrive: ``radar``, ``stations``, ``rivers``, ``profiles`` and ``weather`` in it.
    """

    script: DrillScript
    scanning: Scanning
    stations: Stations
    rivers: RiverReports
    profilers: Profilers
    weather: WeatherStations
    folder: Path
    _waiting: list[Coming] = field(default_factory=list)

    def observe(self, before: datetime, time: datetime) -> list[Path]:
        """Scan, and write what arrives after ``before`` until ``time``; see `arrive`."""
        return self.arrive(before, time, self.scanning.volumes(time))

    def arrive(self, before: datetime, time: datetime, scanned: Sequence[Coming]) -> list[Path]:
        """Write what arrives after ``before`` until ``time``; returns the station files.

        Steps must follow one another: of what was scanned, what is late comes with a later one.
        """
        arrived, self._waiting = due([*self._waiting, *scanned], time)
        for coming in arrived:
            durable.write_atomic(self.folder / "radar" / coming.name, coming.data)
        write_reports(self.rivers, before, time, self.folder / "rivers")
        write_profiles(self.profilers, before, time, self.folder / "profiles")
        write_weather(self.weather, before, time, self.folder / "weather")
        ended = floor_time(time, HOUR)
        return write_hours(self.stations, (ended - HOUR, ended), time, self.folder / "stations")


def make_observers(
    script: DrillScript, settings: Settings, truth: Truth, folder: Path, workers: int
) -> Observers:
    """Place the instruments of a drill.

    Raises
    ------
    ConfigError
        Where the script names a radar that the table of sites does not have.
    """
    sites = load_sites(settings.inputs.sites)
    if unknown := [code for code in script.radars if code not in sites]:
        raise ConfigError(f"drill {script.name}: no site {', '.join(unknown)} in the table")
    spec = settings.grid.working()
    random = np.random.default_rng([script.seed, 0x4F42])
    drops = make_drops(truth.rain.motion(), DropParams(), random)
    gauges = make_gauges(city_box(settings) or _ANYWHERE, script.stations, random)
    return Observers(
        script,
        Scanning(
            script,
            drill_network([sites[code] for code in script.radars], script.seed),
            Frames(truth.rain, drops, spec),
            workers,
        ),
        Stations(script, truth.rain, spec, gauges, strike(script)),
        RiverReports(truth.flows, script.seed),
        Profilers(script.seed, truth.rain, spec),
        WeatherStations(script.seed, truth.rain, spec, gauges),
        folder,
    )


def cycle_times(script: DrillScript, step: timedelta) -> Sequence[datetime]:
    """Analysis times of a drill: the first a step after its start, the last at its end."""
    start = script.start.astimezone(UTC)
    return [start + k * step for k in range(1, round(script.hours * HOUR / step) + 1)]
