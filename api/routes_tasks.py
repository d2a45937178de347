"""Answers of responsible persons through their signed links; a GET never changes anything."""

from pathlib import Path as FilePath
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from jinghu.api.deps import ContextDep, NowDep
from jinghu.api.forms import FORM, JSON, MULTIPART, fields_of, largest
from jinghu.api.phone import refused_page, task_page
from jinghu.api.phone_below import Below
from jinghu.api.problems import ProblemError, responses
from jinghu.api.schemas import CallRecorded, TaskAnswer
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.times import parse_time
from jinghu.warnings.acknowledge import Answer, Link, answer, read_token
from jinghu.warnings.below import CallOutcome, counts_below, record_call, silent_below
from jinghu.warnings.database import reading
from jinghu.warnings.duties import Duty
from jinghu.warnings.levels import Level, Role
from jinghu.warnings.queries import get_task
from jinghu.warnings.reports import Report, reports_of, store_photo

router = APIRouter(tags=["tasks"])

TokenPath = Annotated[str, Path(max_length=512, description="signed single-purpose link")]
PhotoPath = Annotated[str, Path(pattern=r"^[0-9a-f]{32}\.(jpg|png)$")]
_PRIVATE = {"Cache-Control": "no-store", "X-Robots-Tag": "noindex"}
_FORMS = (FORM, MULTIPART)
M = TypeVar("M", bound=BaseModel)


class _Said(BaseModel):
    """An answer and what is reported with it; fields left empty in a form are none."""

    model_config = ConfigDict(extra="forbid")
    answer: Answer
    note: str = Field("", max_length=1000)
    water_depth_cm: int | None = Field(None, ge=0, le=2000)
    people_moved: int | None = Field(None, ge=0, le=100_000)
    lon: float | None = Field(None, ge=-180, le=180)
    lat: float | None = Field(None, ge=-90, le=90)

    @field_validator("water_depth_cm", "people_moved", "lon", "lat", mode="before")
    @classmethod
    def _empty_is_none(cls, value: object) -> object:
        return None if value == "" else value


class _Called(BaseModel):
    """What came of a telephone call."""

    model_config = ConfigDict(extra="forbid")
    task_id: int = Field(ge=1)
    outcome: CallOutcome
    note: str = Field("", max_length=1000)


def _takes(required: str, properties: dict[str, Any], *kinds: str) -> dict[str, Any]:
    """The part of OpenAPI that says what a body is; forms send numbers as text."""
    schema = {"type": "object", "properties": properties, "required": [required]}
    return {
        "requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds}}
    }


