"""An export as a list of time series: what CSV and PI-XML write one after another."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.flow_export import FlowExport


@dataclass(frozen=True, slots=True)
class Quantity:
    """One variable of an export.

    Parameters
    ----------
    variable, kind
        Name in the data, and what it is of: gauge, reservoir or basin.
    parameter
        Parameter of PI-XML.
    zh, en, unit
        Names and unit for people.
    over_step
        Whether the value is of the step that ends at its time, a mean or a sum.
    """

    variable: str
    kind: str
    parameter: str
    zh: str
    en: str
    unit: str
    over_step: bool = False

    @property
    def time(self) -> str:
        """Its dimension of time."""
        return "rain_time" if self.kind == "basin" else "time"


QUANTITIES = (
    Quantity("gauge_discharge", "gauge", "Q.sim", "流量", "discharge", "m3/s"),
    Quantity("water_level", "gauge", "H.sim", "水位", "water level", "m"),
    Quantity("reservoir_inflow", "reservoir", "Q.in", "入库流量", "inflow", "m3/s", True),
    Quantity("reservoir_outflow", "reservoir", "Q.out", "出库流量", "outflow", "m3/s", True),
    Quantity("reservoir_level", "reservoir", "H.res", "库水位", "reservoir level", "m"),
    Quantity("reservoir_storage", "reservoir", "V.res", "蓄水量", "storage", "m3"),
    Quantity("reservoir_free_storage", "reservoir", "V.free", "剩余库容", "free storage", "m3"),
    Quantity("areal_rainfall", "basin", "P.areal", "面雨量", "areal rain", "mm", True),
)
_BOUNDS = (("_lower", 0.05), ("_upper", 0.95))


@dataclass(frozen=True, slots=True)
class OneSeries:
    """Values over time of one variable at one place, of one member or at one quantile.

    ``member`` and ``quantile`` are None for the forecast itself.
    """

    quantity: Quantity
    id: str
    station: str
    name_zh: str
    name_en: str
    lon: float | None
    lat: float | None
    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    member: int | None = None
    quantile: float | None = None


def series_of(export: FlowExport) -> Iterator[OneSeries]:
    """All series of an export: place by place, the forecast, then its quantiles and members."""
    data = export.data
    for quantity in QUANTITIES:
        if quantity.variable not in data:
            continue
        for place in range(data.sizes[quantity.kind]):
            for values, member, quantile in _runs(data, quantity, place):
                yield _series(data, quantity, place, values, member, quantile)


def _runs(
    data: xr.Dataset, quantity: Quantity, place: int
) -> Iterator[tuple[NDArray[np.float64], int | None, float | None]]:
    """Values with the member and the quantile that they are of."""

    def at(name: str) -> NDArray[np.float64]:
        found = data[name].isel({quantity.kind: place})
        return np.asarray(found.transpose(..., quantity.time).values, np.float64)

    name = quantity.variable
    yield at(name), None, None
    for suffix, quantile in _BOUNDS:
        if name + suffix in data:
            yield at(name + suffix), None, quantile
    if f"{name}_quantile" in data:
        rows = zip(data["quantile"].values, at(f"{name}_quantile"), strict=True)
        yield from ((row, None, float(quantile)) for quantile, row in rows)
    if f"{name}_member" in data:
        yield from ((row, k, None) for k, row in enumerate(at(f"{name}_member")))


def _series(
    data: xr.Dataset,
    quantity: Quantity,
    place: int,
    values: NDArray[np.float64],
    member: int | None,
    quantile: float | None,
) -> OneSeries:
    kind = quantity.kind

    def text(name: str) -> str:
        return str(data[f"{kind}_{name}"].values[place])

    lon, lat = (
        float(data[f"{kind}_{name}"].values[place]) if f"{kind}_{name}" in data.variables else None
        for name in ("lon", "lat")
    )
    return OneSeries(
        quantity,
        text("id"),
        text("station"),
        text("name_zh"),
        text("name_en"),
        lon,
        lat,
        data[quantity.time].values,
        values,
        member,
        quantile,
    )


def cautions(export: FlowExport) -> list[tuple[str, str]]:
    """What a reader has to know before the numbers, in Chinese and in English."""
    found = [
        (
            f"镜湖预报 {export.city_zh} 起报 {export.cycle}",
            f"Jinghu forecast for {export.city_en}, cycle {export.cycle}",
        )
    ]
    if export.status != "Actual":
        words = {"Exercise": "演练数据，不是实况", "Test": "测试数据，不是实况"}
        zh = words.get(export.status, export.status)
        found.append((zh, f"status {export.status}: not an actual forecast"))
    if export.terrain_generated:
        found.append(
            (
                "水位、流量基于生成的地形，不是实测地形",
                "levels and flows rest on a generated terrain, not on a survey",
            )
        )
    return found
