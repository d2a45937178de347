"""Gauges and river reaches."""

from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from jinghu.api.deps import CYCLE_PATTERN, ContextDep, existing_cycle, newest_published
from jinghu.api.flash_floods import flash_floods
from jinghu.api.flow_schemas import FlashFloodList, GaugeList, Hydrograph, Reach
from jinghu.api.flows import (
    Flows,
    flows_of,
    gauge_index,
    gauges,
    observations,
    optional_series,
    reach_index,
    series,
    text_of,
)
from jinghu.api.http import cached
from jinghu.api.problems import ProblemError, responses

router = APIRouter(prefix="/api/v1", tags=["flows"], responses=responses(404, 422, 503))

CycleQuery = Annotated[
    str | None, Query(pattern=CYCLE_PATTERN, description="the newest where absent")
]


@router.get("/gauges", summary="River gauges with their flow now and at its peak")
def list_gauges(context: ContextDep, response: Response, cycle: CycleQuery = None) -> GaugeList:
    """List the gauges; a problem where the cycle has no flows."""
    flows = flows_asked(context, cycle)
    cached(response, 0)
    return GaugeList(
        cycle=flows.published.cycle,
        time=flows.published.time,
        terrain_source=flows.terrain_source,
        terrain_generated=flows.terrain_generated,
        gauges=gauges(flows),
    )


@router.get("/gauges/{gauge}", summary="Hydrograph of a gauge")
def hydrograph(
    gauge: Annotated[str, Path(max_length=64)],
    context: ContextDep,
    response: Response,
    cycle: CycleQuery = None,
) -> Hydrograph:
    """Return discharge and level of one gauge over time, and what it has reported."""
    flows = flows_asked(context, cycle)
    index = gauge_index(flows, gauge)
    cached(response, 0)
    return Hydrograph(
        cycle=flows.published.cycle,
        time=flows.published.time,
        terrain_source=flows.terrain_source,
        terrain_generated=flows.terrain_generated,
        gauge=gauges(flows)[index],
        discharge=series(flows, "gauge_discharge", "gauge", index),
        level=optional_series(flows, "water_level", index),
        discharge_lower=optional_series(flows, "gauge_discharge_lower", index),
        discharge_upper=optional_series(flows, "gauge_discharge_upper", index),
        level_lower=optional_series(flows, "water_level_lower", index),
        level_upper=optional_series(flows, "water_level_upper", index),
        observed_discharge=observations(flows, "observed_discharge", index),
        observed_water_level=observations(flows, "observed_water_level", index),
    )


@router.get("/reaches/{reach}", summary="Flow of a reach of the river network")
def reach_flow(
    reach: Annotated[int, Path(ge=0, le=2**31 - 1)],
    context: ContextDep,
    response: Response,
    cycle: CycleQuery = None,
) -> Reach:
    """Return the discharge of one reach over time."""
    flows = flows_asked(context, cycle)
    index = reach_index(flows, reach)
    cached(response, 0)
    name = text_of(flows.data, "reach", index, "reach_name_zh", "reach_name", "river", "name")
    return Reach(
        cycle=flows.published.cycle,
        time=flows.published.time,
        terrain_source=flows.terrain_source,
        terrain_generated=flows.terrain_generated,
        id=reach,
        name_zh=name or None,
        discharge=series(flows, "river_discharge", "reach", index),
    )


@router.get("/flash-floods", summary="Small catchments whose rain nears their critical rain")
def list_flash_floods(
    context: ContextDep,
    response: Response,
    cycle: CycleQuery = None,
    min_ratio: Annotated[
        float, Query(ge=0, description="least share of the critical rain", allow_inf_nan=False)
    ] = 0.5,
    limit: Annotated[int, Query(ge=1, le=5000)] = 200,
) -> FlashFloodList:
    """List them, worst first; a problem where the cycle has no critical rain."""
    found = flash_floods(flows_asked(context, cycle), min_ratio, limit)
    cached(response, 0)
    return found


def flows_asked(context: ContextDep, cycle: str | None) -> Flows:
    """Flows of the cycle that a request names, of the newest where it names none."""
    if cycle is None:
        return flows_of(newest_published(context))
    found = context.published(existing_cycle(cycle))
    if found is None:
        raise ProblemError(404, f"cycle {cycle} is not published")
    return flows_of(found)
