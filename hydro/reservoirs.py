"""Reservoirs of an installation: read from YAML, checked, and placed on the river network."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.interpolate import PchipInterpolator

from jinghu.grid.errors import DataError
from jinghu.grid.yaml_text import load_yaml
from jinghu.hydro.gates import Structure, combined_rating
from jinghu.hydro.level_pool import PoolTable
from jinghu.hydro.network import OUTLET, RiverNetwork
from jinghu.hydro.release_rules import ReleaseRules, flood_limit

_LEVEL_STEP_M = 0.1  # of the tables that the kernel reads
_MAX_SNAP_M = 12_000.0
_AREA_RATIO = 2.0  # between the catchment of the site and that of the network
_KM_FOR_E = 10.0  # distance that counts as much as a catchment wrong by e

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Data(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Storage(_Data):
    """Volume and area by level, from the empty pool up to above the dam's crest."""

    level_m: tuple[Number, ...] = Field(min_length=2)
    volume_m3: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]
    area_m2: tuple[Positive, ...]
    source: str = Field(min_length=1)

    @model_validator(mode="after")
    def _rows_fit(self) -> "Storage":
        level, volume, area = map(np.array, (self.level_m, self.volume_m3, self.area_m2))
        if not len(level) == len(volume) == len(area):
            raise ValueError("level_m, volume_m3 and area_m2 need as many values")
        for name, values in (("level_m", level), ("volume_m3", volume), ("area_m2", area)):
            if (np.diff(values) <= 0).any():
                raise ValueError(f"{name} must ascend")
        mean = np.diff(volume) / np.diff(level)
        bad = (mean < 0.8 * area[:-1]) | (mean > 1.2 * area[1:])
        if bad.any():
            k = int(np.argmax(bad))
            raise ValueError(
                f"between {level[k]:g} and {level[k + 1]:g} m the volume grows by {mean[k]:.4g} m2,"
                f" the area goes from {area[k]:.4g} to {area[k + 1]:.4g} m2"
            )
        return self


class Reservoir(_Data):
    """One reservoir: place, tables, structures, rules, and where each of them came from.

    ``datum`` is that of all its levels. ``above_tables`` says what a level above the storage table
    does: refuse it, or continue the table's last interval.
    """

    id: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    name_zh: str
    name_en: str
    river: str = Field(description="Chinese name of the river; empty where the network has none")
    lon: Annotated[float, Field(ge=-180, le=180)]
    lat: Annotated[float, Field(ge=-90, le=90)]
    catchment_km2: Positive
    datum: str = Field(min_length=1)
    normal_level_m: Number
    crest_level_m: Number
    storage: Storage
    structures: tuple[Structure, ...] = Field(min_length=1)
    above_tables: Literal["refuse", "linear"] = "refuse"
    release: ReleaseRules
    source: str = Field(min_length=1)
    station: str = Field("", max_length=16, description="code in the office's database")

    def table(self) -> PoolTable:
        """Tables of the kernel: monotone cubic volume (PCHIP), ratings of the structures."""
        return self._table

    @cached_property
    def _table(self) -> PoolTable:
        """Made once: every run of every cycle asks for it."""
        known = np.array(self.storage.level_m)
        fine = np.arange(known[0], known[-1], _LEVEL_STEP_M)
        level = np.union1d(np.round(fine, 6), known)
        volume = PchipInterpolator(known, np.array(self.storage.volume_m3))(level)
        return PoolTable(
            self.name_zh,
            level,
            np.asarray(volume, np.float64),
            combined_rating(self.structures, level, controlled=True),
            combined_rating(self.structures, level, controlled=False),
        )

    def area_m2(self, level_m: NDArray[np.float64]) -> NDArray[np.float64]:
        """Area of the pool at levels."""
        found = np.interp(level_m, self.storage.level_m, self.storage.area_m2)
        return np.asarray(found, np.float64)

    def flood_limit_m(self, times: NDArray[np.datetime64]) -> NDArray[np.float64]:
        """Flood-limit level at times."""
        return flood_limit(self.release.seasons, times)


