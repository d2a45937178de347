"""Who warns, of what, through which channels; and what one pass of theirs came to."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from jinghu.grid.spec import GridSpec
from jinghu.warnings.approvals import Approvals
from jinghu.warnings.levels import Hazard
from jinghu.warnings.lifecycle import LifeParams
from jinghu.warnings.purposes import Purpose, register_channels
from jinghu.warnings.quiet import Quiet
from jinghu.warnings.routes import Route, each_alone, register_routes
from jinghu.warnings.units import Units
from jinghu.warnings.waiting import AnswerWithin


@dataclass(frozen=True, slots=True)
class Office:
    """Who warns, of what, through which channels; ``drills`` names those that are for drills.

    ``agency`` is the code of GB/T 4657 that makes national identifiers, if there is one;
    ``approvals`` tells which steps wait for a second person.
    """

    spec: GridSpec
    units: Units
    city_zh: str
    city_en: str
    sender: str
    status: str
    channels: tuple[str, ...]
    life: LifeParams = field(default_factory=LifeParams)
    drills: frozenset[str] = frozenset()
    answer_within: AnswerWithin = field(default_factory=AnswerWithin)
    agency: str | None = None
    routes: tuple[Route, ...] = ()
    quiet: Quiet | None = None
    approvals: Mapping[Hazard, Approvals] = field(default_factory=dict)


@dataclass(slots=True)
class Summary:
    """What one cycle did; ``late_after`` names the newer cycle for which it was ignored.

    ``idle_holds`` are the numbers of holds on what this cycle did not judge, ``proposed`` those of
    steps that wait for a second person now, ``unanswered`` the messages for which nobody answered.
    """

    candidates: int = 0
    issued: int = 0
    updated: int = 0
    cancelled: int = 0
    expired: int = 0
    recipients: int = 0
    repeated: bool = False
    late_after: str | None = None
    alerts: list[str] = field(default_factory=list)
    idle_holds: list[int] = field(default_factory=list)
    proposed: list[int] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)


def register(connection: Connection, office: Office) -> None:
    """Write down the channels of an office, and who is told through which."""
    drills = office.drills
    purposes = {c: Purpose.DRILL if c in drills else Purpose.PRODUCTION for c in office.channels}
    register_channels(connection, purposes)
    register_routes(connection, office.status, office.routes or each_alone(office.channels))
