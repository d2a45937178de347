"""The warnings database: opening, migrating, one writer at a time, the audit chain."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from sqlite3 import Connection as SqliteConnection

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from jinghu.grid.errors import StoreError
from jinghu.grid.times import isoformat
from jinghu.warnings.postgres import hold_text, is_postgres, postgres_engine, require_utf8
from jinghu.warnings.tables import audit

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY_MS = 30_000
_CACHE_KIB = 32 * 1024  # in 2 MiB, the default, the indexes of 100,000 people push each other out
_GENESIS = "0" * 64
_APPEND = insert(audit)
_LAST = select(audit.c.seq, audit.c.hash).order_by(audit.c.seq.desc()).limit(1)
THROWAWAY = "?synchronous=off"  # at the end of a URL: what is committed may go with the machine


def open_database(url: str) -> Engine:
    """Open the database, creating and migrating it as needed.

    Of PostgreSQL the database itself has to be there, and empty at first; its tables are made.

    SQLite keeps its rollback journal: its write-ahead log can corrupt a database that several
    processes use before SQLite 3.51.3, and Debian 12 ships 3.40. Every commit is flushed to disk,
    unless the URL ends with `THROWAWAY`: that of a drill, which the next drill clears.

    Raises
    ------
    StoreError
        Where it cannot be opened or migrated.
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite" and parsed.database not in (None, "", ":memory:"):
            Path(str(parsed.database)).parent.mkdir(parents=True, exist_ok=True)
        engine = connect(url)
        try:
            _prepare(engine)
        except BaseException:
            engine.dispose()
            raise
    except (SQLAlchemyError, CommandError, OSError, ImportError) as error:
        raise StoreError(f"warnings database {_shown(url)}: {one_line(error)}") from None
    return engine


def _prepare(engine: Engine) -> None:
    with engine.connect() as connection:
        if connection.dialect.name == "postgresql":
            require_utf8(connection)
        if not _is_current(connection):
            _migrate(connection)


def is_made(url: str) -> bool:
    """Whether there is a database with tables: one that is not is made by the first cycle.

    Raises
    ------
    SQLAlchemyError
        Where that cannot be told.
    """
    parsed = make_url(url)
    if not is_postgres(parsed):
        return bool(parsed.database) and Path(str(parsed.database)).is_file()
    engine = connect(url)
    try:
        with reading(engine) as connection:
            return inspect(connection).has_table("alembic_version")
    finally:
        engine.dispose()


def _is_current(connection: Connection) -> bool:
    """Whether the schema is that of the newest migration, without loading all of them."""
    if not inspect(connection).has_table("alembic_version"):
        return False
    newest = max(file.name for file in (_MIGRATIONS / "versions").glob("*.py"))
    found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    connection.rollback()
    return bool(found == newest.partition("_")[0])


def _migrate(connection: Connection) -> None:
    """Bring the schema up to date; a broken reference afterwards takes everything back.

    SQLite changes a table by making it anew, which the references to it must not hinder; they are
    checked as a whole at the end instead. The switch works outside of a transaction only.
    """
    lite = connection.dialect.name == "sqlite"
    raw = connection.connection.dbapi_connection
    if lite and raw is not None:
        raw.cursor().execute("PRAGMA foreign_keys = OFF")
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
    if lite and connection.exec_driver_sql("PRAGMA foreign_key_check").first() is not None:
        raise CommandError("a migration leaves rows that refer to nothing")
    if connection.dialect.name == "postgresql":
        hold_text(connection)
    connection.commit()
    if lite and raw is not None:
        raw.cursor().execute("PRAGMA foreign_keys = ON")


