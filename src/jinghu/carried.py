"""Rain of scans that an earlier cycle made, so that no volume is decoded and cleaned twice."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from jinghu.configs.settings import Settings
from jinghu.grid.fields import attrs
from jinghu.grid.spec import GridSpec
from jinghu.grid.states import load_state
from jinghu.grid.store import Store
from jinghu.grid.times import cycle_name
from jinghu.radar.clutter_file import map_path
from jinghu.radar.monitor import Correction
from jinghu.radar.sites import load_sites
from jinghu.radar.volume import Volume

_FIELDS = ("rainfall_rate", "quality", "beam_height", "state", "method")
_SAME_DB = 1.0  # corrections that differ by less make much the same rain
_SAME_M = 200.0  # and so do melting layers


@dataclass(frozen=True, slots=True)
class CarriedScan:
    """One volume's rain as a cycle made it.

    Parameters
    ----------
    file
        Name, size and time of change of the file, by which it is known again.
    made
        Digest of all that decided how its rain was made.
    correction_db
        What was taken off for the radar's calibration.
    melting_m
        Bottom of the melting layer that its rain was made with.
    time
        Of the first radial.
    damage
        What was wrong with the file; its whole rays were used.
    rain
        As of `jinghu.radar.rain.rain_on_grid`.
    """

    file: str
    made: str
    correction_db: float
    melting_m: float
    time: datetime
    damage: tuple[str, ...]
    rain: xr.Dataset

    @property
    def radar(self) -> str:
        """Code of the radar."""
        return str(self.rain.attrs["radar"])

    @property
    def source(self) -> str:
        """Name of the file."""
        return str(self.rain.attrs["source"])


@dataclass(frozen=True, slots=True)
class Carried:
    """What the cycle before knew of the files that lie in the input folders.

    Parameters
    ----------
    scans
        Of which it made rain.
    passed
        First radials of whole volumes that lay outside its window, by key of the file.
    wrong_clock
        Why volumes were refused that were stamped in the future, by key of the file.
    """

    scans: Sequence[CarriedScan] = ()
    passed: Mapping[str, datetime] = field(default_factory=dict)
    wrong_clock: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Making:
    """How this cycle makes rain.

    Parameters
    ----------
    digests
        By radar, as of `makings`.
    corrected
        What it does about the calibration of radars.
    melting_m
        Bottom of the melting layer, above mean sea level.
    """

    digests: Mapping[str, str]
    corrected: Mapping[str, Correction]
    melting_m: float

    def correction_db(self, radar: str) -> float:
        """What it takes off a radar's reflectivity."""
        return self.corrected.get(radar, Correction()).total_db

    def alike(self, scan: CarriedScan) -> bool:
        """Whether it would make the rain of a scan alike."""
        near = abs(self.correction_db(scan.radar) - scan.correction_db) <= _SAME_DB
        near &= abs(self.melting_m - scan.melting_m) <= _SAME_M
        return near and self.digests.get(scan.radar) == scan.made


def file_key(path: Path) -> str | None:
    """Name, size and time of change of a file; None where it is gone."""
    try:
        found = path.stat()
    except OSError:
        return None
    return f"{path.name} {found.st_size} {found.st_mtime_ns}"


def makings(settings: Settings) -> dict[str, str]:
    """Digest, by radar, of what decides how a volume becomes rain.

    Settings, grid, site, version, and which files of its surroundings are read: where one of them
    changes, an earlier cycle's rain is not used again.
    """
    radar, dem, spec = settings.radar, settings.hydro.dem, settings.grid.working()
    common = (version("jinghu"), radar.model_dump_json(), repr(spec), dem and file_key(dem))
    found = {}
    for code, site in load_sites(settings.inputs.sites).items():
        clutter = radar.clutter_maps and file_key(map_path(radar.clutter_maps, code))
        mine = (*common, repr(site), clutter)
        found[code] = hashlib.sha256(repr(mine).encode()).hexdigest()
    return found


