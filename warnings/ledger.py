"""The transactional shell of the life cycle: one cycle's levels become events, alerts, outbox."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime

import xarray as xr
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from jinghu.grid.spec import GridSpec
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.cap import to_xml
from jinghu.warnings.cap_cn import allocate
from jinghu.warnings.compose import Draft, compose
from jinghu.warnings.database import record
from jinghu.warnings.fanout import close_tasks, end_tasks, fan_out
from jinghu.warnings.holds import Hold, held, on, standing_holds
from jinghu.warnings.levels import Action, Hazard
from jinghu.warnings.lifecycle import CellState, LifeParams, Plan, Standing, plan_event
from jinghu.warnings.matters import Matter, held_matter, rain_matters, water_matters
from jinghu.warnings.message import Message, Reference, headline_en, headline_zh
from jinghu.warnings.purposes import Purpose, register_channels
from jinghu.warnings.quiet import Quiet
from jinghu.warnings.relief import relieve, stand_down
from jinghu.warnings.routes import Route, each_alone, register_routes
from jinghu.warnings.subjects import Subject
from jinghu.warnings.tables import alert, alert_cell, cycle, event, event_cell
from jinghu.warnings.units import Units
from jinghu.warnings.waiting import AnswerWithin
from jinghu.warnings.water import WaterFinding


@dataclass(frozen=True, slots=True)
class Office:
    """Who warns, of what, through which channels; ``drills`` names those that are for drills.

    ``agency`` is the code of GB/T 4657 that makes national identifiers, if there is one.
    """

    spec: GridSpec
    units: Units
    city_zh: str
    city_en: str
    sender: str
    status: str
    channels: tuple[str, ...]
    life: LifeParams = field(default_factory=LifeParams)
    drills: frozenset[str] = frozenset()
    answer_within: AnswerWithin = field(default_factory=AnswerWithin)
    agency: str | None = None
    routes: tuple[Route, ...] = ()
    quiet: Quiet | None = None


@dataclass(slots=True)
class Summary:
    """What one cycle did; ``late_after`` names the newer cycle for which it was ignored.

    ``idle_holds`` are the numbers of holds on what this cycle did not judge.
    """

    candidates: int = 0
    issued: int = 0
    updated: int = 0
    cancelled: int = 0
    expired: int = 0
    recipients: int = 0
    repeated: bool = False
    late_after: str | None = None
    alerts: list[str] = field(default_factory=list)
    idle_holds: list[int] = field(default_factory=list)


_SECOND = "+p"  # sorts behind the cycle's own name, and before the next cycle's


def second_pass(name: str) -> str:
    """Name under which a cycle is processed again, once its probabilities are known."""
    return f"{name}{_SECOND}"


def process(
    engine: Engine,
    levels: xr.Dataset,
    name: str,
    time: datetime,
    office: Office,
    now: datetime,
    water: Sequence[WaterFinding] | None = (),
) -> Summary:
    """Bring the events in line with one cycle's levels, in one transaction.

    A cycle that was processed before changes nothing and returns what it did then. One that is
    older than a cycle processed before changes nothing either, and says so: what is known since
    is newer. Decisions and messages depend on the analysis time alone, so that a replay decides
    as the original did.

    Parameters
    ----------
    engine
        The warnings database.
    levels
        As `jinghu.warnings.rules.evaluate` gives them, and ``known`` (y, x): False where the rain
        rests on missing or stale data.
    name, time
        Cycle, or its `second_pass`, and its analysis time.
    office
        Who warns.
    now
        The clock: from here on run the waiting times of messages and people.
    water
        What was found at gauges and reservoirs. None where the cycle could not tell: then what
        stands of them is held.
    """
    mine = cycle.c.status == office.status
    with engine.begin() as connection:
        done = connection.execute(
            select(cycle.c.summary).where(cycle.c.cycle == name, mine)
        ).scalar()
        if done is not None:
            return Summary(**(json.loads(done) | {"repeated": True}))
        register_channels(connection, _declared(office))
        routes = office.routes or each_alone(office.channels)
        register_routes(connection, office.status, routes)
        newest = connection.execute(select(func.max(cycle.c.cycle)).where(mine)).scalar()
        matters = rain_matters(levels, office.units) + water_matters(water or (), office.units)
        summary = Summary(candidates=sum(_concerned(matter) for matter in matters))
        if newest is not None and newest > name:
            summary.late_after = newest
        else:
            summary.expired = close_expired(connection, time, now)
            if water is None:
                matters += _held(connection, office)
            holds = standing_holds(connection, office.status, time)
            if not name.endswith(_SECOND):  # which judges the rain alone
                idle = [n for n, one in holds if not any(on(m, one) for m in matters)]
                summary.idle_holds = idle
            of_cycle = name.removesuffix(_SECOND)
            for matter in matters:
                decided, by = _decided(matter, [one for _, one in holds], office)
                _Work(connection, decided, of_cycle, time, now, by, summary).bring_in_line()
        connection.execute(
            insert(cycle).values(
                cycle=name,
                status=office.status,
                processed_at=isoformat(now),
                summary=json.dumps(asdict(summary)),
            )
        )
        record(connection, now, "cycle", "processed", name, asdict(summary))
    return summary


def _decided(matter: Matter, holds: Sequence[Hold], office: Office) -> tuple[Matter, Office]:
    """A matter and its guards as a forecaster wants them, where there is a hold on it."""
    for one in holds:
        if on(matter, one):
            decided, life = held(matter, one, office.life)
            return decided, replace(office, life=life)
    return matter, office


def _concerned(matter: Matter) -> int:
    """How many cells of a matter have a level."""
    return int((matter.found.level[matter.cells] > 0).sum())


def _held(connection: Connection, office: Office) -> list[Matter]:
    """Open events of gauges and reservoirs, of which this cycle could not tell anything."""
    counties = {county.code: county for county in office.units.counties}
    rows = connection.execute(
        select(event).where(
            event.c.closed_at.is_(None), event.c.subject != "", event.c.status == office.status
        )
    )
    return [
        held_matter(
            Hazard(row.hazard),
            counties[row.county],
            Subject(row.subject, row.subject_zh, row.subject_en),
            office.units.cell_county.size,
        )
        for row in rows
        if row.county in counties
    ]


def _declared(office: Office) -> dict[str, Purpose]:
    return {c: Purpose.DRILL if c in office.drills else Purpose.PRODUCTION for c in office.channels}


def close_expired(connection: Connection, time: datetime, now: datetime) -> int:
    """Close every open event whose last message has expired; returns how many.

    Those of other statuses and of counties that are gone are among them: nothing stays open that
    nobody renews.
    """
    last = (
        select(func.max(alert.c.expires))
        .where(alert.c.event_id == event.c.event_id)
        .scalar_subquery()
    )
    query = select(event.c.event_id).where(event.c.closed_at.is_(None), last <= isoformat(time))
    found = list(connection.execute(query).scalars())
    for event_id in found:
        _close(connection, event_id, Action.EXPIRE, time, now)
        end_tasks(connection, event_id)
    return len(found)


def _close(
    connection: Connection, event_id: str, action: Action, time: datetime, now: datetime
) -> None:
    connection.execute(
        update(event).where(event.c.event_id == event_id).values(closed_at=isoformat(time), level=0)
    )
    record(connection, now, "cycle", action.value, event_id, {})


@dataclass(frozen=True, slots=True)
class _Work:
    """One matter in one cycle."""

    connection: Connection
    matter: Matter
    cycle: str
    time: datetime
    now: datetime
    office: Office
    summary: Summary

    def bring_in_line(self) -> None:
        standing = self._standing()
        matter = self.matter
        plan = plan_event(standing, matter.cells, matter.found, self.time, self.office.life)
        if plan is None:
            return
        event_id = standing.event_id if standing else self._open(plan)
        self._write_cells(event_id, standing, plan)
        if plan.action is not None:
            self._send(event_id, plan, standing)
        newest = self._newest_alert(event_id)
        self.summary.recipients += fan_out(
            self.connection,
            event_id,
            newest,
            self.office.channels,
            self.now,
            self.office.answer_within,
            self.office.quiet,
        )
        relieve(self.connection, event_id)
        if plan.action is Action.CANCEL:
            close_tasks(self.connection, event_id)
            stand_down(self.connection, event_id, newest, self.now)
            _close(self.connection, event_id, Action.CANCEL, self.time, self.now)

    def _standing(self) -> Standing | None:
        row = self.connection.execute(
            select(event).where(
                event.c.closed_at.is_(None),
                event.c.hazard == self.matter.hazard.value,
                event.c.county == self.matter.county.code,
                event.c.subject == self.matter.key,
                event.c.status == self.office.status,
            )
        ).first()
        if row is None:
            return None
        expires = self.connection.execute(
            select(func.max(alert.c.expires)).where(
                alert.c.event_id == row.event_id, alert.c.superseded_at.is_(None)
            )
        ).scalar_one()
        states = self.connection.execute(
            select(event_cell).where(event_cell.c.event_id == row.event_id)
        )
        cells = {
            int(s.cell_id): CellState(
                int(s.level),
                parse_time(s.since),
                parse_time(s.lower_since) if s.lower_since else None,
                int(s.lower_to),
            )
            for s in states
        }
        return Standing(row.event_id, int(row.level), parse_time(expires), cells)

    def _open(self, plan: Plan) -> str:
        matter, status = self.matter, self.office.status
        drill = "" if status == "Actual" else f"-{status.lower()}"
        place = "-".join(filter(None, (matter.county.code, matter.key)))
        event_id = f"{matter.hazard.value}-{place}-{self.cycle}{drill}"
        self.connection.execute(
            insert(event).values(
                event_id=event_id,
                hazard=matter.hazard.value,
                county=matter.county.code,
                subject=matter.key,
                subject_zh=matter.subject.name_zh if matter.subject else "",
                subject_en=matter.subject.name_en if matter.subject else "",
                status=status,
                level=plan.level,
                opened_at=isoformat(self.time),
            )
        )
        return event_id

    def _write_cells(self, event_id: str, standing: Standing | None, plan: Plan) -> None:
        if standing is not None and standing.cells == plan.cells:
            return
        self.connection.execute(delete(event_cell).where(event_cell.c.event_id == event_id))
        rows = [
            {
                "event_id": event_id,
                "cell_id": cell,
                "level": state.level,
                "since": isoformat(state.since),
                "lower_since": isoformat(state.lower_since) if state.lower_since else None,
                "lower_to": state.lower_to,
            }
            for cell, state in plan.cells.items()
        ]
        if rows:
            self.connection.execute(insert(event_cell), rows)
        self.connection.execute(
            update(event).where(event.c.event_id == event_id).values(level=plan.level)
        )

    def _send(self, event_id: str, plan: Plan, standing: Standing | None) -> None:
        message = self._message(event_id, plan, standing)
        self.connection.execute(
            update(alert)
            .where(alert.c.event_id == event_id, alert.c.superseded_at.is_(None))
            .values(superseded_at=isoformat(self.time))
        )
        key = self.connection.execute(
            insert(alert).values(
                identifier=message.identifier,
                sender=message.sender,
                event_id=event_id,
                cycle=self.cycle,
                action=message.action.value,
                level=int(message.level),
                status=message.status,
                sent=isoformat(message.sent),
                expires=isoformat(message.expires),
                headline_zh=headline_zh(message),
                headline_en=headline_en(message),
                cap_xml=to_xml(message).decode("utf-8"),
                cn_identifier=message.cn_identifier,
            )
        ).inserted_primary_key
        assert key is not None
        cells = [
            {"alert_id": key[0], "cell_id": cell, "level": state.level}
            for cell, state in plan.cells.items()
        ]
        if cells:
            self.connection.execute(insert(alert_cell), cells)
        self._count(message)
        detail = {"action": message.action.value, "level": message.level.en, "cells": len(cells)}
        record(self.connection, self.now, "cycle", "alert", message.identifier, detail)

    def _count(self, message: Message) -> None:
        self.summary.alerts.append(message.identifier)
        if message.action is Action.NEW:
            self.summary.issued += 1
        elif message.action is Action.CANCEL:
            self.summary.cancelled += 1
        else:
            self.summary.updated += 1

    def _message(self, event_id: str, plan: Plan, standing: Standing | None) -> Message:
        assert plan.action is not None
        office = self.office
        draft = Draft(
            identifier=f"{event_id}-{self._number(event_id):03d}",
            sender=office.sender,
            status=office.status,
            action=plan.action,
            event_id=event_id,
            sent=self.time,
            expires=self.time + office.life.valid_for,
            references=self._references(event_id),
        )
        shown = plan.cells or (standing.cells if standing else {})
        city = (office.city_zh, office.city_en)
        message = compose(draft, shown, self.matter, city, office.spec)
        if office.agency is None:
            return message
        area, sent = self.matter.county.code, message.sent
        return replace(message, cn_identifier=allocate(self.connection, area, office.agency, sent))

    def _references(self, event_id: str) -> tuple[Reference, ...]:
        """Earlier messages of the event that had not expired."""
        rows = self.connection.execute(
            select(alert.c.sender, alert.c.identifier, alert.c.sent)
            .where(alert.c.event_id == event_id, alert.c.expires > isoformat(self.time))
            .order_by(alert.c.alert_id)
        )
        return tuple(Reference(r.sender, r.identifier, parse_time(r.sent)) for r in rows)

    def _number(self, event_id: str) -> int:
        query = select(func.count()).select_from(alert).where(alert.c.event_id == event_id)
        return int(self.connection.execute(query).scalar_one()) + 1

    def _newest_alert(self, event_id: str) -> int:
        query = select(func.max(alert.c.alert_id)).where(alert.c.event_id == event_id)
        return int(self.connection.execute(query).scalar_one())