def one_line(error: Exception) -> str:
    """Cause of a database error in one line, without the statement and its parameters."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _shown(url: str) -> str:
    """The address without its password."""
    try:
        return make_url(url).render_as_string()
    except SQLAlchemyError:
        return repr(url)


def connect(url: str) -> Engine:
    """Return an engine without touching the database.

    Its errors name no parameters: those are names and notes of people, which belong in no log.
    """
    parsed = make_url(url)
    if is_postgres(parsed):
        return postgres_engine(parsed)
    if parsed.get_backend_name() != "sqlite":
        raise ArgumentError("it is neither SQLite nor PostgreSQL")
    throwaway = parsed.query.get("synchronous") == "off"
    url_of_file = parsed.difference_update_query(["synchronous"])
    engine = create_engine(url_of_file, hide_parameters=True)  # a file needs no ping
    event.listen(engine, "connect", partial(_configure_sqlite, "OFF" if throwaway else "FULL"))
    event.listen(engine, "begin", _begin_immediate)
    return engine


def _configure_sqlite(flush: str, connection: SqliteConnection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event starts transactions
    connection.execute(f"PRAGMA busy_timeout = {_BUSY_MS}")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute(f"PRAGMA synchronous = {flush}")
    connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
    connection.execute("PRAGMA temp_store = MEMORY")


def _begin_immediate(connection: Connection) -> None:
    """Take the write lock at once: a deferred transaction fails when it wants to write late."""
    readonly = connection.get_execution_options().get("jinghu_readonly", False)
    connection.exec_driver_sql("BEGIN" if readonly else "BEGIN IMMEDIATE")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that only reads and does not wait for writers."""
    with engine.connect().execution_options(jinghu_readonly=True) as connection:
        yield connection


@contextmanager
def taking(engine: Engine) -> Iterator[Connection]:
    """Open a transaction that changes no rows but those that it has locked for itself.

    It writes nothing to the audit. With PostgreSQL it waits for no writer; SQLite has one at a
    time.
    """
    with engine.connect().execution_options(jinghu_taking=True) as connection, connection.begin():
        yield connection


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the audit: who did what to what; the detail is JSON."""

    actor: str
    action: str
    subject: str
    detail: Mapping[str, object]


def record(
    connection: Connection,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    detail: Mapping[str, object],
) -> None:
    """Append to the audit chain inside the caller's transaction."""
    record_all(connection, at, [Entry(actor, action, subject, detail)])


def record_all(connection: Connection, at: datetime, entries: Sequence[Entry]) -> None:
    """Append many entries to the audit chain, in their order."""
    if not entries:
        return
    last = connection.execute(_LAST).first()
    seq, previous = (0, _GENESIS) if last is None else (int(last.seq), str(last.hash))
    stamp, rows = isoformat(at), []
    for number, entry in enumerate(entries, seq + 1):
        row = {
            "at": stamp,
            "actor": entry.actor,
            "action": entry.action,
            "subject": entry.subject,
            "detail": json.dumps(entry.detail, ensure_ascii=False, sort_keys=True),
        }
        digest = _digest(previous, row)
        rows.append(row | {"seq": number, "prev_hash": previous, "hash": digest})
        previous = digest
    connection.execute(_APPEND, rows)


@dataclass(frozen=True, slots=True)
class AuditLink:
    """One entry as the chain holds it.

    ``genuine``: its digest is that of what it says; ``follows``: it names the digest before it.
    """

    seq: int
    digest: str
    genuine: bool
    follows: bool


def walk_audit(connection: Connection) -> Iterator[AuditLink]:
    """Yield all entries of the audit in their order, each held against its digest."""
    previous = _GENESIS
    query = select(audit).order_by(audit.c.seq).execution_options(yield_per=5000)
    for found in connection.execute(query):
        row = {k: getattr(found, k) for k in ("at", "actor", "action", "subject", "detail")}
        genuine = found.hash == _digest(found.prev_hash, row)
        yield AuditLink(int(found.seq), found.hash, genuine, found.prev_hash == previous)
        previous = found.hash


def verify_audit(engine: Engine) -> int | None:
    """Return the first sequence number at which the chain is broken, None where it is whole.

    What was cut off its end is seen by `jinghu.warnings.audit`, which has the anchors.
    """
    with reading(engine) as connection:
        broken = (k.seq for k in walk_audit(connection) if not (k.genuine and k.follows))
        return next(broken, None)


def _digest(previous: str, row: Mapping[str, str]) -> str:
    text = "\x1f".join([previous, *(f"{key}={row[key]}" for key in sorted(row))])
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
