"""Quiet hours: blue warnings that come at night, or yellow ones too, are held until morning.

Orange and red never are, and neither are ends of warnings.
"""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

from jinghu.grid.times import BEIJING
from jinghu.warnings.levels import Level


@dataclass(frozen=True, slots=True)
class Quiet:
    """From when until when, by the clock on the wall, and for which levels.

    The end may lie on the next day.

    >>> from datetime import UTC
    >>> night = Quiet(time(22), time(6, 30))
    >>> night.due(Level.BLUE, datetime(2026, 7, 1, 15, tzinfo=UTC)).isoformat()
    '2026-07-01T22:30:00+00:00'
    >>> night.due(Level.YELLOW, datetime(2026, 7, 1, 15, tzinfo=UTC)).hour
    15
    """

    begins: time
    ends: time
    up_to: Level = Level.BLUE

    def __post_init__(self) -> None:
        """Refuse to hold what is urgent; ValueError."""
        if not Level.BLUE <= self.up_to <= Level.YELLOW:
            raise ValueError("quiet hours are for blue and yellow alone")

    def due(self, level: Level, now: datetime) -> datetime:
        """When a message of a level may go out: now, or in the morning."""
        if not Level.BLUE <= level <= self.up_to or not self._holds(now):
            return now
        local = now.astimezone(BEIJING)
        morning = datetime.combine(local.date(), self.ends, BEIJING)
        if morning <= local:
            morning += timedelta(days=1)
        return morning.astimezone(now.tzinfo)

    def _holds(self, now: datetime) -> bool:
        at = now.astimezone(BEIJING).time()
        if self.begins <= self.ends:
            return self.begins <= at < self.ends
        return at >= self.begins or at < self.ends
