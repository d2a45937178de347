"""The transactional shell of the life cycle: one cycle's levels become events, alerts, outbox."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime

import xarray as xr
from sqlalchemy import Connection, Engine, func, insert, select

from jinghu.grid.times import isoformat
from jinghu.warnings.as_it_stands import unjudged
from jinghu.warnings.database import record
from jinghu.warnings.decisions import in_line, settle
from jinghu.warnings.fanout import end_tasks
from jinghu.warnings.holds import on, standing_holds
from jinghu.warnings.issuing import Moment, close_event
from jinghu.warnings.levels import Action, Hazard
from jinghu.warnings.matters import Matter, held_matter, rain_matters, water_matters
from jinghu.warnings.office import Office, Summary, register
from jinghu.warnings.proposals import lapse_with
from jinghu.warnings.subjects import Subject
from jinghu.warnings.tables import alert, cycle, event
from jinghu.warnings.water import WaterFinding

_SECOND = "+p"  # sorts behind the cycle's own name, and before the next cycle's

_KINDS = (
    (Hazard.RIVER_FLOOD, Hazard.RESERVOIR),
    (Hazard.MOUNTAIN_TORRENT,),
    (Hazard.GALE, Hazard.HIGH_TEMPERATURE),
)  # what a cycle may not be able to tell of, together


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
    torrents: Sequence[Matter] | None = (),
    weather: Sequence[Matter] | None = (),
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
    water, torrents, weather
        What was found at gauges and reservoirs, of mountain torrents, of wind and heat. None where
        the cycle could not tell: then what stands of them is held.
    """
    mine = cycle.c.status == office.status
    with engine.begin() as connection:
        done = connection.execute(
            select(cycle.c.summary).where(cycle.c.cycle == name, mine)
        ).scalar()
        if done is not None:
            return Summary(**(json.loads(done) | {"repeated": True}))
        register(connection, office)
        newest = connection.execute(select(func.max(cycle.c.cycle)).where(mine)).scalar()
        matters = rain_matters(levels, office.units) + water_matters(water or (), office.units)
        matters += [*(torrents or ()), *(weather or ())]
        summary = Summary(candidates=sum(_concerned(matter) for matter in matters))
        if newest is not None and newest > name:
            summary.late_after = newest
        else:
            summary.expired = close_expired(connection, time, now)
            matters += _held(connection, office, (water is None, torrents is None, weather is None))
            holds = standing_holds(connection, office.status, time)
            if not name.endswith(_SECOND):  # which judges the rain alone
                idle = [(n, one) for n, one in holds if not any(on(m, one) for m in matters)]
                more, summary.idle_holds = unjudged(connection, office, idle)
                matters += more
            of_cycle = name.removesuffix(_SECOND)
            moment = Moment(of_cycle, time, now)
            for matter in matters:
                hold = next((one for _, one in holds if on(matter, one)), None)
                in_line(connection, matter, hold, moment, office, summary)
            settle(connection, office, moment, summary)
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


def _concerned(matter: Matter) -> int:
    """How many cells of a matter have a level."""
    return int((matter.found.level[matter.cells] > 0).sum())


def _held(
    connection: Connection, office: Office, nothing_of: tuple[bool, bool, bool]
) -> list[Matter]:
    """Open events of hazards of which this cycle could not tell anything: see `_KINDS`."""
    unknown = [one for kind, no in zip(_KINDS, nothing_of, strict=True) if no for one in kind]
    if not unknown:
        return []
    counties = {county.code: county for county in office.units.counties}
    rows = connection.execute(
        select(event).where(
            event.c.closed_at.is_(None),
            event.c.hazard.in_([hazard.value for hazard in unknown]),
            event.c.status == office.status,
        )
    )
    return [
        held_matter(
            Hazard(row.hazard),
            counties[row.county],
            Subject(row.subject, row.subject_zh, row.subject_en) if row.subject else None,
            office.units.cell_county.size,
        )
        for row in rows
        if row.county in counties
    ]


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
        close_event(connection, event_id, Action.EXPIRE, time, now)
        end_tasks(connection, event_id)
        lapse_with(connection, event_id, now)
    return len(found)