class _File(_Data):
    version: str
    source: str
    reservoirs: tuple[Reservoir, ...]

    @model_validator(mode="after")
    def _ids_differ(self) -> "_File":
        ids = [r.id for r in self.reservoirs]
        if len(set(ids)) < len(ids):
            raise ValueError("two reservoirs have the same id")
        return self


@dataclass(frozen=True, slots=True)
class PlacedReservoir:
    """A reservoir at the end of a reach: that reach fills it, the next one takes its outflow."""

    site: Reservoir
    reach: int
    distance_m: float
    network_km2: float


def read_reservoirs(path: Path) -> tuple[Reservoir, ...]:
    """Read reservoirs from YAML.

    Raises
    ------
    DataError
        Names the file, the reservoir, the entry and the cause.
    """
    try:
        raw = load_yaml(path.read_text(encoding="utf-8"))
        found = _File.model_validate(raw).reservoirs
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(path, f"not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(path, f"{_place(raw, first['loc'])}: {first['msg']}") from None
    for site in found:
        _check(site, path)
    return found


def _place(raw: object, loc: tuple[int | str, ...]) -> str:
    """Where in the file an error is, with the reservoir's name for its number."""
    words = [str(part) for part in loc] or ["file"]
    if isinstance(raw, dict) and len(loc) > 1 and loc[0] == "reservoirs":
        entry = raw["reservoirs"][loc[1]] if isinstance(loc[1], int) else None
        if isinstance(entry, dict) and "id" in entry:
            words[1] = str(entry["id"])
    return ".".join(words)


def _check(site: Reservoir, path: Path) -> None:
    """Refuse levels outside the tables before a flood finds them."""
    try:
        table = site.table()
        levels = [s.level_m for s in site.release.seasons]
        levels += [z.up_to for z in site.release.zones if isinstance(z.up_to, float)]
        table.volume(np.array([*levels, site.normal_level_m, site.crest_level_m], np.float64))
    except DataError as error:
        raise DataError(path, f"reservoir {site.id}: {error.cause}") from None


def place_reservoirs(
    sites: Sequence[Reservoir], network: RiverNetwork
) -> tuple[tuple[PlacedReservoir, ...], tuple[str, ...]]:
    """Place reservoirs on the network, upstream ones first.

    A reservoir goes to the end of that reach of its river within 12 km whose catchment is most
    like its own; where the river is not named or not known, among reaches without a name. A
    catchment that differs by more than a factor of 2, a reach that leaves the network, and one
    that is taken are no place.

    Returns
    -------
    The placed reservoirs, and a line for each that has no place.
    """
    placed: list[PlacedReservoir] = []
    lost: list[str] = []
    rivers = np.array(network.name_zh)
    for site in sites:
        x, y = network.grid.to_xy(site.lon, site.lat)
        distance = np.hypot(network.x_m - x, network.y_m - y)
        ratio = network.upstream_area_km2 / site.catchment_km2
        same = rivers == site.river
        good = (same if same.any() else rivers == "") & (distance <= _MAX_SNAP_M)
        good &= network.downstream != OUTLET
        good[[p.reach for p in placed]] = False
        cost = np.abs(np.log(ratio)) + distance / 1000.0 / _KM_FOR_E
        reach = int(np.where(good, cost, np.inf).argmin())
        if good.any() and 1.0 / _AREA_RATIO <= ratio[reach] <= _AREA_RATIO:
            area = float(network.upstream_area_km2[reach])
            placed.append(PlacedReservoir(site, reach, float(distance[reach]), area))
        else:
            what = (
                f"the network drains {network.upstream_area_km2[reach]:.0f} km2 there"
                if good.any()
                else f"no reach of {site.river or 'an unnamed river'} is within 12 km"
            )
            lost.append(
                f"reservoir {site.name_zh} ({site.catchment_km2:.0f} km2) has no place: {what}"
            )
    return tuple(sorted(placed, key=lambda p: p.reach)), tuple(lost)
