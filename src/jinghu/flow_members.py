"""Flows of the members: the flood model run with the rain of each, from the cycle's own state."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.api.dispatch_schemas import DispatchRequest
from jinghu.configs.settings import Settings
from jinghu.dispatch import Situation, situation
from jinghu.grid.errors import DataError
from jinghu.hydro.model import depth_m, restaged_m

QUANTILES = (0.1, 0.5, 0.9)
_GAUGES = ("gauge_discharge", "water_level")
_RESERVOIRS = (
    "reservoir_inflow",
    "reservoir_outflow",
    "reservoir_level",
    "reservoir_storage",
    "reservoir_free_storage",
)


def flow_members(flows: xr.Dataset, cycle: str, settings: Settings) -> xr.Dataset:
    """Run the flood model for each member of a cycle's rain.

    What gauges have taught (the correction at the gauge) is laid on every member alike.

    Parameters
    ----------
    flows
        Published flows of the cycle: their times and gauges are those of the result.
    cycle, settings
        Name of the cycle; of the installation.

    Returns
    -------
    ``<variable>_member (member, time, gauge or reservoir)`` and ``<variable>_quantile (quantile,
    time, ...)`` of discharge and level at gauges; inflow, outflow, level, storage and free storage
    of reservoirs. At the analysis time every member has what was published.

    Raises
    ------
    DataError
        Where the cycle has no members, or its state is not kept any more.
    """
    here = situation(DispatchRequest(cycle=cycle), settings)
    if len(here.rain) < 2:
        raise DataError(f"cycle {cycle}", "has no members; cycles with a full part have")
    placed = here.basin.rivers.works.reservoirs
    runs = [here.run(placed, {}, m) for m in range(1, len(here.rain))]
    runs = [_on_times(_with_outflow(run), flows["time"].values) for run in runs]
    factor = _taught(flows)
    found: dict[str, object] = {}
    for name in (*_GAUGES, *_RESERVOIRS):
        if name not in runs[0]:
            continue
        values = _members(runs, name, here, factor)
        published = _published(flows, name)
        values = np.concatenate([np.repeat(published[None, :1], len(runs), axis=0), values], axis=1)
        place = "gauge" if name in _GAUGES else "reservoir"
        told = dict(runs[0][name].attrs)
        spread = np.quantile(values, QUANTILES, axis=0)
        found[f"{name}_member"] = (("member", "time", place), values.astype(np.float32), told)
        found[f"{name}_quantile"] = (("quantile", "time", place), spread.astype(np.float32), told)
    return xr.Dataset(
        found,
        coords={
            "time": flows["time"],
            "member": np.arange(len(runs)),
            "quantile": ("quantile", list(QUANTILES), {"units": "1"}),
        },
    )


def _with_outflow(run: xr.Dataset) -> xr.Dataset:
    if "reservoir_release" not in run:
        return run
    total = run["reservoir_release"] + run["reservoir_spill"]
    return run.assign(reservoir_outflow=total.assign_attrs(run["reservoir_release"].attrs))


def _on_times(run: xr.Dataset, times: NDArray[np.datetime64]) -> xr.Dataset:
    """The run at the published times after the analysis."""
    return run.sel(time=times[1:])


def _published(flows: xr.Dataset, name: str) -> NDArray[np.float64]:
    return np.asarray(_with_outflow(flows)[name].values, np.float64)


def _taught(flows: xr.Dataset) -> NDArray[np.float64] | None:
    """Factor (time, gauge) by which reports have changed the computed discharge; None without."""
    if "gauge_discharge_computed" not in flows:
        return None
    computed = flows["gauge_discharge_computed"].values.astype(np.float64)
    corrected = flows["gauge_discharge"].values.astype(np.float64)
    return np.where(computed > 0, corrected / np.where(computed > 0, computed, 1.0), 1.0)


def _members(
    runs: list[xr.Dataset], name: str, here: Situation, factor: NDArray[np.float64] | None
) -> NDArray[np.float64]:
    """Values (member, time after the analysis, place) with what gauges have taught."""
    values = np.stack([run[name].values for run in runs]).astype(np.float64)
    if factor is None or name not in _GAUGES:
        return values
    if name == "gauge_discharge":
        return values * factor[None, 1:]
    network = here.basin.network
    at = np.array([g.reach for g in here.gauges], np.int64)
    flow = np.stack([run["gauge_discharge"].values for run in runs]).astype(np.float64)
    uniform = network.bed_m[at] + depth_m(network, at, flow)
    stage = network.bed_m[at] + depth_m(network, at, flow * factor[None, 1:])
    changed = np.abs(factor[None, 1:] - 1.0) > 1e-9
    return np.where(changed, restaged_m(values, uniform, stage), values)
