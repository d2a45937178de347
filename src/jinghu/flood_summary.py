"""A flood forecast in some numbers, for reports and manifests."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from jinghu.hydro.gauges import PlacedGauge
from jinghu.hydro.network import RiverNetwork


def summary_of(
    network: RiverNetwork, gauges: Sequence[PlacedGauge], flows: xr.Dataset
) -> dict[str, object]:
    """Flows of each gauge now and at the peak, reservoirs, and on what terrain they rest."""
    times = flows["time"].values.astype("datetime64[us]")
    rows: list[dict[str, object]] = []
    for column, placed in enumerate(gauges):
        flow = flows["gauge_discharge"].values[:, column]
        level = flows["water_level"].values[:, column]
        peak = int(flow.argmax())
        row: dict[str, object] = {
            "name_zh": placed.gauge.name_zh,
            "name_en": placed.gauge.name_en,
            "river": placed.gauge.river,
            "upstream_km2": round(float(network.upstream_area_km2[placed.reach])),
            "now_m3s": round(float(flow[0]), 1),
            "peak_m3s": round(float(flow[peak]), 1),
            "peak_time": f"{times[peak]!s:.19}Z",
            "level_m": round(float(level[0]), 2),
            "peak_level_m": round(float(level[peak]), 2),
        }
        for name in ("warning_level_m", "guarantee_level_m"):
            if np.isfinite(value := getattr(placed.gauge, name)):
                row[name] = value
        rows.append(row)
    return {
        "reaches": network.n_reaches,
        "gauges": rows,
        "reservoirs": _reservoirs(flows),
        "terrain": network.terrain_source,
        "balance_error": flows.attrs["water_balance_error"],
    }


def _reservoirs(flows: xr.Dataset) -> list[dict[str, object]]:
    """Levels and flows of each reservoir now and at the highest."""
    if "reservoir" not in flows.dims:
        return []
    rows: list[dict[str, object]] = []
    for k in range(flows.sizes["reservoir"]):
        one = flows.isel(reservoir=k)
        level = one["reservoir_level"].values
        outflow = (one["reservoir_release"] + one["reservoir_spill"]).values
        top = int(level.argmax())
        rows.append(
            {
                "id": str(one["reservoir_id"].item()),
                "name_zh": str(one["reservoir_name_zh"].item()),
                "level_m": round(float(level[0]), 2),
                "flood_limit_m": round(float(one["reservoir_flood_limit"][0]), 2),
                "highest_m": round(float(level[top]), 2),
                "highest_time": f"{one['time'].values[top].astype('datetime64[s]')!s}Z",
                "peak_inflow_m3s": round(float(one["reservoir_inflow"].max()), 1),
                "peak_outflow_m3s": round(float(outflow.max()), 1),
                "free_storage_m3": round(float(one["reservoir_free_storage"][0])),
                "rule": str(one["reservoir_rule"][0].item()),
            }
        )
    return rows
