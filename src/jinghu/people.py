"""What an office does with its people: importing them, making sure that there are some."""

import getpass
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from jinghu.configs.settings import Settings
from jinghu.grid.errors import StoreError
from jinghu.grid.frames import parse_frame
from jinghu.stages import StageLog
from jinghu.warnings.audience import Roster, count_recipients, read_roster
from jinghu.warnings.database import one_line, open_database, reading
from jinghu.warnings.generate import generate_recipients
from jinghu.warnings.reconcile import Absent, ImportPlan, apply_import, plan_import
from jinghu.warnings.units import Units

_CYCLE = "cycle"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a table is imported: its frame, what becomes of others, and whether it only looks."""

    frame: str
    absent: Absent = Absent.KEEP
    dry_run: bool = False


def operator() -> str:
    """Who sits at the command line, for the audit."""
    return f"cli {getpass.getuser()}"


def import_people(
    file: Path, options: ImportOptions, settings: Settings, now: datetime
) -> ImportPlan:
    """Import a table of people into the warnings database, or say what that would change.

    Raises
    ------
    ConfigError
        Where the frame of the coordinates is not declared.
    DataError
        Where the file is not a table of recipients.
    StoreError
        Where the database cannot be opened or written.
    """
    roster = read_roster(file, parse_frame(options.frame, str(file)))
    engine = open_database(settings.warnings.database)
    try:
        if not options.dry_run:
            return _import(engine, roster, settings, options.absent, (operator(), file.name), now)
        with reading(engine) as connection:
            return plan_import(connection, roster, settings.grid.product(), options.absent)
    except SQLAlchemyError as error:
        raise StoreError(f"warnings database: {one_line(error)}") from None
    finally:
        engine.dispose()


def ensure_audience(
    engine: Engine, units: Units, settings: Settings, now: datetime, log: StageLog
) -> None:
    """Import or generate the recipients where there are none yet; name it where there are none.

    Raises
    ------
    ConfigError
        Where the frame of the file's coordinates is not declared.
    """
    audience, spec = settings.warnings.audience, settings.grid.product()
    with reading(engine) as connection:
        if count_recipients(connection):
            return
    if audience.file is not None:
        roster = read_roster(audience.file, parse_frame(audience.frame, str(audience.file)))
        source = (_CYCLE, audience.file.name)
        report = _import(engine, roster, settings, Absent.KEEP, source, now)
        if report.bad:
            log.degrade(
                f"{audience.file.name}: {len(report.bad)} recipients refused, first {report.bad[0]}"
            )
    elif audience.generated:
        if settings.warnings.status == "Actual":
            log.degrade("recipients are generated: nobody in the audience exists")
        people = generate_recipients(units, spec, audience.generated, audience.seed)
        source = (_CYCLE, f"generated, seed {audience.seed}")
        _import(engine, Roster(tuple(people)), settings, Absent.KEEP, source, now)
    else:
        log.degrade("no audience is configured: alerts are issued, nobody is told")


def _import(
    engine: Engine,
    roster: Roster,
    settings: Settings,
    absent: Absent,
    source: tuple[str, str],
    now: datetime,
) -> ImportPlan:
    """Plan and apply in one transaction; ``source`` is who imports, and what."""
    with engine.begin() as connection:
        plan = plan_import(connection, roster, settings.grid.product(), absent)
        apply_import(connection, plan, *source, now)
    return plan
