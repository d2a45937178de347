"""Whose level of danger changed, worked out once a message in tables of the connection's own.

Reading people in the order of their cells is quick, and writing messages in that order is not:
every index is torn from end to end. From a table by recipient all of them grow at their ends.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, text

from jinghu.warnings.levels import Level, Role
from jinghu.warnings.routes import Firsts
from jinghu.warnings.shifts import off_duty

CONCERNED = "concerned"
"""Table of all whom a message concerns."""
_TABLES = (CONCERNED, "changed")
_OFF_DUTY = """
    CREATE TEMPORARY TABLE IF NOT EXISTS off_duty (recipient_id INTEGER PRIMARY KEY){kept}
"""
_CREATE = """
    CREATE TEMPORARY TABLE IF NOT EXISTS {name} (
        recipient_id INTEGER PRIMARY KEY,
        level INTEGER NOT NULL,
        role VARCHAR(24) NOT NULL,
        unit_code VARCHAR(16) NOT NULL
    ){kept}
"""
# PostgreSQL never clears up by itself after rows that were deleted from a connection's own tables.
_KEPT = {"sqlite": "", "postgresql": " ON COMMIT DELETE ROWS"}
_CLEAR = {"sqlite": "DELETE FROM", "postgresql": "TRUNCATE"}
# Everybody who stands in the area, and who was told of it and does not (level 0).
_HERE = """
    INSERT INTO concerned (recipient_id, level, role, unit_code)
    SELECT r.recipient_id, c.level, r.role, r.unit_code
    FROM alert_cell c
    JOIN recipient r ON r.cell_id = c.cell_id
    WHERE c.alert_id = :alert_id AND c.level > 0 {on_duty}
"""
# The same by recipient instead of by cell: where a quarter of all people stand in the area, looking
# up the cell of each, in their order, takes a third of the time of looking up the people of each
# cell. CROSS JOIN is how SQLite is told the order; PostgreSQL finds it by itself.
_HERE_OF_MANY = """
    INSERT INTO concerned (recipient_id, level, role, unit_code)
    SELECT r.recipient_id, c.level, r.role, r.unit_code
    FROM recipient r CROSS JOIN alert_cell c
    WHERE c.alert_id = :alert_id AND c.cell_id = r.cell_id AND c.level > 0 {on_duty}
"""
_ARE_MANY = """
    SELECT 4 * COUNT(*) >= (SELECT COALESCE(MAX(recipient_id), 0) FROM recipient)
    FROM alert_cell c JOIN recipient r ON r.cell_id = c.cell_id
    WHERE c.alert_id = :alert_id AND c.level > 0
"""
_ON_DUTY = "AND r.recipient_id NOT IN (SELECT recipient_id FROM off_duty)"
_LEFT = """
    INSERT INTO concerned (recipient_id, level, role, unit_code)
    SELECT DISTINCT r.recipient_id, 0, r.role, r.unit_code
    FROM told t
    JOIN recipient r ON r.recipient_id = t.recipient_id
    WHERE t.event_id = :event_id AND t.level <> 0
      AND NOT EXISTS (SELECT 1 FROM concerned c WHERE c.recipient_id = r.recipient_id) {stayed}
"""
# Whose shift has ended in a place that is still warned is not told that the danger is over.
_STAYED = """
      AND NOT (r.recipient_id IN (SELECT recipient_id FROM off_duty)
               AND EXISTS (SELECT 1 FROM alert_cell a WHERE a.alert_id = :alert_id AND a.level > 0
                           AND a.cell_id = r.cell_id))
"""
# Where that differs from what they were told last through the channel. Nobody is told the same
# thing twice; a channel that is new tells everybody in the area once whose route begins with it;
# who was told through it before is told on.
_CHANGED = """
    INSERT INTO changed (recipient_id, level, role, unit_code)
    SELECT c.recipient_id, c.level, c.role, c.unit_code
    FROM concerned c
    LEFT JOIN told t ON t.event_id = :event_id AND t.recipient_id = c.recipient_id
        AND t.channel = :channel
    WHERE c.level <> COALESCE(t.level, 0) {first}
"""
_FIRST_OF_EVENT = "SELECT 1 FROM told WHERE event_id = :event_id LIMIT 1"
_FIRST_OF_ALERT = "SELECT 1 FROM outbox WHERE alert_id = :alert_id LIMIT 1"


@dataclass(frozen=True, slots=True)
class Concerned:
    """The people of one message; `to_tell` gives those of a channel.

    ``new_event``: nobody was told anything of the event. ``new_alert``: nothing was written to
    anybody under this message.
    """

    connection: Connection
    event_id: str
    alert_id: int
    new_event: bool
    new_alert: bool

    def to_tell(self, channel: str, firsts: Firsts | None) -> str | None:
        """Name of the table of those whose level changed; None where there is nobody.

        ``firsts`` are the roles and levels whose routes begin with each channel; None: all.
        """
        pairs = frozenset() if firsts is None else firsts.get(channel, frozenset())
        everybody = not channel or firsts is None or len(pairs) == len(Role) * (len(Level) - 1)
        name = CONCERNED if self.new_event and everybody else "changed"
        if name == "changed":
            values = ", ".join(f"('{role.value}', {int(level)})" for role, level in sorted(pairs))
            first = f"(c.role, c.level) IN (VALUES {values})" if values else "false"
            only = "" if everybody else f"AND (t.recipient_id IS NOT NULL OR {first})"
            self._run(f"{_CLEAR[self.connection.dialect.name]} changed")
            self._run(_CHANGED.format(first=only), event_id=self.event_id, channel=channel)
        found = self._run(f"SELECT 1 FROM {name} LIMIT 1").first()
        return name if found is not None else None

    def _run(self, statement: str, **values: object) -> CursorResult[Any]:
        return self.connection.execute(text(statement), values)


def concerned(connection: Connection, event_id: str, alert_id: int, now: datetime) -> Concerned:
    """Work out whom a message concerns now, inside the caller's transaction.

    Who stands back because somebody else is on shift is told nothing new.
    """

    def run(statement: str, **values: object) -> bool:
        found = connection.execute(text(statement), values)
        return found.returns_rows and found.first() is not None

    dialect = connection.dialect.name
    for name in _TABLES:
        run(_CREATE.format(name=name, kept=_KEPT[dialect]))
        run(f"{_CLEAR[dialect]} {name}")
    new_event = not run(_FIRST_OF_EVENT, event_id=event_id)
    off = off_duty(connection, now)
    if off:
        run(_OFF_DUTY.format(kept=_KEPT[dialect]))
        run(f"{_CLEAR[dialect]} off_duty")
        rows = [{"key": key} for key in off]
        connection.execute(text("INSERT INTO off_duty (recipient_id) VALUES (:key)"), rows)
    many = (
        dialect == "sqlite" and connection.execute(text(_ARE_MANY), {"alert_id": alert_id}).scalar()
    )
    here = _HERE_OF_MANY if many else _HERE
    run(here.format(on_duty=_ON_DUTY if off else ""), alert_id=alert_id)
    if not new_event:
        stayed = {"alert_id": alert_id} if off else {}
        run(_LEFT.format(stayed=_STAYED if off else ""), event_id=event_id, **stayed)
    new_alert = not run(_FIRST_OF_ALERT, alert_id=alert_id)
    return Concerned(connection, event_id, alert_id, new_event, new_alert)
