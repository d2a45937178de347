"""PostgreSQL as the warnings database: what it does otherwise than SQLite is made the same here.

Writers wait for each other as they do with SQLite, at a lock of the database itself: the audit is
one chain, and who is told what rests on what everybody else was told before. Nobody who reads waits
for them, and neither does a worker that takes messages to deliver: it locks those that it takes,
and passes over those that another holds.
"""

import socket
import ssl
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL, ExceptionContext
from sqlalchemy.exc import (
    ArgumentError,
    DataError,
    DBAPIError,
    IntegrityError,
    OperationalError,
)

from jinghu.warnings import postgres_driver
from jinghu.warnings.tables import metadata

_PG8000 = ("postgresql", "postgresql+pg8000")
_WRITER_LOCK = 0x6A696E676875  # "jinghu": one a database, as the locks of applications are
_CONNECT_S = 10.0
_ANSWER_S = 120.0  # longer than the longest statement: what does not answer then is gone
_LOCK_WAIT = "90s"  # telling a city takes PostgreSQL up to half a minute
_SESSION = (
    f"SET lock_timeout = '{_LOCK_WAIT}'",
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)
# Classes of the server's answers that pg8000 does not tell apart.
_KINDS: Mapping[str, type[DBAPIError]] = {"22": DataError, "23": IntegrityError}
_UNHELD = """
    SELECT c.table_name, c.column_name FROM information_schema.columns c
    WHERE c.table_schema = current_schema()
      AND (c.data_type = 'character varying'
           OR (c.data_type = 'text' AND c.collation_name IS DISTINCT FROM 'C'))
    ORDER BY c.table_name, c.ordinal_position
"""


def is_postgres(url: URL) -> bool:
    """Whether an address is that of a PostgreSQL database."""
    return url.get_backend_name() == "postgresql"


def postgres_engine(url: URL) -> Engine:
    """Return an engine without touching the database.

    An address that names no driver is opened with pg8000. ``?synchronous=off`` lets commits not
    wait for the disk; with pg8000, ``sslmode`` and ``sslrootcert`` mean what they mean elsewhere.

    Raises
    ------
    ArgumentError
        Where the driver is not installed, or there is no such ``sslmode``.
    """
    throwaway = url.query.get("synchronous") == "off"
    url = url.difference_update_query(["synchronous"])
    arguments: dict[str, object] = {}
    if url.drivername == "postgresql+psycopg":
        arguments["connect_timeout"] = int(_CONNECT_S)
    ours = url.drivername in _PG8000
    if ours:
        context = _tls(url.query)
        if context is not None:
            arguments["ssl_context"] = context
        url = url.difference_update_query(["sslmode", "sslrootcert"])
        url = url.set(drivername=f"postgresql+{postgres_driver.NAME}")
    try:
        engine = create_engine(
            url, pool_pre_ping=True, hide_parameters=True, connect_args=arguments
        )
    except ModuleNotFoundError as error:
        raise ArgumentError(f"no module {error.name}: pip install 'jinghu[postgres]'") from None
    if ours:
        event.listen(engine, "do_connect", _reach)
    event.listen(engine, "connect", _Session(throwaway))
    event.listen(engine, "begin", _begin)
    event.listen(engine, "handle_error", _in_one_line)
    return engine


def _tls(query: Mapping[str, Any]) -> ssl.SSLContext | bool | None:
    """How the connection is encrypted: as with libpq, ``prefer`` where nothing is said."""
    mode = query.get("sslmode", "prefer")
    if mode == "disable":
        return False
    if mode in ("allow", "prefer"):
        return None
    if mode not in ("require", "verify-ca", "verify-full"):
        raise ArgumentError(f"there is no sslmode {mode!r}")
    context = ssl.create_default_context(cafile=query.get("sslrootcert"))
    context.check_hostname = mode == "verify-full"
    if mode == "require" and "sslrootcert" not in query:
        context.verify_mode = ssl.CERT_NONE
    return context


def _reach(dialect: Any, _record: object, _args: object, named: dict[str, Any]) -> Any:
    """Connect in bounded time: left to itself, a host that is off is waited for two minutes."""
    if "unix_sock" in named:
        return None
    address = (named.get("host") or "localhost", int(named.get("port") or 5432))
    try:
        found = socket.create_connection(address, _CONNECT_S)
    except OSError as error:
        where = f"{address[0]}:{address[1]}"
        cause = ConnectionError(f"cannot be reached at {where}: {error.strerror or error}")
        raise OperationalError(None, None, cause) from None
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    found.settimeout(_ANSWER_S)
    try:
        with dialect.told():
            return dialect.loaded_dbapi.Connection(sock=found, **named)
    except BaseException:
        found.close()
        raise


class _Session:
    """Sets a new connection up: how long it waits, and whether commits are flushed."""

    def __init__(self, throwaway: bool) -> None:
        flush = "SET synchronous_commit = off" if throwaway else "SET synchronous_commit = on"
        self.statements = (*_SESSION, flush)

    def __call__(self, connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for statement in self.statements:
            cursor.execute(statement)
        cursor.close()
        connection.commit()


def _begin(connection: Connection) -> None:
    """Begin as a reader, who sees one moment throughout, as a taker of rows, or as the writer."""
    options = connection.get_execution_options()
    if options.get("jinghu_readonly", False):
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    elif not options.get("jinghu_taking", False):
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITER_LOCK})")


def _in_one_line(context: ExceptionContext) -> DBAPIError | None:
    """Leave the message of the server's answer, not its detail: that quotes what was written.

    pg8000 gives the answer as it came, and does not tell rows that are refused from statements
    that are wrong.
    """
    error, made = context.original_exception, context.sqlalchemy_exception
    answer = error.args[0] if error.args else None
    if not isinstance(answer, dict) or "M" not in answer or not isinstance(made, DBAPIError):
        return None
    code = str(answer.get("C", ""))
    error.args = (f"{answer['M']} ({code})",)
    kind = _KINDS.get(code[:2], type(made))
    return kind(
        made.statement,
        None,
        error,
        hide_parameters=True,
        connection_invalidated=made.connection_invalidated,
    )


def count_anew(connection: Connection, table: str) -> None:
    """Let PostgreSQL see how much of what a table holds; nothing elsewhere.

    It plans by what it last counted. Of tasks that have just been written it knows nothing, and
    looks through all of them for each: 40 s for 5,000 people, where it takes half a second.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f'ANALYZE "{table}"')


def require_utf8(connection: Connection) -> None:
    """Refuse a database that cannot hold Chinese.

    Raises
    ------
    ArgumentError
        Where its encoding is not UTF-8.
    """
    found = connection.exec_driver_sql("SHOW server_encoding").scalar()
    if found != "UTF8":
        raise ArgumentError(f"its encoding is {found}: create it with ENCODING 'UTF8'")


def hold_text(connection: Connection) -> None:
    """Let text columns hold and sort what SQLite's do: of any length, by code points.

    Whatever language the database was created for, units and times sort in one order.
    """
    wanted: dict[str, list[str]] = {}
    for table, column in connection.execute(text(_UNHELD)):
        if table in metadata.tables:
            wanted.setdefault(table, []).append(column)
    for table, columns in wanted.items():
        changes = ", ".join(f'ALTER COLUMN "{c}" TYPE TEXT COLLATE "C"' for c in columns)
        connection.exec_driver_sql(f'ALTER TABLE "{table}" {changes}')
