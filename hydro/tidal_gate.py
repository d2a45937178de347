"""A tidal gate: a pond that keeps its water, and lets a surplus out while the sea is lower.

dV/dt = Qin - Q(H, tide); the gate opens when the pond stands above the level it keeps and above
the sea by a margin, and is shut against the sea. Under its sill's control the flow is free or
drowned (`jinghu.hydro.gates.gate_flow`); each step is implicit in the level and found by bisection.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import numba
import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from jinghu.grid.errors import DataError
from jinghu.grid.yaml_text import load_yaml
from jinghu.hydro.network import OUTLET, RiverNetwork
from jinghu.hydro.tide import Tide

Array = NDArray[np.float64]
Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_MAX_SNAP_M = 5000.0
_TWO_G = 2.0 * 9.80665
_CONTRACTION = 0.61
_ITERATIONS = 60


class TidalGate(BaseModel):
    """A gate at a river's mouth, its pond and its tide; ``source`` of every block is named."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: str = Field(pattern=r"^[a-z0-9-]{1,32}$")
    name_zh: str
    name_en: str
    river: str
    lon: Annotated[float, Field(ge=-180, le=180)]
    lat: Annotated[float, Field(ge=-90, le=90)]
    datum: str = Field(min_length=1)
    source: str = Field(min_length=1)
    sill_m: Number
    number: int = Field(ge=1)
    width_m: Positive
    opening_m: Positive
    phi: Positive = 0.95
    margin_m: Annotated[float, Field(ge=0, le=2)] = Field(
        0.1, description="the pond must stand so much above the sea before the gate opens"
    )
    keep_level_m: Number = Field(description="down to which the pond is let out")
    pond_level_m: tuple[Number, ...] = Field(min_length=2)
    pond_volume_m3: tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]
    pond_source: str = Field(min_length=1)
    above_table: Literal["refuse", "linear"] = "refuse"
    tide: Tide

    @model_validator(mode="after")
    def _tables_fit(self) -> "TidalGate":
        level, volume = np.array(self.pond_level_m), np.array(self.pond_volume_m3)
        if len(level) != len(volume) or (np.diff(level) <= 0).any() or (np.diff(volume) <= 0).any():
            raise ValueError(
                "pond_level_m and pond_volume_m3 must both ascend, as many values each"
            )
        if not level[0] <= self.sill_m <= self.keep_level_m <= level[-1]:
            raise ValueError("sill_m and keep_level_m must lie in the pond's table, in this order")
        if self.tide.datum != self.datum:
            raise ValueError(
                f"the tide is above {self.tide.datum!r}, the gate above {self.datum!r}"
            )
        return self

    def initial_volume_m3(self) -> float:
        """Volume of the pond at the level it keeps."""
        return float(np.interp(self.keep_level_m, self.pond_level_m, self.pond_volume_m3))


@dataclass(frozen=True, slots=True)
class PlacedGate:
    """A gate at the end of a reach, and the reaches above it whose bed its pond can cover."""

    site: TidalGate
    reach: int
    distance_m: float
    upstream: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class GateRun:
    """A gate over time, (time, member): level and volume at the end, mean outflow of the step.

    ``tide_m`` (time) is the sea at the end of the steps.
    """

    level_m: Array
    volume_m3: Array
    outflow_m3_s: Array
    is_open: NDArray[np.bool_]
    tide_m: Array


@numba.njit(cache=True, error_model="numpy")
def _through(
    level: float, sea: float, sill: float, width: float, opening: float, phi: float
) -> float:
    """Discharge under the raised gate, m3/s; `gates.gate_flow` again, as numba caches by file."""
    head, tail = level - sill, sea - sill
    if head <= 0.0 or tail >= head:
        return 0.0
    depth = max(tail, 2.0 / 3.0 * head)
    over = phi * width * depth * np.sqrt(_TWO_G * (head - depth))
    jet = _CONTRACTION * opening
    if jet >= depth:  # the lip hangs above the water
        return float(over)
    return float(min(over, jet * width * np.sqrt(_TWO_G * (head - max(tail, jet)))))


@numba.njit(cache=True, error_model="numpy")
def _pond_level(level: Array, volume: Array, value: float) -> float:
    k = min(max(int(np.searchsorted(volume, value, side="right")) - 1, 0), len(volume) - 2)
    share = (value - volume[k]) / (volume[k + 1] - volume[k])
    return float(level[k] + share * (level[k + 1] - level[k]))


