"""A changed rule table over past cycles: what would have been issued, beside what was.

The cycles of a store go through the real life cycle in a database of their own, which is thrown
away. Nothing of the store, its database or its people is changed, and nobody is told.
"""

import json
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import track
from sqlalchemy import Connection, Engine, Select, func, insert, make_url, select
from sqlalchemy.exc import SQLAlchemyError

from jinghu.alerting import (
    WarningLevels,
    office_of,
    torrents_found,
    units_of,
    warning_levels,
    water_findings,
    weather_found,
)
from jinghu.configs.settings import Settings
from jinghu.grid.errors import ConfigError, StoreError
from jinghu.grid.store import Part, Store
from jinghu.grid.times import cycle_name, isoformat, parse_cycle_name
from jinghu.grid.yaml_text import load_yaml
from jinghu.likely import keep_likely, likely_of
from jinghu.stages import StageLog
from jinghu.warnings.cell_levels import higher
from jinghu.warnings.database import THROWAWAY, connect, is_made, one_line, open_database, reading
from jinghu.warnings.ledger import process, second_pass
from jinghu.warnings.levels import Action, Level
from jinghu.warnings.office import Office
from jinghu.warnings.tables import alert, alert_cell, cycle, event, recipient
from jinghu.weather import weather_fields

_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class Period:
    """Cycles that are looked at, oldest first, and whose messages: of one status."""

    cycles: tuple[str, ...]
    status: str

    @property
    def times(self) -> tuple[str, str]:
        """First and last analysis time, as the database writes them."""
        first, last = (parse_cycle_name(self.cycles[k]) for k in (0, -1))
        return isoformat(first), isoformat(last)


@dataclass(frozen=True, slots=True)
class Tally:
    """What was, or would have been, issued in a period.

    Parameters
    ----------
    messages
        Number of messages; ``by_level``, ``by_action`` and ``by_hazard`` share them out.
    cells, cells_by_level
        Cells that were warned at all; by the highest level of each.
    people, people_by_level
        Persons of today's audience who stand in them.
    told
        How many times somebody would have had a message, or had one.
    """

    messages: int
    by_level: Mapping[str, int]
    by_action: Mapping[str, int]
    by_hazard: Mapping[str, int]
    cells: int
    cells_by_level: Mapping[str, int]
    people: int
    people_by_level: Mapping[str, int]
    told: int


def try_table(
    table: Path,
    settings: Settings,
    start: datetime | None,
    end: datetime | None,
    console: Console,
) -> dict[str, Any]:
    """Run a table over the cycles of the store.

    Parameters
    ----------
    table
        Of rain, of rivers and reservoirs, of mountain torrents, or of wind and heat: it takes the
        place of that one alone. Nobody is asked for a second opinion.
    settings
        Of the installation.
    start, end
        First and last analysis time; all that the store holds where None. Nothing stands at the
        beginning, whatever stood then, and holds of forecasters do not count.
    console
        Where progress is shown.

    Raises
    ------
    ConfigError
        Where the table is broken, or no cycle lies in the period.
    StoreError
        Where the store or the database cannot be read.
    """
    changed = with_table(settings, table)
    store = Store(settings.store)
    period = Period(_cycles(store, start, end), settings.warnings.status)
    try:
        with _issued(settings) as database, tempfile.TemporaryDirectory() as folder:
            engine = open_database(f"sqlite:///{Path(folder) / 'try.db'}{THROWAWAY}")
            try:
                if database is not None:
                    _copy_people(database, engine)
                notes = _replay(engine, changed, store, period, console)
                with reading(engine) as connection:
                    would = _answer(connection, period)
            finally:
                engine.dispose()
            issued = None if database is None else _answer(database, period)
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    first, last = period.times
    return {
        "table": str(table),
        "from": first,
        "to": last,
        "cycles": len(period.cycles),
        "would": would,
        "issued": issued,
        "notes": notes,
    }


