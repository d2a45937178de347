"""The printed bulletin of a unit."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from jinghu.api.deps import ContextDep, DatabaseDep, NowDep
from jinghu.api.guard import OptionalKey
from jinghu.api.problems import responses
from jinghu.warnings.bulletin import Names, Press, read_bulletin
from jinghu.warnings.bulletin_pdf import bulletin_pdf
from jinghu.warnings.keys import ApiKey, Right

router = APIRouter(prefix="/api/v1/warnings", tags=["warnings"])

PDF = "application/pdf"


@router.get(
    "/bulletin.pdf",
    summary="What stands in a unit, for print: one A4 page",
    response_class=Response,
    responses={
        200: {"content": {PDF: {"schema": {"type": "string", "format": "binary"}}}},
        **responses(401, 403, 422, 429, 503),
    },
)
def bulletin(
    key: OptionalKey,
    context: ContextDep,
    connection: DatabaseDep,
    now: NowDep,
    unit: Annotated[
        str,
        Query(
            pattern=r"^\d{6}(\d{3}){0,2}$", description="county (6 digits), town (9), village (12)"
        ),
    ],
) -> Response:
    """Draw what stands in a unit, who is responsible there and whether they answered.

    People are named in full to a key that may see the tasks of the unit, by their family name to
    any other key, and not at all without one.
    """
    settings = context.settings
    press = Press(
        context.units,
        settings.city.name_zh,
        settings.city.name_en,
        settings.warnings.status,
        now,
        _names(key, unit),
    )
    found = read_bulletin(connection, press, unit)
    return Response(
        bulletin_pdf([found], context.units, context.spec),
        media_type=PDF,
        headers={
            "Cache-Control": "no-store",
            "Content-Disposition": f'inline; filename="bulletin-{unit}.pdf"',
        },
    )


def _names(key: ApiKey | None, unit: str) -> Names:
    if key is None:
        return Names.NONE
    return Names.FULL if key.may(Right.TASKS) and key.covers(unit) else Names.MASKED
