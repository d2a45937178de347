"""From levels to told people: rules, events, audience, outbox, delivery, as the cycle uses them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
import xarray as xr
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from jinghu.auditing import anchor_cycle
from jinghu.channels import channels_of, digest_of, quiet_of, routes_of
from jinghu.configs.settings import Settings
from jinghu.grid.errors import StoreError
from jinghu.grid.fields import State, check
from jinghu.grid.spec import GridSpec
from jinghu.grid.times import parse_cycle_name
from jinghu.people import ensure_audience
from jinghu.second_persons import approvals_of_tables
from jinghu.stages import StageLog
from jinghu.warnings.acknowledge import Links, answer_key_path, load_answer_key
from jinghu.warnings.database import one_line, open_database, reading
from jinghu.warnings.delivery import (
    Channel,
    DeliverySummary,
    deliver,
    outbox_counts,
    waiting_of,
)
from jinghu.warnings.escalation import escalate, follow_up_counts
from jinghu.warnings.ledger import process, second_pass
from jinghu.warnings.levels import Level
from jinghu.warnings.matters import Matter
from jinghu.warnings.office import Office, Summary
from jinghu.warnings.purposes import Purpose, fits
from jinghu.warnings.rules import RuleSet, evaluate, load_rules
from jinghu.warnings.shifts import Gap, gaps
from jinghu.warnings.torrent_rules import TorrentRules, load_torrent_rules
from jinghu.warnings.torrents import evaluate_torrents
from jinghu.warnings.units import Units, load_units
from jinghu.warnings.water import WaterFinding, evaluate_water
from jinghu.warnings.water_rules import WaterRules, load_water_rules
from jinghu.warnings.weather import evaluate_weather
from jinghu.warnings.weather_rules import load_weather_rules

_SEEN = (State.DRY, State.WET)
_NAMED = 3  # of a kind, one by one


@dataclass(frozen=True, slots=True)
class WarningLevels:
    """Levels of one cycle: what is published, and all that the life of the warnings needs.

    ``water_rules`` and ``torrent_rules`` are judged with the flows; ``amounts`` are the rain of
    the windows, against which villages with marks of their own are held.
    """

    published: xr.Dataset
    evaluated: xr.Dataset
    rules: RuleSet
    water_rules: WaterRules | None
    torrent_rules: TorrentRules | None
    amounts: xr.DataArray


@dataclass(frozen=True, slots=True)
class Judged:
    """What a cycle found beside the rain; None where it cannot tell.

    Of rivers and reservoirs, of mountain torrents, of wind and heat.
    """

    water: list[WaterFinding] | None = None
    torrents: list[Matter] | None = None
    weather: list[Matter] | None = None


UNTOLD = Judged()


@dataclass(frozen=True, slots=True)
class WarningOutcome:
    """What the warnings of one cycle came to; ``likely`` those on probabilities, if any."""

    summary: dict[str, object]
    likely: dict[str, object] = field(default_factory=dict)


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
        Where a rule table is missing or broken, or needs a window that is not there.
    """
    check(grid, "rainfall_amount", "quality", "age", "state")
    rules = load_rules(settings.warnings.rules)
    evaluated = evaluate(rules, grid, units_of(settings) if rules.needs_units else None)
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
    water = settings.warnings.water_rules
    of_water = None if water is None else load_water_rules(water)
    torrents = settings.warnings.torrent_rules
    of_torrents = None if torrents is None else load_torrent_rules(torrents)
    amounts = grid["rainfall_amount"]
    return WarningLevels(published, evaluated, rules, of_water, of_torrents, amounts)


def known_cells(grid: xr.Dataset, stale_after_s: float) -> np.ndarray:
    """Where a radar sees the cell now: nothing is lowered anywhere else.

    A cell that was filled from gauges, or whose newest observation is older than
    ``stale_after_s``, may be drier than it looks.
    """
    state, age, quality = (grid[name].values for name in ("state", "age", "quality"))
    with np.errstate(invalid="ignore"):
        known: np.ndarray = np.isin(state, _SEEN) & (age <= stale_after_s) & (quality > 0)
    return known


def water_findings(
    levels: WarningLevels, flows: xr.Dataset | None, units: Units, spec: GridSpec, log: StageLog
) -> list[WaterFinding] | None:
    """Judge rivers and reservoirs; None where the cycle has no flows and cannot tell."""
    if levels.water_rules is None:
        return []
    if flows is None:
        log.degrade("no flood forecast: what stands of rivers and reservoirs is held")
        return None
    known = levels.evaluated["known"].values.ravel()
    inside = units.cell_county >= 0
    found, lines = evaluate_water(levels.water_rules, flows, known, inside, spec)
    for line in lines:
        log.degrade(line)
    return found


def torrents_found(
    levels: WarningLevels, flows: xr.Dataset | None, units: Units, spec: GridSpec, log: StageLog
) -> list[Matter] | None:
    """Judge mountain torrents; None where the cycle has no critical rain and cannot tell."""
    rules = levels.torrent_rules
    if rules is None:
        return []
    if flows is None or "critical_rainfall_ratio" not in flows:
        log.degrade("no critical rain: what stands of mountain torrents is held")
        return None
    known = levels.evaluated["known"].values.ravel()
    return evaluate_torrents(rules, flows, levels.amounts, known, units, spec)


