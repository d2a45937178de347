"""The map under the rain."""

from fastapi import APIRouter, Response

from jinghu.api.deps import ContextDep
from jinghu.api.http import cached
from jinghu.api.mapdata import lattice, outlines, rivers
from jinghu.api.problems import responses
from jinghu.api.routes_frames import geometry
from jinghu.api.schemas import MapAnswer

router = APIRouter(prefix="/api/v1", tags=["map"])


@router.get("/map", summary="Counties, rivers and the grid", responses=responses(500))
def city_map(context: ContextDep, response: Response) -> MapAnswer:
    """Return what a viewer draws under the rain, in metres of the product grid."""
    settings, spec = context.settings, context.spec
    cached(response, 300)
    return MapAnswer(
        city_zh=settings.city.name_zh,
        city_en=settings.city.name_en,
        status=settings.warnings.status,
        grid=geometry(spec),
        outlines=outlines(settings.city.boundaries, settings.city.code, spec),
        rivers=rivers(settings.hydro.rivers, spec),
        lattice=lattice(spec),
    )
