"""The map under the rain."""

from fastapi import APIRouter, Response

from jinghu.api.deps import ContextDep
from jinghu.api.http import cached
from jinghu.api.problems import responses
from jinghu.api.schemas import MapAnswer

router = APIRouter(prefix="/api/v1", tags=["map"])


@router.get("/map", summary="Counties, rivers and the grid", responses=responses(500))
def get_map(context: ContextDep, response: Response) -> MapAnswer:
    """Return what a viewer draws under the rain, in metres of the product grid."""
    cached(response, 300)
    return context.map
