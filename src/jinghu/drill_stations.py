"""Rain gauges of a drill: reports with the errors, faults and delays that stations have."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from jinghu.drill_script import (
    DrillScript,
    StationClock,
    StationDrift,
    StationFault,
    StationStopped,
)
from jinghu.drill_truth import RainTruth
from jinghu.grid import durable
from jinghu.grid.spec import GridSpec
from jinghu.grid.stations import COLUMNS
from jinghu.grid.times import isoformat
from jinghu.simulate_gauges import GaugeNetwork, hourly_amounts

HOUR = timedelta(hours=1)
_NOISE = 0.04  # of an hour's amount, standard deviation
_DELAY_MIN = 3.0  # median
_DELAY_SPREAD = 0.7  # of its logarithm
_LATEST_MIN = 45.0
_TAG = 0x5354  # of the generators of stations


@dataclass(frozen=True, slots=True)
class Struck:
    """A fault, and the stations that it strikes: (fault's number of stations,) indices."""

    fault: StationFault
    stations: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Stations:
    """A network that watches a drill.

    Parameters
    ----------
    script
        The drill.
    rain, spec
        What rains, and the grid in whose plane.
    gauges
        The gauges.
    struck
        Faults of the script, with the stations that the seed chose.
    """

    script: DrillScript
    rain: RainTruth
    spec: GridSpec
    gauges: GaugeNetwork
    struck: tuple[Struck, ...]

    def rows(self, hour_end: datetime) -> list[tuple[datetime, str]]:
        """When the report of each station arrives, and its line of the file, in their order.

        Parameters
        ----------
        hour_end
            True end of the hour, UTC; stations whose clock is wrong give another one.
        """
        told = self._told(hour_end)
        random = self._random(hour_end, 2)
        delay = _DELAY_MIN * np.exp(random.normal(0.0, _DELAY_SPREAD, len(told)))
        ahead = np.zeros(len(told))
        for fault, stations in self._now(hour_end):
            if isinstance(fault, StationClock):
                ahead[stations] += fault.offset_s
        found, gauges = [], self.gauges
        for k, name in enumerate(gauges.names):
            named = hour_end + timedelta(seconds=float(ahead[k]))
            place = f"{gauges.lat[k]:.5f},{gauges.lon[k]:.5f},{gauges.height_m[k] * 10:.0f}"
            row = f"{name},{place},{isoformat(named)},{told[k]:.1f}"
            arrives = hour_end + timedelta(minutes=min(float(delay[k]), _LATEST_MIN))
            found.append((arrives, row))
        return found

    def _told(self, hour_end: datetime) -> NDArray[np.float64]:
        """Amounts (station,) in whole tips of 0.1 mm, as the faults leave them."""
        told = self._caught(hour_end)
        for fault, stations in self._now(hour_end):
            match fault:
                case StationStopped(kind="clogged"):
                    told[stations] = 0.0
                case StationStopped():
                    told[stations] = self._caught(self._last_before(fault))[stations]
                case StationDrift():
                    hours = (_minute(self.script, hour_end) - fault.from_min) / 60.0
                    told[stations] *= max(1.0 + fault.percent_per_h / 100.0 * hours, 0.0)
                case _:
                    pass  # a wrong clock changes no amount
        rounded: NDArray[np.float64] = np.maximum(told, 0.0).round(1)
        return rounded

    def _caught(self, hour_end: datetime) -> NDArray[np.float64]:
        """Amounts (station,) in mm of stations without faults."""
        true = hourly_amounts(self.rain, self.spec, self.gauges, hour_end)
        noise = self._random(hour_end, 1).normal(1.0, _NOISE, len(true))
        return np.asarray(true * self.gauges.factor * noise)

    def _now(self, hour_end: datetime) -> list[tuple[StationFault, NDArray[np.int64]]]:
        minute = _minute(self.script, hour_end)
        return [(s.fault, s.stations) for s in self.struck if s.fault.holds(minute)]

    def _last_before(self, fault: StationFault) -> datetime:
        """Last full hour before a fault began: what a stuck station repeats."""
        begin = self.script.start + timedelta(minutes=fault.from_min)
        whole = begin.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
        return whole if whole < begin else whole - HOUR

    def _random(self, hour_end: datetime, what: int) -> np.random.Generator:
        return np.random.default_rng([self.script.seed, _TAG, int(hour_end.timestamp()), what])


def strike(script: DrillScript) -> tuple[Struck, ...]:
    """Choose the stations that the faults of a script strike, by its seed."""
    found = []
    for number, fault in enumerate(script.station_faults):
        random = np.random.default_rng([script.seed, _TAG, number])
        chosen = np.sort(random.choice(script.stations, fault.stations, replace=False))
        found.append(Struck(fault, chosen))
    return tuple(found)


def write_hours(
    stations: Stations, hours: Sequence[datetime], until: datetime, folder: Path
) -> list[Path]:
    """Write what has arrived of some hours, a file each, as a centre collects it.

    Parameters
    ----------
    stations
        The network.
    hours
        Ends of the hours.
    until
        What arrives later is not in the files; an hour of which nothing arrived has none.
    folder
        Where they go.

    Returns
    -------
    The files that there are.
    """
    files = []
    for hour_end in hours:
        rows = [row for arrives, row in stations.rows(hour_end) if arrives <= until]
        if not rows:
            continue
        path = folder / f"hourly_rain_{hour_end:%Y%m%d%H}.csv"
        durable.write_atomic(path, ("\n".join([",".join(COLUMNS), *rows]) + "\n").encode("ascii"))
        files.append(path)
    return files


def _minute(script: DrillScript, time: datetime) -> float:
    return (time - script.start).total_seconds() / 60.0