def with_table(settings: Settings, table: Path) -> Settings:
    """Put a table in the place of the one of its kind.

    Raises
    ------
    ConfigError
        Where it cannot be read.
    """
    try:
        raw = load_yaml(table.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{table}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{table}: not YAML: {' '.join(str(error).split())}") from None
    keys = raw if isinstance(raw, dict) else {}
    of_water = "river" in keys
    kind = "water_rules" if of_water else "torrent_rules" if "hazard" in keys else "rules"
    kind = "weather_rules" if "weather" in keys else kind
    warnings = settings.warnings.model_copy(update={kind: table.absolute()})
    return settings.model_copy(update={"warnings": warnings})


def _cycles(store: Store, start: datetime | None, end: datetime | None) -> tuple[str, ...]:
    first = "" if start is None else cycle_name(start)
    last = "~" if end is None else cycle_name(end)
    found = tuple(
        n for n in reversed(store.cycles()) if first <= n <= last and store.find(n, "fast")
    )
    if not found:
        raise ConfigError(f"{store.root}: no published cycle in the period")
    return found


@contextmanager
def _issued(settings: Settings) -> Iterator[Connection | None]:
    """The database of the installation, for reading alone; None where there is none yet."""
    url = make_url(settings.warnings.database)
    if not is_made(settings.warnings.database):
        yield None
        return
    if url.get_backend_name() == "sqlite":
        file = Path(str(url.database)).absolute()
        engine = connect(f"sqlite:///file:{file}?mode=ro&uri=true")
    else:
        engine = connect(settings.warnings.database)
    try:
        with reading(engine) as connection:
            yield connection
    finally:
        engine.dispose()


def _copy_people(source: Connection, target: Engine) -> None:
    rows = [dict(row) for row in source.execute(select(recipient)).mappings()]
    with target.begin() as connection:
        for k in range(0, len(rows), _BATCH):
            connection.execute(insert(recipient), rows[k : k + _BATCH])


def _replay(
    engine: Engine, settings: Settings, store: Store, period: Period, console: Console
) -> list[str]:
    """Let all cycles decide; returns what they had to do without, each line once."""
    units = units_of(settings)
    office = replace(office_of(settings, units, ()), approvals={})
    log = StageLog(Console(quiet=True))
    for name in track(period.cycles, "规则试算 rules", console=console, transient=True):
        fast, time = store.part(name, "fast"), parse_cycle_name(name)
        with fast.open("products.zarr") as opened:
            products = opened.load()
        levels = warning_levels(products, settings)
        levels = keep_likely(levels, store, time, settings, log)
        of = (levels, _flows(fast), units, office.spec, log)
        found = (
            water_findings(*of),
            torrents_found(*of),
            weather_found(settings, weather_fields(products), units),
        )
        process(engine, levels.evaluated, name, time, office, time, *found)
        _second(engine, levels, store, name, (settings, office))
    return list(dict.fromkeys(log.degradations))


def _second(
    engine: Engine, levels: WarningLevels, store: Store, name: str, by: tuple[Settings, Office]
) -> None:
    """Rows on probabilities, where the cycle has a full part."""
    settings, office = by
    full = store.find(name, "full")
    if full is None or not levels.rules.likely():
        return
    both = higher(levels.evaluated, likely_of(levels.rules, full, settings))
    time = parse_cycle_name(name)
    process(engine, both, second_pass(name), time, office, time)


def _flows(fast: Part) -> Any:
    if not (fast.folder / "hydro.zarr").exists():
        return None
    with fast.open("hydro.zarr") as opened:
        return opened.load()


def _answer(connection: Connection, period: Period) -> dict[str, Any]:
    return asdict(_tally(connection, period)) | {"list": _messages(connection, period)}


def _of_period(query: Select[Any], period: Period) -> Select[Any]:
    first, last = period.times
    return query.where(alert.c.status == period.status, alert.c.sent >= first, alert.c.sent <= last)


def _tally(connection: Connection, period: Period) -> Tally:
    rows = connection.execute(
        _of_period(
            select(alert.c.action, alert.c.level, event.c.hazard).join(
                event, event.c.event_id == alert.c.event_id
            ),
            period,
        )
    ).all()
    cells = _by_level(
        connection,
        _of_period(
            select(alert_cell.c.cell_id, func.max(alert_cell.c.level))
            .join(alert, alert.c.alert_id == alert_cell.c.alert_id)
            .group_by(alert_cell.c.cell_id),
            period,
        ),
    )
    people = _by_level(
        connection,
        _of_period(
            select(recipient.c.recipient_id, func.max(alert_cell.c.level))
            .join(alert_cell, alert_cell.c.cell_id == recipient.c.cell_id)
            .join(alert, alert.c.alert_id == alert_cell.c.alert_id)
            .group_by(recipient.c.recipient_id),
            period,
        ),
    )
    return Tally(
        len(rows),
        _counted(Level(r.level).en for r in rows),
        _counted(Action(r.action).value for r in rows),
        _counted(str(r.hazard) for r in rows),
        sum(cells.values()),
        cells,
        sum(people.values()),
        people,
        _told(connection, period),
    )


def _told(connection: Connection, period: Period) -> int:
    """Messages to people, as the cycles themselves counted them."""
    names = {*period.cycles, *(second_pass(name) for name in period.cycles)}
    query = select(cycle.c.cycle, cycle.c.summary).where(cycle.c.status == period.status)
    return sum(
        int(json.loads(row.summary)["recipients"])
        for row in connection.execute(query)
        if row.cycle in names
    )


def _by_level(connection: Connection, query: Select[Any]) -> dict[str, int]:
    return _counted(Level(level).en for _, level in connection.execute(query))


def _counted(words: Iterator[str]) -> dict[str, int]:
    return dict(sorted(Counter(words).items()))


def _messages(connection: Connection, period: Period) -> list[dict[str, Any]]:
    cells = (
        select(func.count())
        .select_from(alert_cell)
        .where(alert_cell.c.alert_id == alert.c.alert_id)
        .scalar_subquery()
    )
    query = _of_period(
        select(alert, event.c.hazard, event.c.county, event.c.subject, cells.label("cells"))
        .join(event, event.c.event_id == alert.c.event_id)
        .order_by(alert.c.alert_id),
        period,
    )
    return [
        {
            "sent": row.sent,
            "hazard": row.hazard,
            "county": row.county,
            "place": row.subject or None,
            "action": row.action,
            "level": Level(row.level).en,
            "cells": int(row.cells),
        }
        for row in connection.execute(query)
    ]
