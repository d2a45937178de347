"""Published cycles."""

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response

from jinghu.api.deps import CYCLE_PATTERN, ContextDep, CycleDep, NowDep
from jinghu.api.http import cached
from jinghu.api.problems import ProblemError, responses
from jinghu.api.schemas import CycleEntry, CycleList, Manifest
from jinghu.grid.store import PARTS
from jinghu.grid.times import parse_cycle_name

router = APIRouter(prefix="/api/v1/cycles", tags=["cycles"])


@router.get("", summary="Published cycles, newest first", responses=responses(422, 503))
def cycles(
    context: ContextDep,
    now: NowDep,
    response: Response,
    limit: Annotated[int, Query(ge=1, le=500)] = 20,
    before: Annotated[
        str | None, Query(pattern=CYCLE_PATTERN, description="only cycles before this one")
    ] = None,
) -> CycleList:
    """List cycles with their published parts."""
    cached(response, 0)
    names = [n for n in context.store.cycles() if before is None or n < before]
    page = names[:limit]
    return CycleList(
        now=now,
        cycles=[
            CycleEntry(
                cycle=name,
                time=parse_cycle_name(name),
                parts=[part for part in PARTS if context.store.find(name, part)],
            )
            for name in page
        ],
        next=page[-1] if len(names) > limit else None,
    )


@router.get(
    "/{cycle}/manifest",
    summary="What a cycle holds and rests on",
    responses=responses(404, 422, 503),
)
def manifest(
    cycle: CycleDep,
    context: ContextDep,
    response: Response,
    part: Annotated[
        Literal["fast", "full"] | None, Query(description="the fullest where absent")
    ] = None,
) -> Manifest:
    """Return the manifest: products, inputs used and refused, degradations, timings."""
    found = context.store.find(cycle, part) if part else context.store.newest_part(cycle)
    if found is None:
        raise ProblemError(404, f"cycle {cycle} is not published")
    cached(response, 0)
    return Manifest.model_validate(found.manifest())
