"""The desk of those who decide upon warnings: what the umbrella hands to the service for it."""

from collections.abc import Callable
from dataclasses import dataclass

from jinghu.warnings.office import Office


@dataclass(frozen=True, slots=True)
class Desk:
    """The office that warns, as it is now, and what hands over what was decided."""

    office: Callable[[], Office]
    hand_over: Callable[[], None]
