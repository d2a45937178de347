"""What people decide, at once: holds, approvals, and what is due because nobody answered.

A decision takes the matter as it stands, not as the last cycle found it: what is raised, capped or
ended now is judged by the rules again in the next cycle, under the same hold.
"""

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection

from jinghu.grid.errors import ConfigError, DataError
from jinghu.grid.times import cycle_name
from jinghu.warnings.approvals import StepKind
from jinghu.warnings.as_it_stands import StoredFinding, as_it_stands, place_of
from jinghu.warnings.gate import end_waiting, raised_to
from jinghu.warnings.holds import Hold, end_hold, held, place_hold, standing_holds
from jinghu.warnings.issuing import Moment, Work, standing_event
from jinghu.warnings.keys import ApiKey, Right
from jinghu.warnings.levels import Action
from jinghu.warnings.lifecycle import Plan, plan_event
from jinghu.warnings.matters import Matter
from jinghu.warnings.office import Office, Summary, register
from jinghu.warnings.proposals import (
    MACHINE,
    Proposal,
    State,
    all_open,
    close,
    get_proposal,
    open_of,
)
from jinghu.warnings.subjects import Subject

_FRESH = timedelta(minutes=30)  # what was seen earlier is not lowered because nobody answered


class NotAllowedError(DataError):
    """Somebody who may not do this."""


class TooLateError(DataError):
    """Something that is no longer as it was when it was asked for."""


def in_line(
    connection: Connection,
    matter: Matter,
    hold: Hold | None,
    moment: Moment,
    office: Office,
    summary: Summary,
    by: str = MACHINE,
) -> None:
    """Bring one matter in line with what was found, as a forecaster wants it."""
    life = office.life
    if hold is not None:
        matter, life = held(matter, hold, life)
    Work(connection, matter, moment, office, life, summary, hold, by).bring_in_line()


def decide_hold(
    connection: Connection, office: Office, wanted: Hold, subject: Subject | None, now: datetime
) -> tuple[int, Summary]:
    """Write down a hold and act on it at once; returns its number, and what came of it.

    Parameters
    ----------
    connection
        A transaction.
    office, wanted, now
        Who warns, what is decided, and the clock.
    subject
        Names of a gauge or reservoir of which nothing was warned before; None else.

    Raises
    ------
    ConfigError
        Where the hold cannot be, or is on cells or a county that are not there.
    """
    _check_place(office, wanted)
    register(connection, office)
    number = place_hold(connection, wanted, office.status, now)
    summary = Summary()
    place = place_of(connection, office, wanted, subject)
    matter = as_it_stands(connection, office, place, wanted.cells)
    in_line(connection, matter, wanted, _now(now), office, summary, wanted.author)
    return number, summary


def release_hold(
    connection: Connection, office: Office, number: int, by: str, reason: str, now: datetime
) -> None:
    """End a hold; from the next cycle on the rules decide again.

    Raises
    ------
    ConfigError
        Where there is no reason.
    DataError
        Where there is none that holds, for this office.
    """
    if not reason.strip():
        raise ConfigError("ending a hold needs a reason")
    if number not in (n for n, _ in standing_holds(connection, office.status, now)):
        raise DataError(f"hold {number}", "there is none that holds")
    end_hold(connection, number, by, reason, now)


def decide_proposal(
    connection: Connection,
    office: Office,
    number: int,
    approved: bool,
    who: ApiKey,
    reason: str,
    now: datetime,
) -> Summary:
    """Approve a step, which is done at once, or refuse it.

    Raises
    ------
    ConfigError
        Where it is refused without a reason.
    DataError
        Where there is no such proposal; `NotAllowedError` where it is not for this key, or for a
        second one; `TooLateError` where it was answered or has lapsed.
    """
    one, name = get_proposal(connection, office.status, number), f"proposal {number}"
    if not who.may(Right.APPROVE):
        raise NotAllowedError(name, f"a {who.scope} key may not decide it: it needs approve")
    if not who.covers(one.place.county):
        raise NotAllowedError(name, f"unit {one.place.county} is not below that of the key")
    if _same_person(one.wanted.by, who):
        raise NotAllowedError(name, f"it was proposed by {one.wanted.by}: another person decides")
    if one.state is not State.OPEN:
        raise TooLateError(name, f"it is {one.state.value.lower()} already")
    summary = Summary()
    if not approved:
        if not reason.strip():
            raise ConfigError("refusing a proposal needs a reason")
        close(connection, one, State.REJECTED, who.actor, reason, now)
        return summary
    register(connection, office)
    close(connection, one, State.APPROVED, who.actor, reason, now)
    if not _do(connection, office, one, _now(now), summary, who.actor):
        raise TooLateError(name, "what it is about has changed since")
    return summary


