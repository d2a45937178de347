"""Flows of a published cycle: gauges and reaches, and what the terrain under them is."""

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.api.flow_schemas import Gauge
from jinghu.api.problems import ProblemError
from jinghu.api.published import Published, number
from jinghu.api.schemas import Series
from jinghu.grid.times import from_numpy, to_numpy


@dataclass(frozen=True, slots=True)
class Flows:
    """Flows of one cycle."""

    published: Published
    data: xr.Dataset

    @property
    def terrain_source(self) -> str:
        """What the river network was made from; shown wherever flows are."""
        return str(self.data.attrs.get("terrain_source", "not stated"))

    @property
    def terrain_generated(self) -> bool:
        """Whether the terrain is generated: flows of a drill, not of the real valleys."""
        return "generated" in self.terrain_source.lower()


def flows_of(published: Published) -> Flows:
    """Return the flows of a cycle; a 404 problem where it has none."""
    if published.hydro is None:
        raise ProblemError(404, f"cycle {published.cycle} has no flows")
    return Flows(published, published.hydro)


def gauges(flows: Flows) -> list[Gauge]:
    """All gauges with their flow now and at its peak."""
    if "gauge_discharge" not in flows.data:
        return []
    return [_gauge(flows, k) for k in range(flows.data.sizes["gauge"])]


def gauge_index(flows: Flows, key: str) -> int:
    """Row of the gauge with this id; a 404 problem where there is none."""
    known = [gauge.id for gauge in gauges(flows)]
    if key not in known:
        raise ProblemError(404, f"there is no gauge {key}; there are {', '.join(known)}")
    return known.index(key)


def reach_index(flows: Flows, reach: int) -> int:
    """Column of the reach with this number; a 404 problem where there is none."""
    if "river_discharge" not in flows.data:
        raise ProblemError(404, f"cycle {flows.published.cycle} has no reaches")
    data = flows.data
    numbers = data["reach"].values if "reach" in data.coords else np.arange(data.sizes["reach"])
    (found,) = np.nonzero(numbers == reach)
    if found.size == 0:
        raise ProblemError(404, f"there is no reach {reach}")
    return int(found[0])


def series(flows: Flows, name: str, dim: str, index: int) -> Series:
    """Values of a variable over time."""
    values = flows.data[name].isel({dim: index}).transpose("time").values
    return Series(times=_times(flows.data), values=[number(v, 3) for v in values])


def optional_series(flows: Flows, name: str, index: int) -> Series | None:
    """Values of a gauge's variable over time, None where the cycle has none."""
    return series(flows, name, "gauge", index) if name in flows.data else None


def observations(flows: Flows, name: str, index: int) -> Series | None:
    """Reports of a gauge, None where the cycle has none."""
    if name not in flows.data:
        return None
    values = flows.data[name].isel(gauge=index).values
    known = np.isfinite(values)
    times = flows.data["observation_time"].values[known]
    return Series(
        times=[from_numpy(t) for t in times], values=[number(v, 3) for v in values[known]]
    )


def text_of(data: xr.Dataset, dim: str, index: int, *names: str) -> str:
    """Text of the first variable of these names that lies along ``dim``, else nothing."""
    for name in names:
        if name in data.variables and data[name].dims == (dim,):
            return str(data[name].values[index])
    return ""


def _gauge(flows: Flows, k: int) -> Gauge:
    data, spec = flows.data, flows.published.product
    flow = data["gauge_discharge"].isel(gauge=k).transpose("time").values
    lon = _number_of(data, k, "lon", "gauge_lon", "longitude")
    lat = _number_of(data, k, "lat", "gauge_lat", "latitude")
    x, y = spec.to_xy(lon, lat) if lon is not None and lat is not None else (None, None)
    reach = _number_of(data, k, "gauge_reach", "reach_of_gauge")
    now = row_at(data["time"].values, flows.published.time)
    zh = text_of(data, "gauge", k, "name_zh", "gauge_name_zh", "gauge_name", "name", "gauge")
    en = text_of(data, "gauge", k, "name_en", "gauge_name_en")
    peak = int(np.nanargmax(flow)) if np.isfinite(flow).any() else None
    level = (
        number(data["water_level"].isel(gauge=k).values[now], 3) if "water_level" in data else None
    )
    newest = _newest_report(flows, k)
    return Gauge(
        id=str(k),
        name_zh=zh or str(k),
        name_en=en or zh or str(k),
        river=text_of(data, "gauge", k, "gauge_river"),
        lon=lon,
        lat=lat,
        x_m=None if x is None else round(float(x), 1),
        y_m=None if y is None else round(float(y), 1),
        reach=None if reach is None else int(reach),
        discharge_now=number(flow[now], 3),
        discharge_peak=None if peak is None else number(flow[peak], 3),
        peak_time=None if peak is None else _times(data)[peak],
        level_now=level,
        level_observed=newest[1],
        discharge_observed=newest[2],
        observed_at=newest[0],
        warning_level=_number_of(data, k, "gauge_warning_level"),
        guarantee_level=_number_of(data, k, "gauge_guarantee_level"),
    )


def _newest_report(flows: Flows, k: int) -> tuple[datetime | None, float | None, float | None]:
    """Time, level and discharge of a gauge's newest report."""
    data = flows.data
    if "observed_water_level" not in data:
        return None, None, None
    level = data["observed_water_level"].isel(gauge=k).values
    flow = data["observed_discharge"].isel(gauge=k).values
    (rows,) = np.nonzero(np.isfinite(level) | np.isfinite(flow))
    if not rows.size:
        return None, None, None
    row = int(rows[-1])
    at = from_numpy(data["observation_time"].values[row])
    return at, number(level[row], 3), number(flow[row], 3)


def _number_of(data: xr.Dataset, k: int, *names: str) -> float | None:
    for name in names:
        if name in data.variables and data[name].dims == ("gauge",):
            return number(data[name].values[k], 6)
    return None


def _times(data: xr.Dataset) -> list[datetime]:
    return [from_numpy(t) for t in data["time"].values]


def row_at(times: NDArray[np.datetime64], time: datetime) -> int:
    """Last row that is not after the time, else the first."""
    return max(0, int(np.searchsorted(times, to_numpy(time), side="right")) - 1)
