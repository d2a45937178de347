"""How those who were asked to act stand, in numbers: the one count for phones, bulletins and lists.

A task of an open warning is in one of five states. *Answered*: acknowledged, handled, or relieved
by somebody else. *Unable*: they said so. *Silent*: they did not answer in time, and it went one
level up. *Awaited*: the time to answer runs, or nobody is above to pass it on to. The rest were
told, and nobody waits for their answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, case, func, select

from jinghu.warnings.levels import Tier
from jinghu.warnings.tables import event, recipient, task

ANSWERED = task.c.status.in_(("ACKNOWLEDGED", "HANDLED", "RELIEVED"))
UNABLE = task.c.status == "CANNOT_HANDLE"
SILENT = (task.c.status == "TOLD") & task.c.raised_at.is_not(None)
AWAITED = (task.c.status == "TOLD") & task.c.raised_at.is_(None) & task.c.due_at.is_not(None)
URGENT_FIRST = case((UNABLE, 0), (SILENT, 1), (AWAITED, 2), (task.c.status != "TOLD", 3), else_=4)
"""Order of tasks: who cannot act, who is silent, who is awaited, who answered, the rest."""


@dataclass(frozen=True, slots=True)
class TierCount:
    """How those of one level of responsibility stand; ``told`` counts all of them."""

    tier: Tier
    told: int
    answered: int
    unable: int
    awaited: int
    silent: int


def tally(connection: Connection, where: Sequence[ColumnElement[bool]]) -> tuple[TierCount, ...]:
    """Count tasks by level of responsibility, the highest first.

    Parameters
    ----------
    connection
        The warnings database.
    where
        Which tasks: conditions on ``task``, ``event`` and ``recipient``.
    """
    query = (
        select(
            task.c.tier,
            func.count().label("told"),
            func.count().filter(ANSWERED).label("answered"),
            func.count().filter(UNABLE).label("unable"),
            func.count().filter(AWAITED).label("awaited"),
            func.count().filter(SILENT).label("silent"),
        )
        .join(recipient, recipient.c.recipient_id == task.c.recipient_id)
        .join(event, event.c.event_id == task.c.event_id)
        .where(*where)
        .group_by(task.c.tier)
        .order_by(task.c.tier.desc())
    )
    return tuple(
        TierCount(
            Tier(row.tier),
            int(row.told),
            int(row.answered),
            int(row.unable),
            int(row.awaited),
            int(row.silent),
        )
        for row in connection.execute(query)
    )
