"""Between two cycles: who has answered, and who is called on for those who have not."""

from datetime import datetime

from sqlalchemy.exc import SQLAlchemyError

from jinghu.alerting import deliver_now
from jinghu.channels import channels_of
from jinghu.configs.settings import Settings
from jinghu.desk import settle_waiting
from jinghu.grid.errors import StoreError
from jinghu.stages import StageLog
from jinghu.warnings.database import one_line, open_database, reading
from jinghu.warnings.escalation import escalate, follow_up_counts
from jinghu.warnings.rules import load_rules


def answers_so_far(settings: Settings, now: datetime, log: StageLog) -> dict[str, int] | None:
    """How many tasks of open events are acknowledged, escalated and overdue.

    None where the database cannot tell, by name: rain is published whether or not.
    """
    try:
        engine = open_database(settings.warnings.database)
        try:
            with reading(engine) as connection:
                return follow_up_counts(connection, settings.warnings.status, now)
        finally:
            engine.dispose()
    except StoreError as error:
        cause = str(error)
    except SQLAlchemyError as error:
        cause = f"warnings database: {one_line(error)}"
    log.degrade(f"answers are not counted: {cause}")
    return None


def follow_up(settings: Settings, now: datetime) -> dict[str, object]:
    """Issue what waited in vain, pass on what is overdue and hand over what is due.

    Raises
    ------
    ConfigError
        Where the rules or a receiver are configured wrongly.
    StoreError
        Where the database cannot be opened, written or read.
    """
    channels, within = channels_of(settings), load_rules(settings.warnings.rules).answer_within
    try:
        engine = open_database(settings.warnings.database)
        try:
            settle_waiting(engine, settings, now)
            followed = escalate(engine, within, now)
            delivered = deliver_now(engine, channels, settings, now)
            with reading(engine) as connection:
                answers = follow_up_counts(connection, settings.warnings.status, now)
        finally:
            engine.dispose()
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    return {
        "passed_on": followed.escalated,
        "called": followed.called,
        "stuck": followed.stuck,
        "delivered": delivered.sent,
        "retrying": delivered.retry,
        "dead": delivered.dead,
        "faults": delivered.faults,
    } | answers
