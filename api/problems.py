"""Errors as RFC 9457 problem details: every answer that is not 2xx or 3xx has this form."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy import exc as database_errors
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException

from jinghu.api.schemas import ProblemDetails
from jinghu.grid.errors import ConfigError, DataError, JinghuError

_log = logging.getLogger("jinghu.api")
MEDIA_TYPE = "application/problem+json"


class ProblemError(Exception):
    """Something the client is told in one line, with headers where the status has its own."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        self.status = status
        self.detail = detail
        self.headers = headers
        super().__init__(detail)


def responses(*codes: int) -> dict[int | str, dict[str, Any]]:
    """Entries of OpenAPI for the problems that an endpoint can answer with."""
    schema = {"$ref": "#/components/schemas/ProblemDetails"}
    return {
        code: {
            "description": HTTPStatus(code).phrase,
            "content": {MEDIA_TYPE: {"schema": schema}},
        }
        for code in codes
    }


class ProblemApp(FastAPI):
    """An application whose OpenAPI knows problem details."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document."""
        found = super().openapi()
        schema = ProblemDetails.model_json_schema(ref_template="#/components/schemas/{model}")
        parts = schema.pop("$defs", {})
        found["components"]["schemas"] |= parts | {"ProblemDetails": schema}
        return found


def problem(
    status: int,
    detail: str,
    *,
    errors: list[dict[str, str]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Build the answer; the type is about:blank, so that the title is that of the status."""
    body: dict[str, object] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors is not None:
        body["errors"] = errors
    return JSONResponse(
        body,
        status,
        {"Cache-Control": "no-store", **(headers or {})},
        media_type=MEDIA_TYPE,
    )


def install(app: FastAPI) -> None:
    """Make every error of the application a problem."""
    app.add_exception_handler(ProblemError, _problem_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(JinghuError, _jinghu_error)
    app.add_exception_handler(SQLAlchemyError, _database_error)
    app.add_exception_handler(Exception, _unexpected)


async def _problem_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return problem(error.status, error.detail, headers=error.headers)


async def _http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    details = {
        404: f"there is nothing at {request.url.path}",
        405: f"{request.method} is not possible at {request.url.path}",
    }
    detail = details.get(error.status_code, str(error.detail))
    return problem(error.status_code, detail, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # What was sent is not repeated: it may be anything, NaN for one, which JSON cannot say.
    found = [
        {"where": ".".join(str(part) for part in e["loc"]), "message": str(e["msg"])}
        for e in error.errors()
    ]
    detail = "; ".join(f"{e['where']}: {e['message']}" for e in found)
    return problem(422, detail, errors=found)


async def _jinghu_error(_: Request, error: Exception) -> JSONResponse:
    if isinstance(error, DataError):
        return problem(404, str(error))
    if isinstance(error, ConfigError):
        return problem(500, str(error))
    _log.error("%s", error)
    return problem(503, str(error), headers={"Retry-After": "30"})


async def _database_error(_: Request, error: Exception) -> JSONResponse:
    if isinstance(
        error, database_errors.DataError
    ):  # a zero character, or a number of too many digits
        return problem(422, "a text or a number that the warnings database cannot hold")
    _log.error("warnings database: %s", error)
    text = "the warnings database does not answer"
    return problem(503, text, headers={"Retry-After": "30"})


async def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return problem(500, "an error of the service; its log names the cause")
