"""Reservoirs: inflow, level, outflow, free storage, and how sure they are."""

from typing import Annotated

import xarray as xr
from fastapi import APIRouter, Path, Query, Response

from jinghu.api.deps import ContextDep
from jinghu.api.flows import Flows
from jinghu.api.http import cached
from jinghu.api.problems import ProblemError, responses
from jinghu.api.reservoir_schemas import ReservoirForecast, ReservoirList
from jinghu.api.reservoirs import forecast, reservoir_index, reservoirs
from jinghu.api.routes_flows import CycleQuery, flows_asked

router = APIRouter(prefix="/api/v1", tags=["flows"], responses=responses(404, 422, 503))


@router.get("/reservoirs", summary="Reservoirs with their level now and at its highest")
def list_reservoirs(
    context: ContextDep, response: Response, cycle: CycleQuery = None
) -> ReservoirList:
    """List the reservoirs; a problem where the cycle has no flows."""
    flows = flows_asked(context, cycle)
    cached(response, 0)
    return ReservoirList(
        cycle=flows.published.cycle,
        time=flows.published.time,
        terrain_source=flows.terrain_source,
        terrain_generated=flows.terrain_generated,
        reservoirs=reservoirs(flows),
    )


@router.get("/reservoirs/{reservoir}", summary="One reservoir over time")
def reservoir_forecast(
    reservoir: Annotated[str, Path(max_length=64)],
    context: ContextDep,
    response: Response,
    cycle: CycleQuery = None,
    quantiles: Annotated[
        bool, Query(description="of the members: run when first asked for, some seconds")
    ] = False,
) -> ReservoirForecast:
    """Inflow, outflow, level, storage and free storage of one reservoir.

    Quantiles are those of the flood model run for each member of the cycle's rain; a problem where
    the cycle has no members or its state is not kept any more.
    """
    flows = flows_asked(context, cycle)
    index = reservoir_index(flows, reservoir)
    members = _members(context, flows) if quantiles else None
    cached(response, 0)
    return forecast(flows, index, members)


def _members(context: ContextDep, flows: Flows) -> xr.Dataset:
    if context.flow_jobs is None:
        raise ProblemError(503, "flows of members are not offered by this service")
    if not context.exporting.acquire(blocking=False):
        raise ProblemError(
            503, "another run is under way; try again in some seconds", {"Retry-After": "10"}
        )
    try:
        return context.flow_jobs.members(flows.published.cycle)
    finally:
        context.exporting.release()
