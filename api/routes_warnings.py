"""Warnings: GeoJSON, CAP 1.2 and an Atom feed."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import AfterValidator, AwareDatetime

from jinghu.api.atom import feed_xml
from jinghu.api.deps import DatabaseDep, NowDep
from jinghu.api.http import matches, not_modified, prefers, weak_etag
from jinghu.api.problems import ProblemError, responses
from jinghu.api.schemas import Feature, WarningPage
from jinghu.grid.times import isoformat
from jinghu.warnings import queries
from jinghu.warnings.levels import Hazard, Level

router = APIRouter(prefix="/api/v1/warnings", tags=["warnings"], responses=responses(422, 503))

CAP = "application/cap+xml"
_FEED_ENTRIES = 100


class LevelName(StrEnum):
    """Levels by their English names."""

    BLUE = "blue"
    YELLOW = "yellow"
    ORANGE = "orange"
    RED = "red"


def _sane(time: datetime) -> datetime:
    if not 1970 <= time.year <= 2200:
        raise ValueError("the year is not between 1970 and 2200")
    return time.astimezone(UTC)


Time = Annotated[AwareDatetime, AfterValidator(_sane)]
Identifier = Annotated[str, Path(max_length=96, pattern=r"^[\w.-]+$")]
At = Annotated[Time | None, Query(description="what is active is judged at this time; now else")]


@router.get(
    "",
    summary="Warnings as GeoJSON",
    response_model=WarningPage,
    responses={304: {"description": "Not changed"}},
)
def list_warnings(
    request: Request,
    response: Response,
    connection: DatabaseDep,
    now: NowDep,
    active: Annotated[bool | None, Query(description="only those in force, or only others")] = None,
    level: LevelName | None = None,
    hazard: Hazard | None = None,
    area: Annotated[str | None, Query(pattern=r"^\d{6}$", description="county code")] = None,
    bbox: Annotated[
        str | None, Query(max_length=100, description="west,south,east,north in degrees")
    ] = None,
    cell: Annotated[int | None, Query(ge=0, le=10**9)] = None,
    since: Annotated[Time | None, Query(description="sent after this time")] = None,
    at: At = None,
    after: Annotated[int, Query(ge=0, le=2**53, description="cursor: `next` of a page")] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> WarningPage | Response:
    """Page through the warnings, oldest first; each names its cells and who was told."""
    filters = queries.Filters(
        active=active,
        level=None if level is None else Level[level.name],
        hazard=hazard,
        area=area,
        bbox=None if bbox is None else parse_bbox(bbox),
        cell=cell,
        since=None if since is None else isoformat(since),
    )
    moment = isoformat(at or now)
    etag = weak_etag(queries.version(connection, moment), request.url.query)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if matches(request, etag):
        return not_modified(headers)
    features, following = queries.list_warnings(connection, filters, moment, after, limit)
    response.headers.update(headers)
    return WarningPage(features=features, next=following)


@router.get(
    "/feed.atom",
    summary="The last messages as an Atom feed with links to CAP",
    response_class=Response,
    responses={
        200: {"content": {"application/atom+xml": {"schema": {"type": "string"}}}},
        304: {"description": "Not changed"},
    },
)
def feed(request: Request, connection: DatabaseDep, now: NowDep) -> Response:
    """Feed of the last messages, newest first."""
    etag = weak_etag(queries.version(connection, isoformat(now)), request.url.query)
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if matches(request, etag):
        return not_modified(headers)
    entries = queries.newest_warnings(connection, _FEED_ENTRIES)
    body = feed_xml(entries, str(request.base_url), now)
    return Response(body, headers=headers, media_type="application/atom+xml")


@router.get(
    "/{identifier}.cap",
    summary="One warning as CAP 1.2",
    response_class=Response,
    responses={
        200: {"content": {CAP: {"schema": {"type": "string"}}}},
        **responses(404),
    },
)
def cap(identifier: Identifier, connection: DatabaseDep) -> Response:
    """Return the message byte for byte as it was issued."""
    return _cap(connection, identifier)


@router.get(
    "/{identifier}",
    summary="One warning, as GeoJSON or CAP by Accept",
    response_model=Feature,
    responses={
        200: {"content": {CAP: {"schema": {"type": "string"}}}},
        **responses(404),
    },
)
def warning(
    identifier: Identifier,
    request: Request,
    response: Response,
    connection: DatabaseDep,
    now: NowDep,
    at: At = None,
) -> Feature | Response:
    """Return one warning as a GeoJSON feature, or CAP 1.2 where `application/cap+xml` is asked."""
    if prefers(request, CAP, "application/json"):
        return _cap(connection, identifier)
    response.headers.update({"Cache-Control": "no-cache", "Vary": "Accept"})
    return Feature.model_validate(queries.get_warning(connection, identifier, isoformat(at or now)))


def parse_bbox(text: str) -> tuple[float, float, float, float]:
    """West, south, east, north; a problem where it is no box on Earth."""
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise ProblemError(422, f"bbox {text!r}: wanted west,south,east,north") from None
    if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
        raise ProblemError(422, f"bbox {text!r}: not a box on Earth")
    return west, south, east, north


def _cap(connection: DatabaseDep, identifier: str) -> Response:
    # A message never changes once it is issued.
    headers = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept"}
    return Response(queries.get_cap(connection, identifier), headers=headers, media_type=CAP)
