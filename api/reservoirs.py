"""Reservoirs of a published cycle: what comes in, what stands, what goes out."""

from collections.abc import Mapping

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.api.flows import Flows, row_at
from jinghu.api.problems import ProblemError
from jinghu.api.published import number
from jinghu.api.reservoir_schemas import QuantileSeries, Reservoir, ReservoirForecast
from jinghu.api.schemas import Series
from jinghu.grid.times import from_numpy

_OUTFLOW = "reservoir_outflow"
_SPREAD = {
    "inflow": "reservoir_inflow",
    "outflow": _OUTFLOW,
    "level": "reservoir_level",
    "free_storage": "reservoir_free_storage",
}


def reservoirs(flows: Flows) -> list[Reservoir]:
    """All reservoirs with their level now and at its highest."""
    return [_reservoir(flows, k) for k in range(flows.data.sizes.get("reservoir", 0))]


def reservoir_index(flows: Flows, key: str) -> int:
    """Row of the reservoir with this id; a 404 problem where there is none."""
    known = [r.id for r in reservoirs(flows)]
    if key not in known:
        there = ", ".join(known) or "none"
        raise ProblemError(404, f"there is no reservoir {key}; there are {there}")
    return known.index(key)


def forecast(flows: Flows, k: int, members: xr.Dataset | None) -> ReservoirForecast:
    """Everything of one reservoir over time.

    Parameters
    ----------
    flows, k
        Of the cycle; row of the reservoir.
    members
        ``<variable>_quantile (quantile, time, reservoir)`` of the members' flows, where asked for.
    """
    data = flows.data
    rules = dict(str(r).split("=", 1) for r in data["reservoir_rule"].attrs.get("rule_names", ()))
    return ReservoirForecast(
        cycle=flows.published.cycle,
        time=flows.published.time,
        terrain_source=flows.terrain_source,
        terrain_generated=flows.terrain_generated,
        reservoir=_reservoir(flows, k),
        inflow=_series(data, _values(data, "reservoir_inflow", k)),
        outflow=_series(data, outflow(data, k)),
        level=_series(data, _values(data, "reservoir_level", k)),
        flood_limit=_series(data, _values(data, "reservoir_flood_limit", k)),
        storage=_series(data, _values(data, "reservoir_storage", k)),
        free_storage=_series(data, _values(data, "reservoir_free_storage", k)),
        rule=[str(r) for r in data["reservoir_rule"].values[:, k]],
        rule_names=rules,
        quantiles=None if members is None else _quantiles(members, k),
    )


def outflow(data: xr.Dataset, k: int) -> NDArray[np.float64]:
    """What leaves a reservoir through gates and over the weir, m3/s."""
    return _values(data, "reservoir_release", k) + _values(data, "reservoir_spill", k)


def _values(data: xr.Dataset, name: str, k: int) -> NDArray[np.float64]:
    return np.asarray(data[name].isel(reservoir=k).transpose("time").values, np.float64)


def _series(data: xr.Dataset, values: NDArray[np.float64]) -> Series:
    times = [from_numpy(t) for t in data["time"].values]
    return Series(times=times, values=[number(v, 3) for v in values])


def _quantiles(members: xr.Dataset, k: int) -> Mapping[str, list[QuantileSeries]]:
    levels = [float(q) for q in members["quantile"].values]

    def spread(name: str) -> list[QuantileSeries]:
        rows = members[f"{name}_quantile"].isel(reservoir=k).values
        return [
            QuantileSeries(quantile=q, values=[number(v, 3) for v in row])
            for q, row in zip(levels, rows, strict=True)
        ]

    return {told: spread(name) for told, name in _SPREAD.items()}


def _reservoir(flows: Flows, k: int) -> Reservoir:
    data = flows.data
    one = {str(n): data[n].values[k] for n in data.coords if data[n].dims == ("reservoir",)}
    level = _values(data, "reservoir_level", k)
    now = row_at(data["time"].values, flows.published.time)
    top = int(np.nanargmax(level)) if np.isfinite(level).any() else now
    return Reservoir(
        id=str(one["reservoir_id"]),
        name_zh=str(one["reservoir_name_zh"]),
        name_en=str(one["reservoir_name_en"]),
        river=str(one["reservoir_river"]),
        lon=float(one["reservoir_lon"]),
        lat=float(one["reservoir_lat"]),
        datum=str(one["reservoir_datum"]),
        source=str(one["reservoir_source"]),
        normal_level=number(one["reservoir_normal_level"], 3),
        crest_level=number(one["reservoir_crest_level"], 3),
        flood_limit_now=number(_values(data, "reservoir_flood_limit", k)[now], 3),
        level_now=number(level[now], 3),
        inflow_now=number(_values(data, "reservoir_inflow", k)[now], 3),
        outflow_now=number(outflow(data, k)[now], 3),
        free_storage_now=number(_values(data, "reservoir_free_storage", k)[now], 0),
        level_highest=number(level[top], 3),
        highest_time=from_numpy(data["time"].values[top]),
    )
