"""One matter brought in line: its event, its message, who is told, in one transaction."""

from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, delete, func, insert, select, update

from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.approvals import Approvals
from jinghu.warnings.cap import to_xml
from jinghu.warnings.cap_cn import allocate
from jinghu.warnings.compose import Draft, compose
from jinghu.warnings.database import record
from jinghu.warnings.fanout import close_tasks, fan_out
from jinghu.warnings.gate import Gate
from jinghu.warnings.holds import Hold
from jinghu.warnings.levels import Action
from jinghu.warnings.lifecycle import CellState, LifeParams, Plan, Standing
from jinghu.warnings.matters import Matter
from jinghu.warnings.message import Message, Reference, headline_en, headline_zh
from jinghu.warnings.office import Office, Summary
from jinghu.warnings.proposals import MACHINE, Place
from jinghu.warnings.relief import relieve, stand_down
from jinghu.warnings.tables import alert, alert_cell, event, event_cell


def close_event(
    connection: Connection, event_id: str, action: Action, time: datetime, now: datetime
) -> None:
    """Close an event: its matter may begin another one."""
    connection.execute(
        update(event).where(event.c.event_id == event_id).values(closed_at=isoformat(time), level=0)
    )
    record(connection, now, MACHINE, action.value, event_id, {})


def standing_event(connection: Connection, place: Place) -> Standing | None:
    """The open event of a matter, None where there is none."""
    row = connection.execute(
        select(event).where(
            event.c.closed_at.is_(None),
            *(event.c[name] == value for name, value in place.key.items()),
        )
    ).first()
    if row is None:
        return None
    expires = connection.execute(
        select(func.max(alert.c.expires)).where(
            alert.c.event_id == row.event_id, alert.c.superseded_at.is_(None)
        )
    ).scalar_one()
    states = connection.execute(select(event_cell).where(event_cell.c.event_id == row.event_id))
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


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is decided: in which cycle, by which analysis time, and the clock."""

    cycle: str
    time: datetime
    now: datetime


@dataclass(frozen=True, slots=True)
class Work:
    """One matter at one moment; ``decided`` is a forecaster's, ``by`` is whom the audit names."""

    connection: Connection
    matter: Matter
    moment: Moment
    office: Office
    life: LifeParams
    summary: Summary
    decided: Hold | None = None
    by: str = MACHINE

    @property
    def place(self) -> Place:
        """What the matter is about."""
        of = self.matter
        return Place(self.office.status, of.hazard, of.county.code, of.subject)

    def bring_in_line(self) -> None:
        """Do what was found, as far as it needs no second person or has had one."""
        standing = standing_event(self.connection, self.place)
        passed = Gate(
            self.connection,
            self.place,
            self.matter,
            standing,
            self.office.approvals.get(self.matter.hazard, Approvals()),
            self.life,
            self.moment.time,
            self.moment.now,
            self.decided,
        ).passed()
        self.summary.proposed.extend(passed.waiting)
        if passed.plan is not None:
            self.carry_out(passed.plan, standing, unanswered=passed.unanswered)

    def carry_out(self, plan: Plan, standing: Standing | None, *, unanswered: bool = False) -> None:
        """Write a plan down, make its message, and queue it for those whom it concerns."""
        event_id = standing.event_id if standing else self._open(plan)
        self._write_cells(event_id, standing, plan)
        if plan.action is not None:
            self._send(event_id, plan, standing, unanswered=unanswered)
        newest = self._newest_alert(event_id)
        now = self.moment.now
        self.summary.recipients += fan_out(
            self.connection,
            event_id,
            newest,
            self.office.channels,
            now,
            self.office.answer_within,
            self.office.quiet,
        )
        relieve(self.connection, event_id)
        if plan.action is Action.CANCEL:
            close_tasks(self.connection, event_id)
            stand_down(self.connection, event_id, newest, now)
            close_event(self.connection, event_id, Action.CANCEL, self.moment.time, now)

    def _open(self, plan: Plan) -> str:
        matter, status = self.matter, self.office.status
        event_id = self._free_id()
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
                opened_at=isoformat(self.moment.time),
            )
        )
        return event_id

    def _free_id(self) -> str:
        """Name of a new event; people may end one and begin another within a minute."""
        matter, status = self.matter, self.office.status
        drill = "" if status == "Actual" else f"-{status.lower()}"
        place = "-".join(filter(None, (matter.county.code, matter.key)))
        plain = f"{matter.hazard.value}-{place}-{self.moment.cycle}{drill}"
        known = select(event.c.event_id).where(event.c.event_id.startswith(plain, autoescape=True))
        taken, number, name = set(self.connection.execute(known).scalars()), 1, plain
        while name in taken:
            number += 1
            name = f"{plain}.{number}"
        return name

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

    def _send(
        self, event_id: str, plan: Plan, standing: Standing | None, *, unanswered: bool
    ) -> None:
        message = replace(self._message(event_id, plan, standing), unanswered=unanswered)
        self.connection.execute(
            update(alert)
            .where(alert.c.event_id == event_id, alert.c.superseded_at.is_(None))
            .values(superseded_at=isoformat(message.sent))
        )
        key = self.connection.execute(
            insert(alert).values(
                identifier=message.identifier,
                sender=message.sender,
                event_id=event_id,
                cycle=self.moment.cycle,
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
        detail: dict[str, object] = {
            "action": message.action.value,
            "level": message.level.en,
            "cells": len(cells),
        }
        if unanswered:
            detail["unanswered"] = True
        record(self.connection, self.moment.now, self.by, "alert", message.identifier, detail)

    def _count(self, message: Message) -> None:
        self.summary.alerts.append(message.identifier)
        if message.unanswered:
            self.summary.unanswered.append(message.identifier)
        if message.action is Action.NEW:
            self.summary.issued += 1
        elif message.action is Action.CANCEL:
            self.summary.cancelled += 1
        else:
            self.summary.updated += 1

    def _message(self, event_id: str, plan: Plan, standing: Standing | None) -> Message:
        assert plan.action is not None
        office, sent = self.office, self._sent(event_id)
        draft = Draft(
            identifier=f"{event_id}-{self._number(event_id):03d}",
            sender=office.sender,
            status=office.status,
            action=plan.action,
            event_id=event_id,
            sent=sent,
            expires=sent + self.life.valid_for,
            references=self._references(event_id, sent),
        )
        shown = plan.cells or (standing.cells if standing else {})
        city = (office.city_zh, office.city_en)
        message = compose(draft, shown, self.matter, city, office.spec)
        if office.agency is None:
            return message
        area = self.matter.county.code
        return replace(message, cn_identifier=allocate(self.connection, area, office.agency, sent))

    def _sent(self, event_id: str) -> datetime:
        """When the message is sent: what people decided after the analysis time came before it."""
        query = select(func.max(alert.c.sent)).where(alert.c.event_id == event_id)
        last = self.connection.execute(query).scalar()
        return self.moment.time if last is None else max(self.moment.time, parse_time(last))

    def _references(self, event_id: str, sent: datetime) -> tuple[Reference, ...]:
        """Earlier messages of the event that had not expired."""
        rows = self.connection.execute(
            select(alert.c.sender, alert.c.identifier, alert.c.sent)
            .where(alert.c.event_id == event_id, alert.c.expires > isoformat(sent))
            .order_by(alert.c.alert_id)
        )
        return tuple(Reference(r.sender, r.identifier, parse_time(r.sent)) for r in rows)

    def _number(self, event_id: str) -> int:
        query = select(func.count()).select_from(alert).where(alert.c.event_id == event_id)
        return int(self.connection.execute(query).scalar_one()) + 1

    def _newest_alert(self, event_id: str) -> int:
        query = select(func.max(alert.c.alert_id)).where(alert.c.event_id == event_id)
        return int(self.connection.execute(query).scalar_one())
