"""Small catchments of a published cycle by their critical rain."""

import numpy as np
import xarray as xr

from jinghu.api.flow_schemas import FlashFlood, FlashFloodList
from jinghu.api.flows import Flows, text_of
from jinghu.api.problems import ProblemError
from jinghu.api.published import number


def flash_floods(flows: Flows, min_ratio: float, limit: int) -> FlashFloodList:
    """Those where so large a share of the critical rain falls, worst first.

    Parameters
    ----------
    flows
        Of a cycle.
    min_ratio
        Least share.
    limit
        Most of them that are listed; all are counted.
    """
    data = flows.data
    if "critical_rainfall_ratio" not in data:
        raise ProblemError(404, f"cycle {flows.published.cycle} has no critical rain")
    ratio = data["critical_rainfall_ratio"].transpose("reach", "duration").values
    worst = np.nan_to_num(ratio, nan=-1.0).max(axis=1)
    # The rarer flood first where rain is as far beyond: infinite shares are alike.
    order = np.lexsort((-data["flood_return_period"].values, -worst))
    listed = [int(k) for k in order if worst[k] >= min_ratio][:limit]
    years = float(data.attrs["critical_return_period_years"])
    return FlashFloodList(
        cycle=flows.published.cycle,
        time=flows.published.time,
        terrain_source=flows.terrain_source,
        terrain_generated=flows.terrain_generated,
        design_rain_source=str(data.attrs["design_rain_source"]),
        critical_return_period_years=years,
        durations_h=[int(h) for h in data["duration"].values],
        known=int((worst >= 0).sum()),
        beyond=int((worst >= 1.0).sum()),
        catchments=[_catchment(flows, k, years) for k in listed],
    )


def _catchment(flows: Flows, k: int, critical_years: float) -> FlashFlood:
    one = flows.data.isel(reach=k)
    at = int(np.abs(one["return_period"].values - critical_years).argmin())
    ratio = one["critical_rainfall_ratio"].values
    below = int(one["reach_downstream"].item())
    return FlashFlood(
        reach=int(one["reach"].item()) if "reach" in one.coords else k,
        downstream=below if below >= 0 else None,
        name_zh=text_of(flows.data, "reach", k, "reach_name_zh") or None,
        name_en=text_of(flows.data, "reach", k, "reach_name_en") or None,
        upstream_area_km2=number(one["reach_upstream_area"].item(), 1),
        line=[_place(one, "reach_start_"), _place(one, "reach_")],
        critical_mm=[number(v, 1) for v in one["critical_rainfall"].values],
        ratio=[number(v, 2) for v in ratio],
        beyond=bool((np.nan_to_num(ratio, nan=0.0) >= 1.0).any()),
        return_period_years=number(one["flood_return_period"].item(), 1),
        onset_h=number(one["flood_onset"].values[at], 2),
    )


def _place(one: xr.Dataset, end: str) -> tuple[float, float]:
    """Longitude and latitude of an end of a reach."""
    return round(one[f"{end}lon"].item(), 5), round(one[f"{end}lat"].item(), 5)
