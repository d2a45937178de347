"""Answers of responsible persons through their signed links; a GET never changes anything."""

import json
from typing import Annotated, Any
from urllib.parse import parse_qs

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool

from jinghu.api.deps import ContextDep, NowDep
from jinghu.api.phone import refused_page, task_page
from jinghu.api.problems import ProblemError, responses
from jinghu.api.schemas import TaskAnswer
from jinghu.grid.errors import ConfigError, DataError
from jinghu.warnings.acknowledge import Answer, answer, read_token
from jinghu.warnings.database import reading
from jinghu.warnings.queries import get_task, list_silent

router = APIRouter(tags=["tasks"])

TokenPath = Annotated[str, Path(max_length=512, description="signed single-purpose link")]
_MAX_BODY = 16_384
_FORM = "application/x-www-form-urlencoded"
_PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid")
    answer: Answer
    note: str = Field("", max_length=1000)


_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            kind: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "answer": {"type": "string", "enum": [a.value for a in Answer]},
                        "note": {"type": "string", "maxLength": 1000},
                    },
                    "required": ["answer"],
                }
            }
            for kind in ("application/json", _FORM)
        },
    }
}


@router.get(
    "/t/{token}",
    summary="Phone page of a task",
    response_class=HTMLResponse,
    responses={
        404: {"description": "The link is not good", "content": {"text/html": {}}},
        **responses(422, 503),
    },
)
def page(token: TokenPath, context: ContextDep, now: NowDep) -> HTMLResponse:
    """Show what, where and what to do, with three buttons; opening it answers nothing."""
    try:
        link = read_token(token, context.answer_key, now)
        with reading(context.engine) as connection:
            task = get_task(connection, link.event_id, link.recipient_id)
            silent = list_silent(connection, link.event_id, link.recipient_id)
    except DataError as error:
        return HTMLResponse(refused_page(error.cause), 404, _PRIVATE)
    return HTMLResponse(
        task_page(token, task, _county(context, task["county"]), now, silent), headers=_PRIVATE
    )


@router.post(
    "/api/v1/tasks/{token}",
    summary="Answer: received, handled, or cannot handle",
    response_model=TaskAnswer,
    responses={
        303: {"description": "Answer of a form: back to the page"},
        **responses(404, 413, 415, 422, 503),
    },
    openapi_extra=_BODY,
)
async def respond(
    token: TokenPath, request: Request, context: ContextDep, now: NowDep
) -> TaskAnswer | Response:
    """Record an answer; a later one replaces an earlier one, a closed task stays closed."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    said = _parse(kind, await _body(request))

    def record() -> str:
        link = read_token(token, context.answer_key, now)
        return answer(context.engine, link, said.answer, said.note, now, context.answer_within())

    status = await run_in_threadpool(record)
    if kind == _FORM:
        return RedirectResponse(f"/t/{token}", 303, _PRIVATE)
    return TaskAnswer.model_validate({"status": status})


async def _body(request: Request) -> bytes:
    """Read the body, no more than a note can need."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_BODY:
            raise ProblemError(413, f"the answer is longer than {_MAX_BODY} bytes")
    return body


def _parse(kind: str, body: bytes) -> _Said:
    try:
        if kind == _FORM:
            fields = parse_qs(body.decode("utf-8"), keep_blank_values=True, max_num_fields=10)
            value: Any = {name: values[-1] for name, values in fields.items()}
        elif kind == "application/json":
            value = json.loads(body)
        else:
            raise ProblemError(415, f"answers are application/json or {_FORM}, not {kind!r}")
        return _Said.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise ProblemError(422, f"{place}: {first['msg']}") from None
    except (ValueError, RecursionError) as error:
        raise ProblemError(422, f"the body cannot be read: {error}") from None


def _county(context: ContextDep, code: str) -> tuple[str, str]:
    try:
        known = {c.code: (c.name_zh, c.name_en) for c in context.units.counties}
    except ConfigError:
        return code, code
    return known.get(code, (code, code))