@numba.njit(cache=True, error_model="numpy")
def sweep_gate(
    level: Array,
    volume: Array,
    pond: Array,
    inflow: Array,
    tide: Array,
    dt: float,
    structure: Array,
    keep_m3: float,
) -> tuple[Array, Array, Array, NDArray[np.bool_]]:
    """Run a pond (member), updated, under inflow (time, member) and the sea (time).

    ``structure`` is sill, width, opening, phi, margin.
    """
    sill, width, opening, phi, margin = structure
    n_time, n_member = inflow.shape
    levels = np.empty((n_time, n_member))
    volumes, flows = np.empty_like(levels), np.empty_like(levels)
    is_open = np.zeros((n_time, n_member), np.bool_)
    for t in range(n_time):
        for m in range(n_member):
            water = pond[m] + dt * inflow[t, m]
            surplus = water - keep_m3
            full = _pond_level(level, volume, water)
            flow = 0.0
            if surplus > 0.0 and full > tide[t] + margin:
                is_open[t, m] = True
                low, high = tide[t], full  # the outflow at the level it leaves behind
                for _ in range(_ITERATIONS):
                    middle = 0.5 * (low + high)
                    out = _through(middle, tide[t], sill, width, opening, phi)
                    if _pond_level(level, volume, water - dt * out) > middle:
                        low = middle
                    else:
                        high = middle
                out = _through(0.5 * (low + high), tide[t], sill, width, opening, phi)
                flow = min(out, surplus / dt)
            pond[m] = water - dt * flow
            levels[t, m] = _pond_level(level, volume, pond[m])
            volumes[t, m], flows[t, m] = pond[m], flow
    return levels, volumes, flows, is_open


def run_gate(
    site: TidalGate,
    inflow_m3_s: Array,
    volume_m3: float,
    times: NDArray[np.datetime64],
    step_s: float,
    sea_m: Array | None = None,
) -> GateRun:
    """Run the pond of a gate.

    Parameters
    ----------
    site
        The gate.
    inflow_m3_s
        (time, member) means over the steps that end at ``times``.
    volume_m3
        Of the pond at the start.
    times, step_s
        UTC ends of the steps, their length.
    sea_m
        (time) observed sea level; the harmonic tide where it is not given.

    Raises
    ------
    DataError
        Names the gate: the pond rose or fell out of its table, the inflow is not finite.
    """
    if inflow_m3_s.ndim != 2 or not np.isfinite(inflow_m3_s).all():
        raise DataError(site.name_zh, "inflow is not (time, member) or not finite")
    sea = site.tide.level(times) if sea_m is None else np.asarray(sea_m, np.float64)
    structure = np.array(
        [site.sill_m, site.number * site.width_m, site.opening_m, site.phi, site.margin_m]
    )
    found = sweep_gate(
        np.array(site.pond_level_m),
        np.array(site.pond_volume_m3, np.float64),
        np.full(inflow_m3_s.shape[1], volume_m3),
        np.ascontiguousarray(inflow_m3_s),
        sea,
        step_s,
        structure,
        site.initial_volume_m3(),
    )
    levels = found[0]
    lowest, highest = site.pond_level_m[0], site.pond_level_m[-1]
    refused = levels.max() > highest and site.above_table == "refuse"
    if levels.min() < lowest or refused:
        worst = levels.min() if levels.min() < lowest else levels.max()
        raise DataError(
            site.name_zh,
            f"the pond reaches {worst:.2f} m, outside its table ({lowest:g} to {highest:g} m)",
        )
    return GateRun(*found, sea)


def read_gate(path: Path) -> TidalGate:
    """Read a tidal gate from YAML; DataError names the file, the entry and the cause."""
    try:
        return TidalGate.model_validate(load_yaml(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(path, error.strerror or str(error)) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(path, f"not YAML: {' '.join(str(error).split())}") from None
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "file"
        raise DataError(path, f"{place}: {first['msg']}") from None


def place_gate(site: TidalGate, network: RiverNetwork) -> PlacedGate:
    """Place a gate at the nearest reach end of its river within 5 km.

    Raises
    ------
    DataError
        Where there is none.
    """
    x, y = network.grid.to_xy(site.lon, site.lat)
    distance = np.hypot(network.x_m - x, network.y_m - y)
    same = np.array(network.name_zh) == site.river
    reach = int(np.where(same, distance, np.inf).argmin())
    if not same.any() or distance[reach] > _MAX_SNAP_M:
        raise DataError(site.name_zh, f"no reach of {site.river} ends within 5 km of the gate")
    above = np.zeros(network.n_reaches, bool)
    above[reach] = True
    for k in range(reach - 1, -1, -1):
        below = network.downstream[k]
        above[k] = below != OUTLET and above[below]
    covered = above & (network.bed_m < site.pond_level_m[-1])
    return PlacedGate(site, reach, float(distance[reach]), np.flatnonzero(covered))
