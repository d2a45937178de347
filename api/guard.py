"""Who asks: the API key of a request, and what it may do."""

import math
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from jinghu.api.deps import Context, ContextDep, NowDep
from jinghu.api.problems import ProblemError
from jinghu.grid.errors import ConfigError
from jinghu.grid.times import isoformat
from jinghu.warnings.database import reading
from jinghu.warnings.keys import ApiKey, KeyRefusedError, Right, authenticate, subtree
from jinghu.warnings.purposes import fits

_CHALLENGE = {"WWW-Authenticate": 'Bearer realm="jinghu"'}
_LONGEST = 128


def needs(right: Right) -> Callable[[Request, Context, NowDep], ApiKey]:
    """Dependency that asks for a key with a right."""

    def holder(request: Request, context: ContextDep, now: NowDep) -> ApiKey:
        key = _key(request, context, now)
        if not key.may(right):
            raise ProblemError(403, f"a {key.scope} key may not do this: it needs {right}")
        return key

    return holder


def reader(request: Request, context: ContextDep, now: NowDep) -> None:
    """Ask for a key where the settings close the public part too (``api.require_key``)."""
    if context.settings.api.require_key:
        _key(request, context, now)


def optional(request: Request, context: ContextDep, now: NowDep) -> ApiKey | None:
    """The key of a request that may come without one; one that is shown has to be good."""
    return _key(request, context, now) if "authorization" in request.headers else None


def unit_within(key: ApiKey, unit: str | None) -> str:
    """The unit that is asked for, the key's own where none is; refuses those of others."""
    if unit is None:
        return key.unit
    try:
        wanted = subtree(unit)
    except ConfigError as error:
        raise ProblemError(422, str(error)) from None
    if not key.covers(wanted):
        raise ProblemError(403, f"unit {unit} is not below {key.unit}, the unit of this key")
    return wanted


def _key(request: Request, context: Context, now: NowDep) -> ApiKey:
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    token = token.strip()
    if kind.lower() != "bearer" or not token:
        detail = "this needs an API key: Authorization: Bearer jh_live_..."
        raise ProblemError(401, detail, _CHALLENGE)
    if len(token) > _LONGEST:
        raise ProblemError(401, "API key: it is not known here", _CHALLENGE)
    try:
        with reading(context.engine) as connection:
            key = authenticate(connection, token, now)
    except KeyRefusedError as error:
        raise ProblemError(401, str(error), _CHALLENGE) from None
    if wait := context.limiter.wait_s(key.prefix):
        detail = f"too many requests with key {key.prefix} at {isoformat(now)}"
        raise ProblemError(429, detail, {"Retry-After": str(math.ceil(wait))})
    status = context.settings.warnings.status
    if not fits(key.purpose, status):
        raise ProblemError(403, f"{key.prefix} is a {key.purpose} key, the service is {status}")
    return key


OptionalKey = Annotated[ApiKey | None, Depends(optional)]
PeopleKey = Annotated[ApiKey, Depends(needs(Right.PEOPLE))]
RosterKey = Annotated[ApiKey, Depends(needs(Right.ROSTER))]
PhoneKey = Annotated[ApiKey, Depends(needs(Right.PHONE))]
TasksKey = Annotated[ApiKey, Depends(needs(Right.TASKS))]
AnswerKey = Annotated[ApiKey, Depends(needs(Right.ANSWER))]
AnyKey = Annotated[ApiKey, Depends(needs(Right.READ))]
KeysKey = Annotated[ApiKey, Depends(needs(Right.KEYS))]
AuditKey = Annotated[ApiKey, Depends(needs(Right.AUDIT))]
WhatIfKey = Annotated[ApiKey, Depends(needs(Right.WHAT_IF))]
IssueKey = Annotated[ApiKey, Depends(needs(Right.ISSUE))]
ApproveKey = Annotated[ApiKey, Depends(needs(Right.APPROVE))]
