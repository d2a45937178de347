"""Flows of a published cycle, ready for any format: gauges, reservoirs, rain over catchments."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array

from jinghu.api.export_schemas import ExportRequest
from jinghu.configs.settings import Settings
from jinghu.flood import network_of
from jinghu.flow_members import QUANTILES, flow_members
from jinghu.grid.accumulation import block_amounts
from jinghu.grid.errors import DataError
from jinghu.grid.fields import attrs
from jinghu.grid.store import PARTS, Part, Store
from jinghu.grid.times import parse_cycle_name, to_numpy
from jinghu.hydro.areal import areal_mean, catchments
from jinghu.hydro.gauges import read_gauges
from jinghu.hydro.reservoirs import read_reservoirs


@dataclass(frozen=True, slots=True)
class FlowExport:
    """What an export holds.

    Parameters
    ----------
    cycle, time, issued
        Name and analysis time of the cycle, and when it was published; UTC.
    status
        Actual, Test or Exercise.
    city_zh, city_en
        Whose forecast it is.
    data
        Along ``gauge``, ``reservoir`` and ``basin``, with the coordinates ``<kind>_id``,
        ``<kind>_station``, ``<kind>_name_zh``, ``<kind>_name_en``; `jinghu.export_series` lists
        the variables. ``<variable>_lower``, ``_upper`` (5 and 95 %), ``<variable>_quantile`` and
        ``<variable>_member`` where there are any.
    """

    cycle: str
    time: datetime
    issued: datetime
    status: str
    city_zh: str
    city_en: str
    data: xr.Dataset

    @property
    def terrain_source(self) -> str:
        """What the river network was made from."""
        return str(self.data.attrs.get("terrain_source", "not stated"))

    @property
    def terrain_generated(self) -> bool:
        """Whether levels and flows are those of a generated terrain, not of the real valleys."""
        return "generated" in self.terrain_source.lower()


def flow_export(request: ExportRequest, settings: Settings) -> FlowExport:
    """Read a cycle's flows and the rain over the catchments of its gauges and reservoirs.

    Raises
    ------
    DataError
        Where the cycle is not published or has no flows, a gauge or reservoir is not known, or
        members are wanted that cannot be run.
    ConfigError
        Where the name of the cycle is none.
    """
    store = Store(settings.store)
    part = flows_part(store, request.cycle)
    with part.open("hydro.zarr") as opened:
        flows = opened.load()
    if request.members:
        flows = flows.merge(flow_members(flows, part.cycle, settings), combine_attrs="override")
    chosen = _chosen(_named(flows, settings), request)
    manifest = part.manifest()
    city = manifest.get("city", {})
    written = (part.folder / "manifest.json").stat().st_mtime
    return FlowExport(
        part.cycle,
        parse_cycle_name(part.cycle),
        datetime.fromtimestamp(int(written), UTC),
        str(manifest.get("status", settings.warnings.status)),
        str(city.get("name_zh", settings.city.name_zh)),
        str(city.get("name_en", settings.city.name_en)),
        chosen.merge(_rain(chosen, store, part.cycle, settings), combine_attrs="override"),
    )


def flows_part(store: Store, cycle: str | None) -> Part:
    """Newest part of a cycle that holds flows; DataError names the cycle and what it lacks."""
    latest = store.latest() if cycle is None else None
    if cycle is None and latest is None:
        raise DataError(str(store.root), "no cycle is published yet")
    name = cycle or (latest.cycle if latest else "")
    parts = [part for one in reversed(PARTS) if (part := store.find(name, one))]
    if not parts:
        raise DataError(f"cycle {name}", f"is not published in {store.root}")
    for part in parts:
        if (part.folder / "hydro.zarr").is_dir():
            return part
    raise DataError(f"cycle {name}", "has no flows")


def _named(flows: xr.Dataset, settings: Settings) -> xr.Dataset:
    """Flows with ids, station codes, and what reservoirs let out in all."""
    stations = {g.name_zh: g.station for g in read_gauges(settings.hydro.gauges)}
    names = [str(name) for name in flows["gauge_name_zh"].values]
    flows = flows.assign_coords(
        gauge_id=("gauge", np.array([f"gauge-{k}" for k in range(len(names))], object)),
        gauge_station=("gauge", np.array([stations.get(name, "") for name in names], object)),
    )
    if "reservoir" not in flows.dims:
        return flows
    of = settings.hydro.reservoirs
    codes = {} if of is None else {r.id: r.station for r in read_reservoirs(of)}
    ids = [str(one) for one in flows["reservoir_id"].values]
    outflow = flows["reservoir_release"] + flows["reservoir_spill"]
    return flows.assign(
        reservoir_outflow=outflow.assign_attrs(
            attrs("river_discharge") | {"cell_methods": "time: mean"}
        )
    ).assign_coords(
        reservoir_station=("reservoir", np.array([codes.get(one, "") for one in ids], object))
    )


def _chosen(flows: xr.Dataset, request: ExportRequest) -> xr.Dataset:
    """Only the gauges and reservoirs that are asked for; all of them where none is."""
    if not (request.gauges or request.reservoirs):
        return flows
    for kind, wanted in (("gauge", request.gauges), ("reservoir", request.reservoirs)):
        if wanted:
            flows = flows.isel({kind: _rows(flows, kind, wanted)})
        elif kind in flows.dims:
            flows = flows.drop_dims(kind)
    return flows


def _rows(flows: xr.Dataset, kind: str, wanted: Sequence[str]) -> list[int]:
    """Rows of named gauges or reservoirs."""
    known: dict[str, int] = {}
    if kind in flows.dims:
        keys = (f"{kind}_station", f"{kind}_name_zh", f"{kind}_id")
        for name in keys:
            known |= {str(v): k for k, v in enumerate(flows[name].values) if str(v)}
        if kind == "gauge":
            known |= {str(k): k for k in range(flows.sizes["gauge"])}  # as the API numbers them
    for one in wanted:
        if one not in known:
            names = ", ".join(map(str, flows[f"{kind}_name_zh"].values)) if known else "none"
            raise DataError(f"{kind} {one}", f"is not known; there are {names}")
    return [known[one] for one in wanted]


def _rain(flows: xr.Dataset, store: Store, cycle: str, settings: Settings) -> xr.Dataset:
    """Rain over the catchments of the gauges and reservoirs that are exported."""
    reaches, names = _catchments_of(flows)
    full, fast = store.find(cycle, "full"), store.find(cycle, "fast")
    part = next((p for p in (full, fast) if p and (p.folder / "products.zarr").is_dir()), None)
    if part is None or not reaches:
        return xr.Dataset()
    weights = catchments(network_of(settings, store), settings.grid.product(), reaches)
    with part.open("products.zarr") as opened:
        rates = opened["rainfall_rate"].values
        past = opened["rainfall_amount"].isel(lead_time=0).values
        leads, windows = opened["lead_time"].values, opened["window"].values
    ends = to_numpy(parse_cycle_name(cycle)) + leads[1:]
    found = xr.Dataset(
        {
            "areal_rainfall": (("rain_time", "basin"), _steps(rates, leads, weights), _RAIN),
            "areal_rainfall_past": (
                ("window", "basin"),
                areal_mean(past, weights).astype(np.float32),
                attrs("rainfall_amount")
                | {"long_name": "mean over the catchment in the hours up to the analysis time"},
            ),
        },
        coords={
            **names,
            "rain_time": ("rain_time", ends, {"long_name": "end of the step"}),
            "window": ("window", windows, {"units": "h"}),
            "basin_area": (
                "basin",
                np.asarray(weights.sum(axis=1)).ravel(),
                {"units": "km2", "long_name": "area of the catchment on the grid of the rain"},
            ),
        },
    )
    if full is None or not (full.folder / "members.zarr").is_dir():
        return found
    with full.open("members.zarr") as opened:
        members = opened["rainfall_rate"].values
    steps = np.stack([_steps(one, leads, weights) for one in members])
    dims = ("rain_time", "basin")
    spread = np.quantile(steps.cumsum(axis=1), QUANTILES, axis=0).astype(np.float32)
    total = {"long_name": "quantile of the members' rain since the analysis time"}
    return found.assign(
        areal_rainfall_member=(("rain_member", *dims), steps, _RAIN),
        areal_rainfall_total_quantile=(("quantile", *dims), spread, _RAIN | total),
    ).assign_coords(quantile=("quantile", list(QUANTILES), {"units": "1"}))


_RAIN = attrs("rainfall_amount") | {
    "long_name": "mean over the catchment, in the step that ends at rain_time",
    "cell_methods": "rain_time: sum",
}


def _steps(
    rates: NDArray[np.float32], leads: NDArray[np.timedelta64], weights: csr_array
) -> NDArray[np.float32]:
    """Rain (step, catchment) in mm of rates (lead, y, x) in mm/h."""
    amounts = block_amounts(rates, (leads[1] - leads[0]).astype("timedelta64[us]").item(), 1)
    return areal_mean(amounts, weights).astype(np.float32)


def _catchments_of(flows: xr.Dataset) -> tuple[list[int], dict[str, xr.Variable]]:
    """Reaches at the outlets of the catchments, and coordinates of these."""
    reaches: list[int] = []
    texts: dict[str, list[str]] = {"id": [], "station": [], "name_zh": [], "name_en": []}
    for kind in ("gauge", "reservoir"):
        for k in range(flows.sizes.get(kind, 0)):
            reaches.append(int(flows[f"{kind}_reach"].values[k]))
            texts["id"].append(f"basin-{flows[f'{kind}_id'].values[k]}")
            texts["station"].append(str(flows[f"{kind}_station"].values[k]))
            texts["name_zh"].append(f"{flows[f'{kind}_name_zh'].values[k]}以上")
            texts["name_en"].append(f"above {flows[f'{kind}_name_en'].values[k]}")
    names = {
        f"basin_{name}": xr.Variable("basin", np.array(values, object))
        for name, values in texts.items()
    }
    return reaches, names
