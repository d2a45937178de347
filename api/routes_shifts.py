"""The duty roster: who is on shift when, for those who keep it."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from jinghu.api.deps import ContextDep, NowDep
from jinghu.api.guard import PeopleKey, RosterKey, unit_within
from jinghu.api.problems import ProblemError, responses
from jinghu.grid.errors import ConfigError
from jinghu.warnings.database import reading
from jinghu.warnings.levels import Role
from jinghu.warnings.shifts import NewShift, Shift, add_shifts, gaps, list_shifts, remove_shift

router = APIRouter(
    prefix="/api/v1/shifts", tags=["people"], responses=responses(401, 403, 404, 422, 429, 503)
)
_AHEAD = timedelta(days=7)
_MOST = 1000
Unit = Annotated[str | None, Query(max_length=16, description="that of the key where absent")]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ShiftEntry(_Model):
    """One shift of a duty."""

    shift: int
    person: str = Field(description="id of the duty")
    name: str
    role: Role
    role_zh: str
    unit_code: str
    unit_name: str
    starts: AwareDatetime
    ends: AwareDatetime


class GapEntry(_Model):
    """A duty that has a roster and nobody on shift now: all who hold it are told."""

    role: Role
    role_zh: str
    unit_code: str
    unit_name: str


class ShiftPage(_Model):
    """The roster of a unit and of those below it."""

    shifts: list[ShiftEntry]
    gaps: list[GapEntry]


class ShiftWish(_Model):
    """A shift to be added."""

    person: str = Field(min_length=1, max_length=64)
    starts: AwareDatetime
    ends: AwareDatetime


class ShiftNumbers(_Model):
    """Numbers of the shifts, in the order in which they were asked for."""

    shifts: list[int]


@router.get("", summary="Who is on shift when, and where nobody is")
def shifts(
    key: PeopleKey,
    context: ContextDep,
    now: NowDep,
    response: Response,
    unit: Unit = None,
    start: Annotated[AwareDatetime | None, Query(description="now where absent")] = None,
    end: Annotated[AwareDatetime | None, Query(description="a week later where absent")] = None,
) -> ShiftPage:
    """Shifts that touch a period, and the gaps of this moment."""
    response.headers["Cache-Control"] = "no-store"
    within, first = unit_within(key, unit), start or now
    with reading(context.engine) as connection:
        found = list_shifts(connection, within, first, end or first + _AHEAD, _MOST)
        open_now = [one for one in gaps(connection, now) if one.unit_code.startswith(within)]
    return ShiftPage(
        shifts=[_entry(one) for one in found],
        gaps=[
            GapEntry(
                role=one.role,
                role_zh=one.role.zh,
                unit_code=one.unit_code,
                unit_name=one.unit_name,
            )
            for one in open_now
        ],
    )


@router.post("", summary="Add shifts, all or none", status_code=201)
def add(
    key: RosterKey,
    asked: Annotated[list[ShiftWish], Field(min_length=1, max_length=_MOST)],
    context: ContextDep,
    now: NowDep,
) -> ShiftNumbers:
    """Add shifts of duties of the key's unit; the audit names who did."""
    try:
        wanted = [NewShift(one.person, one.starts, one.ends) for one in asked]
        with context.engine.begin() as connection:
            numbers = add_shifts(connection, wanted, key.actor, now, key.unit)
    except ConfigError as error:
        raise ProblemError(422, str(error)) from None
    return ShiftNumbers(shifts=numbers)


@router.delete("/{shift}", summary="Take a shift off the roster", status_code=204)
def remove(
    key: RosterKey,
    shift: Annotated[int, Path(ge=1, le=2**53)],
    context: ContextDep,
    now: NowDep,
) -> None:
    """Take a shift of the key's unit off the roster; the audit names who did."""
    with context.engine.begin() as connection:
        remove_shift(connection, shift, key.actor, now, key.unit)


def _entry(one: Shift) -> ShiftEntry:
    return ShiftEntry(
        shift=one.shift_id,
        person=one.person,
        name=one.name,
        role=one.role,
        role_zh=one.role.zh,
        unit_code=one.unit_code,
        unit_name=one.unit_name,
        starts=one.starts,
        ends=one.ends,
    )