def settle(connection: Connection, office: Office, moment: Moment, summary: Summary) -> None:
    """Do what is due because nobody answered, or leave it, as the tables say."""
    for one in all_open(connection, office.status):
        if one.due_at > moment.now:
            continue
        age = moment.now - one.seen_at
        if age > office.life.valid_for:
            close(connection, one, State.LAPSED, MACHINE, "seen too long ago", moment.now)
            continue
        if one.wanted.step.kind is not StepKind.RAISE and age > _FRESH:
            continue  # a cycle must say again that it may be lowered
        if end_waiting(connection, one, moment.now):
            _do(connection, office, one, moment, summary, MACHINE, unanswered=True)


def settle_due(connection: Connection, office: Office, now: datetime) -> Summary:
    """Do between two cycles what is due because nobody answered."""
    summary = Summary()
    register(connection, office)
    settle(connection, office, _now(now), summary)
    return summary


def anything_due(connection: Connection, status: str, now: datetime) -> bool:
    """Whether a step has waited in vain."""
    return any(one.due_at <= now for one in all_open(connection, status))


def _do(
    connection: Connection,
    office: Office,
    one: Proposal,
    moment: Moment,
    summary: Summary,
    by: str,
    *,
    unanswered: bool = False,
) -> bool:
    """Do what was proposed; False where what it is about has changed since."""
    wanted, step = one.wanted, one.wanted.step
    standing = standing_event(connection, one.place)
    matter = as_it_stands(connection, office, one.place, tuple(wanted.cells))
    matter = replace(matter, finding=StoredFinding(wanted.rules, wanted.onset_min, wanted.evidence))
    work = Work(connection, matter, moment, office, office.life, summary, None, by)
    if step.kind is StepKind.RAISE:
        found = raised_to(matter.found, wanted.cells)
        plan = plan_event(standing, matter.cells, found, moment.time, office.life)
    elif standing is None or (standing.event_id, standing.level) != (wanted.event_id, step.level):
        return False
    else:
        action = Action.CANCEL if step.kind is StepKind.CANCEL else Action.DOWNGRADE
        plan = Plan(action, int(step.to_level), dict(wanted.cells))
    if plan is None or plan.action is None:
        return False
    work.carry_out(plan, standing, unanswered=unanswered)
    for other in open_of(connection, one.place):
        lower = step.kind is StepKind.RAISE and other.wanted.step.level > step.level
        if not lower:
            close(connection, other, State.LAPSED, MACHINE, "another step was done", moment.now)
    return True


def _now(now: datetime) -> Moment:
    """A moment between cycles: it is planned by the clock."""
    return Moment(cycle_name(now), now, now)


def _same_person(by: str, who: ApiKey) -> bool:
    """Whether a key is that of the first person, or of somebody of the same name."""
    return by in (who.actor, who.name) or by.partition(" ")[2] == who.name


def _check_place(office: Office, wanted: Hold) -> None:
    """Refuse a county or cells that are not there."""
    county = office.units.cell_county
    codes = [one.code for one in office.units.counties]
    if wanted.county not in codes:
        raise ConfigError(f"county {wanted.county}: there are {', '.join(codes)}")
    if wanted.subject and not (wanted.hazard.has_subject):
        raise ConfigError(f"{wanted.hazard.value} is warned of by county, not at a place")
    if not wanted.subject and wanted.hazard.has_subject:
        raise ConfigError(f"{wanted.hazard.value} is warned of at a place: name it")
    for cell in wanted.cells:
        if not 0 <= cell < county.size or county[cell] < 0:
            raise ConfigError(f"cell {cell} is not of this city")
        if not wanted.subject and codes[county[cell]] != wanted.county:
            raise ConfigError(f"cell {cell} is of county {codes[county[cell]]}")
