"""Flows as files for other programs: a job of the umbrella, which the service is handed."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from jinghu.api.deps import ContextDep
from jinghu.api.export_schemas import ExportFormat, ExportRequest
from jinghu.api.flows import gauge_index
from jinghu.api.problems import ProblemError, responses
from jinghu.api.reservoirs import reservoir_index
from jinghu.api.routes_flows import CycleQuery, flows_asked

router = APIRouter(prefix="/api/v1", tags=["flows"], responses=responses(404, 422, 503))

_WAIT_S = 30.0  # for the one that is being made
_MEDIA = ("text/csv", "application/x-netcdf", "application/xml", "application/zip")
_FILE: dict[int | str, dict[str, object]] = {
    200: {
        "description": "The file",
        "content": {m: {"schema": {"type": "string", "format": "binary"}} for m in _MEDIA},
    }
}


@router.get(
    "/exports/flows",
    summary="Flows of a cycle as CSV, NetCDF (CF), PI-XML or SL 323 tables",
    response_class=Response,
    responses=_FILE,
)
def export_flows(
    context: ContextDep,
    file_format: Annotated[ExportFormat, Query(alias="format")] = ExportFormat.CSV,
    cycle: CycleQuery = None,
    gauge: Annotated[list[str] | None, Query(description="its number, as /gauges has it")] = None,
    reservoir: Annotated[list[str] | None, Query(description="its id")] = None,
) -> Response:
    """Hydrographs at gauges and reservoirs and rain over their catchments; all where none is named.

    One is made at a time. Members of flows are run by the command line only.
    """
    flows = flows_asked(context, cycle)
    for one in gauge or ():
        gauge_index(flows, one)
    for one in reservoir or ():
        reservoir_index(flows, one)
    if context.flow_jobs is None:
        raise ProblemError(503, "exports are not offered by this service")
    wanted = ExportRequest(
        file_format, flows.published.cycle, tuple(gauge or ()), tuple(reservoir or ())
    )
    if not context.exporting.acquire(timeout=_WAIT_S):
        detail = "other exports are under way; try again in some seconds"
        raise ProblemError(503, detail, {"Retry-After": "10"})
    try:
        made = context.flow_jobs.export(wanted)
    finally:
        context.exporting.release()
    return Response(
        made.content,
        media_type=made.media_type,
        headers={"Content-Disposition": f'attachment; filename="{made.name}"'},
    )