def load_carried(
    store: Store,
    time: datetime,
    spec: GridSpec,
    making: Making,
    report: Callable[[str], None],
) -> Carried:
    """Scans that the cycle before left and that this one would make alike, and files passed over.

    A scan keeps the correction of its own cycle (a radome was as wet as it was then) unless it has
    turned out to be wrong.
    """
    state = load_state(store, cycle_name(time), "scans", spec=spec, report=report)
    if state is None:
        return Carried()
    try:
        found = from_dataset(state[1], spec)
    except (KeyError, ValueError) as error:
        report(f"state scans of cycle {state[0]} is of another version ({error}): scans made again")
        return Carried()
    return replace(found, scans=[one for one in found.scans if making.alike(one)])


def worth_keeping(carried: Carried, since: datetime) -> Carried:
    """Return what the next cycle is to know, whose window begins at a time.

    Of scans that will lie outside it the time is enough: their files are not read again.
    """
    old = {one.file: one.time for one in carried.scans if one.time < since}
    kept = [one for one in carried.scans if one.time >= since]
    return replace(carried, scans=kept, passed={**carried.passed, **old})


def made_scans(
    rains: Iterable[xr.Dataset],
    volumes: Sequence[Volume],
    files: Mapping[str, str],
    making: Making,
) -> list[CarriedScan]:
    """Scans that this cycle made.

    Parameters
    ----------
    rains, volumes
        Of the volumes that it decoded.
    files
        Keys of the files that it read, by name.
    making
        How it made rain.
    """
    of_source = {str(rain.attrs["source"]): rain for rain in rains}
    return [
        CarriedScan(
            files[v.source],
            making.digests[v.radar],
            making.correction_db(v.radar),
            making.melting_m,
            v.time,
            v.damage,
            of_source[v.source],
        )
        for v in volumes
        if v.source in files
    ]


def to_dataset(carried: Carried, spec: GridSpec) -> xr.Dataset:
    """All of it as one Dataset, to be kept as state.

    Texts go into attributes: they belong to no dimension.
    """
    scans = carried.scans
    rains = [one.rain for one in scans]
    passed = {key: time.isoformat() for key, time in carried.passed.items()}
    texts = [
        {
            "file": one.file,
            "made": one.made,
            "correction_db": one.correction_db,
            "melting_m": one.melting_m,
            "time": one.time.isoformat(),
            "damage": one.damage,
            "attrs": one.rain.attrs,
        }
        for one in scans
    ]
    found = xr.Dataset(
        coords=spec.coords(),
        attrs={
            "scans": json.dumps(texts),
            "passed": json.dumps(passed),
            "wrong_clock": json.dumps(dict(carried.wrong_clock)),
        },
    )
    if not scans:
        return found
    dims = ("scan", "y", "x")
    fields = {name: (dims, np.stack([r[name].values for r in rains])) for name in _FIELDS}
    times = np.array([rain["time"].values for rain in rains])
    return found.assign(fields).assign_coords(time=("scan", times))


def from_dataset(kept: xr.Dataset, spec: GridSpec) -> Carried:
    """Read back what `to_dataset` made."""
    passed = json.loads(kept.attrs["passed"])
    texts = json.loads(kept.attrs["scans"])
    return Carried(
        [_scan(kept.isel(scan=k), spec, of) for k, of in enumerate(texts)],
        {key: datetime.fromisoformat(time) for key, time in passed.items()},
        json.loads(kept.attrs["wrong_clock"]),
    )


def _scan(one: xr.Dataset, spec: GridSpec, texts: Mapping[str, Any]) -> CarriedScan:
    rain = xr.Dataset(
        {name: (("y", "x"), one[name].values, attrs(name)) for name in _FIELDS},
        coords={"time": one["time"].values, **spec.coords()},
        attrs=texts["attrs"],
    )
    return CarriedScan(
        texts["file"],
        texts["made"],
        texts["correction_db"],
        texts["melting_m"],
        datetime.fromisoformat(texts["time"]),
        tuple(texts["damage"]),
        rain,
    )