def weather_found(
    settings: Settings, fields: xr.Dataset | None, units: Units
) -> list[Matter] | None:
    """Judge wind and heat; None where the cycle has no analysis of them and cannot tell."""
    path = settings.warnings.weather_rules
    if path is None or (fields is None and not settings.inputs.weather):
        return []
    if fields is None:
        return None
    return evaluate_weather(load_weather_rules(path), fields, units)


def judge(
    levels: WarningLevels,
    flows: xr.Dataset | None,
    settings: Settings,
    log: StageLog,
    weather: xr.Dataset | None = None,
) -> Judged:
    """Judge rivers, reservoirs, mountain torrents, wind and heat by the rules of a cycle.

    Parameters
    ----------
    levels
        Of the cycle, with its rules.
    flows
        Hydrographs, as `hydro.zarr` holds them; None where there are none.
    settings, log
        Of the installation; where it is named what cannot be judged.
    weather
        Analysis of wind and temperature, None where there is none.
    """
    units = units_of(settings)
    of = (levels, flows, units, settings.grid.product(), log)
    return Judged(water_findings(*of), torrents_found(*of), weather_found(settings, weather, units))


def warn(
    levels: WarningLevels,
    cycle: str,
    now: datetime,
    settings: Settings,
    log: StageLog,
    judged: Judged = UNTOLD,
    *,
    second: bool = False,
) -> WarningOutcome:
    """Bring the warnings in line with a cycle, and hand over what is due.

    Alerts and their messages are decided by the cycle's time, so that a replay decides as the
    original did; delivery and the waiting times of people run on the clock. A receiver that is
    down degrades the cycle by name; its messages are tried again by the next.

    Parameters
    ----------
    levels, cycle, now
        Levels of a cycle, its name, and the clock.
    settings, log
        Of the installation; where degradations are named.
    judged
        What the cycle found beside the rain; what it cannot tell is held as it stands.
    second
        The second pass of a cycle, on the rain alone: rivers and reservoirs had their turn.

    Raises
    ------
    ConfigError
        Where the audience or a receiver is configured wrongly.
    StoreError
        Where the database cannot be opened, written or read.
    """
    channels = channels_of(settings)
    status = settings.warnings.status
    told_through = _fitting(channels, settings)
    if not told_through:
        what = "delivery channel is configured" if not channels else f"channel is for {status}"
        log.degrade(f"no {what}: alerts are issued, nobody is sent them")
    units = units_of(settings)
    try:
        engine = open_database(settings.warnings.database)
        try:
            ensure_audience(engine, units, settings, now, log)
            office = office_of(settings, units, told_through)
            time = parse_cycle_name(cycle)
            done = second_pass(cycle) if second else cycle
            summary = process(
                engine,
                levels.evaluated,
                done,
                time,
                office,
                now,
                judged.water,
                judged.torrents,
                judged.weather,
            )
            followed = escalate(engine, office.answer_within, now)
            delivered = deliver_now(engine, channels, settings, now)
            waiting = outbox_counts(engine)
            with reading(engine) as connection:
                answers = follow_up_counts(connection, status, now)
                name_gaps(gaps(connection, now), log)
            anchor_cycle(engine, settings, now, log)
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
        "proposed": len(summary.proposed),
        "unanswered": len(summary.unanswered),
        "repeated": summary.repeated,
        "alerts": summary.alerts,
        "delivered": delivered.sent,
        "retrying": delivered.retry,
        "dead": delivered.dead,
        "waiting": waiting_of(counts),
    }


def name_degradations(
    summary: Summary, delivered: DeliverySummary, cycle: str, log: StageLog
) -> None:
    """Name what the warnings of this cycle had to do without."""
    if summary.late_after is not None:
        log.degrade(f"cycle {cycle} is older than {summary.late_after}: warnings are left as is")
    if summary.proposed:
        log.degrade(f"{len(summary.proposed)} steps wait for a second person")
    for identifier in summary.unanswered:
        log.degrade(f"{identifier} was issued by rule: nobody answered the review in time")
    for number in summary.idle_holds:
        log.degrade(f"hold {number} is on a place that this cycle does not judge")
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


def name_gaps(found: Sequence[Gap], log: StageLog) -> None:
    """Name duties of which nobody is on shift: all who hold them are told."""
    if found:
        rest = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        some = ", ".join(map(str, found[:_NAMED]))
        log.degrade(f"nobody is on shift, all who hold the duty are told: {some}{rest}")


def deliver_now(
    engine: Engine, channels: Sequence[Channel], settings: Settings, now: datetime
) -> DeliverySummary:
    """Hand over what is due at a time, as the installation is set; errors are those of `deliver`.

    Parameters
    ----------
    engine, channels
        Database, and what is delivered through.
    settings, now
        Of the installation; the time by which messages are due.
    """
    links, digest = links_of(settings), digest_of(settings)
    return deliver(engine, channels, links, lambda: datetime.now(UTC), now=now, digest=digest)


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
        agency=settings.warnings.agency,
        routes=routes_of(settings, channels),
        quiet=quiet_of(settings),
        approvals=approvals_of_tables(settings),
    )


def office_with(settings: Settings, units: Units) -> Office:
    """The office with all its channels, for what people decide between two cycles."""
    return office_of(settings, units, _fitting(channels_of(settings), settings))


def _fitting(channels: Sequence[Channel], settings: Settings) -> list[Channel]:
    """Channels through which messages of the installation's status may go."""
    return [c for c in channels if fits(c.purpose, settings.warnings.status)]
