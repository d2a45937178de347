"""Decisions upon warnings: issue, raise, lower, end, hold, approve, refuse; each with a key."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel
from sqlalchemy import Connection

from jinghu.api.decision_schemas import (
    CancelRequest,
    Decided,
    HoldEntry,
    HoldList,
    HoldRequest,
    IssueRequest,
    LevelRequest,
    Note,
    ProposalEntry,
    ProposalList,
    Said,
)
from jinghu.api.deps import Context, ContextDep, DatabaseDep, NowDep
from jinghu.api.desk import Desk
from jinghu.api.guard import AnyKey, ApproveKey, IssueKey, unit_within
from jinghu.api.problems import ProblemError, responses
from jinghu.grid.errors import ConfigError, DataError
from jinghu.warnings.decisions import (
    NotAllowedError,
    TooLateError,
    decide_hold,
    decide_proposal,
    release_hold,
)
from jinghu.warnings.holds import Hold, HoldKind, standing_holds
from jinghu.warnings.keys import ApiKey
from jinghu.warnings.levels import Level
from jinghu.warnings.office import Office, Summary
from jinghu.warnings.proposals import Proposal, get_proposal, list_proposals
from jinghu.warnings.queries import OpenEvent, open_event
from jinghu.warnings.requests import OtherRequestError, digest_of, recall, remember
from jinghu.warnings.subjects import Subject

router = APIRouter(
    prefix="/api/v1", tags=["decisions"], responses=responses(401, 403, 404, 409, 422, 429, 503)
)

_USUAL = timedelta(hours=6)
Identifier = Annotated[str, Path(max_length=96, pattern=r"^[\w.-]+$")]
Number = Annotated[int, Path(ge=1, le=2**53)]
Once = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=r"^[\x21-\x7e]{1,64}$",
        description="the same request again, with the same key, is done once",
    ),
]
Unit = Annotated[str | None, Query(max_length=16, description="that of the key where absent")]
Work = Callable[[Connection, Office], Decided]


class Decider:
    """One request of somebody who decides: done once, in one transaction, then handed over."""

    def __init__(
        self,
        request: Request,
        context: ContextDep,
        now: NowDep,
        background: BackgroundTasks,
        once: Once = None,
    ) -> None:
        self.path = request.url.path
        self.context = context
        self.now = now
        self.background = background
        self.once = once

    def __call__(self, key: ApiKey, body: BaseModel, work: Work) -> Decided:
        """Do it, unless it was done before; a problem where it cannot be."""
        desk = _desk(self.context)
        office, digest = desk.office(), digest_of(self.path, body.model_dump(mode="json"))
        try:
            with self.context.engine.begin() as connection:
                answer = self._before(connection, key, digest)
                if answer is not None:
                    return answer
                answer = work(connection, office)
                if self.once is not None:
                    words = answer.model_dump(mode="json")
                    remember(connection, key.prefix, self.once, digest, words, self.now)
        except NotAllowedError as error:
            raise ProblemError(403, str(error)) from None
        except TooLateError as error:
            raise ProblemError(409, str(error)) from None
        except (OtherRequestError, ConfigError) as error:
            raise ProblemError(422, str(error)) from None
        if answer.warnings:
            self.background.add_task(desk.hand_over)
        return answer

    def _before(self, connection: Connection, key: ApiKey, digest: str) -> Decided | None:
        if self.once is None:
            return None
        found = recall(connection, key.prefix, self.once, digest)
        return None if found is None else Decided.model_validate(found)

    def until(self, asked: datetime | None) -> datetime:
        """End of a hold."""
        return self.now + _USUAL if asked is None else asked.astimezone(UTC)


DeciderDep = Annotated[Decider, Depends(Decider)]


@router.post("/warnings", summary="Issue a warning", status_code=201)
def issue(key: IssueKey, asked: IssueRequest, decide: DeciderDep) -> Decided:
    """Issue a warning, or raise one: it is held at the level, in the cells, until `until`.

    It goes the way of every warning. Where its level needs a second person it stands at the
    highest level that does not, and the rest waits (`proposals`).
    """
    place = asked.place
    if place is not None and asked.cells is None:
        raise ProblemError(422, "a warning of a gauge or reservoir names its cells")
    wanted = Hold(
        asked.hazard,
        asked.county,
        place.key if place else "",
        HoldKind.AT_LEAST,
        Level[asked.level.upper()],
        asked.reason,
        key.actor,
        decide.until(asked.until),
        tuple(sorted(set(asked.cells or ()))),
    )
    subject = None if place is None else Subject(place.key, place.name_zh, place.name_en)
    return decide(key, asked, lambda c, office: _held(c, office, key, wanted, decide.now, subject))


@router.post("/warnings/{identifier}/level", summary="Raise or lower a warning")
def change_level(
    key: IssueKey, identifier: Identifier, asked: LevelRequest, decide: DeciderDep
) -> Decided:
    """Give the event of a warning another level, and hold it there until `until`."""

    def work(connection: Connection, office: Office) -> Decided:
        of = _open(connection, office, identifier)
        level = Level[asked.level.upper()]
        kind = HoldKind.AT_MOST if level < of.level else HoldKind.AT_LEAST
        wanted = _hold_on(of, kind, level, asked.reason, key, decide.until(asked.until))
        return _held(connection, office, key, wanted, decide.now)

    return decide(key, asked, work)


@router.post("/warnings/{identifier}/cancel", summary="End a warning")
def cancel(
    key: IssueKey, identifier: Identifier, asked: CancelRequest, decide: DeciderDep
) -> Decided:
    """End the event of a warning; nothing is warned of there again until `until`."""

    def work(connection: Connection, office: Office) -> Decided:
        of = _open(connection, office, identifier)
        until = decide.until(asked.until)
        wanted = _hold_on(of, HoldKind.AT_MOST, Level.NONE, asked.reason, key, until)
        return _held(connection, office, key, wanted, decide.now)

    return decide(key, asked, work)


@router.get("/holds", summary="Decisions against the rules that count now")
def holds(
    key: AnyKey, context: ContextDep, connection: DatabaseDep, now: NowDep, unit: Unit = None
) -> HoldList:
    """List the holds of a unit and of those below it."""
    within, status = unit_within(key, unit), context.settings.warnings.status
    found = standing_holds(connection, status, now)
    return HoldList(holds=[_hold(n, one) for n, one in found if one.county.startswith(within)])


@router.post("/holds", summary="Decide against the rules for a while", status_code=201)
def hold(key: IssueKey, asked: HoldRequest, decide: DeciderDep) -> Decided:
    """Keep, raise or cap what a county, gauge or reservoir is warned of; it counts at once."""
    wanted = Hold(
        asked.hazard,
        asked.county,
        asked.place or "",
        asked.kind,
        Level[asked.level.upper()],
        asked.reason,
        key.actor,
        decide.until(asked.until),
        tuple(sorted(set(asked.cells or ()))),
    )
    return decide(key, asked, lambda c, office: _held(c, office, key, wanted, decide.now))


@router.post("/holds/{number}/end", summary="End a hold before its time")
def end(key: IssueKey, number: Number, asked: Said, decide: DeciderDep) -> Decided:
    """Let the rules decide again, from the next cycle on."""

    def work(connection: Connection, office: Office) -> Decided:
        of = dict(standing_holds(connection, office.status, decide.now)).get(number)
        if of is None:
            raise DataError(f"hold {number}", "there is none that holds")
        _allowed(key, of.county)
        release_hold(connection, office, number, key.actor, asked.reason, decide.now)
        return Decided(hold=number, warnings=[], proposals=[])

    return decide(key, asked, work)


@router.get("/proposals", summary="Steps that wait for a second person")
def proposals(
    key: AnyKey,
    context: ContextDep,
    connection: DatabaseDep,
    now: NowDep,
    response: Response,
    unit: Unit = None,
    waiting: Annotated[bool, Query(description="only those that wait now")] = True,
    limit: Annotated[int, Query(ge=1, le=500)] = 100,
) -> ProposalList:
    """List the proposals of a unit and of those below it, the newest first."""
    response.headers["Cache-Control"] = "no-store"
    within, status = unit_within(key, unit), context.settings.warnings.status
    found = list_proposals(connection, status, within, waiting, limit)
    return ProposalList(now=now, proposals=[_entry(one) for one in found])


@router.get("/proposals/{number}", summary="One proposal")
def proposal(
    key: AnyKey, number: Number, context: ContextDep, connection: DatabaseDep
) -> ProposalEntry:
    """Return one step that waits, or waited, for a second person."""
    one = get_proposal(connection, context.settings.warnings.status, number)
    _allowed(key, one.place.county)
    return _entry(one)


@router.post("/proposals/{number}/approve", summary="Agree with a step, which is done at once")
def approve(key: ApproveKey, number: Number, asked: Note, decide: DeciderDep) -> Decided:
    """Be the second person; the first one cannot."""
    return decide(
        key, asked, lambda c, office: _answered(c, office, key, number, asked.reason, decide.now)
    )


@router.post("/proposals/{number}/reject", summary="Refuse a step")
def reject(key: ApproveKey, number: Number, asked: Said, decide: DeciderDep) -> Decided:
    """Refuse a step with a reason; it is not proposed again for as long as the table says."""
    return decide(
        key,
        asked,
        lambda c, office: _answered(
            c, office, key, number, asked.reason, decide.now, approved=False
        ),
    )


def _desk(context: Context) -> Desk:
    if context.desk is None:
        raise ProblemError(503, "this service does not issue warnings")
    return context.desk


def _allowed(key: ApiKey, county: str) -> None:
    if not key.covers(county):
        raise ProblemError(403, f"county {county} is not below {key.unit}, the unit of this key")


def _open(connection: Connection, office: Office, identifier: str) -> OpenEvent:
    of = open_event(connection, identifier, office.status)
    if of.level is Level.NONE:
        raise TooLateError(identifier, "its event has ended")
    return of


def _hold_on(
    of: OpenEvent, kind: HoldKind, level: Level, reason: str, key: ApiKey, until: datetime
) -> Hold:
    return Hold(of.hazard, of.county, of.subject, kind, level, reason, key.actor, until)


def _held(
    connection: Connection,
    office: Office,
    key: ApiKey,
    wanted: Hold,
    now: datetime,
    subject: Subject | None = None,
) -> Decided:
    _allowed(key, wanted.county)
    number, summary = decide_hold(connection, office, wanted, subject, now)
    return _decided(summary, number)


def _answered(
    connection: Connection,
    office: Office,
    key: ApiKey,
    number: int,
    reason: str,
    now: datetime,
    *,
    approved: bool = True,
) -> Decided:
    return _decided(decide_proposal(connection, office, number, approved, key, reason, now))


def _decided(summary: Summary, number: int | None = None) -> Decided:
    return Decided(hold=number, warnings=summary.alerts, proposals=summary.proposed)


def _hold(number: int, one: Hold) -> HoldEntry:
    return HoldEntry(
        hold=number,
        hazard=one.hazard,
        hazard_zh=one.hazard.zh,
        county=one.county,
        place=one.subject or None,
        kind=one.kind,
        level=one.level.en,
        cells=list(one.cells) or None,
        reason=one.reason,
        author=one.author,
        until=one.until,
    )


def _entry(one: Proposal) -> ProposalEntry:
    place, wanted = one.place, one.wanted
    subject, step = place.subject, one.wanted.step
    return ProposalEntry(
        proposal=one.number,
        hazard=place.hazard,
        hazard_zh=place.hazard.zh,
        county=place.county,
        place=subject.key if subject else None,
        place_zh=subject.name_zh if subject else None,
        place_en=subject.name_en if subject else None,
        event=wanted.event_id,
        step=step.kind.value,
        step_zh=step.kind.zh,
        level=step.level.en,
        level_zh=step.level.zh,
        to_level=step.to_level.en,
        to_level_zh=step.to_level.zh,
        cells={str(cell): state.level for cell, state in wanted.cells.items()},
        state=one.state.value,
        state_zh=one.state.zh,
        proposed_by=wanted.by,
        reason=wanted.reason,
        created_at=one.created_at,
        due_at=one.due_at,
        otherwise=one.otherwise.value,
        decided_at=one.decided_at,
        decided_by=one.decided_by,
        decision=one.decision,
    )
