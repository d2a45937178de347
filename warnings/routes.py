"""Who is told through which channels, in which order: the next one where one fails."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, delete, insert, text

from jinghu.grid.errors import ConfigError
from jinghu.grid.times import isoformat
from jinghu.warnings.levels import Level, Role
from jinghu.warnings.tables import route as route_table

_ALL_LEVELS = tuple(level for level in Level if level is not Level.NONE)


@dataclass(frozen=True, slots=True)
class Route:
    """Channels in their order for people of some roles under warnings of some levels.

    The first is told at once, each of the others when the one before it failed. Where several
    routes fit, people are told through all of them at the same time.
    """

    channels: tuple[str, ...]
    roles: tuple[Role, ...] = tuple(Role)
    levels: tuple[Level, ...] = _ALL_LEVELS

    def __post_init__(self) -> None:
        """Refuse what leads nowhere or in circles."""
        if not self.channels or len(set(self.channels)) < len(self.channels):
            raise ConfigError(f"route {'>'.join(self.channels)}: channels, each of them once")


def each_alone(channels: Sequence[str]) -> tuple[Route, ...]:
    """Everybody is told through every channel, and none stands in for another."""
    return tuple(Route((name,)) for name in channels)


def register_routes(connection: Connection, status: str, routes: Sequence[Route]) -> None:
    """Replace the routes for messages of one status (Actual, Exercise, Test)."""
    connection.execute(delete(route_table).where(route_table.c.status == status))
    rows = [
        {
            "status": status,
            "chain": chain,
            "role": role.value,
            "level": int(level),
            "place": place,
            "channel": name,
        }
        for chain, route in enumerate(routes)
        for role in route.roles
        for level in (Level.NONE, *route.levels)
        for place, name in enumerate(route.channels)
    ]
    if rows:
        connection.execute(insert(route_table), rows)


# With which channel the routes begin: the first that is not disabled, or the first.
_FIRST = text("""
    SELECT DISTINCT f.channel, f.role, f.level FROM route f
    WHERE f.status = :status AND f.level > 0 AND f.place = COALESCE(
        (SELECT MIN(g.place) FROM route g JOIN channel c ON c.name = g.channel
         WHERE g.status = f.status AND g.chain = f.chain AND g.role = f.role
           AND g.level = f.level AND c.disabled_at IS NULL), 0)
""")
Firsts = dict[str, frozenset[tuple[Role, Level]]]


def first_of_routes(connection: Connection, status: str) -> Firsts | None:
    """Roles and levels whose routes begin with each channel; None where there are no routes."""
    rows = connection.execute(_FIRST, {"status": status}).all()
    if not rows:
        return None
    pairs = [(row.channel, (Role(row.role), Level(row.level))) for row in rows]
    return {name: frozenset(p for n, p in pairs if n == name) for name, _ in pairs}


# The message goes on under an id of its own: it is another channel's. Who is told through that
# channel from now on is told the rest of the event through it as well.
_NEXT = """
    FROM outbox o
    JOIN alert a ON a.alert_id = o.alert_id
    JOIN recipient r ON r.recipient_id = o.recipient_id
    JOIN route f ON f.status = o.message_status AND f.role = r.role AND f.level = o.level
        AND f.channel = o.channel
    JOIN route g ON g.status = f.status AND g.chain = f.chain AND g.role = f.role
        AND g.level = f.level AND g.place > f.place
    JOIN channel c ON c.name = g.channel AND c.disabled_at IS NULL
    WHERE o.outbox_id = :outbox_id AND g.place = (
        SELECT MIN(h.place) FROM route h JOIN channel d ON d.name = h.channel
        WHERE h.status = f.status AND h.chain = f.chain AND h.role = f.role AND h.level = f.level
          AND h.place > f.place AND d.disabled_at IS NULL)
"""
_ENQUEUE = f"""
    INSERT INTO outbox
        (alert_id, message_status, recipient_id, channel, purpose, kind, version, level, priority,
         message_id, status, attempts, created_at, due_at, silence)
    SELECT n.alert_id, n.message_status, n.recipient_id, n.channel, n.purpose, n.kind, n.version,
           n.level, n.priority,
           n.identifier || '-' || n.recipient_id || '-' || n.channel
               || CASE WHEN n.version = 0 THEN '' ELSE '-' || n.version END,
           'PENDING', 0, n.created_at, n.due_at, n.silence
    FROM (
        SELECT DISTINCT o.alert_id, o.message_status, o.recipient_id, c.name AS channel, c.purpose,
            o.kind, o.level, o.priority, a.identifier, o.created_at, o.silence,
            CASE WHEN o.attempts = 0 AND o.due_at > :now THEN o.due_at ELSE :now END AS due_at,
            (SELECT COUNT(*) FROM outbox p WHERE p.alert_id = o.alert_id
                AND p.recipient_id = o.recipient_id AND p.channel = c.name) AS version
        {_NEXT}
    ) n
    WHERE NOT EXISTS (
        SELECT 1 FROM outbox p WHERE p.alert_id = n.alert_id AND p.recipient_id = n.recipient_id
          AND p.channel = n.channel AND p.level = n.level AND p.kind = n.kind
          AND p.created_at = n.created_at
          AND COALESCE(p.silence, '') = COALESCE(n.silence, ''))
"""
_TOLD = f"""
    INSERT INTO told (event_id, recipient_id, channel, level, alert_id)
    SELECT DISTINCT a.event_id, o.recipient_id, c.name, o.level, o.alert_id
    {_NEXT} AND o.kind = 'WARNING'
    ON CONFLICT (event_id, recipient_id, channel) DO UPDATE SET
        level = excluded.level, alert_id = excluded.alert_id
"""
_HAS_NEXT = text(f"SELECT o.outbox_id {_NEXT} LIMIT 1")
_CLOSE = text(
    "UPDATE outbox SET status = 'PASSED', leased_until = NULL"
    " WHERE outbox_id = :outbox_id AND status IN ('PENDING', 'LEASED', 'DEAD', 'MERGED')"
)


def pass_on(connection: Connection, outbox_ids: Sequence[int], now: datetime) -> list[int]:
    """Give messages to the next channel of their route; returns those that had one.

    They are ``PASSED`` then and not tried again where they were. The rest stays as it is.
    """
    passed = [
        key
        for key in outbox_ids
        if connection.execute(_HAS_NEXT, {"outbox_id": key}).first() is not None
    ]
    if passed:
        rows = [{"outbox_id": key, "now": isoformat(now)} for key in passed]
        connection.execute(text(_ENQUEUE), rows)
        connection.execute(text(_TOLD), rows)
        connection.execute(_CLOSE, rows)
    return passed
