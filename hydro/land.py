"""Flow of a network without works under rain that is the same everywhere, many rains at once."""

from dataclasses import dataclass

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from jinghu.hydro import runoff
from jinghu.hydro.model import Basin, lateral
from jinghu.hydro.routing import RoutingMethod, route
from jinghu.hydro.runoff import RunoffParams
from jinghu.hydro.trees import accumulate_rows


@dataclass(frozen=True, slots=True)
class Land:
    """What uniform rain falls on.

    Parameters
    ----------
    basin
        Network and runoff units; its works are left out.
    stores_mm
        (unit, store) of the soil at the start.
    params, method
        Of the runoff model; of routing.
    """

    basin: Basin
    stores_mm: NDArray[np.float64]
    params: RunoffParams
    method: RoutingMethod


def peaks(
    land: Land, rain_mm: NDArray[np.float64], step_s: float, workers: int = 1
) -> NDArray[np.float64]:
    """Largest discharge (reach, member) in m3/s under uniform rain (time, member) in mm a step.

    As the rain is the same everywhere, one run tells of every catchment at once. Channels start
    from the steady flow under what the soil gives in a step without rain.
    """
    steps, members = rain_mm.shape
    units = len(land.basin.cell_id)
    n = land.basin.network.n_reaches
    still = runoff.run(np.zeros((1, units)), land.stores_mm, step_s, land.params)
    inflow = np.empty((steps + 1, n, members))
    inflow[0] = lateral(land.basin, still.runoff_mm, step_s)[0][:, None]
    for member in range(members):
        rain = np.repeat(rain_mm[:, member, None], units, axis=1)
        run = runoff.run(rain, land.stores_mm, step_s, land.params)
        inflow[1:, :, member] = lateral(land.basin, run.runoff_mm, step_s)
    times = np.arange(steps + 1) * step_s
    routed = route(
        land.basin.network,
        xr.DataArray(inflow, dims=("time", "reach", "member"), coords={"time": times}),
        method=land.method,
        step_s=step_s,
        workers=workers,
    )
    return np.asarray(routed["river_discharge"].max("time").transpose("reach", "member").values)


def catchment_rain(basin: Basin, rain_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean rain (time, reach) in mm over all that drains through each reach.

    Parameters
    ----------
    basin
        Network and runoff units.
    rain_mm
        (time, unit) in mm.
    """
    area = accumulate_rows(
        basin.network.downstream.astype(np.int64),
        np.asarray(basin.weights.sum(axis=1), np.float64).reshape(-1, 1),
    )
    local = np.ascontiguousarray(basin.weights @ rain_mm.T)
    volume = accumulate_rows(basin.network.downstream.astype(np.int64), local)
    with np.errstate(invalid="ignore"):
        return np.asarray((volume / np.where(area > 0, area, np.nan)).T)


def regulated(basin: Basin) -> NDArray[np.bool_]:
    """Reaches (reach,) with a reservoir or a gate at them or above them."""
    below = np.zeros((basin.network.n_reaches, 1))
    below[[int(r) for r in basin.rivers.works.reaches], 0] = 1.0
    return accumulate_rows(basin.network.downstream.astype(np.int64), below)[:, 0] > 0