_NOTE = {"type": "string", "maxLength": 1000}
_ANSWER_FIELDS: dict[str, Any] = {
    "answer": {"type": "string", "enum": [a.value for a in Answer]},
    "note": _NOTE,
    "water_depth_cm": {"type": "integer", "minimum": 0, "maximum": 2000},
    "people_moved": {"type": "integer", "minimum": 0, "maximum": 100_000},
    "lon": {"type": "number", "minimum": -180, "maximum": 180},
    "lat": {"type": "number", "minimum": -90, "maximum": 90},
}
_CALL_FIELDS: dict[str, Any] = {
    "task_id": {"type": "integer", "minimum": 1},
    "outcome": {"type": "string", "enum": [o.value for o in CallOutcome]},
    "note": _NOTE,
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
    """Show what, where, what to do and by when, with three buttons; opening it answers nothing."""
    try:
        link = read_token(token, context.answer_key, now)
        with reading(context.engine) as connection:
            task = get_task(connection, link.event_id, link.recipient_id)
            below = _below(connection, link)
            reports = reports_of(connection, link.event_id, link.recipient_id)
    except DataError as error:
        return HTMLResponse(refused_page(error.cause), 404, _PRIVATE)
    county = _county(context, task["county"])
    shown = task_page(token, task, county, now, below, _duties(context, task), reports)
    return HTMLResponse(shown, headers=_PRIVATE)


@router.get(
    "/t/{token}/photos/{name}",
    summary="A photograph that was sent through this link",
    response_class=FileResponse,
    responses={200: {"content": {"image/jpeg": {}, "image/png": {}}}, **responses(404, 422, 503)},
)
def photo(token: TokenPath, name: PhotoPath, context: ContextDep, now: NowDep) -> FileResponse:
    """Give back a photograph to the one who sent it."""
    link = _link(token, context, now)
    with reading(context.engine) as connection:
        mine = {r.photo for r in reports_of(connection, link.event_id, link.recipient_id)}
    path = _photos(context) / name
    if name not in mine or not path.is_file():
        raise ProblemError(404, "there is no such photograph")
    return FileResponse(path, headers=_PRIVATE)


@router.post(
    "/api/v1/tasks/{token}",
    summary="Answer: received, handled, or cannot handle; with a report",
    response_model=TaskAnswer,
    responses={
        303: {"description": "Answer of a form: back to the page"},
        **responses(404, 413, 415, 422, 503),
    },
    openapi_extra=_takes("answer", _ANSWER_FIELDS, JSON, FORM, MULTIPART),
)
async def respond(
    token: TokenPath, request: Request, context: ContextDep, now: NowDep
) -> TaskAnswer | Response:
    """Record an answer; a later one replaces an earlier one, a closed task stays closed.

    With it come, where there are any, a note, the depth of water, how many were moved, a
    photograph (JPEG or PNG, of which only the picture is kept) and the position (WGS-84).
    """
    kind, fields, picture = await _fields(request)
    said = _checked(_Said, fields)

    def record() -> str:
        link = _link(token, context, now)
        name = None if picture is None else _stored(context, picture)
        position = said.lon is not None and said.lat is not None
        report = Report(
            said.answer.value,
            said.note,
            said.water_depth_cm,
            said.people_moved,
            said.lon if position else None,
            said.lat if position else None,
            name,
        )
        return answer(
            context.engine, link, said.answer, said.note, now, context.answer_within(), report
        )

    status = await run_in_threadpool(record)
    if kind in _FORMS:
        return RedirectResponse(f"/t/{token}", 303, _PRIVATE)
    return TaskAnswer.model_validate({"status": status})


@router.post(
    "/api/v1/tasks/{token}/calls",
    summary="Record a telephone call to somebody whose task has come up",
    response_model=CallRecorded,
    responses={
        303: {"description": "Call of a form: back to the page"},
        **responses(404, 413, 415, 422, 503),
    },
    openapi_extra=_takes("task_id", _CALL_FIELDS, JSON, FORM),
)
async def call(
    token: TokenPath, request: Request, context: ContextDep, now: NowDep
) -> CallRecorded | Response:
    """Write down who was called and what came of it; whoever answers does so through their link."""
    kind, fields, _ = await _fields(request)
    called = _checked(_Called, fields)

    def write() -> None:
        link = _link(token, context, now)
        caller = (link.event_id, link.recipient_id)
        with context.engine.begin() as connection:
            record_call(connection, caller, called.task_id, called.outcome, called.note, now)

    await run_in_threadpool(write)
    if kind in _FORMS:
        return RedirectResponse(f"/t/{token}", 303, _PRIVATE)
    return CallRecorded(outcome=called.outcome)


def _link(token: str, context: ContextDep, now: NowDep) -> Link:
    return read_token(token, context.answer_key, now)


def _below(connection: Connection, link: Link) -> Below:
    return Below(
        counts_below(connection, link.event_id, link.recipient_id),
        silent_below(connection, link.event_id, link.recipient_id),
    )


def _photos(context: ContextDep) -> FilePath:
    return context.settings.store / "photos"


def _stored(context: ContextDep, picture: bytes) -> str:
    try:
        return store_photo(_photos(context), picture)
    except DataError as error:
        raise ProblemError(422, f"photo: {error.cause}") from None


async def _fields(request: Request) -> tuple[str, dict[str, Any], bytes | None]:
    """Type, fields and photograph of a body, no longer than it can need to be."""
    content_type = request.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    limit, body = largest(kind), bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise ProblemError(413, f"the answer is longer than {limit} bytes")
    return (kind, *fields_of(content_type, kind, bytes(body)))


def _checked(model: type[M], fields: dict[str, Any]) -> M:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "body"
        raise ProblemError(422, f"{place}: {first['msg']}") from None


def _duties(context: ContextDep, task: dict[str, Any]) -> list[Duty]:
    """What the role has to do; without a table, the general instruction stands alone."""
    try:
        table = context.duties
    except ConfigError:
        return []
    level, told_at = Level[task["level"].upper()], parse_time(task["told_at"])
    return table.of(task["hazard"], Role(task["role"]), level, told_at)


def _county(context: ContextDep, code: str) -> tuple[str, str]:
    try:
        known = {c.code: (c.name_zh, c.name_en) for c in context.units.counties}
    except ConfigError:
        return code, code
    return known.get(code, (code, code))
