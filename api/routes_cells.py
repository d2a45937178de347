"""Storm cells of a cycle."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from jinghu.api.deps import CYCLE_PATTERN, ContextDep, existing_cycle
from jinghu.api.http import cached
from jinghu.api.problems import ProblemError, responses
from jinghu.api.schemas import StormCells

router = APIRouter(prefix="/api/v1", tags=["cells"], responses=responses(404, 422, 503))

_PRODUCT = "cells.geojson"


@router.get("/cells", summary="Storm cells with their paths and forecast places")
def cells(
    context: ContextDep,
    response: Response,
    cycle: Annotated[
        str | None, Query(pattern=CYCLE_PATTERN, description="the newest where absent")
    ] = None,
) -> StormCells:
    """Return the cells as GeoJSON; a problem where the cycle has none of this product."""
    if cycle is None:
        latest = context.store.latest()
        if latest is None:
            raise ProblemError(404, "no cycle is published yet")
        cycle = latest.cycle
    part = context.store.newest_part(existing_cycle(cycle))
    if part is None:
        raise ProblemError(404, f"cycle {cycle} is not published")
    if _PRODUCT not in part.manifest()["products"]:
        raise ProblemError(404, f"cycle {cycle} has no storm cells")
    cached(response, 0)
    return StormCells.model_validate({"cycle": cycle, **part.read_json(_PRODUCT)})
