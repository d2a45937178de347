"""From an alert to the people it concerns: who is told what, decided inside the database."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, select, text

from jinghu.grid.times import isoformat
from jinghu.warnings.changed import CONCERNED, concerned
from jinghu.warnings.levels import Level, Role, Tier
from jinghu.warnings.postgres import count_anew
from jinghu.warnings.purposes import channel_purposes, require_fit
from jinghu.warnings.quiet import Quiet
from jinghu.warnings.routes import first_of_routes
from jinghu.warnings.tables import alert
from jinghu.warnings.waiting import AnswerWithin

_TIER = (
    "CASE n.role "
    + " ".join(f"WHEN '{role.value}' THEN {int(role.tier)}" for role in Role)
    + " END"
)

_MANY = 200  # people at once, after whom PostgreSQL has to know how many tasks there are

_UNDELIVERED = "status IN ('PENDING', 'LEASED', 'MERGED')"
_OF_EVENT = "alert_id IN (SELECT alert_id FROM alert WHERE event_id = :event_id)"

# What was not delivered yet and is out of date now is never sent late. Of a message that a worker
# holds this minute, the worker writes down whether it got out.
_SUPERSEDE = f"""
    UPDATE outbox SET status = 'DROPPED', leased_until = NULL
    WHERE {_UNDELIVERED} AND channel = :channel AND {_OF_EVENT}
      AND recipient_id IN (SELECT recipient_id FROM {{changed}})
"""

# Messages of an alert to the same person through the same channel are numbered.
_VERSION = """(SELECT COUNT(*) FROM outbox o WHERE o.alert_id = :alert_id
    AND o.recipient_id = m.recipient_id AND o.channel = :channel)"""

_OUTBOX = """
    INSERT INTO outbox
        (alert_id, message_status, recipient_id, channel, purpose, kind, version, level, priority,
         message_id, status, attempts, created_at, due_at)
    SELECT :alert_id, :status, n.recipient_id, :channel, :purpose, 'WARNING', n.version, n.level,
           CASE WHEN n.level = 0 THEN 0 ELSE 5 - n.level END,
           :identifier || '-' || n.recipient_id || '-' || :channel
               || CASE WHEN n.version = 0 THEN '' ELSE '-' || n.version END,
           'PENDING', 0, :now,
           CASE WHEN n.level BETWEEN 1 AND :quiet_up_to THEN :quiet_until ELSE :now END
    FROM (SELECT m.recipient_id, m.level, {version} AS version FROM {changed} m) n
    WHERE {heard}
"""

# The end is told to those only to whom something of the event may have got out.
_HEARD = """n.level > 0 OR EXISTS (
        SELECT 1 FROM outbox o JOIN alert a ON a.alert_id = o.alert_id
        WHERE o.recipient_id = n.recipient_id AND o.channel = :channel AND o.attempts > 0
          AND a.event_id = :event_id)"""

# An answer stays with its task when the event ends; only who did not answer is closed unanswered.
# A task that was escalated to somebody is theirs wherever they stand: it ends with those below.
_TASKS = f"""
    INSERT INTO task (event_id, recipient_id, alert_id, level, status, note, tier, unit_code,
        escalated)
    SELECT :event_id, n.recipient_id, :alert_id, n.level,
           CASE WHEN n.level = 0 THEN 'CLOSED' ELSE 'TOLD' END, '', {_TIER}, n.unit_code, 0
    FROM {{changed}} n
    WHERE true
    ON CONFLICT (event_id, recipient_id) DO UPDATE SET
        alert_id = excluded.alert_id,
        status = CASE WHEN excluded.level > task.level THEN 'TOLD'
                      WHEN excluded.level = 0 AND task.status = 'TOLD' THEN 'CLOSED'
                      ELSE task.status END,
        answered_at = CASE WHEN excluded.level > task.level THEN NULL ELSE task.answered_at END,
        due_at = CASE WHEN excluded.level > task.level OR excluded.level = 0 THEN NULL
                      ELSE task.due_at END,
        raised_at = CASE WHEN excluded.level > task.level THEN NULL ELSE task.raised_at END,
        level = excluded.level
    WHERE task.escalated = 0
"""

# The nearest are waited for: who has nobody below them in the warned part of their unit, and of
# several in one unit the first. Those above are told what is warned of, and are not waited for
# until it is their turn.
_NEARER = " ".join(
    f"WHEN {int(tier)} THEN substr(task.unit_code, 1, {tier.digits}) IN (SELECT"
    f" substr(b.unit_code, 1, {tier.digits}) FROM task b WHERE b.event_id = :event_id"
    f" AND b.level > 0 AND b.tier < {int(tier)})"
    for tier in Tier
    if tier is not Tier.GRID
)
_KINDS = """
    SELECT DISTINCT level, tier FROM task WHERE event_id = :event_id AND escalated = 0
    ORDER BY level DESC, tier
"""
_ASK = f"""
    UPDATE task SET due_at = :due_at
    WHERE event_id = :event_id AND level = :level AND tier = :tier
      AND status = 'TOLD' AND due_at IS NULL AND raised_at IS NULL AND escalated = 0
      AND NOT (CASE tier {_NEARER} ELSE false END)
      AND NOT EXISTS (
          SELECT 1 FROM task o
          WHERE o.event_id = task.event_id AND o.tier = task.tier
            AND o.unit_code = task.unit_code AND o.task_id <> task.task_id AND o.level > 0
            AND (o.due_at IS NOT NULL
                 OR (o.level >= task.level AND (o.status <> 'TOLD' OR o.raised_at IS NOT NULL))
                 OR (o.level = task.level AND o.status = 'TOLD' AND o.task_id < task.task_id)))
