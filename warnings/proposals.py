"""Steps that wait for a second person: proposed, seen again, answered, run out of time."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, Select, insert, select, update

from jinghu.grid.errors import DataError
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.approvals import Otherwise, Step, StepKind
from jinghu.warnings.database import record
from jinghu.warnings.evidence import AnyEvidence
from jinghu.warnings.evidence_text import from_text, to_text
from jinghu.warnings.levels import Hazard, Level
from jinghu.warnings.lifecycle import CellState
from jinghu.warnings.subjects import Subject
from jinghu.warnings.tables import proposal

MACHINE = "cycle"  # first person of what the rules want


class State(StrEnum):
    """Of a proposal."""

    OPEN = "OPEN"
    APPROVED = "APPROVED"
    REJECTED = "REJECTED"
    ISSUED = "ISSUED"  # nobody answered in time, and it was done
    DROPPED = "DROPPED"  # nobody answered in time, and it was left
    LAPSED = "LAPSED"  # it is no longer wanted

    @property
    def zh(self) -> str:
        """Chinese name."""
        return {
            "OPEN": "待审批",
            "APPROVED": "已同意",
            "REJECTED": "已驳回",
            "ISSUED": "超时自动执行",
            "DROPPED": "超时作废",
            "LAPSED": "已不需要",
        }[self.value]


@dataclass(frozen=True, slots=True)
class Place:
    """Which matter: the hazard, the county, the gauge or reservoir, and whether it is a drill."""

    status: str
    hazard: Hazard
    county: str
    subject: Subject | None

    @property
    def key(self) -> dict[str, str]:
        """Columns that name it."""
        return {
            "status": self.status,
            "hazard": self.hazard.value,
            "county": self.county,
            "subject": self.subject.key if self.subject else "",
        }


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is proposed, by whom and why; ``cells`` are those of the event afterwards."""

    step: Step
    event_id: str | None
    cells: Mapping[int, CellState]
    onset_min: float
    evidence: AnyEvidence
    rules: str
    by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Proposal:
    """One step that waits, or waited, for a second person."""

    number: int
    place: Place
    wanted: Wanted
    state: State
    otherwise: Otherwise
    created_at: datetime
    seen_at: datetime
    due_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    decision: str | None


def propose(
    connection: Connection,
    place: Place,
    wanted: Wanted,
    due: tuple[datetime, Otherwise],
    now: datetime,
) -> int:
    """Write a new proposal down; returns its number."""
    due_at, otherwise = due
    subject = place.subject
    key = connection.execute(
        insert(proposal).values(
            **place.key,
            **_values(wanted),
            subject_zh=subject.name_zh if subject else "",
            subject_en=subject.name_en if subject else "",
            step=wanted.step.kind.value,
            level=int(wanted.step.level),
            state=State.OPEN.value,
            proposed_by=wanted.by,
            reason=wanted.reason,
            created_at=isoformat(now),
            seen_at=isoformat(now),
            due_at=isoformat(due_at),
            otherwise=otherwise.value,
        )
    ).inserted_primary_key
    assert key is not None
    detail = place.key | {
        "step": wanted.step.kind.value,
        "level": wanted.step.level.en,
        "to": wanted.step.to_level.en,
        "reason": wanted.reason,
        "due": isoformat(due_at),
        "otherwise": otherwise.value,
    }
    record(connection, now, wanted.by, "proposed", str(key[0]), detail)
    return int(key[0])


def see_again(connection: Connection, number: int, wanted: Wanted, now: datetime) -> None:
    """Write into an open proposal what is wanted now; how long it waits does not change."""
    connection.execute(
        update(proposal)
        .where(proposal.c.proposal_id == number)
        .values(**_values(wanted), seen_at=isoformat(now))
    )


def close(
    connection: Connection, one: Proposal, state: State, by: str, reason: str, now: datetime
) -> None:
    """Close an open proposal."""
    connection.execute(
        update(proposal)
        .where(proposal.c.proposal_id == one.number)
        .values(
            state=state.value, decided_at=isoformat(now), decided_by=by, decision=reason.strip()
        )
    )
    step = one.wanted.step
    detail = one.place.key | {"step": step.kind.value, "level": step.level.en, "reason": reason}
    record(connection, now, by, f"proposal {state.value.lower()}", str(one.number), detail)


