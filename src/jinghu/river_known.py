"""What the river reports have taught so far, carried from cycle to cycle."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TypeVar

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.hydro.members import Members
from jinghu.hydro.output_correction import Residuals
from jinghu.hydro.ratings import Offsets

Array = NDArray[np.float64]
VERSION = 2
ROWS = 11  # steps of which computed flows are kept: reports may be an hour late
_SEEN_HOURS = 24
Row = TypeVar("Row", Residuals, Offsets)


@dataclass(frozen=True, slots=True)
class Seen:
    """Observations of the last day: (observation,) time, gauge, level in m, flow in m3/s."""

    time: NDArray[np.datetime64]
    gauge: NDArray[np.int64]
    level_m: Array
    flow_m3_s: Array

    @staticmethod
    def nothing() -> "Seen":
        """No observation."""
        none = np.zeros(0)
        return Seen(none.astype("datetime64[ns]"), none.astype(np.int64), none, none)

    def since(self, time: np.datetime64) -> "Seen":
        """Those after a time."""
        kept = self.time > time
        return Seen(*(getattr(self, f.name)[kept] for f in fields(self)))


@dataclass(frozen=True, slots=True)
class Known:
    """What is carried.

    Parameters
    ----------
    members
        None where no report has been taken in yet.
    times
        (row,) times of which computed flows and levels are kept, oldest first.
    flow_m3_s
        (row, gauge, member + 1) computed, the run's last; NaN of members before they began.
    level_m
        (row, gauge) computed levels, with those flows of the run, under backwater where there is.
    pool_m
        (row, reservoir) computed levels.
    pool_seen
        (reservoir,) whether its level has been observed before.
    residuals, offsets, seen
        See their modules.
    """

    members: Members | None
    times: NDArray[np.datetime64]
    flow_m3_s: Array
    level_m: Array
    pool_m: Array
    pool_seen: NDArray[np.bool_]
    residuals: Residuals
    offsets: Offsets
    seen: Seen


def nothing_known(gauges: int, pools: int, members: int, step_s: float) -> Known:
    """Before the first report."""
    return Known(
        None,
        np.zeros(0, "datetime64[ns]"),
        np.zeros((0, gauges, members + 1)),
        np.zeros((0, gauges)),
        np.zeros((0, pools)),
        np.zeros(pools, bool),
        Residuals.nothing(gauges, step_s),
        Offsets.nothing(gauges),
        Seen.nothing(),
    )


def to_dataset(known: Known, mark: Mapping[str, object]) -> xr.Dataset:
    """All of it as one Dataset; ``mark`` says what it belongs to, see `from_dataset`."""
    variables: dict[str, object] = {
        "times": ("row", known.times),
        "flow_m3_s": (("row", "gauge", "run"), known.flow_m3_s),
        "level_m": (("row", "gauge"), known.level_m),
        "pool_m": (("row", "reservoir"), known.pool_m),
        "pool_seen": ("reservoir", known.pool_seen.astype(np.int8)),
    }
    for name, part in (("residual", known.residuals), ("offset", known.offsets)):
        for f in fields(part):
            variables[f"{name}_{f.name}"] = ("gauge", getattr(part, f.name))
    for f in fields(known.seen):
        variables[f"seen_{f.name}"] = ("observation", getattr(known.seen, f.name))
    attrs = {"version": VERSION, **mark, "pieces": 0}
    if known.members is not None:
        crew = known.members
        variables["soil_mm"] = (("member", "unit", "store"), crew.soil_mm)
        variables["rain_error"] = (("knot", "member"), crew.rain_error)
        variables["own_error"] = ("knot", crew.own_error)
        variables["land"] = (("learned", "member"), crew.land)
        variables["own_land"] = ("learned", crew.own_land)
        for k, (flow, held) in enumerate(zip(crew.outflow_m3_s, crew.storage_m3, strict=True)):
            variables[f"outflow_{k}"] = ((f"segment_{k}", "member"), flow)
            variables[f"storage_{k}"] = ((f"segment_{k}", "member"), held)
        attrs["pieces"] = len(crew.outflow_m3_s)
    return xr.Dataset(variables, attrs=attrs)


def from_dataset(kept: xr.Dataset, mark: Mapping[str, object]) -> Known | None:
    """Read back what `to_dataset` made; None where it belongs to something else."""
    if kept.attrs.get("version") != VERSION:
        return None
    if any(str(kept.attrs.get(name)) != str(value) for name, value in mark.items()):
        return None
    members = None
    if n := int(kept.attrs["pieces"]):
        members = Members(
            kept["soil_mm"].values,
            tuple(kept[f"outflow_{k}"].values for k in range(n)),
            tuple(kept[f"storage_{k}"].values for k in range(n)),
            kept["rain_error"].values,
            kept["own_error"].values,
            kept["land"].values,
            kept["own_land"].values,
        )
    return Known(
        members,
        kept["times"].values,
        kept["flow_m3_s"].values,
        kept["level_m"].values,
        kept["pool_m"].values,
        kept["pool_seen"].values.astype(bool),
        _rows(Residuals, kept, "residual"),
        _rows(Offsets, kept, "offset"),
        Seen(*(kept[f"seen_{f.name}"].values for f in fields(Seen))),
    )


def _rows(kind: type[Row], kept: xr.Dataset, name: str) -> Row:
    return kind(*(kept[f"{name}_{f.name}"].values for f in fields(kind)))


def observed(seen: Seen, gauges: int) -> xr.Dataset:
    """Observations as ``observed_water_level``, ``observed_discharge`` by time and gauge."""
    times, row = np.unique(seen.time, return_inverse=True)
    level, flow = np.full((len(times), gauges), np.nan), np.full((len(times), gauges), np.nan)
    level[row, seen.gauge], flow[row, seen.gauge] = seen.level_m, seen.flow_m3_s
    dims = ("observation_time", "gauge")
    return xr.Dataset(
        {
            "observed_water_level": (dims, level.astype(np.float32), {"units": "m"}),
            "observed_discharge": (dims, flow.astype(np.float32), {"units": "m3 s-1"}),
        },
        coords={"observation_time": times},
    )


def joined(known: Seen, more: Sequence[tuple[np.datetime64, int, float, float]]) -> Seen:
    """Observations with those that have come; a correction replaces what it corrects."""
    rows = {
        (t, int(g)): (float(z), float(q))
        for t, g, z, q in zip(known.time, known.gauge, known.level_m, known.flow_m3_s, strict=True)
    }
    rows |= {(t, g): (z, q) for t, g, z, q in more}
    keys = sorted(rows)
    return Seen(
        np.array([t for t, _ in keys], "datetime64[ns]"),
        np.array([g for _, g in keys], np.int64),
        np.array([rows[k][0] for k in keys], np.float64),
        np.array([rows[k][1] for k in keys], np.float64),
    ) if keys else Seen.nothing()  # fmt: skip
