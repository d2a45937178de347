"""People and their tasks, for those who answer for a unit: lists, numbers, answers for others."""

from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from jinghu.api.deps import Context, ContextDep, NowDep
from jinghu.api.guard import AnswerKey, PeopleKey, PhoneKey, TasksKey, unit_within
from jinghu.api.people_schemas import (
    OnBehalf,
    PeoplePage,
    PersonEntry,
    PhoneAnswer,
    PhoneQuestion,
    Reason,
    TaskEntry,
    TaskPage,
)
from jinghu.api.problems import ProblemError, responses
from jinghu.api.schemas import TaskAnswer
from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.times import isoformat
from jinghu.warnings.acknowledge import Link, answer
from jinghu.warnings.database import reading
from jinghu.warnings.people import (
    NO_KEYS,
    Look,
    Person,
    find_phone,
    get_person,
    list_people,
    show_phone,
)
from jinghu.warnings.phones import PhoneKeys
from jinghu.warnings.unit_tasks import overdue_of_unit, tasks_of_unit

router = APIRouter(
    prefix="/api/v1", tags=["people"], responses=responses(401, 403, 404, 422, 429, 503)
)

PersonPath = Annotated[str, Path(max_length=64, description="id of the person")]
Unit = Annotated[str | None, Query(max_length=16, description="that of the key where absent")]
_MOMENT = timedelta(minutes=1)


@router.get("/people", summary="People of a unit; numbers are masked")
def people(
    key: PeopleKey,
    context: ContextDep,
    response: Response,
    unit: Unit = None,
    after: Annotated[int, Query(ge=0, le=2**53)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> PeoplePage:
    """Page through the people of a unit and of those below it."""
    _private(response)
    with reading(context.engine) as connection:
        found = list_people(
            connection, context.phone_keys(), unit_within(key, unit), after, limit + 1
        )
    more = found[limit - 1].recipient_id if len(found) > limit else None
    return PeoplePage(people=[_entry(person) for person in found[:limit]], next=more)


@router.post("/people/search", summary="Whose number is it")
def search(
    key: PeopleKey, asked: PhoneQuestion, context: ContextDep, response: Response
) -> PeoplePage:
    """Find people by a number, which is not stored: a keyed digest of it is looked up."""
    _private(response)
    keys = _phone_keys(context)
    try:
        with reading(context.engine) as connection:
            found = find_phone(connection, keys, asked.phone, key.unit)
    except DataError as error:
        raise ProblemError(422, str(error)) from None
    return PeoplePage(people=[_entry(person) for person in found], next=None)


@router.get("/people/{person}", summary="One person; the number is masked")
def one(key: PeopleKey, person: PersonPath, context: ContextDep, response: Response) -> PersonEntry:
    """Return somebody of the key's unit, or of those below it."""
    _private(response)
    with reading(context.engine) as connection:
        return _entry(get_person(connection, context.phone_keys(), person, key.unit))


@router.post("/people/{person}/phone", summary="A number in full; the look is in the audit")
def phone(
    key: PhoneKey,
    person: PersonPath,
    asked: Reason,
    context: ContextDep,
    now: NowDep,
    response: Response,
) -> PhoneAnswer:
    """Show the number of somebody, and write down who looked and why."""
    _private(response)
    keys = _phone_keys(context)
    look = Look(key.actor, asked.reason, now)
    try:
        with context.engine.begin() as connection:
            number = show_phone(connection, keys, person, look, key.unit)
    except ConfigError as error:
        raise ProblemError(422, str(error)) from None
    return PhoneAnswer(person=person, phone=number)


@router.post("/people/{person}/answers", summary="Answer for somebody who was called")
def answer_for(
    key: AnswerKey, person: PersonPath, said: OnBehalf, context: ContextDep, now: NowDep
) -> TaskAnswer:
    """Write down what somebody of the key's unit said; the audit names who did."""
    with reading(context.engine) as connection:
        found = get_person(connection, None, person, key.unit)
    link = Link(said.event, found.recipient_id, now + _MOMENT, by=key.actor)
    status = answer(context.engine, link, said.answer, said.note, now, context.answer_within())
    return TaskAnswer.model_validate({"status": status})


@router.get("/tasks", summary="Who was asked what, and who is silent")
def tasks(
    key: TasksKey,
    context: ContextDep,
    now: NowDep,
    response: Response,
    unit: Unit = None,
    silent: Annotated[bool, Query(description="only those that are not answered")] = False,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> TaskPage:
    """Tasks of open events in a unit and in those below it, the overdue ones first."""
    _private(response)
    within, stamp = unit_within(key, unit), isoformat(now)
    with reading(context.engine) as connection:
        found = tasks_of_unit(connection, context.phone_keys(), within, silent, limit)
        overdue = overdue_of_unit(connection, within, stamp)
    return TaskPage(tasks=[TaskEntry.model_validate(task) for task in found], overdue=overdue)


def _private(response: Response) -> None:
    response.headers["Cache-Control"] = "no-store"


def _phone_keys(context: Context) -> PhoneKeys:
    keys = context.phone_keys()
    if keys is None:
        raise ConfigError(NO_KEYS)
    return keys


def _entry(person: Person) -> PersonEntry:
    return PersonEntry(
        person=person.person,
        name=person.name,
        role=person.role,
        role_zh=person.role.zh,
        unit_code=person.unit_code,
        unit_name=person.unit_name,
        lon=person.lon,
        lat=person.lat,
        cell_id=person.cell_id,
        phone=person.phone,
        holder=person.holder,
    )
