"""From levels to told people: rules, events, audience, outbox, delivery, as the cycle uses them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import xarray as xr
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from jinghu.channels import channels_of, quiet_of, routes_of
from jinghu.configs.settings import Settings
from jinghu.grid.errors import StoreError
from jinghu.grid.fields import State, check
from jinghu.grid.frames import parse_frame
from jinghu.grid.times import parse_cycle_name
from jinghu.stages import StageLog
from jinghu.warnings.acknowledge import Links, answer_key_path, load_answer_key
from jinghu.warnings.audience import (
    ImportReport,
    count_recipients,
    read_recipients,
    store_recipients,
)
from jinghu.warnings.database import one_line, open_database, reading
from jinghu.warnings.delivery import Channel, DeliverySummary, deliver, outbox_counts
from jinghu.warnings.escalation import escalate, follow_up_counts
from jinghu.warnings.generate import generate_recipients
from jinghu.warnings.ledger import Office, Summary, process
from jinghu.warnings.levels import Level
from jinghu.warnings.purposes import Purpose, fits
from jinghu.warnings.rules import evaluate, load_rules
from jinghu.warnings.units import Units, load_units

_SEEN = (State.DRY, State.WET)


@dataclass(frozen=True, slots=True)
class WarningLevels:
    """Levels of one cycle: what is published, and all that the life of the warnings needs."""

    published: xr.Dataset
    evaluated: xr.Dataset


@dataclass(frozen=True, slots=True)
class WarningOutcome:
    """What the warnings of one cycle came to."""

    summary: dict[str, object]


def warning_levels(grid: xr.Dataset, settings: Settings) -> WarningLevels:
    """Evaluate the rules on the product grid.

    Parameters
    ----------
    grid
        Products on (y, x): ``rainfall_amount``, ``rainfall_rate``, ``quality``, ``age``, ``state``.
    settings
        Name the rule table, and the age from which observations are stale.

    Raises
    ------
    ConfigError
        Where the rule table is missing or broken, or needs a window that is not there.
    """
    check(grid, "rainfall_amount", "quality", "age", "state")
    evaluated = evaluate(load_rules(settings.warnings.rules), grid)
    evaluated["known"] = (("y", "x"), known_cells(grid, settings.radar.stale_after_min * 60.0))
    flags = np.array([int(level) for level in Level], np.uint8)
    published = evaluated[["warning_level", "warning_onset_lead"]].copy()
    published = published.drop_vars(list(published.coords))  # the products have them
    published["warning_level"].attrs |= {
        "flag_values": flags,
        "flag_meanings": " ".join(level.en for level in Level),
        "rules": evaluated.attrs["rules"],
    }
    published.attrs = {}
    return WarningLevels(published, evaluated)


def known_cells(grid: xr.Dataset, stale_after_s: float) -> np.ndarray:
    """Where a radar sees the cell now: nothing is lowered anywhere else.

    A cell that was filled from gauges, or whose newest observation is older than
    ``stale_after_s``, may be drier than it looks.
    """
    state, age, quality = (grid[name].values for name in ("state", "age", "quality"))
    with np.errstate(invalid="ignore"):
        known: np.ndarray = np.isin(state, _SEEN) & (age <= stale_after_s) & (quality > 0)
    return known


def warn(
    levels: WarningLevels, cycle: str, now: datetime, settings: Settings, log: StageLog
) -> WarningOutcome:
    """Bring the warnings in line with a cycle, and hand over what is due.

    Alerts and their messages are decided by the cycle's time, so that a replay decides as the
    original did; delivery and the waiting times of people run on the clock. A receiver that is
    down degrades the cycle by name; its messages are tried again by the next.

    Raises
    ------
    ConfigError
        Where the audience or a receiver is configured wrongly.
    StoreError
        Where the database cannot be opened, written or read.
    """
    channels = channels_of(settings)
    status = settings.warnings.status
    told_through = [c for c in channels if fits(c.purpose, status)]
    if not told_through:
        what = "delivery channel is configured" if not channels else f"channel is for {status}"
        log.degrade(f"no {what}: alerts are issued, nobody is sent them")
    units = units_of(settings)
    try:
        engine = open_database(settings.warnings.database)
        try:
            ensure_audience(engine, units, settings, log)
            office = office_of(settings, units, told_through)
            time = parse_cycle_name(cycle)
            summary = process(engine, levels.evaluated, cycle, time, office, now)
            followed = escalate(engine, office.answer_within, now)
            delivered = deliver(engine, channels, links_of(settings), lambda: datetime.now(UTC))
            waiting = outbox_counts(engine)
            with reading(engine) as connection:
                answers = follow_up_counts(connection, status, now)
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    name_degradations(summary, delivered, cycle, log)
    if followed.stuck:
        log.degrade(f"{followed.stuck} tasks are overdue and there is nobody above to call on")
    return WarningOutcome(_report(summary, delivered, waiting) | answers)


def _report(
    summary: Summary, delivered: DeliverySummary, counts: dict[str, int]
) -> dict[str, object]:
    return {
        "candidates": summary.candidates,
        "issued": summary.issued,
        "updated": summary.updated,
        "cancelled": summary.cancelled,
        "expired": summary.expired,
        "recipients": summary.recipients,
        "repeated": summary.repeated,
        "alerts": summary.alerts,
        "delivered": delivered.sent,
        "retrying": delivered.retry,
        "dead": delivered.dead,
        "waiting": counts.get("PENDING", 0) + counts.get("LEASED", 0),
    }


def name_degradations(
    summary: Summary, delivered: DeliverySummary, cycle: str, log: StageLog
) -> None:
    """Name what the warnings of this cycle had to do without."""
    if summary.late_after is not None:
        log.degrade(f"cycle {cycle} is older than {summary.late_after}: warnings are left as is")
    for name, cause in delivered.faults.items():
        what = "is down" if name in delivered.down else "failed for some messages"
        log.degrade(f"delivery channel {name} {what}: {cause}")
    for name, cause in delivered.gone.items():
        log.degrade(f"delivery channel {name} is disabled until it is enabled again: {cause}")
    if delivered.passed:
        log.degrade(f"{delivered.passed} messages went on to the next channel")
    if delivered.dead:
        log.degrade(f"{delivered.dead} messages could not be delivered and are given up")
    if delivered.late:
        log.degrade("delivery ran out of time: the rest is handed over after the next cycle")


def links_of(settings: Settings) -> Links:
    """How answer links are made here; the key is made on first use."""
    warnings = settings.warnings
    path = answer_key_path(warnings.answer_key_file, warnings.database, settings.store)
    return Links(warnings.public_url, load_answer_key(path))


def units_of(settings: Settings) -> Units:
    """Counties of the city on the product grid."""
    city = settings.city
    return load_units(city.boundaries, city.code, settings.grid.product())


def office_of(settings: Settings, units: Units, channels: Sequence[Channel]) -> Office:
    """Who warns here, of what, through which channels."""
    return Office(
        settings.grid.product(),
        units,
        settings.city.name_zh,
        settings.city.name_en,
        settings.warnings.sender,
        settings.warnings.status,
        tuple(c.name for c in channels),
        drills=frozenset(c.name for c in channels if c.purpose is Purpose.DRILL),
        answer_within=load_rules(settings.warnings.rules).answer_within,
        routes=routes_of(settings, channels),
        quiet=quiet_of(settings),
    )


def ensure_audience(engine: Engine, units: Units, settings: Settings, log: StageLog) -> None:
    """Import or generate the recipients where there are none yet; name it where there are none.

    Raises
    ------
    ConfigError
        Where the frame of the file's coordinates is not declared.
    """
    audience, spec = settings.warnings.audience, settings.grid.product()
    with reading(engine) as connection:
        if count_recipients(connection):
            return
    if audience.file is not None:
        report = import_file(engine, audience.file, audience.frame, settings)
        if report.bad:
            log.degrade(
                f"{audience.file.name}: {len(report.bad)} recipients refused, first {report.bad[0]}"
            )
    elif audience.generated:
        if settings.warnings.status == "Actual":
            log.degrade("recipients are generated: nobody in the audience exists")
        people = generate_recipients(units, spec, audience.generated, audience.seed)
        store_recipients(engine, people, spec)
    else:
        log.degrade("no audience is configured: alerts are issued, nobody is told")


def import_recipients(file: Path, crs: str, settings: Settings) -> ImportReport:
    """Import recipients from CSV into the warnings database.

    Raises
    ------
    ConfigError
        Where the frame of the coordinates is not declared.
    DataError
        Where the file is not a table of recipients.
    StoreError
        Where the database cannot be opened or written.
    """
    parse_frame(crs, str(file))
    engine = open_database(settings.warnings.database)
    try:
        return import_file(engine, file, crs, settings)
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    finally:
        engine.dispose()


def import_file(engine: Engine, file: Path, crs: str, settings: Settings) -> ImportReport:
    """Import recipients into an open database; rows that are refused are in the report."""
    people, bad = read_recipients(file, parse_frame(crs, str(file)))
    stored = store_recipients(engine, people, settings.grid.product())
    return ImportReport(stored.imported, (*bad, *stored.bad))
