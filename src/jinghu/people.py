"""What an office does with its people: importing and listing them, their numbers and keys."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from jinghu.configs.settings import Settings
from jinghu.grid.errors import ConfigError, StoreError
from jinghu.grid.frames import parse_frame
from jinghu.stages import StageLog
from jinghu.warnings.audience import Roster, count_recipients, read_roster
from jinghu.warnings.database import one_line, open_database, reading
from jinghu.warnings.forgetting import Forgotten, forget, remove_photos
from jinghu.warnings.generate import generate_recipients
from jinghu.warnings.people import (
    NO_KEYS,
    Look,
    Person,
    find_phone,
    keys_in_use,
    list_people,
    seal_anew,
    show_phone,
)
from jinghu.warnings.phone_keys import load_phone_keys, with_new_key, write_phone_keys
from jinghu.warnings.phones import PhoneKeys
from jinghu.warnings.reconcile import Absent, ImportPlan, apply_import, plan_import
from jinghu.warnings.shift_files import ShiftImport, import_shifts
from jinghu.warnings.units import Units

_CYCLE = "cycle"
_PAGE = 1000
_FEWEST_DAYS = 30


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
    with people_database(settings) as engine:
        if not options.dry_run:
            return _import(engine, roster, settings, options.absent, (operator(), file.name), now)
        with reading(engine) as connection:
            keys = phone_keys_of(settings)
            return plan_import(connection, roster, settings.grid.product(), options.absent, keys)


def take_shifts(file: Path, settings: Settings, now: datetime) -> ShiftImport:
    """Add the shifts of a duty roster to the warnings database.

    Raises
    ------
    DataError
        Where the file is no duty roster.
    StoreError
        Where the database cannot be opened or written.
    """
    with people_database(settings) as engine, engine.begin() as connection:
        return import_shifts(connection, file, operator(), now)


def forget_people(settings: Settings, days: int | None, now: datetime) -> Forgotten:
    """Remove what is personal about what ended so many days ago, pictures with it.

    Parameters
    ----------
    settings
        Its ``warnings.personal_data_days`` counts where no ``days`` are given.
    days, now
        How long is remembered, and the clock.

    Raises
    ------
    ConfigError
        Where neither is set, or the days are fewer than 30: reviews of an event need them.
    StoreError
        Where the database or a photograph cannot be changed.
    """
    wanted = settings.warnings.personal_data_days if days is None else days
    if wanted is None:
        raise ConfigError("set warnings.personal_data_days, or --days")
    if wanted < _FEWEST_DAYS:
        raise ConfigError(f"--days {wanted}: at least {_FEWEST_DAYS}, reviews need them")
    with people_database(settings) as engine:
        with engine.begin() as connection:
            done = forget(connection, now - timedelta(days=wanted), operator(), now)
        with reading(engine) as connection:
            remove_photos(connection, settings.store / "photos", now)
    return done


def phone_keys_of(settings: Settings) -> PhoneKeys | None:
    """Keys of phone numbers of this installation, None where none are configured.

    Raises
    ------
    ConfigError
        Where they are configured and cannot be read.
    """
    warnings = settings.warnings
    return load_phone_keys(warnings.phone_keys_file, warnings.phone_keys.get_secret_value())


def people_of(settings: Settings, unit: str | None) -> Iterator[Person]:
    """Yield the people of a unit and of those below it; numbers are masked."""
    keys, after = phone_keys_of(settings), 0
    with people_database(settings) as engine, reading(engine) as connection:
        while page := list_people(connection, keys, unit, after, _PAGE):
            yield from page
            after = page[-1].recipient_id


def look_at_phone(person: str, reason: str, settings: Settings, now: datetime) -> str:
    """Number of a person; who looked, and why, is in the audit."""
    keys = _needed(settings)
    with people_database(settings) as engine, engine.begin() as connection:
        return show_phone(connection, keys, person, Look(operator(), reason, now))


def whose_phone(phone: str, settings: Settings) -> list[Person]:
    """Whose number this is."""
    keys = _needed(settings)
    with people_database(settings) as engine, reading(engine) as connection:
        return find_phone(connection, keys, phone)


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a rotation came to; ``kept`` are older keys that stay for backups."""

    key_id: str
    numbers: int
    kept: tuple[str, ...]


def rotate_key(settings: Settings, drop_old: bool, now: datetime) -> Rotated:
    """Make a new key and encrypt all numbers with it; makes the first key where there is none.

    The file is written before the first number: whatever stops this, every number can be read,
    and calling it again goes on. Keys from a variable cannot be changed here: put a new one before
    the others, and all numbers are encrypted with it.

    Raises
    ------
    ConfigError
        Where no place for keys is configured, or the file is missing and numbers need it.
    """
    path = settings.warnings.phone_keys_file
    with people_database(settings) as engine:
        with reading(engine) as connection:
            used = keys_in_use(connection)
        keys = None if path and not path.exists() and not used else phone_keys_of(settings)
        if path is not None:
            keys = with_new_key(keys)
            write_phone_keys(path, keys)
        if keys is None:
            raise ConfigError(NO_KEYS)
        numbers = seal_anew(engine, keys, operator(), now)
        if drop_old and path is not None:
            keys = PhoneKeys(keys.keys[:1])
            write_phone_keys(path, keys)
    return Rotated(keys.current.key_id, numbers, tuple(k.key_id for k in keys.keys[1:]))


def _needed(settings: Settings) -> PhoneKeys:
    keys = phone_keys_of(settings)
    if keys is None:
        raise ConfigError(NO_KEYS)
    return keys


@contextmanager
def people_database(settings: Settings) -> Iterator[Engine]:
    """The database of this installation, closed at the end; its errors are one line."""
    engine = open_database(settings.warnings.database)
    try:
        yield engine
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
    keys = phone_keys_of(settings) if any(p.phone for p in roster.people) else None
    with engine.begin() as connection:
        plan = plan_import(connection, roster, settings.grid.product(), absent, keys)
        apply_import(connection, plan, *source, now)
    return plan
