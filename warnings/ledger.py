"""The transactional shell of the life cycle: one cycle's levels become events, alerts, outbox."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime

import numpy as np
import xarray as xr
from sqlalchemy import Connection, Engine, delete, func, insert, select, update

from jinghu.grid.spec import GridSpec
from jinghu.grid.times import isoformat, parse_time
from jinghu.warnings.areas import cell_polygons, to_lonlat
from jinghu.warnings.cap import to_xml
from jinghu.warnings.database import record
from jinghu.warnings.fanout import fan_out
from jinghu.warnings.levels import Action, Hazard, Level
from jinghu.warnings.lifecycle import CellState, Found, LifeParams, Plan, Standing, plan_event
from jinghu.warnings.message import Area, Message, Reference, headline_en, headline_zh
from jinghu.warnings.tables import alert, alert_cell, cycle, event, event_cell
from jinghu.warnings.units import County, Units


@dataclass(frozen=True, slots=True)
class Office:
    """Who warns, of what, through which channels."""

    spec: GridSpec
    units: Units
    city_zh: str
    sender: str
    status: str
    channels: tuple[str, ...]
    life: LifeParams = field(default_factory=LifeParams)


@dataclass(slots=True)
class Summary:
    """What one cycle did."""

    candidates: int = 0
    issued: int = 0
    updated: int = 0
    cancelled: int = 0
    recipients: int = 0
    repeated: bool = False
    alerts: list[str] = field(default_factory=list)


def process(
    engine: Engine, levels: xr.Dataset, name: str, time: datetime, office: Office
) -> Summary:
    """Bring the events in line with one cycle's levels, in one transaction.

    A cycle that was processed before changes nothing and returns what it did then.

    Parameters
    ----------
    engine
        The warnings database.
    levels
        As `jinghu.warnings.rules.evaluate` gives them, and ``known`` (y, x): False where the rain
        rests on missing or stale data.
    name, time
        Cycle and its analysis time.
    office
        Who warns.
    """
    found = Found(
        levels["warning_level"].values.ravel(),
        levels["warning_level_kept"].values.ravel(),
        levels["known"].values.ravel(),
    )
    with engine.begin() as connection:
        done = connection.execute(select(cycle.c.summary).where(cycle.c.cycle == name)).scalar()
        if done is not None:
            return Summary(**(json.loads(done) | {"repeated": True}))
        summary = Summary(candidates=int((found.level > 0)[office.units.cell_county >= 0].sum()))
        for index, county in enumerate(office.units.counties):
            cells = np.flatnonzero(office.units.cell_county == index)
            work = _Work(connection, levels, name, time, office, county, summary)
            work.bring_in_line(found, cells)
        connection.execute(
            insert(cycle).values(
                cycle=name, processed_at=isoformat(time), summary=json.dumps(asdict(summary))
            )
        )
        record(connection, time, "cycle", "processed", name, asdict(summary))
    return summary


@dataclass(frozen=True, slots=True)
class _Work:
    """One county in one cycle."""

    connection: Connection
    levels: xr.Dataset
    cycle: str
    time: datetime
    office: Office
    county: County
    summary: Summary

    def bring_in_line(self, found: Found, cells: np.ndarray) -> None:
        standing = self._standing()
        if standing is not None and standing.expires <= self.time:
            self._close(standing.event_id, Action.EXPIRE)
            standing = None
        plan = plan_event(standing, cells, found, self.time, self.office.life)
        if plan is None:
            return
        event_id = standing.event_id if standing else self._open(plan)
        self._write_cells(event_id, standing, plan)
        if plan.action is not None:
            self._send(event_id, plan, standing)
            if plan.action is Action.CANCEL:
                self._close(event_id, Action.CANCEL)
                return
        newest = self._newest_alert(event_id)
        told = fan_out(self.connection, event_id, newest, self.office.channels, self.time)
        self.summary.recipients += told

    def _standing(self) -> Standing | None:
        row = self.connection.execute(
            select(event).where(
                event.c.closed_at.is_(None),
                event.c.hazard == Hazard.RAINSTORM.value,
                event.c.county == self.county.code,
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
            )
            for s in states
        }
        return Standing(row.event_id, int(row.level), parse_time(expires), cells)

    def _open(self, plan: Plan) -> str:
        event_id = f"{Hazard.RAINSTORM.value}-{self.county.code}-{self.cycle}"
        self.connection.execute(
            insert(event).values(
                event_id=event_id,
                hazard=Hazard.RAINSTORM.value,
                county=self.county.code,
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
            )
        ).inserted_primary_key
        assert key is not None
        cells = [
            {"alert_id": key[0], "cell_id": cell, "level": state.level}
            for cell, state in plan.cells.items()
        ]
        if cells:
            self.connection.execute(insert(alert_cell), cells)
        if message.action is Action.CANCEL:
            self.summary.recipients += fan_out(
                self.connection, event_id, int(key[0]), self.office.channels, self.time
            )
        self._count(message)
        detail = {"action": message.action.value, "level": message.level.en, "cells": len(cells)}
        record(self.connection, self.time, "cycle", "alert", message.identifier, detail)

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
        shown = plan.cells or (standing.cells if standing else {})
        level = Level(max(state.level for state in shown.values()))
        deciding = [cell for cell, state in shown.items() if state.level == level]
        onset, peak, window = self._evidence(deciding)
        earlier = self._references(event_id)
        return Message(
            identifier=f"{event_id}-{self._number(event_id):03d}",
            sender=self.office.sender,
            status=self.office.status,
            action=plan.action,
            hazard=Hazard.RAINSTORM,
            level=level,
            county=self.county,
            city_zh=self.office.city_zh,
            sent=self.time,
            onset=onset,
            expires=self.time + self.office.life.valid_for,
            peak_mm=peak,
            window_h=window,
            areas=_areas(shown, self.office.spec),
            references=tuple(earlier),
            event_id=event_id,
            rules=str(self.levels.attrs["rules"]),
        )

    def _evidence(self, cells: Sequence[int]) -> tuple[datetime, float, int]:
        """First onset, largest amount and its window over the cells that decide the level."""
        onset = self.levels["warning_onset_lead"].values.ravel()[list(cells)]
        amount = self.levels["warning_amount"].values.ravel()[list(cells)]
        window = self.levels["warning_window"].values.ravel()[list(cells)]
        first = float(np.nanmin(onset)) if np.isfinite(onset).any() else 0.0
        when = self.time + np.timedelta64(round(first * 60), "s").astype(object)
        return when, float(amount.max()), int(window[amount.argmax()])

    def _references(self, event_id: str) -> list[Reference]:
        """Earlier messages of the event that had not expired."""
        rows = self.connection.execute(
            select(alert.c.identifier, alert.c.sent)
            .where(alert.c.event_id == event_id, alert.c.expires > isoformat(self.time))
            .order_by(alert.c.alert_id)
        )
        return [Reference(self.office.sender, r.identifier, parse_time(r.sent)) for r in rows]

    def _number(self, event_id: str) -> int:
        query = select(func.count()).select_from(alert).where(alert.c.event_id == event_id)
        return int(self.connection.execute(query).scalar_one()) + 1

    def _newest_alert(self, event_id: str) -> int:
        query = select(func.max(alert.c.alert_id)).where(alert.c.event_id == event_id)
        return int(self.connection.execute(query).scalar_one())

    def _close(self, event_id: str, action: Action) -> None:
        self.connection.execute(
            update(event)
            .where(event.c.event_id == event_id)
            .values(closed_at=isoformat(self.time), level=0)
        )
        record(self.connection, self.time, "cycle", action.value, event_id, {})


def _areas(cells: dict[int, CellState], spec: GridSpec) -> tuple[Area, ...]:
    """One area a level, highest first."""
    areas = []
    for level in sorted({state.level for state in cells.values()}, reverse=True):
        mine = [cell for cell, state in cells.items() if state.level == level]
        outlines = tuple(tuple(to_lonlat(p, spec)) for p in cell_polygons(mine, spec))
        areas.append(Area(Level(level), outlines, len(mine)))
    return tuple(areas)
