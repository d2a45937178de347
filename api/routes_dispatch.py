"""What-if dispatch of reservoirs: a job that the umbrella hands in, one at a time."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from jinghu.api.deps import ContextDep, NowDep
from jinghu.api.dispatch_schemas import DispatchAnswer, DispatchRequest, Scenario, ScenarioList
from jinghu.api.guard import WhatIfKey
from jinghu.api.problems import ProblemError, responses
from jinghu.api.scenarios import ID_PATTERN, find, keep, kept
from jinghu.grid.errors import ConfigError

router = APIRouter(
    prefix="/api/v1", tags=["dispatch"], responses=responses(401, 403, 404, 422, 429, 503)
)


@router.post("/dispatch", summary="What a release would change; a proposal for a basin")
def what_if(
    key: WhatIfKey, request: DispatchRequest, context: ContextDep, now: NowDep, response: Response
) -> DispatchAnswer:
    """Run a schedule, constraints or a proposal from the state of a cycle.

    Nothing is stored unless ``save_as`` gives it a title. One runs at a time: a second is told to
    come again.
    """
    if context.dispatcher is None:
        raise ProblemError(503, "what-if runs are not offered by this service")
    if not context.dispatching.acquire(blocking=False):
        raise ProblemError(503, "another what-if is running; try again in some seconds")
    try:
        answer = context.dispatcher(request)
    except ConfigError as error:  # of the request: an unknown reservoir or gauge
        raise ProblemError(422, str(error)) from None
    finally:
        context.dispatching.release()
    if request.save_as is not None:
        name = keep(context.store.root, request, answer, now, key.prefix)
        answer = answer.model_copy(update={"scenario": name})
    response.headers["Cache-Control"] = "no-store"
    return answer


@router.get("/dispatch/scenarios", summary="What-ifs that are kept")
def list_scenarios(_: WhatIfKey, context: ContextDep, response: Response) -> ScenarioList:
    """List the kept what-ifs, newest first."""
    response.headers["Cache-Control"] = "no-store"
    return kept(context.store.root)


@router.get("/dispatch/scenarios/{scenario}", summary="One kept what-if")
def one_scenario(
    _: WhatIfKey,
    scenario: Annotated[str, Path(pattern=ID_PATTERN)],
    context: ContextDep,
    response: Response,
) -> Scenario:
    """Return what was wished and what came of it."""
    response.headers["Cache-Control"] = "no-store"
    return find(context.store.root, scenario)
