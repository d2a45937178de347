"""How long a person who was told is waited for, by level of danger and of responsibility."""

from dataclasses import dataclass
from datetime import timedelta

from jinghu.warnings.levels import Level, Tier

_USUAL_MIN = ((Level.YELLOW, 20), (Level.ORANGE, 10), (Level.RED, 5))  # blue asks for no answer


def _usual() -> tuple[tuple[Level, Tier, timedelta], ...]:
    return tuple(
        (level, tier, timedelta(minutes=wait)) for level, wait in _USUAL_MIN for tier in Tier
    )


@dataclass(frozen=True, slots=True)
class AnswerWithin:
    """Waiting times; a level of danger that is not among them asks for no answer."""

    waits: tuple[tuple[Level, Tier, timedelta], ...] = _usual()

    def wait(self, level: int, tier: int) -> timedelta | None:
        """How long an answer is waited for; None where none is asked for."""
        return next((wait for at, of, wait in self.waits if (at, of) == (level, tier)), None)
