"""What-if dispatch of reservoirs: a job that the umbrella hands in, one at a time."""

from fastapi import APIRouter, Response

from jinghu.api.deps import ContextDep
from jinghu.api.dispatch_schemas import DispatchAnswer, DispatchRequest
from jinghu.api.guard import WhatIfKey
from jinghu.api.problems import ProblemError, responses
from jinghu.grid.errors import ConfigError

router = APIRouter(
    prefix="/api/v1", tags=["dispatch"], responses=responses(401, 403, 404, 422, 429, 503)
)


@router.post("/dispatch", summary="What a release would change; a proposal for a basin")
def what_if(
    _: WhatIfKey, request: DispatchRequest, context: ContextDep, response: Response
) -> DispatchAnswer:
    """Run a schedule, constraints or a proposal from the state of a cycle.

    Nothing is stored. One runs at a time: a second is told to come again.
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
    response.headers["Cache-Control"] = "no-store"
    return answer