def lapse_with(connection: Connection, event_id: str, now: datetime) -> None:
    """Close what waits to lower or end an event that has ended by itself."""
    of_event = select(proposal).where(
        proposal.c.event_id == event_id,
        proposal.c.state == State.OPEN.value,
        proposal.c.step != StepKind.RAISE.value,
    )
    for one in _read(connection, of_event):
        close(connection, one, State.LAPSED, MACHINE, "the event has ended", now)


def open_of(connection: Connection, place: Place) -> list[Proposal]:
    """Open proposals of a matter, oldest first."""
    return _read(connection, _of(place).where(proposal.c.state == State.OPEN.value))


def all_open(connection: Connection, status: str) -> list[Proposal]:
    """All that wait now, oldest first."""
    open_ones = select(proposal).where(
        proposal.c.status == status, proposal.c.state == State.OPEN.value
    )
    return _read(connection, open_ones)


def refused_since(connection: Connection, place: Place, step: Step, since: datetime) -> bool:
    """Whether a step was refused, or dropped, after a time."""
    query = _of(place).where(
        proposal.c.step == step.kind.value,
        proposal.c.level == int(step.level),
        proposal.c.state.in_([State.REJECTED.value, State.DROPPED.value]),
        proposal.c.decided_at > isoformat(since),
    )
    return connection.execute(query).first() is not None


def list_proposals(
    connection: Connection, status: str, unit: str, open_only: bool, limit: int
) -> list[Proposal]:
    """Proposals of a unit and those below it, the newest first."""
    query = (
        select(proposal)
        .where(proposal.c.status == status, proposal.c.county.startswith(unit, autoescape=True))
        .order_by(proposal.c.proposal_id.desc())
        .limit(limit)
    )
    if open_only:
        query = query.where(proposal.c.state == State.OPEN.value)
    return [_proposal(row) for row in connection.execute(query)]


def get_proposal(connection: Connection, status: str, number: int) -> Proposal:
    """One proposal; DataError where there is none."""
    query = select(proposal).where(proposal.c.proposal_id == number, proposal.c.status == status)
    row = connection.execute(query).first()
    if row is None:
        raise DataError(f"proposal {number}", "there is no such proposal")
    return _proposal(row)


def _of(place: Place) -> Select[Any]:
    return select(proposal).where(*(proposal.c[name] == value for name, value in place.key.items()))


def _read(connection: Connection, query: Select[Any]) -> list[Proposal]:
    return [_proposal(row) for row in connection.execute(query.order_by(proposal.c.proposal_id))]


def _values(wanted: Wanted) -> dict[str, Any]:
    return {
        "event_id": wanted.event_id,
        "to_level": int(wanted.step.to_level),
        "cells": json.dumps({str(cell): _row(state) for cell, state in wanted.cells.items()}),
        "onset_min": wanted.onset_min,
        "evidence": to_text(wanted.evidence),
        "rules": wanted.rules[:64],
    }


def _row(state: CellState) -> list[object]:
    lower = None if state.lower_since is None else isoformat(state.lower_since)
    return [state.level, isoformat(state.since), lower, state.lower_to]


def _state(row: list[Any]) -> CellState:
    level, since, lower, lower_to = row
    return CellState(level, parse_time(since), parse_time(lower) if lower else None, lower_to)


def _proposal(row: Row[Any]) -> Proposal:
    subject = Subject(row.subject, row.subject_zh, row.subject_en) if row.subject else None
    step = Step(StepKind(row.step), Level(row.level), Level(row.to_level))
    return Proposal(
        int(row.proposal_id),
        Place(row.status, Hazard(row.hazard), row.county, subject),
        Wanted(
            step,
            row.event_id,
            {int(cell): _state(state) for cell, state in json.loads(row.cells).items()},
            float(row.onset_min),
            from_text(row.evidence),
            row.rules,
            row.proposed_by,
            row.reason,
        ),
        State(row.state),
        Otherwise(row.otherwise),
        parse_time(row.created_at),
        parse_time(row.seen_at),
        parse_time(row.due_at),
        parse_time(row.decided_at) if row.decided_at else None,
        row.decided_by,
        row.decision,
    )