"""

# A level for which no answer is asked ends the waiting.
_UNASK = """
    UPDATE task SET due_at = NULL
    WHERE event_id = :event_id AND level = :level AND tier = :tier AND escalated = 0
      AND due_at IS NOT NULL
"""

_TOLD = """
    INSERT INTO told (event_id, recipient_id, channel, level, alert_id)
    SELECT :event_id, n.recipient_id, :channel, n.level, :alert_id FROM {changed} n
    WHERE true
    ON CONFLICT (event_id, recipient_id, channel) DO UPDATE SET
        level = excluded.level, alert_id = excluded.alert_id
"""

# Of a new event all rows are new: written channel by channel they would tear the index apart that
# holds them by person.
_TOLD_NEW = """
    INSERT INTO told (event_id, recipient_id, channel, level, alert_id)
    SELECT :event_id, n.recipient_id, k.channel, n.level, :alert_id
    FROM concerned n CROSS JOIN (SELECT '' AS channel{others}) k
"""

_END = f"UPDATE outbox SET status = 'DROPPED', leased_until = NULL WHERE {_UNDELIVERED}"
_END_TASKS = """
    UPDATE task SET level = 0, due_at = NULL, escalated = 0,
        status = CASE WHEN status IN ('TOLD', 'RELIEVED') THEN 'CLOSED' ELSE status END
    WHERE event_id = :event_id
"""


def fan_out(
    connection: Connection,
    event_id: str,
    alert_id: int,
    channels: Sequence[str],
    now: datetime,
    answer_within: AnswerWithin,
    quiet: Quiet | None = None,
) -> int:
    """Put messages into the outbox for everybody whose level changed; returns how many people.

    Runs inside the caller's transaction, so that an alert and its messages commit together.
    People get a task whether or not there is a channel to tell them through.

    Raises
    ------
    ConfigError
        Where a channel is not registered, or is not for messages of the event's status.
    """
    identifier, status = connection.execute(
        select(alert.c.identifier, alert.c.status).where(alert.c.alert_id == alert_id)
    ).one()
    quiet_until = quiet.due(Level.BLUE, now) if quiet is not None else now
    names = {
        "event_id": event_id,
        "alert_id": alert_id,
        "identifier": identifier,
        "status": status,
        "now": isoformat(now),
        "quiet_until": isoformat(quiet_until),
        "quiet_up_to": int(quiet.up_to) if quiet is not None else 0,
    }
    purposes, firsts = channel_purposes(connection, channels), first_of_routes(connection, status)
    for channel in channels:
        require_fit(channel, purposes.get(channel), status)
    people = concerned(connection, event_id, alert_id, now)
    parts = {
        "version": "0" if people.new_alert else _VERSION,
        "heard": "true" if people.new_event else _HEARD,
    }
    at_once: list[str] = []
    for channel in channels:
        if changed := people.to_tell(channel, firsts):
            values = names | {"channel": channel}
            run = _Statements(connection, parts | {"changed": changed}, values)
            if not people.new_event:
                run(_SUPERSEDE)
            run(_OUTBOX, purpose=purposes[channel].value)
            if changed == CONCERNED:
                at_once.append(channel)
            else:
                run(_TOLD)
    changed = people.to_tell("", None)
    if changed is None:
        return 0
    run = _Statements(connection, {"changed": changed}, names | {"channel": ""})
    if run(_TASKS).rowcount >= _MANY:
        count_anew(connection, "task")
    _ask(connection, event_id, now, answer_within)
    return _tell_all(connection, at_once, names) if changed == CONCERNED else run(_TOLD).rowcount


def _tell_all(connection: Connection, channels: Sequence[str], names: dict[str, object]) -> int:
    """Write down of a new event who is told of it, and through which; returns how many people."""
    more = {f"channel{k}": channel for k, channel in enumerate(sorted(channels))}
    others = "".join(f" UNION ALL SELECT :{name}" for name in more)
    run = _Statements(connection, {"others": others}, names)
    return run(_TOLD_NEW, **more).rowcount // (1 + len(more))


@dataclass(frozen=True, slots=True)
class _Statements:
    """Runs statements about those whose level changed."""

    connection: Connection
    parts: dict[str, str]
    values: dict[str, object]

    def __call__(self, statement: str, **more: object) -> CursorResult[Any]:
        filled = text(statement.format(**self.parts))
        used = (self.values | more).items()
        return self.connection.execute(filled, {k: v for k, v in used if k in filled._bindparams})


def _ask(connection: Connection, event_id: str, now: datetime, within: AnswerWithin) -> None:
    """Set the deadlines of those who are waited for, the most urgent first."""
    kinds = connection.execute(text(_KINDS), {"event_id": event_id}).all()
    for level, tier in kinds:
        wait = within.wait(level, tier)
        values = {"event_id": event_id, "level": level, "tier": tier}
        if wait is None:
            connection.execute(text(_UNASK), values)
        else:
            connection.execute(text(_ASK), values | {"due_at": isoformat(now + wait)})


def end_tasks(connection: Connection, event_id: str) -> None:
    """End an event that expired: nothing of it is sent late, and nobody is waited for."""
    connection.execute(text(f"{_END} AND {_OF_EVENT}"), {"event_id": event_id})
    close_tasks(connection, event_id)


def close_tasks(connection: Connection, event_id: str) -> None:
    """End the waiting for everybody, wherever they stand and whyever they were called on."""
    connection.execute(text(_END_TASKS), {"event_id": event_id})
